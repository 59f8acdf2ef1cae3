/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_RANGES_H
#define __KVM_IO_BUS_RANGES_H

/*
 * DOC: the ranges of devices
 *
 * Devices' ranges may lie anywhere: apart, nested, or overlapping in part. They
 * are kept in one array, sorted by start. The candidates for an access begin
 * at the last range that does not start above it, found by halving, and go
 * down from there. Most of what lies below ends too early, so each range links
 * to the nearest one below it that ends later than itself:
 *
 *	addr  0    1    2    3    4    5    6
 *	[0]   |-----------------------------|   outer = none
 *	[1]        |----|                       outer = 0
 *	[2]             |----|                  outer = 0
 *	[3]                  |----|             outer = 0
 *
 * A range that ends too early for the access takes everything between itself
 * and its link along, because all of that ends no later. Following the links,
 * ends only grow, so that a second link, which leads further (the jump pointers
 * of a skew-binary list), finds the first that ends late enough in a number of
 * steps that is logarithmic in how deep ranges are nested.
 *
 * From there on each range that holds the access is a candidate, and the order
 * among them is by size. Ranges that are properly nested come in just that
 * order: a range is "first" if nothing below it that overlaps it is asked before
 * it, and the search ends when it has enough and meets such a one.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: anybody in an RCU read-side critical section.
 *
 * What a reader can meet. The array is never changed but for ->dev, which is
 * cleared with one store when a device leaves. Adding a device makes a new
 * array without the cleared ones, published with release order.
 *
 * What keeps memory alive: RCU for the array, by kfree_rcu(). What keeps the
 * devices alive is the business of the caller (see io_bus.c).
 */

#include "io_bus_internal.h"

#define KVM_IO_RANGE_NONE	(~0U)

struct kvm_io_range {
	u64 start;
	u64 size;
	/* Order of registration. */
	u64 seq;
	struct kvm_io_device __rcu *dev;
	/* The nearest range below that ends later, or KVM_IO_RANGE_NONE. */
	unsigned int outer;
	/* Some further one along these links, or KVM_IO_RANGE_NONE. */
	unsigned int jump;
	/* How many of these links there are below. */
	unsigned int depth;
	/* No range below that overlaps this one is asked before it. */
	bool first;
};

struct kvm_io_range_table {
	struct rcu_head rcu;
	unsigned int nr;
	struct kvm_io_range ent[];
};

/*
 * One device that takes an access, and its place in the order in which such
 * devices are asked: the narrowest first, then the first registered.
 */
struct kvm_io_candidate {
	u64 size;
	u64 seq;
	struct kvm_io_device *dev;
};

bool kvm_io_ranges_first(const struct kvm_io_ranges *ranges, u64 addr, u64 len,
			 struct kvm_io_candidate *found);
unsigned int kvm_io_ranges_find(const struct kvm_io_ranges *ranges, u64 addr,
				u64 len, const struct kvm_io_candidate *after,
				struct kvm_io_candidate *found,
				unsigned int max);
int kvm_io_ranges_add(struct kvm_io_ranges *ranges, u64 start, u64 size,
		      struct kvm_io_device *dev);
bool kvm_io_ranges_del(struct kvm_io_ranges *ranges, struct kvm_io_device *dev);
const struct kvm_io_range *kvm_io_ranges_next(const struct kvm_io_ranges *ranges,
					      unsigned int *pos);
void kvm_io_ranges_destroy(struct kvm_io_ranges *ranges);

#endif /* __KVM_IO_BUS_RANGES_H */
