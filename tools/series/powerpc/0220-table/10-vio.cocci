// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_tce_pages, kvmppc_stt_pages, release_spapr_tce_table,
		 kvm_spapr_tce_fault, kvm_spapr_tce_mmap, kvm_spapr_tce_release };
type T;
@@
- static T f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvm_vm_ioctl_create_spapr_tce };
@@
- int f(...) { ... }
