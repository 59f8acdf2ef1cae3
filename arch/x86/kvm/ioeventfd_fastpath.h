/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_FASTPATH_H
#define __KVM_X86_IOEVENTFD_FASTPATH_H

/*
 * The way of a kick from the guest's instruction to its ioeventfd, without the
 * instruction emulator and, if possible, without leaving the inner run loop.
 * Documentation/virt/kvm/x86-ioeventfd.rst tells what is done where and why it
 * is safe.
 *
 *	exit of the guest
 *	  |
 *	  v
 *	exit fastpath, interrupts off		ioeventfd_fastpath
 *	  OUT:   kvm_ioeventfd_out()		  rung: enter the guest again
 *	  store: ioeventfd_svm.c
 *	  |
 *	  v
 *	exit handler, interrupts on
 *	  store: ioeventfd_svm.c			ioeventfd_mmio
 *	  |					  rung: enter the guest again
 *	  v
 *	all else: the emulator, the bus, userspace
 *
 * Interrupts are off from the guest's exit until it is entered again, if the
 * fastpath finishes the kick: one kick, since an interrupt that is pending ends
 * the next entry at once. What that time is made of, and what bounds it:
 *
 *  - our own code: no loop but the search of two indexes at most, for the
 *    address and for the value, whose height the writer bounds
 *    (io_bus_index.h), and five levels of page tables at most. Each level, and
 *    the instruction, is found among the memslots, logarithmic in their number.
 *    A search starts again when a change of the index overlaps it. 733 to 996
 *    instructions with the exit and the entry, 1,364 in 64-bit code with four
 *    levels; 54 more among 10,000 addresses than among 16.
 *  - the eventfd's waiters, which eventfd_signal() calls with interrupts off on
 *    the ordinary way, too: as many as userspace has put there, 116
 *    instructions for each epoll instance.
 *  - holders of the ioeventfd's lock and of the eventfd's: a ring by another
 *    vCPU, that is both of the above once for each vCPU that came before, and
 *    reads and writes of the eventfd by userspace.
 *
 * Which processors this has run on:
 *
 *  - AMD without decode assists, AVIC and SEV: QEMU's software CPU (7.2), all
 *    of it. No AMD processor.
 *  - AMD with decode assists: compiled only. The bytes in the VMCB are compared
 *    and decoded by the code that has run with those from memory.
 *  - AMD with AVIC: compiled only. Nothing here knows of it.
 *  - SEV, SEV-ES, SEV-SNP: compiled only; such guests are left alone.
 *  - Intel: OUT on an emulator, Bochs. No Intel processor, so it is off by
 *    default. Stores are left to the fast MMIO bus.
 *  - PREEMPT_RT: compiled only.
 */

#include <linux/kvm_host.h>
#include <trace/events/kvm.h>

#include "x86.h"
#include "pmu.h"
#include "smm.h"
#include "trace.h"

extern bool kvm_ioeventfd_fastpath;
extern bool kvm_ioeventfd_mmio;

/*
 * Whether kicks may be finished with interrupts off. Not on PREEMPT_RT: the
 * locks of an eventfd's waiters sleep there.
 */
static __always_inline bool kvm_ioeventfd_irqoff(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) &&
	       READ_ONCE(kvm_ioeventfd_fastpath);
}

/*
 * Whether nothing but the next instruction comes of stepping over one: no
 * single-step trap, no breakpoint, no debugger, no RF to clear, and neither a
 * nested guest nor system management mode, which have rules of their own.
 * @rflags are those that the processor runs with.
 */
static __always_inline bool kvm_ioeventfd_may_step(struct kvm_vcpu *vcpu,
						   unsigned long rflags)
{
	return !(rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) &&
	       !vcpu->guest_debug && !vcpu->arch.switch_db_regs &&
	       !is_guest_mode(vcpu) && !is_smm(vcpu);
}

/*
 * With interrupts off this processor is a reader of RCU already, and only
 * lockdep has to be told. rcu_read_lock() is right as well, but counts what
 * need not be counted: with PREEMPT_RCU it and its opposite are two calls, and
 * a kick takes 19 instructions more, of 733.
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

/**
 * kvm_ioeventfd_pmc_changed - find out whether a counter counts instructions
 * @pmc: the counter, which is about to be reprogrammed
 *
 * So that a kick need not look at each counter. What a counter counts changes
 * by MSRs only, and each change requests KVM_REQ_PMU, so this comes before the
 * guest goes on. The filter of events, which userspace changes at any time, and
 * the privilege level are not looked at here, but when a kick is counted.
 *
 * Context: the thread of the vCPU.
 */
static __always_inline void kvm_ioeventfd_pmc_changed(struct kvm_pmc *pmc)
{
	const u64 differ = pmc->eventsel ^ kvm_pmu_eventsel.INSTRUCTIONS_RETIRED;
	struct kvm_pmu *pmu = pmc_to_pmu(pmc);

	if (!(differ & AMD64_RAW_EVENT_MASK_NB) &&
	    pmc_is_globally_enabled(pmc) && pmc_speculative_in_use(pmc))
		pmu->counting_instructions |= BIT_ULL(pmc->idx);
	else
		pmu->counting_instructions &= ~BIT_ULL(pmc->idx);
}

void kvm_ioeventfd_count(struct kvm_vcpu *vcpu);

/* Step over an instruction that kvm_ioeventfd_may_step() let pass. */
static __always_inline void kvm_ioeventfd_step(struct kvm_vcpu *vcpu,
					       unsigned long next_ip)
{
	kvm_rip_write(vcpu, next_ip);
	if (unlikely(vcpu_to_pmu(vcpu)->counting_instructions))
		kvm_ioeventfd_count(vcpu);
}

/**
 * kvm_ioeventfd_out - ring the ioeventfd of an OUT instruction
 * @vcpu: who executes it, as it left the guest
 * @port: the port
 * @len: width in bytes; the value is in RAX
 * @next_ip: where the next instruction is
 *
 * Steps over the instruction if this returns true.
 *
 * Context: RCU read-side critical section; interrupts may be off, but not on
 * PREEMPT_RT.
 * Return: true if an ioeventfd was rung.
 */
static __always_inline bool kvm_ioeventfd_out(struct kvm_vcpu *vcpu,
					      unsigned int port, unsigned int len,
					      unsigned long next_ip)
{
	const unsigned long *val = &vcpu->arch.regs[VCPU_REGS_RAX];

	if (!kvm_io_bus_ring_pio(vcpu, port, len, *val))
		return false;
	++vcpu->stat.io_exits;
	trace_kvm_pio(KVM_PIO_OUT, port, len, 1, val);
	kvm_ioeventfd_step(vcpu, next_ip);
	return true;
}

bool kvm_ioeventfd_no_memslot(struct kvm_vcpu *vcpu, gpa_t gpa);

/**
 * kvm_ioeventfd_is_mmio - whether an address is not memory
 * @vcpu: who stores, not in system management mode
 * @gpa: the guest physical address, which the page tables of the processor
 *	have for emulated MMIO
 *
 * Those page tables may be older than the memslots. The number of their
 * generation is read without kvm->srcu, which keeps the slots alive: the two
 * sets that have the number are part of struct kvm. The dereference pairs with
 * rcu_assign_pointer() in kvm_swap_active_memslots(): who knows that memory has
 * been put here finds the set that has it, of another generation.
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 * Return: true if so.
 */
static __always_inline bool kvm_ioeventfd_is_mmio(struct kvm_vcpu *vcpu,
						  gpa_t gpa)
{
	const struct kvm_memslots *slots =
		rcu_dereference_raw(vcpu->kvm->memslots[0]);

	/* What the emulator found out, if the memslots are still the same. */
	if (likely(vcpu->arch.mmio_gen == READ_ONCE(slots->generation) &&
		   vcpu->arch.mmio_gfn == gpa_to_gfn(gpa) &&
		   vcpu->arch.mmio_gfn))
		return true;
	return kvm_ioeventfd_no_memslot(vcpu, gpa);
}

struct kvm_ioeventfd_memo;
struct kvm_ioeventfd_store;

gpa_t kvm_ioeventfd_walk(struct kvm_vcpu *vcpu, u64 cr3, u64 efer, u64 linear);
bool kvm_ioeventfd_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int mode,
			struct kvm_ioeventfd_memo *memo);
int kvm_ioeventfd_finish_store(struct kvm_vcpu *vcpu,
			       struct kvm_ioeventfd_store *store);

#endif /* __KVM_X86_IOEVENTFD_FASTPATH_H */
