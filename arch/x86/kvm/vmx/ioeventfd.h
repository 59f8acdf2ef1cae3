/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_VMX_IOEVENTFD_H
#define __KVM_X86_VMX_IOEVENTFD_H

#include "vmx.h"

fastpath_t vmx_ioeventfd_out(struct kvm_vcpu *vcpu);
fastpath_t vmx_ioeventfd_store(struct kvm_vcpu *vcpu);
int vmx_ioeventfd_handle(struct kvm_vcpu *vcpu);

/**
 * vmx_ioeventfd_fault - finish a store in the handler of EPT misconfigurations
 * @vcpu: the vCPU, with an EPT misconfiguration to handle; nothing is done for one
 *	of a nested guest
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: as an exit handler; negative if the exit is still to be handled.
 */
static __always_inline int vmx_ioeventfd_fault(struct kvm_vcpu *vcpu)
{
	if (likely(to_vmx(vcpu)->ioeventfd.rest == KVM_IOEVENTFD_NOTHING))
		return -EAGAIN;
	return vmx_ioeventfd_handle(vcpu);
}

#endif /* __KVM_X86_VMX_IOEVENTFD_H */
