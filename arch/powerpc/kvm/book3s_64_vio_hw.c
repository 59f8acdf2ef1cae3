// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables of PAPR guests: hardware tables that mirror a guest's table.
 *
 * VFIO attaches a table to the hardware tables of an IOMMU group. An hcall then
 * changes the hardware tables first and the guest's table after. All of this is
 * virtual mode only.
 *
 * An entry of a hardware table is three things that must agree: the entry, its
 * userspace address in it_userspace, and a count in the registered memory, which
 * keeps the page pinned. tce_hw_set() changes all three under a spinlock. Tables of
 * several VMs, and several tables of one VM, may mirror to one hardware table.
 * So no VM owns the locks: there are 64, and a hash of hardware table and entry
 * picks one.
 *
 * How lists of hardware tables change while vCPUs walk them: see "Lifetime" in
 * book3s_64_vio_table.c.
 */

#include <linux/file.h>
#include <linux/hash.h>
#include <linux/iommu.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <asm/iommu.h>
#include <asm/kvm_ppc.h>
#include <asm/mmu_context.h>

#include "book3s_64_vio.h"

#define TCE_HW_LOCK_BITS	6
static spinlock_t tce_hw_locks[1 << TCE_HW_LOCK_BITS] = {
	[0 ... (1 << TCE_HW_LOCK_BITS) - 1] =
		__SPIN_LOCK_UNLOCKED(tce_hw_locks),
};

/* The hardware table must cover the window, with pages no larger than its own */
static bool tce_hw_fits(const struct kvm_tce_table *tbl,
			const struct iommu_table *hw)
{
	u64 hw_start = (u64)hw->it_offset << hw->it_page_shift;
	u64 hw_bytes = (u64)hw->it_size << hw->it_page_shift;

	return hw->it_page_shift <= tbl->page_shift &&
	       hw_start == tbl->offset << tbl->page_shift &&
	       hw_bytes >= tbl->size << tbl->page_shift;
}

/**
 * kvm_spapr_tce_attach_iommu_group - attach a table to a group's hardware tables
 * @kvm: the VM
 * @tablefd: the descriptor of the table
 * @grp: the IOMMU group
 *
 * On return, each vCPU that changes the table changes hardware's table, too.
 *
 * Return: 0 or a negative error.
 */
long kvm_spapr_tce_attach_iommu_group(struct kvm *kvm, int tablefd,
				      struct iommu_group *grp)
{
	struct iommu_table_group *group;
	struct kvm_tce_iommu *it, *new;
	struct iommu_table *hw = NULL;
	struct kvm_tce_table *tbl;
	int i;

	/* The file stays until the end of this function, and the table with it */
	CLASS(fd, f)(tablefd);

	if (fd_empty(f))
		return -EBADF;
	tbl = kvm_tce_table_of_file(fd_file(f));
	if (!tbl || tbl->kvm != kvm)
		return -EINVAL;

	group = iommu_group_get_iommudata(grp);
	if (!group)
		return -EFAULT;

	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES && !hw; i++) {
		struct iommu_table *candidate = group->tables[i];

		if (candidate && tce_hw_fits(tbl, candidate))
			hw = iommu_tce_table_get(candidate);
	}
	if (!hw)
		return -EINVAL;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new) {
		iommu_tce_table_put(hw);
		return -ENOMEM;
	}
	new->hw = hw;
	new->users = 1;

	mutex_lock(&kvm_tce_lock);
	list_for_each_entry(it, &tbl->iommu_tables, next) {
		if (it->hw == hw) {
			it->users++;
			mutex_unlock(&kvm_tce_lock);
			iommu_tce_table_put(hw);
			kfree(new);
			return 0;
		}
	}
	list_add_rcu(&new->next, &tbl->iommu_tables);
	mutex_unlock(&kvm_tce_lock);

	kvm_tce_wait_for_vcpus(kvm);
	return 0;
}

static bool tce_group_has(const struct iommu_table_group *group,
			  const struct iommu_table *hw)
{
	int i;

	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++)
		if (group->tables[i] == hw)
			return true;

	return false;
}

/**
 * kvm_spapr_tce_release_iommu_group - detach a group's hardware tables
 * @kvm: the VM
 * @grp: the IOMMU group
 *
 * On return, no vCPU changes hardware tables that only this group had attached.
 */
void kvm_spapr_tce_release_iommu_group(struct kvm *kvm,
				       struct iommu_group *grp)
{
	struct iommu_table_group *group = iommu_group_get_iommudata(grp);
	struct kvm_tce_iommu *it, *next, *dead = NULL;
	struct kvm_tce_table *tbl;

	if (!group)
		return;

	mutex_lock(&kvm_tce_lock);
	list_for_each_entry(tbl, &kvm->arch.spapr_tce_tables, list) {
		list_for_each_entry_safe(it, next, &tbl->iommu_tables, next) {
			if (!tce_group_has(group, it->hw) || --it->users)
				continue;
			list_del_rcu(&it->next);
			it->next_dead = dead;
			dead = it;
		}
	}
	mutex_unlock(&kvm_tce_lock);

	if (!dead)
		return;

	kvm_tce_wait_for_vcpus(kvm);

	while ((it = dead)) {
		dead = it->next_dead;
		iommu_tce_table_put(it->hw);
		kfree(it);
	}
}

/**
 * kvm_tce_free_hardware - let go of the hardware tables of a table
 * @tbl: a table that no vCPU finds any more
 */
void kvm_tce_free_hardware(struct kvm_tce_table *tbl)
{
	struct kvm_tce_iommu *it, *next;

	list_for_each_entry_safe(it, next, &tbl->iommu_tables, next) {
		iommu_tce_table_put(it->hw);
		kfree(it);
	}
}

/*
 * The registered memory that holds the hardware page at @ua. NULL if there is
 * none, or if its host pages are smaller than a hardware page. NULL also if @ua is
 * not the start of a hardware page: the platform has a BUG_ON() for that. The
 * caller is in an RCU read-side section.
 */
static struct mm_iommu_table_group_mem_t *
tce_hw_region(struct mm_struct *mm, struct iommu_table *hw, unsigned long ua,
	      unsigned long *hpa)
{
	struct mm_iommu_table_group_mem_t *mem;

	mem = mm_iommu_lookup(mm, ua, IOMMU_PAGE_SIZE(hw));
	if (!mem || mm_iommu_ua_to_hpa(mem, ua, hw->it_page_shift, hpa))
		return NULL;

	return IS_ALIGNED(*hpa, IOMMU_PAGE_SIZE(hw)) ? mem : NULL;
}

static spinlock_t *tce_hw_lock(struct iommu_table *hw, unsigned long entry)
{
	return &tce_hw_locks[hash_long((unsigned long)hw + entry,
				       TCE_HW_LOCK_BITS)];
}

/* The place of the userspace address of @entry, or NULL if there is none */
static __be64 *tce_hw_ua(struct iommu_table *hw, unsigned long entry, bool alloc)
{
	if (!hw->it_userspace)
		return NULL;
	if (alloc)
		return IOMMU_TABLE_USERSPACE_ENTRY(hw, entry);
	return IOMMU_TABLE_USERSPACE_ENTRY_RO(hw, entry);
}

/*
 * Change one hardware entry: map it to the page at @ua, or unmap it if @dir is
 * DMA_NONE. On failure the entry stays as it was.
 *
 * The caller is in an RCU read-side section that lasts until hardware has been
 * told. Memory whose count drops here may be unregistered at once. But an RCU
 * callback unpins its pages, so the device cannot reach a page that is free.
 */
static long tce_hw_set(struct mm_struct *mm, struct iommu_table *hw,
		       unsigned long entry, unsigned long ua,
		       enum dma_data_direction dir)
{
	struct mm_iommu_table_group_mem_t *new = NULL, *old = NULL;
	spinlock_t *lock = tce_hw_lock(hw, entry);
	unsigned long hpa = 0;
	long ret = H_TOO_HARD;
	__be64 *place;

	if (dir != DMA_NONE) {
		new = tce_hw_region(mm, hw, ua, &hpa);
		if (!new || mm_iommu_mapped_inc(new))
			return H_TOO_HARD;
	}

	spin_lock(lock);

	place = tce_hw_ua(hw, entry, new);
	if (new && !place)
		goto unlock;
	if (iommu_tce_xchg_no_kill(mm, hw, entry, &hpa, &dir))
		goto unlock;

	/* hpa and dir are now those of the old entry */
	if (dir != DMA_NONE) {
		if (place)
			old = mm_iommu_lookup(mm, be64_to_cpu(*place),
					      IOMMU_PAGE_SIZE(hw));
		if (!old) {
			/* VFIO has mapped the entry, so VFIO unmaps it */
			iommu_tce_xchg_no_kill(mm, hw, entry, &hpa, &dir);
			goto unlock;
		}
		mm_iommu_mapped_dec(old);
	}
	if (place)
		*place = cpu_to_be64(new ? ua : 0);
	ret = H_SUCCESS;

unlock:
	spin_unlock(lock);
	if (ret != H_SUCCESS && new)
		mm_iommu_mapped_dec(new);
	return ret;
}

/**
 * kvm_tce_hw_range - change a range of all hardware tables of a table
 * @tbl: the table
 * @bus: bus address of the range
 * @bytes: its size
 * @ua: userspace address that @bus is mapped to
 * @dir: direction of the mapping, or DMA_NONE to unmap
 *
 * This changes the entries whose pages begin in the range. A hardware page is
 * never larger than a page of @tbl, so no page begins in two ranges.
 *
 * Return: H_SUCCESS, or H_TOO_HARD with a part of the range changed.
 */
long kvm_tce_hw_range(struct kvm_tce_table *tbl, u64 bus, u64 bytes,
		      unsigned long ua, enum dma_data_direction dir)
{
	struct kvm_tce_iommu *it;
	long ret = H_SUCCESS;

	list_for_each_entry_lockless(it, &tbl->iommu_tables, next) {
		struct iommu_table *hw = it->hw;
		u64 size = IOMMU_PAGE_SIZE(hw);
		u64 at = round_up(bus, size), start = at;

		rcu_read_lock();
		for (; at < bus + bytes && ret == H_SUCCESS; at += size)
			ret = tce_hw_set(tbl->kvm->mm, hw,
					 at >> hw->it_page_shift,
					 ua + (at - bus), dir);
		if (at > start)
			iommu_tce_kill(hw, start >> hw->it_page_shift,
				       (at - start) >> hw->it_page_shift);
		rcu_read_unlock();

		if (ret != H_SUCCESS)
			break;
	}

	return ret;
}

/**
 * kvm_tce_hw_check_list - check that hardware can take these entries
 * @tbl: the table
 * @slots: the memslots
 * @list: entries
 * @npages: how many
 *
 * Return: H_SUCCESS, or H_TOO_HARD if memory of an entry is not registered.
 */
long kvm_tce_hw_check_list(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			   const u64 *list, u64 npages)
{
	struct kvm_tce_iommu *it;
	unsigned long ua, hpa;
	long ret = H_SUCCESS;
	u64 i;

	rcu_read_lock();
	for (i = 0; i < npages && ret == H_SUCCESS; i++) {
		if (!(list[i] & KVM_TCE_PERM))
			continue;
		if (!kvm_tce_to_ua(slots, list[i], &ua))
			ret = H_TOO_HARD;
		list_for_each_entry_lockless(it, &tbl->iommu_tables, next)
			if (ret == H_SUCCESS &&
			    !tce_hw_region(tbl->kvm->mm, it->hw, ua, &hpa))
				ret = H_TOO_HARD;
	}
	rcu_read_unlock();

	return ret;
}
