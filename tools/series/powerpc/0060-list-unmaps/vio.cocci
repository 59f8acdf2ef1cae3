// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
iterator name list_for_each_entry_lockless;
@@
  kvmppc_h_put_tce(...)
  {
  ...
- struct kvmppc_spapr_tce_iommu_table *stit;
  ...
- list_for_each_entry_lockless(stit, &stt->iommu_tables, next) { ... }
+ ret = kvmppc_tce_iommu_put(vcpu->kvm, stt, entry, ua, dir);
+ if (ret != H_SUCCESS)
+ 	goto unlock_exit;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @
iterator name list_for_each_entry_lockless;
@@
  kvmppc_h_put_tce_indirect(...)
  {
  ...
- list_for_each_entry_lockless(stit, &stt->iommu_tables, next) { ... }
+ ret = kvmppc_tce_iommu_put(vcpu->kvm, stt, entry + i, ua, dir);
+ if (ret != H_SUCCESS)
+ 	goto unlock_exit;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_h_put_tce_indirect(...)
  {
  ...
- struct kvmppc_spapr_tce_iommu_table *stit;
+ enum dma_data_direction dir;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
// The address of an unmap is not looked at, as by H_PUT_TCE
@@ @@
  tce = be64_to_cpu(tce);
+ dir = iommu_tce_direction(tce);
  if (
- 	kvmppc_tce_to_ua(vcpu->kvm, tce, &ua)
+ 	dir != DMA_NONE && kvmppc_tce_to_ua(vcpu->kvm, tce, &ua)
  	) {
  	ret = H_PARAMETER;
  	goto unlock_exit;
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @
iterator name list_for_each_entry_lockless;
@@
  kvmppc_h_stuff_tce(...)
  {
  ...
- struct kvmppc_spapr_tce_iommu_table *stit;
+ unsigned long entry;
  ...
- list_for_each_entry_lockless(stit, &stt->iommu_tables, next) { ... }
  ...
  }
