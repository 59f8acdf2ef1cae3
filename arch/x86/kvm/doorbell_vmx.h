/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_DOORBELL_VMX_H
#define __KVM_X86_DOORBELL_VMX_H

#include "doorbell.h"
#include "vmx/vmx.h"

extern bool vmx_doorbell_enabled;

fastpath_t vmx_doorbell_out_irqoff(struct kvm_vcpu *vcpu);

/**
 * vmx_doorbell_fastpath - finish a kick in the exit fastpath
 * @vcpu: the vCPU, which just left the guest
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: EXIT_FASTPATH_NONE if the exit still has to be handled.
 */
static __always_inline fastpath_t vmx_doorbell_fastpath(struct kvm_vcpu *vcpu)
{
	if (!READ_ONCE(vmx_doorbell_enabled) || !kvm_doorbell_irqoff())
		return EXIT_FASTPATH_NONE;
	return vmx_doorbell_out_irqoff(vcpu);
}

#endif /* __KVM_X86_DOORBELL_VMX_H */
