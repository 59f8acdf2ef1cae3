// SPDX-License-Identifier: GPL-2.0-only
/*
 * Level-triggered irqfds. An event asserts the line. The line stays asserted
 * until the guest acknowledges the interrupt. Then KVM de-asserts it once and
 * signals every resamplefd of that GSI. A device that still needs service
 * asserts the line again.
 *
 * All such irqfds of a GSI share a resampler. A resampler has a list of its
 * irqfds, and the VM has a list of its resamplers. Both are written under
 * irqfds.resampler_lock and read under kvm->irq_srcu. A grace period of
 * kvm->irq_srcu comes between removing an element and freeing it.
 *
 * No task waits for a grace period with resampler_lock held. Workers drive
 * grace periods, and workers end irqfds. They could all wait for the lock, and
 * none would be left to drive the grace period.
 *
 * Instead, a resampler that loses its last irqfd goes to irqfds.retiring. It
 * leaves that list when its notifier is unregistered and the line is
 * de-asserted for the last time. Until then, no new resampler of that GSI is
 * made. Otherwise the old one could lower the line of the new one, by a late
 * acknowledgment or by its last de-assertion. No resamplefd would be signalled.
 */
#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/slab.h>

#include "irqfd.h"

static void resample(struct kvm_kernel_irqfd *irqfd)
{
	atomic_long_inc(&irqfd->nr_resampled);
	eventfd_signal(irqfd->resamplefd);
}

static void resampler_signal(struct kvm_kernel_irqfd_resampler *resampler)
{
	struct kvm_kernel_irqfd *irqfd;

	list_for_each_entry_srcu(irqfd, &resampler->list, resampler_link,
				 srcu_read_lock_held(&resampler->kvm->irq_srcu))
		resample(irqfd);
}

static void resampler_acked(struct kvm_irq_ack_notifier *kian)
{
	struct kvm_kernel_irqfd_resampler *resampler =
		container_of(kian, struct kvm_kernel_irqfd_resampler, notifier);
	struct kvm *kvm = resampler->kvm;
	int idx;

	/*
	 * De-assert once, before the first signal: a later de-assertion could
	 * undo an assertion that answers the signal.
	 */
	kvm_set_irq(kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, kian->gsi, 0, false);

	idx = srcu_read_lock(&kvm->irq_srcu);
	resampler_signal(resampler);
	srcu_read_unlock(&kvm->irq_srcu, idx);
}

static bool gsi_retiring(struct kvm *kvm, int gsi)
{
	struct kvm_kernel_irqfd_resampler *resampler;
	bool found = false;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(resampler, &kvm->irqfds.retiring, retiring) {
		found = resampler->notifier.gsi == gsi;
		if (found)
			break;
	}
	spin_unlock_irq(&kvm->irqfds.lock);
	return found;
}

static struct kvm_kernel_irqfd_resampler *resampler_find(struct kvm *kvm, int gsi)
{
	struct kvm_kernel_irqfd_resampler *resampler;

	lockdep_assert_held(&kvm->irqfds.resampler_lock);

	list_for_each_entry(resampler, &kvm->irqfds.resampler_list, link) {
		if (resampler->notifier.gsi == gsi)
			return resampler;
	}
	return NULL;
}

static struct kvm_kernel_irqfd_resampler *resampler_add(struct kvm *kvm, int gsi)
{
	struct kvm_kernel_irqfd_resampler *resampler;

	resampler = kzalloc(sizeof(*resampler), GFP_KERNEL_ACCOUNT);
	if (!resampler)
		return NULL;

	resampler->kvm = kvm;
	INIT_LIST_HEAD(&resampler->list);
	resampler->notifier.gsi = gsi;
	resampler->notifier.irq_acked = resampler_acked;
	list_add_rcu(&resampler->link, &kvm->irqfds.resampler_list);
	kvm_register_irq_ack_notifier(kvm, &resampler->notifier);
	return resampler;
}

/**
 * kvm_irqfd_resample_attach - add a level-triggered irqfd to its resampler
 * @irqfd: an irqfd with a resamplefd, which raises no interrupts yet
 *
 * Context: process context, may sleep. Waits for a retiring resampler of this
 * VM and GSI. Takes irqfds.resampler_lock and kvm->irq_lock.
 * Return: 0; -ENOMEM, and nothing has changed.
 */
int kvm_irqfd_resample_attach(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irqfd_resampler *resampler;
	struct kvm *kvm = irqfd->kvm;

	for (;;) {
		wait_event(kvm->irqfds.idle, !gsi_retiring(kvm, irqfd->gsi));
		mutex_lock(&kvm->irqfds.resampler_lock);
		/* A resampler starts to retire only under the mutex. */
		if (!gsi_retiring(kvm, irqfd->gsi))
			break;
		mutex_unlock(&kvm->irqfds.resampler_lock);
	}

	resampler = resampler_find(kvm, irqfd->gsi);
	if (!resampler)
		resampler = resampler_add(kvm, irqfd->gsi);
	if (resampler) {
		irqfd->resampler = resampler;
		list_add_rcu(&irqfd->resampler_link, &resampler->list);
	}
	mutex_unlock(&kvm->irqfds.resampler_lock);

	return resampler ? 0 : -ENOMEM;
}

static void resampler_retire(struct kvm_kernel_irqfd_resampler *resampler)
{
	struct kvm *kvm = resampler->kvm;

	/*
	 * Waits for a grace period, for the resampler and for its last irqfd.
	 */
	kvm_unregister_irq_ack_notifier(kvm, &resampler->notifier);
	kvm_set_irq(kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID,
		    resampler->notifier.gsi, 0, false);

	spin_lock_irq(&kvm->irqfds.lock);
	list_del(&resampler->retiring);
	wake_up_all(&kvm->irqfds.idle);
	spin_unlock_irq(&kvm->irqfds.lock);
	kfree(resampler);
}

/**
 * kvm_irqfd_resample_detach - undo kvm_irqfd_resample_attach()
 * @irqfd: the irqfd; it raises no more interrupts, and none is under way
 *
 * On return the resamplefd of @irqfd is not in use.
 *
 * Context: process context, sleeps for a grace period of kvm->irq_srcu. Takes
 * irqfds.resampler_lock and kvm->irq_lock, but not around the grace period.
 */
void kvm_irqfd_resample_detach(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irqfd_resampler *resampler = irqfd->resampler;
	struct kvm *kvm = irqfd->kvm;
	bool last;

	mutex_lock(&kvm->irqfds.resampler_lock);
	list_del_rcu(&irqfd->resampler_link);
	last = list_empty(&resampler->list);
	if (last) {
		list_del_rcu(&resampler->link);
		spin_lock_irq(&kvm->irqfds.lock);
		list_add(&resampler->retiring, &kvm->irqfds.retiring);
		spin_unlock_irq(&kvm->irqfds.lock);
	}
	mutex_unlock(&kvm->irqfds.resampler_lock);

	if (last)
		resampler_retire(resampler);
	else
		synchronize_srcu_expedited(&kvm->irq_srcu);
}

/**
 * kvm_notify_irqfd_resampler - signal the resamplefds of an interrupt
 * @kvm: the VM
 * @irqchip: the interrupt controller
 * @pin: its input
 *
 * For an architecture that de-asserts the line itself at an acknowledgment.
 *
 * Context: may be atomic. Takes kvm->irq_srcu for reading.
 * Return: true if the GSI that is routed to @pin has level-triggered irqfds.
 */
bool kvm_notify_irqfd_resampler(struct kvm *kvm, unsigned int irqchip,
				unsigned int pin)
{
	struct kvm_kernel_irqfd_resampler *resampler;
	bool found = false;
	int gsi, idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	gsi = kvm_irq_map_chip_pin(kvm, irqchip, pin);
	if (gsi != -1) {
		list_for_each_entry_srcu(resampler, &kvm->irqfds.resampler_list,
					 link,
					 srcu_read_lock_held(&kvm->irq_srcu)) {
			found = resampler->notifier.gsi == gsi;
			if (found) {
				resampler_signal(resampler);
				break;
			}
		}
	}
	srcu_read_unlock(&kvm->irq_srcu, idx);
	return found;
}
