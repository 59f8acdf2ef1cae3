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

static unsigned int first_step(unsigned int nr)
{
	return nr > 1 ? 1U << (order_base_2(nr) - 1) : 0;
}

static struct kvm_io_index_block *block_alloc(void)
{
	struct kvm_io_index_block *block;
	unsigned int i;

	block = kmalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (!block)
		return NULL;
	seqcount_init(&block->seq);
	block->nr = 0;
	block->half = 0;
	for (i = 0; i < KVM_IO_INDEX_KEYS; i++)
		block->key[i] = KVM_IO_INDEX_PAD;
	for (i = 0; i < KVM_IO_INDEX_BLOCK; i++)
		RCU_INIT_POINTER(block->val[i], NULL);
	return block;
}

static void block_set_nr(struct kvm_io_index_block *block, unsigned int nr)
{
	WRITE_ONCE(block->nr, nr);
	WRITE_ONCE(block->half, first_step(nr));
}

static void block_set(struct kvm_io_index_block *block, unsigned int pos,
		      u64 key, void *val)
{
	WRITE_ONCE(block->key[pos], key);
	rcu_assign_pointer(block->val[pos], val);
}

static void block_copy_entry(struct kvm_io_index_block *block, unsigned int to,
			     const struct kvm_io_index_block *old,
			     unsigned int from)
{
	block_set(block, to, old->key[from], writer_deref(old->val[from]));
}

/* Makes room at @pos and fills it. */
static void block_insert(struct kvm_io_index_block *block, unsigned int pos,
			 u64 key, void *val)
{
	unsigned long flags;
	unsigned int i;

	local_irq_save(flags);
	write_seqcount_begin(&block->seq);
	for (i = block->nr; i > pos; i--)
		block_copy_entry(block, i, block, i - 1);
	block_set(block, pos, key, val);
	block_set_nr(block, block->nr + 1);
	write_seqcount_end(&block->seq);
	local_irq_restore(flags);
}

/* Closes the gap at @pos. */
static void block_remove(struct kvm_io_index_block *block, unsigned int pos)
{
	unsigned long flags;
	unsigned int i;

	local_irq_save(flags);
	write_seqcount_begin(&block->seq);
	for (i = pos + 1; i < block->nr; i++)
		block_copy_entry(block, i - 1, block, i);
	block_set(block, block->nr - 1, KVM_IO_INDEX_PAD, NULL);
	block_set_nr(block, block->nr - 1);
	write_seqcount_end(&block->seq);
	local_irq_restore(flags);
}

/* Appends to a block that no reader knows yet. */
static void block_append(struct kvm_io_index_block *block,
			 const struct kvm_io_index_block *old,
			 unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		block_copy_entry(block, block->nr++, old, from);
	block_set_nr(block, block->nr);
}

/* A root with room for @nr blocks. */
static struct kvm_io_index_root *root_alloc(unsigned int nr)
{
	struct kvm_io_index_root *root;
	size_t room = 1UL << order_base_2(nr);

	/* As large as userspace makes it: beyond reason is no reason to warn. */
	root = kvmalloc(struct_size(root, first, 2 * room),
			GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (root) {
		root->nr = 0;
		root->block = (void *)&root->first[room];
	}
	return root;
}

static void root_push(struct kvm_io_index_root *root, u64 first,
		      struct kvm_io_index_block *block)
{
	/* The first block begins where addresses begin. */
	root->first[root->nr] = root->nr ? first : 0;
	root->block[root->nr] = block;
	root->nr++;
}

/* Fills a root up after the last root_push(). */
static void root_finish(struct kvm_io_index_root *root)
{
	unsigned int i;

	root->half = first_step(root->nr);
	for (i = root->nr; i < 2 * root->half; i++) {
		root->first[i] = KVM_IO_INDEX_PAD;
		root->block[i] = root->block[root->nr - 1];
	}
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
	block_set(block, 0, key, val);
	block_set_nr(block, 1);
	root_push(root, key, block);
	root_finish(root);
	rcu_assign_pointer(index->root, root);
	return 0;
}

/*
 * Block @at is full: makes a root with two new ones in its place, or, behind
 * the last address of all, with one more, so that who registers in rising order
 * gets full blocks. Empty blocks are left out. The caller inserts then.
 */
static int split(struct kvm_io_index *index, unsigned int at, bool behind)
{
	struct kvm_io_index_root *old_root = writer_deref(index->root);
	struct kvm_io_index_block *old = old_root->block[at];
	struct kvm_io_index_block *low = NULL, *high;
	struct kvm_io_index_root *root;
	unsigned int i, mid = old->nr / 2;

	root = root_alloc(old_root->nr + 1);
	high = block_alloc();
	if (!behind)
		low = block_alloc();
	if (!root || !high || !(low || behind)) {
		kvfree(root);
		kfree(high);
		kfree(low);
		return -ENOMEM;
	}

	if (!behind) {
		block_append(low, old, 0, mid);
		block_append(high, old, mid, old->nr);
	}

	for (i = 0; i < old_root->nr; i++) {
		struct kvm_io_index_block *block = old_root->block[i];

		if (i == at) {
			root_push(root, old_root->first[i], low ?: old);
			root_push(root, behind ? old->key[old->nr - 1] + 1 :
						 high->key[0], high);
		} else if (block->nr) {
			root_push(root, old_root->first[i], block);
		}
	}
	root_finish(root);
	rcu_assign_pointer(index->root, root);

	/* Only now that no new reader can get at them through the root. */
	for (i = 0; i < old_root->nr; i++) {
		struct kvm_io_index_block *block = old_root->block[i];

		if (i == at ? !behind : !block->nr)
			kfree_rcu(block, rcu);
	}
	kvfree_rcu(old_root, rcu);
	return 0;
}

/* Where @key is or belongs. */
static struct kvm_io_index_place locate(const struct kvm_io_index_root *root,
					u64 key)
{
	struct kvm_io_index_place place;

	place.at = kvm_io_index_search(root->first, root->half, key) - root->first;
	/* Not in the padding. */
	place.at = min(place.at, root->nr - 1);
	place.block = root->block[place.at];
	place.pos = kvm_io_index_search(place.block->key, place.block->half, key) -
		    place.block->key;
	place.pos = place.block->nr ? min(place.pos, place.block->nr - 1U) : 0;
	/* From the last one below @key to where @key belongs. */
	if (place.pos < place.block->nr && place.block->key[place.pos] < key)
		place.pos++;
	return place;
}

/**
 * kvm_io_index_locate - look an address up for a writer
 * @index: the index
 * @key: the address
 * @place: set to where @key is or belongs, which is true until the next change
 *
 * Context: any; the index's writer lock.
 * Return: the pointer stored for @key, or NULL.
 */
void *kvm_io_index_locate(const struct kvm_io_index *index, u64 key,
			  struct kvm_io_index_place *place)
{
	struct kvm_io_index_root *root = writer_deref(index->root);
	struct kvm_io_index_block *block;

	if (!root)
		return NULL;
	*place = locate(root, key);
	block = place->block;
	if (place->pos == block->nr || block->key[place->pos] != key)
		return NULL;
	return writer_deref(block->val[place->pos]);
}

/**
 * kvm_io_index_insert - add an address
 * @index: the index
 * @key: the address
 * @val: the pointer to store, not NULL
 * @place: what kvm_io_index_locate() said when it found nothing for @key; the
 *	index has not been changed since
 *
 * Context: process context, may sleep; the index's writer lock, since @place was
 * found.
 * Return: 0; -ENOMEM, and then nothing changed.
 */
int kvm_io_index_insert(struct kvm_io_index *index, u64 key, void *val,
			const struct kvm_io_index_place *place)
{
	struct kvm_io_index_root *root = writer_deref(index->root);
	struct kvm_io_index_place there;
	int ret;

	if (!root) {
		ret = insert_first(index, key, val);
		if (!ret)
			index->nr = 1;
		return ret;
	}

	if (place->block->nr == KVM_IO_INDEX_BLOCK) {
		ret = split(index, place->at, place->at == root->nr - 1 &&
			    place->pos == KVM_IO_INDEX_BLOCK);
		if (ret)
			return ret;
		there = locate(writer_deref(index->root), key);
		place = &there;
	}
	block_insert(place->block, place->pos, key, val);
	index->nr++;
	return 0;
}

/**
 * kvm_io_index_remove - take an address out
 * @index: the index
 * @place: what kvm_io_index_locate() said when it found the address; the index
 *	has not been changed since
 *
 * Needs no memory and cannot fail. Readers that are under way may still find
 * the pointer until an RCU grace period has passed.
 *
 * Context: any; the index's writer lock, since @place was found.
 */
void kvm_io_index_remove(struct kvm_io_index *index,
			 const struct kvm_io_index_place *place)
{
	struct kvm_io_index_root *root = writer_deref(index->root);
	unsigned int i;

	block_remove(place->block, place->pos);
	if (--index->nr)
		return;

	RCU_INIT_POINTER(index->root, NULL);
	for (i = 0; i < root->nr; i++) {
		struct kvm_io_index_block *block = root->block[i];

		kfree_rcu(block, rcu);
	}
	kvfree_rcu(root, rcu);
}

/**
 * kvm_io_index_next - walk the index in order
 * @index: the index
 * @key: the address to start at; set to the address that was found
 * @place: set to where that is, which is true until the next change
 *
 * Context: any; the index's writer lock.
 * Return: the pointer of the lowest address not below *@key; NULL if there is
 * none.
 */
void *kvm_io_index_next(const struct kvm_io_index *index, u64 *key,
			struct kvm_io_index_place *place)
{
	struct kvm_io_index_root *root = writer_deref(index->root);

	if (!root)
		return NULL;
	*place = locate(root, *key);
	while (place->pos == place->block->nr) {
		if (++place->at == root->nr)
			return NULL;
		place->block = root->block[place->at];
		place->pos = 0;
	}
	*key = place->block->key[place->pos];
	return writer_deref(place->block->val[place->pos]);
}
