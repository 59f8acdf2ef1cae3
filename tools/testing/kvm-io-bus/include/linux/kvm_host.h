/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_KVM_HOST_H
#define SHIM_LINUX_KVM_HOST_H

#include <linux/kvm.h>

/* The members of struct kvm that the bus uses */
struct kvm {
	struct kvm_io_bus buses[KVM_NR_BUSES];
	struct mutex ioeventfd_lock;
	unsigned int nr_ioeventfds;
	struct mutex slots_lock;
	struct srcu_struct srcu;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct {
		struct {
			u64 ioeventfd_rings;
			u64 ioeventfd_unmatched;
		} generic;
	} stat;
};

int kvm_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args);
int kvm_irqfd(struct kvm *kvm, struct kvm_irqfd *args);
void kvm_eventfd_init(struct kvm *kvm);

#endif /* SHIM_LINUX_KVM_HOST_H */
