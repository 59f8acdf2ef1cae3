// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables of PAPR guests: the ioctl that makes a table, the file that it
 * returns, and the lifetime of a table.
 *
 * Lifetime
 * --------
 * A table belongs to the file that KVM_CREATE_SPAPR_TCE* returned. The file holds
 * a reference to the VM, and each mapping holds the file. vCPUs hold nothing: a
 * vCPU may find the table by its liobn while the file is being closed.
 *
 * RCU cannot protect such a vCPU. The real-mode handlers run after
 * guest_state_enter_irqoff(), and on hardware threads that are offline to Linux,
 * so RCU may not be watching. The thread that runs the core holds kvm->srcu around
 * the guest entry. But the core may run vcores of several VMs, and the thread holds
 * kvm->srcu until the guest exits, which may take long. A reference count would be
 * a cache line that all vCPUs write.
 *
 * So each vCPU has a count of its own, vcpu->arch.tce_seq. The count is odd while
 * the vCPU looks for a table or uses one, in either mode. The writer
 *
 *  1. takes the table off the list,
 *  2. waits until it has seen the count of each vCPU even or changed,
 *  3. frees the table.
 *
 * There is a full barrier between 1 and 2, and another one between the vCPU's
 * count and its first look at the list. Either the vCPU does not find the table,
 * or the writer sees that the count is odd. vCPUs are freed with the VM, and the
 * file holds the VM.
 *
 * A vCPU that is created during 2 does not find the table. The writer may not see
 * this vCPU in kvm->online_vcpus, but then it has not run yet:
 * kvm_vm_ioctl_create_vcpu() holds vcpu->mutex until it has counted the vCPU, and
 * KVM_RUN takes vcpu->mutex.
 *
 * The writer waits for one step of an hcall; see book3s_64_vio_steps.c. A vCPU
 * copies the list of an H_PUT_TCE_INDIRECT and allocates memory outside of steps.
 * Hardware tables follow the same protocol. Attach and release of a group return
 * when each vCPU has seen the change.
 *
 * kvm_tce_lock serializes the writers of all VMs. It protects the lists of tables
 * and of hardware tables, and nothing else. It is not held during the wait. VFIO
 * may hold kvm->lock during the wait, but an hcall does not take that one.
 *
 * Pages of entries
 * ----------------
 * A page of entries is allocated when it is first needed: by a fault of the
 * mapping, or by an hcall in virtual mode that stores into it. It stays until the
 * table goes. A table uses one page of memory for each 8192 entries (64 KiB pages)
 * that were ever used. An hcall in real mode goes to virtual mode once for each
 * such page. It never does if userspace has cleared the table through its mapping
 * before the guest starts, as QEMU does.
 */

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <asm/kvm_ppc.h>

#include "book3s_64_vio.h"

/* For changes of the lists of TCE tables and of their hardware tables */
DEFINE_MUTEX(kvm_tce_lock);

/**
 * kvm_tce_wait_for_vcpus - wait until no vCPU uses what is off a list
 * @kvm: the VM
 *
 * On return, no vCPU uses a table or a hardware table that the caller had taken
 * off its list before the call.
 */
void kvm_tce_wait_for_vcpus(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u32 seq;

	/* The list first, then the counts; pairs with kvm_tce_enter() */
	smp_mb();

	kvm_for_each_vcpu(i, vcpu, kvm) {
		/* All accesses of the vCPU are over; pairs with kvm_tce_leave() */
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

/* The page with entry @index; it is allocated if it does not exist */
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

	/* If two tasks get here at once, the page of the first one stays */
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
		/* There are up to two million slots, and few may have a page */
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
	struct kvm *kvm = tbl->kvm;

	mutex_lock(&kvm_tce_lock);
	list_del_rcu(&tbl->list);
	mutex_unlock(&kvm_tce_lock);

	kvm_tce_wait_for_vcpus(kvm);

	/* No vCPU finds the table any more */
	kvm_tce_free_hardware(tbl);
	account_locked_vm(kvm->mm, tce_locked_pages(tbl->size), false);
	tce_free(tbl);
	kvm_put_kvm(kvm);

	return 0;
}

static const struct file_operations tce_fops = {
	.mmap		= tce_file_mmap,
	.release	= tce_file_release,
};

/**
 * kvm_tce_table_of_file - find the table behind a file
 * @file: any file
 *
 * Return: the table, or NULL if the file is not that of a table. The table stays
 * as long as the caller holds the file.
 */
struct kvm_tce_table *kvm_tce_table_of_file(struct file *file)
{
	return file->f_op == &tce_fops ? file->private_data : NULL;
}

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

/**
 * kvm_vm_ioctl_create_spapr_tce - make a TCE table
 * @kvm: the VM
 * @args: the window of the table
 *
 * Return: a file descriptor, or a negative error.
 */
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

	mutex_lock(&kvm_tce_lock);

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

	mutex_unlock(&kvm_tce_lock);

	/* The file owns the table now, and another thread may close it */
	fd_install(fd, file);
	return fd;

unlock:
	mutex_unlock(&kvm_tce_lock);
	put_unused_fd(fd);
free:
	kfree(tbl);
unaccount:
	account_locked_vm(kvm->mm, locked, false);
	return ret;
}
