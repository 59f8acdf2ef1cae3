// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_stuff_tce };
@@
- static long f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- kvm_tce_enter(vcpu);
- ret = kvmppc_stuff_tce(vcpu, liobn, ioba, tce_value, npages);
- kvm_tce_leave(vcpu);
+ do {
+ 	kvm_tce_enter(vcpu);
+ 	ret = kvmppc_stuff_tce_step(vcpu, liobn, &ioba, tce_value, &npages);
+ 	kvm_tce_leave(vcpu);
+
+ 	if (ret == H_SUCCESS && npages && fatal_signal_pending(current))
+ 		ret = H_TOO_HARD;
+ 	cond_resched();
+ } while (ret == H_SUCCESS && npages);
