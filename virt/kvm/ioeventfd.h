/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IOEVENTFD_H
#define __KVM_IOEVENTFD_H

struct kvm;
struct kvm_ioeventfd;

int kvm_ioeventfd_assign(struct kvm *kvm, const struct kvm_ioeventfd *args);
int kvm_ioeventfd_deassign(struct kvm *kvm, const struct kvm_ioeventfd *args);

#endif /* __KVM_IOEVENTFD_H */
