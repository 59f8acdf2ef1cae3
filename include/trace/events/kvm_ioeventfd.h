/* SPDX-License-Identifier: GPL-2.0-only */
#if !defined(_TRACE_KVM_IOEVENTFD_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_IOEVENTFD_H

#include <linux/kvm_io_bus.h>
#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#ifndef kvm_trace_bus
#define kvm_trace_bus						\
	{ KVM_MMIO_BUS, "mmio" },				\
	{ KVM_PIO_BUS, "pio" },					\
	{ KVM_VIRTIO_CCW_NOTIFY_BUS, "ccw" },			\
	{ KVM_FAST_MMIO_BUS, "fast-mmio" }
#endif

/* An ioeventfd was, or was not, assigned or deassigned. */
TRACE_EVENT(kvm_ioeventfd,
	    TP_PROTO(bool assign, enum kvm_bus bus,
		     const struct kvm_ioeventfd_key *key, int ret),
	    TP_ARGS(assign, bus, key, ret),

	TP_STRUCT__entry(
		__field(u64,		addr)
		__field(u64,		data)
		__field(u64,		mask)
		__field(u64,		post)
		__field(u32,		size)
		__field(u32,		stride)
		__field(unsigned int,	bus)
		__field(int,		ret)
		__field(u8,		len)
		__field(bool,		match)
		__field(bool,		assign)
	),

	TP_fast_assign(
		__entry->addr = key->addr;
		__entry->data = key->data;
		__entry->mask = key->mask;
		__entry->post = key->post;
		__entry->size = key->size;
		__entry->stride = key->stride;
		__entry->bus = bus;
		__entry->ret = ret;
		__entry->len = key->len;
		__entry->match = key->match;
		__entry->assign = assign;
	),

	TP_printk("%s %s 0x%llx len %u%s 0x%llx mask 0x%llx post 0x%llx range 0x%x/%u: %d",
		  __entry->assign ? "assign" : "deassign",
		  __print_symbolic(__entry->bus, kvm_trace_bus),
		  __entry->addr, __entry->len,
		  __entry->match ? " data" : " any data, not", __entry->data,
		  __entry->mask, __entry->post, __entry->size, __entry->stride,
		  __entry->ret)
);

/* A guest rang an ioeventfd. */
TRACE_EVENT(kvm_ioeventfd_ring,
	    TP_PROTO(enum kvm_bus bus, u64 addr, int len),
	    TP_ARGS(bus, addr, len),

	TP_STRUCT__entry(
		__field(u64,		addr)
		__field(unsigned int,	bus)
		__field(int,		len)
	),

	TP_fast_assign(
		__entry->addr = addr;
		__entry->bus = bus;
		__entry->len = len;
	),

	TP_printk("%s 0x%llx len %d",
		  __print_symbolic(__entry->bus, kvm_trace_bus),
		  __entry->addr, __entry->len)
);

#endif /* _TRACE_KVM_IOEVENTFD_H */

#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm_ioeventfd

#include <trace/define_trace.h>
