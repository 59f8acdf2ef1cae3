// SPDX-License-Identifier: GPL-2.0-only
// The notifiers of interrupt acknowledgments leave eventfd.c.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	kvm_irq_has_notifier,
	kvm_notify_acked_gsi,
	kvm_notify_acked_irq,
	kvm_register_irq_ack_notifier,
	kvm_unregister_irq_ack_notifier
};
type T;
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/eventfd.c
@@
declarer name EXPORT_SYMBOL_GPL;
identifier f = { kvm_irq_has_notifier };
@@
- EXPORT_SYMBOL_GPL(f);
