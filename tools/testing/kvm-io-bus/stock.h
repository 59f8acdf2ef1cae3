/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_STOCK_H
#define BENCH_STOCK_H

/*
 * What the base's bus uses of the kernel beyond shim.h; in front of the code
 * that extract_stock takes from the base tree.
 */
#include <linux/err.h>
#include <linux/kvm.h>

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	entry->next = head;
	entry->prev = head->prev;
	head->prev->next = entry;
	head->prev = entry;
}

static inline void list_del(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
}

#define list_for_each_entry(pos, head, member) \
	for (pos = container_of((head)->next, typeof(*pos), member); \
	     &pos->member != (head); \
	     pos = container_of(pos->member.next, typeof(*pos), member))

/* A function of lib/, so one that calls the comparison by pointer */
static __attribute__((noipa)) void *
stock_bsearch(const void *key, const void *base, size_t num, size_t size,
	      int (*cmp)(const void *key, const void *elt))
{
	while (num) {
		const char *pivot = (const char *)base + num / 2 * size;
		int result = cmp(key, pivot);

		if (!result)
			return (void *)pivot;
		if (result > 0) {
			base = pivot + size;
			num--;
		}
		num /= 2;
	}
	return NULL;
}

#define bsearch			stock_bsearch
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)
#define flex_array_size(p, member, n)	(sizeof((p)->member[0]) * (size_t)(n))
#define pr_err(...)		fprintf(stderr, __VA_ARGS__)
#define srcu_dereference(p, srcu)	__atomic_load_n(&(p), __ATOMIC_RELAXED)
#define srcu_dereference_check(p, srcu, c)	srcu_dereference(p, srcu)
#define srcu_read_lock_held(srcu)	true
#define array_index_nospec(index, size)	(index)
#define DEFINE_STOCK_KVM \
	struct kvm { \
		struct kvm_io_bus *buses[KVM_NR_BUSES]; \
		struct list_head ioeventfds; \
		struct mutex slots_lock; \
		struct srcu_struct srcu; \
	}; \
	struct kvm_vcpu { \
		struct kvm *kvm; \
	}; \
	static struct kvm_io_bus *kvm_get_bus(struct kvm *kvm, int idx) \
	{ \
		return kvm->buses[idx]; \
	}

#endif /* BENCH_STOCK_H */
