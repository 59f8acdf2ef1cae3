// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables for PAPR guests: the ioctl, the file that it returns, the hcalls
 * in virtual mode and the connection to hardware tables through VFIO.
 *
 * Who keeps a table alive
 * -----------------------
 * A table belongs to the file that KVM_CREATE_SPAPR_TCE* returned, and the file
 * holds a reference to the VM. Mappings hold the file. What is left to protect
 * are vCPUs that find the table by its liobn while the file is being closed.
 *
 * None of the usual means will do for them. The real-mode handlers run after
 * guest_state_enter_irqoff() and on hardware threads that Linux believes to be
 * offline: RCU may not be watching. kvm->srcu is held around the guest entry,
 * but by whoever entered the guest, who may be running vcores of several VMs,
 * and until the guest is left, which may take its time. A reference count would
 * put one cache line between all vCPUs.
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
 * the writer finds the reader. A vCPU that comes into being during 2 starts
 * with an even count and finds the list without the table. vCPUs go with the VM
 * and the file pins the VM.
 *
 * A reader inside does nothing that can wait for userspace or for a guest: the
 * list of an H_PUT_TCE_INDIRECT is copied before. The wait is for one hcall's
 * table work, microseconds. Hardware tables attached to a table follow the same
 * protocol, so attach and release return when every vCPU knows.
 *
 * tce_lock makes the writers of all VMs take turns. It guards the two kinds of
 * list and nothing else, and nobody waits for vCPUs while holding it.
 *
 * Pages of entries are allocated when somebody first needs them: a fault of
 * the mapping or an hcall that stores into them, the latter in virtual mode
 * only. They stay until the table goes. Memory is thus a page for each 8192
 * entries (64 KiB pages) that were ever touched; a real-mode caller falls back
 * once for each such page, and not at all when userspace has cleared the table
 * through its mapping before starting the guest, as QEMU does.
 */

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
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

static bool tce_populate(struct kvm_tce_table *tbl, u64 index, u64 n)
{
	u64 i;

	if (!n)
		return true;

	for (i = round_down(index, TCES_PER_PAGE); i < index + n;
	     i += TCES_PER_PAGE) {
		if (!tce_get_page(tbl, i))
			return false;
		cond_resched();
	}

	return true;
}

static void tce_free(struct kvm_tce_table *tbl)
{
	unsigned long i, n = tce_entry_pages(tbl->size);

	for (i = 0; i < n; i++) {
		free_page((unsigned long)tbl->pages[i]);
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
 * The host address of @ua, if userspace has registered that memory for DMA,
 * and if @pin, with a mapping counted so that it stays registered.
 */
static struct mm_iommu_table_group_mem_t *
tce_ua_to_hpa(struct kvm *kvm, struct iommu_table *hw, unsigned long ua,
	      unsigned long *hpa, bool pin)
{
	struct mm_iommu_table_group_mem_t *mem;

	rcu_read_lock();
	mem = mm_iommu_lookup(kvm->mm, ua, 1UL << hw->it_page_shift);
	if (mem && mm_iommu_ua_to_hpa(mem, ua, hw->it_page_shift, hpa))
		mem = NULL;
	if (mem && pin && mm_iommu_mapped_inc(mem))
		mem = NULL;
	rcu_read_unlock();

	return mem;
}

/* The mapping that @entry had counted is gone */
static long tce_hw_uncount(struct kvm *kvm, struct iommu_table *hw,
			   unsigned long entry)
{
	__be64 *ua = IOMMU_TABLE_USERSPACE_ENTRY_RO(hw, entry);
	struct mm_iommu_table_group_mem_t *mem;

	if (!ua)
		return H_SUCCESS;

	mem = mm_iommu_lookup(kvm->mm, be64_to_cpu(*ua),
			      1UL << hw->it_page_shift);
	if (!mem)
		return H_TOO_HARD;

	mm_iommu_mapped_dec(mem);
	*ua = 0;
	return H_SUCCESS;
}

static long tce_hw_unmap_one(struct kvm *kvm, struct iommu_table *hw,
			     unsigned long entry)
{
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;
	long ret;

	if (iommu_tce_xchg_no_kill(kvm->mm, hw, entry, &hpa, &dir))
		return H_TOO_HARD;
	if (dir == DMA_NONE)
		return H_SUCCESS;

	/* The exchange has left the old mapping in hpa and dir: back with it */
	ret = tce_hw_uncount(kvm, hw, entry);
	if (ret != H_SUCCESS)
		iommu_tce_xchg_no_kill(kvm->mm, hw, entry, &hpa, &dir);

	return ret;
}

static long tce_hw_map_one(struct kvm *kvm, struct iommu_table *hw,
			   unsigned long entry, unsigned long ua,
			   enum dma_data_direction dir)
{
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long hpa = 0;
	__be64 *pua;

	pua = IOMMU_TABLE_USERSPACE_ENTRY(hw, entry);
	if (!pua)
		return H_TOO_HARD;

	mem = tce_ua_to_hpa(kvm, hw, ua, &hpa, true);
	if (!mem)
		return H_TOO_HARD;

	if (iommu_tce_xchg_no_kill(kvm->mm, hw, entry, &hpa, &dir)) {
		mm_iommu_mapped_dec(mem);
		return H_TOO_HARD;
	}

	if (dir != DMA_NONE)
		tce_hw_uncount(kvm, hw, entry);
	*pua = cpu_to_be64(ua);

	return H_SUCCESS;
}

/* An entry of the guest's table may be several of the hardware's */
static long tce_hw_unmap(struct kvm *kvm, struct kvm_tce_table *tbl,
			 struct iommu_table *hw, u64 io_page)
{
	unsigned int order = tbl->page_shift - hw->it_page_shift;
	unsigned long i, first = io_page << order;
	long ret, worst = H_SUCCESS;

	for (i = 0; i < 1UL << order; i++) {
		ret = tce_hw_unmap_one(kvm, hw, first + i);
		if (ret != H_SUCCESS)
			worst = ret;
	}

	iommu_tce_kill(hw, first, 1UL << order);
	return worst;
}

static long tce_hw_map(struct kvm *kvm, struct kvm_tce_table *tbl,
		       struct iommu_table *hw, u64 io_page, unsigned long ua,
		       enum dma_data_direction dir)
{
	unsigned int order = tbl->page_shift - hw->it_page_shift;
	unsigned long i, first = io_page << order;
	long ret = H_SUCCESS;

	for (i = 0; i < 1UL << order && ret == H_SUCCESS; i++)
		ret = tce_hw_map_one(kvm, hw, first + i,
				     ua + (i << hw->it_page_shift), dir);

	iommu_tce_kill(hw, first, 1UL << order);
	return ret;
}

/*
 * Would hardware take this entry? Asked before anything is changed. Memory that
 * is not registered yet is for userspace to register.
 */
static long tce_hw_check(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			 u64 tce)
{
	struct kvm_tce_iommu *it;
	unsigned long ua, hpa;

	if (!(tce & KVM_TCE_PERM))
		return H_SUCCESS;

	list_for_each_entry_lockless(it, &tbl->iommu_tables, next)
		if (!tce_to_ua(slots, tce, &ua) ||
		    !tce_ua_to_hpa(tbl->kvm, it->hw, ua, &hpa, false))
			return H_TOO_HARD;

	return H_SUCCESS;
}

/* Make all hardware tables follow: @tce is the entry for IOMMU page @io_page */
static long tce_hw_put(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
		       u64 io_page, u64 tce)
{
	struct kvm_tce_iommu *it;
	unsigned long ua;
	long ret;

	list_for_each_entry_lockless(it, &tbl->iommu_tables, next) {
		if (!(tce & KVM_TCE_PERM)) {
			ret = tce_hw_unmap(tbl->kvm, tbl, it->hw, io_page);
		} else if (!tce_to_ua(slots, tce, &ua)) {
			ret = H_TOO_HARD;
		} else {
			ret = tce_hw_map(tbl->kvm, tbl, it->hw, io_page, ua,
					 iommu_tce_direction(tce));
			/* Nothing is better than half of one and half another */
			if (ret != H_SUCCESS)
				tce_hw_unmap(tbl->kvm, tbl, it->hw, io_page);
		}
		if (ret != H_SUCCESS)
			return ret;
	}

	return H_SUCCESS;
}

/*
 * The hcalls
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
	struct kvm_memslots *slots;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index;
	int srcu;

	srcu = srcu_read_lock(&kvm->srcu);
	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(kvm, liobn);
	if (!tbl)
		goto leave;

	slots = kvm_memslots(kvm);
	ret = kvm_tce_check_put(tbl, slots, ioba, tce);
	if (ret != H_SUCCESS)
		goto leave;

	/* Before hardware changes, as it is what may fail */
	index = kvm_tce_index(tbl, ioba);
	if (tce && !tce_populate(tbl, index, 1)) {
		ret = H_TOO_HARD;
		goto leave;
	}

	ret = tce_hw_check(tbl, slots, tce);
	if (ret == H_SUCCESS)
		ret = tce_hw_put(tbl, slots, tbl->offset + index, tce);
	if (ret == H_SUCCESS)
		kvm_tce_store(tbl, index, tce);

leave:
	kvm_tce_leave(vcpu);
	srcu_read_unlock(&kvm->srcu, srcu);
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_put_tce);

static long tce_hw_put_list(struct kvm_tce_table *tbl,
			    struct kvm_memslots *slots, u64 index,
			    const u64 *list, u64 npages)
{
	long ret;
	u64 i;

	for (i = 0; i < npages; i++) {
		ret = tce_hw_check(tbl, slots, list[i]);
		if (ret != H_SUCCESS)
			return ret;
	}

	/* An entry that hardware has is in the table too, failure or not */
	for (i = 0; i < npages; i++) {
		ret = tce_hw_put(tbl, slots, tbl->offset + index + i, list[i]);
		if (ret != H_SUCCESS)
			return ret;
		kvm_tce_store(tbl, index + i, list[i]);
	}

	return H_SUCCESS;
}

long kvmppc_h_put_tce_indirect(struct kvm_vcpu *vcpu,
			       unsigned long liobn, unsigned long ioba,
			       unsigned long tce_list, unsigned long npages)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_memslots *slots;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 *copy, index;
	int srcu;

	srcu = srcu_read_lock(&kvm->srcu);
	slots = kvm_memslots(kvm);

	/*
	 * First of all, as it may wait for userspace to provide the page. Whether
	 * it succeeded counts only if the rest is in order.
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
	if (!tce_populate(tbl, index, npages)) {
		ret = H_TOO_HARD;
		goto leave;
	}

	if (kvm_tce_has_hardware(tbl))
		ret = tce_hw_put_list(tbl, slots, index, copy, npages);
	else
		kvm_tce_store_list(tbl, index, copy, npages);

leave:
	kvm_tce_leave(vcpu);
	srcu_read_unlock(&kvm->srcu, srcu);
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_put_tce_indirect);

long kvmppc_h_stuff_tce(struct kvm_vcpu *vcpu,
			unsigned long liobn, unsigned long ioba,
			unsigned long tce_value, unsigned long npages)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index, i;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_stuff(tbl, ioba, tce_value, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (tce_value && !tce_populate(tbl, index, npages)) {
		ret = H_TOO_HARD;
		goto leave;
	}

	if (kvm_tce_has_hardware(tbl)) {
		/* The value has no permissions: no memslots are needed */
		for (i = 0; i < npages; i++) {
			ret = tce_hw_put(tbl, NULL, tbl->offset + index + i,
					 tce_value);
			if (ret != H_SUCCESS)
				goto leave;
			cond_resched();
		}
	}

	while (npages) {
		u64 chunk = min_t(u64, npages, TCES_PER_PAGE);

		kvm_tce_fill(tbl, index, tce_value, chunk);
		index += chunk;
		npages -= chunk;
		cond_resched();
	}

leave:
	kvm_tce_leave(vcpu);
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_stuff_tce);

long kvmppc_h_get_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
		      unsigned long ioba)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 tce = 0;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(vcpu->kvm, liobn);
	if (tbl) {
		ret = kvm_tce_check_get(tbl, ioba);
		if (ret == H_SUCCESS)
			tce = kvm_tce_load(tbl, kvm_tce_index(tbl, ioba));
	}

	kvm_tce_leave(vcpu);

	if (ret == H_SUCCESS)
		kvmppc_set_gpr(vcpu, 4, tce);
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_get_tce);
