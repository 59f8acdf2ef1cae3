/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_KVM_IO_BUS_H
#define __LINUX_KVM_IO_BUS_H

#include <linux/kvm_types.h>
#include <linux/seqlock_types.h>
#include <linux/types.h>

/*
 * The I/O bus: which in-kernel device, or which ioeventfd, takes an access of
 * the guest. Documentation/virt/kvm/io-bus.rst tells how it works,
 * virt/kvm/io_bus.c has the protocol of readers and writers.
 */

struct eventfd_ctx;
struct kvm;
struct kvm_io_device;
struct kvm_io_index_node;
struct kvm_io_range_table;
struct kvm_ioeventfd_set;
struct kvm_vcpu;

/* The address spaces in which devices and ioeventfds are looked up. */
enum kvm_bus {
	KVM_MMIO_BUS,
	KVM_PIO_BUS,
	KVM_VIRTIO_CCW_NOTIFY_BUS,
	KVM_FAST_MMIO_BUS,
	KVM_NR_BUSES
};

/* Devices on one bus at most, ioeventfds not counted. */
#define KVM_IO_BUS_MAX_DEVS 1000

/*
 * Ioeventfds of one VM at most. It bounds the height of an index, and so the
 * work of a lookup and of a change.
 */
#define KVM_MAX_IOEVENTFDS 1048576

/* Keys in order, each with one pointer: see virt/kvm/io_bus_index.h. */
struct kvm_io_index {
	seqcount_t seq;
	struct kvm_io_index_node __rcu *root;
};

/* Ranges in order of their start: see virt/kvm/io_bus_ranges.h. */
struct kvm_io_ranges {
	struct kvm_io_range_table __rcu *table;
	unsigned int nr;
	u64 last_seq;
};

/**
 * struct kvm_io_bus - what one VM has registered on one bus
 * @ioeventfds: the addresses that have ioeventfds; written under
 *	kvm->ioeventfd_lock, read under RCU
 * @ranges: the devices; written under kvm->slots_lock, read under RCU, the
 *	devices themselves used under kvm->srcu
 */
struct kvm_io_bus {
	struct kvm_io_index ioeventfds;
	struct kvm_io_ranges ranges;
};

/**
 * struct kvm_ioeventfd_key - which writes ring an ioeventfd
 * @addr: guest physical address, port or subchannel id, to be hit exactly
 * @data: value that must be written, if @match
 * @len: width of the write in bytes: 1, 2, 4 or 8; 0 for any width
 * @match: whether @data is compared; never set together with @len 0
 */
struct kvm_ioeventfd_key {
	u64 addr;
	u64 data;
	u8 len;
	bool match;
};

/**
 * struct kvm_ioeventfd_info - an ioeventfd as it was when it was looked at
 * @bus: the bus
 * @key: which writes ring it
 * @rings: how often it was rung
 */
struct kvm_ioeventfd_info {
	enum kvm_bus bus;
	struct kvm_ioeventfd_key key;
	unsigned long rings;
};

/**
 * struct kvm_io_dev_info - a device on a bus as it was when it was looked at
 * @bus: the bus
 * @start: first byte of its range
 * @size: size of the range in bytes
 * @ops: its callbacks, to be named and not to be called
 */
struct kvm_io_dev_info {
	enum kvm_bus bus;
	u64 start;
	u64 size;
	const void *ops;
};

/**
 * kvm_io_range_holds - whether a range holds all of an access
 * @start: first byte of the range
 * @size: size of the range in bytes; the range must not wrap
 * @addr: first byte of the access
 * @len: size of the access in bytes, 0 allowed
 *
 * Written so that neither a range that ends with the last byte of the address
 * space nor an access that runs past it overflows.
 *
 * Context: any.
 * Return: true if [@addr, @addr + @len) lies within [@start, @start + @size).
 */
static inline bool kvm_io_range_holds(u64 start, u64 size, u64 addr, u64 len)
{
	return addr >= start && len <= size && addr - start <= size - len;
}

void kvm_io_bus_init(struct kvm *kvm);
void kvm_io_bus_destroy(struct kvm *kvm);

int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		     int len, const void *val);
int kvm_io_bus_write_cookie(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
			    gpa_t addr, int len, const void *val, long cookie);
int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		    int len, void *val);
bool kvm_io_bus_ring_pio(struct kvm_vcpu *vcpu, gpa_t port, int len, u64 value);
struct kvm_ioeventfd_set *kvm_io_bus_search_mmio(struct kvm_vcpu *vcpu, gpa_t gpa);
bool kvm_io_bus_ring_found(struct kvm_ioeventfd_set *set, gpa_t gpa, int len,
			   u64 value);

int kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    u64 len, struct kvm_io_device *dev);
void kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus bus_idx,
			       struct kvm_io_device *dev);
struct kvm_io_device *kvm_io_bus_get_dev(struct kvm *kvm, enum kvm_bus bus_idx,
					 gpa_t addr);

unsigned long kvm_io_bus_list_ioeventfds(struct kvm *kvm,
					 struct kvm_ioeventfd_info *info,
					 unsigned long max);
unsigned long kvm_io_bus_list_devs(struct kvm *kvm,
				   struct kvm_io_dev_info *info,
				   unsigned long max);

int kvm_io_bus_register_ioeventfd(struct kvm *kvm, enum kvm_bus bus_idx,
				  const struct kvm_ioeventfd_key *key,
				  struct eventfd_ctx *eventfd);
int kvm_io_bus_unregister_ioeventfd(struct kvm *kvm, enum kvm_bus bus_idx,
				    const struct kvm_ioeventfd_key *key,
				    struct eventfd_ctx *eventfd);

#endif /* __LINUX_KVM_IO_BUS_H */
