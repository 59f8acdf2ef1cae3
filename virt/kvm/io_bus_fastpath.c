// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O bus of KVM: signals ioeventfds for exit handlers of an architecture,
 * which have decoded a write and have interrupts off. io_bus.c describes the
 * protocol.
 */
#include "io_bus_internal.h"

#include <linux/err.h>
#include <linux/kvm_host.h>
#include <trace/events/kvm_ioeventfd.h>

#include "io_bus.h"
#include "ioeventfd_post.h"
#include "ioeventfd_range.h"
#include "ioeventfd_set.h"

/* The ioeventfd of @set for a write, or NULL. */
static __always_inline struct kvm_kernel_ioeventfd *
find_match(struct kvm_ioeventfd_set *set, int len, u64 value)
{
	struct kvm_kernel_ioeventfd *ioeventfd;

	ioeventfd = kvm_ioeventfd_set_match_len(set, len);
	if (!ioeventfd)
		ioeventfd = kvm_ioeventfd_set_match_value(set, len, value);
	return ioeventfd;
}

/**
 * kvm_io_bus_search - find the ioeventfds at an address
 * @vcpu: the vCPU that writes
 * @bus_idx: KVM_PIO_BUS or KVM_MMIO_BUS
 * @addr: the port, or the guest physical address
 *
 * If there is no ioeventfd, the caller need not look at the instruction.
 *
 * Context: RCU read-side critical section, as long as the result is used; any,
 * interrupts may be off.
 * Return: the ioeventfds at @addr; NULL if there are none.
 */
struct kvm_ioeventfd_set *kvm_io_bus_search(struct kvm_vcpu *vcpu,
					    enum kvm_bus bus_idx, gpa_t addr)
{
	/* Pairs with the smp_mb() of a registration. */
	smp_rmb();
	/* With a constant, the address of the bus is no computation. */
	if (bus_idx == KVM_PIO_BUS)
		return kvm_io_bus_find_set(vcpu->kvm, KVM_PIO_BUS, addr);
	return kvm_io_bus_find_set(vcpu->kvm, KVM_MMIO_BUS, addr);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_search);

/**
 * kvm_io_bus_search_range - find the ioeventfd of a range
 * @bus: the bus, KVM_PIO_BUS or KVM_MMIO_BUS
 * @addr: the port, or the guest physical address
 *
 * Only after kvm_io_bus_search() has found nothing: its barrier serves this, too.
 *
 * Context: as for kvm_io_bus_search().
 * Return: a set with the ioeventfd of the range that has a register at @addr, or
 * NULL.
 */
struct kvm_ioeventfd_set *kvm_io_bus_search_range(const struct kvm_io_bus *bus,
						  gpa_t addr)
{
	return kvm_ioeventfd_range_find(&bus->post_ranges, addr);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_search_range);

/**
 * kvm_io_bus_ring_any - signal the ioeventfd for any width at an address
 * @set: the result of kvm_io_bus_search() for @gpa, not NULL
 * @gpa: guest physical address of the access
 *
 * For an access of unknown width, as on the fast MMIO bus.
 *
 * Context: as for kvm_io_bus_ring_found().
 * Return: true if an ioeventfd was signalled.
 */
bool kvm_io_bus_ring_any(struct kvm_ioeventfd_set *set, gpa_t gpa)
{
	struct kvm_kernel_ioeventfd *ioeventfd = rcu_dereference(set->any);

	if (!ioeventfd || !kvm_ioeventfd_signal_irqoff(ioeventfd))
		return false;
	trace_kvm_ioeventfd_ring(KVM_FAST_MMIO_BUS, gpa, 0);
	return true;
}
EXPORT_SYMBOL_GPL(kvm_io_bus_ring_any);

/**
 * kvm_io_bus_ring_found - signal one of the ioeventfds at an address
 * @set: the result of kvm_io_bus_search() for the address, not NULL
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: the value, in the lowest @len bytes; the rest is ignored
 *
 * The caller traces the ring: it has the bus and the address at hand, and a kick
 * saves 9 instructions by not passing them.
 *
 * Context: the RCU read-side critical section of the search; interrupts off,
 * except on PREEMPT_RT. Not under raw spinlocks. Needs no lock of KVM.
 * Return: NULL if an ioeventfd was signalled; else what kvm_io_bus_post_found()
 * takes. It is a pointer, so that a kick without a value need not keep the value.
 */
struct kvm_kernel_ioeventfd *
kvm_io_bus_ring_found(struct kvm_ioeventfd_set *set, int len, u64 value)
{
	struct kvm_kernel_ioeventfd *ioeventfd = find_match(set, len, value);

	if (unlikely(!ioeventfd))
		return ERR_PTR(-EOPNOTSUPP);
	if (likely(kvm_ioeventfd_signal_irqoff(ioeventfd)))
		return NULL;
	return ioeventfd;
}
EXPORT_SYMBOL_GPL(kvm_io_bus_ring_found);

/**
 * kvm_io_bus_post_found - store the value of a write, and signal its ioeventfd
 * @ioeventfd: the result of kvm_io_bus_ring_found(), not NULL
 * @addr: the port, or the guest physical address
 * @value: the value, in the lowest bytes; the rest is ignored
 *
 * Context: as for kvm_io_bus_ring_found().
 * Return: true if the value was stored. If not, the caller passes the access to
 * kvm_io_bus_write(), which looks for ioeventfds again, and waits for the page
 * where a value is to be stored.
 */
bool kvm_io_bus_post_found(struct kvm_kernel_ioeventfd *ioeventfd, gpa_t addr,
			   u64 value)
{
	return !IS_ERR(ioeventfd) && !kvm_ioeventfd_post_irqoff(ioeventfd, addr, value);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_post_found);
