// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sorted index of 64-bit keys: the side of the writers. io_bus_index.h
 * describes the layout, the bounds and the protocol, and has the lookup.
 *
 * The callers hold the lock that serialises the writers of an index. So these
 * functions read RCU pointers directly.
 */
#include "io_bus_index.h"

#define writer_deref(p) rcu_dereference_protected(p, 1)

static struct kvm_io_index_node *node_alloc(unsigned int level)
{
	struct kvm_io_index_node *node;
	unsigned int i;

	node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node)
		return NULL;
	node->level = level;
	for (i = 0; i < KVM_IO_INDEX_KEYS; i++)
		node->key[i] = KVM_IO_INDEX_PAD;
	return node;
}

static void node_set_nr(struct kvm_io_index_node *node, unsigned int nr)
{
	WRITE_ONCE(node->nr, nr);
	WRITE_ONCE(node->half, nr > 1 ? 1U << (order_base_2(nr) - 1) : 0);
}

static void entry_set(struct kvm_io_index_node *node, unsigned int pos, u64 key,
		      void *ptr)
{
	WRITE_ONCE(node->key[pos], key);
	/* A reader that sees a new child sees its contents. */
	rcu_assign_pointer(node->ptr[pos], ptr);
}

static void entry_copy(struct kvm_io_index_node *to, unsigned int to_pos,
		       const struct kvm_io_index_node *from, unsigned int from_pos)
{
	entry_set(to, to_pos, from->key[from_pos],
		  writer_deref(from->ptr[from_pos]));
}

/* Copies @nr entries. Source and destination may overlap. */
static void entries_copy(struct kvm_io_index_node *to, unsigned int to_pos,
			 const struct kvm_io_index_node *from,
			 unsigned int from_pos, unsigned int nr)
{
	unsigned int i;

	if (to_pos > from_pos) {
		for (i = nr; i--; )
			entry_copy(to, to_pos + i, from, from_pos + i);
	} else {
		for (i = 0; i < nr; i++)
			entry_copy(to, to_pos + i, from, from_pos + i);
	}
}

/* Inserts an entry at @pos. The node is not full. */
static void node_insert(struct kvm_io_index_node *node, unsigned int pos,
			u64 key, void *ptr)
{
	entries_copy(node, pos + 1, node, pos, node->nr - pos);
	entry_set(node, pos, key, ptr);
	node_set_nr(node, node->nr + 1);
}

static void node_truncate(struct kvm_io_index_node *node, unsigned int nr)
{
	unsigned int i;

	for (i = nr; i < node->nr; i++)
		entry_set(node, i, KVM_IO_INDEX_PAD, NULL);
	node_set_nr(node, nr);
}

/* Removes the entry at @pos. */
static void node_remove(struct kvm_io_index_node *node, unsigned int pos)
{
	entries_copy(node, pos, node, pos + 1, node->nr - pos - 1);
	node_truncate(node, node->nr - 1);
}

/* Appends the first @nr entries of @right. */
static void node_append(struct kvm_io_index_node *node,
			const struct kvm_io_index_node *right, unsigned int nr)
{
	entries_copy(node, node->nr, right, 0, nr);
	node_set_nr(node, node->nr + nr);
}

/* Moves the entries of @node from @pos on to the front of @right. */
static void node_move_tail(struct kvm_io_index_node *node, unsigned int pos,
			   struct kvm_io_index_node *right)
{
	unsigned int nr = node->nr - pos;

	entries_copy(right, nr, right, 0, right->nr);
	entries_copy(right, 0, node, pos, nr);
	node_set_nr(right, right->nr + nr);
	node_truncate(node, pos);
}

/* Moves the first @nr entries of @right to the end of @node. */
static void node_move_head(struct kvm_io_index_node *node, unsigned int nr,
			   struct kvm_io_index_node *right)
{
	node_append(node, right, nr);
	entries_copy(right, 0, right, nr, right->nr - nr);
	node_truncate(right, right->nr - nr);
}

static struct kvm_io_index_node *child(const struct kvm_io_index_node *node,
				       unsigned int pos)
{
	return writer_deref(node->ptr[pos]);
}

/* Turns interrupts off, so that no reader waits for other work of this CPU. */
static unsigned long write_begin(struct kvm_io_index *index)
{
	unsigned long flags;

	local_irq_save(flags);
	write_seqcount_begin(&index->seq);
	return flags;
}

static void write_end(struct kvm_io_index *index, unsigned long flags)
{
	write_seqcount_end(&index->seq);
	local_irq_restore(flags);
}

/**
 * kvm_io_index_init - initialize an empty index
 * @index: the index; no other task has access to it yet
 *
 * Context: any.
 */
void kvm_io_index_init(struct kvm_io_index *index)
{
	seqcount_init(&index->seq);
	RCU_INIT_POINTER(index->root, NULL);
}

/* The recursion is KVM_IO_INDEX_LEVELS deep at most. */
static void node_destroy(struct kvm_io_index_node *node,
			 void (*destroy)(void *ptr))
{
	unsigned int i;

	for (i = 0; i < node->nr; i++) {
		if (node->level)
			node_destroy(child(node, i), destroy);
		else
			destroy(writer_deref(node->ptr[i]));
	}
	kfree(node);
}

/**
 * kvm_io_index_destroy - empty an index
 * @index: the index
 * @destroy: called for each pointer
 *
 * Context: process context, may sleep; there are no readers and no other
 * writers.
 */
void kvm_io_index_destroy(struct kvm_io_index *index, void (*destroy)(void *ptr))
{
	struct kvm_io_index_node *root = writer_deref(index->root);

	RCU_INIT_POINTER(index->root, NULL);
	if (root)
		node_destroy(root, destroy);
}

/**
 * kvm_io_index_find_last - look up KVM_IO_INDEX_PAD
 * @index: the index
 *
 * kvm_io_index_find() for the key that equals the padding. If it is in the
 * index, it is the last key.
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the pointer stored for KVM_IO_INDEX_PAD, or NULL.
 */
void *kvm_io_index_find_last(const struct kvm_io_index *index)
{
	const struct kvm_io_index_node *node;
	unsigned int seq, pos;
	void *ptr;

	do {
		/* Pairs with the write sections of this file. */
		seq = raw_seqcount_begin(&index->seq);
		ptr = rcu_dereference(index->root);
		do {
			node = ptr;
			if (!node)
				break;
			/* A node that is being changed may be empty. */
			pos = READ_ONCE(node->nr);
			pos -= !!pos;
			ptr = rcu_dereference(node->ptr[pos]);
		} while (node->level);
		if (node && READ_ONCE(node->key[pos]) != KVM_IO_INDEX_PAD)
			ptr = NULL;
	} while (unlikely(read_seqcount_retry(&index->seq, seq)));

	return ptr;
}

/*
 * The pointer of the greatest key in the node that @key leads to, if that key is
 * not above @key. Else NULL, and *@bound is a lower bound for all keys of the
 * node; 0 if it is the first node.
 */
static void *floor_in_node(const struct kvm_io_index *index, u64 key, u64 *bound)
{
	const struct kvm_io_index_node *node;
	void *ptr = rcu_dereference(index->root);
	const u64 *k;

	*bound = 0;
	do {
		node = ptr;
		if (!node)
			return NULL;
		/* @key is below the padding, so the position is valid. */
		k = kvm_io_index_search(node->key, READ_ONCE(node->half), key);
		if (node->level && k != node->key)
			*bound = READ_ONCE(*k);
		ptr = rcu_dereference(node->ptr[k - node->key]);
	} while (node->level);
	return READ_ONCE(*k) <= key ? ptr : NULL;
}

/**
 * kvm_io_index_find_floor - look up the greatest key that is not above a key
 * @index: the index, which does not have KVM_IO_INDEX_PAD
 * @key: the key
 *
 * A removal leaves the lower bounds above a node as they are. So all keys of
 * the node that @key leads to may be above @key. Then the key is the last one
 * below the lower bound of this node.
 *
 * Context: RCU read-side critical section; any, interrupts may be off.
 * Return: the pointer stored for that key, or NULL if all keys are above @key.
 */
void *kvm_io_index_find_floor(const struct kvm_io_index *index, u64 key)
{
	unsigned int seq;
	u64 bound;
	void *ptr;

	do {
		/* Pairs with the write sections of this file. */
		seq = raw_seqcount_begin(&index->seq);
		ptr = floor_in_node(index, min(key, KVM_IO_INDEX_PAD - 1), &bound);
		if (!ptr && bound)
			ptr = floor_in_node(index, bound - 1, &bound);
	} while (unlikely(read_seqcount_retry(&index->seq, seq)));

	return ptr;
}

/**
 * kvm_io_index_locate - look up a key for a writer
 * @index: the index
 * @key: the key
 * @place: set to the position of @key, or to the position where an insertion
 *	puts it; valid until the next change
 *
 * Context: any; the index's writer lock.
 * Return: the pointer stored for @key, or NULL.
 */
void *kvm_io_index_locate(const struct kvm_io_index *index, u64 key,
			  struct kvm_io_index_place *place)
{
	struct kvm_io_index_node *node = writer_deref(index->root);
	unsigned int pos;

	if (!node)
		return NULL;
	for (;;) {
		pos = kvm_io_index_search(node->key, node->half, key) - node->key;
		/* Not in the padding. */
		pos = min(pos, node->nr - 1U);
		place->at[node->level].node = node;
		place->at[node->level].pos = pos;
		if (!node->level)
			break;
		node = child(node, pos);
	}
	if (node->key[pos] == key)
		return writer_deref(node->ptr[pos]);
	/* @key belongs behind the last key below it. */
	if (node->key[pos] < key)
		place->at[0].pos++;
	return NULL;
}

/**
 * kvm_io_index_next - walk the index in order
 * @index: the index
 * @key: the key to start at; set to the key that was found
 *
 * Context: any; the index's writer lock.
 * Return: the pointer of the least key that is not below *@key; NULL if there
 * is none.
 */
void *kvm_io_index_next(const struct kvm_io_index *index, u64 *key)
{
	struct kvm_io_index_node *node = writer_deref(index->root);
	struct kvm_io_index_place place;
	unsigned int level = 0, top;
	void *ptr;

	if (!node)
		return NULL;
	top = node->level;
	ptr = kvm_io_index_locate(index, *key, &place);
	if (ptr)
		return ptr;

	/*
	 * Go up to a node that has more entries on the right, then down again.
	 */
	while (place.at[level].pos == place.at[level].node->nr) {
		if (level == top)
			return NULL;
		place.at[++level].pos++;
	}
	while (level--) {
		place.at[level].node = child(place.at[level + 1].node,
					     place.at[level + 1].pos);
		place.at[level].pos = 0;
	}
	node = place.at[0].node;
	*key = node->key[place.at[0].pos];
	return writer_deref(node->ptr[place.at[0].pos]);
}

/* Inserts the first key, into a new root. */
static int insert_first(struct kvm_io_index *index, u64 key, void *ptr)
{
	struct kvm_io_index_node *node = node_alloc(0);

	if (!node)
		return -ENOMEM;
	node_insert(node, 0, key, ptr);
	rcu_assign_pointer(index->root, node);
	return 0;
}

/* True if @place is behind the last key of the index. */
static bool is_behind(const struct kvm_io_index_place *place, unsigned int top)
{
	unsigned int level;

	if (place->at[0].pos < place->at[0].node->nr)
		return false;
	for (level = 1; level <= top; level++) {
		if (place->at[level].pos < place->at[level].node->nr - 1U)
			return false;
	}
	return true;
}

/**
 * kvm_io_index_insert - add a key
 * @index: the index
 * @key: the key
 * @ptr: the pointer to store, not NULL
 * @place: the position from kvm_io_index_locate(), which did not find @key; the
 *	index has not changed since
 *
 * Context: process context, may sleep; the index's writer lock, held since
 * kvm_io_index_locate().
 * Return: 0; -ENOMEM; -ENOSPC if the tree cannot grow higher. After an error,
 * nothing has changed.
 */
int kvm_io_index_insert(struct kvm_io_index *index, u64 key, void *ptr,
			const struct kvm_io_index_place *place)
{
	struct kvm_io_index_node *fresh[KVM_IO_INDEX_LEVELS + 1];
	struct kvm_io_index_node *root = writer_deref(index->root);
	unsigned int level, top, nr_full = 0, nr_fresh, i, pos;
	struct kvm_io_index_node *node, *right;
	unsigned long flags;
	bool behind;

	if (!root)
		return insert_first(index, key, ptr);

	/*
	 * Each full node from the leaf up is split; above a full root comes a
	 * new one.
	 */
	top = root->level;
	while (nr_full <= top &&
	       place->at[nr_full].node->nr == KVM_IO_INDEX_FANOUT)
		nr_full++;
	nr_fresh = nr_full + (nr_full > top);
	if (nr_fresh > KVM_IO_INDEX_LEVELS)
		return -ENOSPC;
	for (i = 0; i < nr_fresh; i++) {
		fresh[i] = node_alloc(i);
		if (!fresh[i]) {
			while (i--)
				kfree(fresh[i]);
			return -ENOMEM;
		}
	}
	/* Keys that are inserted in ascending order leave full nodes behind. */
	behind = is_behind(place, top);

	flags = write_begin(index);
	for (level = 0; level < nr_full; level++) {
		node = place->at[level].node;
		pos = place->at[level].pos + !!level;
		right = fresh[level];
		node_move_tail(node, behind ? node->nr : node->nr / 2, right);
		if (pos > node->nr || behind)
			node_insert(right, pos - node->nr, key, ptr);
		else
			node_insert(node, pos, key, ptr);
		/*
		 * Insert the new node into the parent, which may be the new
		 * root.
		 */
		key = right->key[0];
		ptr = right;
	}
	if (nr_full > top) {
		right = fresh[nr_full];
		node_insert(right, 0, 0, root);
		node_insert(right, 1, key, ptr);
		rcu_assign_pointer(index->root, right);
	} else {
		node_insert(place->at[level].node,
			    place->at[level].pos + !!level, key, ptr);
	}
	write_end(index, flags);
	return 0;
}

/*
 * Balances children @pos and @pos + 1 of @parent, one of which has too few
 * entries. Merges them if they fit, otherwise gives each one half of the
 * entries. Returns the node that has left the tree, or NULL.
 */
static struct kvm_io_index_node *rebalance(struct kvm_io_index_node *parent,
					   unsigned int pos)
{
	struct kvm_io_index_node *node = child(parent, pos);
	struct kvm_io_index_node *right = child(parent, pos + 1);
	unsigned int nr = node->nr + right->nr;

	if (nr <= KVM_IO_INDEX_MERGE) {
		/* @right keeps its entries, for readers that are in it. */
		node_append(node, right, right->nr);
		node_remove(parent, pos + 1);
		return right;
	}

	if (node->nr > nr / 2)
		node_move_tail(node, nr / 2, right);
	else
		node_move_head(node, nr / 2 - node->nr, right);
	WRITE_ONCE(parent->key[pos + 1], right->key[0]);
	return NULL;
}

/**
 * kvm_io_index_remove - remove a key
 * @index: the index
 * @place: the position from kvm_io_index_locate(), which found the key; the
 *	index has not changed since
 *
 * Needs no memory and cannot fail. Readers may use the pointer until an RCU
 * grace period has passed.
 *
 * Context: any; the index's writer lock, held since kvm_io_index_locate().
 */
void kvm_io_index_remove(struct kvm_io_index *index,
			 const struct kvm_io_index_place *place)
{
	/* On each level, one node that was merged, and one root. */
	struct kvm_io_index_node *dead[2 * KVM_IO_INDEX_LEVELS];
	struct kvm_io_index_node *root = writer_deref(index->root);
	struct kvm_io_index_node *node, *parent, *out;
	unsigned int level, nr_dead = 0, pos;
	unsigned long flags;

	flags = write_begin(index);
	node_remove(place->at[0].node, place->at[0].pos);
	/* Go up while a node has left the level below. */
	for (level = 0; level < root->level; level++) {
		node = place->at[level].node;
		parent = place->at[level + 1].node;
		pos = place->at[level + 1].pos;
		if (node->nr >= KVM_IO_INDEX_LEAST)
			break;
		if (parent->nr > 1) {
			out = rebalance(parent, pos ? pos - 1 : pos);
		} else if (!node->nr) {
			node_remove(parent, pos);
			out = node;
		} else {
			/* The last node of its level has no neighbour. */
			break;
		}
		if (!out)
			break;
		dead[nr_dead++] = out;
	}
	/* Remove a root that has one child or none. */
	while (root && root->nr <= !!root->level) {
		dead[nr_dead++] = root;
		root = root->nr ? child(root, 0) : NULL;
		rcu_assign_pointer(index->root, root);
	}
	write_end(index, flags);

	while (nr_dead) {
		node = dead[--nr_dead];
		kfree_rcu(node, rcu);
	}
}
