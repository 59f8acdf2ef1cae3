// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt acknowledgment: calls notifiers when the guest has finished with an
 * interrupt line. A level-triggered source can then look at its state again.
 *
 * kvm->irq_ack_notifier_list is written under kvm->irq_lock and read under
 * kvm->irq_srcu. kvm->irq_srcu also keeps the notifiers, because unregistering
 * waits for a grace period.
 */
#include <linux/kvm_host.h>
#include <trace/events/kvm.h>

/**
 * kvm_irq_has_notifier - look for a notifier of an interrupt
 * @kvm: the VM
 * @irqchip: the interrupt controller
 * @pin: its input
 *
 * Context: any. Takes kvm->irq_srcu for reading.
 * Return: true if a notifier is registered for the GSI that is routed to @pin.
 */
bool kvm_irq_has_notifier(struct kvm *kvm, unsigned int irqchip,
			  unsigned int pin)
{
	struct kvm_irq_ack_notifier *kian;
	bool found = false;
	int gsi, idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	gsi = kvm_irq_map_chip_pin(kvm, irqchip, pin);
	if (gsi != -1) {
		hlist_for_each_entry_srcu(kian, &kvm->irq_ack_notifier_list, link,
					  srcu_read_lock_held(&kvm->irq_srcu)) {
			found = kian->gsi == gsi;
			if (found)
				break;
		}
	}
	srcu_read_unlock(&kvm->irq_srcu, idx);
	return found;
}
EXPORT_SYMBOL_GPL(kvm_irq_has_notifier);

/**
 * kvm_notify_acked_gsi - call the notifiers of a GSI
 * @kvm: the VM
 * @gsi: the interrupt
 *
 * Context: kvm->irq_srcu held for reading; may be atomic.
 */
void kvm_notify_acked_gsi(struct kvm *kvm, int gsi)
{
	struct kvm_irq_ack_notifier *kian;

	hlist_for_each_entry_srcu(kian, &kvm->irq_ack_notifier_list, link,
				  srcu_read_lock_held(&kvm->irq_srcu)) {
		if (kian->gsi == gsi)
			kian->irq_acked(kian);
	}
}

/**
 * kvm_notify_acked_irq - call the notifiers of an interrupt
 * @kvm: the VM
 * @irqchip: the interrupt controller
 * @pin: its input
 *
 * Context: may be atomic. Takes kvm->irq_srcu for reading.
 */
void kvm_notify_acked_irq(struct kvm *kvm, unsigned int irqchip,
			  unsigned int pin)
{
	int gsi, idx;

	trace_kvm_ack_irq(irqchip, pin);

	idx = srcu_read_lock(&kvm->irq_srcu);
	gsi = kvm_irq_map_chip_pin(kvm, irqchip, pin);
	if (gsi != -1)
		kvm_notify_acked_gsi(kvm, gsi);
	srcu_read_unlock(&kvm->irq_srcu, idx);
}

/**
 * kvm_register_irq_ack_notifier - register a notifier
 * @kvm: the VM
 * @kian: the notifier; its callback runs under kvm->irq_srcu
 *
 * Context: process context, may sleep. Takes kvm->irq_lock.
 */
void kvm_register_irq_ack_notifier(struct kvm *kvm,
				   struct kvm_irq_ack_notifier *kian)
{
	mutex_lock(&kvm->irq_lock);
	hlist_add_head_rcu(&kian->link, &kvm->irq_ack_notifier_list);
	mutex_unlock(&kvm->irq_lock);
	kvm_arch_post_irq_ack_notifier_list_update(kvm);
}

/**
 * kvm_unregister_irq_ack_notifier - unregister a notifier
 * @kvm: the VM
 * @kian: the notifier; on return its callback is not running
 *
 * Context: process context, sleeps for a grace period of kvm->irq_srcu. The
 * caller holds no lock that readers of kvm->irq_srcu take. Takes kvm->irq_lock.
 */
void kvm_unregister_irq_ack_notifier(struct kvm *kvm,
				     struct kvm_irq_ack_notifier *kian)
{
	mutex_lock(&kvm->irq_lock);
	hlist_del_init_rcu(&kian->link);
	mutex_unlock(&kvm->irq_lock);
	synchronize_srcu_expedited(&kvm->irq_srcu);
	kvm_arch_post_irq_ack_notifier_list_update(kvm);
}
