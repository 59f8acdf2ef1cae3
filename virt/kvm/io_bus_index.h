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
 *	                 0x80 |   o--.          val[]   o    o    -
 *	                0x100 |   o  |
 *	                             '-> block  key[] 0x80 0x88 0x8c ...
 *	                                        val[]   o    o    o
 *
 * A block holds up to KVM_IO_INDEX_BLOCK addresses. root->first[i] is a lower
 * bound for block i's addresses and greater than all of block i - 1's; the
 * first one counts as 0. A NULL val[] is an address that was removed.
 *
 * Who writes: one writer at a time, under the caller's lock.
 * Who reads: anybody in an RCU read-side critical section, interrupts on or
 * off; a reader takes no lock, writes nothing and never starts over.
 *
 * What a reader can meet. key[] entries below nr never change, so a search
 * within a block is a search in a constant array. Three things are changed in
 * place, each by one store:
 *  - val[i], set with release order after what it points to, or cleared;
 *  - nr, raised with release order after key[nr] and val[nr] were written, and
 *    read with acquire order (an address greater than all others of its block
 *    is added like this, without a copy);
 *  - root->ent[i].block, replaced with release order by a copy of the block
 *    that has one address more, or fewer cleared ones.
 * Splitting a block makes a new root, which is published the same way. A reader
 * that still walks a replaced block or root sees the index as it was at the
 * moment of replacement, and what is removed later as present: callers must be
 * able to tell from the pointer that it was removed (see io_bus_doorbell.h).
 *
 * What keeps memory alive: RCU. Replaced blocks and roots are given to
 * kfree_rcu(), which neither waits nor allocates on the caller's behalf.
 * Nothing here waits for a reader and nothing touches kvm->srcu.
 *
 * Removing an address is the one store to val[i]: it needs no memory.
 */

#include "io_bus_internal.h"

/* Block size such that a block fills a 1 KiB slab object on 64-bit. */
#define KVM_IO_INDEX_BLOCK	62

struct kvm_io_index_block {
	unsigned int nr;
	u64 key[KVM_IO_INDEX_BLOCK];
	void __rcu *val[KVM_IO_INDEX_BLOCK];
	struct rcu_head rcu;
};

struct kvm_io_index_entry {
	u64 first;
	struct kvm_io_index_block __rcu *block;
};

struct kvm_io_index_root {
	struct rcu_head rcu;
	unsigned int nr;
	struct kvm_io_index_entry ent[];
};

/* Position of the last root entry whose block may hold @key. */
static __always_inline unsigned int
kvm_io_index_root_pos(const struct kvm_io_index_root *root, u64 key)
{
	unsigned int base = 0, n = root->nr;

	while (n > 1) {
		unsigned int half = n / 2;

		if (root->ent[base + half].first <= key)
			base += half;
		n -= half;
	}
	return base;
}

/* Position of the last of @nr keys that is not above @key, or 0. */
static __always_inline unsigned int
kvm_io_index_block_pos(const struct kvm_io_index_block *block, unsigned int nr,
		       u64 key)
{
	unsigned int base = 0;

	while (nr > 1) {
		unsigned int half = nr / 2;

		if (block->key[base + half] <= key)
			base += half;
		nr -= half;
	}
	return base;
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
	unsigned int pos;

	if (!root)
		return NULL;
	block = rcu_dereference(root->ent[kvm_io_index_root_pos(root, key)].block);

	/* Pairs with the release in kvm_io_index_insert(): key and val first. */
	pos = kvm_io_index_block_pos(block, smp_load_acquire(&block->nr), key);
	if (block->key[pos] != key)
		return NULL;
	return rcu_dereference(block->val[pos]);
}

int kvm_io_index_insert(struct kvm_io_index *index, u64 key, void *val);
void *kvm_io_index_remove(struct kvm_io_index *index, u64 key);
void *kvm_io_index_lookup(const struct kvm_io_index *index, u64 key);
void *kvm_io_index_next(const struct kvm_io_index *index, u64 *key);

#endif /* __KVM_IO_BUS_INDEX_H */
