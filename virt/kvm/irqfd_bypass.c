// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq bypass of irqfds: a device that is passed through raises the guest's
 * interrupt without the eventfd.
 */
#include <linux/irqbypass.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>

#include "irqfd.h"

#if IS_ENABLED(CONFIG_HAVE_KVM_IRQ_BYPASS)
void __weak kvm_arch_irq_bypass_stop(struct irq_bypass_consumer *cons)
{
}

void __weak kvm_arch_irq_bypass_start(struct irq_bypass_consumer *cons)
{
}

int __weak kvm_arch_update_irqfd_routing(struct kvm *kvm, unsigned int host_irq,
					 u32 guest_irq, bool set)
{
	return 0;
}

bool __weak
kvm_arch_irqfd_route_changed(struct kvm_kernel_irq_routing_entry *old,
			     struct kvm_kernel_irq_routing_entry *new)
{
	return true;
}

/**
 * irqfd_bypass_register - register an irqfd as the consumer of an irq bypass
 * @irqfd: the irqfd, which is complete but for its state
 *
 * Without a bypass, interrupts go through the eventfd, so there is no error.
 *
 * Context: process context, may sleep.
 */
void irqfd_bypass_register(struct kvm_kernel_irqfd *irqfd)
{
	struct irq_bypass_consumer *consumer = &irqfd->consumer;
	int ret;

	if (!kvm_arch_has_irq_bypass())
		return;

	consumer->token = irqfd->eventfd;
	consumer->add_producer = kvm_arch_irq_bypass_add_producer;
	consumer->del_producer = kvm_arch_irq_bypass_del_producer;
	consumer->stop = kvm_arch_irq_bypass_stop;
	consumer->start = kvm_arch_irq_bypass_start;

	ret = irq_bypass_register_consumer(consumer);
	if (ret)
		pr_info_ratelimited("irqfd for GSI %d goes without irq bypass: %d\n",
				    irqfd->gsi, ret);
}

/**
 * irqfd_bypass_unregister - undo irqfd_bypass_register()
 * @irqfd: the irqfd; it raises no more interrupts
 *
 * Context: process context, may sleep.
 */
void irqfd_bypass_unregister(struct kvm_kernel_irqfd *irqfd)
{
	irq_bypass_unregister_consumer(&irqfd->consumer);
}

/**
 * irqfd_bypass_reroute - let the irq bypass of an irqfd follow its route
 * @irqfd: the irqfd, with the new route
 * @old: the route before
 *
 * Context: irqfds.lock held.
 */
void irqfd_bypass_reroute(struct kvm_kernel_irqfd *irqfd,
			  struct kvm_kernel_irq_routing_entry *old)
{
	int ret;

	if (!irqfd->producer ||
	    !kvm_arch_irqfd_route_changed(old, &irqfd->irq_entry))
		return;

	ret = kvm_arch_update_irqfd_routing(irqfd->kvm, irqfd->producer->irq,
					    irqfd->gsi, 1);
	if (ret)
		pr_warn_ratelimited("host irq %d does not follow GSI %d: %d\n",
				    irqfd->producer->irq, irqfd->gsi, ret);
}
#endif
