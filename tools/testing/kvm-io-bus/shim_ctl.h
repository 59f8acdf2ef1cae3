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
static inline bool ring_store(struct kvm_vcpu *vcpu, u64 addr, int len, u64 val)
{
	struct kvm_ioeventfd_set *set;
	unsigned long flags;
	bool rung;

	local_irq_save(flags);
	set = kvm_io_bus_search_mmio(vcpu, addr);
	rung = set && kvm_io_bus_ring_found(set, addr, len, val);
	local_irq_restore(flags);
	return rung;
}

static inline bool ring_out(struct kvm_vcpu *vcpu, u64 port, int len, u64 val)
{
	unsigned long flags;
	bool rung;

	local_irq_save(flags);
	rung = kvm_io_bus_ring_pio(vcpu, port, len, val);
	local_irq_restore(flags);
	return rung;
}

#endif /* SHIM_CTL_H */
