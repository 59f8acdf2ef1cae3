// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
  rcu_read_unlock();
+ iommu_tce_table_put(tbl);
  return 0;
