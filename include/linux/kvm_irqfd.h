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
 * @retiring: in kvm->irqfds.retiring while it is being taken down; under
 *	irqfds.lock
 *
 * All of them assert the line by one interrupt source, so that one
 * acknowledgment de-asserts it for all and nothing is kept per irqfd.
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
 * @KVM_IRQFD_NEW: being assigned; belongs to whoever assigns it
 * @KVM_IRQFD_ACTIVE: may be claimed by whoever wants to end it
 * @KVM_IRQFD_DYING: belongs to whoever claimed it
 */
enum kvm_irqfd_state {
	KVM_IRQFD_NEW,
	KVM_IRQFD_ACTIVE,
	KVM_IRQFD_DYING,
};

/**
 * struct kvm_kernel_irqfd - an eventfd that raises an interrupt of a guest
 * @kvm: the VM
 * @wait: hooked into the eventfd
 * @irq_entry: the route of @gsi if it has exactly one; else its type is 0
 * @irq_entry_sc: for readers of @irq_entry; it is written under irqfds.lock
 * @gsi: the interrupt
 * @state: who may end it; under irqfds.lock
 * @inject: injects where that may sleep
 * @injecting: in kvm->irqfds.injecting while @inject delivers; under irqfds.lock
 * @route_gen: kvm->irqfds.route_gen of when it began to
 * @resampler: for a level-triggered one, else NULL
 * @resamplefd: signalled when the guest has acknowledged the interrupt
 * @resampler_link: in @resampler's list
 * @eventfd: the eventfd, referenced
 * @list: in kvm->irqfds.items from before the first event to after the last,
 *	so that a change of routes reaches it; under irqfds.lock
 * @node: in the table of all bound eventfds
 * @shutdown: ends it where the eventfd's close cannot wait
 * @consumer: its side of an irq bypass
 * @producer: the other side, set by the architecture under irqfds.lock
 * @nr_atomic: events injected at once; written under the eventfd's wait-queue
 *	lock
 * @nr_work: events left to @inject; written likewise
 * @nr_resampled: signals of @resamplefd
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
	atomic_long_t nr_resampled;
};

/**
 * struct kvm_irqfd_info - an irqfd as it was when it was looked at
 * @gsi: the interrupt
 * @level: whether it is level-triggered
 * @bypass: whether it has an irq bypass
 * @route: its route; the type is 0 if there is not exactly one
 * @nr_atomic: events injected at once
 * @nr_work: events left to a work item
 * @nr_resampled: signals of the resamplefd
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
