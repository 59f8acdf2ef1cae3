// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
  kvmppc_tce_iommu_do_unmap(...)
  {
+ spinlock_t *lock = tce_hw_lock(tbl, entry);
  enum dma_data_direction dir = DMA_NONE;
  unsigned long hpa = 0;
  long ret;

- if (WARN_ON_ONCE(iommu_tce_xchg_no_kill(kvm->mm, tbl, entry, &hpa,
- 				&dir)))
- 	return H_TOO_HARD;
- if (dir == DMA_NONE)
- 	return H_SUCCESS;
-
- ret = kvmppc_tce_iommu_mapped_dec(kvm, tbl, entry);
- if (ret != H_SUCCESS)
- 	iommu_tce_xchg_no_kill(kvm->mm, tbl, entry, &hpa, &dir);
+ spin_lock(lock);
+ ret = iommu_tce_xchg_no_kill(kvm->mm, tbl, entry, &hpa, &dir);
+ if (!ret && dir != DMA_NONE) {
+ 	ret = kvmppc_tce_iommu_mapped_dec(kvm, tbl, entry);
+ 	if (ret)
+ 		iommu_tce_xchg_no_kill(kvm->mm, tbl, entry, &hpa, &dir);
+ }
+ spin_unlock(lock);

- return ret;
+ return ret ? H_TOO_HARD : H_SUCCESS;
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- ret = iommu_tce_xchg_no_kill(kvm->mm, tbl, entry, &hpa, &dir);
- if (WARN_ON_ONCE(ret)) {
- 	mm_iommu_mapped_dec(mem);
- 	return H_TOO_HARD;
- }
- if (dir != DMA_NONE)
- 	kvmppc_tce_iommu_mapped_dec(kvm, tbl, entry);
- *pua = cpu_to_be64(ua);
- return 0;
+ spin_lock(lock);
+ ret = iommu_tce_xchg_no_kill(kvm->mm, tbl, entry, &hpa, &dir);
+ if (!ret) {
+ 	if (dir != DMA_NONE)
+ 		kvmppc_tce_iommu_mapped_dec(kvm, tbl, entry);
+ 	*pua = cpu_to_be64(ua);
+ }
+ spin_unlock(lock);
+
+ if (WARN_ON_ONCE(ret)) {
+ 	mm_iommu_mapped_dec(mem);
+ 	return H_TOO_HARD;
+ }
+
+ return H_SUCCESS;

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_tce_iommu_do_map(...)
  {
+ spinlock_t *lock = tce_hw_lock(tbl, entry);
  long ret;
  ...
  }
