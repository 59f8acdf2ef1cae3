/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_CTL_H
#define SHIM_CTL_H

/* What tests ask of the shim beyond the kernel's own interfaces. */

void shim_srcu_init(struct srcu_struct *srcu);

/*
 * Called when a grace period would have to wait for a reader, so with one
 * thread for ever; returns whether to go on without it.
 */
extern bool (*shim_on_srcu_wait)(void);

/* No words about what must not happen: it is looked for over and over. */
extern bool shim_quiet;

/* A reader is stopped in a hook while a writer runs: it is not the writer's. */
extern bool shim_in_hook;

static inline bool shim_suspended(void)
{
	return shim_in_hook;
}

/*
 * What x86 does of a store and of an OUT: within an RCU read-side critical section,
 * with interrupts off.
 */
static inline bool ring_irqoff(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, u64 addr,
			       int len, u64 val)
{
	struct kvm_ioeventfd_set *set;
	unsigned long flags;
	bool rung;

	local_irq_save(flags);
	set = kvm_io_bus_search(vcpu, bus_idx, addr);
	rung = set && kvm_io_bus_ring_found(set, bus_idx, addr, len, val);
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
	set = kvm_io_bus_search(vcpu, KVM_MMIO_BUS, addr);
	rung = set && kvm_io_bus_ring_any(set, addr);
	local_irq_restore(flags);
	return rung;
}

#endif /* SHIM_CTL_H */
