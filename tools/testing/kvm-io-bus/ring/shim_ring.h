/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_RING_H
#define SHIM_RING_H

/*
 * What the base's coalesced_mmio.c uses beyond the bus: pages, lists, and the
 * members of struct kvm that are its own. In front of all files of kvm-ring.
 */
#include "shim.h"

#include <linux/kvm.h>

#define SHIM_LINUX_KVM_HOST_H
#define CONFIG_KVM_MMIO
#define PAGE_SIZE	4096ul
#define GFP_KERNEL	GFP_KERNEL_ACCOUNT
#define __GFP_ZERO	0x100u
#define smp_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)

struct list_head {
	struct list_head *next, *prev;
};

struct kvm {
	struct kvm_io_bus buses[KVM_NR_BUSES];
	struct mutex ioeventfd_lock;
	unsigned int nr_ioeventfds;
	struct mutex slots_lock;
	struct srcu_struct srcu;
	spinlock_t ring_lock;
	struct kvm_coalesced_mmio_ring *coalesced_mmio_ring;
	struct list_head coalesced_zones;
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

#define INIT_LIST_HEAD(l)	((l)->next = (l)->prev = (l))
#define list_for_each_entry_safe(pos, n, head, member) \
	for (pos = container_of((head)->next, typeof(*pos), member), \
	     n = container_of(pos->member.next, typeof(*pos), member); \
	     &pos->member != (head); \
	     pos = n, n = container_of(n->member.next, typeof(*n), member))

static inline void list_add_tail(struct list_head *e, struct list_head *head)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

static inline void list_del(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
}

/* A page is what lies between two red zones of AddressSanitizer. */
#define alloc_page(gfp) \
	((struct page *)shim_alloc(PAGE_SIZE, (gfp) & ~__GFP_ZERO, true))
#define page_address(page)	((void *)(page))
#define free_page(addr)		shim_free((void *)(addr))

#include <kvm/iodev.h>

static inline void kvm_iodevice_init(struct kvm_io_device *dev,
				     const struct kvm_io_device_ops *ops)
{
	dev->ops = ops;
}

#endif /* SHIM_RING_H */
