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
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE	0x1000
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

static int kvm, vm, vcpu;
static struct kvm_run *run;

static int vm_create(void)
{
	int fd = ioctl(kvm, KVM_CREATE_VM, 0);

	if (fd < 0)
		err(1, "KVM_CREATE_VM");
	return fd;
}

static int doorbell(uint64_t addr, int len, int flags, uint64_t data)
{
	struct kvm_ioeventfd req = {
		.addr = addr, .len = len, .flags = flags, .datamatch = data,
		.fd = eventfd(0, 0),
	};

	if (ioctl(vm, KVM_IOEVENTFD, &req))
		err(1, "KVM_IOEVENTFD");
	return req.fd;
}

static void guest_create(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	char *mem;

	vm = vm_create();
	mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		err(1, "mmap");
	memcpy(mem + CODE, code, sizeof(code));
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "KVM_SET_USER_MEMORY_REGION");

	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		err(1, "KVM_CREATE_VCPU");
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the vcpu");
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu, KVM_SET_REGS, &regs))
		err(1, "registers");
}

static void irqfd_create(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = 24,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = 0xfee00000,
			.u.msi.data = 0x30,
		},
	};
	struct kvm_irqfd req = { .gsi = 24, .fd = eventfd(0, 0) };
	int other = vm_create();

	if (ioctl(other, KVM_CREATE_IRQCHIP, 0) ||
	    ioctl(other, KVM_CREATE_VCPU, 0) < 0 ||
	    ioctl(other, KVM_SET_GSI_ROUTING, &routing) ||
	    ioctl(other, KVM_IRQFD, &req))
		err(1, "a VM with an irqfd");
	eventfd_write(req.fd, 1);
}

/* One round of the guest; returns how many writes came to userspace. */
static int round_trip(void)
{
	int writes = 0;

	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0))
			err(1, "KVM_RUN");
		switch (run->exit_reason) {
		case KVM_EXIT_HLT:
			return writes;
		case KVM_EXIT_MMIO:
			writes += run->mmio.is_write;
			break;
		case KVM_EXIT_IO:
			writes += run->io.direction == KVM_EXIT_IO_OUT;
			break;
		default:
			errx(1, "exit %u", run->exit_reason);
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
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	guest_create();
	irqfd_create();
	fd[0] = doorbell(0x510, 2, KVM_IOEVENTFD_FLAG_PIO |
			 KVM_IOEVENTFD_FLAG_DATAMATCH, 1);
	fd[1] = doorbell(0x510, 2, KVM_IOEVENTFD_FLAG_PIO |
			 KVM_IOEVENTFD_FLAG_DATAMATCH, 2);
	fd[2] = doorbell(0xd0000, 0, 0, 0);
	printf("ready\n");
	fflush(stdout);

	while (fgets(line, sizeof(line), stdin)) {
		unsigned long left = strtoul(line, NULL, 10);
		uint64_t counted[3] = {};

		if (!strcmp(line, "run\n")) {
			do {
				if (round_trip() != 4)
					errx(1, "a doorbell was not heard");
				rounds++;
				usleep(500);
			} while (!poll(&in, 1, 0));
			continue;
		}
		while (left--) {
			if (round_trip() != 4)
				errx(1, "a doorbell was not heard");
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
