// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f =~ "^kvm_[a-z_]*spapr_tce[a-z_]*$";
@@
  f(...)
  {
  <...
(
- mutex_lock(&kvm->lock);
+ mutex_lock(&kvm_tce_lock);
|
- mutex_unlock(&kvm->lock);
+ mutex_unlock(&kvm_tce_lock);
)
  ...>
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
// The list of hardware tables is walked under the mutex, too
@@ @@
  list_del_rcu(&stt->list);
- mutex_unlock(&kvm_tce_lock);

// targets: arch/powerpc/kvm/book3s_64_vio.c
// From the search to the addition
@@ @@
- rcu_read_unlock();
-
  stit = \(kzalloc\|kzalloc_obj\)(...);
  if (!stit) {
+ 	mutex_unlock(&kvm_tce_lock);
  	iommu_tce_table_put(tbl);
  	return -ENOMEM;
  }
  stit->tbl = tbl;
  kref_init(&stit->kref);
  list_add_rcu(&stit->next, &stt->iommu_tables);
+ mutex_unlock(&kvm_tce_lock);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f =~ "^kvm_spapr_tce_[a-z]*_iommu_group$";
@@
  f(...)
  {
  <...
(
- rcu_read_lock();
+ mutex_lock(&kvm_tce_lock);
|
- rcu_read_unlock();
+ mutex_unlock(&kvm_tce_lock);
|
- cond_resched_rcu();
)
  ...>
  }
