// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on AMD processors: OUT instructions and plain stores that ring an
 * ioeventfd.
 *
 * A store to emulated MMIO faults on a reserved bit of the nested page tables.
 * The fault reports the guest physical address. Only the instruction tells the
 * value and the width. So the instruction is decoded (ioeventfd_insn.c), and the
 * address that it computes must agree with the address that faulted. That check
 * finds two cases:
 *
 *  - a store that begins on the page before: the fault reports the second half;
 *  - a store that another vCPU has replaced by a different one since the exit.
 */
#include <linux/kvm_host.h>

#include "ioeventfd_fastpath.h"
#include "ioeventfd_sev.h"
#include "mmu.h"
#include "svm.h"

/* Error codes of a store to emulated MMIO: bits that are set, that may be set. */
#define STORE_FAULT	(PFERR_WRITE_MASK | PFERR_RSVD_MASK | \
			 PFERR_GUEST_FINAL_MASK)
#define STORE_FAULT_ANY	(PFERR_PRESENT_MASK | PFERR_USER_MASK)

/*
 * Whether a store faulted on a page that has no entry in the page tables, and
 * is worth a search.
 *
 * With 52 physical address bits there is no reserved bit, and with
 * kvm.mmio_caching=0 it is not used. Then MMIO and the first write to a page of
 * memory fault alike, and the memslots alone tell which it is. VMs with private
 * memory are excluded: userspace handles faults of private memory.
 *
 * A page of memory faults once, a page of MMIO at each store. So the first fault
 * of a page takes the ordinary path, and memory does not pay for a search. The
 * pages that faulted last are kept, one for each value of the lowest bits.
 */
static bool faults_again(struct vcpu_svm *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	gfn_t gfn = gpa_to_gfn(control->exit_info_2);
	gfn_t *last = &svm->ioeventfd.pages[gfn % SVM_IOEVENTFD_PAGES];

	if ((control->exit_info_1 & ~PFERR_USER_MASK) !=
	    (PFERR_WRITE_MASK | PFERR_GUEST_FINAL_MASK))
		return false;
	if (*last == gfn)
		return !kvm_arch_has_private_mem(svm->vcpu.kvm);
	*last = gfn;
	return false;
}

/* Whether the exit is a store to MMIO other than the local APIC. */
static __always_inline bool is_store(struct vcpu_svm *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;

	if ((control->exit_info_1 & ~STORE_FAULT_ANY) != STORE_FAULT &&
	    (likely(enable_mmio_caching) || !faults_again(svm)))
		return false;
	return (control->exit_info_2 ^ svm->vcpu.arch.apic_base) >> PAGE_SHIFT;
}

/*
 * Whether the instruction at RIP caused the exit, its code and registers are
 * readable, and it may be stepped over.
 */
static __always_inline bool may_step(struct kvm_vcpu *vcpu,
				     const struct vmcb *vmcb)
{
	return !svm_ioeventfd_is_sev(vcpu) &&
	       !(vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK) &&
	       !(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID) &&
	       kvm_ioeventfd_may_step(vcpu, vmcb->save.rflags);
}

/* The size of the code that the vCPU executes. */
static __always_inline unsigned int code_bits(const struct vmcb_save_area *save)
{
	if ((save->cs.attrib & SVM_SELECTOR_L_MASK) && (save->efer & EFER_LMA))
		return 64;
	return save->cs.attrib & SVM_SELECTOR_DB_MASK ? 32 : 16;
}

/*
 * Decode the store that faulted. Decode assists put its bytes into the VMCB,
 * after a byte with their number, which makes 16 bytes in all. Without them it is
 * read from memory, by the guest's page tables.
 */
static __always_inline bool decode(struct kvm_vcpu *vcpu, const struct vmcb *vmcb,
				   unsigned int bits)
{
	struct kvm_ioeventfd_memo *memo = &to_svm(vcpu)->ioeventfd.stores.memo;
	const struct vmcb_control_area *control = &vmcb->control;
	const u64 *bytes = (const u64 *)&control->insn_len;
	u64 linear = kvm_ioeventfd_rip(vcpu);

	static_assert(offsetof(struct vmcb_control_area, insn_len) % 8 == 0 &&
		      offsetof(struct vmcb_control_area, insn_bytes) ==
		      offsetof(struct vmcb_control_area, insn_len) + 1);
	if (cpu_feature_enabled(X86_FEATURE_DECODEASSISTS) &&
	    likely(control->insn_len == KVM_IOEVENTFD_INSN_MAX))
		return kvm_ioeventfd_memo_decode(memo, bytes[0], bytes[1], 1, bits);
	if (bits != 64)
		linear = (u32)(vmcb->save.cs.base + linear);
	return kvm_ioeventfd_read(vcpu, vmcb->save.cr3, linear, bits, memo);
}

/* The base of a segment; only FS and GS have one in 64-bit code. */
static __always_inline u64 segment_base(const struct vmcb_save_area *save,
					unsigned int seg, unsigned int bits)
{
	static_assert(offsetof(struct vmcb_save_area, gs) ==
		      VCPU_SREG_GS * sizeof(struct vmcb_seg) &&
		      VCPU_SREG_ES == 0 && VCPU_SREG_CS == 1 &&
		      VCPU_SREG_SS == 2 && VCPU_SREG_DS == 3 &&
		      VCPU_SREG_FS == 4 && VCPU_SREG_GS == 5);
	if (bits == 64 && seg < VCPU_SREG_FS)
		return 0;
	return (&save->es)[seg].base;
}

static __always_inline void trace_fault(struct kvm_vcpu *vcpu)
{
	const struct vmcb_control_area *control = &to_svm(vcpu)->vmcb->control;

	if (trace_kvm_page_fault_enabled())
		trace_kvm_page_fault(vcpu, control->exit_info_2,
				     control->exit_info_1);
}

/*
 * Ring the ioeventfd of the store that faulted, and step over it. A store that
 * is decoded but rings no ioeventfd is left to the handler.
 *
 * In an RCU read-side critical section. Does not sleep. Its callers are not inline,
 * so that other faults do not pay for it.
 */
static __always_inline bool ring_store(struct kvm_vcpu *vcpu, bool in_fastpath)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const struct vmcb *vmcb = svm->vmcb;
	gpa_t gpa = vmcb->control.exit_info_2;
	struct kvm_ioeventfd_set *set;
	unsigned int seg, bits;

	set = kvm_ioeventfd_search(vcpu, KVM_MMIO_BUS, gpa);
	if (!set || !may_step(vcpu, vmcb) || !kvm_ioeventfd_is_mmio(vcpu, gpa))
		return false;
	bits = code_bits(&vmcb->save);
	if (!decode(vcpu, vmcb, bits))
		return false;
	seg = svm->ioeventfd.stores.memo.insn.seg;
	/* The handler has traced the fault before. */
	return kvm_ioeventfd_ring_store(vcpu, &svm->ioeventfd.stores, set, gpa,
					bits, segment_base(&vmcb->save, seg, bits),
					in_fastpath, in_fastpath ? trace_fault : NULL);
}

static noinline bool ring_store_in_fastpath(struct kvm_vcpu *vcpu)
{
	return ring_store(vcpu, true);
}

static noinline bool ring_store_in_handler(struct kvm_vcpu *vcpu)
{
	return ring_store(vcpu, false);
}

/**
 * svm_ioeventfd_out - ring the ioeventfd of an OUT in the exit fastpath
 * @vcpu: the vCPU, which has just left the guest by SVM_EXIT_IOIO
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: true if an ioeventfd was rung: the guest can go on.
 */
bool svm_ioeventfd_out(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	const struct vmcb_control_area *control = &vmcb->control;
	unsigned long port = (u16)(control->exit_info_1 >> 16);
	unsigned int len = (control->exit_info_1 & SVM_IOIO_SIZE_MASK) >>
			   SVM_IOIO_SIZE_SHIFT;
	struct kvm_ioeventfd_set *set;
	bool rung;

	if (kvm_ioeventfd_none(vcpu, KVM_PIO_BUS) || !kvm_ioeventfd_irqoff(vcpu) ||
	    (control->exit_info_1 &
	     (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK | SVM_IOIO_REP_MASK)))
		return false;

	kvm_ioeventfd_rcu_enter();
	set = kvm_ioeventfd_search(vcpu, KVM_PIO_BUS, port);
	rung = set && may_step(vcpu, vmcb) &&
	       kvm_ioeventfd_out(vcpu, set, port, len, control->exit_info_2);
	kvm_ioeventfd_rcu_exit();
	return rung;
}

/**
 * svm_ioeventfd_store - ring the ioeventfd of a store in the exit fastpath
 * @vcpu: the vCPU, which has just left the guest by SVM_EXIT_NPF
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: true if an ioeventfd was rung: the guest can go on.
 */
bool svm_ioeventfd_store(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	bool rung;

	svm->ioeventfd.stores.rest = KVM_IOEVENTFD_NOTHING;
	if (kvm_ioeventfd_none(vcpu, KVM_MMIO_BUS) ||
	    !READ_ONCE(kvm_ioeventfd_mmio) || !is_store(svm))
		return false;
	if (!kvm_ioeventfd_irqoff(vcpu)) {
		svm->ioeventfd.stores.rest = KVM_IOEVENTFD_TRY;
		return false;
	}

	kvm_ioeventfd_rcu_enter();
	rung = ring_store_in_fastpath(vcpu);
	kvm_ioeventfd_rcu_exit();
	return rung;
}

/**
 * svm_ioeventfd_handle - finish a store in the handler of nested page faults
 * @vcpu: the vCPU, with something that the exit fastpath has left to do
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: as an exit handler; negative if the fault is still to be handled.
 */
int svm_ioeventfd_handle(struct kvm_vcpu *vcpu)
{
	return kvm_ioeventfd_handle(vcpu, &to_svm(vcpu)->ioeventfd.stores,
				    ring_store_in_handler);
}
