// SPDX-License-Identifier: GPL-2.0-only
// Everything about irqfds leaves eventfd.c but the ioctl's entry point.

// targets: virt/kvm/eventfd.c
@@
identifier f = {
	irqfd_inject,
	irqfd_resampler_notify,
	irqfd_resampler_ack,
	irqfd_resampler_shutdown,
	irqfd_shutdown,
	irqfd_is_active,
	irqfd_deactivate,
	kvm_arch_set_irq_inatomic,
	irqfd_wakeup,
	irqfd_ptable_queue_proc,
	irqfd_update,
	kvm_arch_irq_bypass_stop,
	kvm_arch_irq_bypass_start,
	kvm_arch_update_irqfd_routing,
	kvm_arch_irqfd_route_changed,
	kvm_irqfd_assign,
	kvm_irq_has_notifier,
	kvm_notify_acked_gsi,
	kvm_notify_acked_irq,
	kvm_register_irq_ack_notifier,
	kvm_unregister_irq_ack_notifier,
	kvm_irqfd_deassign,
	kvm_irqfd_release,
	kvm_irq_routing_update,
	kvm_notify_irqfd_resampler,
	kvm_irqfd_init,
	kvm_irqfd_exit
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

// targets: virt/kvm/eventfd.c
@@
identifier w = { irqfd_cleanup_wq };
@@
- static struct workqueue_struct *w;

// targets: virt/kvm/eventfd.c
@@
identifier kvm;
@@
- spin_lock_init(&kvm->irqfds.lock);
- INIT_LIST_HEAD(&kvm->irqfds.items);
- INIT_LIST_HEAD(&kvm->irqfds.resampler_list);
- mutex_init(&kvm->irqfds.resampler_lock);
+ kvm_irqfd_vm_init(kvm);

// targets: virt/kvm/eventfd.c
@@
@@
  #include <kvm/iodev.h>
+ #include "irqfd.h"
