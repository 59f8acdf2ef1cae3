/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_TRACE_KVM_IOEVENTFD_H
#define SHIM_TRACE_KVM_IOEVENTFD_H

static inline void trace_kvm_ioeventfd(bool assign, enum kvm_bus bus,
				       const struct kvm_ioeventfd_key *key,
				       int ret)
{
}

static inline void trace_kvm_ioeventfd_ring(enum kvm_bus bus, u64 addr, int len)
{
}

#endif /* SHIM_TRACE_KVM_IOEVENTFD_H */
