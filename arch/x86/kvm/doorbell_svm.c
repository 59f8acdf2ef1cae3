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
					unsigned int seg, bool code64)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;

	switch (seg) {
	case VCPU_SREG_FS:
		return svm->vmcb01.ptr->save.fs.base;
	case VCPU_SREG_GS:
		return svm->vmcb01.ptr->save.gs.base;
	default:
		/* es, cs, ss and ds follow one another. */
		return code64 ? 0 : (&save->es)[seg].base;
	}
}

/*
 * Ring the doorbell of the store that faulted, and step over it. Within an RCU
 * read-side critical section and kvm->srcu; does not sleep.
 */
static bool store(struct kvm_vcpu *vcpu, struct kvm_io_register *reg)
{
	const struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_control_area *control = &svm->vmcb->control;
	const struct vmcb_save_area *save = &svm->vmcb->save;
	const unsigned long *regs = vcpu->arch.regs;
	gpa_t gpa = control->exit_info_2;
	u64 code[KVM_DOORBELL_FETCH / 8] __uninitialized;
	struct kvm_doorbell_insn insn __uninitialized;
	unsigned int bits, avail;
	u64 ip, linear, address;
	bool decoded = false;

	if (!svm_doorbell_may_step(vcpu) || !kvm_doorbell_is_mmio(vcpu, gpa))
		return false;

	ip = regs[VCPU_REGS_RIP];
	if ((save->efer & EFER_LMA) && (save->cs.attrib & SVM_SELECTOR_L_MASK)) {
		bits = 64;
		linear = ip;
	} else {
		bits = save->cs.attrib & SVM_SELECTOR_DB_MASK ? 32 : 16;
		linear = (u32)(save->cs.base + ip);
	}

	if (static_cpu_has(X86_FEATURE_DECODEASSISTS))
		decoded = kvm_doorbell_decode(control->insn_bytes,
					      control->insn_len, bits, &insn);
	if (!decoded) {
		avail = kvm_doorbell_fetch(vcpu, save->cr0, save->cr3,
					   save->efer, linear, (u8 *)code);
		if (!kvm_doorbell_decode((u8 *)code + sizeof(code) - avail,
					 avail, bits, &insn))
			return false;
	}

	ip += insn.len;
	if (bits != 64)
		ip = (u32)ip;
	address = kvm_doorbell_insn_address(&insn, regs, ip,
					    segment_base(svm, insn.seg,
							 bits == 64));
	if (offset_in_page(address) != offset_in_page(gpa) ||
	    offset_in_page(gpa) + insn.width > PAGE_SIZE)
		return false;

	return kvm_doorbell_store(vcpu, reg, gpa, insn.width,
				  kvm_doorbell_insn_value(&insn, regs), ip);
}

/**
 * svm_doorbell_store - finish a kick in the handler of nested page faults
 * @vcpu: who executes the store that faulted
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: true if a doorbell was rung and the instruction is done.
 */
bool svm_doorbell_store(struct kvm_vcpu *vcpu)
{
	struct kvm_io_register *reg;
	bool rung = false;

	rcu_read_lock();
	reg = kvm_io_bus_find_register(vcpu->kvm, KVM_MMIO_BUS,
				       to_svm(vcpu)->vmcb->control.exit_info_2);
	if (reg)
		rung = store(vcpu, reg);
	rcu_read_unlock();
	return rung;
}

/**
 * svm_doorbell_store_irqoff - finish a kick by a store in the exit fastpath
 * @vcpu: who executes it
 * @reg: the doorbells of the address
 *
 * Context: interrupts off, not on PREEMPT_RT; RCU read-side critical section;
 * without kvm->srcu.
 * Return: true if a doorbell was rung and the instruction is done.
 */
bool svm_doorbell_store_irqoff(struct kvm_vcpu *vcpu,
			       struct kvm_io_register *reg)
{
	const struct vmcb_control_area *control = &to_svm(vcpu)->vmcb->control;
	bool rung;

	if (!READ_ONCE(kvm_doorbell_mmio))
		return false;

	kvm_vcpu_srcu_read_lock(vcpu);
	rung = store(vcpu, reg);
	kvm_vcpu_srcu_read_unlock(vcpu);
	if (rung)
		trace_kvm_page_fault(vcpu, control->exit_info_2,
				     control->exit_info_1);
	return rung;
}
