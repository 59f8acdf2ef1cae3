/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IRQOFF_H
#define IRQOFF_H

/* Kicks with interrupts off, as the exit fastpath of x86 does them. */

#include <linux/kvm_host.h>

/* What x86 does to find the ioeventfds of a write */
static inline struct kvm_ioeventfd_set *
search_irqoff(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, u64 addr)
{
	return kvm_io_bus_search(vcpu, bus_idx, addr) ?:
	       kvm_io_bus_search_range(&vcpu->kvm->buses[bus_idx], addr);
}

/*
 * What x86 does of a store and of an OUT: within an RCU read-side critical section,
 * with interrupts off.
 */
static inline bool ring_irqoff(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, u64 addr,
			       int len, u64 val)
{
	struct kvm_kernel_ioeventfd *left = NULL;
	struct kvm_ioeventfd_set *set;
	unsigned long flags;
	bool rung;

	local_irq_save(flags);
	set = search_irqoff(vcpu, bus_idx, addr);
	if (set)
		left = kvm_io_bus_ring_found(set, len, val);
	rung = set && (!left || kvm_io_bus_post_found(left, addr, val));
	local_irq_restore(flags);
	return rung;
}

/* What Intel does first with any access to MMIO, whose width it does not know */
static inline bool ring_any(struct kvm_vcpu *vcpu, u64 addr)
{
	struct kvm_ioeventfd_set *set;
	unsigned long flags;
	bool rung;

	local_irq_save(flags);
	set = search_irqoff(vcpu, KVM_MMIO_BUS, addr);
	rung = set && kvm_io_bus_ring_any(set, addr);
	local_irq_restore(flags);
	return rung;
}

#endif /* IRQOFF_H */
