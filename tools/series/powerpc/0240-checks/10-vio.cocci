// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_tce_to_ua };
@@
- static long f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
- kvmppc_tce_validate
+ kvmppc_tce_hw_check
  (struct kvm_tce_table *stt, unsigned long tce)
  {
- unsigned long gpa = tce & ~(TCE_PCI_READ | TCE_PCI_WRITE);
- enum dma_data_direction dir = iommu_tce_direction(tce);
  ...
- if (dir == DMA_NONE)
+ if (!(tce & KVM_TCE_PERM))
  	return H_SUCCESS;
- if (iommu_tce_check_gpa(stt->page_shift, gpa))
- 	return H_TOO_HARD;
-
  if (kvmppc_tce_to_ua(stt->kvm, tce, &ua))
  	return H_TOO_HARD;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
expression E, F, G;
@@
(
- (dir != DMA_NONE) && kvmppc_tce_to_ua(E, F, G)
+ dir != DMA_NONE && !kvm_tce_to_ua(kvm_memslots(E), F, G)
|
- !kvmppc_tce_to_ua(E, F, G)
+ kvm_tce_to_ua(kvm_memslots(E), F, G)
|
- kvmppc_tce_to_ua(E, F, G)
+ !kvm_tce_to_ua(kvm_memslots(E), F, G)
)

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_put_tce(...)
  {
  ...
- ret = kvmppc_ioba_validate(stt, ioba, 1);
- if (ret != H_SUCCESS)
- 	return ret;
-
  idx = srcu_read_lock(&vcpu->kvm->srcu);

- ret = kvmppc_tce_validate(stt, tce);
+ ret = kvm_tce_check_put(stt, kvm_memslots(vcpu->kvm), ioba, tce);
+ if (ret == H_SUCCESS)
+ 	ret = kvmppc_tce_hw_check(stt, tce);
  if (ret != H_SUCCESS)
  	goto unlock_exit;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- if (npages > 512)
- 	return H_PARAMETER;
-
- if (tce_list & (SZ_4K - 1))
- 	return H_PARAMETER;
-
- ret = kvmppc_ioba_validate(stt, ioba, npages);
+ ret = kvm_tce_check_indirect(stt, ioba, tce_list, npages);
  if (ret != H_SUCCESS)
  	return ret;

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- ret = kvmppc_tce_validate(stt, tce);
+ ret = kvm_tce_check(stt, kvm_memslots(vcpu->kvm), tce);
+ if (ret == H_SUCCESS)
+ 	ret = kvmppc_tce_hw_check(stt, tce);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- npages <= 512
+ npages <= KVM_TCE_LIST_MAX

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- ret = kvmppc_ioba_validate(stt, *ioba, *npages);
+ ret = kvm_tce_check_stuff(stt, *ioba, tce_value, *npages);
  if (ret != H_SUCCESS)
  	return ret;

- if (tce_value & (TCE_PCI_WRITE | TCE_PCI_READ))
- 	return H_PARAMETER;

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- kvmppc_ioba_validate(stt, ioba, 1)
+ kvm_tce_check_get(stt, ioba)

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
expression E;
@@
- kvm_tce_load(stt, (E >> stt->page_shift) - stt->offset)
+ kvm_tce_load(stt, kvm_tce_index(stt, E))
