// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on AMD processors: OUT and plain stores that ring a doorbell.
 *
 * A store to emulated MMIO faults on a reserved bit of the nested page tables.
 * The fault names the guest physical address; what is written, and how much,
 * only the instruction tells. So it is decoded (doorbell_insn.c), and believed
 * only if the address that it computes agrees with the one that faulted: then
 * it is all of the instruction's store that faulted, not the second half of one
 * that began on the page before, nor a store that another vCPU has meanwhile
 * replaced by a different one.
 */
#include "doorbell_svm.h"

#include "doorbell_insn.h"
#include "trace.h"

static_assert(VCPU_SREG_ES == 0 && VCPU_SREG_CS == 1 && VCPU_SREG_SS == 2 &&
	      VCPU_SREG_DS == 3 && VCPU_SREG_FS == 4 && VCPU_SREG_GS == 5);

/* Whether the store's own segment counts in its address, and from where. */
static __always_inline u64 segment_base(const struct vcpu_svm *svm,
					const struct vmcb_save_area *save,
					unsigned int seg, bool code64)
{
	if (likely(seg < VCPU_SREG_FS))
		/* es, cs, ss and ds follow one another. */
		return code64 ? 0 : (&save->es)[seg].base;
	save = &svm->vmcb01.ptr->save;
	return seg == VCPU_SREG_FS ? save->fs.base : save->gs.base;
}

/*
 * Decode the store that faulted, into svm->doorbell. The bytes are in the VMCB
 * where there are decode assists: behind their number, so 16 in all.
 */
static __always_inline bool decode(struct kvm_vcpu *vcpu, unsigned int bits,
				   u64 ip)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_control_area *control = &svm->vmcb->control;
	const struct vmcb_save_area *save = &svm->vmcb->save;
	gpa_t gpa;

	if (static_cpu_has(X86_FEATURE_DECODEASSISTS) &&
	    control->insn_len == KVM_DOORBELL_INSN_MAX) {
		const u64 *bytes = (const u64 *)&control->insn_len;

		static_assert(offsetof(struct vmcb_control_area, insn_len) % 8 == 0 &&
			      offsetof(struct vmcb_control_area, insn_bytes) ==
			      offsetof(struct vmcb_control_area, insn_len) + 1);
		return kvm_doorbell_memo_decode(&svm->doorbell, bytes[0],
						bytes[1], 1, bits);
	}

	gpa = bits == 64 ? ip : (u32)(save->cs.base + ip);
	if (save->cr0 & X86_CR0_PG) {
		gpa = kvm_doorbell_walk(vcpu, save->cr3, save->efer, gpa);
		if (gpa == INVALID_GPA)
			return false;
	}
	return kvm_doorbell_read(vcpu, gpa, bits, &svm->doorbell);
}

/*
 * Ring the doorbell of the store that faulted, and step over it. Does not sleep.
 * A store for which no doorbell waits is left in svm->next_rip, which is 0
 * after each exit, and vcpu->io_miss.
 */
static __always_inline bool store(struct kvm_vcpu *vcpu,
				  struct kvm_io_search found)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_save_area *save = &svm->vmcb->save;
	struct kvm_doorbell_memo *memo = &svm->doorbell;
	const struct kvm_doorbell_insn *insn = &memo->insn;
	const unsigned long *regs = vcpu->arch.regs;
	gpa_t gpa = svm->vmcb->control.exit_info_2;
	u64 ip = regs[VCPU_REGS_RIP], address;
	unsigned int bits;

	if (!kvm_doorbell_is_mmio(vcpu, gpa))
		return false;

	if ((save->efer & EFER_LMA) && (save->cs.attrib & SVM_SELECTOR_L_MASK))
		bits = 64;
	else
		bits = save->cs.attrib & SVM_SELECTOR_DB_MASK ? 32 : 16;
	if (!decode(vcpu, bits, ip))
		return false;

	ip += insn->len;
	if (bits != 64)
		ip = (u32)ip;
	address = kvm_doorbell_insn_address(insn, regs, ip,
					    segment_base(svm, save, insn->seg,
							 bits == 64));
	if (offset_in_page(address ^ gpa) ||
	    offset_in_page(gpa) + insn->width > PAGE_SIZE)
		return false;

	memo->value = kvm_doorbell_insn_value(insn, regs);
	if (kvm_doorbell_store(vcpu, found, gpa, insn->width, &memo->value, ip))
		return true;
	svm->next_rip = ip;
	return false;
}

/**
 * svm_doorbell_store_irqoff - finish a kick by a store in the exit fastpath
 * @vcpu: who executes it
 *
 * Context: interrupts off, not on PREEMPT_RT; RCU read-side critical section;
 * without kvm->srcu.
 * Return: true if a doorbell was rung and the instruction is done.
 */
bool svm_doorbell_store_irqoff(struct kvm_vcpu *vcpu)
{
	const struct vmcb_control_area *control = &to_svm(vcpu)->vmcb->control;
	struct kvm_io_search found;
	bool rung;
	int idx;

	found = kvm_io_bus_search_mmio(vcpu, control->exit_info_2);
	if (!found.reg || !svm_doorbell_may_step(vcpu))
		return false;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	rung = store(vcpu, found);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	if (rung)
		trace_kvm_page_fault(vcpu, control->exit_info_2,
				     control->exit_info_1);
	return rung;
}

/**
 * svm_doorbell_store - finish a store in the handler of nested page faults
 * @vcpu: who executes the store that faulted
 *
 * A store that the fastpath has decoded in vain is not decoded again.
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: what the handler has to return; negative if the fault is still to be
 * handled.
 */
int svm_doorbell_store(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	gpa_t gpa = svm->vmcb->control.exit_info_2;
	struct kvm_io_search found;
	unsigned long next_ip;
	bool rung = false;

	if (!svm->next_rip) {
		rcu_read_lock();
		found = kvm_io_bus_search_mmio(vcpu, gpa);
		if (found.reg && svm_doorbell_may_step(vcpu))
			rung = store(vcpu, found);
		rcu_read_unlock();
		if (rung)
			return 1;
	}

	next_ip = svm->next_rip;
	svm->next_rip = 0;
	/* It may have become memory since the fastpath looked. */
	if (!next_ip || !kvm_doorbell_is_mmio(vcpu, gpa))
		return -EAGAIN;
	return kvm_doorbell_missed(vcpu, next_ip);
}
