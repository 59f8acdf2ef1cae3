// SPDX-License-Identifier: GPL-2.0-only
// The end of an irqfd leaves eventfd.c.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	irqfd_shutdown,
	irqfd_shutdown_work,
	irqfd_is_active,
	irqfd_deactivate,
	irqfd_dying,
	kvm_irqfd_deassign,
	kvm_irqfd_release
};
type T;
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/eventfd.c
@@
identifier irqfd;
@@
- if (irqfd_is_active(irqfd)) {
- 	irqfd_deactivate(irqfd);
+ if (irqfd_claim(irqfd))
  	queue_work(irqfd_cleanup_wq, &irqfd->shutdown);
- }

// targets: virt/kvm/eventfd.c
@@
identifier irqfd;
@@
  list_add_tail(&irqfd->list, &kvm->irqfds.items);
+ kvm->irqfds.nr++;

// bases: before 7.2
// targets: virt/kvm/eventfd.c
@@
identifier f = { kvm_arch_update_irqfd_routing, kvm_arch_irqfd_route_changed };
type T;
parameter list P;
@@
- T f(P) { ... }

// bases: from 7.2
// targets: virt/kvm/eventfd.c
@@
identifier f = { kvm_arch_update_irqfd_routing };
type T;
parameter list P;
@@
- T f(P) { ... }
