/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_SVM_H
#define __KVM_X86_IOEVENTFD_SVM_H

#include "ioeventfd_fastpath.h"
#include "ioeventfd_insn.h"
#include "mmu.h"
#include "svm/svm.h"

bool svm_ioeventfd_read(struct kvm_vcpu *vcpu, unsigned int mode);
u64 svm_ioeventfd_address(struct kvm_vcpu *vcpu, u64 ip);
int svm_ioeventfd_store(struct kvm_vcpu *vcpu);

/* What a store to emulated MMIO faults with: bits that must be, that may be. */
#define SVM_IOEVENTFD_FAULT	(PFERR_WRITE_MASK | PFERR_RSVD_MASK | \
				 PFERR_GUEST_FINAL_MASK)
#define SVM_IOEVENTFD_FAULT_ANY	(PFERR_PRESENT_MASK | PFERR_USER_MASK)

/*
 * The same where no entry of the page tables can say that an address is MMIO:
 * with 52 physical address bits there is no reserved one, and
 * kvm.mmio_caching=0 asks for it. A page of memory faults alike when the guest
 * first writes to it, so the memslots alone tell what it is. Private memory is
 * neither: its faults are for userspace.
 *
 * Memory faults once, MMIO each time. So that memory does not pay for a search,
 * the first fault of a page is left to the ordinary way, which is right for all
 * of them. The pages that faulted last are kept by their lowest bits.
 */
static __always_inline bool svm_ioeventfd_not_present(struct vcpu_svm *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	gfn_t gfn = gpa_to_gfn(control->exit_info_2);
	gfn_t *last = &svm->ioeventfd_pages[gfn % SVM_IOEVENTFD_PAGES];

	if ((control->exit_info_1 & ~PFERR_USER_MASK) !=
	    (PFERR_WRITE_MASK | PFERR_GUEST_FINAL_MASK))
		return false;
	if (*last == gfn)
		return !kvm_arch_has_private_mem(svm->vcpu.kvm);
	*last = gfn;
	return false;
}

/* The local APIC comes before the bus. */
static __always_inline bool svm_ioeventfd_is_store(struct vcpu_svm *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;

	if ((control->exit_info_1 & ~SVM_IOEVENTFD_FAULT_ANY) !=
	    SVM_IOEVENTFD_FAULT &&
	    (likely(enable_mmio_caching) || !svm_ioeventfd_not_present(svm)))
		return false;
	return (control->exit_info_2 ^ svm->vcpu.arch.apic_base) >> PAGE_SHIFT;
}

static __always_inline bool svm_ioeventfd_is_out(const struct vcpu_svm *svm)
{
	return !(svm->vmcb->control.exit_info_1 &
		 (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK | SVM_IOIO_REP_MASK));
}

/*
 * Whether the instruction with which the vCPU left the guest is what caused the
 * exit, can be looked at, and may be stepped over.
 */
static __always_inline bool svm_ioeventfd_may_step(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	return !sev_guest(vcpu->kvm) &&
	       !(vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK) &&
	       !(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID) &&
	       kvm_ioeventfd_may_step(vcpu, vmcb->save.rflags);
}

/* Which kind of code it runs: KVM_IOEVENTFD_LMA, _CS_L and _CS_D. */
static __always_inline unsigned int
svm_ioeventfd_mode(const struct vmcb_save_area *save)
{
	static_assert((1 << _EFER_LMA) == KVM_IOEVENTFD_LMA &&
		      (SVM_SELECTOR_L_MASK << 4) == KVM_IOEVENTFD_CS_L &&
		      (SVM_SELECTOR_DB_MASK << 4) == KVM_IOEVENTFD_CS_D);
	return (save->cs.attrib << 4 & (KVM_IOEVENTFD_CS_L | KVM_IOEVENTFD_CS_D)) |
	       (save->efer & KVM_IOEVENTFD_LMA);
}

/*
 * Decode the store that faulted, into svm->ioeventfd. The bytes are in the VMCB
 * where there are decode assists: behind their number, so 16 in all.
 */
static __always_inline bool svm_ioeventfd_decode(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_control_area *control = &svm->vmcb->control;
	unsigned int mode = svm_ioeventfd_mode(&svm->vmcb->save);
	const u64 *bytes = (const u64 *)&control->insn_len;

	static_assert(offsetof(struct vmcb_control_area, insn_len) % 8 == 0 &&
		      offsetof(struct vmcb_control_area, insn_bytes) ==
		      offsetof(struct vmcb_control_area, insn_len) + 1);
	if (!static_cpu_has(X86_FEATURE_DECODEASSISTS) ||
	    control->insn_len != KVM_IOEVENTFD_INSN_MAX)
		return svm_ioeventfd_read(vcpu, mode);
	if (likely(kvm_ioeventfd_memo_has(&svm->ioeventfd, bytes[0], bytes[1],
					  mode | 1)))
		return svm->ioeventfd.store;
	return kvm_ioeventfd_memo_renew(&svm->ioeventfd, bytes[0], bytes[1],
				       mode | 1, vcpu->arch.regs[VCPU_REGS_RIP]);
}

/* Where a segment begins: es, cs, ss and ds, which follow one another. */
static __always_inline u64 svm_ioeventfd_segment(const struct vcpu_svm *svm,
						 unsigned int seg)
{
	return (&svm->vmcb->save.es)[seg].base;
}

/*
 * Ring the ioeventfd of the store that faulted, and step over it. Does not
 * sleep. RCU read-side critical section. A store that is decoded and rings
 * nothing is left in svm->ioeventfd_store for the handler.
 */
static __always_inline bool svm_ioeventfd_ring(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	gpa_t gpa = svm->vmcb->control.exit_info_2;
	struct kvm_ioeventfd_memo *memo = &svm->ioeventfd;
	const struct kvm_ioeventfd_insn *insn = &memo->insn;
	const unsigned long *regs = vcpu->arch.regs;
	struct kvm_ioeventfd_set *set;
	u64 ip, address, value;

	if (kvm_ioeventfd_memo_refuses(memo, regs[VCPU_REGS_RIP]))
		return false;
	set = kvm_io_bus_search_mmio(vcpu, gpa);
	if (!set || !svm_ioeventfd_may_step(vcpu) ||
	    !kvm_ioeventfd_is_mmio(vcpu, gpa) || !svm_ioeventfd_decode(vcpu))
		return false;

	ip = regs[VCPU_REGS_RIP] + insn->len;
	if (!memo->flat)
		ip = (u32)ip;
	if (likely(memo->simple)) {
		address = insn->disp + regs[insn->base];
		if (!memo->flat)
			address += svm_ioeventfd_segment(svm, insn->seg);
		value = regs[insn->reg] >> insn->shift;
	} else {
		address = svm_ioeventfd_address(vcpu, ip);
		value = kvm_ioeventfd_insn_value(insn, regs);
	}
	if (offset_in_page(address ^ gpa) ||
	    offset_in_page(gpa) + insn->width > PAGE_SIZE)
		return false;

	if (!kvm_io_bus_ring_found(set, gpa, insn->width, value)) {
		svm->ioeventfd_store = (struct kvm_ioeventfd_store) {
			.gpa = gpa,
			.data = value,
			.next_ip = ip,
			.len = insn->width,
		};
		return false;
	}
	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, insn->width, gpa, &value);
	kvm_ioeventfd_step(vcpu, ip);
	return true;
}

/**
 * svm_ioeventfd_fastpath - finish a kick in the exit fastpath
 * @vcpu: the vCPU, which just left the guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: true if the exit was a kick and is done: the guest can go on.
 */
static __always_inline bool svm_ioeventfd_fastpath(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb_control_area *control = &svm->vmcb->control;
	unsigned int port, len;
	bool rung;

	switch (control->exit_code) {
	case SVM_EXIT_IOIO:
		port = (u32)control->exit_info_1 >> 16;
		len = (control->exit_info_1 & SVM_IOIO_SIZE_MASK) >>
		      SVM_IOIO_SIZE_SHIFT;
		if (!kvm_ioeventfd_irqoff() || !svm_ioeventfd_is_out(svm) ||
		    !svm_ioeventfd_may_step(vcpu))
			return false;
		kvm_ioeventfd_rcu_enter();
		rung = kvm_ioeventfd_out(vcpu, port, len, control->exit_info_2);
		kvm_ioeventfd_rcu_exit();
		return rung;
	case SVM_EXIT_NPF:
		svm->ioeventfd_store.len = 0;
		if (!svm_ioeventfd_is_store(svm) || !kvm_ioeventfd_irqoff() ||
		    !READ_ONCE(kvm_ioeventfd_mmio))
			return false;
		kvm_ioeventfd_rcu_enter();
		rung = svm_ioeventfd_ring(vcpu);
		kvm_ioeventfd_rcu_exit();
		if (rung)
			trace_kvm_page_fault(vcpu, control->exit_info_2,
					     control->exit_info_1);
		return rung;
	default:
		return false;
	}
}

/**
 * svm_ioeventfd_fault - finish a store in the handler of nested page faults
 * @vcpu: the vCPU, with a nested page fault to handle
 *
 * Takes over a store that the fastpath has decoded; looks at others only if
 * there is no fastpath.
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: what the handler has to return; negative if the fault is still to be
 * handled.
 */
static __always_inline int svm_ioeventfd_fault(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (likely(!svm->ioeventfd_store.len) &&
	    (kvm_ioeventfd_irqoff() || !READ_ONCE(kvm_ioeventfd_mmio) ||
	     !svm_ioeventfd_is_store(svm)))
		return -EAGAIN;
	return svm_ioeventfd_store(vcpu);
}

#endif /* __KVM_X86_IOEVENTFD_SVM_H */
