// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on AMD processors: OUT and plain stores that ring an ioeventfd.
 *
 * A store to emulated MMIO faults on a reserved bit of the nested page tables.
 * The fault names the guest physical address; what is written, and how much,
 * only the instruction tells. So it is decoded (ioeventfd_insn.c), and believed
 * only if the address that it computes agrees with the one that faulted: then
 * it is all of the instruction's store that faulted, not the second half of one
 * that began on the page before, nor a store that another vCPU has meanwhile
 * replaced by a different one.
 */
#include "ioeventfd_svm.h"

static_assert(VCPU_SREG_ES == 0 && VCPU_SREG_CS == 1 && VCPU_SREG_SS == 2 &&
	      VCPU_SREG_DS == 3 && VCPU_SREG_FS == 4 && VCPU_SREG_GS == 5);

/**
 * svm_ioeventfd_read - read and decode the store that faulted
 * @vcpu: who executes it
 * @mode: svm_ioeventfd_mode()
 *
 * Where the processor does not tell its bytes. They are where the guest's page
 * tables say, which are read for that, too.
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 * Return: true if it is certain that there is a plain store; it is in
 * vcpu_svm.ioeventfd then.
 */
bool svm_ioeventfd_read(struct kvm_vcpu *vcpu, unsigned int mode)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_save_area *save = &svm->vmcb->save;
	gpa_t gpa = vcpu->arch.regs[VCPU_REGS_RIP];
	bool store = false;
	int idx;

	if (!kvm_ioeventfd_is_64_bit(mode))
		gpa = (u32)(save->cs.base + gpa);

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	if (save->cr0 & X86_CR0_PG)
		gpa = kvm_ioeventfd_walk(vcpu, save->cr3, save->efer, gpa);
	if (gpa != INVALID_GPA)
		store = kvm_ioeventfd_read(vcpu, gpa, mode, &svm->ioeventfd);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return store;
}

/**
 * svm_ioeventfd_address - where the store that faulted writes to
 * @vcpu: who executes it; it is in vcpu_svm.ioeventfd
 * @ip: where the next instruction is
 *
 * Context: any.
 * Return: the linear address, of which only the lowest 16 bits are meant.
 */
u64 svm_ioeventfd_address(struct kvm_vcpu *vcpu, u64 ip)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct kvm_ioeventfd_insn *insn = &svm->ioeventfd.insn;
	u64 base = 0;

	switch (insn->seg) {
	case VCPU_SREG_FS:
		base = svm->vmcb01.ptr->save.fs.base;
		break;
	case VCPU_SREG_GS:
		base = svm->vmcb01.ptr->save.gs.base;
		break;
	default:
		if (!svm->ioeventfd.flat)
			base = svm_ioeventfd_segment(svm, insn->seg);
	}
	return kvm_ioeventfd_insn_address(insn, vcpu->arch.regs, ip, base);
}

/**
 * svm_ioeventfd_store - finish a store in the handler of nested page faults
 * @vcpu: the vCPU whose store faulted
 *
 * Does not decode a store again that the fastpath has decoded.
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: what the handler has to return; negative if the fault is still to be
 * handled.
 */
int svm_ioeventfd_store(struct kvm_vcpu *vcpu)
{
	struct kvm_ioeventfd_store *store = &to_svm(vcpu)->ioeventfd_store;
	bool rung;

	if (!store->len) {
		rcu_read_lock();
		/* Ioeventfds are rung with interrupts off where that is possible. */
		if (!IS_ENABLED(CONFIG_PREEMPT_RT))
			local_irq_disable();
		rung = svm_ioeventfd_ring(vcpu);
		if (!IS_ENABLED(CONFIG_PREEMPT_RT))
			local_irq_enable();
		rcu_read_unlock();
		if (rung)
			return 1;
	}

	/* The memslots may have changed since the store was decoded. */
	if (!store->len || !kvm_ioeventfd_is_mmio(vcpu, store->gpa))
		return -EAGAIN;
	return kvm_ioeventfd_finish_store(vcpu, store);
}
