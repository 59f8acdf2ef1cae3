/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_INDEX_H
#define __KVM_IO_BUS_INDEX_H

/*
 * DOC: sorted index of 64-bit keys
 *
 * Maps each key to one pointer: addresses to their ioeventfds, and the values
 * of one address to ioeventfds. It is a B+tree. Each node is a sorted array,
 * and a lookup searches it by halving:
 *
 *	index -> root   key[] 0x10 0x80 0x100         level 1
 *	                ptr[]   |    |     |
 *	                        |    |     '-> ...
 *	                        |    '-> key[] 0x80 0x88 0x8c    level 0
 *	                        |        ptr[]   o    o    o
 *	                        '-> key[] 0x10 0x14 0x20         level 0
 *	                            ptr[]   o    o    o
 *
 * A node holds up to KVM_IO_INDEX_FANOUT keys. At level 0 a pointer belongs to
 * the caller. Above, key[i] is a lower bound for all keys below ptr[i] and is
 * greater than all keys below ptr[i - 1]. key[0] is the key that the parent has
 * for the node; in the first node of a level it counts as 0. The greatest key
 * pads the key array to a power of two. So a lookup takes a fixed number of
 * equal steps.
 *
 * Bounds, for any set of keys: each node has at least KVM_IO_INDEX_LEAST
 * entries, except the last one of a level. So 2^20 keys need fewer than
 * KVM_IO_INDEX_LEVELS levels. A lookup takes at most 6 steps in each level. A
 * change moves at most the entries of two nodes in each level. An insertion
 * that needs one more level fails.
 *
 * Writers: one at a time, under the caller's lock. Readers: RCU read-side
 * critical sections, interrupts on or off. A reader takes no lock and writes
 * nothing.
 *
 * What a reader can meet: the writer changes nodes in place, inside a write
 * section of index->seq. A reader that overlaps a write section starts again.
 * Before it starts again, it may see any mixture of old and new entries. That
 * does no harm. The level of a node never changes. A pointer above level 0 is
 * NULL or a node of the level below. RCU keeps every node that was ever
 * reachable. Interrupts are off in a write section, so a reader does not wait
 * for other work of the writer's CPU.
 *
 * A reader may still use a pointer that was removed after it found it. The
 * caller must be able to tell from the pointer that it was removed (see
 * ioeventfd_set.h).
 *
 * What keeps memory alive: RCU. kfree_rcu() frees nodes; it does not wait, and
 * it needs no memory from the caller. Nothing here waits for a reader or uses
 * kvm->srcu.
 *
 * Removing a key needs no memory and cannot fail.
 */

#include "io_bus_internal.h"

/*
 * A node fills a slab object of 1 KiB on 64-bit. Tests define smaller nodes, so
 * that few keys make nodes split and merge.
 */
#ifndef KVM_IO_INDEX_FANOUT
#define KVM_IO_INDEX_FANOUT	60
#define KVM_IO_INDEX_KEYS	64
#define KVM_IO_INDEX_LEVELS	6
#endif

/*
 * A node with fewer entries than LEAST is merged with a neighbour, or gets some
 * of its entries. Two nodes are merged only if they have at most MERGE entries.
 * This keeps alternating removals and insertions from merging and splitting.
 */
#define KVM_IO_INDEX_LEAST	(KVM_IO_INDEX_FANOUT / 3)
#define KVM_IO_INDEX_MERGE	(KVM_IO_INDEX_FANOUT * 3 / 4)

/* The greatest key; it pads the key array. */
#define KVM_IO_INDEX_PAD	((u64)~0ULL)

struct kvm_io_index_node {
	/* The number of levels below this one; constant. */
	u16 level;
	u16 nr;
	/*
	 * The first step of a lookup: half of nr, rounded up to a power of 2.
	 */
	u16 half;
	u64 key[KVM_IO_INDEX_KEYS];
	void __rcu *ptr[KVM_IO_INDEX_FANOUT];
	struct rcu_head rcu;
};

/*
 * Returns the last key that is not above @sought, or the first key if all are
 * above. @key has 2 * @half keys, sorted, or 1 key. The loop body has no
 * branch.
 */
static __always_inline const u64 *kvm_io_index_search(const u64 *key,
						      unsigned long half,
						      u64 sought)
{
	for (; half; half >>= 1) {
		const u64 *k = key + half;

		key = *k <= sought ? k : key;
	}
	return key;
}

void *kvm_io_index_find_last(const struct kvm_io_index *index);
void *kvm_io_index_find_floor(const struct kvm_io_index *index, u64 key);

/**
 * kvm_io_index_find - look up a key
 * @index: the index
 * @key: the key
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the pointer stored for @key, or NULL.
 */
static __always_inline void *kvm_io_index_find(const struct kvm_io_index *index,
					       u64 key)
{
	const struct kvm_io_index_node *node;
	unsigned int seq;
	const u64 *k;
	void *ptr;

	/* This key equals the padding. */
	if (unlikely(key == KVM_IO_INDEX_PAD))
		return kvm_io_index_find_last(index);

	do {
		/*
		 * Pairs with the write sections in io_bus_index.c. Changes are
		 * rare, so this does not spin while one is under way.
		 */
		seq = raw_seqcount_begin(&index->seq);
		ptr = rcu_dereference(index->root);
		do {
			node = ptr;
			if (!node)
				break;
			k = kvm_io_index_search(node->key, READ_ONCE(node->half),
						key);
			/*
			 * The padding is above @key, so the position is valid.
			 */
			ptr = rcu_dereference(node->ptr[k - node->key]);
		} while (node->level);
		if (node && *k != key)
			ptr = NULL;
	} while (unlikely(read_seqcount_retry(&index->seq, seq)));

	return ptr;
}

/* The position of a key in the index, on each level; for writers only. */
struct kvm_io_index_place {
	struct {
		struct kvm_io_index_node *node;
		unsigned int pos;
	} at[KVM_IO_INDEX_LEVELS];
};

void kvm_io_index_init(struct kvm_io_index *index);
void kvm_io_index_destroy(struct kvm_io_index *index, void (*destroy)(void *ptr));
void *kvm_io_index_locate(const struct kvm_io_index *index, u64 key,
			  struct kvm_io_index_place *place);
void *kvm_io_index_next(const struct kvm_io_index *index, u64 *key);
int kvm_io_index_insert(struct kvm_io_index *index, u64 key, void *ptr,
			const struct kvm_io_index_place *place);
void kvm_io_index_remove(struct kvm_io_index *index,
			 const struct kvm_io_index_place *place);

#endif /* __KVM_IO_BUS_INDEX_H */
