// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls KVM_IOEVENTFD and KVM_IRQFD, by which userspace binds eventfds to
 * a VM. This file checks their arguments. ioeventfd.c serves eventfds that a
 * guest's write signals, irqfd.c eventfds that raise an interrupt.
 */
#include <linux/kvm.h>
#include <linux/kvm_host.h>
#include <linux/log2.h>
#include <linux/uaccess.h>

#include "ioeventfd.h"
#include "irqfd.h"

/* The arguments of KVM_IOEVENTFD_FLAG_DATAMASK. */
static bool datamask_valid(const struct kvm_ioeventfd *args)
{
	if (!(args->flags & KVM_IOEVENTFD_FLAG_DATAMASK))
		return true;
	if (!(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) || !args->datamask)
		return false;
	/* Bits that no value has, or that are not compared. */
	return !(args->datamask & ~(~0ULL >> (64 - 8 * args->len))) &&
	       !(args->datamatch & ~args->datamask);
}

/* The arguments of KVM_IOEVENTFD_FLAG_POST_RANGE. */
static bool range_valid(const struct kvm_ioeventfd *args)
{
	if (!(args->flags & KVM_IOEVENTFD_FLAG_POST_RANGE))
		return true;
	if (!(args->flags & KVM_IOEVENTFD_FLAG_POST_WRITE) ||
	    (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return false;
	/* A width is a power of 2, so the stride is a multiple of it. */
	return is_power_of_2(args->post_stride) && args->post_stride >= args->len &&
	       args->post_size && !(args->post_size & (args->post_stride - 1)) &&
	       args->addr + args->post_size >= args->addr;
}

/* The arguments of KVM_IOEVENTFD_FLAG_POST_WRITE. */
static bool post_valid(const struct kvm_ioeventfd *args)
{
	unsigned long post = untagged_addr((unsigned long)args->post_addr);
	unsigned long size = args->len;

	if (!(args->flags & KVM_IOEVENTFD_FLAG_POST_WRITE))
		return true;
	if (args->flags & KVM_IOEVENTFD_FLAG_POST_RANGE)
		size = args->post_size;
	return args->len && post && post == args->post_addr &&
	       !(post & (args->len - 1)) && access_ok((void __user *)post, size);
}

/**
 * kvm_ioeventfd - the KVM_IOEVENTFD ioctl
 * @kvm: the VM
 * @args: its arguments, copied from userspace
 *
 * Specification: Documentation/virt/kvm/api.rst, KVM_IOEVENTFD. For a request
 * to deassign, only the fd is checked: a registration with invalid arguments
 * does not exist, so it is not found.
 *
 * Context: process context, may sleep.
 * Return:
 * * 0		- done
 * * -EINVAL	- the length is not 0, 1, 2, 4 or 8; the range wraps; a flag is
 *		  unknown; there is a value to match and no length; an argument
 *		  of a flag is not valid; or the fd is not an eventfd
 * * -EBADF	- the fd is not open
 * * -EEXIST	- assign: the VM has an ioeventfd that collides with this one
 * * -ENOENT	- deassign: the VM has no such ioeventfd
 * * -ENOSPC	- assign: the VM has KVM_MAX_IOEVENTFDS
 * * -ENOMEM	- assign: there is no memory
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
	/*
	 * The mask includes bit 4. It was reserved for fast MMIO, and has no
	 * effect.
	 */
	if (args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK)
		return -EINVAL;
	if (!datamask_valid(args))
		return -EINVAL;
	if (!range_valid(args))
		return -EINVAL;
	if (!post_valid(args))
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
 * Return:
 * * 0		- done
 * * -EINVAL	- a flag is unknown, an fd is not an eventfd, or the VM lacks the
 *		  interrupt controller
 * * -EAGAIN	- the interrupt controller is not initialized yet
 * * -EBADF	- an fd is not open
 * * -EBUSY	- the eventfd has an irqfd already
 * * -ENOMEM	- there is no memory
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
 * kvm_eventfd_init - initialize the eventfd state of a new VM
 * @kvm: the VM
 *
 * Context: any; no other task has access to @kvm yet.
 */
void kvm_eventfd_init(struct kvm *kvm)
{
#ifdef CONFIG_HAVE_KVM_IRQCHIP
	kvm_irqfd_vm_init(kvm);
#endif
}
