// SPDX-License-Identifier: GPL-2.0-only
// The last of irqfds leaves eventfd.c, but for the ioctl.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	kvm_arch_irq_bypass_stop,
	kvm_arch_irq_bypass_start,
	kvm_irqfd_assign
};
type T;
parameter list P;
@@
- T f(P) { ... }

// bases: before 7.2
// targets: virt/kvm/eventfd.c
@@
identifier f = { irqfd_ptable_queue_proc };
parameter list P;
@@
- void f(P) { ... }

// bases: from 7.2
// targets: virt/kvm/eventfd.c
@@
identifier f = { kvm_irqfd_register };
parameter list P;
@@
- void f(P) { ... }

// targets: virt/kvm/eventfd.c
@@
identifier s = { kvm_irqfd_pt };
@@
- struct s { ... };
