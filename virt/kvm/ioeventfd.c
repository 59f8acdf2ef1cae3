// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD in terms of the I/O bus: makes a key of the arguments and
 * registers it. io_bus.c and ioeventfd_set.h define which writes signal, and
 * what an ioctl waits for.
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

/* Returns false if no registration with these arguments can exist. */
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
	if (args->flags & KVM_IOEVENTFD_FLAG_DATAMASK) {
		if (!key->match || !args->datamask)
			return false;
		key->mask = args->datamask;
	}
	if (args->flags & KVM_IOEVENTFD_FLAG_POST_WRITE)
		key->post = args->post_addr;
	if (args->flags & KVM_IOEVENTFD_FLAG_POST_RANGE) {
		if (key->match || !args->post_size)
			return false;
		key->size = args->post_size;
		key->stride = args->post_stride;
	}
	return true;
}

/* The eventfd; NULL if a range has none. */
static struct eventfd_ctx *args_eventfd(const struct kvm_ioeventfd *args)
{
	if (args->fd == -1 && (args->flags & KVM_IOEVENTFD_FLAG_POST_RANGE))
		return NULL;
	return eventfd_ctx_fdget(args->fd);
}

static void put_eventfd(struct eventfd_ctx *eventfd)
{
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

/**
 * kvm_ioeventfd_assign - register an ioeventfd for userspace
 * @kvm: the VM
 * @args: the arguments of KVM_IOEVENTFD, checked by kvm_ioeventfd()
 *
 * An ioeventfd for any width on the MMIO bus serves the fast MMIO path, too.
 * Both share one registration, which succeeds or fails as a whole.
 *
 * Context: process context, may sleep.
 * Return: 0; -EBADF if args->fd is not open; -EINVAL if it is not an eventfd;
 * -EEXIST if it collides with a registration of this VM; -ENOSPC if the VM has
 * KVM_MAX_IOEVENTFDS; -ENOMEM.
 */
int kvm_ioeventfd_assign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct kvm_ioeventfd_key key;
	struct eventfd_ctx *eventfd;
	int ret;

	if (!args_key(args, &key))
		return -EINVAL;

	eventfd = args_eventfd(args);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	ret = kvm_io_bus_register_ioeventfd(kvm, args_bus(args), &key, eventfd);
	trace_kvm_ioeventfd(true, args_bus(args), &key, ret);
	if (ret)
		put_eventfd(eventfd);
	return ret;
}

/**
 * kvm_ioeventfd_deassign - unregister an ioeventfd of userspace
 * @kvm: the VM
 * @args: the arguments of KVM_IOEVENTFD, equal to those of the assignment
 *
 * Context: process context, may sleep.
 * Return: 0; -EBADF if args->fd is not open; -EINVAL if it is not an eventfd;
 * -ENOENT if no registration equals @args.
 */
int kvm_ioeventfd_deassign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct kvm_ioeventfd_key key;
	struct eventfd_ctx *eventfd = args_eventfd(args);
	int ret = -ENOENT;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	if (args_key(args, &key)) {
		ret = kvm_io_bus_unregister_ioeventfd(kvm, args_bus(args), &key,
						      eventfd);
		trace_kvm_ioeventfd(false, args_bus(args), &key, ret);
	}
	put_eventfd(eventfd);
	return ret;
}
