/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_IRQFD_H
#define SHIM_IRQFD_H

/*
 * What virt/kvm/irqfd.c, irqfd_resample.c and irq_ack.c use of the kernel beyond
 * shim.h, with real threads: an eventfd with waiters, files, work items that a
 * thread of their queue runs, waiting for a condition, and the interrupt
 * controller of a VM, which notes what arrives. The guards are those of the
 * headers in whose place this stands.
 */
#define SHIM_LINUX_EVENTFD_H
#define SHIM_LINUX_KVM_HOST_H
#define SHIM_NO_EVENTFD

#include "shim.h"

#include <linux/err.h>
#include <linux/kvm.h>
#include <unistd.h>

#define __weak			__attribute__((weak))
#define pr_fmt(fmt)		fmt
typedef unsigned int __poll_t;
#define EPOLLIN			1u
#define EPOLLHUP		16u

/* Lists */

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l;
	l->prev = l;
}

static inline void list_insert(struct list_head *e, struct list_head *prev)
{
	e->prev = prev;
	e->next = prev->next;
	prev->next->prev = e;
	__atomic_store_n(&prev->next, e, __ATOMIC_RELEASE);
}

#define list_add(e, head)		list_insert(e, head)
#define list_add_rcu(e, head)		list_insert(e, head)
#define list_add_tail(e, head)		list_insert(e, (head)->prev)

static inline void list_del_rcu(struct list_head *e)
{
	e->next->prev = e->prev;
	__atomic_store_n(&e->prev->next, e->next, __ATOMIC_RELEASE);
}

#define list_del(e)			list_del_rcu(e)
#define list_empty(head)		(READ_ONCE((head)->next) == (head))
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : container_of((head)->next, type, member))
#define list_for_each_entry(pos, head, member) \
	for (pos = container_of(__atomic_load_n(&(head)->next, __ATOMIC_ACQUIRE), \
				typeof(*pos), member); \
	     &pos->member != (head); \
	     pos = container_of(__atomic_load_n(&pos->member.next, \
						__ATOMIC_ACQUIRE), \
				typeof(*pos), member))
#define list_for_each_entry_srcu(pos, head, member, cond) \
	for (({ SHIM_ASSERT(cond); }), \
	     pos = container_of(__atomic_load_n(&(head)->next, __ATOMIC_ACQUIRE), \
				typeof(*pos), member); \
	     &pos->member != (head); \
	     pos = container_of(__atomic_load_n(&pos->member.next, \
						__ATOMIC_ACQUIRE), \
				typeof(*pos), member))

static inline void hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	n->pprev = &h->first;
	if (h->first)
		h->first->pprev = &n->next;
	__atomic_store_n(&h->first, n, __ATOMIC_RELEASE);
}

static inline void hlist_del_init_rcu(struct hlist_node *n)
{
	if (!n->pprev)
		return;
	__atomic_store_n(n->pprev, n->next, __ATOMIC_RELEASE);
	if (n->next)
		n->next->pprev = n->pprev;
	n->pprev = NULL;
}

#define hlist_entry_of(p, type, member) \
	({ struct hlist_node *_n = (p); \
	   _n ? container_of(_n, type, member) : NULL; })
#define hlist_next_of(head_or_next) \
	__atomic_load_n(&(head_or_next), __ATOMIC_ACQUIRE)
#define hlist_for_each_entry(pos, head, member) \
	for (pos = hlist_entry_of(hlist_next_of((head)->first), typeof(*pos), member); \
	     pos; \
	     pos = hlist_entry_of(hlist_next_of(pos->member.next), typeof(*pos), member))
#define hlist_for_each_entry_srcu(pos, head, member, cond) \
	for (({ SHIM_ASSERT(cond); }), \
	     pos = hlist_entry_of(hlist_next_of((head)->first), typeof(*pos), member); \
	     pos; \
	     pos = hlist_entry_of(hlist_next_of(pos->member.next), typeof(*pos), member))

#define DEFINE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]
static inline u32 hash_64(u64 val, unsigned int bits)
{
	return val * 0x61C8864680B583EBull >> (64 - bits);
}

#define hash_bucket(table, key) \
	(&(table)[hash_64(key, ilog2(sizeof(table) / sizeof((table)[0])))])
#define hash_add(table, node, key)	hlist_add_head_rcu(node, hash_bucket(table, key))
#define hash_del(node)			hlist_del_init_rcu(node)
#define hash_for_each_possible(table, pos, member, key) \
	hlist_for_each_entry(pos, hash_bucket(table, key), member)

/* Locks */

#define DEFINE_SPINLOCK(name)	spinlock_t name = { PTHREAD_MUTEX_INITIALIZER }
#define spin_lock_irq(l)	spin_lock(l)
#define spin_unlock_irq(l)	spin_unlock(l)
/* The holder of a spinlock is not noted */
#undef lockdep_assert_held
#define lockdep_assert_held(l)	((void)(l))

typedef seqcount_t seqcount_spinlock_t;
#define seqcount_spinlock_init(s, l)	((void)((s)->sequence = 0))

/* Tests stop an event before it reads its route */
extern void (*shim_on_read_route)(void);

static inline unsigned int read_seqcount_begin_hooked(const seqcount_t *s)
{
	if (shim_on_read_route)
		shim_on_read_route();
	return read_seqcount_begin(s);
}

#define read_seqcount_begin(s)	read_seqcount_begin_hooked(s)
#define write_seqcount_begin(s) \
	do { shim_irqs_off++; (write_seqcount_begin)(s); } while (0)
#define write_seqcount_end(s) \
	do { (write_seqcount_end)(s); shim_irqs_off--; } while (0)

typedef struct { long n; } atomic_long_t;
#define atomic_long_inc(a)	((void)__atomic_fetch_add(&(a)->n, 1, __ATOMIC_RELAXED))
#define atomic_long_read(a)	__atomic_load_n(&(a)->n, __ATOMIC_RELAXED)

/* Waiting */

typedef struct wait_queue_entry wait_queue_entry_t;
typedef int (*wait_queue_func_t)(wait_queue_entry_t *wait, unsigned int mode,
				 int sync, void *key);

struct wait_queue_entry {
	wait_queue_func_t func;
	struct list_head entry;
};

typedef struct {
	spinlock_t lock;
	struct list_head head;
	unsigned long wakeups;
} wait_queue_head_t;

static inline void init_waitqueue_head(wait_queue_head_t *wqh)
{
	spin_lock_init(&wqh->lock);
	INIT_LIST_HEAD(&wqh->head);
	wqh->wakeups = 0;
}

static inline void init_waitqueue_func_entry(wait_queue_entry_t *wait,
					     wait_queue_func_t func)
{
	wait->func = func;
}

static inline void add_wait_queue_priority(wait_queue_head_t *wqh,
					   wait_queue_entry_t *wait)
{
	spin_lock(&wqh->lock);
	list_add(&wait->entry, &wqh->head);
	spin_unlock(&wqh->lock);
}

/* A waiter looks again each time that there was a wake-up. */
void shim_wait(wait_queue_head_t *wqh, unsigned long *seen);
void wake_up_all(wait_queue_head_t *wqh);

#define wait_event(wq, cond) \
	do { \
		unsigned long _seen = __atomic_load_n(&(wq).wakeups, __ATOMIC_SEQ_CST); \
		while (!(cond)) \
			shim_wait(&(wq), &_seen); \
	} while (0)
/* No task is killed here */
#define wait_event_killable(wq, cond) ({ wait_event(wq, cond); 0; })
#define wait_event_lock_irq(wq, cond, lock) \
	do { \
		unsigned long _seen = __atomic_load_n(&(wq).wakeups, __ATOMIC_SEQ_CST); \
		while (!(cond)) { \
			spin_unlock(&(lock)); \
			shim_wait(&(wq), &_seen); \
			spin_lock(&(lock)); \
		} \
	} while (0)

/* Work */

struct work_struct {
	void (*func)(struct work_struct *work);
	struct work_struct *next;
	bool pending;
};

struct workqueue_struct;

#define WQ_UNBOUND		0
#define INIT_WORK(w, f) \
	do { (w)->func = (f); (w)->next = NULL; (w)->pending = false; } while (0)

struct workqueue_struct *alloc_workqueue(const char *name, unsigned int flags,
					 int max_active);
void destroy_workqueue(struct workqueue_struct *wq);
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool schedule_work(struct work_struct *work);
void flush_work(struct work_struct *work);

/* Eventfds and files */

struct eventfd_ctx {
	unsigned long refs;
	u64 count;
	wait_queue_head_t wqh;
};

struct file {
	unsigned long refs;
	struct eventfd_ctx *ctx;	/* NULL: something else */
};

struct fd {
	struct file *file;
};

#define fd_file(f)		((f).file)

typedef struct poll_table_struct {
	void (*func)(struct file *file, wait_queue_head_t *wqh,
		     struct poll_table_struct *table);
} poll_table;

#define init_poll_funcptr(t, f)	((void)((t)->func = (f)))
#define key_to_poll(key)	((__poll_t)(uintptr_t)(key))

struct fd fdget(unsigned int fd);
void fdput(struct fd f);
__poll_t vfs_poll(struct file *file, poll_table *table);
struct eventfd_ctx *eventfd_ctx_fileget(struct file *file);
struct eventfd_ctx *eventfd_ctx_fdget(int fd);
void eventfd_ctx_put(struct eventfd_ctx *ctx);
void eventfd_ctx_do_read(struct eventfd_ctx *ctx, u64 *cnt);
int eventfd_ctx_remove_wait_queue(struct eventfd_ctx *ctx,
				  wait_queue_entry_t *wait, u64 *cnt);
void eventfd_signal(struct eventfd_ctx *ctx);

int shim_open(bool is_eventfd);
void shim_close(int fd);
u64 shim_read(int fd);
void shim_write(int fd);

/* A VM, as far as interrupts are concerned */

#define KVM_NR_IRQCHIPS		3
#define KVM_USERSPACE_IRQ_SOURCE_ID		0
#define KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID	1

#define NR_GSIS			32

struct irq_bypass_consumer { int none; };
struct irq_bypass_producer { int irq; };

struct kvm_kernel_irq_routing_entry {
	u32 gsi;
	u32 type;
	u32 id;			/* which table it is of */
};

struct kvm_irq_ack_notifier {
	struct hlist_node link;
	unsigned int gsi;
	void (*irq_acked)(struct kvm_irq_ack_notifier *kian);
};

struct routes {
	struct rcu_head rcu;
	struct kvm_kernel_irq_routing_entry entry[NR_GSIS];
};

struct kvm_vm_stat_generic {
	u64 irqfd_atomic;
	u64 irqfd_deferred;
};

struct kvm {
	struct {
		struct kvm_vm_stat_generic generic;
	} stat;
	struct {
		spinlock_t lock;
		struct list_head items;
		struct list_head resampler_list;
		struct mutex resampler_lock;
		struct list_head retiring;
		struct list_head injecting;
		u64 route_gen;
		wait_queue_head_t idle;
		unsigned int nr;
	} irqfds;
	struct mutex irq_lock;
	struct srcu_struct irq_srcu;
	struct hlist_head irq_ack_notifier_list;
	struct routes *routes;
	bool intc_late;
	/* What has arrived: how often, by which table last; lines that are up */
	unsigned long arrived[NR_GSIS];
	unsigned long arrived_at_once;
	unsigned long by_table[NR_GSIS];
	unsigned long arrived_nowhere;
	bool line[NR_GSIS];
	unsigned long lowered[NR_GSIS];
};

#define kvm_arch_intc_initialized(kvm)	(!(kvm)->intc_late)
#define kvm_arch_post_irq_ack_notifier_list_update(kvm)	((void)(kvm))

bool kvm_arch_irqfd_allowed(struct kvm *kvm, struct kvm_irqfd *args);
int kvm_arch_set_irq_inatomic(struct kvm_kernel_irq_routing_entry *irq,
			      struct kvm *kvm, int irq_source_id, int level,
			      bool line_status);
int kvm_set_irq(struct kvm *kvm, int irq_source_id, u32 irq, int level,
		bool line_status);
int kvm_irq_map_gsi(struct kvm *kvm,
		    struct kvm_kernel_irq_routing_entry *entries, int gsi);
int kvm_irq_map_chip_pin(struct kvm *kvm, unsigned int irqchip, unsigned int pin);

int kvm_irqfd(struct kvm *kvm, struct kvm_irqfd *args);
int kvm_irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args);
int kvm_irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args);
void kvm_irqfd_release(struct kvm *kvm);
void kvm_irq_routing_update(struct kvm *kvm);
void kvm_irq_routing_settle(struct kvm *kvm);
void kvm_irqfd_update_stats(struct kvm *kvm);
void kvm_irqfd_vm_init(struct kvm *kvm);
int kvm_irqfd_init(void);
void kvm_irqfd_exit(void);
bool kvm_irq_has_notifier(struct kvm *kvm, unsigned int irqchip, unsigned int pin);
void kvm_notify_acked_gsi(struct kvm *kvm, int gsi);
void kvm_notify_acked_irq(struct kvm *kvm, unsigned int irqchip, unsigned int pin);
bool kvm_notify_irqfd_resampler(struct kvm *kvm, unsigned int irqchip,
				unsigned int pin);
void kvm_register_irq_ack_notifier(struct kvm *kvm,
				   struct kvm_irq_ack_notifier *kian);
void kvm_unregister_irq_ack_notifier(struct kvm *kvm,
				     struct kvm_irq_ack_notifier *kian);

#define trace_kvm_irqfd_assign(...)	do { } while (0)
#define trace_kvm_irqfd_deassign(...)	do { } while (0)
#define trace_kvm_irqfd_signal(...)	do { } while (0)
#define trace_kvm_irqfd_inject(...)	do { } while (0)
#define trace_kvm_ack_irq(...)		do { } while (0)

#endif /* SHIM_IRQFD_H */
