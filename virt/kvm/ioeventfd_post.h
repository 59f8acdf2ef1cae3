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

#include "ioeventfd_set.h"

int kvm_ioeventfd_post(struct kvm_kernel_ioeventfd *ioeventfd, u64 addr, u64 value);
bool kvm_ioeventfd_post_fault_in(unsigned long address, int len);

#endif /* __KVM_IOEVENTFD_POST_H */
