// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that store the value of a write in userspace. ioeventfd_post.h
 * describes the protocol.
 */
#include "ioeventfd_post.h"

#include <linux/pagemap.h>

/**
 * kvm_ioeventfd_post - store the value of a write, and signal the ioeventfd
 * @ioeventfd: the ioeventfd
 * @addr: address of the write, which the ioeventfd covers
 * @value: the value, in the lowest bytes; the rest is ignored
 *
 * Context: RCU read-side critical section; a task of the VMM. Any; interrupts on
 * for PREEMPT_RT.
 * Return: 0; -EFAULT if the page is not there or not writable; -ENOENT if the
 * ioeventfd has been unregistered since the lookup. After an error, nothing is
 * stored and nothing signalled.
 */
int kvm_ioeventfd_post(struct kvm_kernel_ioeventfd *ioeventfd, u64 addr, u64 value)
{
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&ioeventfd->lock, flags);
	ret = kvm_ioeventfd_post_locked(ioeventfd, addr, value);
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
