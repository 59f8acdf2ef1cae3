// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ranges of devices on a bus, sorted by start. io_bus_ranges.h describes
 * the layout and the protocol.
 */
#include "io_bus_ranges.h"

/* For writers: the caller holds the lock that serialises them. */
#define writer_deref(p) rcu_dereference_protected(p, 1)

/*
 * The end of a range or of an access, at most U64_MAX. A range that holds an
 * access never ends before it by this measure, even if one or both ends are
 * cut.
 */
static u64 end_of(u64 start, u64 size)
{
	u64 end = start + size;

	return end < start ? U64_MAX : end;
}

static bool asked_before(u64 size_a, u64 seq_a, u64 size_b, u64 seq_b)
{
	return size_a != size_b ? size_a < size_b : seq_a < seq_b;
}

/**
 * kvm_io_ranges_next_holding - find the next device that holds an access
 * @ranges: the ranges
 * @addr: first byte of the access
 * @len: size of the access in bytes, 0 allowed
 * @cand: the device that was asked last, or all zero for the first one;
 *	replaced by the device that is asked next
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: true if there is one; if not, @cand is unchanged.
 */
bool kvm_io_ranges_next_holding(const struct kvm_io_ranges *ranges, u64 addr,
				u64 len, struct kvm_io_candidate *cand)
{
	const struct kvm_io_range_table *table = rcu_dereference(ranges->table);
	struct kvm_io_candidate next = { .size = U64_MAX, .seq = U64_MAX };
	const struct kvm_io_range *range;
	unsigned int i = 0, n;
	u64 end;

	if (!table || table->ent[0].start > addr)
		return false;

	/* The last range that does not start above @addr. */
	n = table->nr;
	while (n > 1) {
		unsigned int half = n / 2;

		if (table->ent[i + half].start <= addr)
			i += half;
		n -= half;
	}

	/* Go down while a range below can reach to @end and not be wider. */
	end = end_of(addr, len);
	do {
		struct kvm_io_device *dev;

		range = &table->ent[i];
		if (!kvm_io_range_holds(range->start, range->size, addr, len) ||
		    !asked_before(cand->size, cand->seq, range->size, range->seq) ||
		    !asked_before(range->size, range->seq, next.size, next.seq))
			continue;
		dev = rcu_dereference(range->dev);
		if (!dev)
			continue;
		next.size = range->size;
		next.seq = range->seq;
		next.dev = dev;
	} while (range->end_below >= end && range->size_below <= next.size &&
		 end - range->start <= next.size && i--);

	if (!next.dev)
		return false;
	*cand = next;
	return true;
}

/**
 * kvm_io_ranges_add - add a device
 * @ranges: the ranges
 * @start: first byte of the device's range
 * @size: size of the range in bytes, 0 allowed
 * @dev: the device
 *
 * Context: process context, may sleep; the writers' lock.
 * Return: 0; -EINVAL if the range runs past the end of the address space;
 * -ENOSPC if there are KVM_IO_BUS_MAX_DEVS already; -ENOMEM. After an error
 * nothing has changed.
 */
int kvm_io_ranges_add(struct kvm_io_ranges *ranges, u64 start, u64 size,
		      struct kvm_io_device *dev)
{
	struct kvm_io_range_table *old = writer_deref(ranges->table);
	struct kvm_io_range_table *new;
	struct kvm_io_range add = {
		.start = start,
		.size = size,
		.seq = ranges->last_seq + 1,
	};
	bool added = false;
	unsigned int i;
	u64 end = 0, narrowest = U64_MAX;

	if (size && start + (size - 1) < start)
		return -EINVAL;
	if (ranges->nr >= KVM_IO_BUS_MAX_DEVS)
		return -ENOSPC;

	new = kvmalloc(struct_size(new, ent, ranges->nr + 1),
		       GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;

	RCU_INIT_POINTER(add.dev, dev);
	new->nr = 0;
	for (i = 0; old && i < old->nr; i++) {
		if (!rcu_access_pointer(old->ent[i].dev))
			continue;
		if (!added && old->ent[i].start > start) {
			new->ent[new->nr++] = add;
			added = true;
		}
		new->ent[new->nr++] = old->ent[i];
	}
	if (!added)
		new->ent[new->nr++] = add;

	for (i = 0; i < new->nr; i++) {
		struct kvm_io_range *range = &new->ent[i];

		/* A gap: no access is within a range below it and one above. */
		if (end < range->start)
			narrowest = U64_MAX;
		range->end_below = end;
		range->size_below = narrowest;
		end = max(end, end_of(range->start, range->size));
		narrowest = min(narrowest, range->size);
	}

	rcu_assign_pointer(ranges->table, new);
	if (old)
		kvfree_rcu(old, rcu);
	ranges->nr++;
	ranges->last_seq++;
	return 0;
}

/**
 * kvm_io_ranges_del - remove a device
 * @ranges: the ranges
 * @dev: the device
 *
 * Needs no memory and cannot fail. Readers may use the device until an RCU
 * grace period has passed.
 *
 * Context: any; the writers' lock.
 * Return: true if @dev was there.
 */
bool kvm_io_ranges_del(struct kvm_io_ranges *ranges, struct kvm_io_device *dev)
{
	struct kvm_io_range_table *table = writer_deref(ranges->table);
	unsigned int i;

	for (i = 0; table && i < table->nr; i++) {
		if (rcu_access_pointer(table->ent[i].dev) != dev)
			continue;
		RCU_INIT_POINTER(table->ent[i].dev, NULL);
		if (!--ranges->nr)
			kvm_io_ranges_destroy(ranges);
		return true;
	}
	return false;
}

/**
 * kvm_io_ranges_next - walk the devices
 * @ranges: the ranges
 * @pos: the position, 0 at the start; advanced past the range that is returned
 *
 * Context: any; the writers' lock.
 * Return: the range of a device, in order of starts; NULL at the end.
 */
const struct kvm_io_range *kvm_io_ranges_next(const struct kvm_io_ranges *ranges,
					      unsigned int *pos)
{
	struct kvm_io_range_table *table = writer_deref(ranges->table);

	while (table && *pos < table->nr) {
		const struct kvm_io_range *range = &table->ent[(*pos)++];

		if (rcu_access_pointer(range->dev))
			return range;
	}
	return NULL;
}

/**
 * kvm_io_ranges_destroy - remove all devices
 * @ranges: the ranges
 *
 * Context: any; the writers' lock.
 */
void kvm_io_ranges_destroy(struct kvm_io_ranges *ranges)
{
	struct kvm_io_range_table *table = writer_deref(ranges->table);

	RCU_INIT_POINTER(ranges->table, NULL);
	if (table)
		kvfree_rcu(table, rcu);
	ranges->nr = 0;
}
