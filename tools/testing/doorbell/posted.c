// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks that bring the written value along (KVM_IOEVENTFD_FLAG_POST_WRITE,
 * KVM_IOEVENTFD_FLAG_POST_RANGE), and those that ring by a part of it
 * (KVM_IOEVENTFD_FLAG_DATAMASK).
 */
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

/* A queue's number, and an index above it */
#define QUEUE		0xffff
#define INDEX		0x12340000

#define RANGE		256
#define MANY		1024

/* By operation: the flags of the ioeventfd that rings, and how many share its register */
static const struct posted {
	const char *name, *text;
	u32 flags;
	int count;
	bool silent;
} posted[] = {
	{ "post/%s/alone", "a value posted",
	  KVM_IOEVENTFD_FLAG_POST_WRITE, 1, false },
	{ "post/%s/1024", "a value posted by the last of so many on one register",
	  KVM_IOEVENTFD_FLAG_POST_WRITE | KVM_IOEVENTFD_FLAG_DATAMATCH, MANY, false },
	{ "post/%s/range", "a value posted in the middle of a range",
	  KVM_IOEVENTFD_FLAG_POST_WRITE | KVM_IOEVENTFD_FLAG_POST_RANGE, 1, false },
	{ "post/%s/silent", "the same without an eventfd",
	  KVM_IOEVENTFD_FLAG_POST_WRITE | KVM_IOEVENTFD_FLAG_POST_RANGE, 1, true },
	{ "masked/%s/1", "a doorbell by the lower half of the value",
	  KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DATAMASK, 1, false },
	{ "masked/%s/1024", "the last of so many of them on one register",
	  KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DATAMASK, MANY, false },
	{ "masked/%s/posted", "the same, and the value is posted",
	  KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DATAMASK |
	  KVM_IOEVENTFD_FLAG_POST_WRITE, MANY, false },
};

static u32 values[RANGE / sizeof(u32)];

/* The ioeventfds of a VM, the last of which rings; the kick that it waits for */
static struct kick assign(struct vm *vm, const struct posted *p, bool pio, int fd)
{
	struct kick kick = { pio, sizeof(u32), pio ? PIO_BASE : MMIO_BASE, INDEX };
	struct kvm_ioeventfd ioeventfd = {
		.addr = kick.addr,
		.len = kick.size,
		.fd = p->silent ? -1 : fd,
		.flags = p->flags | (pio ? KVM_IOEVENTFD_FLAG_PIO : 0),
		.post_addr = (uintptr_t)values,
		.datamask = QUEUE,
		.post_size = sizeof(values),
		.post_stride = kick.size,
	};
	int i;

	for (i = 0; i < p->count; i++) {
		ioeventfd.datamatch = i | (p->flags & KVM_IOEVENTFD_FLAG_DATAMASK ? 0 : INDEX);
		if (ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd))
			die_errno("cannot assign the ioeventfd %d of a group", i);
	}
	kick.data |= i - 1;
	if (p->flags & KVM_IOEVENTFD_FLAG_POST_RANGE)
		kick.addr += sizeof(values) / 2;
	return kick;
}

/* The kick's value is where it belongs, and no other is anywhere. */
static void check_values(struct op *op, const struct posted *p, const struct kick *kick)
{
	u64 offset = kick->addr - (kick->pio ? PIO_BASE : MMIO_BASE);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		u32 expected = p->flags & KVM_IOEVENTFD_FLAG_POST_WRITE &&
			       i == offset / sizeof(values[0]) ? kick->data : 0;

		if (values[i] != expected)
			op_fail(op, "%#x was posted instead of %#x", values[i], expected);
	}
}

/* arg: index of posted, whether PIO */
static void run_posted(struct group *group)
{
	const struct posted *p = &posted[group->arg[0]];
	struct op *op = &group->op[0];
	struct kick kick;
	int fd, round;
	struct vm vm;
	u64 ns;

	if (!kvm_capability(KVM_CAP_IOEVENTFD_POST_RANGE)) {
		op_skip(op, "this KVM posts no values");
		return;
	}
	fd = new_eventfd(EFD_NONBLOCK);
	job_guest(&vm);
	kick = assign(&vm, p, group->arg[1], fd);
	for (round = -1; round < options.repeat && !op->failure[0]; round++) {
		memset(values, 0, sizeof(values));
		if (!guest_rings(op, &vm, &kick, options.kicks, &ns))
			break;
		check_count(op, "the doorbell", take(fd), p->silent ? 0 : options.kicks);
		check_values(op, p, &kick);
		op_sample(op, round, ns, options.kicks);
	}
	vm_destroy(&vm);
	close(fd);
}

void add_posted(void)
{
	static const char * const buses[] = { "mmio", "pio" };
	size_t i;
	int pio;

	for (i = 0; i < ARRAY_SIZE(posted); i++)
		for (pio = 1; pio >= 0; pio--)
			add_op(add_group(run_posted, i, pio, 0), posted[i].text,
			       posted[i].name, buses[pio]);
}
