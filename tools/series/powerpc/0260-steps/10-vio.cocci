// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_stuff_tce_step };
@@
- static long f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_h_stuff_tce(...)
  {
+ struct kvm_tce_run run = {
+ 	.liobn = liobn, .ioba = ioba, .npages = npages, .tce = tce_value,
+ };
+ struct kvm_tce_table *stt;
  long ret;
  ...
  }
