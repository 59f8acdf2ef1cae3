/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_SVM_IOEVENTFD_SEV_H
#define __KVM_X86_SVM_IOEVENTFD_SEV_H

#include "svm.h"

/* Whether the code of the guest is encrypted. */
static __always_inline bool svm_ioeventfd_is_sev(struct kvm_vcpu *vcpu)
{
	return is_sev_guest(vcpu);
}

#endif /* __KVM_X86_SVM_IOEVENTFD_SEV_H */
