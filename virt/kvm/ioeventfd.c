// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: what a VMM asks for with KVM_IOEVENTFD, in terms of the I/O bus.
 * Which writes ring, and who is waited for, is the business of io_bus.c and
 * ioeventfd_set.h.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/kvm.h>
#include <linux/kvm_host.h>

#define CREATE_TRACE_POINTS
#include <trace/events/kvm_ioeventfd.h>

#include "ioeventfd.h"

static enum kvm_bus args_bus(const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_PIO)
		return KVM_PIO_BUS;
	if (args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return KVM_VIRTIO_CCW_NOTIFY_BUS;
	return KVM_MMIO_BUS;
}

/* False if no registration can have been made with these arguments. */
static bool args_key(const struct kvm_ioeventfd *args,
		     struct kvm_ioeventfd_key *key)
{
	if (args->len > 8)
		return false;

	*key = (struct kvm_ioeventfd_key) {
		.addr = args->addr,
		.len = args->len,
		.match = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	if (key->match)
		key->data = args->datamatch;
	return true;
}

/**
 * kvm_ioeventfd_assign - register an ioeventfd for userspace
 * @kvm: the VM
 * @args: the arguments of KVM_IOEVENTFD, checked by kvm_ioeventfd()
 *
 * An any-width ioeventfd on the MMIO bus serves the fast MMIO path with the
 * same registration, so there is no half of it that could fail alone.
 *
 * Context: process context, may sleep.
 * Return: 0; -EBADF or -EINVAL if args->fd is not open or no eventfd; -EEXIST
 * if it collides with a registration of this VM; -ENOSPC if the VM has
 * KVM_MAX_IOEVENTFDS; -ENOMEM.
 */
int kvm_ioeventfd_assign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct kvm_ioeventfd_key key;
	struct eventfd_ctx *eventfd;
	int ret;

	if (!args_key(args, &key))
		return -EINVAL;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	ret = kvm_io_bus_register_ioeventfd(kvm, args_bus(args), &key, eventfd);
	trace_kvm_ioeventfd(true, args_bus(args), &key, ret);
	if (ret)
		eventfd_ctx_put(eventfd);
	return ret;
}

/**
 * kvm_ioeventfd_deassign - undo one kvm_ioeventfd_assign()
 * @kvm: the VM
 * @args: the arguments of KVM_IOEVENTFD, as they were for the assignment
 *
 * Context: process context, may sleep.
 * Return: 0; -EBADF or -EINVAL if args->fd is not open or no eventfd; -ENOENT
 * if there is no registration that equals @args.
 */
int kvm_ioeventfd_deassign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct kvm_ioeventfd_key key;
	struct eventfd_ctx *eventfd;
	int ret = -ENOENT;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	if (args_key(args, &key)) {
		ret = kvm_io_bus_unregister_ioeventfd(kvm, args_bus(args), &key,
						      eventfd);
		trace_kvm_ioeventfd(false, args_bus(args), &key, ret);
	}
	eventfd_ctx_put(eventfd);
	return ret;
}
