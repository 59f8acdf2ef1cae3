// SPDX-License-Identifier: GPL-2.0-only
/* The other half of eventfd.c is not built here; its arguments arrive. */
#include <linux/kvm_host.h>

#include "../../../virt/kvm/irqfd.h"

unsigned int fake_irqfd_assigned, fake_irqfd_deassigned;

void kvm_irqfd_vm_init(struct kvm *kvm)
{
}

int kvm_irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args)
{
	fake_irqfd_assigned++;
	return 0;
}

int kvm_irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args)
{
	fake_irqfd_deassigned++;
	return 0;
}
