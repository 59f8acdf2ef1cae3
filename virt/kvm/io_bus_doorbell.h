/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_DOORBELL_H
#define __KVM_IO_BUS_DOORBELL_H

/*
 * DOC: the doorbells of one register
 *
 * A register is an address with doorbells. It has either one doorbell for
 * writes of any width, or, for each width, either one doorbell for any value
 * or as many as wanted that are told apart by the value written. Those are
 * kept in one open-addressing hash table, at most half full, so that the
 * thousandth virtqueue of a device is found as fast as the first.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: anybody in an RCU read-side critical section, interrupts on or
 * off.
 *
 * What a reader can meet. A doorbell is published by one store with release
 * order (reg->any, reg->wild[] or a slot of the table) and unpublished by one
 * store, which puts a tombstone into a slot so that probing goes on behind it.
 * Within one table a doorbell never moves. A larger table is filled before it
 * is published; the old one stays as it was.
 *
 * A reader may still hold a doorbell that is being unregistered. What settles
 * that race is doorbell->lock: kvm_io_doorbell_signal() signals only while
 * holding it and only if doorbell->eventfd is set, and kvm_io_doorbell_kill()
 * clears doorbell->eventfd under it. So when kill returns, no signal is under
 * way and none will come, and all it waited for were kicks of this very
 * doorbell. The lock is what makes that wait so short: an SRCU or RCU grace
 * period waits for vCPUs that have nothing to do with the doorbell. It is taken
 * by nobody else, and eventfd_signal() would serialise the same kicks anyway.
 *
 * What keeps memory alive: RCU, by kfree_rcu(), for doorbells, tables and
 * registers. The eventfd is kept by the doorbell's reference, which the one who
 * killed the doorbell puts.
 */

#include "io_bus_internal.h"

/* Stands in a slot whose doorbell is gone; no access has this width. */
#define KVM_IO_DOORBELL_NO_LEN	0xff

/* Widths 1, 2, 4 and 8. */
#define KVM_IO_DOORBELL_LENS	4

struct kvm_io_doorbell {
	u64 data;
	u8 len;
	bool match;
	/* See above. */
	spinlock_t lock;
	struct eventfd_ctx *eventfd;
	/* Written under the lock, read without; 0 where nobody can see it. */
	unsigned long rings;
	struct rcu_head rcu;
};

struct kvm_io_doorbell_table {
	struct rcu_head rcu;
	/* Slots that are not NULL, tombstones included; for the writer. */
	unsigned int used;
	/* 64 less the bits of a hash, as the hash needs it */
	unsigned int shift;
	struct kvm_io_doorbell __rcu *slot[];
};

struct kvm_io_register {
	struct kvm_io_doorbell __rcu *any;
	struct kvm_io_doorbell __rcu *wild[KVM_IO_DOORBELL_LENS];
	struct kvm_io_doorbell_table __rcu *table;
	/* For the writer: doorbells in all, and in the table by width. */
	unsigned int nr;
	unsigned int nr_match[KVM_IO_DOORBELL_LENS];
	struct rcu_head rcu;
};

static __always_inline u64 kvm_io_doorbell_load(const void *val, int len)
{
	/* The emulator's buffers have any alignment. */
	switch (len) {
	case 1:
		return *(const u8 *)val;
	case 2:
		return get_unaligned((const u16 *)val);
	case 4:
		return get_unaligned((const u32 *)val);
	default:
		return get_unaligned((const u64 *)val);
	}
}

static __always_inline unsigned int
kvm_io_doorbell_hash(const struct kvm_io_doorbell_table *table, u64 data)
{
	return hash_64(data, 64 - table->shift);
}

/* How many slots: a power of two. */
static __always_inline unsigned int
kvm_io_doorbell_slots(const struct kvm_io_doorbell_table *table)
{
	return 1U << (64 - table->shift);
}

static __always_inline struct kvm_io_doorbell *
kvm_io_doorbell_probe(const struct kvm_io_doorbell_table *table, int len,
		      u64 data)
{
	unsigned int i = kvm_io_doorbell_hash(table, data);
	struct kvm_io_doorbell *doorbell = rcu_dereference_check(table->slot[i], 1);

	/* As it is most often; the size is for those that come after it. */
	if (likely(doorbell && doorbell->data == data && doorbell->len == len))
		return doorbell;

	/* Ends: a table is never full. */
	while (doorbell) {
		i = (i + 1) & (kvm_io_doorbell_slots(table) - 1);
		doorbell = rcu_dereference_check(table->slot[i], 1);
		if (doorbell && doorbell->data == data && doorbell->len == len)
			return doorbell;
	}
	return NULL;
}

/**
 * kvm_io_register_match_len - which doorbell a write rings whatever it writes
 * @reg: the register
 * @len: width of the write in bytes: 1, 2, 4 or 8
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the doorbell, or NULL.
 */
static __always_inline struct kvm_io_doorbell *
kvm_io_register_match_len(const struct kvm_io_register *reg, int len)
{
	struct kvm_io_doorbell *doorbell = rcu_dereference(reg->any);

	return doorbell ?: rcu_dereference(reg->wild[ilog2(len)]);
}

/**
 * kvm_io_register_match_value - which doorbell a write rings by what it writes
 * @reg: the register
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: what it writes, and nothing above that
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the doorbell, or NULL.
 */
static __always_inline struct kvm_io_doorbell *
kvm_io_register_match_value(const struct kvm_io_register *reg, int len, u64 value)
{
	const struct kvm_io_doorbell_table *table = rcu_dereference(reg->table);

	return table ? kvm_io_doorbell_probe(table, len, value) : NULL;
}

/**
 * kvm_io_register_match - which doorbell a write rings
 * @reg: the register
 * @len: width of the write in bytes; 0 if unknown, which only a doorbell for
 *	any width takes
 * @val: @len bytes in host order, at any alignment
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the doorbell, or NULL.
 */
static __always_inline struct kvm_io_doorbell *
kvm_io_register_match(const struct kvm_io_register *reg, int len,
		      const void *val)
{
	struct kvm_io_doorbell *doorbell;

	/* Fragments of split stores come in odd widths as well. */
	if (len <= 0 || len > 8 || !is_power_of_2(len))
		return rcu_dereference(reg->any);
	doorbell = kvm_io_register_match_len(reg, len);
	if (doorbell)
		return doorbell;
	return kvm_io_register_match_value(reg, len,
					   kvm_io_doorbell_load(val, len));
}

/**
 * kvm_io_doorbell_signal - ring a doorbell
 * @doorbell: the doorbell
 *
 * Wakes the eventfd's waiters under two spinlocks; see eventfd_signal().
 *
 * Context: RCU read-side critical section; any, interrupts may be off. On
 * PREEMPT_RT spinlocks sleep, so not with interrupts off there.
 * Return: true if the eventfd was signalled; false if the doorbell was
 * unregistered in the meantime.
 */
static __always_inline bool kvm_io_doorbell_signal(struct kvm_io_doorbell *doorbell)
{
	bool alive;

	spin_lock(&doorbell->lock);
	alive = doorbell->eventfd;
	if (likely(alive)) {
		if (IS_ENABLED(CONFIG_KVM_DOORBELL_DEBUGFS))
			WRITE_ONCE(doorbell->rings, doorbell->rings + 1);
		eventfd_signal(doorbell->eventfd);
	}
	spin_unlock(&doorbell->lock);
	return alive;
}

struct kvm_io_doorbell *
kvm_io_doorbell_alloc(const struct kvm_io_doorbell_key *key,
		      struct eventfd_ctx *eventfd);
void kvm_io_doorbell_kill(struct kvm_io_doorbell *doorbell);

struct kvm_io_register *kvm_io_register_alloc(void);
void kvm_io_register_free(struct kvm_io_register *reg);
int kvm_io_register_add(struct kvm_io_register *reg,
			struct kvm_io_doorbell *doorbell);
void kvm_io_register_del(struct kvm_io_register *reg,
			 struct kvm_io_doorbell *doorbell);
struct kvm_io_doorbell *
kvm_io_register_lookup(const struct kvm_io_register *reg,
		       const struct kvm_io_doorbell_key *key);
struct kvm_io_doorbell *kvm_io_register_next(const struct kvm_io_register *reg,
					     unsigned int *pos);
void kvm_io_register_destroy(struct kvm_io_register *reg);

#endif /* __KVM_IO_BUS_DOORBELL_H */
