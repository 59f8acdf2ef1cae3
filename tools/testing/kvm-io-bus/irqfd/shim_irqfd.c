// SPDX-License-Identifier: GPL-2.0-only
#include "shim_irqfd.h"
#include "shim_ctl.h"

void (*shim_on_read_route)(void);

/* Waiting */

static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_cond = PTHREAD_COND_INITIALIZER;

void shim_wait(wait_queue_head_t *wqh, unsigned long *seen)
{
	pthread_mutex_lock(&wait_lock);
	while (__atomic_load_n(&wqh->wakeups, __ATOMIC_SEQ_CST) == *seen)
		pthread_cond_wait(&wait_cond, &wait_lock);
	*seen = __atomic_load_n(&wqh->wakeups, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&wait_lock);
}

void wake_up_all(wait_queue_head_t *wqh)
{
	pthread_mutex_lock(&wait_lock);
	__atomic_fetch_add(&wqh->wakeups, 1, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&wait_cond);
	pthread_mutex_unlock(&wait_lock);
}

/* Work: a queue has one thread; an item may free itself. */

struct workqueue_struct {
	pthread_t thread;
	int index;
	bool stop;
	struct work_struct *first, **last;
	struct work_struct *running;
};

static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_cond = PTHREAD_COND_INITIALIZER;
static struct workqueue_struct *system_wq;
static int nr_workqueues;

static void *work_thread(void *arg)
{
	struct workqueue_struct *wq = arg;

	shim_thread = wq->index;
	pthread_mutex_lock(&work_lock);
	for (;;) {
		struct work_struct *work = wq->first;
		void (*func)(struct work_struct *work);

		if (!work) {
			if (wq->stop)
				break;
			pthread_cond_wait(&work_cond, &work_lock);
			continue;
		}
		wq->first = work->next;
		if (!wq->first)
			wq->last = &wq->first;
		work->pending = false;
		wq->running = work;
		func = work->func;
		pthread_mutex_unlock(&work_lock);
		func(work);
		pthread_mutex_lock(&work_lock);
		wq->running = NULL;
		pthread_cond_broadcast(&work_cond);
	}
	pthread_mutex_unlock(&work_lock);
	return NULL;
}

struct workqueue_struct *alloc_workqueue(const char *name, unsigned int flags,
					 int max_active)
{
	struct workqueue_struct *wq = calloc(1, sizeof(*wq));

	SHIM_ASSERT(wq);
	wq->last = &wq->first;
	wq->index = SHIM_MAX_THREADS - 1 - nr_workqueues++;
	SHIM_ASSERT(!pthread_create(&wq->thread, NULL, work_thread, wq));
	return wq;
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	pthread_mutex_lock(&work_lock);
	wq->stop = true;
	pthread_cond_broadcast(&work_cond);
	pthread_mutex_unlock(&work_lock);
	pthread_join(wq->thread, NULL);
	nr_workqueues--;
	free(wq);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued;

	pthread_mutex_lock(&work_lock);
	queued = !work->pending;
	if (queued) {
		work->pending = true;
		work->next = NULL;
		*wq->last = work;
		wq->last = &work->next;
		pthread_cond_broadcast(&work_cond);
	}
	pthread_mutex_unlock(&work_lock);
	return queued;
}

bool schedule_work(struct work_struct *work)
{
	return queue_work(system_wq, work);
}

void flush_work(struct work_struct *work)
{
	pthread_mutex_lock(&work_lock);
	while (work->pending || system_wq->running == work)
		pthread_cond_wait(&work_cond, &work_lock);
	pthread_mutex_unlock(&work_lock);
}

void shim_start(void);
void shim_end(void);

void shim_start(void)
{
	system_wq = alloc_workqueue("events", 0, 0);
	SHIM_ASSERT(!kvm_irqfd_init());
}

void shim_end(void)
{
	kvm_irqfd_exit();
	destroy_workqueue(system_wq);
}

/* Eventfds and files */

static pthread_mutex_t fd_lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files[1024];

void eventfd_ctx_put(struct eventfd_ctx *ctx)
{
	if (!__atomic_sub_fetch(&ctx->refs, 1, __ATOMIC_SEQ_CST)) {
		SHIM_ASSERT(list_empty(&ctx->wqh.head));
		shim_free(ctx);
	}
}

/* The waiters' functions; the lock is held, as in the kernel. */
static void wake(struct eventfd_ctx *ctx, __poll_t flags)
{
	struct list_head *p, *next;

	for (p = ctx->wqh.head.next; p != &ctx->wqh.head; p = next) {
		wait_queue_entry_t *wait;

		next = p->next;
		wait = container_of(p, wait_queue_entry_t, entry);
		if (wait->func(wait, 0, 0, (void *)(uintptr_t)flags))
			break;
	}
}

void eventfd_signal(struct eventfd_ctx *ctx)
{
	SHIM_ASSERT(__atomic_load_n(&ctx->refs, __ATOMIC_RELAXED));
	spin_lock(&ctx->wqh.lock);
	ctx->count++;
	wake(ctx, EPOLLIN);
	spin_unlock(&ctx->wqh.lock);
}

void eventfd_ctx_do_read(struct eventfd_ctx *ctx, u64 *cnt)
{
	*cnt = ctx->count;
	ctx->count = 0;
}

int eventfd_ctx_remove_wait_queue(struct eventfd_ctx *ctx,
				  wait_queue_entry_t *wait, u64 *cnt)
{
	spin_lock(&ctx->wqh.lock);
	eventfd_ctx_do_read(ctx, cnt);
	list_del(&wait->entry);
	spin_unlock(&ctx->wqh.lock);
	return *cnt ? 0 : -EAGAIN;
}

static void file_put(struct file *file)
{
	if (__atomic_sub_fetch(&file->refs, 1, __ATOMIC_SEQ_CST))
		return;
	if (file->ctx) {
		spin_lock(&file->ctx->wqh.lock);
		wake(file->ctx, EPOLLHUP);
		spin_unlock(&file->ctx->wqh.lock);
		eventfd_ctx_put(file->ctx);
	}
	shim_free(file);
}

int shim_open(bool is_eventfd)
{
	struct file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	unsigned int fd;

	SHIM_ASSERT(file);
	file->refs = 1;
	if (is_eventfd) {
		file->ctx = kzalloc(sizeof(*file->ctx), GFP_KERNEL_ACCOUNT);
		SHIM_ASSERT(file->ctx);
		file->ctx->refs = 1;
		init_waitqueue_head(&file->ctx->wqh);
	}
	pthread_mutex_lock(&fd_lock);
	for (fd = 0; files[fd]; fd++)
		;
	files[fd] = file;
	pthread_mutex_unlock(&fd_lock);
	return fd;
}

struct fd fdget(unsigned int fd)
{
	struct fd f = {};

	pthread_mutex_lock(&fd_lock);
	if (fd < 1024)
		f.file = files[fd];
	if (f.file)
		__atomic_fetch_add(&f.file->refs, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&fd_lock);
	return f;
}

void fdput(struct fd f)
{
	if (f.file)
		file_put(f.file);
}

void shim_close(int fd)
{
	struct file *file;

	pthread_mutex_lock(&fd_lock);
	file = files[fd];
	files[fd] = NULL;
	pthread_mutex_unlock(&fd_lock);
	file_put(file);
}

struct eventfd_ctx *eventfd_ctx_fileget(struct file *file)
{
	if (!file->ctx)
		return ERR_PTR(-EINVAL);
	__atomic_fetch_add(&file->ctx->refs, 1, __ATOMIC_SEQ_CST);
	return file->ctx;
}

struct eventfd_ctx *eventfd_ctx_fdget(int fd)
{
	struct fd f = fdget(fd);
	struct eventfd_ctx *ctx;

	if (!f.file)
		return ERR_PTR(-EBADF);
	ctx = eventfd_ctx_fileget(f.file);
	fdput(f);
	return ctx;
}

__poll_t vfs_poll(struct file *file, poll_table *table)
{
	table->func(file, &file->ctx->wqh, table);
	return 0;
}

void shim_write(int fd)
{
	struct fd f = fdget(fd);

	eventfd_signal(f.file->ctx);
	fdput(f);
}

u64 shim_read(int fd)
{
	struct fd f = fdget(fd);
	u64 cnt;

	spin_lock(&f.file->ctx->wqh.lock);
	eventfd_ctx_do_read(f.file->ctx, &cnt);
	spin_unlock(&f.file->ctx->wqh.lock);
	fdput(f);
	return cnt;
}

/* The interrupt controller */

int kvm_irq_map_gsi(struct kvm *kvm,
		    struct kvm_kernel_irq_routing_entry *entries, int gsi)
{
	struct routes *routes;

	SHIM_ASSERT(srcu_read_lock_held(&kvm->irq_srcu) ||
		    shim_mutex_is_held(&kvm->irq_lock));
	routes = __atomic_load_n(&kvm->routes, __ATOMIC_ACQUIRE);
	if ((u32)gsi >= NR_GSIS || !routes->entry[gsi].type)
		return 0;
	entries[0] = routes->entry[gsi];
	return 1;
}

int kvm_irq_map_chip_pin(struct kvm *kvm, unsigned int irqchip, unsigned int pin)
{
	return pin < NR_GSIS ? (int)pin : -1;
}

/* Table and count change in one step: no other arrival comes between. */
static pthread_mutex_t arrive_lock = PTHREAD_MUTEX_INITIALIZER;

static void arrive(struct kvm *kvm,
		   const struct kvm_kernel_irq_routing_entry *entry, int level)
{
	if (!level)
		return;
	pthread_mutex_lock(&arrive_lock);
	__atomic_store_n(&kvm->by_table[entry->gsi], entry->id, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&kvm->arrived[entry->gsi], 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&arrive_lock);
}

int kvm_arch_set_irq_inatomic(struct kvm_kernel_irq_routing_entry *irq,
			      struct kvm *kvm, int irq_source_id, int level,
			      bool line_status)
{
	/* Only what is within a reader is waited for when routes change */
	SHIM_ASSERT(srcu_read_lock_held(&kvm->irq_srcu));
	if (irq->type != KVM_IRQ_ROUTING_MSI)
		return -EWOULDBLOCK;
	arrive(kvm, irq, level);
	__atomic_fetch_add(&kvm->arrived_at_once, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static unsigned int deliveries;

int kvm_set_irq(struct kvm *kvm, int irq_source_id, u32 irq, int level,
		bool line_status)
{
	struct kvm_kernel_irq_routing_entry entry;
	int idx, n;

	idx = srcu_read_lock(&kvm->irq_srcu);
	n = kvm_irq_map_gsi(kvm, &entry, irq);
	srcu_read_unlock(&kvm->irq_srcu, idx);
	if (!n) {
		__atomic_fetch_add(&kvm->arrived_nowhere, 1, __ATOMIC_SEQ_CST);
		return -1;
	}
	if (irq_source_id == KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID) {
		if (!level && READ_ONCE(kvm->line[irq]))
			__atomic_fetch_add(&kvm->lowered[irq], 1,
					   __ATOMIC_SEQ_CST);
		WRITE_ONCE(kvm->line[irq], level);
	}
	/* A delivery may sleep here; some do */
	if (level && !(__atomic_add_fetch(&deliveries, 1, __ATOMIC_RELAXED) % 8))
		usleep(100);
	arrive(kvm, &entry, level);
	return 1;
}
