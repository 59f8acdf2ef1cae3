// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on Intel processors: OUT instructions that ring an ioeventfd. Stores to
 * emulated MMIO use the fast MMIO bus in the handler of EPT misconfigurations.
 */
#include "ioeventfd.h"

#include <linux/moduleparam.h>

#include "ioeventfd_fastpath.h"
#include "vmx.h"

static bool __read_mostly enabled;
module_param_named(ioeventfd_fastpath, enabled, bool, 0644);
MODULE_PARM_DESC(ioeventfd_fastpath,
		 "With kvm.ioeventfd_fastpath: finish kicks by OUT in the exit fastpath (default off: never run on hardware)");

/* Of the exit qualification of an I/O instruction */
#define OUT_LEN		7
#define OUT_NOT		0x38	/* IN, string, REP */
#define OUT_PORT_SHIFT	16

/**
 * vmx_ioeventfd_fastpath - ring the ioeventfd of an OUT in the exit fastpath
 * @vcpu: the vCPU, which has just left the guest by EXIT_REASON_IO_INSTRUCTION;
 *	not in a nested guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: EXIT_FASTPATH_NONE if the exit still has to be handled.
 */
fastpath_t vmx_ioeventfd_fastpath(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	unsigned int insn_len, port, len;
	unsigned long info, next_ip;
	bool rung;

	if (!READ_ONCE(enabled) || kvm_ioeventfd_none(vcpu, KVM_PIO_BUS) ||
	    !kvm_ioeventfd_irqoff())
		return EXIT_FASTPATH_NONE;

	info = vmx_get_exit_qual(vcpu);
	if (info & OUT_NOT)
		return EXIT_FASTPATH_NONE;
	port = (u16)(info >> OUT_PORT_SHIFT);
	len = (info & OUT_LEN) + 1;

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
