// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables for PAPR guests: the ioctl, the file that it returns, the hcalls
 * in virtual mode and the connection to hardware tables through VFIO.
 *
 * Lifetime of a table
 * -------------------
 * A table belongs to the file that KVM_CREATE_SPAPR_TCE* returned, and the file
 * holds a reference to the VM. Mappings hold the file. What is left to protect
 * are vCPUs that find the table by its liobn while the file is being closed.
 *
 * The usual means do not fit. The real-mode handlers run after
 * guest_state_enter_irqoff() and on hardware threads that are offline to Linux:
 * RCU may not be watching. kvm->srcu is held around the guest entry, but by the
 * thread that runs the core, which may run vcores of several VMs, and until the
 * guest is left, which may take long. A reference count would put one cache line
 * between all vCPUs.
 *
 * So each vCPU has a count of its own, vcpu->arch.tce_seq, which is odd while
 * the vCPU looks for or uses a table, in either mode. The writer
 *
 *  1. takes the table off the list,
 *  2. waits until it has seen each vCPU's count even or changed,
 *  3. frees the table.
 *
 * There is a full barrier between 1 and 2, and one between the reader's count
 * and its first look at the list: either the reader does not find the table, or
 * the writer finds the reader. vCPUs go with the VM and the file pins the VM.
 *
 * A vCPU that is created during 2 starts with an even count and finds the list
 * without the table. The writer may not see it in kvm->online_vcpus, but then it
 * has not run yet: kvm_vm_ioctl_create_vcpu() holds vcpu->mutex, which KVM_RUN
 * takes, from before the vCPU has a descriptor until it is counted.
 *
 * The wait is for one step of an hcall, see "Hcalls in steps" below. A reader
 * copies the list of an H_PUT_TCE_INDIRECT and allocates memory before or between
 * its steps, never in one. Hardware tables attached to a table follow the same
 * protocol, so attach and release return when every vCPU knows.
 *
 * tce_lock makes the writers of all VMs take turns. It guards the two kinds of
 * list and nothing else, and is not held during the wait. VFIO's release of a
 * group may hold kvm->lock during it, which no reader takes.
 *
 * Pages of entries are allocated when they are first needed: by a fault of the
 * mapping or by an hcall that stores into them, the latter in virtual mode only.
 * They stay until the table goes. Memory is thus a page for each 8192 entries
 * (64 KiB pages) that were ever touched. A real-mode hcall goes to virtual mode
 * once for each such page, and not at all when userspace has cleared the table
 * through its mapping before starting the guest, as QEMU does.
 */

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/iommu.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include <asm/iommu.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_ppc.h>
#include <asm/mmu_context.h>

#include "book3s_64_vio.h"

/* A hardware table that mirrors a guest's table */
struct kvm_tce_iommu {
	struct list_head next;		/* in kvm_tce_table.iommu_tables */
	struct iommu_table *hw;
	unsigned int users;		/* groups attached, under tce_lock */
	struct kvm_tce_iommu *next_dead; /* once off the list */
};

static DEFINE_MUTEX(tce_lock);

/*
 * An entry of a hardware table is three things that have to agree: the entry,
 * the userspace address in it_userspace, and a count in the registered memory
 * that keeps the page pinned. One of these locks, by table and entry, makes a
 * change of all three one step. Tables of several VMs, and several tables of a
 * VM, may mirror to one hardware table, so the locks belong to none of them.
 * Virtual mode only.
 */
#define TCE_HW_LOCK_BITS	6
static spinlock_t tce_hw_locks[1 << TCE_HW_LOCK_BITS] = {
	[0 ... (1 << TCE_HW_LOCK_BITS) - 1] =
		__SPIN_LOCK_UNLOCKED(tce_hw_locks),
};

/* Wait until no vCPU uses what the caller has taken off a list */
static void tce_wait_for_vcpus(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u32 seq;

	/* The list first, then the counts; pairs with kvm_tce_enter() */
	smp_mb();

	kvm_for_each_vcpu(i, vcpu, kvm) {
		/* What the vCPU did inside is over; pairs with kvm_tce_leave() */
		seq = smp_load_acquire(&vcpu->arch.tce_seq);
		if (!(seq & 1))
			continue;
		/* As above */
		while (smp_load_acquire(&vcpu->arch.tce_seq) == seq)
			usleep_range(10, 100);
	}
}

static unsigned long tce_entry_pages(u64 entries)
{
	return DIV_ROUND_UP(entries, TCES_PER_PAGE);
}

/* What a table counts against RLIMIT_MEMLOCK: all that it may grow to */
static unsigned long tce_locked_pages(u64 entries)
{
	unsigned long pages = tce_entry_pages(entries);

	return pages + DIV_ROUND_UP(sizeof(struct kvm_tce_table) +
				    pages * sizeof(u64 *), PAGE_SIZE);
}

/* The page with entry @index, which may have to be made */
static u64 *tce_get_page(struct kvm_tce_table *tbl, u64 index)
{
	u64 **slot = kvm_tce_page_slot(tbl, index);
	u64 *page, *old;

	page = READ_ONCE(*slot);
	if (page)
		return page;

	page = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return NULL;

	/* Two may get here at once: the first one's page is it */
	old = cmpxchg(slot, NULL, page);
	if (old) {
		free_page((unsigned long)page);
		page = old;
	}

	return page;
}

static void tce_free(struct kvm_tce_table *tbl)
{
	unsigned long i, n = tce_entry_pages(tbl->size);

	for (i = 0; i < n; i++) {
		/* Two million pages at most, of which few may be there */
		if (tbl->pages[i])
			free_page((unsigned long)tbl->pages[i]);
		else if (i % SZ_4K)
			continue;
		cond_resched();
	}
	kfree(tbl);
}

static vm_fault_t tce_file_fault(struct vm_fault *vmf)
{
	struct kvm_tce_table *tbl = vmf->vma->vm_file->private_data;
	u64 *page;

	if (vmf->pgoff >= tce_entry_pages(tbl->size))
		return VM_FAULT_SIGBUS;

	page = tce_get_page(tbl, vmf->pgoff * TCES_PER_PAGE);
	if (!page)
		return VM_FAULT_OOM;

	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct tce_vm_ops = {
	.fault = tce_file_fault,
};

static int tce_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &tce_vm_ops;
	return 0;
}

static int tce_file_release(struct inode *inode, struct file *file)
{
	struct kvm_tce_table *tbl = file->private_data;
	struct kvm_tce_iommu *it, *next;
	struct kvm *kvm = tbl->kvm;

	mutex_lock(&tce_lock);
	list_del_rcu(&tbl->list);
	mutex_unlock(&tce_lock);

	tce_wait_for_vcpus(kvm);

	/* Nobody can find the table any more, so its lists are ours */
	list_for_each_entry_safe(it, next, &tbl->iommu_tables, next) {
		iommu_tce_table_put(it->hw);
		kfree(it);
	}

	account_locked_vm(kvm->mm, tce_locked_pages(tbl->size), false);
	tce_free(tbl);
	kvm_put_kvm(kvm);

	return 0;
}

static const struct file_operations tce_fops = {
	.mmap		= tce_file_mmap,
	.release	= tce_file_release,
};

static bool tce_window_valid(const struct kvm_create_spapr_tce_64 *args)
{
	u64 end;

	if (args->page_shift < 12 || args->page_shift > 34)
		return false;
	if (!args->size)
		return false;
	if (check_add_overflow((u64)args->offset, (u64)args->size, &end))
		return false;

	return end <= U64_MAX >> args->page_shift;
}

int kvm_vm_ioctl_create_spapr_tce(struct kvm *kvm,
				  struct kvm_create_spapr_tce_64 *args)
{
	struct kvm_tce_table *tbl;
	unsigned long locked;
	struct file *file;
	int fd, ret;

	if (!tce_window_valid(args))
		return -EINVAL;

	locked = tce_locked_pages(args->size);
	ret = account_locked_vm(kvm->mm, locked, true);
	if (ret)
		return ret;

	tbl = kzalloc(struct_size(tbl, pages, tce_entry_pages(args->size)),
		      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!tbl) {
		ret = -ENOMEM;
		goto unaccount;
	}

	tbl->kvm = kvm;
	tbl->liobn = args->liobn;
	tbl->page_shift = args->page_shift;
	tbl->offset = args->offset;
	tbl->size = args->size;
	INIT_LIST_HEAD_RCU(&tbl->iommu_tables);

	fd = get_unused_fd_flags(O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto free;
	}

	mutex_lock(&tce_lock);

	if (kvm_tce_find(kvm, args->liobn)) {
		ret = -EBUSY;
		goto unlock;
	}

	file = anon_inode_getfile("kvm-spapr-tce", &tce_fops, tbl, O_RDWR);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto unlock;
	}

	kvm_get_kvm(kvm);
	list_add_rcu(&tbl->list, &kvm->arch.spapr_tce_tables);

	mutex_unlock(&tce_lock);

	/* The file owns everything now, and another thread may close it */
	fd_install(fd, file);
	return fd;

unlock:
	mutex_unlock(&tce_lock);
	put_unused_fd(fd);
free:
	kfree(tbl);
unaccount:
	account_locked_vm(kvm->mm, locked, false);
	return ret;
}

/*
 * Hardware tables
 */

/* Does the hardware table cover the guest's window, with pages as small? */
static bool tce_hw_fits(const struct kvm_tce_table *tbl,
			const struct iommu_table *hw)
{
	u64 hw_start = (u64)hw->it_offset << hw->it_page_shift;
	u64 hw_bytes = (u64)hw->it_size << hw->it_page_shift;

	return hw->it_page_shift <= tbl->page_shift &&
	       hw_start == tbl->offset << tbl->page_shift &&
	       hw_bytes >= tbl->size << tbl->page_shift;
}

/*
 * The file of @tablefd stays open, by us if by nobody else, for as long as the
 * table behind it is in use here.
 */
long kvm_spapr_tce_attach_iommu_group(struct kvm *kvm, int tablefd,
				      struct iommu_group *grp)
{
	struct iommu_table_group *group;
	struct kvm_tce_iommu *it, *new;
	struct iommu_table *hw = NULL;
	struct kvm_tce_table *tbl;
	int i;

	CLASS(fd, f)(tablefd);

	if (fd_empty(f))
		return -EBADF;
	if (fd_file(f)->f_op != &tce_fops)
		return -EINVAL;
	tbl = fd_file(f)->private_data;
	if (tbl->kvm != kvm)
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

	mutex_lock(&tce_lock);
	list_for_each_entry(it, &tbl->iommu_tables, next) {
		if (it->hw == hw) {
			it->users++;
			mutex_unlock(&tce_lock);
			iommu_tce_table_put(hw);
			kfree(new);
			return 0;
		}
	}
	list_add_rcu(&new->next, &tbl->iommu_tables);
	mutex_unlock(&tce_lock);

	/* From now on no vCPU changes the table without changing hardware's */
	tce_wait_for_vcpus(kvm);
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

void kvm_spapr_tce_release_iommu_group(struct kvm *kvm,
				       struct iommu_group *grp)
{
	struct iommu_table_group *group = iommu_group_get_iommudata(grp);
	struct kvm_tce_iommu *it, *next, *dead = NULL;
	struct kvm_tce_table *tbl;

	if (!group)
		return;

	mutex_lock(&tce_lock);
	list_for_each_entry(tbl, &kvm->arch.spapr_tce_tables, list) {
		list_for_each_entry_safe(it, next, &tbl->iommu_tables, next) {
			if (!tce_group_has(group, it->hw) || --it->users)
				continue;
			list_del_rcu(&it->next);
			it->next_dead = dead;
			dead = it;
		}
	}
	mutex_unlock(&tce_lock);

	if (!dead)
		return;

	tce_wait_for_vcpus(kvm);

	while ((it = dead)) {
		dead = it->next_dead;
		iommu_tce_table_put(it->hw);
		kfree(it);
	}
}

/* The userspace address of the guest memory that an entry points to */
static bool tce_to_ua(struct kvm_memslots *slots, u64 tce, unsigned long *ua)
{
	u64 gpa = tce & ~KVM_TCE_PERM;
	struct kvm_memory_slot *slot;

	slot = __gfn_to_memslot(slots, gpa >> PAGE_SHIFT);
	if (!slot)
		return false;

	*ua = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT) | (gpa & ~PAGE_MASK);
	return true;
}

/*
 * The registered memory that holds the hardware page at @ua. NULL if there is
 * none, if its host pages are smaller than a hardware page, or if @ua is not at
 * the start of a hardware page: the platform's exchange has a BUG_ON for that.
 * The caller is in an RCU read-side section.
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

/* Where the userspace address of @entry is kept, NULL if there is no such place */
static __be64 *tce_hw_ua(struct iommu_table *hw, unsigned long entry, bool alloc)
{
	if (!hw->it_userspace)
		return NULL;
	if (alloc)
		return IOMMU_TABLE_USERSPACE_ENTRY(hw, entry);
	return IOMMU_TABLE_USERSPACE_ENTRY_RO(hw, entry);
}

/*
 * Change one hardware entry: to the page at @ua, or to nothing if @dir is
 * DMA_NONE. On failure the entry is what it was.
 *
 * The caller is in an RCU read-side section that lasts until hardware has been
 * told. Memory whose count drops here may be unregistered at once, but its pages
 * are released by an RCU callback: the device cannot reach a page that is free.
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

	/* hpa and dir are now what the entry was */
	if (dir != DMA_NONE) {
		if (place)
			old = mm_iommu_lookup(mm, be64_to_cpu(*place),
					      IOMMU_PAGE_SIZE(hw));
		if (!old) {
			/* VFIO has mapped this another way: VFIO unmaps it */
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

/*
 * Change the entries of all hardware tables whose pages begin in the @bytes from
 * bus address @bus; these map to userspace memory from @ua. A hardware page is
 * never larger than the guest's, so each entry begins in one such range.
 */
static long tce_hw_range(struct kvm_tce_table *tbl, u64 bus, u64 bytes,
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

/*
 * Would hardware take these entries? Asked before anything is changed. Memory
 * that is not registered yet is for userspace to register.
 */
static long tce_hw_check_list(struct kvm_tce_table *tbl,
			      struct kvm_memslots *slots, const u64 *list,
			      u64 npages)
{
	struct kvm_tce_iommu *it;
	unsigned long ua, hpa;
	long ret = H_SUCCESS;
	u64 i;

	rcu_read_lock();
	for (i = 0; i < npages && ret == H_SUCCESS; i++) {
		if (!(list[i] & KVM_TCE_PERM))
			continue;
		if (!tce_to_ua(slots, list[i], &ua))
			ret = H_TOO_HARD;
		list_for_each_entry_lockless(it, &tbl->iommu_tables, next)
			if (ret == H_SUCCESS &&
			    !tce_hw_region(tbl->kvm->mm, it->hw, ua, &hpa))
				ret = H_TOO_HARD;
	}
	rcu_read_unlock();

	return ret;
}

/*
 * Hcalls in steps
 *
 * A table that hardware mirrors, a page of entries that has to be allocated,
 * more entries than KVM_TCE_STEP: such an hcall is done in steps. A step is
 * bounded, by the constants below. Between two steps the vCPU holds nothing: the
 * wait for vCPUs is a wait for one step. The scheduler gets its chance, and a
 * fatal signal ends the hcall.
 *
 * A step trusts nothing that an earlier step has found: it looks for the table
 * and checks what is left of the hcall against it. If userspace has put another
 * table in its place, the result is that of an hcall to the other table.
 */

/* Hardware entries for each hardware table in a step */
#define TCE_STEP_HW	512
/* Pages of entries that a step looks for */
#define TCE_STEP_PAGES	4096

/* Results of a step, for tce_run() only: go on; go on with a spare page */
#define TCE_MORE	LONG_MAX
#define TCE_NO_PAGE	(LONG_MAX - 1)

/* What is left of an hcall */
struct tce_run {
	u64 liobn;
	u64 ioba;		/* of the first entry that is left */
	u64 npages;
	const u64 *list;	/* the values, or NULL if all are tce */
	u64 tce;
	u64 paged;		/* entries from ioba on that have a page */
	u64 part;		/* bytes of the first entry that hardware has */
	bool checked;		/* hardware would take the list */
	bool undo;		/* take the first entry from hardware, and fail */
	u64 *spare;		/* a page of entries, to be used or freed */
};

static void tce_run_advance(struct kvm_tce_table *tbl, struct tce_run *run, u64 n)
{
	run->ioba += n << tbl->page_shift;
	run->npages -= n;
	run->paged -= min(n, run->paged);
	if (run->list)
		run->list += n;
}

/*
 * Provide the pages of all entries, as this may fail and the stores may not.
 * An unmap in a page that does not exist needs no page.
 */
static long tce_step_pages(struct kvm_tce_table *tbl, struct tce_run *run)
{
	u64 index = kvm_tce_index(tbl, run->ioba);
	unsigned int looks = 0;

	if (!run->list && !run->tce)
		return H_SUCCESS;

	while (run->paged < run->npages) {
		u64 at = index + run->paged;
		u64 **slot = kvm_tce_page_slot(tbl, at);

		if (looks++ == TCE_STEP_PAGES)
			return TCE_MORE;
		if (!READ_ONCE(*slot)) {
			if (!run->spare)
				return TCE_NO_PAGE;
			if (!cmpxchg(slot, NULL, run->spare))
				run->spare = NULL;
		}
		run->paged += min(run->npages - run->paged,
				  TCES_PER_PAGE - at % TCES_PER_PAGE);
	}

	return H_SUCCESS;
}

static long tce_step_plain(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			   struct tce_run *run)
{
	u64 index = kvm_tce_index(tbl, run->ioba);
	u64 n = min(run->npages, KVM_TCE_STEP);
	long ret;

	if (run->list) {
		ret = kvm_tce_check_list(tbl, slots, run->list, n);
		if (ret != H_SUCCESS)
			return ret;
		kvm_tce_store_list(tbl, index, run->list, n);
	} else {
		kvm_tce_fill(tbl, index, run->tce, n);
	}
	tce_run_advance(tbl, run, n);

	return run->npages ? TCE_MORE : H_SUCCESS;
}

/*
 * Hardware first, the table after it, entry by entry. An entry of a large page
 * may take several steps. If it fails in the middle, what hardware has of it is
 * taken back, so that no entry is half of one page and half of another.
 */
static long tce_step_hw(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			struct tce_run *run)
{
	u64 page = 1ULL << tbl->page_shift, bytes, left;
	unsigned int shift = tbl->page_shift;
	struct kvm_tce_iommu *it;
	long ret;

	list_for_each_entry_lockless(it, &tbl->iommu_tables, next)
		shift = min_t(unsigned int, shift, it->hw->it_page_shift);
	left = (u64)TCE_STEP_HW << shift;

	/* The table is another one since the last step */
	if (run->part >= page)
		run->part = 0;

	if (run->list && !run->checked) {
		ret = kvm_tce_check_list(tbl, slots, run->list, run->npages);
		if (ret == H_SUCCESS)
			ret = tce_hw_check_list(tbl, slots, run->list,
						run->npages);
		if (ret != H_SUCCESS)
			return ret;
		run->checked = true;
	}

	for (; run->npages && left; left -= bytes) {
		u64 tce = run->list ? *run->list : run->tce;
		enum dma_data_direction dir = iommu_tce_direction(tce);
		unsigned long ua = 0;

		ret = H_SUCCESS;
		if (run->undo)
			dir = DMA_NONE;
		if (dir != DMA_NONE && (kvm_tce_check(tbl, slots, tce) ||
					!tce_to_ua(slots, tce, &ua)))
			ret = H_TOO_HARD;

		bytes = min(page - run->part, left);
		if (ret == H_SUCCESS)
			ret = tce_hw_range(tbl, run->ioba + run->part, bytes,
					   ua + run->part, dir);
		if (ret != H_SUCCESS && !run->undo) {
			if (dir == DMA_NONE)
				return ret;
			run->undo = true;
			run->part = 0;
			return TCE_MORE;
		}

		run->part += bytes;
		if (run->part < page)
			continue;
		if (run->undo)
			return H_TOO_HARD;
		run->part = 0;
		kvm_tce_store(tbl, kvm_tce_index(tbl, run->ioba), tce);
		tce_run_advance(tbl, run, 1);
	}

	return run->npages ? TCE_MORE : H_SUCCESS;
}

static long tce_step(struct kvm *kvm, struct tce_run *run)
{
	struct kvm_memslots *slots = kvm_memslots(kvm);
	struct kvm_tce_table *tbl;
	u64 n;
	long ret;

	tbl = kvm_tce_find(kvm, run->liobn);
	if (!tbl)
		return H_TOO_HARD;
	if (!kvm_tce_in_window(tbl, run->ioba, run->npages))
		return H_PARAMETER;

	ret = tce_step_pages(tbl, run);
	if (ret != H_SUCCESS)
		return ret;

	/* The pages were those of another table */
	n = min(run->npages, KVM_TCE_STEP);
	if ((run->list || run->tce) &&
	    !kvm_tce_present(tbl, kvm_tce_index(tbl, run->ioba), n)) {
		run->paged = 0;
		return TCE_MORE;
	}

	if (kvm_tce_has_hardware(tbl))
		return tce_step_hw(tbl, slots, run);
	return tce_step_plain(tbl, slots, run);
}

static noinline long tce_run(struct kvm_vcpu *vcpu, struct tce_run *run)
{
	struct kvm *kvm = vcpu->kvm;
	long ret;
	int srcu;

	do {
		srcu = srcu_read_lock(&kvm->srcu);
		kvm_tce_enter(vcpu);
		ret = tce_step(kvm, run);
		kvm_tce_leave(vcpu);
		srcu_read_unlock(&kvm->srcu, srcu);

		if (ret == TCE_NO_PAGE) {
			run->spare = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
			ret = run->spare ? TCE_MORE : H_TOO_HARD;
		}
		/* Userspace, which would be asked to finish, will not run */
		if (ret == TCE_MORE && fatal_signal_pending(current))
			ret = H_TOO_HARD;
		cond_resched();
	} while (ret == TCE_MORE);

	free_page((unsigned long)run->spare);
	return ret;
}

/*
 * The hcalls. What can be done at once is done here, the rest by tce_run().
 */

/* Room for the copy of a list; real mode uses it too, once it is there */
static u64 *tce_list_room(struct kvm_vcpu *vcpu)
{
	if (!vcpu->arch.tce_list)
		vcpu->arch.tce_list = kmalloc(SZ_4K, GFP_KERNEL_ACCOUNT);

	return vcpu->arch.tce_list;
}

void kvmppc_tce_vcpu_free(struct kvm_vcpu *vcpu)
{
	kfree(vcpu->arch.tce_list);
	vcpu->arch.tce_list = NULL;
}

/* Copy the guest's list to the vCPU's room, in host order, each entry whole */
static u64 *tce_copy_list(struct kvm_vcpu *vcpu, struct kvm_memslots *slots,
			  u64 gpa, u64 npages)
{
	const u64 __user *from;
	u64 i, entry, *to;
	unsigned long ua;

	if (npages > KVM_TCE_LIST_MAX || !IS_ALIGNED(gpa, SZ_4K))
		return NULL;

	to = tce_list_room(vcpu);
	if (!to || !tce_to_ua(slots, gpa, &ua))
		return NULL;

	from = (const u64 __user *)ua;
	if (!user_read_access_begin(from, SZ_4K))
		return NULL;
	for (i = 0; i < npages; i++) {
		unsafe_get_user(entry, from + i, fault);
		to[i] = be64_to_cpu((__force __be64)entry);
	}
	user_read_access_end();
	return to;

fault:
	user_read_access_end();
	return NULL;
}

long kvmppc_h_put_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
		      unsigned long ioba, unsigned long tce)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index, entry;
	int srcu;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(kvm, liobn);
	if (!tbl)
		goto leave;

	srcu = srcu_read_lock(&kvm->srcu);
	ret = kvm_tce_check_put(tbl, kvm_memslots(kvm), ioba, tce);
	if (ret != H_SUCCESS)
		goto unlock;

	index = kvm_tce_index(tbl, ioba);
	if (kvm_tce_has_hardware(tbl) || (tce && !kvm_tce_page(tbl, index)))
		ret = TCE_MORE;
	else
		kvm_tce_store(tbl, index, tce);

unlock:
	srcu_read_unlock(&kvm->srcu, srcu);
leave:
	kvm_tce_leave(vcpu);

	/* An unmap is as by H_STUFF_TCE, and needs no page of entries */
	if (unlikely(ret == TCE_MORE)) {
		entry = tce;
		ret = tce_run(vcpu, &(struct tce_run){
			.liobn = liobn, .ioba = ioba, .npages = 1,
			.list = tce & KVM_TCE_PERM ? &entry : NULL, .tce = tce,
		});
	}
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_put_tce);

long kvmppc_h_put_tce_indirect(struct kvm_vcpu *vcpu,
			       unsigned long liobn, unsigned long ioba,
			       unsigned long tce_list, unsigned long npages)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_memslots *slots;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 *copy, index;
	bool known;
	int srcu;

	kvm_tce_enter(vcpu);
	known = kvm_tce_find(kvm, liobn);
	kvm_tce_leave(vcpu);
	if (!known)
		return H_TOO_HARD;

	srcu = srcu_read_lock(&kvm->srcu);
	slots = kvm_memslots(kvm);

	/*
	 * Outside of kvm_tce_enter(), as it may wait for userspace to provide the
	 * page. Whether it succeeded counts only if the rest is in order.
	 */
	copy = tce_copy_list(vcpu, slots, tce_list, npages);

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_indirect(tbl, ioba, tce_list, npages);
	if (ret != H_SUCCESS)
		goto leave;

	ret = H_TOO_HARD;
	if (!copy)
		goto leave;

	ret = kvm_tce_check_list(tbl, slots, copy, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (kvm_tce_has_hardware(tbl) || !kvm_tce_present(tbl, index, npages))
		ret = TCE_MORE;
	else
		kvm_tce_store_list(tbl, index, copy, npages);

leave:
	kvm_tce_leave(vcpu);
	srcu_read_unlock(&kvm->srcu, srcu);

	if (unlikely(ret == TCE_MORE))
		ret = tce_run(vcpu, &(struct tce_run){
			.liobn = liobn, .ioba = ioba, .npages = npages,
			.list = copy,
		});
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_put_tce_indirect);

long kvmppc_h_stuff_tce(struct kvm_vcpu *vcpu,
			unsigned long liobn, unsigned long ioba,
			unsigned long tce_value, unsigned long npages)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(vcpu->kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_stuff(tbl, ioba, tce_value, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (kvm_tce_has_hardware(tbl) || npages > KVM_TCE_STEP ||
	    (tce_value && !kvm_tce_present(tbl, index, npages)))
		ret = TCE_MORE;
	else
		kvm_tce_fill(tbl, index, tce_value, npages);

leave:
	kvm_tce_leave(vcpu);

	if (unlikely(ret == TCE_MORE))
		ret = tce_run(vcpu, &(struct tce_run){
			.liobn = liobn, .ioba = ioba, .npages = npages,
			.tce = tce_value,
		});
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_stuff_tce);

long kvmppc_h_get_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
		      unsigned long ioba)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(vcpu->kvm, liobn);
	if (tbl) {
		ret = kvm_tce_check_get(tbl, ioba);
		if (ret == H_SUCCESS)
			kvmppc_set_gpr(vcpu, 4,
				       kvm_tce_load(tbl, kvm_tce_index(tbl, ioba)));
	}

	kvm_tce_leave(vcpu);
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_get_tce);
