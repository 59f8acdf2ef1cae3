/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_SVM_IOEVENTFD_H
#define __KVM_X86_SVM_IOEVENTFD_H

#include <linux/kvm_types.h>
#include <asm/svm.h>

#include "ioeventfd_insn.h"

/* A power of two. */
#define SVM_IOEVENTFD_PAGES	16

/**
 * struct svm_ioeventfd - what a vCPU keeps to finish kicks
 * @stores: what it keeps on all processors
 * @pages: pages that faulted last, where page tables cannot mark MMIO; see
 *	svm/ioeventfd.c
 */
struct svm_ioeventfd {
	struct kvm_ioeventfd_stores stores;
	gfn_t pages[SVM_IOEVENTFD_PAGES];
};

bool svm_ioeventfd_out(struct kvm_vcpu *vcpu);
bool svm_ioeventfd_store(struct kvm_vcpu *vcpu);
int svm_ioeventfd_handle(struct kvm_vcpu *vcpu);

/**
 * svm_ioeventfd_fastpath - finish a kick in the exit fastpath
 * @vcpu: the vCPU, which has just left the guest
 * @exit_code: why it left
 *
 * Context: interrupts off, without kvm->srcu.
 * Return: true if the exit was a kick that is finished: the guest can go on.
 */
static __always_inline bool svm_ioeventfd_fastpath(struct kvm_vcpu *vcpu,
						   u32 exit_code)
{
	switch (exit_code) {
	case SVM_EXIT_IOIO:
		return svm_ioeventfd_out(vcpu);
	case SVM_EXIT_NPF:
		return svm_ioeventfd_store(vcpu);
	default:
		return false;
	}
}

/**
 * svm_ioeventfd_fault - finish a store in the handler of nested page faults
 * @vcpu: the vCPU, with a nested page fault to handle
 * @ioeventfd: part of its vcpu_svm
 *
 * Context: process context; kvm->srcu held for reading.
 * Return: as an exit handler; negative if the fault is still to be handled.
 */
static __always_inline int
svm_ioeventfd_fault(struct kvm_vcpu *vcpu, const struct svm_ioeventfd *ioeventfd)
{
	if (likely(ioeventfd->stores.rest == KVM_IOEVENTFD_NOTHING))
		return -EAGAIN;
	return svm_ioeventfd_handle(vcpu);
}

#endif /* __KVM_X86_SVM_IOEVENTFD_H */
