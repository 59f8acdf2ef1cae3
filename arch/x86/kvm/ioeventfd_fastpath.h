/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_FASTPATH_H
#define __KVM_X86_IOEVENTFD_FASTPATH_H

/*
 * Kicks on x86: from the guest's instruction to its ioeventfd without the
 * instruction emulator and, if possible, without leaving the inner run loop.
 *
 *	exit of the guest
 *	  |
 *	  v
 *	exit fastpath, interrupts off		ioeventfd_fastpath
 *	  svm/ioeventfd.c, vmx/ioeventfd.c	  rung: enter the guest again
 *	  |
 *	  v
 *	exit handler, interrupts on
 *	  stores, as in the fastpath		ioeventfd_mmio
 *	  |					  rung: enter the guest again
 *	  v
 *	ordinary path: the emulator, the bus, userspace
 *
 * If the fastpath finishes a kick, interrupts stay off from the guest's exit to
 * its next entry. That is one kick: a pending interrupt ends the next entry at
 * once. Three things add to that time:
 *
 *  - This code. It searches at most two indexes, for the address and for the
 *    value; the writer bounds their height (io_bus_index.h). It reads at most
 *    five levels of page tables and the instruction, each after a search of the
 *    memslots, which takes logarithmic time. A search starts again if the index
 *    changes meanwhile.
 *  - The eventfd's waiters. eventfd_signal() calls them with interrupts off on
 *    the ordinary path, too. Userspace decides how many there are.
 *  - Other holders of the ioeventfd's lock and of the eventfd's lock: rings by
 *    other vCPUs, and reads and writes of the eventfd by userspace.
 *
 * What this has run on:
 *
 *  - AMD without decode assists, AVIC and SEV: QEMU's software CPU, all of it. No
 *    AMD processor.
 *  - AMD with decode assists: an emulator (Bochs) with decode assists added.
 *  - AMD with AVIC: compiled only. This code does not depend on it.
 *  - SEV, SEV-ES, SEV-SNP: compiled only. Such guests use the ordinary path.
 *  - Intel: an emulator (Bochs), all of it but for X86_FEATURE_HYPERVISOR. No Intel
 *    processor.
 *  - PREEMPT_RT: compiled only.
 */

#include <linux/kvm_host.h>
#include <trace/events/kvm.h>
#include <trace/events/kvm_ioeventfd.h>

#include "ioeventfd_insn.h"
#include "ioeventfd_vcpu.h"
#include "x86.h"
#include "smm.h"
#include "trace.h"

extern bool kvm_ioeventfd_fastpath;
extern bool kvm_ioeventfd_mmio;

/*
 * Whether the exit fastpath finishes kicks. Not on PREEMPT_RT, where the locks of
 * an eventfd's waiters sleep.
 */
static __always_inline bool kvm_ioeventfd_irqoff(struct kvm_vcpu *vcpu)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) &&
	       READ_ONCE(kvm_ioeventfd_fastpath) &&
	       kvm_ioeventfd_may_count(vcpu);
}

/*
 * Whether the VM has no ioeventfd on a bus. A hint without a barrier: the
 * ordinary path, which searches again, is correct in any case.
 */
static __always_inline bool kvm_ioeventfd_none(const struct kvm_vcpu *vcpu,
					       enum kvm_bus bus_idx)
{
	return !rcu_access_pointer(vcpu->kvm->buses[bus_idx].ioeventfds.root) &&
	       !rcu_access_pointer(vcpu->kvm->buses[bus_idx].post_ranges.root);
}

/* The ioeventfds at an address, or that of a range with a register there. */
static __always_inline struct kvm_ioeventfd_set *
kvm_ioeventfd_search(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr)
{
	struct kvm_ioeventfd_set *set = kvm_io_bus_search(vcpu, bus_idx, addr);
	const struct kvm_io_bus *bus = &vcpu->kvm->buses[bus_idx];

	/* Inline, since the callers have a branch for NULL anyway. */
	if (!set && rcu_access_pointer(bus->post_ranges.root))
		set = kvm_io_bus_search_range(bus, addr);
	return set;
}

/*
 * Whether RIP may simply be advanced over an instruction: no single-step trap, no
 * breakpoint, no debugger, no RF to clear. Nested guests and system management
 * mode are left to the ordinary path. @rflags is what the processor runs with.
 */
static __always_inline bool kvm_ioeventfd_may_step(struct kvm_vcpu *vcpu,
						   unsigned long rflags)
{
	return !(rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) &&
	       !vcpu->guest_debug && !vcpu->arch.switch_db_regs &&
	       !is_guest_mode(vcpu) && !is_smm(vcpu);
}

/*
 * With interrupts off, this processor is in an RCU read-side critical section
 * anyway, and only lockdep is told. rcu_read_lock() would be correct as well. With
 * PREEMPT_RCU, it and rcu_read_unlock() are two calls, which a kick would pay for.
 */
static __always_inline void kvm_ioeventfd_rcu_enter(void)
{
	lockdep_assert_irqs_disabled();
	rcu_lock_acquire(&rcu_lock_map);
}

static __always_inline void kvm_ioeventfd_rcu_exit(void)
{
	rcu_lock_release(&rcu_lock_map);
}

void kvm_ioeventfd_count(struct kvm_vcpu *vcpu);

/* Step over an instruction that kvm_ioeventfd_may_step() let pass. */
static __always_inline void kvm_ioeventfd_step(struct kvm_vcpu *vcpu,
					       unsigned long next_ip)
{
	kvm_rip_write(vcpu, next_ip);
	if (unlikely(kvm_ioeventfd_is_counted(vcpu)))
		kvm_ioeventfd_count(vcpu);
}

/* Inline, because a call would cost a kick more than the counts do. */
static __always_inline void kvm_ioeventfd_count_ring(struct kvm_vcpu *vcpu,
						     bool in_fastpath)
{
	++vcpu->stat.generic.ioeventfd_rings;
	if (in_fastpath)
		++vcpu->stat.ioeventfd_fastpath_rings;
}

/* Ring one of the ioeventfds that kvm_ioeventfd_search() has found. */
static __always_inline bool kvm_ioeventfd_ring(struct kvm_vcpu *vcpu,
					       struct kvm_ioeventfd_set *set,
					       enum kvm_bus bus_idx, gpa_t addr,
					       unsigned int len, u64 value,
					       bool in_fastpath)
{
	struct kvm_kernel_ioeventfd *left = kvm_io_bus_ring_found(set, len, value);

	if (unlikely(left) && !kvm_io_bus_post_found(left, addr, value))
		return false;
	kvm_ioeventfd_count_ring(vcpu, in_fastpath);
	/* The test saves the call of a tracepoint that is used in several places. */
	if (trace_kvm_ioeventfd_ring_enabled())
		trace_kvm_ioeventfd_ring(bus_idx, addr, len);
	return true;
}

/**
 * kvm_ioeventfd_out - ring the ioeventfd of an OUT instruction, and step over it
 * @vcpu: the vCPU that executes it, as it left the guest
 * @set: the ioeventfds at @port
 * @port: the port
 * @len: width in bytes; the value is in RAX
 * @next_ip: address of the next instruction
 *
 * Context: RCU read-side critical section; interrupts off, except on PREEMPT_RT.
 * Return: true if an ioeventfd was rung; if not, nothing has changed.
 */
static __always_inline bool kvm_ioeventfd_out(struct kvm_vcpu *vcpu,
					      struct kvm_ioeventfd_set *set,
					      unsigned long port, unsigned int len,
					      unsigned long next_ip)
{
	const unsigned long *val = &vcpu->arch.regs[VCPU_REGS_RAX];

	if (!kvm_ioeventfd_ring(vcpu, set, KVM_PIO_BUS, port, len, *val, true))
		return false;
	++vcpu->stat.io_exits;
	trace_kvm_pio(KVM_PIO_OUT, port, len, 1, val);
	kvm_ioeventfd_step(vcpu, next_ip);
	return true;
}

bool kvm_ioeventfd_no_memslot(struct kvm_vcpu *vcpu, gpa_t gpa);

/**
 * kvm_ioeventfd_is_mmio - whether no memslot has an address
 * @vcpu: the vCPU that stores, not in system management mode
 * @gpa: the guest physical address; the processor's page tables say that it is
 *	emulated MMIO
 *
 * The page tables may be older than the memslots. This compares the generation of
 * the memslots without kvm->srcu. That is safe, since both sets that have this
 * number are part of struct kvm. The dereference pairs with
 * rcu_assign_pointer() in kvm_swap_active_memslots(): a vCPU that has seen the
 * consequence of a new memslot sees the new generation.
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 * Return: true if the address is emulated MMIO.
 */
static __always_inline bool kvm_ioeventfd_is_mmio(struct kvm_vcpu *vcpu,
						  gpa_t gpa)
{
	const struct kvm_memslots *slots =
		rcu_dereference_raw(vcpu->kvm->memslots[0]);

	/*
	 * What was found last time, if the memslots are still the same. At first all
	 * is 0: page 0 is MMIO, since there has been no memslot yet.
	 */
	if (likely(vcpu->arch.mmio_gen == READ_ONCE(slots->generation) &&
		   vcpu->arch.mmio_gfn == gpa_to_gfn(gpa)))
		return true;
	return kvm_ioeventfd_no_memslot(vcpu, gpa);
}

bool kvm_ioeventfd_read(struct kvm_vcpu *vcpu, u64 cr3, u64 linear, unsigned int bits,
			struct kvm_ioeventfd_memo *memo);
int kvm_ioeventfd_finish_store(struct kvm_vcpu *vcpu,
			       struct kvm_ioeventfd_store *store);

/**
 * kvm_ioeventfd_ring_store - ring the ioeventfd of a decoded store, and step over it
 * @vcpu: the vCPU that executes it
 * @stores: what the vCPU keeps, with the instruction at RIP in the memo; a store
 *	that rings no ioeventfd is left in it
 * @set: the ioeventfds at @gpa
 * @gpa: guest physical address of the fault
 * @bits: size of the code: 16, 32 or 64
 * @seg_base: base of its segment, 0 if it has none
 * @in_fastpath: whether the exit fastpath calls; a constant
 * @trace_fault: traces the fault, or NULL; inline
 *
 * Context: RCU read-side critical section; interrupts off, except on PREEMPT_RT.
 * Return: true if an ioeventfd was rung.
 */
static __always_inline bool
kvm_ioeventfd_ring_store(struct kvm_vcpu *vcpu, struct kvm_ioeventfd_stores *stores,
			 struct kvm_ioeventfd_set *set, gpa_t gpa,
			 unsigned int bits, u64 seg_base, bool in_fastpath,
			 void (*trace_fault)(struct kvm_vcpu *vcpu))
{
	const struct kvm_ioeventfd_insn *insn = &stores->memo.insn;
	struct kvm_ioeventfd_store *store = &stores->store;
	const unsigned long *regs = vcpu->arch.regs;
	u64 ip, address;

	ip = kvm_ioeventfd_rip(vcpu) + insn->len;
	if (bits != 64)
		ip = (u32)ip;
	address = kvm_ioeventfd_insn_address(insn, regs, ip, seg_base);
	if (offset_in_page(address ^ gpa) ||
	    (gpa ^ (gpa + insn->width - 1)) >> PAGE_SHIFT)
		return false;

	store->data = kvm_ioeventfd_insn_value(insn, regs);
	if (unlikely(!kvm_ioeventfd_ring(vcpu, set, KVM_MMIO_BUS, gpa, insn->width,
					 store->data, in_fastpath))) {
		store->gpa = gpa;
		store->next_ip = ip;
		store->len = insn->width;
		stores->rest = KVM_IOEVENTFD_FINISH;
		return false;
	}
	if (trace_fault)
		trace_fault(vcpu);
	if (trace_kvm_mmio_enabled())
		trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, insn->width, gpa, &store->data);
	kvm_ioeventfd_step(vcpu, ip);
	return true;
}

/**
 * kvm_ioeventfd_handle - finish a store in the handler of its fault
 * @vcpu: the vCPU that executes it
 * @stores: what the vCPU keeps, with something that the exit fastpath has left
 * @ring: finds, decodes and rings, as in the fastpath
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: as an exit handler; negative if the fault is still to be handled.
 */
static __always_inline int
kvm_ioeventfd_handle(struct kvm_vcpu *vcpu, struct kvm_ioeventfd_stores *stores,
		     bool (*ring)(struct kvm_vcpu *vcpu))
{
	bool rung = false;

	if (stores->rest == KVM_IOEVENTFD_TRY) {
		stores->rest = KVM_IOEVENTFD_NOTHING;
		rcu_read_lock();
		/* Rung with interrupts off, except on PREEMPT_RT. */
		if (!IS_ENABLED(CONFIG_PREEMPT_RT))
			local_irq_disable();
		rung = ring(vcpu);
		if (!IS_ENABLED(CONFIG_PREEMPT_RT))
			local_irq_enable();
		rcu_read_unlock();
	}
	if (rung)
		return 1;
	if (stores->rest != KVM_IOEVENTFD_FINISH)
		return -EAGAIN;
	stores->rest = KVM_IOEVENTFD_NOTHING;

	/* The memslots may have changed since the store was decoded. */
	if (!kvm_ioeventfd_is_mmio(vcpu, stores->store.gpa))
		return -EAGAIN;
	return kvm_ioeventfd_finish_store(vcpu, &stores->store);
}

#endif /* __KVM_X86_IOEVENTFD_FASTPATH_H */
