// SPDX-License-Identifier: GPL-2.0-only
/*
 * What shim.h promises of the kernel.
 *
 * Grace periods with threads. A reader notes the domain's epoch when it starts
 * and clears the note when it ends. A grace period raises the epoch and waits
 * for each reader whose note is older. Both are sequentially consistent: a
 * reader that is not seen yet sees everything that was stored before.
 */
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>
#include <sched.h>
#include <unistd.h>

#include "shim_ctl.h"

struct shim_domain shim_rcu = { .epoch = 1 };
__thread int shim_thread;
__thread int shim_nr_spin;
__thread int shim_irqs_off;
__thread unsigned long shim_nr_rmb;

unsigned long shim_nr_allocs;
unsigned long shim_fail_at;
unsigned long shim_nr_live;

#ifndef SHIM_NO_EVENTFD
struct eventfd_ctx *shim_fd[SHIM_NR_FDS];
void (*shim_on_signal)(struct eventfd_ctx *ctx);
#endif
bool (*shim_on_srcu_wait)(void);
void (*shim_on_resched)(void);
bool shim_quiet;
bool shim_in_hook;

#ifdef SHIM_SINGLE
void (*shim_reader_hook)(void);
void (*shim_writer_hook)(void);
#endif

void shim_bug(const char *file, int line, const char *what)
{
	if (!shim_quiet)
		fprintf(stderr, "%s:%d: %s\n", file, line, what);
	fflush(NULL);
	abort();
}

static void domain_enter(struct shim_domain *domain)
{
	unsigned int depth = domain->reader[shim_thread].depth++;

	if (!depth)
		__atomic_store_n(&domain->reader[shim_thread].since,
				 __atomic_load_n(&domain->epoch, __ATOMIC_SEQ_CST),
				 __ATOMIC_SEQ_CST);
}

static void domain_leave(struct shim_domain *domain)
{
	SHIM_ASSERT(domain->reader[shim_thread].depth);
	if (!--domain->reader[shim_thread].depth)
		__atomic_store_n(&domain->reader[shim_thread].since, 0,
				 __ATOMIC_SEQ_CST);
}

static bool domain_busy(struct shim_domain *domain)
{
	int i;

	for (i = 0; i < SHIM_MAX_THREADS; i++) {
		if (__atomic_load_n(&domain->reader[i].since, __ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

static void domain_wait(struct shim_domain *domain)
{
	unsigned long epoch, since;
	int i;

	SHIM_ASSERT(!domain->reader[shim_thread].depth);
	epoch = __atomic_add_fetch(&domain->epoch, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < SHIM_MAX_THREADS; i++) {
		while ((since = __atomic_load_n(&domain->reader[i].since,
						__ATOMIC_SEQ_CST)) &&
		       since < epoch)
			sched_yield();
	}
}

/* What sleeps must not be called where the kernel cannot */
static void might_sleep(void)
{
#ifndef SHIM_BENCH
	SHIM_ASSERT(!shim_rcu.reader[shim_thread].depth || shim_suspended());
	SHIM_ASSERT(!shim_nr_spin && (!shim_irqs_off || shim_suspended()));
#endif
}

/* Memory of userspace */

void (*shim_on_store)(unsigned long addr, int len, u64 value);
__thread int shim_pagefault_disabled;
/* The page fault of this access has been served, for one store. */
static __thread unsigned long faulted_in;

int shim_put_user(unsigned long addr, int len, u64 value)
{
	enum shim_user_page page = shim_user_page(addr);

	SHIM_ASSERT(shim_pagefault_disabled && shim_nr_spin && shim_irqs_off);
	SHIM_ASSERT(!(addr % len) && addr < SHIM_USER_END);
	if (page != SHIM_USER_THERE &&
	    (page != SHIM_USER_AWAY || faulted_in != addr))
		return -EFAULT;
	faulted_in = 0;
	if (shim_on_store)
		shim_on_store(addr, len, value);
	return 0;
}

size_t fault_in_safe_writeable(const char *uaddr, size_t size)
{
	unsigned long addr = (unsigned long)uaddr;

	might_sleep();
	SHIM_ASSERT(!shim_pagefault_disabled);
	/* Time passes. */
	shim_reader_point();
	faulted_in = addr;
	return shim_user_page(addr) == SHIM_USER_GONE ? size : 0;
}

/* RCU */

static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_head *free_list;
static unsigned long free_nr;

static void free_all(struct rcu_head *head)
{
	while (head) {
		struct rcu_head *next = head->next;

		shim_free(head->object);
		head = next;
	}
}

static struct rcu_head *take_free_list(void)
{
	struct rcu_head *head;

	pthread_mutex_lock(&free_lock);
	head = free_list;
	free_list = NULL;
	free_nr = 0;
	pthread_mutex_unlock(&free_lock);
	return head;
}

#ifndef SHIM_BENCH
void rcu_read_lock(void)
{
	domain_enter(&shim_rcu);
}

void rcu_read_unlock(void)
{
	domain_leave(&shim_rcu);
#ifdef SHIM_SINGLE
	if (!shim_rcu.reader[0].depth)
		free_all(take_free_list());
#endif
}

bool rcu_read_lock_held(void)
{
	return shim_rcu.reader[shim_thread].depth;
}
#endif

/*
 * With threads it waits for readers here once the list is long, but only where
 * the caller may wait; shim_rcu_barrier() does the rest.
 */
void shim_free_rcu(struct rcu_head *head, void *object)
{
#ifdef SHIM_SINGLE
	if (!domain_busy(&shim_rcu)) {
		shim_free(object);
		return;
	}
#endif
	pthread_mutex_lock(&free_lock);
	head->object = object;
	head->next = free_list;
	free_list = head;
	free_nr++;
	pthread_mutex_unlock(&free_lock);
#ifdef SHIM_BENCH
	if (free_nr > 1024)
		shim_rcu_barrier();
#endif
}

void shim_rcu_barrier(void)
{
	struct rcu_head *head = take_free_list();

	domain_wait(&shim_rcu);
	free_all(head);
}

/* SRCU */

int srcu_read_lock(struct srcu_struct *srcu)
{
	domain_enter(&srcu->domain);
	return 0;
}

void srcu_read_unlock(struct srcu_struct *srcu, int idx)
{
	domain_leave(&srcu->domain);
}

bool srcu_read_lock_held(const struct srcu_struct *srcu)
{
	return srcu->domain.reader[shim_thread].depth;
}

void synchronize_srcu_expedited(struct srcu_struct *srcu)
{
	might_sleep();
	shim_writer_point();
	__atomic_fetch_add(&srcu->nr_sync, 1, __ATOMIC_RELAXED);
	if (domain_busy(&srcu->domain) && shim_on_srcu_wait &&
	    shim_on_srcu_wait())
		return;
	domain_wait(&srcu->domain);
}

void shim_srcu_init(struct srcu_struct *srcu)
{
	memset(srcu, 0, sizeof(*srcu));
	srcu->domain.epoch = 1;
}

/* Mutexes */

void mutex_init(struct mutex *mutex)
{
	pthread_mutex_init(&mutex->mutex, NULL);
	mutex->owner = 0;
}

void mutex_lock(struct mutex *mutex)
{
	might_sleep();
#ifndef SHIM_THREADS
	SHIM_ASSERT(!mutex->owner);
#endif
	pthread_mutex_lock(&mutex->mutex);
	WRITE_ONCE(mutex->owner, shim_thread + 1);
}

void mutex_unlock(struct mutex *mutex)
{
	SHIM_ASSERT(mutex->owner == shim_thread + 1);
	WRITE_ONCE(mutex->owner, 0);
	pthread_mutex_unlock(&mutex->mutex);
}

/* Memory */

void *shim_alloc(size_t size, gfp_t gfp, bool zero)
{
	unsigned long nr;
	void *p;

	SHIM_ASSERT((gfp & ~__GFP_NOWARN) == GFP_KERNEL_ACCOUNT);
	might_sleep();
	nr = __atomic_add_fetch(&shim_nr_allocs, 1, __ATOMIC_RELAXED);
	if (nr == shim_fail_at)
		return NULL;
	p = zero ? calloc(1, size) : malloc(size);
	SHIM_ASSERT(p);
#if !defined(SHIM_BENCH) && !defined(SHIM_MSAN)
	if (!zero)
		memset(p, 0xa5, size);
#endif
	__atomic_fetch_add(&shim_nr_live, 1, __ATOMIC_RELAXED);
	return p;
}

void shim_free(const void *p)
{
	if (!p)
		return;
	__atomic_fetch_sub(&shim_nr_live, 1, __ATOMIC_RELAXED);
	free((void *)p);
}

/* eventfds */

#ifndef SHIM_NO_EVENTFD

struct eventfd_ctx *shim_eventfd_new(int id)
{
	struct eventfd_ctx *ctx = calloc(1, sizeof(*ctx));

	SHIM_ASSERT(ctx);
	spin_lock_init(&ctx->lock);
	ctx->refs = 1;
	ctx->id = id;
	return ctx;
}

void eventfd_ctx_get(struct eventfd_ctx *ctx)
{
	__atomic_fetch_add(&ctx->refs, 1, __ATOMIC_SEQ_CST);
}

void eventfd_ctx_put(struct eventfd_ctx *ctx)
{
	if (!__atomic_sub_fetch(&ctx->refs, 1, __ATOMIC_SEQ_CST))
		free(ctx);
}

struct eventfd_ctx *eventfd_ctx_fdget(int fd)
{
	if (fd < 0 || fd >= SHIM_NR_FDS || !shim_fd[fd])
		return ERR_PTR(-EBADF);
	if (shim_fd[fd] == SHIM_FD_OTHER)
		return ERR_PTR(-EINVAL);
	eventfd_ctx_get(shim_fd[fd]);
	return shim_fd[fd];
}
#endif
