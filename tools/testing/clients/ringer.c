// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that rings, for tools that look on.
 *
 * Each round of the guest writes to all addresses below once, then halts:
 *
 *	PIO  0x510	2 bytes		1 or 2, each a doorbell by datamatch
 *	MMIO 0xd0000	4 bytes		a doorbell of any length
 *	PIO  0x518	1 byte		userspace; 0 or 1: wants a doorbell
 *	MMIO 0xd0010	4 bytes		userspace; always 7: wants a doorbell
 *	PIO  0x520	1 byte		userspace; a counter: data
 *	PIO  0x528	1 byte		userspace; read, too
 *
 * Lines on stdin are commands: a number is so many rounds, answered "done";
 * "run" is rounds until the next line. The end of stdin is the end.
 *
 * A second VM of the same process has one irqfd on an MSI, signalled once.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../guest/guest.h"

#define CODE	0x2000
#define MEMORY	0x10000

/* 16-bit code; the counter of rounds is in bx */
static const uint8_t code[] = {
	0xb8, 0x00, 0xd0,			/* mov $0xd000, %ax */
	0x8e, 0xd8,				/* mov %ax, %ds */
	0x31, 0xdb,				/* xor %bx, %bx */
	/* again: */
	0xba, 0x10, 0x05,			/* mov $0x510, %dx */
	0x89, 0xd8,				/* mov %bx, %ax */
	0x83, 0xe0, 0x01,			/* and $1, %ax */
	0x40,					/* inc %ax */
	0xef,					/* out %ax, %dx */
	0x66, 0xc7, 0x06, 0x00, 0x00, 9, 0, 0, 0, /* movl $9, 0xd0000 */
	0xba, 0x18, 0x05,			/* mov $0x518, %dx */
	0x88, 0xd8,				/* mov %bl, %al */
	0x24, 0x01,				/* and $1, %al */
	0xee,					/* out %al, %dx */
	0x66, 0xc7, 0x06, 0x10, 0x00, 7, 0, 0, 0, /* movl $7, 0xd0010 */
	0xba, 0x20, 0x05,			/* mov $0x520, %dx */
	0x88, 0xd8,				/* mov %bl, %al */
	0xee,					/* out %al, %dx */
	0xba, 0x28, 0x05,			/* mov $0x528, %dx */
	0xee,					/* out %al, %dx */
	0xec,					/* in %dx, %al */
	0x43,					/* inc %bx */
	0xf4,					/* hlt */
	0xeb, 0xcd,				/* jmp again */
};

static struct vm vm;

static int doorbell(u64 addr, int len, int flags, u64 data)
{
	int fd = eventfd(0, 0);

	if (vm_ioeventfd(&vm, addr, len, data, fd, flags))
		die_errno("KVM_IOEVENTFD");
	return fd;
}

/* No write rings these two: some bits of a value, and a range; both post values. */
static void posting_doorbells(void)
{
	static u64 posted[64];
	struct kvm_ioeventfd args = {
		.addr = 0xd1000, .len = 4, .fd = eventfd(0, 0), .datamatch = 5,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DATAMASK |
			 KVM_IOEVENTFD_FLAG_POST_WRITE,
		.datamask = 0xffff, .post_addr = (uintptr_t)posted,
	};

	/* Stock has neither. */
	if (ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_POST_RANGE) <= 0)
		return;
	if (ioctl(vm.fd, KVM_IOEVENTFD, &args))
		die_errno("KVM_IOEVENTFD");
	args = (struct kvm_ioeventfd) {
		.addr = 0xd2000, .len = 4, .fd = -1,
		.flags = KVM_IOEVENTFD_FLAG_POST_WRITE | KVM_IOEVENTFD_FLAG_POST_RANGE,
		.post_addr = (uintptr_t)posted, .post_size = 256, .post_stride = 8,
	};
	if (ioctl(vm.fd, KVM_IOEVENTFD, &args))
		die_errno("KVM_IOEVENTFD");
}

static void guest_create(void)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };

	vm_create(&vm, MEMORY, true);
	vm_put(&vm, CODE, code, sizeof(code));
	vm_create_vcpu(&vm);
	vm_set_mode(&vm, REAL, NULL);
	vm_set_regs(&vm, &regs);
}

static void irqfd_create(void)
{
	int fd = eventfd(0, 0);
	struct vm other;

	vm_create(&other, MEMORY, true);
	vm_create_irqchip(&other);
	vm_create_vcpu(&other);
	vm_set_msi_routes(&other, 25, 0x30);
	if (vm_irqfd(&other, fd, 24, 0, 0))
		die_errno("KVM_IRQFD");
	eventfd_write(fd, 1);
}

/* One round of the guest; returns how many writes came to userspace. */
static int round_trip(void)
{
	int writes = 0;

	for (;;) {
		switch (vm_run(&vm)) {
		case KVM_EXIT_HLT:
			return writes;
		case KVM_EXIT_MMIO:
			writes += vm.run->mmio.is_write;
			break;
		case KVM_EXIT_IO:
			writes += vm.run->io.direction == KVM_EXIT_IO_OUT;
			break;
		default:
			die("%s", vm_exit_text(&vm));
		}
	}
}

int main(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	unsigned long rounds = 0;
	int fd[3];
	char line[64];

	setvbuf(stdin, NULL, _IONBF, 0);
	kvm_open();
	guest_create();
	irqfd_create();
	fd[0] = doorbell(0x510, 2, KVM_IOEVENTFD_FLAG_PIO |
			 KVM_IOEVENTFD_FLAG_DATAMATCH, 1);
	fd[1] = doorbell(0x510, 2, KVM_IOEVENTFD_FLAG_PIO |
			 KVM_IOEVENTFD_FLAG_DATAMATCH, 2);
	fd[2] = doorbell(0xd0000, 0, 0, 0);
	posting_doorbells();
	printf("ready\n");
	fflush(stdout);

	while (fgets(line, sizeof(line), stdin)) {
		unsigned long left = strtoul(line, NULL, 10);
		eventfd_t counted[3] = {};

		if (!strcmp(line, "run\n")) {
			do {
				if (round_trip() != 4)
					die("a doorbell was not heard");
				rounds++;
				usleep(500);
			} while (!poll(&in, 1, 0));
			continue;
		}
		while (left--) {
			if (round_trip() != 4)
				die("a doorbell was not heard");
			rounds++;
		}
		/* The counts of the doorbells themselves, for a look at both */
		for (int i = 0; rounds > 1 && i < 3; i++)
			eventfd_read(fd[i], &counted[i]);
		printf("done %lu %lu %lu\n", (unsigned long)counted[0],
		       (unsigned long)counted[1], (unsigned long)counted[2]);
		fflush(stdout);
	}
	return 0;
}
