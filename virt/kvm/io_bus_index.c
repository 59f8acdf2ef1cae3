// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sorted index of the addresses that have doorbells: its writers.
 * io_bus_index.h describes the layout and the protocol, and has the lookup.
 *
 * Every function here is called with the lock that serialises the writers of
 * its index, so pointers are read without RCU's help.
 */
#include "io_bus_index.h"

#define writer_deref(p) rcu_dereference_protected(p, 1)

static struct kvm_io_index_block *block_alloc(void)
{
	struct kvm_io_index_block *block;

	BUILD_BUG_ON(sizeof(*block) > 1024);

	block = kmalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (block)
		block->nr = 0;
	return block;
}

/* Adds to a block that no reader knows yet. */
static void block_push(struct kvm_io_index_block *block, u64 key, void *val)
{
	block->key[block->nr] = key;
	RCU_INIT_POINTER(block->val[block->nr], val);
	block->nr++;
}

/* Copies the live ones of old's entries [from, to) behind what @block has. */
static void block_push_live(struct kvm_io_index_block *block,
			    const struct kvm_io_index_block *old,
			    unsigned int from, unsigned int to)
{
	for (; from < to; from++) {
		void *val = writer_deref(old->val[from]);

		if (val)
			block_push(block, old->key[from], val);
	}
}

static unsigned int block_live(const struct kvm_io_index_block *block)
{
	unsigned int i, live = 0;

	for (i = 0; i < block->nr; i++)
		live += !!rcu_access_pointer(block->val[i]);
	return live;
}

static struct kvm_io_index_root *root_alloc(unsigned int nr)
{
	struct kvm_io_index_root *root;

	/* As large as userspace makes it: beyond reason is no reason to warn. */
	root = kvmalloc(struct_size(root, ent, nr),
			GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (root)
		root->nr = 0;
	return root;
}

static void root_push(struct kvm_io_index_root *root, u64 first,
		      struct kvm_io_index_block *block)
{
	root->ent[root->nr].first = first;
	RCU_INIT_POINTER(root->ent[root->nr].block, block);
	root->nr++;
}

static int insert_first(struct kvm_io_index *index, u64 key, void *val)
{
	struct kvm_io_index_block *block = block_alloc();
	struct kvm_io_index_root *root = root_alloc(1);

	if (!block || !root) {
		kfree(block);
		kvfree(root);
		return -ENOMEM;
	}
	block_push(block, key, val);
	root_push(root, 0, block);
	rcu_assign_pointer(index->root, root);
	return 0;
}

/* Replaces block @at by a copy that has @key and none of the cleared ones. */
static int insert_copy(struct kvm_io_index_root *root, unsigned int at,
		       unsigned int pos, u64 key, void *val)
{
	struct kvm_io_index_block *old = writer_deref(root->ent[at].block);
	struct kvm_io_index_block *new = block_alloc();

	if (!new)
		return -ENOMEM;
	block_push_live(new, old, 0, pos);
	block_push(new, key, val);
	block_push_live(new, old, pos, old->nr);
	rcu_assign_pointer(root->ent[at].block, new);
	kfree_rcu(old, rcu);
	return 0;
}

/*
 * Block @at is full: makes two of it, and a new root. The split is in the
 * middle, except behind the last address of all: who registers in rising order
 * gets full blocks. Blocks that have only cleared entries left are dropped.
 */
static int insert_split(struct kvm_io_index *index, unsigned int at,
			unsigned int pos, u64 key, void *val)
{
	struct kvm_io_index_root *old_root = writer_deref(index->root);
	struct kvm_io_index_block *old = writer_deref(old_root->ent[at].block);
	bool append = pos == old->nr && at == old_root->nr - 1;
	struct kvm_io_index_block *low = NULL, *high;
	struct kvm_io_index_root *root;
	unsigned int i;

	root = root_alloc(old_root->nr + 1);
	high = block_alloc();
	if (!append)
		low = block_alloc();
	if (!root || !high || !(low || append)) {
		kvfree(root);
		kfree(high);
		kfree(low);
		return -ENOMEM;
	}

	if (append) {
		block_push(high, key, val);
	} else {
		unsigned int mid = old->nr / 2;

		block_push_live(low, old, 0, min(pos, mid));
		if (pos <= mid)
			block_push(low, key, val);
		block_push_live(low, old, min(pos, mid), mid);
		block_push_live(high, old, mid, max(pos, mid));
		if (pos > mid)
			block_push(high, key, val);
		block_push_live(high, old, max(pos, mid), old->nr);
	}

	for (i = 0; i < old_root->nr; i++) {
		struct kvm_io_index_block *block;

		block = writer_deref(old_root->ent[i].block);
		if (i == at) {
			root_push(root, old_root->ent[i].first, low ?: block);
			root_push(root, high->key[0], high);
		} else if (block_live(block)) {
			root_push(root, old_root->ent[i].first, block);
		}
	}
	/* Whatever block comes first now, it begins where addresses begin. */
	root->ent[0].first = 0;

	rcu_assign_pointer(index->root, root);

	/* Only now that no new reader can get at them through the root. */
	for (i = 0; i < old_root->nr; i++) {
		struct kvm_io_index_block *block;

		block = writer_deref(old_root->ent[i].block);
		if (i == at ? !append : !block_live(block))
			kfree_rcu(block, rcu);
	}
	kvfree_rcu(old_root, rcu);
	return 0;
}

/**
 * kvm_io_index_insert - add an address
 * @index: the index
 * @key: the address; must have no pointer yet
 * @val: the pointer to store, not NULL
 *
 * Context: process context, may sleep; the index's writer lock.
 * Return: 0; -EEXIST if @key has a pointer; -ENOMEM, and then nothing changed.
 */
int kvm_io_index_insert(struct kvm_io_index *index, u64 key, void *val)
{
	struct kvm_io_index_root *root = writer_deref(index->root);
	struct kvm_io_index_block *block;
	unsigned int at, pos;
	int ret;

	if (!root) {
		ret = insert_first(index, key, val);
		goto out;
	}

	at = kvm_io_index_root_pos(root, key);
	block = writer_deref(root->ent[at].block);
	pos = kvm_io_index_block_pos(block, block->nr, key);
	if (block->key[pos] == key) {
		if (rcu_access_pointer(block->val[pos]))
			return -EEXIST;
		rcu_assign_pointer(block->val[pos], val);
		ret = 0;
		goto out;
	}
	/* From the last one below @key to where @key belongs. */
	if (block->key[pos] < key)
		pos++;

	if (pos == block->nr && block->nr < KVM_IO_INDEX_BLOCK) {
		block->key[pos] = key;
		RCU_INIT_POINTER(block->val[pos], val);
		/* Pairs with the acquire in kvm_io_index_find(). */
		smp_store_release(&block->nr, pos + 1);
		ret = 0;
	} else if (block->nr < KVM_IO_INDEX_BLOCK ||
		   block_live(block) < KVM_IO_INDEX_BLOCK) {
		ret = insert_copy(root, at, pos, key, val);
	} else {
		ret = insert_split(index, at, pos, key, val);
	}
out:
	if (!ret)
		index->nr++;
	return ret;
}

/* Position of @key's live entry; NULL if there is none. */
static struct kvm_io_index_block *find_live(const struct kvm_io_index *index,
					    u64 key, unsigned int *pos)
{
	struct kvm_io_index_root *root = writer_deref(index->root);
	struct kvm_io_index_block *block;

	if (!root)
		return NULL;
	block = writer_deref(root->ent[kvm_io_index_root_pos(root, key)].block);
	*pos = kvm_io_index_block_pos(block, block->nr, key);
	if (block->key[*pos] != key || !rcu_access_pointer(block->val[*pos]))
		return NULL;
	return block;
}

/**
 * kvm_io_index_lookup - look an address up for a writer
 * @index: the index
 * @key: the address
 *
 * Context: any; the index's writer lock.
 * Return: the pointer stored for @key, or NULL.
 */
void *kvm_io_index_lookup(const struct kvm_io_index *index, u64 key)
{
	struct kvm_io_index_block *block;
	unsigned int pos;

	block = find_live(index, key, &pos);
	return block ? writer_deref(block->val[pos]) : NULL;
}

/**
 * kvm_io_index_remove - take an address out
 * @index: the index
 * @key: the address
 *
 * Needs no memory and cannot fail. Readers that are under way may still find
 * the pointer until an RCU grace period has passed.
 *
 * Context: any; the index's writer lock.
 * Return: the pointer that was stored for @key; NULL if there was none.
 */
void *kvm_io_index_remove(struct kvm_io_index *index, u64 key)
{
	struct kvm_io_index_root *root;
	struct kvm_io_index_block *block;
	unsigned int pos, i;
	void *val;

	block = find_live(index, key, &pos);
	if (!block)
		return NULL;
	val = writer_deref(block->val[pos]);
	RCU_INIT_POINTER(block->val[pos], NULL);

	if (!--index->nr) {
		root = writer_deref(index->root);
		RCU_INIT_POINTER(index->root, NULL);
		for (i = 0; i < root->nr; i++) {
			block = writer_deref(root->ent[i].block);
			kfree_rcu(block, rcu);
		}
		kvfree_rcu(root, rcu);
	}
	return val;
}

/**
 * kvm_io_index_next - walk the index in order
 * @index: the index
 * @key: the address to start at; set to the address that was found
 *
 * Context: any; the index's writer lock.
 * Return: the pointer of the lowest address not below *@key; NULL if there is
 * none.
 */
void *kvm_io_index_next(const struct kvm_io_index *index, u64 *key)
{
	struct kvm_io_index_root *root = writer_deref(index->root);
	unsigned int at, pos;

	if (!root)
		return NULL;
	for (at = kvm_io_index_root_pos(root, *key); at < root->nr; at++) {
		struct kvm_io_index_block *block;

		block = writer_deref(root->ent[at].block);
		pos = kvm_io_index_block_pos(block, block->nr, *key);
		for (; pos < block->nr; pos++) {
			void *val = writer_deref(block->val[pos]);

			if (val && block->key[pos] >= *key) {
				*key = block->key[pos];
				return val;
			}
		}
	}
	return NULL;
}
