// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbells of one register: its writers. io_bus_doorbell.h describes the
 * layout and the protocol, and has what a kick runs.
 *
 * Every function that takes a register is called with the lock that serialises
 * its writers, so pointers are read without RCU's help.
 */
#include "io_bus_doorbell.h"

#define writer_deref(p) rcu_dereference_protected(p, 1)

static unsigned int table_slot(const struct kvm_io_doorbell_table *table,
			       u64 data)
{
	return (unsigned int)data & table->mask;
}

static bool table_has_room(const struct kvm_io_doorbell_table *table, u64 data)
{
	return !rcu_access_pointer(table->slot[table_slot(table, data)]);
}

/* Whether a table with twice as many slots is worth its memory. */
static bool table_may_grow(const struct kvm_io_doorbell_table *table)
{
	return table->mask + 1 < KVM_IO_DOORBELL_SLOTS_MAX &&
	       2 * table->used > table->mask;
}

/*
 * A table with twice the slots of @old, or the first one. What shares no slot
 * shares none afterwards: each doorbell stays in its slot or moves up by as many
 * slots as there were.
 */
static struct kvm_io_doorbell_table *
table_grow(const struct kvm_io_doorbell_table *old)
{
	unsigned int slots = old ? old->mask + 1 : KVM_IO_DOORBELL_SLOTS_MIN / 2;
	struct kvm_io_doorbell_table *table;
	unsigned int i;

	table = kvmalloc(struct_size(table, slot, 2 * slots), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	table->used = old ? old->used : 0;
	table->mask = 2 * slots - 1;
	for (i = 0; i < slots; i++) {
		struct kvm_io_doorbell *doorbell;
		bool up;

		doorbell = old ? writer_deref(old->slot[i]) : NULL;
		up = doorbell && (doorbell->data & slots);
		RCU_INIT_POINTER(table->slot[i], up ? NULL : doorbell);
		RCU_INIT_POINTER(table->slot[slots + i], up ? doorbell : NULL);
	}
	return table;
}

/*
 * Gives @reg a table with more slots, until @data has one or the table is less
 * than half full. Returns NULL without memory; @reg has the doorbells it had.
 */
static struct kvm_io_doorbell_table *table_for(struct kvm_io_register *reg,
					       u64 data)
{
	struct kvm_io_doorbell_table *table = writer_deref(reg->table);

	while (!table || (!table_has_room(table, data) && table_may_grow(table))) {
		struct kvm_io_doorbell_table *old = table;

		table = table_grow(old);
		if (!table)
			return NULL;
		rcu_assign_pointer(reg->table, table);
		if (old)
			kvfree_rcu(old, rcu);
	}
	return table;
}

/* The index for values of @order's width whose slot is taken; NULL without memory. */
static struct kvm_io_index *spill_index(struct kvm_io_register *reg,
					unsigned int order)
{
	struct kvm_io_doorbell_spill *spill = writer_deref(reg->spill);
	unsigned int i;

	if (!spill) {
		spill = kzalloc(sizeof(*spill), GFP_KERNEL_ACCOUNT);
		if (!spill)
			return NULL;
		for (i = 0; i < KVM_IO_DOORBELL_LENS; i++)
			kvm_io_index_init(&spill->of_len[i]);
		rcu_assign_pointer(reg->spill, spill);
	}
	return &spill->of_len[order];
}

/**
 * kvm_io_doorbell_alloc - make a doorbell
 * @key: which writes ring it
 * @eventfd: what it signals; the caller's reference goes over to the doorbell
 *
 * Context: process context, may sleep.
 * Return: the doorbell, for kfree() if it was never added; NULL without memory.
 */
struct kvm_io_doorbell *
kvm_io_doorbell_alloc(const struct kvm_io_doorbell_key *key,
		      struct eventfd_ctx *eventfd)
{
	struct kvm_io_doorbell *doorbell;

	doorbell = kzalloc(sizeof(*doorbell), GFP_KERNEL_ACCOUNT);
	if (!doorbell)
		return NULL;
	doorbell->data = key->data;
	doorbell->len = key->len;
	doorbell->match = key->match;
	doorbell->eventfd = eventfd;
	spin_lock_init(&doorbell->lock);
	return doorbell;
}

/**
 * kvm_io_doorbell_kill - end a doorbell
 * @doorbell: the doorbell, taken out of its register before
 *
 * When it returns, no signal of this doorbell is under way and none will come.
 * Waits for kicks of this doorbell only. Puts the eventfd.
 *
 * Context: process context, may sleep.
 */
void kvm_io_doorbell_kill(struct kvm_io_doorbell *doorbell)
{
	struct eventfd_ctx *eventfd;
	unsigned long flags;

	spin_lock_irqsave(&doorbell->lock, flags);
	eventfd = doorbell->eventfd;
	doorbell->eventfd = NULL;
	spin_unlock_irqrestore(&doorbell->lock, flags);

	eventfd_ctx_put(eventfd);
	kfree_rcu(doorbell, rcu);
}

/**
 * kvm_io_register_alloc - make a register without doorbells
 *
 * Context: process context, may sleep.
 * Return: the register, or NULL without memory.
 */
struct kvm_io_register *kvm_io_register_alloc(void)
{
	return kzalloc(sizeof(struct kvm_io_register), GFP_KERNEL_ACCOUNT);
}

/**
 * kvm_io_register_free - free a register that has no doorbells any more
 * @reg: the register, out of reach for readers that start now
 *
 * Context: any; the writers' lock.
 */
void kvm_io_register_free(struct kvm_io_register *reg)
{
	struct kvm_io_doorbell_table *table = writer_deref(reg->table);
	struct kvm_io_doorbell_spill *spill = writer_deref(reg->spill);

	if (table)
		kvfree_rcu(table, rcu);
	if (spill)
		kfree_rcu(spill, rcu);
	kfree_rcu(reg, rcu);
}

/**
 * kvm_io_register_match_spill - which doorbell a write rings by what it writes
 * @reg: the register
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: what it writes, and nothing above that
 *
 * For kvm_io_register_match_value(), where the slot of @value has another one.
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the doorbell, or NULL.
 */
struct kvm_io_doorbell *
kvm_io_register_match_spill(const struct kvm_io_register *reg, int len, u64 value)
{
	const struct kvm_io_doorbell_spill *spill = rcu_dereference(reg->spill);

	return kvm_io_index_find(&spill->of_len[ilog2(len)], value);
}

/**
 * kvm_io_register_add - add a doorbell
 * @reg: the register
 * @doorbell: the doorbell
 *
 * Context: process context, may sleep; the writers' lock.
 * Return: 0; -EEXIST if some write would ring both @doorbell and one that is
 * there; -ENOMEM; -ENOSPC. After an error @reg has the doorbells it had.
 */
int kvm_io_register_add(struct kvm_io_register *reg,
			struct kvm_io_doorbell *doorbell)
{
	struct kvm_io_doorbell_key key = { .match = true };
	struct kvm_io_doorbell_table *table;
	struct kvm_io_index_place place;
	struct kvm_io_index *index;
	unsigned int order;
	int ret;

	if (rcu_access_pointer(reg->any))
		return -EEXIST;

	if (!doorbell->len) {
		if (reg->nr)
			return -EEXIST;
		rcu_assign_pointer(reg->any, doorbell);
		reg->nr++;
		return 0;
	}

	order = ilog2(doorbell->len);
	if (rcu_access_pointer(reg->wild[order]))
		return -EEXIST;

	if (!doorbell->match) {
		if (reg->nr_match[order])
			return -EEXIST;
		rcu_assign_pointer(reg->wild[order], doorbell);
		reg->nr++;
		return 0;
	}

	key.data = doorbell->data;
	key.len = doorbell->len;
	if (kvm_io_register_lookup(reg, &key))
		return -EEXIST;

	table = table_for(reg, doorbell->data);
	if (!table)
		return -ENOMEM;
	if (table_has_room(table, doorbell->data)) {
		rcu_assign_pointer(table->slot[table_slot(table, doorbell->data)],
				   doorbell);
		table->used++;
	} else {
		index = spill_index(reg, order);
		if (!index)
			return -ENOMEM;
		kvm_io_index_locate(index, doorbell->data, &place);
		ret = kvm_io_index_insert(index, doorbell->data, doorbell, &place);
		if (ret)
			return ret;
	}
	reg->nr_match[order]++;
	reg->nr++;
	return 0;
}

/**
 * kvm_io_register_del - take a doorbell out
 * @reg: the register
 * @doorbell: one of its doorbells
 *
 * Needs no memory and cannot fail.
 *
 * Context: any; the writers' lock.
 */
void kvm_io_register_del(struct kvm_io_register *reg,
			 struct kvm_io_doorbell *doorbell)
{
	struct kvm_io_doorbell_table *table;
	struct kvm_io_index_place place;
	struct kvm_io_index *index;
	unsigned int order, slot;

	reg->nr--;
	if (!doorbell->len) {
		RCU_INIT_POINTER(reg->any, NULL);
		return;
	}
	order = ilog2(doorbell->len);
	if (!doorbell->match) {
		RCU_INIT_POINTER(reg->wild[order], NULL);
		return;
	}

	reg->nr_match[order]--;
	table = writer_deref(reg->table);
	slot = table_slot(table, doorbell->data);
	if (rcu_access_pointer(table->slot[slot]) == doorbell) {
		RCU_INIT_POINTER(table->slot[slot], NULL);
		table->used--;
		return;
	}
	index = &writer_deref(reg->spill)->of_len[order];
	kvm_io_index_locate(index, doorbell->data, &place);
	kvm_io_index_remove(index, &place);
}

/**
 * kvm_io_register_lookup - find the doorbell that was registered with a key
 * @reg: the register
 * @key: the key; its address is not looked at
 *
 * Context: any; the writers' lock.
 * Return: the doorbell, or NULL.
 */
struct kvm_io_doorbell *
kvm_io_register_lookup(const struct kvm_io_register *reg,
		       const struct kvm_io_doorbell_key *key)
{
	const struct kvm_io_doorbell_spill *spill;
	const struct kvm_io_doorbell_table *table;
	struct kvm_io_doorbell *doorbell;
	struct kvm_io_index_place place;

	if (!key->len)
		return key->match ? NULL : writer_deref(reg->any);
	if (key->len > 8 || !is_power_of_2(key->len))
		return NULL;
	if (!key->match)
		return writer_deref(reg->wild[ilog2(key->len)]);
	table = writer_deref(reg->table);
	if (!table)
		return NULL;
	doorbell = writer_deref(table->slot[table_slot(table, key->data)]);
	if (doorbell && doorbell->data == key->data && doorbell->len == key->len)
		return doorbell;
	spill = writer_deref(reg->spill);
	if (!spill)
		return NULL;
	return kvm_io_index_locate(&spill->of_len[ilog2(key->len)], key->data,
				   &place);
}

/**
 * kvm_io_register_next - walk the doorbells of a register
 * @reg: the register
 * @cursor: where to go on; moved behind the doorbell returned
 *
 * The register may change between two calls. A doorbell that stays is returned
 * once or, if the table grows meanwhile, twice.
 *
 * Context: any; the writers' lock.
 * Return: a doorbell; NULL behind the last.
 */
struct kvm_io_doorbell *
kvm_io_register_next(const struct kvm_io_register *reg,
		     struct kvm_io_register_cursor *cursor)
{
	const struct kvm_io_doorbell_table *table = writer_deref(reg->table);
	const struct kvm_io_doorbell_spill *spill = writer_deref(reg->spill);
	const unsigned int first_slot = 1 + 2 * KVM_IO_DOORBELL_LENS;
	unsigned int slots = table ? table->mask + 1 : 0;
	struct kvm_io_doorbell *doorbell;

	while (cursor->pos < first_slot + slots) {
		unsigned int i = cursor->pos;

		doorbell = NULL;
		if (!i) {
			doorbell = writer_deref(reg->any);
		} else if (i <= KVM_IO_DOORBELL_LENS) {
			doorbell = writer_deref(reg->wild[i - 1]);
		} else if (i >= first_slot) {
			doorbell = writer_deref(table->slot[i - first_slot]);
		} else if (spill) {
			i -= 1 + KVM_IO_DOORBELL_LENS;
			doorbell = kvm_io_index_next(&spill->of_len[i],
						     &cursor->value);
			/* No value is above the last of all. */
			if (doorbell && ++cursor->value)
				return doorbell;
			cursor->value = 0;
		}
		cursor->pos++;
		if (doorbell)
			return doorbell;
	}
	return NULL;
}

static void doorbell_destroy(void *ptr)
{
	struct kvm_io_doorbell *doorbell = ptr;

	if (!doorbell)
		return;
	eventfd_ctx_put(doorbell->eventfd);
	kfree(doorbell);
	/* There may be millions of them. */
	cond_resched();
}

/**
 * kvm_io_register_destroy - free a register with all its doorbells
 * @ptr: the register
 *
 * Context: process context, may sleep; neither readers nor other writers.
 */
void kvm_io_register_destroy(void *ptr)
{
	struct kvm_io_register *reg = ptr;
	struct kvm_io_doorbell_table *table = writer_deref(reg->table);
	struct kvm_io_doorbell_spill *spill = writer_deref(reg->spill);
	unsigned int i;

	doorbell_destroy(writer_deref(reg->any));
	for (i = 0; i < KVM_IO_DOORBELL_LENS; i++) {
		doorbell_destroy(writer_deref(reg->wild[i]));
		if (spill)
			kvm_io_index_destroy(&spill->of_len[i], doorbell_destroy);
	}
	for (i = 0; table && i <= table->mask; i++)
		doorbell_destroy(writer_deref(table->slot[i]));
	kfree(spill);
	kvfree(table);
	kfree(reg);
	cond_resched();
}
