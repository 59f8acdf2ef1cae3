// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O bus of KVM: registration and lifetimes of devices, ioeventfds and
 * buses. io_bus.c describes the protocol.
 */
#include "io_bus_internal.h"

#include <linux/kvm_host.h>
#include <kvm/iodev.h>

#include "io_bus.h"
#include "io_bus_index.h"
#include "io_bus_ranges.h"
#include "ioeventfd_range.h"
#include "ioeventfd_set.h"

/**
 * kvm_io_bus_init - initialize the buses of a new VM
 * @kvm: the VM
 *
 * Context: any; no other task has access to @kvm yet.
 */
void kvm_io_bus_init(struct kvm *kvm)
{
	unsigned int i;

	memset(kvm->buses, 0, sizeof(kvm->buses));
	for (i = 0; i < ARRAY_SIZE(kvm->buses); i++) {
		kvm_io_index_init(&kvm->buses[i].ioeventfds);
		kvm_io_index_init(&kvm->buses[i].post_ranges);
	}
	mutex_init(&kvm->ioeventfd_lock);
	kvm->nr_ioeventfds = 0;
}

/**
 * kvm_io_bus_register_dev - register a device on a bus
 * @kvm: the VM
 * @bus_idx: the bus
 * @addr: start of the device's range
 * @len: size of the range in bytes
 * @dev: the device
 *
 * Does not wait for readers.
 *
 * Context: process context, may sleep; kvm->slots_lock.
 * Return: 0; -EINVAL if the range runs past the end of the address space;
 * -ENOSPC if the bus has KVM_IO_BUS_MAX_DEVS devices; -ENOMEM. After an error,
 * nothing has changed.
 */
int kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    u64 len, struct kvm_io_device *dev)
{
	int ret;

	lockdep_assert_held(&kvm->slots_lock);

	ret = kvm_io_ranges_add(&kvm->buses[bus_idx].ranges, addr, len, dev);
	/* Pairs with the smp_rmb() of a lookup: see io_bus.c. */
	smp_mb();
	return ret;
}

static void destruct(struct kvm_io_device *dev)
{
	if (dev->ops->destructor)
		dev->ops->destructor(dev);
}

/**
 * kvm_io_bus_unregister_dev - remove a device from a bus and destroy it
 * @kvm: the VM
 * @bus_idx: the bus
 * @dev: the device
 *
 * Calls the destructor of the device when no vCPU is in its callbacks. Does
 * nothing if the device is not on the bus. Needs no memory, cannot fail, and
 * has no effect on other devices.
 *
 * Context: process context, sleeps for a grace period of kvm->srcu, so not
 * under kvm->srcu; kvm->slots_lock.
 */
void kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus bus_idx,
			       struct kvm_io_device *dev)
{
	lockdep_assert_held(&kvm->slots_lock);

	if (!kvm_io_ranges_del(&kvm->buses[bus_idx].ranges, dev))
		return;

	/* Pairs with the srcu_read_lock() of callers of kvm_io_bus_write(). */
	synchronize_srcu_expedited(&kvm->srcu);
	destruct(dev);
}

/**
 * kvm_io_bus_register_ioeventfd - register an ioeventfd
 * @kvm: the VM
 * @bus_idx: the bus; accesses on the fast MMIO bus match ioeventfds for any
 *	width on KVM_MMIO_BUS
 * @key: the writes that signal it
 * @eventfd: the eventfd; without an error, the ioeventfd takes over the
 *	caller's reference; NULL for none, if @key has a range
 *
 * Does not wait for readers.
 *
 * Context: process context, may sleep. Takes kvm->ioeventfd_lock.
 * Return: 0; -EEXIST if a write can match both @key and an ioeventfd of this
 * bus; -ENOSPC if the VM has KVM_MAX_IOEVENTFDS; -ENOMEM. After an error,
 * nothing has changed.
 * -EEXIST also means that an ioeventfd of this address and width has another mask.
 * -EEXIST also means that the range overlaps another one.
 */
int kvm_io_bus_register_ioeventfd(struct kvm *kvm, enum kvm_bus bus_idx,
				  const struct kvm_ioeventfd_key *key,
				  struct eventfd_ctx *eventfd)
{
	struct kvm_io_index *index = kvm_io_bus_ioeventfds(kvm, bus_idx);
	struct kvm_io_index_place place;
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_ioeventfd_set *set;
	int ret;

	ioeventfd = kvm_ioeventfd_alloc(key, eventfd);
	if (!ioeventfd)
		return -ENOMEM;

	mutex_lock(&kvm->ioeventfd_lock);
	set = kvm_io_index_locate(index, key->addr, &place);
	if (kvm->nr_ioeventfds == KVM_MAX_IOEVENTFDS) {
		ret = -ENOSPC;
	} else if (key->size) {
		ret = kvm_ioeventfd_range_add(&kvm->buses[bus_idx].post_ranges,
					      key, ioeventfd);
	} else if (set) {
		ret = kvm_ioeventfd_set_add(set, ioeventfd);
	} else {
		ret = -ENOMEM;
		set = kvm_ioeventfd_set_alloc();
		if (set) {
			ret = kvm_ioeventfd_set_add(set, ioeventfd);
			if (!ret)
				ret = kvm_io_index_insert(index, key->addr, set,
							  &place);
			if (ret)
				kvm_ioeventfd_set_free(set);
		}
	}
	if (!ret)
		kvm->nr_ioeventfds++;
	mutex_unlock(&kvm->ioeventfd_lock);

	if (ret)
		kfree(ioeventfd);
	/* Pairs with the smp_rmb() of a lookup: see io_bus.c. */
	smp_mb();
	return ret;
}

/* Removes the ioeventfd of @key and @eventfd from its set. NULL: there is none. */
static struct kvm_kernel_ioeventfd *
remove_ioeventfd(struct kvm_io_index *index, const struct kvm_ioeventfd_key *key,
		 const struct eventfd_ctx *eventfd)
{
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_io_index_place place;
	struct kvm_ioeventfd_set *set;

	set = kvm_io_index_locate(index, key->addr, &place);
	if (!set)
		return NULL;
	ioeventfd = kvm_ioeventfd_set_lookup(set, key);
	if (!ioeventfd || ioeventfd->eventfd != eventfd)
		return NULL;
	kvm_ioeventfd_set_del(set, ioeventfd);
	if (!set->nr) {
		kvm_io_index_remove(index, &place);
		kvm_ioeventfd_set_free(set);
	}
	return ioeventfd;
}

/**
 * kvm_io_bus_unregister_ioeventfd - unregister an ioeventfd
 * @kvm: the VM
 * @bus_idx: the bus
 * @key: the key of the registration
 * @eventfd: the eventfd of the registration
 *
 * On return, no earlier write is still storing its value or signalling the
 * eventfd, and no later write will do so. Waits for kicks of this ioeventfd
 * only. Needs no memory.
 *
 * Context: process context, may sleep. Takes kvm->ioeventfd_lock.
 * Return: 0; -ENOENT if there is no such registration.
 */
int kvm_io_bus_unregister_ioeventfd(struct kvm *kvm, enum kvm_bus bus_idx,
				    const struct kvm_ioeventfd_key *key,
				    struct eventfd_ctx *eventfd)
{
	struct kvm_io_index *index = kvm_io_bus_ioeventfds(kvm, bus_idx);
	struct kvm_kernel_ioeventfd *ioeventfd;

	mutex_lock(&kvm->ioeventfd_lock);
	if (key->size)
		ioeventfd = kvm_ioeventfd_range_del(&kvm->buses[bus_idx].post_ranges,
						    key, eventfd);
	else
		ioeventfd = remove_ioeventfd(index, key, eventfd);
	if (ioeventfd)
		kvm->nr_ioeventfds--;
	mutex_unlock(&kvm->ioeventfd_lock);

	if (!ioeventfd)
		return -ENOENT;
	kvm_ioeventfd_kill(ioeventfd);
	return 0;
}

/**
 * kvm_io_bus_destroy - empty the buses of a VM
 * @kvm: the VM
 *
 * Ends all ioeventfds and calls the destructors of all devices. The empty buses
 * remain valid: the owner of a device may still unregister it.
 *
 * Context: process context, may sleep; there are no readers and no other
 * writers.
 */
void kvm_io_bus_destroy(struct kvm *kvm)
{
	const struct kvm_io_range *range;
	unsigned int i, pos;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		struct kvm_io_bus *bus = &kvm->buses[i];

		kvm_io_index_destroy(&bus->ioeventfds, kvm_ioeventfd_set_destroy);
		kvm_io_index_destroy(&bus->post_ranges, kvm_ioeventfd_set_destroy);

		pos = 0;
		while ((range = kvm_io_ranges_next(&bus->ranges, &pos)))
			destruct(rcu_dereference_protected(range->dev, 1));
		kvm_io_ranges_destroy(&bus->ranges);
	}
}
