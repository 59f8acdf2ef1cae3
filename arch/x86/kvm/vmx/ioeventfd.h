/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_VMX_IOEVENTFD_H
#define __KVM_X86_VMX_IOEVENTFD_H

#include <linux/kvm_host.h>

fastpath_t vmx_ioeventfd_fastpath(struct kvm_vcpu *vcpu);

#endif /* __KVM_X86_VMX_IOEVENTFD_H */
