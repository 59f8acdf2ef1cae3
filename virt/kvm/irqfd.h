/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IRQFD_PRIVATE_H
#define __KVM_IRQFD_PRIVATE_H

struct kvm;
struct kvm_irqfd;
struct kvm_kernel_irqfd;

#ifdef CONFIG_HAVE_KVM_IRQCHIP
void kvm_irqfd_vm_init(struct kvm *kvm);
int kvm_irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args);
int kvm_irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args);

int kvm_irqfd_resample_attach(struct kvm_kernel_irqfd *irqfd);
void kvm_irqfd_resample_detach(struct kvm_kernel_irqfd *irqfd);
#endif

#endif /* __KVM_IRQFD_PRIVATE_H */
