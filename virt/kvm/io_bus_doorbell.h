/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_DOORBELL_H
#define __KVM_IO_BUS_DOORBELL_H

/*
 * DOC: the doorbells of one register
 *
 * A register is an address with doorbells. It has either one doorbell for
 * writes of any width, or, for each width, either one doorbell for any value
 * or as many as wanted that are told apart by the value written.
 *
 *	register -> any, wild[width]	one doorbell each
 *		 -> table -> slot[]	values, one slot for each remainder
 *		 -> spill -> index	values whose slot is taken, per width
 *
 * A value has one slot in the table, by its lowest bits. So the values 0 to
 * n - 1 of a device with n queues are all in the table, each in its own slot.
 * The table doubles when it is half full and a slot is taken, up to
 * KVM_IO_DOORBELL_SLOTS_MAX slots. A value whose slot is taken then goes to the
 * spill, a sorted index. So whatever the values are, a lookup probes one slot
 * and at most one key in each level of the index. There is no hash, so there is
 * no set of values that collides more than that.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: any RCU read-side critical section, interrupts on or off.
 *
 * What a reader can meet. A doorbell is published by one store with release
 * order (reg->any, reg->wild[], a slot of the table, an entry of the index) and
 * unpublished by one store. A doorbell never moves between table and spill. A
 * larger table is filled before it is published; the old one stays as it was.
 *
 * A reader may still hold a doorbell that is being unregistered. What settles
 * that race is doorbell->lock: kvm_io_doorbell_signal() signals only while
 * holding it and only if doorbell->eventfd is set, and kvm_io_doorbell_kill()
 * clears doorbell->eventfd under it. So when kill returns, no signal is under
 * way and none will come, and all it waited for were kicks of this very
 * doorbell. The lock is what makes that wait so short: an SRCU or RCU grace
 * period waits for vCPUs that have nothing to do with the doorbell. Nothing else
 * takes it, and eventfd_signal() would serialise the same kicks anyway.
 *
 * The lock is held with interrupts off. Other vCPUs that kick the same doorbell
 * spin on it, some of them with interrupts off, so the holder's CPU must not
 * serve an interrupt in between. eventfd_signal() has them off anyway, but turns
 * them on again when it is done, which is before the lock is released.
 *
 * What keeps memory alive: RCU, by kfree_rcu(), for doorbells, tables, spills
 * and registers. The doorbell's reference keeps the eventfd;
 * kvm_io_doorbell_kill() puts it.
 */

#include "io_bus_index.h"
#include "io_bus_internal.h"

/* Widths 1, 2, 4 and 8. */
#define KVM_IO_DOORBELL_LENS	4

/*
 * Slots of a table, powers of two. Most devices have no more queues than the
 * first; to fill a table of the last takes about 100,000 instructions. The
 * userspace harness has smaller ones.
 */
#ifndef KVM_IO_DOORBELL_SLOTS_MAX
#define KVM_IO_DOORBELL_SLOTS_MIN	8
#define KVM_IO_DOORBELL_SLOTS_MAX	16384
#endif

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

/* Values, each in the slot of its lowest bits. */
struct kvm_io_doorbell_table {
	struct rcu_head rcu;
	/* Slots in use; for the writer. */
	unsigned int used;
	/* Slots less one */
	unsigned int mask;
	struct kvm_io_doorbell __rcu *slot[];
};

/* Values whose slot is taken. */
struct kvm_io_doorbell_spill {
	struct kvm_io_index of_len[KVM_IO_DOORBELL_LENS];
	struct rcu_head rcu;
};

struct kvm_io_register {
	struct kvm_io_doorbell __rcu *any;
	struct kvm_io_doorbell __rcu *wild[KVM_IO_DOORBELL_LENS];
	struct kvm_io_doorbell_table __rcu *table;
	struct kvm_io_doorbell_spill __rcu *spill;
	/* For the writer: doorbells in all, and those with a value by width. */
	unsigned int nr;
	unsigned int nr_match[KVM_IO_DOORBELL_LENS];
	struct rcu_head rcu;
};

/* How far a walk through a register's doorbells has come; zeroed at first. */
struct kvm_io_register_cursor {
	unsigned int pos;
	u64 value;
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

struct kvm_io_doorbell *
kvm_io_register_match_spill(const struct kvm_io_register *reg, int len, u64 value);

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
	struct kvm_io_doorbell *doorbell;

	if (!table)
		return NULL;
	doorbell = rcu_dereference(table->slot[(unsigned int)value & table->mask]);
	if (likely(doorbell && doorbell->data == value && doorbell->len == len))
		return doorbell;
	/* There is no spill without a table. */
	if (likely(!rcu_access_pointer(reg->spill)))
		return NULL;
	return kvm_io_register_match_spill(reg, len, value);
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

/* The doorbell's lock is held. */
static __always_inline bool kvm_io_doorbell_signal_locked(struct kvm_io_doorbell *doorbell)
{
	if (unlikely(!doorbell->eventfd))
		return false;
	if (IS_ENABLED(CONFIG_KVM_DOORBELL_DEBUGFS))
		WRITE_ONCE(doorbell->rings, doorbell->rings + 1);
	eventfd_signal(doorbell->eventfd);
	return true;
}

/**
 * kvm_io_doorbell_signal - ring a doorbell
 * @doorbell: the doorbell
 *
 * Wakes the eventfd's waiters under two spinlocks, with interrupts off; see
 * eventfd_signal().
 *
 * Context: RCU read-side critical section; any. On PREEMPT_RT spinlocks sleep,
 * so not with interrupts off there.
 * Return: true if the eventfd was signalled; false if the doorbell was
 * unregistered in the meantime.
 */
static __always_inline bool kvm_io_doorbell_signal(struct kvm_io_doorbell *doorbell)
{
	unsigned long flags;
	bool alive;

	spin_lock_irqsave(&doorbell->lock, flags);
	alive = kvm_io_doorbell_signal_locked(doorbell);
	spin_unlock_irqrestore(&doorbell->lock, flags);
	return alive;
}

/**
 * kvm_io_doorbell_signal_irqoff - ring a doorbell where interrupts are off
 * @doorbell: the doorbell
 *
 * Saves what turning interrupts off costs, 2 per cent of a kick on x86.
 *
 * Context: RCU read-side critical section; interrupts off, but on PREEMPT_RT on.
 * Return: as kvm_io_doorbell_signal().
 */
static __always_inline bool
kvm_io_doorbell_signal_irqoff(struct kvm_io_doorbell *doorbell)
{
	bool alive;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		lockdep_assert_irqs_disabled();
	spin_lock(&doorbell->lock);
	alive = kvm_io_doorbell_signal_locked(doorbell);
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
struct kvm_io_doorbell *
kvm_io_register_next(const struct kvm_io_register *reg,
		     struct kvm_io_register_cursor *cursor);
void kvm_io_register_destroy(void *reg);

#endif /* __KVM_IO_BUS_DOORBELL_H */
