/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IO_BUS_INTERNAL_H
#define __KVM_IO_BUS_INTERNAL_H

/*
 * The headers that io_bus_index.c, io_bus_ranges.c and ioeventfd_set.c need.
 * These files do not use struct kvm. A test in userspace can define the guard
 * of this header, supply its own, and compile them unchanged.
 */

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kvm_io_bus.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/unaligned.h>

#endif /* __KVM_IO_BUS_INTERNAL_H */
