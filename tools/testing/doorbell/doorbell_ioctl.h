/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What the doorbell module and the benchmark agree on.
 *
 * Every open of /dev/doorbell is a counter of its own, zero at first.  It
 * goes up by one for each DOORBELL_RING, and for each signal of the eventfd
 * that is bound to it.  read() returns the counter as a __u64.
 */
#ifndef DOORBELL_IOCTL_H
#define DOORBELL_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DOORBELL_DEVICE		"doorbell"

/* Bind an eventfd (the argument is its number); EBUSY if one is bound. */
#define DOORBELL_BIND		_IO(0xdb, 0)
/* Let go of the eventfd, with all it signalled counted; ENOENT if none is bound. */
#define DOORBELL_UNBIND		_IO(0xdb, 1)
/* Ring once, without any eventfd. */
#define DOORBELL_RING		_IO(0xdb, 2)
/* Store the counter in the __u64 the argument points to. */
#define DOORBELL_COUNT		_IOR(0xdb, 3, __u64)

#endif /* DOORBELL_IOCTL_H */
