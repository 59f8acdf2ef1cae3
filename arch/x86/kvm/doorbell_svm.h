/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_DOORBELL_SVM_H
#define __KVM_X86_DOORBELL_SVM_H

#include "doorbell.h"
#include "svm/svm.h"

bool svm_doorbell_store_irqoff(struct kvm_vcpu *vcpu);
int svm_doorbell_store(struct kvm_vcpu *vcpu);

/* What a store to emulated MMIO faults with: bits that must be, that may be. */
#define SVM_DOORBELL_FAULT	(PFERR_WRITE_MASK | PFERR_RSVD_MASK | \
				 PFERR_GUEST_FINAL_MASK)
#define SVM_DOORBELL_FAULT_ANY	(PFERR_PRESENT_MASK | PFERR_USER_MASK)

/* The local APIC comes before the bus. */
static __always_inline bool svm_doorbell_is_store(const struct vcpu_svm *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;

	return (control->exit_info_1 & ~SVM_DOORBELL_FAULT_ANY) ==
	       SVM_DOORBELL_FAULT &&
	       (control->exit_info_2 ^ svm->vcpu.arch.apic_base) >> PAGE_SHIFT;
}

static __always_inline bool svm_doorbell_is_out(const struct vcpu_svm *svm)
{
	return !(svm->vmcb->control.exit_info_1 &
		 (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK | SVM_IOIO_REP_MASK));
}

/*
 * Whether the instruction with which the vCPU left the guest is what caused the
 * exit, can be looked at, and may be stepped over.
 */
static __always_inline bool svm_doorbell_may_step(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	return !sev_guest(vcpu->kvm) &&
	       !(vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK) &&
	       !(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID) &&
	       kvm_doorbell_may_step(vcpu, vmcb->save.rflags);
}

/**
 * svm_doorbell_fastpath - finish a kick in the exit fastpath
 * @vcpu: the vCPU, which just left the guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: true if the exit was a kick and is done: the guest can go on.
 */
static __always_inline bool svm_doorbell_fastpath(struct kvm_vcpu *vcpu)
{
	const struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_control_area *control = &svm->vmcb->control;
	bool rung;

	switch (control->exit_code) {
	case SVM_EXIT_IOIO:
		if (!kvm_doorbell_irqoff() || !svm_doorbell_is_out(svm) ||
		    !svm_doorbell_may_step(vcpu))
			return false;
		kvm_doorbell_rcu_enter();
		rung = kvm_doorbell_out(vcpu, (u32)control->exit_info_1 >> 16,
					(control->exit_info_1 & SVM_IOIO_SIZE_MASK) >>
					SVM_IOIO_SIZE_SHIFT,
					control->exit_info_2);
		kvm_doorbell_rcu_exit();
		return rung;
	case SVM_EXIT_NPF:
		if (!kvm_doorbell_irqoff() || !READ_ONCE(kvm_doorbell_mmio) ||
		    !svm_doorbell_is_store(svm))
			return false;
		kvm_doorbell_rcu_enter();
		rung = svm_doorbell_store_irqoff(vcpu);
		kvm_doorbell_rcu_exit();
		return rung;
	default:
		return false;
	}
}

/**
 * svm_doorbell_fault - finish a store in the handler of nested page faults
 * @vcpu: the vCPU, with a nested page fault to handle
 *
 * What the fastpath has seen and declined is not looked at again.
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: what the handler has to return; negative if the fault is still to be
 * handled.
 */
static __always_inline int svm_doorbell_fault(struct kvm_vcpu *vcpu)
{
	if (!svm_doorbell_is_store(to_svm(vcpu)))
		return -EAGAIN;
	/* Decoded in the fastpath? Or is there none? */
	if (!to_svm(vcpu)->next_rip &&
	    (kvm_doorbell_irqoff() || !READ_ONCE(kvm_doorbell_mmio)))
		return -EAGAIN;
	return svm_doorbell_store(vcpu);
}

#endif /* __KVM_X86_DOORBELL_SVM_H */
