/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_DOORBELL_H
#define __KVM_X86_DOORBELL_H

/*
 * The way of a kick from the guest's instruction to its doorbell, without the
 * instruction emulator and, if possible, without leaving the inner run loop.
 * Documentation/virt/kvm/x86-doorbell.rst tells what is done where and why it
 * is safe.
 *
 *	exit of the guest
 *	  |
 *	  v
 *	exit fastpath, interrupts off		doorbell_fastpath
 *	  OUT:   kvm_doorbell_out()		  rung: enter the guest again
 *	  store: doorbell_svm.c
 *	  |
 *	  v
 *	exit handler, interrupts on
 *	  store: doorbell_svm.c			doorbell_mmio
 *	  |					  rung: enter the guest again
 *	  v
 *	all else: the emulator, the bus, userspace
 */

#include <linux/kvm_host.h>

#include "x86.h"
#include "smm.h"

extern bool kvm_doorbell_fastpath;
extern bool kvm_doorbell_mmio;

/*
 * Whether kicks may be finished with interrupts off. Not on PREEMPT_RT: the
 * locks of an eventfd's waiters sleep there.
 */
static __always_inline bool kvm_doorbell_irqoff(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) &&
	       READ_ONCE(kvm_doorbell_fastpath);
}

/*
 * Whether nothing but the next instruction comes of stepping over one: no
 * single-step trap, no breakpoint, no debugger, no RF to clear, and neither a
 * nested guest nor system management mode, which have rules of their own.
 * @rflags are those that the processor runs with.
 */
static __always_inline bool kvm_doorbell_may_step(struct kvm_vcpu *vcpu,
						  unsigned long rflags)
{
	return !(rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) &&
	       !vcpu->guest_debug && !vcpu->arch.switch_db_regs &&
	       !is_guest_mode(vcpu) && !is_smm(vcpu);
}

/*
 * With interrupts off RCU waits for this processor, as long as they are.
 * Only lockdep has to be told.
 */
static __always_inline void kvm_doorbell_rcu_enter(void)
{
	lockdep_assert_irqs_disabled();
	rcu_lock_acquire(&rcu_lock_map);
}

static __always_inline void kvm_doorbell_rcu_exit(void)
{
	rcu_lock_release(&rcu_lock_map);
}

/* Bytes that are read of an instruction: one more than the longest has. */
#define KVM_DOORBELL_FETCH	16

bool kvm_doorbell_out(struct kvm_vcpu *vcpu, struct kvm_io_register *reg,
		      unsigned int port, unsigned int len, unsigned long next_ip);
bool kvm_doorbell_store(struct kvm_vcpu *vcpu, struct kvm_io_register *reg,
			gpa_t gpa, unsigned int len, u64 val,
			unsigned long next_ip);
bool kvm_doorbell_is_mmio(struct kvm_vcpu *vcpu, gpa_t gpa);
unsigned int kvm_doorbell_fetch(struct kvm_vcpu *vcpu, unsigned long cr0,
				u64 cr3, u64 efer, u64 linear, u8 *code);

#endif /* __KVM_X86_DOORBELL_H */
