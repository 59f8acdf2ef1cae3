// SPDX-License-Identifier: GPL-2.0-only
// Level-triggered irqfds leave eventfd.c.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	irqfd_resampler_notify,
	irqfd_resampler_ack,
	irqfd_resampler_shutdown,
	kvm_notify_irqfd_resampler
};
type T;
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/eventfd.c
@@
expression E;
@@
- irqfd_resampler_shutdown(E);
+ kvm_irqfd_resample_detach(E);
