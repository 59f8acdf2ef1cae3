// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_tce_ua_to_hpa, kvmppc_tce_iommu_mapped_dec,
		 kvmppc_tce_iommu_do_unmap, kvmppc_tce_iommu_unmap,
		 kvmppc_tce_iommu_do_map, kvmppc_tce_iommu_map, tce_hw_lock,
		 kvmppc_tce_iommu_put, kvmppc_tce_hw_check };
type T;
@@
- static T f(...) { ... }
