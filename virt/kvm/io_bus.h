/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_PRIVATE_H
#define __KVM_IO_BUS_PRIVATE_H

/* What the files io_bus*.c share. */

#include <linux/kvm_host.h>

#include "io_bus_index.h"

/*
 * The bus that has the ioeventfds of a bus. An access on the fast MMIO bus has no
 * width, so it matches only ioeventfds for any width. The MMIO bus has these, so
 * it has those of both.
 */
static __always_inline struct kvm_io_bus *
kvm_io_bus_of_ioeventfds(struct kvm *kvm, enum kvm_bus bus_idx)
{
	if (bus_idx == KVM_FAST_MMIO_BUS)
		bus_idx = KVM_MMIO_BUS;
	return &kvm->buses[bus_idx];
}

/* The index of the addresses that have ioeventfds on a bus. */
static __always_inline struct kvm_io_index *
kvm_io_bus_ioeventfds(struct kvm *kvm, enum kvm_bus bus_idx)
{
	return &kvm_io_bus_of_ioeventfds(kvm, bus_idx)->ioeventfds;
}

/* The ioeventfds at an address, or NULL. */
static __always_inline struct kvm_ioeventfd_set *
kvm_io_bus_find_set(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr)
{
	return kvm_io_index_find(kvm_io_bus_ioeventfds(kvm, bus_idx), addr);
}

#endif /* __KVM_IO_BUS_PRIVATE_H */
