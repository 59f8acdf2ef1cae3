// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress [rounds=N] [vcpus=N] [changes=N] [rings=N] [memory=KiB]
 *
 * Each round makes two VMs whose vCPUs ring doorbells as fast as they can, by
 * PIO and by MMIO, while threads
 *  - assign and deassign other doorbells, on the registers that are rung and
 *    elsewhere,
 *  - assign, signal, deassign and close irqfds, level-triggered ones as well,
 *    and replace the routes,
 *  - register and unregister coalesced zones around the doorbells,
 *  - offer eventfds that are an irqfd of one VM to the other, which must be
 *    refused,
 * and then closes the VMs in the midst of it. memory= puts all of it into a
 * memory cgroup that is full but for so much, with one more thread that fills it
 * with doorbells again and again: calls fail with ENOMEM, what takes something
 * away must not.
 *
 * Checked: each vCPU counts in its memory what it has rung on the doorbells
 * that stay, and their eventfds have counted the same. Each thread makes progress
 * within STALL seconds. At the end no eventfd, no VM and no memory is left. The
 * kernel reports everything else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../guest/guest.h"
#include "leaks.h"

#define STALL		300
#define MAX_THREADS	6
#define STACK		0x20000
/* Caches of the kernel that grow on their own, while it is looked at */
#define SLAB_LIMIT	(512L << 10)
/* How often a round must have been without memory, if it is short */
#define SHORTAGES	10

#define MAX_VCPUS	4
#define MEMORY		0x4000
#define CODE		0x2000
#define MMIO		0xd0000
#define PORT		0x10
#define COUNTERS	0x3000	/* 16 bytes per vCPU: MMIO, PIO */

struct task {
	pthread_t thread;
	void *stack;
};

struct machine {
	int stay[2];		/* eventfds: MMIO, PIO */
	atomic_ulong rung[2];
	/* All of one VM */
	struct vm vcpu[MAX_VCPUS];
	struct task task[MAX_VCPUS];
};

static unsigned int nr_vcpus = 2;
static struct machine vms[2];
static atomic_bool stop, all_there;
static atomic_ulong nr_changes, nr_irqfds, nr_zones, nr_routes, nr_refused;
static atomic_ulong nr_nomem, nr_exits;
static atomic_ulong nr_hogged;
static unsigned long changes_wanted = 2000, rings_wanted = 500;
static unsigned long this_round, kicks[2], memory;
static FILE *memory_max;

#define CHECK(cond) do { if (!(cond)) die_errno("%s", #cond); } while (0)

static uint64_t rnd(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return z ^ z >> 29;
}

/*
 * Real mode, DS = 0, ES = 0xd000, BX = the vCPU's counters. A store counts
 * before it is made: at the end at most one per vCPU has not been made yet.
 */
static const uint8_t guest[] = {
	/* loop: */
	0xff, 0x07,			/* inc word [bx] */
	0x75, 0x03,			/* jnz +3 */
	0xff, 0x47, 0x02,		/* inc word [bx+2] */
	0xb8, 0x01, 0x00,		/* mov ax, 1 */
	0x26, 0xa3, 0x00, 0x00,		/* mov es:[0], ax */
	0x26, 0xa3, 0x40, 0x00,		/* mov es:[0x40], ax */
	0xb8, 0x02, 0x00,		/* mov ax, 2 */
	0x26, 0xa3, 0x00, 0x00,		/* mov es:[0], ax */
	0xff, 0x47, 0x08,		/* inc word [bx+8] */
	0x75, 0x03,			/* jnz +3 */
	0xff, 0x47, 0x0a,		/* inc word [bx+10] */
	0xb0, 0x01,			/* mov al, 1 */
	0xe6, PORT,			/* out PORT, al */
	0xb0, 0x02,			/* mov al, 2 */
	0xe6, PORT,			/* out PORT, al */
	0xeb, 0,			/* jmp loop */
};

static int ioeventfd(const struct machine *m, u64 addr, u32 len, u64 data, int fd,
		     u32 flags)
{
	return vm_ioeventfd(&m->vcpu[0], addr, len, data, fd,
			    flags | KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static int irqfd(const struct machine *m, int fd, u32 gsi, u32 flags, int resamplefd)
{
	return vm_irqfd(&m->vcpu[0], fd, gsi, flags, resamplefd);
}

/* What an exit that should not be is about. */
static void strange_exit(const struct vm *v)
{
	const struct kvm_run *run = v->run;
	struct kvm_regs regs = {};
	unsigned int i;

	fprintf(stderr, "stress: exit reason %u", run->exit_reason);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
		fprintf(stderr, ", suberror %u:", run->internal.suberror);
		for (i = 0; i < run->internal.ndata && i < 16; i++)
			fprintf(stderr, " %llx", run->internal.data[i]);
	}
	ioctl(v->vcpu, KVM_GET_REGS, &regs);
	fprintf(stderr, ", rip %llx\n", regs.rip);
	exit(1);
}

static void *vcpu_thread(void *arg)
{
	struct vm *v = arg;

	while (!stop) {
		if (ioctl(v->vcpu, KVM_RUN, 0)) {
			CHECK(errno == EINTR || errno == EAGAIN || errno == ENOMEM);
			continue;
		}
		nr_exits++;
		if (v->run->exit_reason != KVM_EXIT_MMIO &&
		    v->run->exit_reason != KVM_EXIT_IO &&
		    v->run->exit_reason != KVM_EXIT_INTR)
			strange_exit(v);
		/* The doorbells that stay never come here. */
		if (v->run->exit_reason == KVM_EXIT_MMIO)
			CHECK(v->run->mmio.phys_addr != MMIO ||
			      v->run->mmio.data[0] != 1);
		if (v->run->exit_reason == KVM_EXIT_IO)
			CHECK(((uint8_t *)v->run)[v->run->io.data_offset] != 1);
	}
	return NULL;
}

/* Until all are there: to start a thread takes memory. */
static void wait_for_all(void)
{
	while (!all_there)
		usleep(100);
}

/* With a stack that is there already: a fault cannot be reported. */
static void start(struct task *task, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;

	task->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(task->stack != MAP_FAILED);
	CHECK(!pthread_attr_init(&attr));
	CHECK(!pthread_attr_setstack(&attr, task->stack, STACK));
	CHECK(!pthread_create(&task->thread, &attr, run, arg));
	pthread_attr_destroy(&attr);
}

static void join(struct task *task)
{
	pthread_join(task->thread, NULL);
	munmap(task->stack, STACK);
}

static void machine_make(struct machine *m)
{
	static const u64 base[6] = { MMIO };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct vm *first = &m->vcpu[0];
	unsigned int i;

	memset(m, 0, sizeof(*m));
	vm_create(first, MEMORY, true);
	vm_create_irqchip(first);
	vm_put(first, CODE, guest, sizeof(guest));
	first->memory[CODE + sizeof(guest) - 1] = -(int)sizeof(guest);

	for (i = 0; i < 2; i++)
		m->stay[i] = eventfd(0, EFD_NONBLOCK);
	CHECK(!ioeventfd(m, MMIO, 2, 1, m->stay[0], 0));
	CHECK(!ioeventfd(m, PORT, 1, 1, m->stay[1], KVM_IOEVENTFD_FLAG_PIO));

	for (i = 0; i < nr_vcpus; i++) {
		vm_add_vcpu(first, &m->vcpu[i], i);
		vm_set_mode(&m->vcpu[i], REAL, base);
		regs.rbx = COUNTERS + 16 * i;
		vm_set_regs(&m->vcpu[i], &regs);
		start(&m->task[i], vcpu_thread, &m->vcpu[i]);
	}
}

static void bell_drain(struct machine *m)
{
	unsigned int i;
	uint64_t n;

	for (i = 0; i < 2; i++) {
		if (read(m->stay[i], &n, sizeof(n)) == sizeof(n))
			m->rung[i] += n;
	}
}

static void machine_end(struct machine *m)
{
	unsigned int i, j;

	/* stop is set; vCPUs notice when they are let out */
	for (i = 0; i < nr_vcpus; i++) {
		m->vcpu[i].run->immediate_exit = 1;
		pthread_kill(m->task[i].thread, SIGUSR1);
		join(&m->task[i]);
	}
	bell_drain(m);
	for (j = 0; j < 2; j++) {
		uint64_t made = 0;

		for (i = 0; i < nr_vcpus; i++) {
			uint32_t n;

			memcpy(&n, m->vcpu[0].memory + COUNTERS + 16 * i + 8 * j, 4);
			made += n;
		}
		if (m->rung[j] > made || made - m->rung[j] > nr_vcpus)
			die("%s: %lu rings made, %lu counted", j ? "PIO" : "MMIO",
			    (unsigned long)made, (unsigned long)m->rung[j]);
		kicks[j] += m->rung[j];
	}
	for (i = 1; i < nr_vcpus; i++)
		vm_end_vcpu(&m->vcpu[i]);
	vm_destroy(&m->vcpu[0]);
	close(m->stay[0]);
	close(m->stay[1]);
}

static bool answered(int ret)
{
	if (ret && errno == ENOMEM) {
		CHECK(memory);
		nr_nomem++;
	}
	return !ret;
}

/* All of them go on until each has done its part of the round. */
static bool busy(void)
{
	return nr_changes < changes_wanted * (this_round + 1) ||
	       nr_irqfds < changes_wanted / 20 * (this_round + 1) ||
	       nr_zones < changes_wanted / 50 * (this_round + 1) ||
	       vms[0].rung[0] + vms[1].rung[0] < rings_wanted ||
	       vms[0].rung[1] + vms[1].rung[1] < rings_wanted ||
	       (memory && nr_nomem < SHORTAGES * (this_round + 1));
}

static void *bells(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	int fd = eventfd(0, EFD_NONBLOCK);
	bool there[2][64] = {};

	wait_for_all();
	while (busy()) {
		unsigned int v = rnd(&seed) & 1, i = rnd(&seed) % 64;
		/* On the registers in use, beside them, and on all the rest */
		uint64_t addr = i & 1 ? MMIO : MMIO + 0x40 * (i / 4);
		bool pio = i % 4 == 3, was = there[v][i];
		/* Some of them are what the guest writes */
		uint64_t data = i < 4 ? 2 : 0x10 * (uintptr_t)arg + i;

		if (answered(ioeventfd(&vms[v], pio ? PORT : addr,
				       pio ? 1 : 2, data, fd,
				       (pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
				       (was ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0))))
			there[v][i] = !was;
		else
			CHECK(!was && (errno == ENOMEM || errno == EEXIST));
		nr_changes++;
		if (!(i % 16))
			bell_drain(&vms[v]);
	}
	close(fd);
	return NULL;
}

static void *irqs(void *arg)
{
	uint64_t seed = (uintptr_t)arg, one = 1;

	wait_for_all();
	while (busy()) {
		unsigned int v = rnd(&seed) & 1, gsi = rnd(&seed) % 24;
		bool level = rnd(&seed) & 1;
		int fd = eventfd(rnd(&seed) & 1, EFD_NONBLOCK);
		int back = eventfd(0, EFD_NONBLOCK);

		if (fd < 0 || back < 0) {
			CHECK(memory && (errno == ENOMEM || errno == ENFILE));
		} else if (answered(irqfd(&vms[v], fd, gsi,
				   level ? KVM_IRQFD_FLAG_RESAMPLE : 0, back))) {
			/* It has its irqfd: none of the other VM as well */
			if (!answered(irqfd(&vms[!v], fd, gsi, 0, 0))) {
				CHECK(errno == EBUSY || errno == ENOMEM);
				nr_refused++;
			} else {
				CHECK(!"an eventfd with two irqfds");
			}
			CHECK(write(fd, &one, 8) == 8);
			if (rnd(&seed) & 1)
				CHECK(!irqfd(&vms[v], fd, gsi,
					     KVM_IRQFD_FLAG_DEASSIGN, 0));
			nr_irqfds++;
		} else {
			CHECK(errno == ENOMEM);
		}
		if (fd >= 0)
			close(fd);
		if (back >= 0)
			close(back);
	}
	return NULL;
}

static void *zones(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	unsigned int i;

	wait_for_all();
	while (busy()) {
		unsigned int v = rnd(&seed) & 1;
		struct kvm_coalesced_mmio_zone zone = {
			.addr = MMIO - 0x1000 * (rnd(&seed) % 4),
			.size = 0x8000,
		};
		struct {
			struct kvm_irq_routing head;
			struct kvm_irq_routing_entry entry[24];
		} r = { .head.nr = 24 };

		if (answered(ioctl(vms[v].vcpu[0].fd, KVM_REGISTER_COALESCED_MMIO, &zone)))
			CHECK(!ioctl(vms[v].vcpu[0].fd, KVM_UNREGISTER_COALESCED_MMIO,
				     &zone));
		else
			CHECK(errno == ENOMEM);
		nr_zones++;
		for (i = 0; i < 24; i++) {
			r.entry[i].gsi = i;
			r.entry[i].type = KVM_IRQ_ROUTING_IRQCHIP;
			r.entry[i].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
			r.entry[i].u.irqchip.pin = rnd(&seed) % 24;
		}
		if (answered(ioctl(vms[v].vcpu[0].fd, KVM_SET_GSI_ROUTING, &r)))
			nr_routes++;
	}
	return NULL;
}

/*
 * Takes all memory there is, and gives it back, all of it without any. No more
 * often than asked for: each time the kernel has a lot to say.
 */
static void *hog(void *arg)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	unsigned long i, n;

	wait_for_all();
	while (nr_nomem < SHORTAGES * (this_round + 1)) {
		for (n = 0; n < 100000; n++) {
			if (!answered(ioeventfd(&vms[n & 1], MMIO + 0x200, 4,
						n, fd, 0)))
				break;
		}
		CHECK(n == 100000 || errno == ENOMEM);
		/* Let the others have none, for a moment. */
		usleep(1000);
		for (i = 0; i < n; i++)
			CHECK(!ioeventfd(&vms[i & 1], MMIO + 0x200, 4, i, fd,
					 KVM_IOEVENTFD_FLAG_DEASSIGN));
		nr_hogged += n;
	}
	close(fd);
	return NULL;
}

static FILE *cgroup_file(const char *name, const char *mode)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/cgroup/stress/%s", name);
	f = fopen(path, mode);
	CHECK(f);
	return f;
}

static void cgroup_enter(void)
{
	FILE *f;

	mkdir("/tmp/cgroup", 0755);
	CHECK(!mount("none", "/tmp/cgroup", "cgroup2", 0, NULL));
	f = fopen("/tmp/cgroup/cgroup.subtree_control", "w");
	CHECK(f);
	fputs("+memory", f);
	CHECK(!fclose(f));
	mkdir("/tmp/cgroup/stress", 0755);
	memory_max = cgroup_file("memory.max", "w");
	setvbuf(memory_max, NULL, _IONBF, 0);
	f = cgroup_file("cgroup.procs", "w");
	fprintf(f, "%d", getpid());
	CHECK(!fclose(f));
	/* Allocations fail; no task is killed. */
	f = fopen("/proc/self/oom_score_adj", "w");
	CHECK(f);
	fputs("-1000", f);
	CHECK(!fclose(f));
}

/* What is used by now, and so much more. */
static void memory_limit(unsigned long kib)
{
	unsigned long used;
	FILE *f;

	f = cgroup_file("memory.current", "r");
	CHECK(fscanf(f, "%lu", &used) == 1);
	fclose(f);
	fprintf(memory_max, "%lu", used + (kib << 10));
}

static void wake(int sig)
{
}

static void stalled(int sig)
{
	static const char text[] = "stress: a round does not end\n";

	if (write(2, text, sizeof(text) - 1))
		_exit(1);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = wake };
	unsigned long rounds = 10, round;
	struct task task[MAX_THREADS];
	static struct left before;
	unsigned int i, n;
	int a;

	for (a = 1; a < argc; a++) {
		if (sscanf(argv[a], "rounds=%lu", &rounds) != 1 &&
		    sscanf(argv[a], "vcpus=%u", &nr_vcpus) != 1 &&
		    sscanf(argv[a], "changes=%lu", &changes_wanted) != 1 &&
		    sscanf(argv[a], "rings=%lu", &rings_wanted) != 1 &&
		    sscanf(argv[a], "memory=%lu", &memory) != 1) {
			fprintf(stderr, "usage: stress [rounds=N] [vcpus=N] [changes=N] [rings=N] [memory=KiB]\n");
			return 2;
		}
	}
	if (!nr_vcpus || nr_vcpus > MAX_VCPUS)
		return 2;
	kvm_open();
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGALRM, stalled);
	if (!left_look(&before))
		return 2;
	if (memory)
		cgroup_enter();

	for (round = 0; round < rounds; round++) {
		stop = false;
		this_round = round;
		alarm(STALL);
		machine_make(&vms[0]);
		machine_make(&vms[1]);
		if (memory)
			CHECK(!mlockall(MCL_CURRENT));
		all_there = false;
		n = 0;
		start(&task[n++], bells, (void *)1);
		start(&task[n++], bells, (void *)5);
		start(&task[n++], irqs, (void *)(round + 7));
		start(&task[n++], irqs, (void *)(round + 8));
		start(&task[n++], zones, (void *)(round + 9));
		if (memory) {
			start(&task[n++], hog, NULL);
			memory_limit(memory);
		}
		all_there = true;
		for (i = 0; i < n; i++)
			join(&task[i]);
		if (memory)
			fputs("max", memory_max);
		stop = true;
		machine_end(&vms[0]);
		machine_end(&vms[1]);
	}
	alarm(0);
	munlockall();
	printf("stress: %lu rounds, 2 VMs of %u vCPUs: %lu doorbells changed, %lu irqfds, %lu zones, %lu routings, %lu refused; %lu MMIO and %lu PIO rings, none lost\n",
	       rounds, nr_vcpus, nr_changes, nr_irqfds, nr_zones, nr_routes,
	       nr_refused, kicks[0], kicks[1]);
	if (memory)
		printf("stress: %lu times no memory, %lu more doorbells put there to have none\n",
		       nr_nomem, nr_hogged);
	if (!kicks[0] || !kicks[1] || !nr_refused || (memory && !nr_nomem)) {
		fprintf(stderr, "stress: that was none\n");
		return 1;
	}
	return !left_nothing(&before, SLAB_LIMIT);
}
