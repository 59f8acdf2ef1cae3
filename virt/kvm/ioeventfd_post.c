// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that store the value of a write in userspace. ioeventfd_post.h
 * describes the protocol.
 */
#include "ioeventfd_post.h"

#include <linux/pagemap.h>
#include <linux/uaccess.h>

/* One store. Called with page faults disabled. */
static __always_inline int store(unsigned long address, int len, u64 value)
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

/**
 * kvm_ioeventfd_post - store the value of a write, and signal the ioeventfd
 * @ioeventfd: the ioeventfd
 * @addr: address of the write, which the ioeventfd covers
 * @value: the value, in the lowest bytes; the rest is ignored
 *
 * Context: RCU read-side critical section; a task of the VMM. Any, interrupts
 * may be off, except on PREEMPT_RT.
 * Return: 0; -EFAULT if the page is not there or not writable; -ENOENT if the
 * ioeventfd has been unregistered since the lookup. After an error, nothing is
 * stored and nothing signalled.
 */
int kvm_ioeventfd_post(struct kvm_kernel_ioeventfd *ioeventfd, u64 addr, u64 value)
{
	unsigned long flags;
	int ret = -ENOENT;

	spin_lock_irqsave(&ioeventfd->lock, flags);
	if (likely(ioeventfd->posts)) {
		pagefault_disable();
		ret = store((unsigned long)addr + ioeventfd->post_offset,
			    ioeventfd->len, value);
		pagefault_enable();
	}
	if (likely(!ret)) {
		kvm_ioeventfd_rings_inc(ioeventfd);
		if (ioeventfd->eventfd)
			eventfd_signal(ioeventfd->eventfd);
	}
	spin_unlock_irqrestore(&ioeventfd->lock, flags);
	return ret;
}

/**
 * kvm_ioeventfd_post_fault_in - make the page of a value present and writable
 * @address: userspace address of the value
 * @len: its size in bytes
 *
 * Does not change what is in memory. Waits as long as the page fault takes: for
 * a file system, or for userfaultfd until userspace resolves it. A fatal signal
 * ends the wait.
 *
 * Context: process context, may sleep; a task of the VMM, without locks other
 * than kvm->srcu.
 * Return: false if there is no memory that can be written.
 */
bool kvm_ioeventfd_post_fault_in(unsigned long address, int len)
{
	return !fault_in_safe_writeable((const char __user *)address, len);
}
