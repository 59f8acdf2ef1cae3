/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_RANGES_H
#define __KVM_IO_BUS_RANGES_H

/*
 * DOC: the ranges of devices
 *
 * Ranges of devices can be apart, nested, or overlap in part. One array has
 * them all, sorted by start. Each entry summarises the entries below it: their
 * greatest end, and their least size. The least size counts only those between
 * which and the entry there is no gap:
 *
 *	addr  0    1    2    3    4    5    6      end_below   size_below
 *	[0]   |----|                                       0            -
 *	[1]             |-------------------|              1            -
 *	[2]                  |---------|                   6            4
 *	[3]                       |----|                   6            2
 *
 * A lookup halves the array to find the last range that does not start above
 * the access. From there it goes down, and keeps the narrowest range that holds
 * the access. It stops at the first entry for which one of these is true:
 *
 * - all ranges below end before the access does
 * - all ranges below, back to the gap, are wider than the one that it keeps
 * - the way from the start of the entry to the end of the access is wider
 *
 * Where ranges are apart or properly nested, that is the first entry. In any
 * case there are at most KVM_IO_BUS_MAX_DEVS entries.
 *
 * Writers: one at a time, under the caller's lock.
 * Readers: RCU read-side critical sections.
 *
 * What a reader can meet: the array never changes, except for ->dev, which one
 * store clears when a device leaves. Adding a device makes a new array without
 * the cleared entries and publishes it with release order.
 *
 * What keeps memory alive: RCU keeps the array, by kvfree_rcu(). The caller
 * keeps the devices (see io_bus.c).
 */

#include "io_bus_internal.h"

struct kvm_io_range {
	u64 start;
	u64 size;
	/* The greatest end of the ranges below, at most U64_MAX. */
	u64 end_below;
	/* The least size of the ranges below, back to the last gap. */
	u64 size_below;
	/* Order of registration, from 1. */
	u64 seq;
	struct kvm_io_device __rcu *dev;
};

struct kvm_io_range_table {
	struct rcu_head rcu;
	unsigned int nr;
	struct kvm_io_range ent[];
};

/*
 * A device that holds an access, and its place in the order in which these
 * devices are asked: by size, then by order of registration.
 */
struct kvm_io_candidate {
	u64 size;
	u64 seq;
	struct kvm_io_device *dev;
};

bool kvm_io_ranges_next_holding(const struct kvm_io_ranges *ranges, u64 addr,
				u64 len, struct kvm_io_candidate *cand);
int kvm_io_ranges_add(struct kvm_io_ranges *ranges, u64 start, u64 size,
		      struct kvm_io_device *dev);
bool kvm_io_ranges_del(struct kvm_io_ranges *ranges, struct kvm_io_device *dev);
const struct kvm_io_range *kvm_io_ranges_next(const struct kvm_io_ranges *ranges,
					      unsigned int *pos);
void kvm_io_ranges_destroy(struct kvm_io_ranges *ranges);

#endif /* __KVM_IO_BUS_RANGES_H */
