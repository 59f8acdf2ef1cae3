// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_clear_tce };
@@
- static void f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- kvmppc_clear_tce(kvm->mm, stt, stit->tbl, entry);
+ if (dir != DMA_NONE)
+ 	kvmppc_tce_iommu_unmap(kvm, stt, stit->tbl, entry);
