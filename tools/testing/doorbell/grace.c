// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grace periods that others wait for.  A change of memory, a vCPU or a removal
 * waits for kvm->srcu.  If an assign leaves a grace period pending there, these wait
 * for that one, too.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* More than a grace period that nothing hurries */
#define SETTLE_US	50000

/* Each round has so many samples, at as many moments between two ticks of the timer ... */
#define MOMENTS		4
/* ... that are so many nanoseconds apart */
#define APART		700000

enum waiter { MEMSLOT_ADD, MEMSLOT_DELETE, VCPU, DEASSIGN };

static const struct {
	const char *name, *text;
} waiters[] = {
	[MEMSLOT_ADD]	 = { "memslot-add", "a slot of memory" },
	[MEMSLOT_DELETE] = { "memslot-delete", "its removal" },
	[VCPU]		 = { "vcpu", "KVM_CREATE_VCPU" },
	[DEASSIGN]	 = { "deassign", "an ioeventfd's removal" },
};

static u64 last_tick(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/*
 * Nothing of the past is pending, and the timer has ticked so long ago.  Where the clock
 * counts instructions, what the kernel does now and then meets the same moment each time.
 * So it takes several moments for a median.
 */
static void settle(unsigned int moment)
{
	u64 tick, start;

	usleep(SETTLE_US);
	for (tick = last_tick(); tick == last_tick();)
		;
	for (start = now(); now() - start < moment * APART;)
		;
}

static void set_page(struct vm *vm, void *page, size_t size)
{
	if (vm_set_memory(vm, 1, TOUCH_BASE, page, size))
		die_errno("cannot %s a slot of memory", size ? "add" : "delete");
}

/* In a fresh VM: how long it takes, after an assign or alone */
static u64 grace(enum waiter waiter, bool assign, unsigned int moment, void *page, int fd)
{
	struct kick mine = { .size = 4, .addr = MMIO_BASE };
	struct kick other = { .size = 4, .addr = MMIO_BASE + 8 };
	struct vm vm;
	u64 time;

	job_vm(&vm, false);
	/*
	 * A VM's first vCPU without an APIC has the kernel patch its own code, which takes
	 * far longer than all the rest.
	 */
	vm_create_irqchip(&vm);
	if (waiter != VCPU)
		job_vcpu(&vm);
	if (waiter == DEASSIGN)
		vm_doorbell(&vm, &mine, WILDCARD, fd, true);
	else if (waiter == MEMSLOT_DELETE)
		set_page(&vm, page, 4096);
	settle(moment);
	if (assign)
		vm_doorbell(&vm, &other, WILDCARD, fd, true);

	time = now();
	switch (waiter) {
	case MEMSLOT_ADD:
		set_page(&vm, page, 4096);
		break;
	case MEMSLOT_DELETE:
		set_page(&vm, page, 0);
		break;
	case VCPU:
		vm.vcpu = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
		break;
	case DEASSIGN:
		vm_doorbell(&vm, &mine, WILDCARD, fd, false);
		break;
	}
	time = now() - time;
	if (vm.vcpu < 0)
		die_errno("cannot create a vCPU");
	vm_destroy(&vm);
	return time;
}

/*
 * arg: enum waiter.  Two operations: alone, after an assign.  They take turns, because
 * what the kernel's allocators have in store changes the figures of both.
 */
static void run_grace(struct group *group)
{
	int fd = new_eventfd(EFD_NONBLOCK), round, after;
	unsigned int moment;
	void *page;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (page == MAP_FAILED)
		die_errno("cannot map a page");
	for (round = -1; round < options.repeat; round++)
		for (moment = 0; moment < MOMENTS; moment++)
			for (after = 0; after < 2; after++)
				op_sample(&group->op[after], round,
					  grace(group->arg[0], after, moment, page, fd), 1);
	check_count(&group->op[0], "the eventfd", take(fd), 0);
	munmap(page, 4096);
	close(fd);
}

void add_grace(void)
{
	struct group *group;
	size_t w;

	for (w = 0; w < ARRAY_SIZE(waiters); w++) {
		group = add_group(run_grace, w, 0, 0);
		add_op(group, waiters[w].text, "grace/%s/alone", waiters[w].name);
		add_op(group, waiters[w].text, "grace/%s/after", waiters[w].name);
	}
}
