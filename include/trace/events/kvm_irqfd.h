/* SPDX-License-Identifier: GPL-2.0-only */
#if !defined(_TRACE_KVM_IRQFD_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_IRQFD_H

#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

DECLARE_EVENT_CLASS(kvm_irqfd_class,
	TP_PROTO(int gsi, int ret),
	TP_ARGS(gsi, ret),

	TP_STRUCT__entry(
		__field(int,	gsi)
		__field(int,	ret)
	),

	TP_fast_assign(
		__entry->gsi = gsi;
		__entry->ret = ret;
	),

	TP_printk("gsi %d: %d", __entry->gsi, __entry->ret)
);

DEFINE_EVENT(kvm_irqfd_class, kvm_irqfd_assign,
	TP_PROTO(int gsi, int ret),
	TP_ARGS(gsi, ret)
);

DEFINE_EVENT(kvm_irqfd_class, kvm_irqfd_deassign,
	TP_PROTO(int gsi, int ret),
	TP_ARGS(gsi, ret)
);

/* The eventfd of an irqfd was signalled: injected at once or left to work. */
TRACE_EVENT(kvm_irqfd_signal,
	TP_PROTO(int gsi, bool injected),
	TP_ARGS(gsi, injected),

	TP_STRUCT__entry(
		__field(int,	gsi)
		__field(bool,	injected)
	),

	TP_fast_assign(
		__entry->gsi = gsi;
		__entry->injected = injected;
	),

	TP_printk("gsi %d %s", __entry->gsi,
		  __entry->injected ? "injected" : "queued")
);

/* The work item of an irqfd injects. */
TRACE_EVENT(kvm_irqfd_inject,
	TP_PROTO(int gsi, bool level),
	TP_ARGS(gsi, level),

	TP_STRUCT__entry(
		__field(int,	gsi)
		__field(bool,	level)
	),

	TP_fast_assign(
		__entry->gsi = gsi;
		__entry->level = level;
	),

	TP_printk("gsi %d %s", __entry->gsi,
		  __entry->level ? "level" : "edge")
);

#endif /* _TRACE_KVM_IRQFD_H */

#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm_irqfd

#include <trace/define_trace.h>
