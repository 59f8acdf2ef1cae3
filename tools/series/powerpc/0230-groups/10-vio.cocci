// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvm_spapr_tce_iommu_table_free, kvm_spapr_tce_liobn_put };
@@
- static void f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvm_tce_free_hardware, kvm_spapr_tce_release_iommu_group };
@@
- void f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvm_spapr_tce_attach_iommu_group };
@@
- long f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- struct kvmppc_spapr_tce_iommu_table
+ struct kvm_tce_iommu

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- stit->tbl
+ stit->hw
