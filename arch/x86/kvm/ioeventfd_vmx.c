// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on Intel processors: OUT instructions that ring an ioeventfd. Stores to
 * emulated MMIO have the fast MMIO bus in the handler of EPT misconfigurations.
 */
#include "ioeventfd_vmx.h"

#include <linux/moduleparam.h>

bool __read_mostly vmx_ioeventfd_enabled;
module_param_named(ioeventfd_fastpath, vmx_ioeventfd_enabled, bool, 0644);
MODULE_PARM_DESC(ioeventfd_fastpath,
		 "With kvm.ioeventfd_fastpath: finish kicks by OUT without leaving the inner run loop (default off: has been compiled, but has not run on hardware)");

/* Of the exit qualification of an I/O instruction */
#define OUT_LEN		7
#define OUT_NOT		0x38	/* IN, string, REP */
#define OUT_PORT_SHIFT	16

/**
 * vmx_ioeventfd_out_irqoff - ring the ioeventfd of an OUT in the exit fastpath
 * @vcpu: who executes it, not a nested guest
 *
 * Context: interrupts off, not on PREEMPT_RT; without kvm->srcu.
 * Return: EXIT_FASTPATH_NONE if the exit still has to be handled.
 */
fastpath_t vmx_ioeventfd_out_irqoff(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	unsigned long info = vmx_get_exit_qual(vcpu);
	unsigned int port = (u16)(info >> OUT_PORT_SHIFT);
	unsigned int len = (info & OUT_LEN) + 1;
	unsigned int insn_len;
	unsigned long next_ip;
	bool rung;

	if (info & OUT_NOT)
		return EXIT_FASTPATH_NONE;

	insn_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
	if (!insn_len || vmx->exit_reason.enclave_mode ||
	    vmx->exit_reason.bus_lock_detected ||
	    (vmx->idt_vectoring_info & VECTORING_INFO_VALID_MASK) ||
	    vmx_get_interrupt_shadow(vcpu) ||
	    !kvm_ioeventfd_may_step(vcpu, vmx_get_rflags(vcpu)))
		return EXIT_FASTPATH_NONE;

	next_ip = kvm_rip_read(vcpu) + insn_len;
	if (!is_64_bit_mode(vcpu))
		next_ip = (u32)next_ip;

	kvm_ioeventfd_rcu_enter();
	rung = kvm_ioeventfd_out(vcpu, port, len, next_ip);
	kvm_ioeventfd_rcu_exit();
	return rung ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}
