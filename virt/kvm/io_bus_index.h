/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_INDEX_H
#define __KVM_IO_BUS_INDEX_H

/*
 * DOC: sorted index of 64-bit keys
 *
 * Maps keys to one pointer each: addresses to their ioeventfds, and the values
 * of one address to ioeventfds. It is a B+tree. Each node is a sorted array
 * that is searched by halving:
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
 * greater than all keys below ptr[i - 1]; in the first node of a level key[0]
 * counts as 0. In all others key[0] is the key that the parent has for the
 * node. The key array is padded to a power of two with the greatest key there
 * is, so that a search is a fixed number of steps of the same form.
 *
 * Bounds, for any set of keys. Each node but the last of its level has at least
 * KVM_IO_INDEX_LEAST entries. So 2^20 keys need fewer than KVM_IO_INDEX_LEVELS
 * levels, a lookup takes at most 6 steps in each of them, and a change moves at
 * most two nodes' entries per level. The writer enforces this: an insertion
 * that needs one more level fails.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: any RCU read-side critical section, interrupts on or off. A reader
 * takes no lock and writes nothing.
 *
 * What a reader can meet. The writer changes nodes in place, inside a write
 * section of index->seq. A reader that overlaps a write section starts again.
 * Until it knows that it has to, it may see any mixture of old and new entries.
 * That does no harm: a node's level never changes, a pointer above level 0 is
 * NULL or a node of the level below, and RCU keeps every node that was ever
 * reachable. The writer has interrupts off in a write section, so a reader
 * does not wait for anything else that the writer's CPU has to do.
 *
 * A pointer that was removed may still be in use by a reader that found it
 * before. The caller must be able to tell from the pointer that it was removed
 * (see ioeventfd_set.h).
 *
 * What keeps memory alive: RCU. Nodes are freed by kfree_rcu(), which neither
 * waits nor allocates on the caller's behalf. Nothing here waits for a reader
 * and nothing touches kvm->srcu.
 *
 * Removing a key needs no memory and cannot fail.
 */

#include "io_bus_internal.h"

/*
 * As many as fill a 1 KiB slab object on 64-bit, and room to search in. The
 * userspace harness has smaller nodes, so that small programs split and merge.
 */
#ifndef KVM_IO_INDEX_FANOUT
#define KVM_IO_INDEX_FANOUT	60
#define KVM_IO_INDEX_KEYS	64
#define KVM_IO_INDEX_LEVELS	6
#endif

/*
 * A node with fewer entries is merged with a neighbour, or gets some of its
 * entries. Two nodes become one only if there is room left, so that a removal
 * and an insertion in turn do not merge and split.
 */
#define KVM_IO_INDEX_LEAST	(KVM_IO_INDEX_FANOUT / 3)
#define KVM_IO_INDEX_MERGE	(KVM_IO_INDEX_FANOUT * 3 / 4)

/* No key is above this one: it fills what is not in use. */
#define KVM_IO_INDEX_PAD	((u64)~0ULL)

struct kvm_io_index_node {
	/* Levels below this one; constant. */
	u16 level;
	u16 nr;
	/* The first step of a search: half of nr, rounded up to a power of 2. */
	u16 half;
	u64 key[KVM_IO_INDEX_KEYS];
	void __rcu *ptr[KVM_IO_INDEX_FANOUT];
	struct rcu_head rcu;
};

/*
 * The last of the sorted @key that is not above @sought; the first if all of
 * them are. There are 2 * @half keys, or 1. The loop has no branch but its own.
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

/**
 * kvm_io_index_find - look a key up
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

	/* The one key that looks like padding. */
	if (unlikely(key == KVM_IO_INDEX_PAD))
		return kvm_io_index_find_last(index);

	do {
		/*
		 * Pairs with the write sections in io_bus_index.c. Searching
		 * once more is as good as spinning, and changes are rare.
		 */
		seq = raw_seqcount_begin(&index->seq);
		ptr = rcu_dereference(index->root);
		do {
			node = ptr;
			if (!node)
				break;
			k = kvm_io_index_search(node->key, READ_ONCE(node->half),
						key);
			/* Padding is above @key, so this is below the fanout. */
			ptr = rcu_dereference(node->ptr[k - node->key]);
		} while (node->level);
		if (node && *k != key)
			ptr = NULL;
	} while (unlikely(read_seqcount_retry(&index->seq, seq)));

	return ptr;
}

/* Where a key is in the index, or would be: for writers only. */
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
