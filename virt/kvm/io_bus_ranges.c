// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ranges of devices on a bus, sorted by start. io_bus_ranges.h describes
 * the layout and the protocol.
 */
#include "io_bus_ranges.h"

/* For writers, who are serialised by the caller's lock. */
#define writer_deref(p) rcu_dereference_protected(p, 1)

/*
 * The last byte of a range; the byte before its start if it is empty (and then
 * the start itself where there is no byte before: an empty range holds empty
 * accesses only, for which its end is compared exactly by kvm_io_range_holds()).
 */
static u64 range_last(const struct kvm_io_range *range)
{
	if (!range->size)
		return range->start ? range->start - 1 : 0;
	return range->start + (range->size - 1);
}

static bool asked_before(const struct kvm_io_candidate *a,
			 const struct kvm_io_candidate *b)
{
	return a->size != b->size ? a->size < b->size : a->seq < b->seq;
}

/* Inlined: constants for @after and @max leave little of it for the first device. */
static __always_inline unsigned int find(const struct kvm_io_ranges *ranges,
					 u64 addr, u64 len,
					 const struct kvm_io_candidate *after,
					 struct kvm_io_candidate *found,
					 unsigned int max)
{
	const struct kvm_io_range_table *table = rcu_dereference(ranges->table);
	unsigned int base = 0, n, nr_found = 0;
	u64 last;

	if (!table || table->ent[0].start > addr)
		return 0;

	n = table->nr;
	while (n > 1) {
		unsigned int half = n / 2;

		if (table->ent[base + half].start <= addr)
			base += half;
		n -= half;
	}

	/* The last byte that a range must reach at least to be of interest. */
	last = addr;
	if (len)
		last += len - 1;
	else if (last)
		last--;
	/* Runs past the end of the address space: no range holds that. */
	if (len && last < addr)
		return 0;

	while (base != KVM_IO_RANGE_NONE) {
		const struct kvm_io_range *range = &table->ent[base];
		struct kvm_io_candidate cand;
		unsigned int i;

		if (range_last(range) < last) {
			base = range->outer;
			if (range->jump != KVM_IO_RANGE_NONE &&
			    range_last(&table->ent[range->jump]) < last)
				base = range->jump;
			continue;
		}
		/* Wraps to KVM_IO_RANGE_NONE below the first one. */
		base--;

		if (!kvm_io_range_holds(range->start, range->size, addr, len))
			continue;
		cand.size = range->size;
		cand.seq = range->seq;
		cand.dev = rcu_dereference(range->dev);
		if (!cand.dev || (after && !asked_before(after, &cand)))
			continue;

		/* Keep the @max first ones, sorted by insertion. */
		if (nr_found < max || asked_before(&cand, &found[max - 1])) {
			i = min(nr_found, max - 1);
			for (; i && asked_before(&cand, &found[i - 1]); i--)
				found[i] = found[i - 1];
			found[i] = cand;
			nr_found = min(nr_found + 1, max);
		}
		/*
		 * All below is asked after this one, and so after what was
		 * found. Empty accesses can touch ranges that do not overlap.
		 */
		if (nr_found == max && range->first && len &&
		    !asked_before(&cand, &found[max - 1]))
			break;
	}
	return nr_found;
}

/**
 * kvm_io_ranges_first - find the device that is asked first
 * @ranges: the ranges
 * @addr: first byte of the access
 * @len: size of the access in bytes, 0 allowed
 * @found: filled with the device
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: whether there is one that holds the access.
 */
bool kvm_io_ranges_first(const struct kvm_io_ranges *ranges, u64 addr, u64 len,
			 struct kvm_io_candidate *found)
{
	return find(ranges, addr, len, NULL, found, 1);
}

/**
 * kvm_io_ranges_find - collect the devices that hold an access
 * @ranges: the ranges
 * @addr: first byte of the access
 * @len: size of the access in bytes, 0 allowed
 * @after: only devices that are asked later than this one; NULL for all
 * @found: filled with the devices that are asked next, in order
 * @max: how many @found takes, at least 1
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: how many were found; if it is @max there may be more.
 */
unsigned int kvm_io_ranges_find(const struct kvm_io_ranges *ranges, u64 addr,
				u64 len, const struct kvm_io_candidate *after,
				struct kvm_io_candidate *found,
				unsigned int max)
{
	return find(ranges, addr, len, after, found, max);
}

/* The first of @i and what its links lead to that ends at @last or later. */
static unsigned int reaching(const struct kvm_io_range_table *table,
			     unsigned int i, u64 last)
{
	while (i != KVM_IO_RANGE_NONE && range_last(&table->ent[i]) < last)
		i = table->ent[i].outer;
	return i;
}

static void link_jump(struct kvm_io_range_table *table, struct kvm_io_range *range)
{
	const struct kvm_io_range *outer, *jump;

	range->jump = range->outer;
	range->depth = 0;
	if (range->outer == KVM_IO_RANGE_NONE)
		return;
	outer = &table->ent[range->outer];
	range->depth = outer->depth + 1;
	if (outer->jump == KVM_IO_RANGE_NONE)
		return;
	/* Two jumps of the same length in a row make one over both. */
	jump = &table->ent[outer->jump];
	if (jump->jump != KVM_IO_RANGE_NONE &&
	    outer->depth - jump->depth ==
	    jump->depth - table->ent[jump->jump].depth)
		range->jump = jump->jump;
}

/*
 * Whether a range is asked before all below that overlap it: before the nearest
 * of them, which is asked before the others in turn. These overlap the nearest
 * one, too, since it starts no later.
 */
static bool asked_first(const struct kvm_io_range_table *table, unsigned int i)
{
	const struct kvm_io_range *range = &table->ent[i], *below;
	struct kvm_io_candidate a = { .size = range->size, .seq = range->seq };
	struct kvm_io_candidate b;
	unsigned int k;

	k = reaching(table, i - 1, range->start);
	if (k == KVM_IO_RANGE_NONE)
		return true;
	below = &table->ent[k];
	b.size = below->size;
	b.seq = below->seq;
	return below->first && asked_before(&a, &b);
}

/* Sets what a search goes by; those above see those below finished. */
static void link_ranges(struct kvm_io_range_table *table)
{
	unsigned int i, outer;

	for (i = 0; i < table->nr; i++) {
		struct kvm_io_range *range = &table->ent[i];
		u64 last = range_last(range);

		outer = reaching(table, i - 1, last);
		while (outer != KVM_IO_RANGE_NONE &&
		       range_last(&table->ent[outer]) == last)
			outer = table->ent[outer].outer;
		range->outer = outer;
		link_jump(table, range);
		range->first = asked_first(table, i);
	}
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
		.seq = ranges->next_seq,
	};
	bool added = false;
	unsigned int i;

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
	link_ranges(new);

	rcu_assign_pointer(ranges->table, new);
	if (old)
		kvfree_rcu(old, rcu);
	ranges->nr++;
	ranges->next_seq++;
	return 0;
}

/**
 * kvm_io_ranges_del - take a device out
 * @ranges: the ranges
 * @dev: the device
 *
 * Needs no memory and cannot fail. Readers that are under way may still find
 * the device.
 *
 * Context: any; the writers' lock.
 * Return: whether @dev was there.
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
 * @pos: where to go on, 0 at first; moved behind the range returned
 *
 * Context: any; the writers' lock.
 * Return: the range of a device, in order of their starts; NULL behind the last.
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
 * kvm_io_ranges_destroy - forget all devices
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
