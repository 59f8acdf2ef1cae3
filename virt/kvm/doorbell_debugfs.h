/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_DOORBELL_DEBUGFS_H
#define __KVM_DOORBELL_DEBUGFS_H

struct kvm;

#ifdef CONFIG_KVM_DOORBELL_DEBUGFS
void kvm_doorbell_debugfs_init(struct kvm *kvm);
#else
static inline void kvm_doorbell_debugfs_init(struct kvm *kvm)
{
}
#endif

#endif /* __KVM_DOORBELL_DEBUGFS_H */
