/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IOEVENTFD_SET_H
#define __KVM_IOEVENTFD_SET_H

/*
 * DOC: the ioeventfds at one address
 *
 * A set holds the ioeventfds at one address. It has either one ioeventfd for
 * writes of any width, or, for each width, either one ioeventfd for any value
 * or as many as wanted that are told apart by the value written.
 *
 *	set -> any, wild[width]	one ioeventfd each
 *		 -> table -> slot[]	values, one slot for each remainder
 *		 -> spill -> index	values whose slot is taken, per width
 *
 * A value has one slot in the table, by its lowest bits. So the values 0 to
 * n - 1 of a device with n queues are all in the table, each in its own slot.
 * The table doubles when it is half full and a slot is taken, up to
 * KVM_IOEVENTFD_SLOTS_MAX slots. A value whose slot is taken then goes to the
 * spill, a sorted index. So whatever the values are, a lookup probes one slot
 * and at most one key in each level of the index. There is no hash, so there is
 * no set of values that collides more than that.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: any RCU read-side critical section, interrupts on or off.
 *
 * What a reader can meet. An ioeventfd is published by one store with release
 * order (set->any, set->wild[], a slot of the table, an entry of the index) and
 * unpublished by one store. An ioeventfd never moves between table and spill. A
 * larger table is filled before it is published; the old one stays as it was.
 *
 * A reader may still hold an ioeventfd that is being unregistered. What settles
 * that race is ioeventfd->lock: kvm_ioeventfd_signal() signals only while
 * holding it and only if ioeventfd->eventfd is set, and kvm_ioeventfd_kill()
 * clears ioeventfd->eventfd under it. So when kill returns, no signal is under
 * way and none will come, and all it waited for were kicks of this very
 * ioeventfd. The lock is what makes that wait so short: an SRCU or RCU grace
 * period waits for vCPUs that have nothing to do with the ioeventfd. Nothing
 * else takes it, and eventfd_signal() would serialise the same kicks anyway.
 *
 * The lock is held with interrupts off. Other vCPUs that kick the same
 * ioeventfd spin on it, some of them with interrupts off, so the holder's CPU
 * must not serve an interrupt in between. eventfd_signal() has them off anyway,
 * but turns them on again when it is done, which is before the lock is
 * released.
 *
 * What keeps memory alive: RCU, by kfree_rcu(), for ioeventfds, tables, spills
 * and sets. The ioeventfd's reference keeps the eventfd;
 * kvm_ioeventfd_kill() puts it.
 */

#include "io_bus_index.h"
#include "io_bus_internal.h"

/* Widths 1, 2, 4 and 8. */
#define KVM_IOEVENTFD_LENS	4

/*
 * Slots of a table, powers of two. Most devices have no more queues than the
 * first; to fill a table of the last takes about 100,000 instructions. The
 * userspace harness has smaller ones.
 */
#ifndef KVM_IOEVENTFD_SLOTS_MAX
#define KVM_IOEVENTFD_SLOTS_MIN	8
#define KVM_IOEVENTFD_SLOTS_MAX	16384
#endif

struct kvm_kernel_ioeventfd {
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
struct kvm_ioeventfd_table {
	struct rcu_head rcu;
	/* Slots in use; for the writer. */
	unsigned int used;
	/* Slots less one */
	unsigned int mask;
	struct kvm_kernel_ioeventfd __rcu *slot[];
};

/* Values whose slot is taken. */
struct kvm_ioeventfd_spill {
	struct kvm_io_index of_len[KVM_IOEVENTFD_LENS];
	struct rcu_head rcu;
};

struct kvm_ioeventfd_set {
	struct kvm_kernel_ioeventfd __rcu *any;
	struct kvm_kernel_ioeventfd __rcu *wild[KVM_IOEVENTFD_LENS];
	struct kvm_ioeventfd_table __rcu *table;
	struct kvm_ioeventfd_spill __rcu *spill;
	/* For the writer: ioeventfds in all, and those with a value by width. */
	unsigned int nr;
	unsigned int nr_match[KVM_IOEVENTFD_LENS];
	struct rcu_head rcu;
};

/* How far a walk through a set has come; zeroed at first. */
struct kvm_ioeventfd_set_cursor {
	unsigned int pos;
	u64 value;
};

static __always_inline u64 kvm_ioeventfd_load(const void *val, int len)
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
 * kvm_ioeventfd_set_match_len - which ioeventfd a write rings whatever it
 * writes
 * @set: the set
 * @len: width of the write in bytes: 1, 2, 4 or 8
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the ioeventfd, or NULL.
 */
static __always_inline struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_match_len(const struct kvm_ioeventfd_set *set, int len)
{
	struct kvm_kernel_ioeventfd *ioeventfd = rcu_dereference(set->any);

	return ioeventfd ?: rcu_dereference(set->wild[ilog2(len)]);
}

struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_match_spill(const struct kvm_ioeventfd_set *set, int len, u64 value);

/**
 * kvm_ioeventfd_set_match_value - which ioeventfd a write rings by what it
 * writes
 * @set: the set
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: what it writes, and nothing above that
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the ioeventfd, or NULL.
 */
static __always_inline struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_match_value(const struct kvm_ioeventfd_set *set, int len, u64 value)
{
	const struct kvm_ioeventfd_table *table = rcu_dereference(set->table);
	struct kvm_kernel_ioeventfd *ioeventfd;

	if (!table)
		return NULL;
	ioeventfd = rcu_dereference(table->slot[(unsigned int)value & table->mask]);
	if (likely(ioeventfd && ioeventfd->data == value && ioeventfd->len == len))
		return ioeventfd;
	/* There is no spill without a table. */
	if (likely(!rcu_access_pointer(set->spill)))
		return NULL;
	return kvm_ioeventfd_set_match_spill(set, len, value);
}

/**
 * kvm_ioeventfd_set_match - which ioeventfd a write rings
 * @set: the set
 * @len: width of the write in bytes; 0 if unknown, which only an ioeventfd for
 *	any width takes
 * @val: @len bytes in host order, at any alignment
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the ioeventfd, or NULL.
 */
static __always_inline struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_match(const struct kvm_ioeventfd_set *set, int len,
			const void *val)
{
	struct kvm_kernel_ioeventfd *ioeventfd;

	/* Fragments of split stores come in odd widths as well. */
	if (len <= 0 || len > 8 || !is_power_of_2(len))
		return rcu_dereference(set->any);
	ioeventfd = kvm_ioeventfd_set_match_len(set, len);
	if (ioeventfd)
		return ioeventfd;
	return kvm_ioeventfd_set_match_value(set, len,
					   kvm_ioeventfd_load(val, len));
}

/* The ioeventfd's lock is held. */
static __always_inline bool kvm_ioeventfd_signal_locked(struct kvm_kernel_ioeventfd *ioeventfd)
{
	if (unlikely(!ioeventfd->eventfd))
		return false;
	if (IS_ENABLED(CONFIG_KVM_IO_BUS_DEBUGFS))
		WRITE_ONCE(ioeventfd->rings, ioeventfd->rings + 1);
	eventfd_signal(ioeventfd->eventfd);
	return true;
}

/**
 * kvm_ioeventfd_signal - ring an ioeventfd
 * @ioeventfd: the ioeventfd
 *
 * Wakes the eventfd's waiters under two spinlocks, with interrupts off; see
 * eventfd_signal().
 *
 * Context: RCU read-side critical section; any. On PREEMPT_RT spinlocks sleep,
 * so not with interrupts off there.
 * Return: true if the eventfd was signalled; false if the ioeventfd was
 * unregistered in the meantime.
 */
static __always_inline bool kvm_ioeventfd_signal(struct kvm_kernel_ioeventfd *ioeventfd)
{
	unsigned long flags;
	bool alive;

	spin_lock_irqsave(&ioeventfd->lock, flags);
	alive = kvm_ioeventfd_signal_locked(ioeventfd);
	spin_unlock_irqrestore(&ioeventfd->lock, flags);
	return alive;
}

/**
 * kvm_ioeventfd_signal_irqoff - ring an ioeventfd where interrupts are off
 * @ioeventfd: the ioeventfd
 *
 * Saves what turning interrupts off costs, 2 per cent of a kick on x86.
 *
 * Context: RCU read-side critical section; interrupts off, but on PREEMPT_RT
 * on.
 * Return: as kvm_ioeventfd_signal().
 */
static __always_inline bool
kvm_ioeventfd_signal_irqoff(struct kvm_kernel_ioeventfd *ioeventfd)
{
	bool alive;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		lockdep_assert_irqs_disabled();
	spin_lock(&ioeventfd->lock);
	alive = kvm_ioeventfd_signal_locked(ioeventfd);
	spin_unlock(&ioeventfd->lock);
	return alive;
}

struct kvm_kernel_ioeventfd *
kvm_ioeventfd_alloc(const struct kvm_ioeventfd_key *key,
		    struct eventfd_ctx *eventfd);
void kvm_ioeventfd_kill(struct kvm_kernel_ioeventfd *ioeventfd);

struct kvm_ioeventfd_set *kvm_ioeventfd_set_alloc(void);
void kvm_ioeventfd_set_free(struct kvm_ioeventfd_set *set);
int kvm_ioeventfd_set_add(struct kvm_ioeventfd_set *set,
			  struct kvm_kernel_ioeventfd *ioeventfd);
void kvm_ioeventfd_set_del(struct kvm_ioeventfd_set *set,
			   struct kvm_kernel_ioeventfd *ioeventfd);
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_lookup(const struct kvm_ioeventfd_set *set,
			 const struct kvm_ioeventfd_key *key);
struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_next(const struct kvm_ioeventfd_set *set,
		       struct kvm_ioeventfd_set_cursor *cursor);
void kvm_ioeventfd_set_destroy(void *set);

#endif /* __KVM_IOEVENTFD_SET_H */
