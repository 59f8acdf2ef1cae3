// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
// From here on no vCPU finds the table
@@ @@
  kvm_spapr_tce_release(...)
  {
  ...
  mutex_unlock(&kvm_tce_lock);
+
+ kvm_tce_wait_for_vcpus(kvm);
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
// The copy is made by the caller
@@ @@
- if (kvmppc_tce_to_ua(vcpu->kvm, tce_list, &ua)) {
- 	ret = H_TOO_HARD;
- 	goto unlock_exit;
- }
- tces = memdup_array_user(...);
- if (IS_ERR(tces)) {
+ if (IS_ERR_OR_NULL(tces)) {
  	ret = H_TOO_HARD;
  	goto unlock_exit;
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_h_put_tce_indirect(...)
  {
  ...
- __be64 *tces;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
  kvmppc_h_put_tce_indirect(...)
  {
  <...
- goto free_exit;
+ goto unlock_exit;
  ...>
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- kfree(tces);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
parameter list P;
@@
- long kvmppc_h_put_tce(P)
+ static long kvmppc_put_tce(P)
  { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
parameter list P;
@@
- long kvmppc_h_put_tce_indirect(P)
+ static long kvmppc_put_tce_indirect(P, __be64 *tces)
  { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
parameter list P;
@@
- long kvmppc_h_stuff_tce(P)
+ static long kvmppc_stuff_tce(P)
  { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
parameter list P;
@@
- long kvmppc_h_get_tce(P)
+ static long kvmppc_get_tce(P)
  { ... }
