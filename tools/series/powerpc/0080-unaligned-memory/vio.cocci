// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- mm_iommu_ua_to_hpa(mem, ua, shift, &hpa)
+ kvmppc_tce_ua_to_hpa(mem, ua, shift, &hpa)

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- WARN_ON_ONCE(mm_iommu_ua_to_hpa(mem, ua, tbl->it_page_shift, &hpa))
+ kvmppc_tce_ua_to_hpa(mem, ua, tbl->it_page_shift, &hpa)
