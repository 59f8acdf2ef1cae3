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

/* Room for four doorbells: most devices have no more queues on a register. */
#define TABLE_MIN_BITS	3

static struct kvm_io_doorbell tombstone = {
	.len = KVM_IO_DOORBELL_NO_LEN,
};

static bool is_doorbell(const struct kvm_io_doorbell *doorbell)
{
	return doorbell && doorbell != &tombstone;
}

static struct kvm_io_doorbell_table *table_alloc(unsigned int bits)
{
	struct kvm_io_doorbell_table *table;

	/* As large as userspace makes it: beyond reason is no reason to warn. */
	table = kvzalloc(struct_size(table, slot, 1UL << bits),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (table)
		table->shift = 64 - bits;
	return table;
}

/* Puts a doorbell into the first slot of its probe sequence that has none. */
static void table_put(struct kvm_io_doorbell_table *table,
		      struct kvm_io_doorbell *doorbell)
{
	unsigned int mask = kvm_io_doorbell_slots(table) - 1;
	unsigned int i = kvm_io_doorbell_hash(table, doorbell->data);

	while (is_doorbell(writer_deref(table->slot[i])))
		i = (i + 1) & mask;
	if (!writer_deref(table->slot[i]))
		table->used++;
	rcu_assign_pointer(table->slot[i], doorbell);
}

static unsigned int reg_nr_match(const struct kvm_io_register *reg)
{
	unsigned int i, nr = 0;

	for (i = 0; i < KVM_IO_DOORBELL_LENS; i++)
		nr += reg->nr_match[i];
	return nr;
}

/*
 * Returns a table with room for one doorbell more, which is not published yet
 * if it is another one than reg's; NULL without memory.
 */
static struct kvm_io_doorbell_table *table_room(struct kvm_io_register *reg)
{
	struct kvm_io_doorbell_table *old = writer_deref(reg->table);
	struct kvm_io_doorbell_table *table;
	unsigned int i, bits;

	if (old && old->used < kvm_io_doorbell_slots(old) / 2)
		return old;

	/*
	 * A quarter full at most: the next rebuild is at least as many changes
	 * away as this one moves doorbells.
	 */
	bits = max_t(unsigned int, TABLE_MIN_BITS,
		     order_base_2(reg_nr_match(reg) + 1) + 2);
	table = table_alloc(bits);
	if (!table || !old)
		return table;

	for (i = 0; i < kvm_io_doorbell_slots(old); i++) {
		struct kvm_io_doorbell *doorbell = writer_deref(old->slot[i]);

		if (is_doorbell(doorbell))
			table_put(table, doorbell);
	}
	return table;
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

	spin_lock(&doorbell->lock);
	eventfd = doorbell->eventfd;
	doorbell->eventfd = NULL;
	spin_unlock(&doorbell->lock);

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

	if (table)
		kvfree_rcu(table, rcu);
	kfree_rcu(reg, rcu);
}

/**
 * kvm_io_register_add - add a doorbell
 * @reg: the register
 * @doorbell: the doorbell
 *
 * Context: process context, may sleep; the writers' lock.
 * Return: 0; -EEXIST if some write would ring both @doorbell and one that is
 * there; -ENOMEM. After an error @reg has the doorbells it had.
 */
int kvm_io_register_add(struct kvm_io_register *reg,
			struct kvm_io_doorbell *doorbell)
{
	struct kvm_io_doorbell_table *table, *old;
	unsigned int order;

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

	old = writer_deref(reg->table);
	if (old && kvm_io_doorbell_probe(old, doorbell->len, doorbell->data))
		return -EEXIST;

	table = table_room(reg);
	if (!table)
		return -ENOMEM;
	table_put(table, doorbell);
	if (table != old) {
		rcu_assign_pointer(reg->table, table);
		if (old)
			kvfree_rcu(old, rcu);
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
	unsigned int i, mask;

	reg->nr--;
	if (!doorbell->len) {
		RCU_INIT_POINTER(reg->any, NULL);
		return;
	}
	if (!doorbell->match) {
		RCU_INIT_POINTER(reg->wild[ilog2(doorbell->len)], NULL);
		return;
	}

	reg->nr_match[ilog2(doorbell->len)]--;
	table = writer_deref(reg->table);
	mask = kvm_io_doorbell_slots(table) - 1;
	i = kvm_io_doorbell_hash(table, doorbell->data);
	while (writer_deref(table->slot[i]) != doorbell)
		i = (i + 1) & mask;
	/* The tombstone is constant: nothing to order the store against. */
	RCU_INIT_POINTER(table->slot[i], &tombstone);
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
	struct kvm_io_doorbell_table *table;

	if (!key->len)
		return key->match ? NULL : writer_deref(reg->any);
	if (key->len > 8 || !is_power_of_2(key->len))
		return NULL;
	if (!key->match)
		return writer_deref(reg->wild[ilog2(key->len)]);
	table = writer_deref(reg->table);
	return table ? kvm_io_doorbell_probe(table, key->len, key->data) : NULL;
}

/**
 * kvm_io_register_next - walk the doorbells of a register
 * @reg: the register
 * @pos: where to go on, 0 at first; moved behind the doorbell returned
 *
 * Context: any; the writers' lock.
 * Return: a doorbell; NULL behind the last.
 */
struct kvm_io_doorbell *kvm_io_register_next(const struct kvm_io_register *reg,
					     unsigned int *pos)
{
	struct kvm_io_doorbell_table *table = writer_deref(reg->table);
	unsigned int slots = table ? kvm_io_doorbell_slots(table) : 0;

	while (*pos < 1 + KVM_IO_DOORBELL_LENS + slots) {
		struct kvm_io_doorbell *doorbell;
		unsigned int i = (*pos)++;

		if (!i)
			doorbell = writer_deref(reg->any);
		else if (i <= KVM_IO_DOORBELL_LENS)
			doorbell = writer_deref(reg->wild[i - 1]);
		else
			doorbell = writer_deref(table->slot[i - 1 -
							    KVM_IO_DOORBELL_LENS]);
		if (is_doorbell(doorbell))
			return doorbell;
	}
	return NULL;
}

/**
 * kvm_io_register_destroy - free a register with all its doorbells
 * @reg: the register, out of reach for readers that start now
 *
 * Context: process context, may sleep; the writers' lock.
 */
void kvm_io_register_destroy(struct kvm_io_register *reg)
{
	struct kvm_io_doorbell *doorbell;
	unsigned int pos = 0;

	while ((doorbell = kvm_io_register_next(reg, &pos)))
		kvm_io_doorbell_kill(doorbell);
	kvm_io_register_free(reg);
}
