/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IRQFD_PRIVATE_H
#define __KVM_IRQFD_PRIVATE_H

struct kvm;
struct kvm_irqfd;
struct kvm_kernel_irq_routing_entry;
struct kvm_kernel_irqfd;

#ifdef CONFIG_HAVE_KVM_IRQCHIP
void kvm_irqfd_vm_init(struct kvm *kvm);
int kvm_irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args);
int kvm_irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args);

int kvm_irqfd_resample_attach(struct kvm_kernel_irqfd *irqfd);
void kvm_irqfd_resample_detach(struct kvm_kernel_irqfd *irqfd);
#endif

#if IS_ENABLED(CONFIG_HAVE_KVM_IRQ_BYPASS)
void irqfd_bypass_register(struct kvm_kernel_irqfd *irqfd);
void irqfd_bypass_unregister(struct kvm_kernel_irqfd *irqfd);
void irqfd_bypass_reroute(struct kvm_kernel_irqfd *irqfd,
			  struct kvm_kernel_irq_routing_entry *old);
#else
static inline void irqfd_bypass_register(struct kvm_kernel_irqfd *irqfd)
{
}

static inline void irqfd_bypass_unregister(struct kvm_kernel_irqfd *irqfd)
{
}

static inline void
irqfd_bypass_reroute(struct kvm_kernel_irqfd *irqfd,
		     struct kvm_kernel_irq_routing_entry *old)
{
}
#endif

#endif /* __KVM_IRQFD_PRIVATE_H */
