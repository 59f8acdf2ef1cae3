// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: an eventfd that raises an interrupt of a guest.
 *
 * Life of an irqfd. kvm_irqfd_assign() makes it as KVM_IRQFD_NEW and binds it
 * to its eventfd. When it is complete, it becomes KVM_IRQFD_ACTIVE. To end it, a
 * task claims it: the task makes it KVM_IRQFD_DYING under irqfds.lock. Only that
 * task then calls irqfd_shutdown(). Three events end an irqfd:
 *  - KVM_IRQFD with DEASSIGN calls irqfd_shutdown() itself and waits for it.
 *  - The release of the VM does the same. Both wait for irqfds of this VM only.
 *  - The last close of the eventfd (EPOLLHUP) must not sleep. It leaves the
 *    shutdown to a work item.
 * A task that finds the irqfd claimed already waits on irqfds.idle.
 *
 * Binding. bound[] has the irqfds of all VMs by eventfd, under bound_lock. An
 * eventfd has at most one irqfd, because an irqfd consumes the event.
 * irqfd_shutdown() removes the binding before it returns or wakes a waiter, so
 * the eventfd can then be bound again.
 *
 * Events. An event calls irqfd_wakeup() under the wait-queue lock of the
 * eventfd. That lock keeps the irqfd alive during the call. irqfd_shutdown()
 * first removes the irqfd from the queue, under the same lock. Then it waits
 * for the work item that injects. Only then does it free anything. This needs
 * no grace period.
 *
 * Routes. irq_entry is a copy of the route of the GSI. It is written under
 * irqfds.lock with irq_entry_sc, and read with irq_entry_sc alone. An irqfd
 * stays on irqfds.items until its last event is over. A change of routes
 * updates all irqfds there, so no copy is stale.
 *
 * No interrupt is delivered by a replaced route after KVM_SET_GSI_ROUTING has
 * returned. The ioctl waits for two kinds of deliveries after the change:
 *  - Those in irqfd_signalled() do not sleep. Each is inside a reader of
 *    kvm->irq_srcu, from before it reads the route to after it has delivered.
 *  - Those in irqfd_inject() can sleep, as long as a page fault of the VMM
 *    takes: s390's adapters, Xen's event channels, arm64's ITS. They do not
 *    hold kvm->irq_srcu meanwhile. All of the VM would wait for it, and no
 *    signal could end the wait. Instead each is on irqfds.injecting and has a
 *    copy of irqfds.route_gen. Each change of routes increments
 *    irqfds.route_gen under the same lock. kvm_irq_routing_settle() waits for
 *    deliveries from before the change, or for a fatal signal. A process that
 *    dies may be the one that has to answer the page fault.
 *
 * Locks: irqfds.lock is innermost. It is taken under the wait-queue lock of an
 * eventfd, which interrupts may take, or under bound_lock, which they do not.
 * These two are never held together.
 */
#include <linux/atomic.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/kvm.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#define CREATE_TRACE_POINTS
#include <trace/events/kvm_irqfd.h>

#include "irqfd.h"

/* A large host has some thousand irqfds: 1024 heads keep the chains short. */
static DEFINE_HASHTABLE(bound, 10);
static DEFINE_SPINLOCK(bound_lock);

static struct workqueue_struct *irqfd_cleanup_wq;

bool __weak kvm_arch_irqfd_allowed(struct kvm *kvm, struct kvm_irqfd *args)
{
	return true;
}

int __weak kvm_arch_set_irq_inatomic(struct kvm_kernel_irq_routing_entry *irq,
				     struct kvm *kvm, int irq_source_id,
				     int level, bool line_status)
{
	return -EWOULDBLOCK;
}

static void irqfd_inject(struct work_struct *work)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(work, struct kvm_kernel_irqfd, inject);
	struct kvm *kvm = irqfd->kvm;

	trace_kvm_irqfd_inject(irqfd->gsi, irqfd->resampler);

	/*
	 * kvm_set_irq() drops kvm->irq_srcu before it delivers, and may then
	 * sleep. A delivery with the old route_gen may use the old route. One
	 * with the new route_gen uses the new route, because the lock orders it
	 * after the change.
	 */
	spin_lock_irq(&kvm->irqfds.lock);
	irqfd->route_gen = kvm->irqfds.route_gen;
	list_add_tail(&irqfd->injecting, &kvm->irqfds.injecting);
	spin_unlock_irq(&kvm->irqfds.lock);

	if (irqfd->resampler) {
		kvm_set_irq(kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, irqfd->gsi,
			    1, false);
	} else {
		kvm_set_irq(kvm, KVM_USERSPACE_IRQ_SOURCE_ID, irqfd->gsi, 1,
			    false);
		kvm_set_irq(kvm, KVM_USERSPACE_IRQ_SOURCE_ID, irqfd->gsi, 0,
			    false);
	}

	spin_lock_irq(&kvm->irqfds.lock);
	list_del(&irqfd->injecting);
	wake_up_all(&kvm->irqfds.idle);
	spin_unlock_irq(&kvm->irqfds.lock);
}

/* Claims an irqfd, to end it. Returns false if it cannot be claimed (again). */
static bool irqfd_claim(struct kvm_kernel_irqfd *irqfd)
{
	lockdep_assert_held(&irqfd->kvm->irqfds.lock);

	if (irqfd->state != KVM_IRQFD_ACTIVE)
		return false;
	irqfd->state = KVM_IRQFD_DYING;
	return true;
}

/* Runs under the eventfd's wait-queue lock. */
static void irqfd_queue_inject(struct kvm_kernel_irqfd *irqfd)
{
	WRITE_ONCE(irqfd->nr_work, irqfd->nr_work + 1);
	schedule_work(&irqfd->inject);
}

/* Runs under the eventfd's wait-queue lock, with interrupts disabled. */
static void irqfd_signalled(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry entry;
	struct kvm *kvm = irqfd->kvm;
	unsigned int seq;
	bool injected;
	int idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	do {
		/* Pairs with the write section in irqfd_update(). */
		seq = read_seqcount_begin(&irqfd->irq_entry_sc);
		entry = irqfd->irq_entry;
	} while (read_seqcount_retry(&irqfd->irq_entry_sc, seq));

	injected = kvm_arch_set_irq_inatomic(&entry, kvm,
					     KVM_USERSPACE_IRQ_SOURCE_ID, 1,
					     false) != -EWOULDBLOCK;
	if (injected)
		WRITE_ONCE(irqfd->nr_atomic, irqfd->nr_atomic + 1);
	else
		irqfd_queue_inject(irqfd);
	srcu_read_unlock(&kvm->irq_srcu, idx);

	trace_kvm_irqfd_signal(irqfd->gsi, injected);
}

/* Runs under the eventfd's wait-queue lock, with interrupts disabled. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync,
			void *key)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(wait, struct kvm_kernel_irqfd, wait);
	struct kvm *kvm = irqfd->kvm;
	__poll_t flags = key_to_poll(key);
	unsigned long irqflags;
	int consumed = 0;
	u64 cnt;

	if (flags & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &cnt);
		irqfd_signalled(irqfd);
		consumed = 1;
	}

	if (flags & EPOLLHUP) {
		spin_lock_irqsave(&kvm->irqfds.lock, irqflags);
		if (irqfd_claim(irqfd))
			queue_work(irqfd_cleanup_wq, &irqfd->shutdown);
		spin_unlock_irqrestore(&kvm->irqfds.lock, irqflags);
	}

	return consumed;
}

/* Adds what has been counted since the last call to the statistics of the VM. */
static void irqfd_add_stats(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_vm_stat_generic *stat = &irqfd->kvm->stat.generic;
	unsigned long nr_atomic = READ_ONCE(irqfd->nr_atomic);
	unsigned long nr_work = READ_ONCE(irqfd->nr_work);

	lockdep_assert_held(&irqfd->kvm->irqfds.lock);

	stat->irqfd_atomic += nr_atomic - irqfd->stat_atomic;
	stat->irqfd_deferred += nr_work - irqfd->stat_work;
	irqfd->stat_atomic = nr_atomic;
	irqfd->stat_work = nr_work;
}

/*
 * Ends an irqfd that the caller has claimed, and frees it. On return it raises
 * no more interrupts, and its eventfd can be bound again.
 */
static void irqfd_shutdown(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm *kvm = irqfd->kvm;
	u64 cnt;

	/* No event comes after this. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &cnt);
	/* No injection comes after this. */
	flush_work(&irqfd->inject);

	irqfd_bypass_unregister(irqfd);
	if (irqfd->resampler) {
		kvm_irqfd_resample_detach(irqfd);
		eventfd_ctx_put(irqfd->resamplefd);
	}

	spin_lock(&bound_lock);
	hash_del(&irqfd->node);
	spin_unlock(&bound_lock);
	eventfd_ctx_put(irqfd->eventfd);

	/*
	 * This comes last, with the wake-up under the lock: the release of the
	 * VM waits for it, then takes the lock, and only then frees the VM.
	 */
	spin_lock_irq(&kvm->irqfds.lock);
	irqfd_add_stats(irqfd);
	list_del(&irqfd->list);
	kvm->irqfds.nr--;
	wake_up_all(&kvm->irqfds.idle);
	spin_unlock_irq(&kvm->irqfds.lock);

	kfree(irqfd);
}

static void irqfd_shutdown_work(struct work_struct *work)
{
	irqfd_shutdown(container_of(work, struct kvm_kernel_irqfd, shutdown));
}

static struct kvm_kernel_irqfd *bound_find(struct eventfd_ctx *eventfd)
{
	struct kvm_kernel_irqfd *irqfd;

	lockdep_assert_held(&bound_lock);

	hash_for_each_possible(bound, irqfd, node, (unsigned long)eventfd) {
		if (irqfd->eventfd == eventfd)
			return irqfd;
	}
	return NULL;
}

/* Binds an irqfd to its eventfd, unless that has an irqfd in any VM. */
static int irqfd_bind(struct kvm_kernel_irqfd *irqfd)
{
	int ret = 0;

	spin_lock(&bound_lock);
	if (bound_find(irqfd->eventfd))
		ret = -EBUSY;
	else
		hash_add(bound, &irqfd->node, (unsigned long)irqfd->eventfd);
	spin_unlock(&bound_lock);
	return ret;
}

static void irqfd_unbind(struct kvm_kernel_irqfd *irqfd)
{
	spin_lock(&bound_lock);
	hash_del(&irqfd->node);
	spin_unlock(&bound_lock);
}

static void irqfd_update(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry entries[KVM_NR_IRQCHIPS];
	struct kvm *kvm = irqfd->kvm;
	int n;

	lockdep_assert_held(&kvm->irqfds.lock);

	n = kvm_irq_map_gsi(kvm, entries, irqfd->gsi);

	/* Pairs with the read section in irqfd_signalled(). */
	write_seqcount_begin(&irqfd->irq_entry_sc);
	if (n == 1)
		irqfd->irq_entry = entries[0];
	else
		irqfd->irq_entry.type = 0;
	write_seqcount_end(&irqfd->irq_entry_sc);
}

struct irqfd_poll {
	poll_table table;
	struct kvm_kernel_irqfd *irqfd;
	wait_queue_head_t *wqh;
};

static void irqfd_poll_queue(struct file *file, wait_queue_head_t *wqh,
			     poll_table *table)
{
	struct irqfd_poll *poll = container_of(table, struct irqfd_poll, table);

	poll->wqh = wqh;
	add_wait_queue_priority(wqh, &poll->irqfd->wait);
}

/* Hooks a new irqfd into its eventfd and injects an event that is pending. */
static void irqfd_hook(struct kvm_kernel_irqfd *irqfd, struct file *file)
{
	struct irqfd_poll poll = { .irqfd = irqfd };
	u64 cnt;

	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&poll.table, irqfd_poll_queue);
	vfs_poll(file, &poll.table);

	/*
	 * An event from before the hook is still in the counter. The lock
	 * excludes irqfd_wakeup(), so each event is consumed once.
	 */
	spin_lock_irq(&poll.wqh->lock);
	eventfd_ctx_do_read(irqfd->eventfd, &cnt);
	if (cnt)
		irqfd_queue_inject(irqfd);
	spin_unlock_irq(&poll.wqh->lock);
}

static int irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args)
{
	struct kvm_kernel_irqfd *irqfd;
	int ret, idx;
	struct fd f;

	if (!kvm_arch_intc_initialized(kvm))
		return -EAGAIN;
	if (!kvm_arch_irqfd_allowed(kvm, args))
		return -EINVAL;

	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;

	irqfd->kvm = kvm;
	irqfd->gsi = args->gsi;
	irqfd->state = KVM_IRQFD_NEW;
	INIT_WORK(&irqfd->inject, irqfd_inject);
	INIT_WORK(&irqfd->shutdown, irqfd_shutdown_work);
	seqcount_spinlock_init(&irqfd->irq_entry_sc, &kvm->irqfds.lock);

	f = fdget(args->fd);
	if (!fd_file(f)) {
		ret = -EBADF;
		goto free;
	}
	irqfd->eventfd = eventfd_ctx_fileget(fd_file(f));
	if (IS_ERR(irqfd->eventfd)) {
		ret = PTR_ERR(irqfd->eventfd);
		goto put_file;
	}
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		irqfd->resamplefd = eventfd_ctx_fdget(args->resamplefd);
		if (IS_ERR(irqfd->resamplefd)) {
			ret = PTR_ERR(irqfd->resamplefd);
			goto put_eventfd;
		}
	}

	ret = irqfd_bind(irqfd);
	if (ret)
		goto put_resamplefd;
	if (irqfd->resamplefd) {
		ret = kvm_irqfd_resample_attach(irqfd);
		if (ret)
			goto unbind;
	}

	/* Changes of routes must reach it before the first event does. */
	idx = srcu_read_lock(&kvm->irq_srcu);
	spin_lock_irq(&kvm->irqfds.lock);
	irqfd_update(irqfd);
	list_add_tail(&irqfd->list, &kvm->irqfds.items);
	kvm->irqfds.nr++;
	spin_unlock_irq(&kvm->irqfds.lock);
	srcu_read_unlock(&kvm->irq_srcu, idx);

	irqfd_hook(irqfd, fd_file(f));
	irqfd_bypass_register(irqfd);

	/* It must be complete now: another task may end it at once. */
	spin_lock_irq(&kvm->irqfds.lock);
	irqfd->state = KVM_IRQFD_ACTIVE;
	spin_unlock_irq(&kvm->irqfds.lock);

	/* Only now: the last close of the file must find an active irqfd. */
	fdput(f);
	return 0;

unbind:
	irqfd_unbind(irqfd);
put_resamplefd:
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
put_eventfd:
	eventfd_ctx_put(irqfd->eventfd);
put_file:
	fdput(f);
free:
	kfree(irqfd);
	return ret;
}

/**
 * kvm_irqfd_assign - make an irqfd
 * @kvm: the VM
 * @args: the arguments of KVM_IRQFD, its flags checked by kvm_irqfd()
 *
 * Context: process context, may sleep.
 * Return: 0; -EAGAIN if the interrupt controller is not initialized yet;
 * -EINVAL if the VM lacks the interrupt controller or an fd is not an eventfd;
 * -EBADF if an fd is not open; -EBUSY if the eventfd has an irqfd in any VM;
 * -ENOMEM. After an error, nothing has changed.
 */
int kvm_irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args)
{
	int ret = irqfd_assign(kvm, args);

	trace_kvm_irqfd_assign(args->gsi, ret);
	return ret;
}

/*
 * Finds the irqfd of an eventfd and GSI in this VM, and claims it. Returns NULL
 * if there is none, or if it cannot be claimed. @dying tells if another task
 * has claimed it.
 */
static struct kvm_kernel_irqfd *irqfd_get_claim(struct kvm *kvm,
						struct eventfd_ctx *eventfd,
						int gsi, bool *dying)
{
	struct kvm_kernel_irqfd *irqfd;

	*dying = false;
	spin_lock(&bound_lock);
	irqfd = bound_find(eventfd);
	if (irqfd && irqfd->kvm == kvm && irqfd->gsi == gsi) {
		spin_lock_irq(&kvm->irqfds.lock);
		*dying = irqfd->state == KVM_IRQFD_DYING;
		if (!irqfd_claim(irqfd))
			irqfd = NULL;
		spin_unlock_irq(&kvm->irqfds.lock);
	} else {
		irqfd = NULL;
	}
	spin_unlock(&bound_lock);
	return irqfd;
}

/**
 * kvm_irqfd_deassign - end the irqfd of an eventfd and GSI
 * @kvm: the VM
 * @args: the arguments of KVM_IRQFD
 *
 * On return, the irqfd raises no more interrupts, even if another task ends it.
 *
 * Context: process context, may sleep.
 * Return: 0, even if there is no such irqfd; -EBADF if args->fd is not open;
 * -EINVAL if it is not an eventfd.
 */
int kvm_irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args)
{
	struct kvm_kernel_irqfd *irqfd;
	struct eventfd_ctx *eventfd;
	bool dying;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	wait_event(kvm->irqfds.idle,
		   (irqfd = irqfd_get_claim(kvm, eventfd, args->gsi, &dying)) ||
		   !dying);
	if (irqfd)
		irqfd_shutdown(irqfd);
	trace_kvm_irqfd_deassign(args->gsi, irqfd ? 0 : -ENOENT);

	eventfd_ctx_put(eventfd);
	return 0;
}

/**
 * kvm_irqfd_release - end all irqfds of a VM
 * @kvm: the VM, which is being released
 *
 * On return @kvm has no irqfds and no work items of irqfds.
 *
 * Context: process context, may sleep.
 */
void kvm_irqfd_release(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;
	bool claimed;

	spin_lock_irq(&kvm->irqfds.lock);
	do {
		claimed = false;
		list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
			claimed = irqfd_claim(irqfd);
			if (claimed)
				break;
		}
		if (claimed) {
			spin_unlock_irq(&kvm->irqfds.lock);
			irqfd_shutdown(irqfd);
			spin_lock_irq(&kvm->irqfds.lock);
		}
	} while (claimed);

	/* Wait for those that other tasks have claimed. */
	wait_event_lock_irq(kvm->irqfds.idle, !kvm->irqfds.nr, kvm->irqfds.lock);
	spin_unlock_irq(&kvm->irqfds.lock);
}

/**
 * kvm_irq_routing_update - update all irqfds after a change of routes
 * @kvm: the VM, with its new routes in place
 *
 * Afterwards the caller waits for a grace period of kvm->irq_srcu and calls
 * kvm_irq_routing_settle().
 *
 * Context: kvm->irq_lock.
 */
void kvm_irq_routing_update(struct kvm *kvm)
{
	struct kvm_kernel_irq_routing_entry old;
	struct kvm_kernel_irqfd *irqfd;

	spin_lock_irq(&kvm->irqfds.lock);
	kvm->irqfds.route_gen++;
	list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
		old = irqfd->irq_entry;
		irqfd_update(irqfd);
		irqfd_bypass_reroute(irqfd, &old);
	}
	spin_unlock_irq(&kvm->irqfds.lock);
}

/* True if no delivery is under way that began before @gen. */
static bool irqfd_settled(struct kvm *kvm, u64 gen)
{
	struct kvm_kernel_irqfd *oldest;
	bool settled;

	spin_lock_irq(&kvm->irqfds.lock);
	oldest = list_first_entry_or_null(&kvm->irqfds.injecting,
					  struct kvm_kernel_irqfd, injecting);
	settled = !oldest || oldest->route_gen >= gen;
	spin_unlock_irq(&kvm->irqfds.lock);
	return settled;
}

/**
 * kvm_irq_routing_settle - wait for deliveries by old routes
 * @kvm: the VM, after kvm_irq_routing_update()
 *
 * Waits for deliveries that can sleep and began before the last change. It does
 * not wait for later ones. A fatal signal ends the wait; the ioctl then does
 * not return to userspace.
 *
 * Context: process context, sleeps, without kvm->irq_lock.
 */
void kvm_irq_routing_settle(struct kvm *kvm)
{
	u64 gen;

	spin_lock_irq(&kvm->irqfds.lock);
	gen = kvm->irqfds.route_gen;
	spin_unlock_irq(&kvm->irqfds.lock);

	wait_event_killable(kvm->irqfds.idle, irqfd_settled(kvm, gen));
}

/**
 * kvm_irqfd_list - list all irqfds of a VM
 * @kvm: the VM
 * @info: filled with one entry per irqfd, in order of assignment
 * @max: the size of @info, in entries
 *
 * Context: process context. Takes irqfds.lock.
 * Return: the number of irqfds, which can be more than @max.
 */
unsigned long kvm_irqfd_list(struct kvm *kvm, struct kvm_irqfd_info *info,
			     unsigned long max)
{
	struct kvm_kernel_irqfd *irqfd;
	unsigned long nr = 0;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
		if (nr < max)
			info[nr] = (struct kvm_irqfd_info) {
				.gsi = irqfd->gsi,
				.level = irqfd->resampler,
				.bypass = irqfd->producer,
				.route = irqfd->irq_entry,
				.nr_atomic = READ_ONCE(irqfd->nr_atomic),
				.nr_work = READ_ONCE(irqfd->nr_work),
				.nr_resampled =
					atomic_long_read(&irqfd->nr_resampled),
			};
		nr++;
	}
	spin_unlock_irq(&kvm->irqfds.lock);
	return nr;
}

/**
 * kvm_irqfd_update_stats - bring the statistics of a VM up to date
 * @kvm: the VM
 *
 * Each irqfd counts its own events. A count of the VM would be one more cache
 * line that all senders of interrupts write. So the sums are made when they are
 * read. An event that is counted meanwhile is in this sum or in the next.
 *
 * Context: process context. Takes irqfds.lock.
 */
void kvm_irqfd_update_stats(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.items, list)
		irqfd_add_stats(irqfd);
	spin_unlock_irq(&kvm->irqfds.lock);
}

/**
 * kvm_irqfd_vm_init - initialize the irqfd state of a new VM
 * @kvm: the VM
 *
 * Context: any; no other task has access to @kvm yet.
 */
void kvm_irqfd_vm_init(struct kvm *kvm)
{
	spin_lock_init(&kvm->irqfds.lock);
	INIT_LIST_HEAD(&kvm->irqfds.items);
	INIT_LIST_HEAD(&kvm->irqfds.resampler_list);
	mutex_init(&kvm->irqfds.resampler_lock);
	INIT_LIST_HEAD(&kvm->irqfds.retiring);
	INIT_LIST_HEAD(&kvm->irqfds.injecting);
	init_waitqueue_head(&kvm->irqfds.idle);
	kvm->irqfds.nr = 0;
	kvm->irqfds.route_gen = 0;
}

/**
 * kvm_irqfd_init - initialize irqfds when the module is loaded
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kvm_irqfd_init(void)
{
	irqfd_cleanup_wq = alloc_workqueue("kvm-irqfd-cleanup", WQ_UNBOUND, 0);
	return irqfd_cleanup_wq ? 0 : -ENOMEM;
}

/**
 * kvm_irqfd_exit - clean up when the module is unloaded
 *
 * Context: process context, may sleep; there are no more VMs.
 */
void kvm_irqfd_exit(void)
{
	destroy_workqueue(irqfd_cleanup_wq);
}
