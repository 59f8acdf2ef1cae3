/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_VCPU_H
#define __KVM_X86_IOEVENTFD_VCPU_H

/* What a kick needs of the registers and the PMU of a vCPU. */

#include <linux/kvm_host.h>

#include "x86.h"
#include "pmu.h"

/**
 * kvm_ioeventfd_pmc_changed - update whether a counter counts instructions
 * @pmc: the counter, which is about to be reprogrammed
 *
 * A kick looks at the result instead of at each counter. Only MSRs change what a
 * counter counts. Each such change requests KVM_REQ_PMU, so this runs before the
 * guest does. The event filter, which userspace changes at any time, and the
 * privilege level are checked when a kick is counted.
 *
 * Context: the thread of the vCPU.
 */
static __always_inline void kvm_ioeventfd_pmc_changed(struct kvm_pmc *pmc)
{
	const u64 differ = pmc->eventsel ^ kvm_pmu_eventsel.INSTRUCTIONS_RETIRED;
	struct kvm_pmu *pmu = pmc_to_pmu(pmc);

	if (!(differ & AMD64_RAW_EVENT_MASK_NB) &&
	    pmc_is_globally_enabled(pmc) && pmc_speculative_in_use(pmc))
		pmu->counting_instructions |= BIT_ULL(pmc->idx);
	else
		pmu->counting_instructions &= ~BIT_ULL(pmc->idx);
}

/* Whether a counter of the guest counts instructions. */
static __always_inline bool kvm_ioeventfd_is_counted(struct kvm_vcpu *vcpu)
{
	return vcpu_to_pmu(vcpu)->counting_instructions;
}

/* Whether the exit fastpath can count an instruction: the counters are software. */
static __always_inline bool kvm_ioeventfd_may_count(struct kvm_vcpu *vcpu)
{
	return true;
}

/* RIP, where kvm_rip_read() has been called or the vendor always has it */
static __always_inline unsigned long kvm_ioeventfd_rip(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.regs[VCPU_REGS_RIP];
}

#endif /* __KVM_X86_IOEVENTFD_VCPU_H */
