// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioeventfds at one address: the side of the writers. ioeventfd_set.h
 * describes the layout and the protocol, and has the code of a kick.
 *
 * The callers hold the lock that serialises the writers of a set, unless a
 * function says otherwise. So these functions read RCU pointers directly.
 */
#include "ioeventfd_set.h"

#define writer_deref(p) rcu_dereference_protected(p, 1)

/* All bits of a value of width 1 << @order. */
static u64 width_mask(unsigned int order)
{
	return ~0ULL >> (64 - (8 << order));
}

static u64 key_mask(const struct kvm_ioeventfd_key *key)
{
	return key->mask ?: width_mask(ilog2(key->len));
}

static unsigned int table_slot(const struct kvm_ioeventfd_table *table,
			       u64 data)
{
	return (unsigned int)data & table->mask;
}

static bool table_has_room(const struct kvm_ioeventfd_table *table, u64 data)
{
	return !rcu_access_pointer(table->slot[table_slot(table, data)]);
}

/* True if the table is half full and not of the greatest size. */
static bool table_may_grow(const struct kvm_ioeventfd_table *table)
{
	return table->mask + 1 < KVM_IOEVENTFD_SLOTS_MAX &&
	       2 * table->used > table->mask;
}

/*
 * Returns a table with twice the slots of @old, or the first table. Each
 * ioeventfd keeps its slot, or moves up by the old number of slots. So two
 * ioeventfds never need the same slot.
 */
static struct kvm_ioeventfd_table *
table_grow(const struct kvm_ioeventfd_table *old)
{
	unsigned int slots = old ? old->mask + 1 : KVM_IOEVENTFD_SLOTS_MIN / 2;
	struct kvm_ioeventfd_table *table;
	unsigned int i;

	table = kvmalloc(struct_size(table, slot, 2 * slots), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	table->used = old ? old->used : 0;
	table->mask = 2 * slots - 1;
	for (i = 0; i < KVM_IOEVENTFD_LENS; i++)
		table->value_mask[i] = old ? old->value_mask[i] : width_mask(i);
	for (i = 0; i < slots; i++) {
		struct kvm_kernel_ioeventfd *ioeventfd;
		bool up;

		ioeventfd = old ? writer_deref(old->slot[i]) : NULL;
		up = ioeventfd && (ioeventfd->data & slots);
		RCU_INIT_POINTER(table->slot[i], up ? NULL : ioeventfd);
		RCU_INIT_POINTER(table->slot[slots + i], up ? ioeventfd : NULL);
	}
	return table;
}

/*
 * Has the values of width 1 << @order compared by @mask. Returns -EEXIST if @set
 * has ioeventfds that compare other bits; -ENOMEM if there is no memory, and
 * @set then has the same ioeventfds as before.
 */
static int table_set_mask(struct kvm_ioeventfd_set *set, unsigned int order,
			  u64 mask)
{
	struct kvm_ioeventfd_table *old = writer_deref(set->table), *table;
	size_t size;

	if (old ? old->value_mask[order] == mask : mask == width_mask(order))
		return 0;
	if (set->nr_match[order])
		return -EEXIST;
	if (old) {
		size = struct_size(old, slot, old->mask + 1);
		table = kvmalloc(size, GFP_KERNEL_ACCOUNT);
		if (table)
			memcpy(table, old, size);
	} else {
		table = table_grow(NULL);
	}
	if (!table)
		return -ENOMEM;
	table->value_mask[order] = mask;
	rcu_assign_pointer(set->table, table);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/*
 * Doubles the table of @set until @data has a free slot, or the table is less
 * than half full, or it has the greatest size. Returns NULL if there is no
 * memory; @set then has the same ioeventfds as before.
 */
static struct kvm_ioeventfd_table *table_for(struct kvm_ioeventfd_set *set,
					     u64 data)
{
	struct kvm_ioeventfd_table *table = writer_deref(set->table);

	while (!table || (!table_has_room(table, data) && table_may_grow(table))) {
		struct kvm_ioeventfd_table *old = table;

		table = table_grow(old);
		if (!table)
			return NULL;
		rcu_assign_pointer(set->table, table);
		if (old)
			kvfree_rcu(old, rcu);
	}
	return table;
}

/*
 * The spill index for values of width 1 << @order; NULL if there is no memory.
 */
static struct kvm_io_index *spill_index(struct kvm_ioeventfd_set *set,
					unsigned int order)
{
	struct kvm_ioeventfd_spill *spill = writer_deref(set->spill);
	unsigned int i;

	if (!spill) {
		spill = kzalloc(sizeof(*spill), GFP_KERNEL_ACCOUNT);
		if (!spill)
			return NULL;
		for (i = 0; i < KVM_IOEVENTFD_LENS; i++)
			kvm_io_index_init(&spill->of_len[i]);
		rcu_assign_pointer(set->spill, spill);
	}
	return &spill->of_len[order];
}

/**
 * kvm_ioeventfd_alloc - allocate an ioeventfd
 * @key: which writes signal it
 * @eventfd: the eventfd; the ioeventfd takes over the caller's reference; NULL
 *	for none, if it stores the values of writes
 *
 * Context: process context, may sleep.
 * Return: the ioeventfd; the caller frees it by kfree() if it is never added.
 * NULL if there is no memory.
 */
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_alloc(const struct kvm_ioeventfd_key *key,
		    struct eventfd_ctx *eventfd)
{
	struct kvm_kernel_ioeventfd *ioeventfd;

	ioeventfd = kzalloc(sizeof(*ioeventfd), GFP_KERNEL_ACCOUNT);
	if (!ioeventfd)
		return NULL;
	ioeventfd->data = key->data;
	ioeventfd->len = key->len;
	ioeventfd->match = key->match;
	if (key->match)
		ioeventfd->mask = key_mask(key);
	ioeventfd->posts = key->post;
	ioeventfd->post_offset = key->post - (unsigned long)key->addr;
	ioeventfd->eventfd = eventfd;
	if (!key->post)
		ioeventfd->plain_eventfd = eventfd;
	spin_lock_init(&ioeventfd->lock);
	return ioeventfd;
}

/**
 * kvm_ioeventfd_kill - end an ioeventfd
 * @ioeventfd: the ioeventfd; it is no longer in its set
 *
 * On return, the ioeventfd is neither storing a value nor signalling its
 * eventfd, and never will again. The function waits for kicks of this ioeventfd
 * only. It puts the eventfd.
 *
 * Context: process context, may sleep.
 */
void kvm_ioeventfd_kill(struct kvm_kernel_ioeventfd *ioeventfd)
{
	struct eventfd_ctx *eventfd;
	unsigned long flags;

	spin_lock_irqsave(&ioeventfd->lock, flags);
	eventfd = ioeventfd->eventfd;
	ioeventfd->eventfd = NULL;
	ioeventfd->plain_eventfd = NULL;
	WRITE_ONCE(ioeventfd->posts, false);
	spin_unlock_irqrestore(&ioeventfd->lock, flags);

	if (eventfd)
		eventfd_ctx_put(eventfd);
	kfree_rcu(ioeventfd, rcu);
}

/**
 * kvm_ioeventfd_set_alloc - allocate an empty set
 *
 * Context: process context, may sleep.
 * Return: the set, or NULL if there is no memory.
 */
struct kvm_ioeventfd_set *kvm_ioeventfd_set_alloc(void)
{
	return kzalloc(sizeof(struct kvm_ioeventfd_set), GFP_KERNEL_ACCOUNT);
}

/**
 * kvm_ioeventfd_set_free - free an empty set
 * @set: the set; new readers cannot reach it
 *
 * Context: any; the writers' lock.
 */
void kvm_ioeventfd_set_free(struct kvm_ioeventfd_set *set)
{
	struct kvm_ioeventfd_table *table = writer_deref(set->table);
	struct kvm_ioeventfd_spill *spill = writer_deref(set->spill);

	if (table)
		kvfree_rcu(table, rcu);
	if (spill)
		kfree_rcu(spill, rcu);
	kfree_rcu(set, rcu);
}

/**
 * kvm_ioeventfd_set_match_spill - find an ioeventfd by value, in the spill
 * @set: the set, which has a spill
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: the value written, as far as @mask
 * @mask: the bits that are compared
 *
 * For kvm_ioeventfd_set_match_value(), if the slot of @value has a different
 * ioeventfd or none.
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the ioeventfd, or NULL.
 */
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_match_spill(const struct kvm_ioeventfd_set *set, int len, u64 value,
			      u64 mask)
{
	const struct kvm_ioeventfd_spill *spill = rcu_dereference(set->spill);
	struct kvm_kernel_ioeventfd *found;

	found = kvm_io_index_find(&spill->of_len[ilog2(len)], value);
	/* It may have come with a newer table, and that one's mask. */
	return found && found->mask == mask ? found : NULL;
}

/**
 * kvm_ioeventfd_set_add - add an ioeventfd
 * @set: the set
 * @ioeventfd: the ioeventfd
 *
 * Context: process context, may sleep; the writers' lock.
 * Return: 0; -EEXIST if a write can match both @ioeventfd and one of the set,
 * or if one of the set compares other bits of the same width; -ENOMEM; -ENOSPC.
 * After an error, @set has the same ioeventfds as before.
 */
int kvm_ioeventfd_set_add(struct kvm_ioeventfd_set *set,
			  struct kvm_kernel_ioeventfd *ioeventfd)
{
	struct kvm_ioeventfd_key key = { .match = true };
	struct kvm_ioeventfd_table *table;
	struct kvm_io_index_place place;
	struct kvm_io_index *index;
	unsigned int order;
	int ret;

	if (rcu_access_pointer(set->any))
		return -EEXIST;

	if (!ioeventfd->len) {
		if (set->nr)
			return -EEXIST;
		rcu_assign_pointer(set->any, ioeventfd);
		set->nr++;
		return 0;
	}

	order = ilog2(ioeventfd->len);
	if (rcu_access_pointer(set->wild[order]))
		return -EEXIST;

	if (!ioeventfd->match) {
		if (set->nr_match[order])
			return -EEXIST;
		rcu_assign_pointer(set->wild[order], ioeventfd);
		set->nr++;
		return 0;
	}

	ret = table_set_mask(set, order, ioeventfd->mask);
	if (ret)
		return ret;

	key.data = ioeventfd->data;
	key.mask = ioeventfd->mask;
	key.len = ioeventfd->len;
	if (kvm_ioeventfd_set_lookup(set, &key))
		return -EEXIST;

	table = table_for(set, ioeventfd->data);
	if (!table)
		return -ENOMEM;
	if (table_has_room(table, ioeventfd->data)) {
		rcu_assign_pointer(table->slot[table_slot(table, ioeventfd->data)],
				   ioeventfd);
		table->used++;
	} else {
		index = spill_index(set, order);
		if (!index)
			return -ENOMEM;
		kvm_io_index_locate(index, ioeventfd->data, &place);
		ret = kvm_io_index_insert(index, ioeventfd->data, ioeventfd, &place);
		if (ret)
			return ret;
	}
	set->nr_match[order]++;
	set->nr++;
	return 0;
}

/**
 * kvm_ioeventfd_set_del - remove an ioeventfd
 * @set: the set
 * @ioeventfd: one of its ioeventfds
 *
 * Needs no memory and cannot fail.
 *
 * Context: any; the writers' lock.
 */
void kvm_ioeventfd_set_del(struct kvm_ioeventfd_set *set,
			   struct kvm_kernel_ioeventfd *ioeventfd)
{
	struct kvm_ioeventfd_table *table;
	struct kvm_io_index_place place;
	struct kvm_io_index *index;
	unsigned int order, slot;

	set->nr--;
	if (!ioeventfd->len) {
		RCU_INIT_POINTER(set->any, NULL);
		return;
	}
	order = ilog2(ioeventfd->len);
	if (!ioeventfd->match) {
		RCU_INIT_POINTER(set->wild[order], NULL);
		return;
	}

	set->nr_match[order]--;
	table = writer_deref(set->table);
	slot = table_slot(table, ioeventfd->data);
	if (rcu_access_pointer(table->slot[slot]) == ioeventfd) {
		RCU_INIT_POINTER(table->slot[slot], NULL);
		table->used--;
		return;
	}
	index = &writer_deref(set->spill)->of_len[order];
	kvm_io_index_locate(index, ioeventfd->data, &place);
	kvm_io_index_remove(index, &place);
}

/**
 * kvm_ioeventfd_set_lookup - find the ioeventfd of a key
 * @set: the set
 * @key: the key; its address is ignored
 *
 * Context: any; the writers' lock.
 * Return: the ioeventfd, or NULL.
 */
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_lookup(const struct kvm_ioeventfd_set *set,
			 const struct kvm_ioeventfd_key *key)
{
	const struct kvm_ioeventfd_spill *spill;
	const struct kvm_ioeventfd_table *table;
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_io_index_place place;

	if (!key->len)
		return key->match ? NULL : writer_deref(set->any);
	if (key->len > 8 || !is_power_of_2(key->len))
		return NULL;
	if (!key->match)
		return writer_deref(set->wild[ilog2(key->len)]);
	table = writer_deref(set->table);
	if (!table || table->value_mask[ilog2(key->len)] != key_mask(key))
		return NULL;
	ioeventfd = writer_deref(table->slot[table_slot(table, key->data)]);
	if (ioeventfd && ioeventfd->data == key->data && ioeventfd->len == key->len)
		return ioeventfd;
	spill = writer_deref(set->spill);
	if (!spill)
		return NULL;
	return kvm_io_index_locate(&spill->of_len[ilog2(key->len)], key->data,
				   &place);
}

/**
 * kvm_ioeventfd_set_next - walk the ioeventfds of a set
 * @set: the set
 * @cursor: the position; advanced past the ioeventfd that is returned
 *
 * The set may change between two calls. An ioeventfd that stays in the set is
 * returned once, or twice if the table grows during the walk.
 *
 * Context: any; the writers' lock.
 * Return: an ioeventfd; NULL at the end.
 */
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_next(const struct kvm_ioeventfd_set *set,
		       struct kvm_ioeventfd_set_cursor *cursor)
{
	const struct kvm_ioeventfd_table *table = writer_deref(set->table);
	const struct kvm_ioeventfd_spill *spill = writer_deref(set->spill);
	const unsigned int first_slot = 1 + 2 * KVM_IOEVENTFD_LENS;
	unsigned int slots = table ? table->mask + 1 : 0;
	struct kvm_kernel_ioeventfd *ioeventfd;

	while (cursor->pos < first_slot + slots) {
		unsigned int i = cursor->pos;

		ioeventfd = NULL;
		if (!i) {
			ioeventfd = writer_deref(set->any);
		} else if (i <= KVM_IOEVENTFD_LENS) {
			ioeventfd = writer_deref(set->wild[i - 1]);
		} else if (i >= first_slot) {
			ioeventfd = writer_deref(table->slot[i - first_slot]);
		} else if (spill) {
			i -= 1 + KVM_IOEVENTFD_LENS;
			ioeventfd = kvm_io_index_next(&spill->of_len[i],
						      &cursor->value);
			/*
			 * The greatest value is the last one: the cursor wraps
			 * to 0.
			 */
			if (ioeventfd && ++cursor->value)
				return ioeventfd;
			cursor->value = 0;
		}
		cursor->pos++;
		if (ioeventfd)
			return ioeventfd;
	}
	return NULL;
}

static void ioeventfd_destroy(void *ptr)
{
	struct kvm_kernel_ioeventfd *ioeventfd = ptr;

	if (!ioeventfd)
		return;
	if (ioeventfd->eventfd)
		eventfd_ctx_put(ioeventfd->eventfd);
	kfree(ioeventfd);
	/* A VM can have KVM_MAX_IOEVENTFDS of them. */
	cond_resched();
}

/**
 * kvm_ioeventfd_set_destroy - free a set with all its ioeventfds
 * @ptr: the set
 *
 * Context: process context, may sleep; neither readers nor other writers.
 */
void kvm_ioeventfd_set_destroy(void *ptr)
{
	struct kvm_ioeventfd_set *set = ptr;
	struct kvm_ioeventfd_table *table = writer_deref(set->table);
	struct kvm_ioeventfd_spill *spill = writer_deref(set->spill);
	unsigned int i;

	ioeventfd_destroy(writer_deref(set->any));
	for (i = 0; i < KVM_IOEVENTFD_LENS; i++) {
		ioeventfd_destroy(writer_deref(set->wild[i]));
		if (spill)
			kvm_io_index_destroy(&spill->of_len[i], ioeventfd_destroy);
	}
	for (i = 0; table && i <= table->mask; i++)
		ioeventfd_destroy(writer_deref(table->slot[i]));
	kfree(spill);
	kvfree(table);
	kfree(set);
	cond_resched();
}
