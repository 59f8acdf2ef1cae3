/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_VMX_IOEVENTFD_EXIT_H
#define __KVM_X86_VMX_IOEVENTFD_EXIT_H

#include "vmx.h"

/* Why the vCPU left the guest. */
static __always_inline union vmx_exit_reason
vmx_ioeventfd_exit_reason(struct kvm_vcpu *vcpu)
{
	return to_vmx(vcpu)->exit_reason;
}

#endif /* __KVM_X86_VMX_IOEVENTFD_EXIT_H */
