/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_KVM_IO_BUS_H
#define __LINUX_KVM_IO_BUS_H

#include <linux/kvm_types.h>
#include <linux/seqlock_types.h>
#include <linux/types.h>

/*
 * The I/O bus finds the ioeventfd or the in-kernel device for an access of the
 * guest. Documentation/virt/kvm/io-bus.rst describes it. virt/kvm/io_bus.c has
 * the protocol of readers and writers.
 */

struct eventfd_ctx;
struct kvm;
struct kvm_io_device;
struct kvm_io_index_node;
struct kvm_io_range_table;
struct kvm_ioeventfd_set;
struct kvm_vcpu;

/* The address spaces that have devices and ioeventfds. */
enum kvm_bus {
	KVM_MMIO_BUS,
	KVM_PIO_BUS,
	KVM_VIRTIO_CCW_NOTIFY_BUS,
	KVM_FAST_MMIO_BUS,
	KVM_NR_BUSES
};

/* The greatest number of devices on one bus, without ioeventfds. */
#define KVM_IO_BUS_MAX_DEVS 1000

/*
 * The greatest number of ioeventfds of one VM. It bounds the height of an
 * index, and with it the cost of a lookup and of a change.
 */
#define KVM_MAX_IOEVENTFDS 1048576

/* Sorted keys, each with one pointer: see virt/kvm/io_bus_index.h. */
struct kvm_io_index {
	seqcount_t seq;
	struct kvm_io_index_node __rcu *root;
};

/* Ranges sorted by start: see virt/kvm/io_bus_ranges.h. */
struct kvm_io_ranges {
	struct kvm_io_range_table __rcu *table;
	unsigned int nr;
	u64 last_seq;
};

/**
 * struct kvm_io_bus - the ioeventfds and devices of one VM on one bus
 * @ioeventfds: the addresses that have ioeventfds; written under
 *	kvm->ioeventfd_lock, read under RCU
 * @ranges: the ranges of devices; written under kvm->slots_lock, read under
 *	RCU. The devices themselves are used under kvm->srcu.
 * @post_ranges: the ioeventfds that cover a range, by its start; written under
 *	kvm->ioeventfd_lock, read under RCU
 */
struct kvm_io_bus {
	struct kvm_io_index ioeventfds;
	struct kvm_io_ranges ranges;
	struct kvm_io_index post_ranges;
};

/**
 * struct kvm_ioeventfd_key - the writes that signal an ioeventfd
 * @addr: guest physical address, port or subchannel id of the write
 * @data: the value written, if @match
 * @len: width of the write in bytes: 1, 2, 4 or 8; 0 for any width
 * @match: true to compare @data; false if @len is 0
 * @mask: the bits of the value to compare with @data, if @match; 0 for all bits
 *	of @len bytes
 * @post: where in userspace the value of the write is stored; 0 for nowhere. It
 *	tells no two ioeventfds apart.
 * @size: size of the range in bytes, if the ioeventfd covers a range; else 0
 * @stride: distance between two registers of the range, a power of 2
 */
struct kvm_ioeventfd_key {
	u64 addr;
	u64 data;
	u8 len;
	bool match;
	u64 mask;
	unsigned long post;
	u32 size;
	u32 stride;
};

/**
 * struct kvm_ioeventfd_info - a copy of the state of an ioeventfd
 * @bus: the bus
 * @key: the writes that signal it
 * @rings: number of signals
 */
struct kvm_ioeventfd_info {
	enum kvm_bus bus;
	struct kvm_ioeventfd_key key;
	unsigned long rings;
};

/**
 * struct kvm_io_dev_info - a copy of the state of a device on a bus
 * @bus: the bus
 * @start: first byte of its range
 * @size: size of the range in bytes
 * @ops: the address of its callbacks, to print their name
 */
struct kvm_io_dev_info {
	enum kvm_bus bus;
	u64 start;
	u64 size;
	const void *ops;
};

/**
 * kvm_io_range_holds - compare an access with a range
 * @start: first byte of the range
 * @size: size of the range in bytes; the range must not wrap
 * @addr: first byte of the access
 * @len: size of the access in bytes, 0 allowed
 *
 * No sum here overflows, even if the range ends with the last byte of the
 * address space or the access runs past it.
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
struct kvm_ioeventfd_set *kvm_io_bus_search(struct kvm_vcpu *vcpu,
					    enum kvm_bus bus_idx, gpa_t addr);
struct kvm_ioeventfd_set *kvm_io_bus_search_range(const struct kvm_io_bus *bus,
						  gpa_t addr);
bool kvm_io_bus_ring_any(struct kvm_ioeventfd_set *set, gpa_t gpa);
struct kvm_kernel_ioeventfd *
kvm_io_bus_ring_found(struct kvm_ioeventfd_set *set, int len, u64 value);
bool kvm_io_bus_post_found(struct kvm_kernel_ioeventfd *ioeventfd, gpa_t addr,
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
