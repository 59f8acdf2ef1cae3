/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_DEBUGFS_H
#define __KVM_IO_BUS_DEBUGFS_H

struct kvm;

#ifdef CONFIG_KVM_IO_BUS_DEBUGFS
void kvm_io_bus_debugfs_init(struct kvm *kvm);
#else
static inline void kvm_io_bus_debugfs_init(struct kvm *kvm)
{
}
#endif

#endif /* __KVM_IO_BUS_DEBUGFS_H */
