// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on Intel processors: OUT instructions and stores to emulated MMIO that
 * ring an ioeventfd.
 *
 * An access to emulated MMIO exits by an EPT misconfiguration, which reports the
 * guest physical address and nothing else:
 *
 *  - Not whether it is a load, a store or a fetch. An ioeventfd for any width is
 *    rung by all of them, as on the fast MMIO bus. For other ioeventfds, the
 *    instruction is decoded, and only a plain store rings.
 *  - Not whether it is the access of the instruction, or one to the guest's page
 *    tables. The address that the store computes must agree with the address that
 *    faulted, within the page. The emulator goes by the same comparison.
 *  - Not the length of the instruction: the manual leaves it undefined. Processors
 *    report it. skip_emulated_instruction() relies on that, except in a VM, and so
 *    does this file for ioeventfds for any width. Otherwise the decoder tells.
 *
 * The exit sets RF in the saved RFLAGS, so RF says nothing about the guest, and is
 * cleared when the instruction is stepped over.
 *
 * Without EPT (kvm_intel.ept=0), and without marks of MMIO (kvm.mmio_caching=0),
 * there is no EPT misconfiguration, and stores take the ordinary path.
 */
#include "ioeventfd.h"

#include "ioeventfd_fastpath.h"
#include "ioeventfd_exit.h"

/* Of the exit qualification of an I/O instruction */
#define OUT_LEN		7
#define OUT_NOT		0x38	/* IN, string, REP */
#define OUT_PORT_SHIFT	16

/*
 * Whether the instruction at RIP caused the exit, and may be stepped over. The
 * upper bits of the exit reason tell of enclaves and bus locks.
 */
static __always_inline bool may_step(struct kvm_vcpu *vcpu, unsigned long rflags)
{
	const union vmx_exit_reason reason = vmx_ioeventfd_exit_reason(vcpu);

	return reason.full == reason.basic &&
	       !(to_vmx(vcpu)->idt_vectoring_info & VECTORING_INFO_VALID_MASK) &&
	       !vmx_get_interrupt_shadow(vcpu) &&
	       kvm_ioeventfd_may_step(vcpu, rflags);
}

/* The address of the next instruction, as in skip_emulated_instruction(). */
static __always_inline unsigned long next_rip(struct kvm_vcpu *vcpu)
{
	unsigned long rip = kvm_rip_read(vcpu);
	unsigned long next = rip + vmcs_read32(VM_EXIT_INSTRUCTION_LEN);

	/* A carry into bit 32 counts in 64-bit code only. */
	if (unlikely((next ^ rip) >> 31 == 3) && !is_64_bit_mode(vcpu))
		next = (u32)next;
	return next;
}

/* The size of the code that the vCPU executes. */
static __always_inline unsigned int code_bits(struct kvm_vcpu *vcpu)
{
	u32 ar = vmcs_read32(GUEST_CS_AR_BYTES);

	if ((ar & VMX_AR_L_MASK) && is_long_mode(vcpu))
		return 64;
	return ar & VMX_AR_DB_MASK ? 32 : 16;
}

/* The base of a segment; only FS and GS have one in 64-bit code. */
static __always_inline u64 segment_base(unsigned int seg, unsigned int bits)
{
	static_assert(GUEST_ES_BASE + 2 * VCPU_SREG_GS == GUEST_GS_BASE);
	if (bits == 64 && seg < VCPU_SREG_FS)
		return 0;
	return vmcs_readl(GUEST_ES_BASE + 2 * seg);
}

/*
 * Read and decode the store that faulted from memory, at the address that the
 * guest's page tables give. With PAE paging, the processor has the first level
 * in registers, and the ordinary path uses them.
 */
static __always_inline bool decode(struct kvm_vcpu *vcpu, unsigned int bits)
{
	u64 linear = kvm_rip_read(vcpu);

	if (bits != 64)
		linear = (u32)(vmcs_readl(GUEST_CS_BASE) + linear);
	if (is_pae_paging(vcpu))
		return false;
	return kvm_ioeventfd_read(vcpu, is_paging(vcpu) ? vmcs_readl(GUEST_CR3) : 0,
				  linear, bits, &to_vmx(vcpu)->ioeventfd.memo);
}

/*
 * Ring the ioeventfd of the access that faulted, and step over it. A store that
 * is decoded but rings no ioeventfd is left to the handler.
 *
 * In an RCU read-side critical section. Does not sleep. Its callers are not inline,
 * so that other exits do not pay for it.
 */
static __always_inline bool ring_store(struct kvm_vcpu *vcpu, bool in_fastpath)
{
	gpa_t gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	struct kvm_ioeventfd_stores *stores = &to_vmx(vcpu)->ioeventfd;
	const struct kvm_ioeventfd_insn *insn = &stores->memo.insn;
	struct kvm_ioeventfd_set *set;
	unsigned long rflags;
	unsigned int bits;

	set = kvm_ioeventfd_search(vcpu, KVM_MMIO_BUS, gpa);
	if (!set)
		return false;
	rflags = vmx_get_rflags(vcpu) & ~X86_EFLAGS_RF;
	if (!may_step(vcpu, rflags))
		return false;

	if (!cpu_feature_enabled(X86_FEATURE_HYPERVISOR) &&
	    kvm_io_bus_ring_any(set, gpa)) {
		kvm_ioeventfd_count_ring(vcpu, in_fastpath);
		trace_kvm_fast_mmio(gpa);
		vmx_set_rflags(vcpu, rflags);
		kvm_ioeventfd_step(vcpu, next_rip(vcpu));
		return true;
	}

	/* The local APIC is asked before the bus. */
	if (!((gpa ^ vcpu->arch.apic_base) >> PAGE_SHIFT) ||
	    !kvm_ioeventfd_is_mmio(vcpu, gpa))
		return false;
	bits = code_bits(vcpu);
	if (!decode(vcpu, bits))
		return false;
	/* Brings the register up to date. */
	if (insn->base == VCPU_REGS_RSP || insn->reg == VCPU_REGS_RSP)
		kvm_rsp_read(vcpu);
	vmx_set_rflags(vcpu, rflags);
	return kvm_ioeventfd_ring_store(vcpu, stores, set, gpa, bits,
					segment_base(insn->seg, bits), in_fastpath,
					NULL);
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
 * vmx_ioeventfd_out - ring the ioeventfd of an OUT in the exit fastpath
 * @vcpu: the vCPU, which has just left the guest by EXIT_REASON_IO_INSTRUCTION;
 *	not in a nested guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: EXIT_FASTPATH_NONE if the exit still has to be handled.
 */
fastpath_t vmx_ioeventfd_out(struct kvm_vcpu *vcpu)
{
	struct kvm_ioeventfd_set *set;
	unsigned long info;
	unsigned long port;
	bool rung;

	if (kvm_ioeventfd_none(vcpu, KVM_PIO_BUS) || !kvm_ioeventfd_irqoff(vcpu))
		return EXIT_FASTPATH_NONE;

	info = vmx_get_exit_qual(vcpu);
	if (info & OUT_NOT)
		return EXIT_FASTPATH_NONE;
	port = (u16)(info >> OUT_PORT_SHIFT);

	kvm_ioeventfd_rcu_enter();
	set = kvm_ioeventfd_search(vcpu, KVM_PIO_BUS, port);
	rung = set && may_step(vcpu, vmx_get_rflags(vcpu)) &&
	       kvm_ioeventfd_out(vcpu, set, port, (info & OUT_LEN) + 1,
				 next_rip(vcpu));
	kvm_ioeventfd_rcu_exit();
	return rung ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}

/**
 * vmx_ioeventfd_store - ring the ioeventfd of a store in the exit fastpath
 * @vcpu: the vCPU, which has just left the guest by EXIT_REASON_EPT_MISCONFIG;
 *	not in a nested guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: EXIT_FASTPATH_NONE if the exit still has to be handled.
 */
fastpath_t vmx_ioeventfd_store(struct kvm_vcpu *vcpu)
{
	struct kvm_ioeventfd_stores *stores = &to_vmx(vcpu)->ioeventfd;
	bool rung;

	stores->rest = KVM_IOEVENTFD_NOTHING;
	if (kvm_ioeventfd_none(vcpu, KVM_MMIO_BUS) ||
	    !READ_ONCE(kvm_ioeventfd_mmio))
		return EXIT_FASTPATH_NONE;
	if (!kvm_ioeventfd_irqoff(vcpu)) {
		stores->rest = KVM_IOEVENTFD_TRY;
		return EXIT_FASTPATH_NONE;
	}

	kvm_ioeventfd_rcu_enter();
	rung = ring_store_in_fastpath(vcpu);
	kvm_ioeventfd_rcu_exit();
	return rung ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}

/**
 * vmx_ioeventfd_handle - finish a store in the handler of EPT misconfigurations
 * @vcpu: the vCPU, with something that the exit fastpath has left to do
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: as an exit handler; negative if the exit is still to be handled.
 */
int vmx_ioeventfd_handle(struct kvm_vcpu *vcpu)
{
	return kvm_ioeventfd_handle(vcpu, &to_vmx(vcpu)->ioeventfd,
				    ring_store_in_handler);
}
