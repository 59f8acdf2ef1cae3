/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_EVENTFD_H
#define SHIM_LINUX_EVENTFD_H

/* An eventfd is a count; one that is put for the last time is freed. */
struct eventfd_ctx {
	unsigned long refs;
	unsigned long count;
	spinlock_t lock;
	int id;
};

struct eventfd_ctx *shim_eventfd_new(int id);
struct eventfd_ctx *eventfd_ctx_fdget(int fd);
void eventfd_ctx_get(struct eventfd_ctx *ctx);
void eventfd_ctx_put(struct eventfd_ctx *ctx);

/* Tests see what was rung */
extern void (*shim_on_signal)(struct eventfd_ctx *ctx);

static inline void eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef SHIM_BENCH
	spin_lock(&ctx->lock);
	ctx->count++;
	spin_unlock(&ctx->lock);
#else
	/* Under a doorbell's lock, which is not held with interrupts on */
	SHIM_ASSERT(shim_irqs_off);
	SHIM_ASSERT(__atomic_load_n(&ctx->refs, __ATOMIC_RELAXED) > 0);
	__atomic_fetch_add(&ctx->count, 1, __ATOMIC_SEQ_CST);
	if (shim_on_signal)
		shim_on_signal(ctx);
#endif
}

/* What fds are: closed, something else than an eventfd, or one */
#define SHIM_NR_FDS	64
#define SHIM_FD_OTHER	((struct eventfd_ctx *)-1)
extern struct eventfd_ctx *shim_fd[SHIM_NR_FDS];

#endif /* SHIM_LINUX_EVENTFD_H */
