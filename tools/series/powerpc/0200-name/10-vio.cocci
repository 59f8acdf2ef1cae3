// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- struct kvmppc_spapr_tce_table
+ struct kvm_tce_table
