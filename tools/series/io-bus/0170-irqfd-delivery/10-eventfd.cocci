// SPDX-License-Identifier: GPL-2.0-only
// Events and routes leave eventfd.c.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	irqfd_inject,
	irqfd_wakeup,
	irqfd_update,
	kvm_irq_routing_update,
	irqfd_settled,
	kvm_irq_routing_settle
};
type T;
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/eventfd.c
@@
expression kvm, irqfd;
@@
- irqfd_update(kvm, irqfd);
+ irqfd_update(irqfd);
