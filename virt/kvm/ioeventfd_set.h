/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IOEVENTFD_SET_H
#define __KVM_IOEVENTFD_SET_H

/*
 * DOC: the ioeventfds at one address
 *
 * A set holds the ioeventfds at one address. It has one of these:
 *
 * - one ioeventfd for writes of any width
 * - for each width, one ioeventfd for any value, or any number of ioeventfds
 *   for one value each
 *
 *	set -> any, wild[width]	one ioeventfd each
 *		 -> table -> slot[]	values, one slot for each remainder
 *		 -> spill -> index	values with an occupied slot, per width
 *
 * All ioeventfds for one value of a width compare the same bits of the value.
 * With a mask for each ioeventfd, a lookup would try every mask that is in use.
 * The table has the mask of each width. A new mask takes a new table, so a
 * reader never uses one mask with the values of another. Those in the spill are
 * checked, because tables share it.
 *
 * The lowest bits of a value select its slot in the table. A device with n
 * queues uses the values from 0 to n - 1. They are all in the table, each in its
 * own slot. The table doubles if it is half full and the slot of a new value is
 * occupied. It has at most KVM_IOEVENTFD_SLOTS_MAX slots. A new value that then
 * has no slot goes to the spill, a sorted index. So for any values, a lookup
 * probes one slot and one path through the index. There is no hash, so no choice
 * of values costs more than that.
 *
 * Writers: one at a time, under the caller's lock.
 * Readers: RCU read-side critical sections, interrupts on or off.
 *
 * What a reader can meet: one store with release order publishes an ioeventfd.
 * It is a store to set->any, set->wild[], a slot or an entry of the index. One
 * store unpublishes it. An ioeventfd never moves between table and spill. The
 * writer fills a larger table before it publishes it, and does not change the
 * old one.
 *
 * A reader may still hold an ioeventfd that is being unregistered.
 * ioeventfd->lock resolves that race. kvm_ioeventfd_signal() signals only under
 * the lock, and only if ioeventfd->plain_eventfd is set. kvm_ioeventfd_kill()
 * clears it under the lock. So when kill returns, no signal is under way and none
 * will come. An ioeventfd that stores values never has it set: a kick finds that
 * out without a test of its own, and goes on with kvm_ioeventfd_post().
 *
 * With the lock, kill waits only for kicks of this ioeventfd. An SRCU or RCU
 * grace period would wait for unrelated vCPUs, too. No other code takes the
 * lock, and eventfd_signal() serialises the same kicks anyway.
 *
 * Interrupts are off while the lock is held. Other vCPUs that kick the same
 * ioeventfd spin on the lock, and some have interrupts off. So the CPU of the
 * holder must not serve an interrupt before it releases the lock.
 * eventfd_signal() turns interrupts off, too, but on again before the lock is
 * released.
 *
 * What keeps memory alive: RCU keeps ioeventfds, tables, spills and sets, by
 * kfree_rcu(). The reference of the ioeventfd keeps the eventfd, until
 * kvm_ioeventfd_kill() puts it.
 */

#include "io_bus_index.h"
#include "io_bus_internal.h"

/* Widths 1, 2, 4 and 8. */
#define KVM_IOEVENTFD_LENS	4

/*
 * Slots of the smallest and of the largest table, powers of two. Most devices
 * have no more queues than the smallest table has slots. Filling the largest
 * table takes about 100,000 instructions, under a mutex. Tests define smaller
 * tables.
 */
#ifndef KVM_IOEVENTFD_SLOTS_MAX
#define KVM_IOEVENTFD_SLOTS_MIN	8
#define KVM_IOEVENTFD_SLOTS_MAX	16384
#endif

struct kvm_kernel_ioeventfd {
	/*
	 * Protects @posts, @plain_eventfd and @rings; see above. It is first: a kick
	 * then needs no register for its address, which saves 3 instructions.
	 */
	spinlock_t lock;
	u8 len;
	bool match;
	/* Writes store their value: see ioeventfd_post.h. */
	bool posts;
	u64 data;
	/* The bits of a value that @data is compared with, if @match. */
	u64 mask;
	/* What writes signal that store no value; NULL if they do. */
	struct eventfd_ctx *plain_eventfd;
	struct eventfd_ctx *eventfd;
	/* Number of signals; stays 0 without CONFIG_KVM_IO_BUS_DEBUGFS. */
	unsigned long rings;
	/* What to add to the address of a write to get that of its value. */
	unsigned long post_offset;
	struct rcu_head rcu;
};

/* Ioeventfds by value, each in the slot that the lowest bits select. */
struct kvm_ioeventfd_table {
	struct rcu_head rcu;
	/* Slots in use; for the writer. */
	unsigned int used;
	/* Number of slots, less one. */
	unsigned int mask;
	/* The bits of a value that are compared, by width. */
	u64 value_mask[KVM_IOEVENTFD_LENS];
	struct kvm_kernel_ioeventfd __rcu *slot[];
};

/* Ioeventfds by value, those with an occupied slot. */
struct kvm_ioeventfd_spill {
	struct kvm_io_index of_len[KVM_IOEVENTFD_LENS];
	struct rcu_head rcu;
};

struct kvm_ioeventfd_set {
	struct kvm_kernel_ioeventfd __rcu *any;
	struct kvm_kernel_ioeventfd __rcu *wild[KVM_IOEVENTFD_LENS];
	struct kvm_ioeventfd_table __rcu *table;
	struct kvm_ioeventfd_spill __rcu *spill;
	/* For writers: all ioeventfds, and those for one value, by width. */
	unsigned int nr;
	unsigned int nr_match[KVM_IOEVENTFD_LENS];
	struct rcu_head rcu;
};

/* The position of a walk through a set; all zero at the start. */
struct kvm_ioeventfd_set_cursor {
	unsigned int pos;
	u64 value;
};

static __always_inline u64 kvm_ioeventfd_load(const void *val, int len)
{
	/* The buffers of the emulator can have any alignment. */
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
 * kvm_ioeventfd_set_match_len - find the ioeventfd for any value of a width
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
kvm_ioeventfd_set_match_spill(const struct kvm_ioeventfd_set *set, int len, u64 value,
			      u64 mask);

/**
 * kvm_ioeventfd_set_match_value - find the ioeventfd for one value of a width
 * @set: the set
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: the value written; the bits above @len bytes are ignored
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the ioeventfd, or NULL.
 */
static __always_inline struct kvm_kernel_ioeventfd *
kvm_ioeventfd_set_match_value(const struct kvm_ioeventfd_set *set, int len, u64 value)
{
	const struct kvm_ioeventfd_table *table = rcu_dereference(set->table);
	struct kvm_kernel_ioeventfd *ioeventfd;
	u64 bits;

	if (!table)
		return NULL;
	/* At most the bits of the width. */
	bits = table->value_mask[ilog2(len)];
	value &= bits;
	ioeventfd = rcu_dereference(table->slot[(unsigned int)value & table->mask]);
	if (likely(ioeventfd && ioeventfd->data == value && ioeventfd->len == len))
		return ioeventfd;
	/* Only a set with a table can have a spill. */
	if (likely(!rcu_access_pointer(set->spill)))
		return NULL;
	return kvm_ioeventfd_set_match_spill(set, len, value, bits);
}

/**
 * kvm_ioeventfd_set_match - find the ioeventfd that a write signals
 * @set: the set
 * @len: width of the write in bytes; 0 if unknown, which matches an ioeventfd
 *	for any width only
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

	/* A fragment of a split store can have an odd width. */
	if (len <= 0 || len > 8 || !is_power_of_2(len))
		return rcu_dereference(set->any);
	ioeventfd = kvm_ioeventfd_set_match_len(set, len);
	if (ioeventfd)
		return ioeventfd;
	return kvm_ioeventfd_set_match_value(set, len,
					   kvm_ioeventfd_load(val, len));
}

/* The caller holds the lock of @ioeventfd. */
static __always_inline void kvm_ioeventfd_rings_inc(struct kvm_kernel_ioeventfd *ioeventfd)
{
	if (IS_ENABLED(CONFIG_KVM_IO_BUS_DEBUGFS))
		WRITE_ONCE(ioeventfd->rings, ioeventfd->rings + 1);
}

/* The caller holds the lock of @ioeventfd. */
static __always_inline bool kvm_ioeventfd_signal_locked(struct kvm_kernel_ioeventfd *ioeventfd)
{
	if (unlikely(!ioeventfd->plain_eventfd))
		return false;
	kvm_ioeventfd_rings_inc(ioeventfd);
	eventfd_signal(ioeventfd->plain_eventfd);
	return true;
}

/**
 * kvm_ioeventfd_signal - signal an ioeventfd
 * @ioeventfd: the ioeventfd
 *
 * Wakes the waiters of the eventfd under two spinlocks, with interrupts off;
 * see eventfd_signal().
 *
 * Context: RCU read-side critical section; any. On PREEMPT_RT, interrupts must
 * be on, because spinlocks sleep there.
 * Return: true if the eventfd was signalled; false if the ioeventfd stores values,
 * or has been unregistered since the lookup.
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
 * kvm_ioeventfd_signal_irqoff - signal an ioeventfd with interrupts off
 * @ioeventfd: the ioeventfd
 *
 * As kvm_ioeventfd_signal(), without the cost of turning interrupts off. That
 * is 2 per cent of a kick on x86.
 *
 * Context: RCU read-side critical section; interrupts off, or on for
 * PREEMPT_RT.
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
