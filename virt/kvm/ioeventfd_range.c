// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that cover a range of addresses: the side of the writers.
 * ioeventfd_range.h describes the layout.
 *
 * The callers hold the lock that serialises the writers of the index.
 */
#include "ioeventfd_range.h"

/**
 * kvm_ioeventfd_range_find - find the range that has a register at an address
 * @ranges: the ranges of a bus
 * @addr: the address
 *
 * Not inline: kicks of other ioeventfds would pay for it.
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the set of the range, or NULL.
 */
struct kvm_ioeventfd_set *
kvm_ioeventfd_range_find(const struct kvm_io_index *ranges, u64 addr)
{
	struct kvm_ioeventfd_range *range = kvm_io_index_find_floor(ranges, addr);
	u64 offset;

	if (!range)
		return NULL;
	offset = addr - range->start;
	if (offset >= range->size || (offset & (range->stride - 1)))
		return NULL;
	return &range->set;
}

/* Returns true if a range of the index has an address of @key's range. */
static bool overlaps(const struct kvm_io_index *ranges,
		     const struct kvm_ioeventfd_key *key)
{
	const struct kvm_ioeventfd_range *before;
	u64 next = key->addr;
	bool overlap;

	if (kvm_io_index_next(ranges, &next) && next - key->addr < key->size)
		return true;
	rcu_read_lock();
	before = kvm_io_index_find_floor(ranges, key->addr);
	overlap = before && key->addr - before->start < before->size;
	rcu_read_unlock();
	return overlap;
}

/**
 * kvm_ioeventfd_range_add - add an ioeventfd that covers a range
 * @ranges: the ranges of a bus
 * @key: the range, and the width of its registers
 * @ioeventfd: the ioeventfd
 *
 * Context: process context, may sleep; the writers' lock.
 * Return: 0; -EEXIST if the range overlaps another one; -ENOMEM; -ENOSPC. After
 * an error, nothing has changed.
 */
int kvm_ioeventfd_range_add(struct kvm_io_index *ranges,
			    const struct kvm_ioeventfd_key *key,
			    struct kvm_kernel_ioeventfd *ioeventfd)
{
	struct kvm_ioeventfd_range *range;
	struct kvm_io_index_place place;
	int ret;

	if (overlaps(ranges, key))
		return -EEXIST;
	range = kzalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	range->start = key->addr;
	range->size = key->size;
	range->stride = key->stride;
	ret = kvm_ioeventfd_set_add(&range->set, ioeventfd);
	if (!ret) {
		kvm_io_index_locate(ranges, key->addr, &place);
		ret = kvm_io_index_insert(ranges, key->addr, range, &place);
	}
	if (ret)
		kfree(range);
	return ret;
}

/**
 * kvm_ioeventfd_range_del - remove an ioeventfd that covers a range
 * @ranges: the ranges of a bus
 * @key: the range, and the width of its registers
 * @eventfd: the eventfd, or NULL
 *
 * Needs no memory.
 *
 * Context: any; the writers' lock.
 * Return: the ioeventfd, which the caller ends by kvm_ioeventfd_kill(); NULL if
 * there is none that equals @key and has this eventfd.
 */
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_range_del(struct kvm_io_index *ranges,
			const struct kvm_ioeventfd_key *key,
			const struct eventfd_ctx *eventfd)
{
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_ioeventfd_range *range;
	struct kvm_io_index_place place;

	range = kvm_io_index_locate(ranges, key->addr, &place);
	if (!range || range->size != key->size || range->stride != key->stride)
		return NULL;
	ioeventfd = kvm_ioeventfd_set_lookup(&range->set, key);
	if (!ioeventfd || ioeventfd->eventfd != eventfd)
		return NULL;
	kvm_io_index_remove(ranges, &place);
	kvm_ioeventfd_set_free(&range->set);
	return ioeventfd;
}
