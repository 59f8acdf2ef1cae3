/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_INDEX_H
#define __KVM_IO_BUS_INDEX_H

/*
 * DOC: sorted index of addresses
 *
 * Maps 64-bit addresses to one pointer each. Two levels, each a sorted array
 * that is searched by halving:
 *
 *	index -> root   first | block
 *	                ------+------
 *	                  0x0 |   o----> block  key[] 0x10 0x14 0x20 ...
 *	                 0x80 |   o--.          val[]   o    o    o
 *	                0x100 |   o  |
 *	                             '-> block  key[] 0x80 0x88 0x8c ...
 *	                                        val[]   o    o    o
 *
 * A block holds up to KVM_IO_INDEX_BLOCK addresses. root->first[i] is a lower
 * bound for block i's addresses and greater than all of block i - 1's; the first
 * one counts as 0. Both arrays are padded to a power of two with the greatest
 * address there is, and a root's with its last block, so that a search is a
 * fixed number of steps of the same form. A search that ends in the padding
 * looks for just that address.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: anybody in an RCU read-side critical section, interrupts on or
 * off; a reader takes no lock and writes nothing.
 *
 * What a reader can meet. A root never changes; index->root is replaced with
 * release order. A block is changed in place, inside a write section of its
 * seqcount, and a reader searches it once more if that happened meanwhile. The
 * writer moves at most one block's entries there, with interrupts off, so that
 * a reader does not have to search on until the writer's CPU is through with
 * something else; whoever reads with interrupts off is held up no longer either.
 *
 * A full block is split into new ones, with a new root, and is left as it was.
 * A reader that still walks the old root sees the index as it was when it was
 * replaced: what has been added since is missing, what has been removed since
 * is present. The access that it serves began before those changes ended, so
 * either is right for an addition; callers must be able to tell from the
 * pointer that it was removed (see io_bus_doorbell.h).
 *
 * What keeps memory alive: RCU. Replaced blocks and roots are given to
 * kfree_rcu(), which neither waits nor allocates on the caller's behalf.
 * Nothing here waits for a reader and nothing touches kvm->srcu.
 *
 * Removing an address needs no memory. A block that becomes empty stays until
 * the next split makes a root without it, or until the index is empty.
 */

#include "io_bus_internal.h"

/* As many as fill a 1 KiB slab object on 64-bit, and room to search in. */
#define KVM_IO_INDEX_BLOCK	60
#define KVM_IO_INDEX_KEYS	64

/* What no address is above: fills what is not in use. */
#define KVM_IO_INDEX_PAD	((u64)~0ULL)

struct kvm_io_index_block {
	seqcount_t seq;
	u16 nr;
	/* The first step of a search: half of nr, rounded up to a power of 2. */
	u16 half;
	u64 key[KVM_IO_INDEX_KEYS];
	void __rcu *val[KVM_IO_INDEX_BLOCK];
	struct rcu_head rcu;
};

struct kvm_io_index_root {
	struct rcu_head rcu;
	unsigned int nr;
	/* As in a block; there are 2 * half of each, or 1. */
	unsigned int half;
	struct kvm_io_index_block **block;
	u64 first[];
};

/*
 * The last of the sorted @key that is not above @addr; the first if all of them
 * are. There are 2 * @half keys, or 1. The loop has no branch but its own.
 */
static __always_inline const u64 *kvm_io_index_search(const u64 *key,
						      unsigned long half,
						      u64 addr)
{
	for (; half; half >>= 1) {
		const u64 *k = key + half;

		key = *k <= addr ? k : key;
	}
	return key;
}

/**
 * kvm_io_index_find - look an address up
 * @index: the index
 * @key: the address
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the pointer stored for @key, or NULL.
 */
static __always_inline void *kvm_io_index_find(const struct kvm_io_index *index,
					       u64 key)
{
	const struct kvm_io_index_root *root = rcu_dereference(index->root);
	const struct kvm_io_index_block *block;
	unsigned int seq;
	size_t pos;
	const u64 *k;
	void *val;

	if (!root)
		return NULL;
	k = kvm_io_index_search(root->first, root->half, key);
	block = root->block[k - root->first];
again:
	/*
	 * Pairs with the write sections in io_bus_index.c. Searching once more
	 * is as good as spinning, and changes are rare.
	 */
	seq = raw_seqcount_begin(&block->seq);
	k = kvm_io_index_search(block->key, READ_ONCE(block->half), key);
	if (*k != key) {
		if (unlikely(read_seqcount_retry(&block->seq, seq)))
			goto again;
		return NULL;
	}
	pos = k - block->key;
	val = NULL;
	/* The one address that looks like padding is the last if it is there. */
	if (unlikely(key == KVM_IO_INDEX_PAD)) {
		pos = READ_ONCE(block->nr) - 1U;
		if (pos < KVM_IO_INDEX_BLOCK && block->key[pos] == key)
			val = rcu_dereference(block->val[pos]);
	} else {
		val = rcu_dereference(block->val[pos]);
	}
	if (unlikely(read_seqcount_retry(&block->seq, seq)))
		goto again;
	return val;
}

/* Where an address is in the index, or would be: for writers only. */
struct kvm_io_index_place {
	struct kvm_io_index_block *block;
	unsigned int at;	/* the block's number in the root */
	unsigned int pos;	/* the address's in the block */
};

void *kvm_io_index_locate(const struct kvm_io_index *index, u64 key,
			  struct kvm_io_index_place *place);
void *kvm_io_index_next(const struct kvm_io_index *index, u64 *key,
			struct kvm_io_index_place *place);
int kvm_io_index_insert(struct kvm_io_index *index, u64 key, void *val,
			const struct kvm_io_index_place *place);
void kvm_io_index_remove(struct kvm_io_index *index,
			 const struct kvm_io_index_place *place);

#endif /* __KVM_IO_BUS_INDEX_H */
