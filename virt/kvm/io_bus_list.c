// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O bus of KVM: lists of ioeventfds and devices, for debugfs. io_bus.c
 * describes the protocol.
 */
#include "io_bus_internal.h"

#include <linux/kvm_host.h>
#include <kvm/iodev.h>

#include "io_bus_index.h"
#include "io_bus_ranges.h"
#include "ioeventfd_range.h"
#include "ioeventfd_set.h"

/* The number of ioeventfds to list before other writers get a chance. */
#define LIST_CHUNK 256

static struct kvm_io_device *range_dev(struct kvm *kvm,
				       const struct kvm_io_range *range)
{
	return rcu_dereference_protected(range->dev,
					 lockdep_is_held(&kvm->slots_lock));
}

/* The position of a walk through the ioeventfds of an index. */
struct list_cursor {
	enum kvm_bus bus;
	/* Those that cover a range. */
	bool ranges;
	u64 addr;
	struct kvm_ioeventfd_set_cursor set;
};

/* What is listed of an ioeventfd at @cursor. */
static struct kvm_ioeventfd_info
ioeventfd_info(const struct list_cursor *cursor,
	       const struct kvm_ioeventfd_set *set,
	       const struct kvm_kernel_ioeventfd *ioeventfd)
{
	struct kvm_ioeventfd_info info = {
		.bus = cursor->bus,
		.key.addr = cursor->addr,
		.key.data = ioeventfd->data,
		.key.len = ioeventfd->len,
		.key.match = ioeventfd->match,
		.key.mask = ioeventfd->mask,
		.rings = READ_ONCE(ioeventfd->rings),
	};

	if (ioeventfd->posts)
		info.key.post = (unsigned long)cursor->addr + ioeventfd->post_offset;
	if (cursor->ranges) {
		const struct kvm_ioeventfd_range *range;

		range = container_of(set, struct kvm_ioeventfd_range, set);
		info.key.size = range->size;
		info.key.stride = range->stride;
	}
	return info;
}

/* Lists some ioeventfds at one address. Returns false at the end of the index. */
static bool list_chunk(struct kvm *kvm, struct list_cursor *cursor,
		       struct kvm_ioeventfd_info *info, unsigned long max,
		       unsigned long *nr)
{
	const struct kvm_io_bus *bus = &kvm->buses[cursor->bus];
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_ioeventfd_set *set;
	u64 addr = cursor->addr;
	unsigned int i;

	set = kvm_io_index_next(cursor->ranges ? &bus->post_ranges : &bus->ioeventfds,
				&cursor->addr);
	if (!set)
		return false;
	/* The set at the old position is gone. */
	if (cursor->addr != addr)
		cursor->set = (struct kvm_ioeventfd_set_cursor) {};

	for (i = 0; i < LIST_CHUNK; i++) {
		ioeventfd = kvm_ioeventfd_set_next(set, &cursor->set);
		if (!ioeventfd) {
			cursor->set = (struct kvm_ioeventfd_set_cursor) {};
			/*
			 * The greatest address is the last one: it wraps to 0.
			 */
			return ++cursor->addr;
		}
		if (*nr < max)
			info[*nr] = ioeventfd_info(cursor, set, ioeventfd);
		++*nr;
	}
	return true;
}

/**
 * kvm_io_bus_list_ioeventfds - list all ioeventfds of a VM
 * @kvm: the VM
 * @info: filled with one entry per ioeventfd, in order of bus and address;
 *	those of a bus that cover a range come last
 * @max: the size of @info, in entries
 *
 * Takes the lock for a part of the list at a time. An ioeventfd that comes or
 * goes meanwhile may be listed or not. One that stays is listed once, or twice
 * if others come at its address.
 *
 * Context: process context, may sleep. Takes kvm->ioeventfd_lock.
 * Return: the number of ioeventfds, which can be more than @max.
 */
unsigned long kvm_io_bus_list_ioeventfds(struct kvm *kvm,
					 struct kvm_ioeventfd_info *info,
					 unsigned long max)
{
	struct list_cursor cursor;
	unsigned long nr = 0;
	unsigned int i;
	bool more;

	for (i = 0; i < 2 * KVM_NR_BUSES; i++) {
		cursor = (struct list_cursor) { .bus = i / 2, .ranges = i % 2 };
		do {
			mutex_lock(&kvm->ioeventfd_lock);
			more = list_chunk(kvm, &cursor, info, max, &nr);
			mutex_unlock(&kvm->ioeventfd_lock);
			cond_resched();
		} while (more);
	}
	return nr;
}

/**
 * kvm_io_bus_list_devs - list all devices of a VM
 * @kvm: the VM
 * @info: filled with one entry per device, in order of bus and address
 * @max: the size of @info, in entries
 *
 * Context: process context, may sleep. Takes kvm->slots_lock.
 * Return: the number of devices, which can be more than @max.
 */
unsigned long kvm_io_bus_list_devs(struct kvm *kvm,
				   struct kvm_io_dev_info *info,
				   unsigned long max)
{
	const struct kvm_io_range *range;
	unsigned long nr = 0;
	unsigned int i, pos;

	mutex_lock(&kvm->slots_lock);
	for (i = 0; i < KVM_NR_BUSES; i++) {
		pos = 0;
		while ((range = kvm_io_ranges_next(&kvm->buses[i].ranges, &pos))) {
			if (nr < max)
				info[nr] = (struct kvm_io_dev_info) {
					.bus = i,
					.start = range->start,
					.size = range->size,
					.ops = range_dev(kvm, range)->ops,
				};
			nr++;
		}
	}
	mutex_unlock(&kvm->slots_lock);
	return nr;
}
