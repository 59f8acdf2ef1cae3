/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_VMX_H
#define __KVM_X86_IOEVENTFD_VMX_H

#include "ioeventfd_fastpath.h"
#include "vmx/vmx.h"

extern bool vmx_ioeventfd_enabled;

fastpath_t vmx_ioeventfd_out_irqoff(struct kvm_vcpu *vcpu);

/**
 * vmx_ioeventfd_fastpath - finish a kick in the exit fastpath
 * @vcpu: the vCPU, which just left the guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: EXIT_FASTPATH_NONE if the exit still has to be handled.
 */
static __always_inline fastpath_t vmx_ioeventfd_fastpath(struct kvm_vcpu *vcpu)
{
	if (!READ_ONCE(vmx_ioeventfd_enabled) || !kvm_ioeventfd_irqoff())
		return EXIT_FASTPATH_NONE;
	return vmx_ioeventfd_out_irqoff(vcpu);
}

#endif /* __KVM_X86_IOEVENTFD_VMX_H */
