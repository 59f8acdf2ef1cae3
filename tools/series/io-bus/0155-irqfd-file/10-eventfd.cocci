// SPDX-License-Identifier: GPL-2.0-only
// Irqfds begin to leave eventfd.c.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	irqfd_bind,
	irqfd_unbind,
	kvm_arch_set_irq_inatomic,
	kvm_irqfd_init,
	kvm_irqfd_exit
};
type T;
parameter list P;
@@
- T f(P) { ... }
