/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_VCPU_H
#define __KVM_X86_IOEVENTFD_VCPU_H

/* What a kick needs of the registers and the PMU of a vCPU. */

#include <linux/kvm_host.h>

#include "x86.h"
#include "pmu.h"

/* Whether a counter of the guest counts instructions. */
static __always_inline bool kvm_ioeventfd_is_counted(struct kvm_vcpu *vcpu)
{
	return !bitmap_empty(vcpu_to_pmu(vcpu)->pmc_counting_instructions,
			     X86_PMC_IDX_MAX);
}

/*
 * Whether the exit fastpath can count an instruction. A mediated PMU has the guest's
 * counters in hardware until the inner run loop ends.
 */
static __always_inline bool kvm_ioeventfd_may_count(struct kvm_vcpu *vcpu)
{
	return kvm_pmu_is_fastpath_emulation_allowed(vcpu);
}

/* Count an instruction that the vCPU has executed. */
static __always_inline void kvm_ioeventfd_count(struct kvm_vcpu *vcpu)
{
	kvm_pmu_instruction_retired(vcpu);
}

/* RIP, where kvm_rip_read() has been called or the vendor always has it */
static __always_inline unsigned long kvm_ioeventfd_rip(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.rip;
}

#endif /* __KVM_X86_IOEVENTFD_VCPU_H */
