/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_KVM_IRQFD_H
#define __LINUX_KVM_IRQFD_H

#include <linux/irqbypass.h>
#include <linux/kvm_host.h>
#include <linux/seqlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/**
 * struct kvm_kernel_irqfd_resampler - the level-triggered irqfds of one GSI
 * @kvm: the VM
 * @list: its irqfds by resampler_link; written under irqfds.resampler_lock,
 *	read under kvm->irq_srcu
 * @notifier: called when the guest acknowledges the interrupt
 * @link: in kvm->irqfds.resampler_list; written and read as @list
 * @retiring: in kvm->irqfds.retiring from the removal of the last irqfd to the
 *	last de-assertion; under irqfds.lock
 *
 * All irqfds assert the line by the same interrupt source. So one
 * acknowledgment de-asserts it for all of them, and no irqfd needs a state of
 * its own.
 */
struct kvm_kernel_irqfd_resampler {
	struct kvm *kvm;
	struct list_head list;
	struct kvm_irq_ack_notifier notifier;
	struct list_head link;
	struct list_head retiring;
};

/**
 * enum kvm_irqfd_state - the life of an irqfd
 * @KVM_IRQFD_NEW: it is being assigned, and belongs to the task that assigns it
 * @KVM_IRQFD_ACTIVE: it is complete; a task that ends it claims it first
 * @KVM_IRQFD_DYING: it is claimed, and belongs to the task that claimed it
 */
enum kvm_irqfd_state {
	KVM_IRQFD_NEW,
	KVM_IRQFD_ACTIVE,
	KVM_IRQFD_DYING,
};

/**
 * struct kvm_kernel_irqfd - an eventfd that raises an interrupt of a guest
 * @kvm: the VM
 * @wait: the entry in the wait queue of the eventfd
 * @irq_entry: the route of @gsi if it has exactly one, else its type is 0;
 *	written under irqfds.lock
 * @irq_entry_sc: for readers of @irq_entry
 * @gsi: the interrupt
 * @state: see enum kvm_irqfd_state; under irqfds.lock
 * @inject: the work item that injects if the injection may sleep
 * @injecting: in kvm->irqfds.injecting while @inject delivers; under
 *	irqfds.lock
 * @route_gen: kvm->irqfds.route_gen at the start of that delivery
 * @resampler: the resampler of a level-triggered irqfd, else NULL
 * @resamplefd: signalled when the guest has acknowledged the interrupt
 * @resampler_link: in the list of @resampler
 * @eventfd: the eventfd, with a reference
 * @list: in kvm->irqfds.items from before the first event to after the last,
 *	so that a change of routes reaches it; under irqfds.lock
 * @node: in the table of all bound eventfds
 * @shutdown: the work item that ends the irqfd when the eventfd is closed
 * @consumer: the consumer side of an irq bypass
 * @producer: the producer side, set by the architecture under irqfds.lock
 * @nr_atomic: number of events injected at once; written under the wait-queue
 *	lock of the eventfd
 * @nr_work: number of events left to @inject; written under the same lock
 * @stat_atomic: what kvm->stat has of @nr_atomic; under irqfds.lock
 * @stat_work: what kvm->stat has of @nr_work; under irqfds.lock
 * @nr_resampled: number of signals of @resamplefd
 */
struct kvm_kernel_irqfd {
	struct kvm *kvm;
	wait_queue_entry_t wait;
	struct kvm_kernel_irq_routing_entry irq_entry;
	seqcount_spinlock_t irq_entry_sc;
	int gsi;
	enum kvm_irqfd_state state;
	struct work_struct inject;
	struct list_head injecting;
	u64 route_gen;
	struct kvm_kernel_irqfd_resampler *resampler;
	struct eventfd_ctx *resamplefd;
	struct list_head resampler_link;
	struct eventfd_ctx *eventfd;
	struct list_head list;
	struct hlist_node node;
	struct work_struct shutdown;
	struct irq_bypass_consumer consumer;
	struct irq_bypass_producer *producer;
	unsigned long nr_atomic;
	unsigned long nr_work;
	unsigned long stat_atomic;
	unsigned long stat_work;
	atomic_long_t nr_resampled;
};

/**
 * struct kvm_irqfd_info - a copy of the state of an irqfd
 * @gsi: the interrupt
 * @level: true if it is level-triggered
 * @bypass: true if it has an irq bypass
 * @route: its route; the type is 0 unless there is exactly one
 * @nr_atomic: number of events injected at once
 * @nr_work: number of events left to a work item
 * @nr_resampled: number of signals of the resamplefd
 */
struct kvm_irqfd_info {
	int gsi;
	bool level;
	bool bypass;
	struct kvm_kernel_irq_routing_entry route;
	unsigned long nr_atomic;
	unsigned long nr_work;
	unsigned long nr_resampled;
};

unsigned long kvm_irqfd_list(struct kvm *kvm, struct kvm_irqfd_info *info,
			     unsigned long max);

#endif /* __LINUX_KVM_IRQFD_H */
