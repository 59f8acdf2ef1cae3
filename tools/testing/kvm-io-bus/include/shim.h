/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_H
#define SHIM_H

/*
 * The kernel, as far as virt/kvm/io_bus*.c, ioeventfd.c and eventfd.c use it,
 * in userspace. Included in front of each of them (-include shim.h), and has
 * the guard of their private header, so that they are compiled unchanged.
 *
 * Three builds:
 *  - SHIM_SINGLE: one thread. RCU is a counter; what is given to kfree_rcu() is
 *    freed at once if no reader is under way, which is a grace period as short
 *    as it can be, else when the reader ends. Every step of a reader and every
 *    store of a writer that publishes or unpublishes something calls a hook,
 *    in which tests run the other side.
 *  - SHIM_THREADS: real threads. RCU and SRCU are per-thread counters that a
 *    grace period waits for (shim.c), locks are pthread's.
 *  - SHIM_BENCH: one thread, nothing is checked; locks cost what they cost in
 *    the kernel, one locked instruction, or with SHIM_NO_LOCKS nothing.
 */
#define __KVM_IO_BUS_INTERNAL_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef u64 gpa_t;
typedef unsigned int gfp_t;

#define __rcu
#define __user
#define __maybe_unused		__attribute__((unused))
#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif
#define noinline		__attribute__((noinline))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define EXPORT_SYMBOL_GPL(sym)	extern typeof(sym) sym
#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), #cond)

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define min(a, b)		({ typeof(a) _a = (a); typeof(b) _b = (b); \
				   _a < _b ? _a : _b; })
#define max(a, b)		({ typeof(a) _a = (a); typeof(b) _b = (b); \
				   _a > _b ? _a : _b; })
#define U64_MAX			((u64)~0ULL)
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* For options without a module: those that are on have the value 1 here. */
#define IS_ENABLED(option)	(option)
#define CONFIG_KVM_IO_BUS_DEBUGFS 1
#define CONFIG_64BIT		1
#define CONFIG_PREEMPT_RT	0

#define OPTIMIZER_HIDE_VAR(var)	__asm__("" : "=r" (var) : "0" (var))
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)

/* What must not happen */

void __attribute__((noreturn)) shim_bug(const char *file, int line,
					const char *what);
#ifndef SHIM_NO_LOCKS
#define SHIM_NO_LOCKS 0
#endif

#ifdef SHIM_BENCH
#define SHIM_ASSERT(cond)	((void)(cond))
#else
#define SHIM_ASSERT(cond) \
	do { if (!(cond)) shim_bug(__FILE__, __LINE__, #cond); } while (0)
#endif
#define BUG()			shim_bug(__FILE__, __LINE__, "BUG()")
#define BUG_ON(cond) \
	do { if (cond) shim_bug(__FILE__, __LINE__, "BUG_ON: " #cond); } while (0)
#define WARN_ON_ONCE(cond) \
	({ bool _w = (cond); if (_w) shim_bug(__FILE__, __LINE__, #cond); _w; })
#define RCU_LOCKDEP_WARN(cond, what) \
	do { if (cond) shim_bug(__FILE__, __LINE__, what); } while (0)

/* Hooks */

#ifdef SHIM_SINGLE
extern void (*shim_reader_hook)(void);
extern void (*shim_writer_hook)(void);
#define shim_reader_point() \
	do { if (shim_reader_hook) shim_reader_hook(); } while (0)
/* No reader runs on a CPU that has its interrupts off */
#define shim_writer_point() \
	do { if (shim_writer_hook && !shim_irqs_off) shim_writer_hook(); } while (0)
#else
#define shim_reader_point()	do { } while (0)
#define shim_writer_point()	do { } while (0)
#endif

/* Barriers, and stores and loads that have them */

#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#ifdef SHIM_BENCH
#define smp_rmb()		__asm__ __volatile__("" ::: "memory")
#else
/* How often a search was preceded by the barrier that it owes to registering */
extern __thread unsigned long shim_nr_rmb;
#define smp_rmb() \
	do { shim_nr_rmb++; __atomic_thread_fence(__ATOMIC_ACQUIRE); } while (0)
#endif
#define smp_load_acquire(p) \
	({ shim_reader_point(); __atomic_load_n(p, __ATOMIC_ACQUIRE); })
#define smp_store_release(p, v) \
	do { \
		shim_writer_point(); \
		__atomic_store_n(p, v, __ATOMIC_RELEASE); \
		shim_writer_point(); \
	} while (0)

/* Interrupts, and sequence counters, whose writers have them off */

extern __thread int shim_irqs_off;

#define local_irq_save(flags)	do { (flags) = shim_irqs_off++; } while (0)
#define local_irq_restore(flags) \
	do { shim_irqs_off--; SHIM_ASSERT((int)(flags) == shim_irqs_off); } while (0)

typedef struct {
	unsigned int sequence;
} seqcount_t;

#define seqcount_init(s)	((void)((s)->sequence = 0))

static inline unsigned int raw_seqcount_begin(const seqcount_t *s)
{
	shim_reader_point();
#ifdef SHIM_THREADS
	/* Only here can the writer have lost its CPU in between. */
	if (READ_ONCE(s->sequence) & 1)
		sched_yield();
#endif
	/* An odd one is sure to be another at the end. */
	return __atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE) & ~1u;
}

static inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int seq;

	shim_reader_point();
	while ((seq = __atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE)) & 1)
		;
	return seq;
}

static inline bool read_seqcount_retry(const seqcount_t *s, unsigned int seq)
{
	shim_reader_point();
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return READ_ONCE(s->sequence) != seq;
}

static inline void write_seqcount_begin(seqcount_t *s)
{
	SHIM_ASSERT(shim_irqs_off && !(s->sequence & 1));
	WRITE_ONCE(s->sequence, s->sequence + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void write_seqcount_end(seqcount_t *s)
{
	SHIM_ASSERT(s->sequence & 1);
	__atomic_store_n(&s->sequence, s->sequence + 1, __ATOMIC_RELEASE);
}

/* RCU and SRCU */

#define SHIM_MAX_THREADS	16

struct shim_domain {
	unsigned long epoch;
	struct {
		unsigned long since;
		unsigned int depth;
		char pad[48];
	} reader[SHIM_MAX_THREADS];
};

struct srcu_struct {
	struct shim_domain domain;
	unsigned long nr_sync;
};

struct rcu_head {
	struct rcu_head *next;
	void *object;
};

extern struct shim_domain shim_rcu;
extern __thread int shim_thread;

#ifdef SHIM_BENCH
static inline void rcu_read_lock(void)
{
	__asm__ __volatile__("" ::: "memory");
}

static inline void rcu_read_unlock(void)
{
	__asm__ __volatile__("" ::: "memory");
}
#define rcu_read_lock_held()	true
#else
void rcu_read_lock(void);
void rcu_read_unlock(void);
bool rcu_read_lock_held(void);
#endif

int srcu_read_lock(struct srcu_struct *srcu);
void srcu_read_unlock(struct srcu_struct *srcu, int idx);
bool srcu_read_lock_held(const struct srcu_struct *srcu);
void synchronize_srcu_expedited(struct srcu_struct *srcu);

void shim_free_rcu(struct rcu_head *head, void *object);
void shim_rcu_barrier(void);

#define rcu_access_pointer(p)		__atomic_load_n(&(p), __ATOMIC_RELAXED)
#define rcu_dereference_protected(p, c)	({ SHIM_ASSERT(c); (p); })
#define rcu_dereference_check(p, c) \
	({ \
		shim_reader_point(); \
		SHIM_ASSERT((c) || rcu_read_lock_held()); \
		__atomic_load_n(&(p), __ATOMIC_ACQUIRE); \
	})
#define rcu_dereference(p)		rcu_dereference_check(p, 0)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v) \
	do { \
		shim_writer_point(); \
		WRITE_ONCE(p, v); \
		shim_writer_point(); \
	} while (0)
#define kfree_rcu(p, member) \
	do { \
		typeof(p) _p = (p); \
		shim_writer_point(); \
		shim_free_rcu(&_p->member, _p); \
		shim_writer_point(); \
	} while (0)
#define kvfree_rcu(p, member)		kfree_rcu(p, member)

/* Locks */

typedef struct {
#ifdef SHIM_THREADS
	pthread_mutex_t mutex;
#else
	bool held;
#endif
} spinlock_t;

extern __thread int shim_nr_spin;

static inline void spin_lock_init(spinlock_t *lock)
{
#ifdef SHIM_THREADS
	pthread_mutex_init(&lock->mutex, NULL);
#else
	lock->held = false;
#endif
}

static inline void spin_lock(spinlock_t *lock)
{
	shim_reader_point();
#ifdef SHIM_THREADS
	pthread_mutex_lock(&lock->mutex);
	shim_nr_spin++;
#elif SHIM_NO_LOCKS
	/* To see what is left without */
#elif defined(SHIM_BENCH)
	while (__atomic_exchange_n(&lock->held, true, __ATOMIC_ACQUIRE))
		;
#else
	SHIM_ASSERT(!lock->held);
	lock->held = true;
	shim_nr_spin++;
#endif
}

static inline void spin_unlock(spinlock_t *lock)
{
#ifdef SHIM_THREADS
	shim_nr_spin--;
	pthread_mutex_unlock(&lock->mutex);
#elif SHIM_NO_LOCKS
	/* None was taken */
#elif defined(SHIM_BENCH)
	__atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
#else
	SHIM_ASSERT(lock->held);
	lock->held = false;
	shim_nr_spin--;
#endif
}

#define spin_lock_irqsave(lock, flags) \
	do { spin_lock(lock); local_irq_save(flags); } while (0)
#define spin_unlock_irqrestore(lock, flags) \
	do { local_irq_restore(flags); spin_unlock(lock); } while (0)

/* What another task does as soon as it can */
extern void (*shim_on_resched)(void);
#define cond_resched() \
	do { if (shim_on_resched) shim_on_resched(); } while (0)

struct mutex {
	pthread_mutex_t mutex;
	int owner;
};

void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

static inline bool shim_srcu_is_held(struct srcu_struct *srcu)
{
	return srcu_read_lock_held(srcu);
}

static inline bool shim_mutex_is_held(struct mutex *mutex)
{
	return READ_ONCE(mutex->owner) == shim_thread + 1;
}

#ifdef SHIM_BENCH
#define lockdep_is_held(lock)		((void)(lock), true)
#else
#define lockdep_is_held(lock) \
	_Generic((lock), \
		 struct mutex *: shim_mutex_is_held, \
		 struct srcu_struct *: shim_srcu_is_held)(lock)
#endif
#define lockdep_assert_held(lock)	SHIM_ASSERT(lockdep_is_held(lock))
#define lockdep_assert_irqs_disabled()	SHIM_ASSERT(shim_irqs_off)

/* Memory */

#define GFP_KERNEL_ACCOUNT	0x400cc0u
#define __GFP_NOWARN		0x2000u

void *shim_alloc(size_t size, gfp_t gfp, bool zero);
void shim_free(const void *p);

#define kmalloc(size, gfp)	shim_alloc(size, gfp, false)
#define kzalloc(size, gfp)	shim_alloc(size, gfp, true)
#define kvmalloc(size, gfp)	shim_alloc(size, gfp, false)
#define kvzalloc(size, gfp)	shim_alloc(size, gfp, true)
#define kfree(p)		shim_free(p)
#define kvfree(p)		shim_free(p)
#define struct_size(p, member, n) \
	(sizeof(*(p)) + sizeof((p)->member[0]) * (size_t)(n))

/* Since the program began; the one numbered shim_fail_at returns NULL. */
extern unsigned long shim_nr_allocs;
extern unsigned long shim_fail_at;
/* Not freed yet */
extern unsigned long shim_nr_live;

/* Numbers */

#define is_power_of_2(n) \
	({ typeof(n) _n = (n); _n != 0 && (_n & (_n - 1)) == 0; })

static inline int ilog2(u64 n)
{
	SHIM_ASSERT(n);
	return 63 - __builtin_clzll(n);
}

static inline int order_base_2(u64 n)
{
	return n > 1 ? ilog2(n - 1) + 1 : 0;
}

#define get_unaligned(p) \
	({ typeof(*(p) + 0) _dummy __attribute__((unused)); \
	   struct { typeof(*(p)) x; } __attribute__((packed)) const *_u = \
		(const void *)(p); \
	   _u->x; })

#include <linux/eventfd.h>
#include <linux/kvm_io_bus.h>

#endif /* SHIM_H */
