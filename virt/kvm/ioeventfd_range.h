/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IOEVENTFD_RANGE_H
#define __KVM_IOEVENTFD_RANGE_H

/*
 * DOC: an ioeventfd that covers a range of addresses
 *
 * Devices such as NVMe controllers have a page of registers of one width, one
 * after the other. One ioeventfd serves all of them: it stores the value of a
 * write at the place that the register has in memory of userspace.
 *
 * The ranges of a bus do not overlap. They are in an index of their own, by
 * their start: the range of an address is the last one that starts at or below
 * it. Only a write that matches no ioeventfd at its own address looks there.
 *
 * A range has a set with this one ioeventfd. So what signals an ioeventfd of a
 * set works for a range, too. Writers, readers and lifetimes are those of a set
 * (ioeventfd_set.h).
 */

#include "ioeventfd_set.h"

struct kvm_ioeventfd_range {
	/* First, because the index of a bus is destroyed by sets. */
	struct kvm_ioeventfd_set set;
	u64 start;
	u32 size;
	u32 stride;
};

struct kvm_ioeventfd_set *
kvm_ioeventfd_range_find(const struct kvm_io_index *ranges, u64 addr);
int kvm_ioeventfd_range_add(struct kvm_io_index *ranges,
			    const struct kvm_ioeventfd_key *key,
			    struct kvm_kernel_ioeventfd *ioeventfd);
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_range_del(struct kvm_io_index *ranges,
			const struct kvm_ioeventfd_key *key,
			const struct eventfd_ctx *eventfd);

#endif /* __KVM_IOEVENTFD_RANGE_H */
