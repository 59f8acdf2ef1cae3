/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IOEVENTFD_POST_H
#define __KVM_IOEVENTFD_POST_H

/*
 * DOC: ioeventfds that store the value of a write in userspace
 *
 * The value goes to the userspace address that KVM_IOEVENTFD was called with,
 * in the address space of the VMM. Every ioctl of a VM and of a vCPU checks
 * that current->mm is kvm->mm. So the address is valid in each task that
 * executes a write of the guest, and access_ok() at the assignment is enough.
 *
 * The store and the signal are one step under ioeventfd->lock. So the value in
 * memory is that of the last signal, and kvm_ioeventfd_kill() ends both. The
 * eventfd's own lock orders the store before a read of the counter.
 *
 * Page faults are disabled under the lock, which is a spinlock. If the page is
 * not there, nothing is stored and nothing signalled. In process context, the
 * caller then makes the page present, without any lock, and looks for the
 * ioeventfd again. In the exit fastpath it declines, and the ordinary path does
 * this. A page that cannot be made present is no ioeventfd: the write leaves
 * for userspace.
 */

#include <linux/uaccess.h>

#include "ioeventfd_set.h"

/* One store. Called with page faults disabled. */
static __always_inline int kvm_ioeventfd_store(unsigned long address, int len,
					       u64 value)
{
	switch (len) {
	case 1:
		return __put_user((u8)value, (u8 __user *)address);
	case 2:
		return __put_user((u16)value, (u16 __user *)address);
	case 4:
		return __put_user((u32)value, (u32 __user *)address);
	default:
		return __put_user(value, (u64 __user *)address);
	}
}

/* The caller holds the lock of @ioeventfd. Returns what kvm_ioeventfd_post() does. */
static __always_inline int
kvm_ioeventfd_post_locked(struct kvm_kernel_ioeventfd *ioeventfd, u64 addr, u64 value)
{
	int ret;

	if (unlikely(!ioeventfd->posts))
		return -ENOENT;
	pagefault_disable();
	ret = kvm_ioeventfd_store((unsigned long)addr + ioeventfd->post_offset,
				  ioeventfd->len, value);
	pagefault_enable();
	if (unlikely(ret))
		return ret;
	kvm_ioeventfd_rings_inc(ioeventfd);
	if (ioeventfd->eventfd)
		eventfd_signal(ioeventfd->eventfd);
	return 0;
}

/**
 * kvm_ioeventfd_post_irqoff - store a value and signal, with interrupts off
 * @ioeventfd: the ioeventfd
 * @addr: address of the write, which the ioeventfd covers
 * @value: the value, in the lowest bytes; the rest is ignored
 *
 * As kvm_ioeventfd_post(), for the exit fastpath.
 *
 * Context: as for kvm_ioeventfd_signal_irqoff(); a task of the VMM.
 * Return: as kvm_ioeventfd_post().
 */
static __always_inline int
kvm_ioeventfd_post_irqoff(struct kvm_kernel_ioeventfd *ioeventfd, u64 addr, u64 value)
{
	int ret;

	spin_lock(&ioeventfd->lock);
	ret = kvm_ioeventfd_post_locked(ioeventfd, addr, value);
	spin_unlock(&ioeventfd->lock);
	return ret;
}

int kvm_ioeventfd_post(struct kvm_kernel_ioeventfd *ioeventfd, u64 addr, u64 value);
bool kvm_ioeventfd_post_fault_in(unsigned long address, int len);

#endif /* __KVM_IOEVENTFD_POST_H */
