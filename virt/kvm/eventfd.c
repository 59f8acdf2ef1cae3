// SPDX-License-Identifier: GPL-2.0-only
/*
 * The door through which userspace ties eventfds to a VM: checks what it asks
 * for and passes it on. A guest's write that signals an eventfd is the work of
 * ioeventfd.c, an eventfd that raises an interrupt that of irqfd.c.
 */
#include <linux/kvm.h>
#include <linux/kvm_host.h>

#include "ioeventfd.h"
#include "irqfd.h"

/**
 * kvm_ioeventfd - the KVM_IOEVENTFD ioctl
 * @kvm: the VM
 * @args: its arguments, copied from userspace
 *
 * Specification: Documentation/virt/kvm/api.rst, KVM_IOEVENTFD. A request to
 * deassign is not checked beyond its fd: what was never registered is not
 * found.
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL for a length that is not 0, 1, 2, 4 or 8, a range that
 * wraps, an unknown flag, a value to match without a length, or an fd that is
 * no eventfd; -EBADF for an fd that is not open; -EEXIST, -ENOENT, -ENOMEM, and
 * -ENOSPC if the VM has KVM_MAX_IOEVENTFDS.
 */
int kvm_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return kvm_ioeventfd_deassign(kvm, args);

	switch (args->len) {
	case 0:
		if (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
			return -EINVAL;
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	/* The mask has bit 4, too: set aside for fast MMIO, it means nothing. */
	if (args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK)
		return -EINVAL;

	return kvm_ioeventfd_assign(kvm, args);
}

#ifdef CONFIG_HAVE_KVM_IRQCHIP
/**
 * kvm_irqfd - the KVM_IRQFD ioctl
 * @kvm: the VM
 * @args: its arguments, copied from userspace
 *
 * Specification: Documentation/virt/kvm/api.rst, KVM_IRQFD.
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL for an unknown flag, an fd that is no eventfd, or a VM
 * without the interrupt controller it takes; -EAGAIN if that is not ready yet;
 * -EBADF for an fd that is not open; -EBUSY if the eventfd has an irqfd
 * already; -ENOMEM.
 */
int kvm_irqfd(struct kvm *kvm, struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;

	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return kvm_irqfd_deassign(kvm, args);
	return kvm_irqfd_assign(kvm, args);
}
#endif

/**
 * kvm_eventfd_init - make a new VM ready for eventfds
 * @kvm: the VM
 *
 * Context: any; nobody else knows @kvm yet.
 */
void kvm_eventfd_init(struct kvm *kvm)
{
#ifdef CONFIG_HAVE_KVM_IRQCHIP
	kvm_irqfd_vm_init(kvm);
#endif
}
