// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
iterator name list_for_each_entry_lockless;
@@
  kvmppc_tce_iommu_put(...)
  {
  ...
+ rcu_read_lock();
  list_for_each_entry_lockless(stit, &stt->iommu_tables, next) { ... }
+ rcu_read_unlock();
  ...
  }
