// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations.  Every group does one round more than it has samples to
 * take, and throws the first away.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "doorbell_ioctl.h"

/* Long enough for any machine; then a ring counts as lost. */
#define PATIENCE_MS	20000

/* How many assigns and deassigns make one sample. */
#define BATCH		8

#define POOL		16
#define SLOTS		10000
#define MAX_IRQFDS	4096
#define ZONE_KICKS	100
#define TOUCH_PAGES	256
#define MAX_WAITERS	256
#define CODE_DOORBELLS	200

int new_eventfd(int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	if (fd < 0)
		die_errno("cannot create an eventfd");
	return fd;
}

/* What an eventfd has counted since the last call. */
u64 take(int fd)
{
	u64 count;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		return count;
	if (errno != EAGAIN)
		die_errno("cannot read an eventfd");
	return 0;
}

static void give(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die_errno("cannot write an eventfd");
}

/* Wait for an eventfd to be signalled, and take the count. */
static bool wait_for(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, PATIENCE_MS) == 1 && take(fd);
}

void check_count(struct op *op, const char *what, u64 count, u64 expected)
{
	if (count != expected)
		op_fail(op, "%s counted %llu rings instead of %llu", what,
			count, expected);
}

/* A write to this bus, as most groups measure it */
static struct kick bus_kick(bool pio)
{
	return (struct kick) {
		.pio = pio,
		.size = pio ? 2 : 4,
		.addr = pio ? PIO_BASE : MMIO_BASE,
		.data = 1,
	};
}

bool guest_does(struct op *op, struct vm *vm, const struct job *job,
		unsigned int count, u64 *ns)
{
	unsigned int seen;
	u64 start;
	bool done;

	if (job->label)
		job_start(vm, job->label, (struct kvm_regs) {
			.rbx = job->kick.addr, .rsi = count,
		});
	else
		job_start_kicks(vm, &job->kick, count);
	start = now();
	for (seen = 0; !(done = job_run(vm)); seen++)
		if (vm->run->exit_reason != job->reason ||
		    (!job->label && !vm_exit_is(vm, &job->kick)))
			break;
	*ns = now() - start;
	if (!done)
		op_fail(op, "instead of the end came %s", vm_exit_text(vm));
	check_count(op, "userspace", seen, job->reason ? count : 0);
	return !op->failure[0];
}

bool guest_rings(struct op *op, struct vm *vm, const struct kick *kick,
		 unsigned int count, u64 *ns)
{
	return guest_does(op, vm, &(struct job) { .kick = *kick }, count, ns);
}

/* A kick that leaves for userspace, each time */
static struct job exit_job(const struct kick *kick)
{
	return (struct job) {
		.kick = *kick,
		.reason = kick->pio ? KVM_EXIT_IO : KVM_EXIT_MMIO,
	};
}

bool guest_exits(struct op *op, struct vm *vm, const struct kick *kick,
		 unsigned int count, u64 *ns)
{
	struct job job = exit_job(kick);

	return guest_does(op, vm, &job, count, ns);
}

/*
 * A pool of eventfds, shared out in turn, so that a thousand doorbells need
 * few descriptors and a ring at the wrong door is still noticed.
 */
struct pool {
	int fd[POOL];
};

static void pool_open(struct pool *pool)
{
	int i;

	for (i = 0; i < POOL; i++)
		pool->fd[i] = new_eventfd(EFD_NONBLOCK);
}

static void pool_close(struct pool *pool)
{
	int i;

	for (i = 0; i < POOL; i++)
		close(pool->fd[i]);
}

static int pool_fd(const struct pool *pool, int index)
{
	return pool->fd[index % POOL];
}

/* The door with this index, or none if it is negative, rang count times. */
static void pool_check(struct op *op, const struct pool *pool, int index,
		       u64 count)
{
	int i;

	for (i = 0; i < POOL; i++) {
		if (index >= 0 && i == index % POOL)
			check_count(op, "the doorbell", take(pool->fd[i]),
				    count);
		else
			check_count(op, "another doorbell", take(pool->fd[i]),
				    0);
	}
}

/*
 * All rounds of a job.  Each time it rings the door with this index, or none if it
 * is negative; without a pool there are no doors.
 */
static void measure_job(struct op *op, struct vm *vm, const struct job *job,
			const struct pool *pool, int index)
{
	int round;
	u64 ns;

	for (round = -1; round < options.repeat && !op->failure[0]; round++) {
		if (!guest_does(op, vm, job, options.kicks, &ns))
			break;
		if (pool)
			pool_check(op, pool, index, options.kicks);
		op_sample(op, round, ns, options.kicks);
	}
}

/* One kick and what takes it */

enum consumer { NOBODY, MODULE, READER, POLLER, USERSPACE, RELAY };

struct reader {
	pthread_t thread;
	enum consumer kind;
	int doorbell;
	int done;
	atomic_ulong seen;
	atomic_ulong target;
	atomic_bool stop;
};

static void *reader_thread(void *arg)
{
	struct reader *reader = arg;
	struct pollfd pollfd = { .fd = reader->doorbell, .events = POLLIN };
	unsigned long before, seen;
	u64 count;

	while (!atomic_load(&reader->stop)) {
		if (reader->kind == POLLER)
			poll(&pollfd, 1, -1);
		if (read(reader->doorbell, &count, sizeof(count)) !=
		    sizeof(count))
			continue;
		before = atomic_fetch_add(&reader->seen, count);
		seen = before + count;
		if (before < atomic_load(&reader->target) &&
		    seen >= atomic_load(&reader->target))
			give(reader->done);
	}
	return NULL;
}

static void reader_start(struct reader *reader, enum consumer kind,
			 int doorbell)
{
	reader->kind = kind;
	reader->doorbell = doorbell;
	reader->done = new_eventfd(EFD_NONBLOCK);
	atomic_init(&reader->seen, 0);
	atomic_init(&reader->target, 0);
	atomic_init(&reader->stop, false);
	if (pthread_create(&reader->thread, NULL, reader_thread, reader))
		die("cannot start a thread");
}

/* Stops the thread with one more ring; returns all it has seen but that. */
static u64 reader_stop(struct reader *reader)
{
	atomic_store(&reader->target, 0);
	atomic_store(&reader->stop, true);
	give(reader->doorbell);
	pthread_join(reader->thread, NULL);
	close(reader->done);
	return atomic_load(&reader->seen) - 1;
}

/* Kicks that leave for userspace, which rings the module for each */
static void run_relay(struct op *op, const struct kick *kick)
{
	unsigned int count = options.kicks, seen;
	u64 before = 0, after = 0, start, ns;
	struct vm vm;
	int round;

	job_guest(&vm);
	for (round = -1; round < options.repeat && !op->failure[0]; round++) {
		ioctl(options.device, DOORBELL_COUNT, &before);
		job_start_kicks(&vm, kick, count);
		start = now();
		for (seen = 0; !job_run(&vm) && vm_exit_is(&vm, kick); seen++)
			ioctl(options.device, DOORBELL_RING);
		ns = now() - start;
		check_count(op, "userspace", seen, count);
		ioctl(options.device, DOORBELL_COUNT, &after);
		check_count(op, "the module", after - before, count);
		op_sample(op, round, ns, count);
	}
	vm_destroy(&vm);
}

/* A job without any doorbell */
static void run_job(struct op *op, struct job job)
{
	struct vm vm;

	job_guest(&vm);
	measure_job(op, &vm, &job, NULL, -1);
	vm_destroy(&vm);
}

/* What the guest has told its PMU */
enum pmu { NO_PMU, PMU_IDLE, PMU_CYCLES, PMU_COUNTING };

/* AMD's first counter; both events, at all privilege levels */
#define MSR_EVENT	0xc0010000
#define MSR_COUNTER	0xc0010004
#define EVENT_CYCLES	0x430076
#define EVENT_INSNS	0x4300c0

static void run_rings(struct op *op, const struct kick *kick,
		      enum match match, enum consumer consumer, enum pmu pmu)
{
	int fd = new_eventfd(consumer == READER ? 0 : EFD_NONBLOCK);
	unsigned int count = options.kicks;
	u64 before = 0, after = 0, start, ns, total = 0;
	struct reader reader;
	struct vm vm;
	int round;

	job_vm(&vm, pmu);
	job_vcpu(&vm);
	if (pmu > PMU_IDLE)
		vm_set_msr(&vm, MSR_EVENT, pmu == PMU_COUNTING ?
					   EVENT_INSNS : EVENT_CYCLES);
	vm_doorbell(&vm, kick, match, fd, true);
	if (consumer == MODULE && ioctl(options.device, DOORBELL_BIND, fd))
		die_errno("cannot bind an eventfd to the module");
	if (consumer == READER || consumer == POLLER)
		reader_start(&reader, consumer, fd);

	for (round = -1; round < options.repeat; round++) {
		switch (consumer) {
		case MODULE:
			ioctl(options.device, DOORBELL_COUNT, &before);
			if (!guest_rings(op, &vm, kick, count, &ns))
				break;
			ioctl(options.device, DOORBELL_COUNT, &after);
			check_count(op, "the module", after - before, count);
			break;
		case READER:
		case POLLER:
			total += count;
			atomic_store(&reader.target, total);
			start = now();
			if (!guest_rings(op, &vm, kick, count, &ns))
				break;
			if (!wait_for(reader.done))
				check_count(op, "the reader",
					    atomic_load(&reader.seen), total);
			ns = now() - start;
			break;
		default:
			if (pmu)
				vm_set_msr(&vm, MSR_COUNTER, 0);
			if (!guest_rings(op, &vm, kick, count, &ns))
				break;
			check_count(op, "the eventfd", take(fd), count);
			/* KVM steps over the last OUT as well: the port's quirk */
			if (pmu)
				check_count(op, "the guest's PMU",
					    vm_get_msr(&vm, MSR_COUNTER),
					    pmu == PMU_COUNTING ? count + 1 : 0);
		}
		if (op->failure[0])
			break;
		op_sample(op, round, ns, count);
	}

	if (consumer == READER || consumer == POLLER)
		check_count(op, "the reader", reader_stop(&reader), total);
	if (consumer == MODULE && ioctl(options.device, DOORBELL_UNBIND))
		die_errno("cannot unbind an eventfd from the module");
	vm_destroy(&vm);
	close(fd);
}

/* arg: whether PIO, enum match, enum consumer */
static void run_kick(struct group *group)
{
	enum consumer consumer = group->arg[2];
	struct op *op = &group->op[0];
	struct kick kick = bus_kick(group->arg[0]);

	if ((consumer == MODULE || consumer == RELAY) && options.device < 0)
		op_skip(op, "the doorbell module is not loaded");
	else if (group->arg[1] == ANY_LENGTH &&
		 !kvm_capability(KVM_CAP_IOEVENTFD_ANY_LENGTH))
		op_skip(op, "this KVM has no doorbells of any length");
	else if (consumer == USERSPACE)
		run_job(op, exit_job(&kick));
	else if (consumer == RELAY)
		run_relay(op, &kick);
	else
		run_rings(op, &kick, group->arg[1], consumer, NO_PMU);
}

/* arg: whether PIO, enum pmu */
static void run_pmu(struct group *group)
{
	struct kick kick = bus_kick(group->arg[0]);

	if (!kvm_capability(KVM_CAP_PMU_CAPABILITY))
		op_skip(&group->op[0], "this KVM has no virtual PMU");
	else
		run_rings(&group->op[0], &kick, WILDCARD, NOBODY, group->arg[1]);
}

/* The guest's first store to each page of its memory, among some doorbells */
static void run_fault(struct group *group)
{
	struct op *op = &group->op[0];
	struct job touch = { guest_touch, .kick.addr = TOUCH_BASE - 4096 };
	struct kick kick = { .size = 4, .addr = MMIO_BASE };
	int fd = new_eventfd(EFD_NONBLOCK), round;
	size_t size = TOUCH_PAGES * 4096;
	unsigned int count;
	struct vm vm;
	void *memory;
	u64 part, ns;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die_errno("cannot map %zu bytes", size);
	/* One fault for each page */
	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 1, size);

	job_guest(&vm);
	for (; kick.addr < MMIO_BASE + 200 * 8; kick.addr += 8)
		vm_doorbell(&vm, &kick, WILDCARD, fd, true);
	for (round = -1; round < options.repeat; round++) {
		/* Enough of them that the host's interrupts are spread evenly */
		for (count = 0, ns = 0; count < 8 * options.kicks;
		     count += TOUCH_PAGES) {
			/* There is none to be deleted the first time. */
			vm_set_memory(&vm, 1, TOUCH_BASE, memory, 0);
			if (vm_set_memory(&vm, 1, TOUCH_BASE, memory, size))
				die_errno("cannot give the guest more memory");
			if (!guest_does(op, &vm, &touch, TOUCH_PAGES, &part))
				goto out;
			ns += part;
		}
		op_sample(op, round, ns, count);
	}
out:
	check_count(op, "the doorbells", take(fd), 0);
	vm_destroy(&vm);
	munmap(memory, size);
	close(fd);
}

/* arg: 0 for CPUID, 1 for RDMSR */
static void run_handled(struct group *group)
{
	run_job(&group->op[0],
		(struct job) { group->arg[0] ? guest_msr : guest_cpuid, .reason = 0 });
}

/* arg: size in bytes; a wildcard of that length over MMIO */
static void run_size(struct group *group)
{
	struct kick kick = {
		.size = group->arg[0],
		.addr = MMIO_BASE,
		.data = 0x0123456789abcdefULL >> (64 - 8 * group->arg[0]),
	};

	run_rings(&group->op[0], &kick, DATAMATCH, NOBODY, NO_PMU);
}

/* arg: whether PIO, number of doorbells; the last one registered is hit */
static void run_same(struct group *group)
{
	struct job job = { .kick = bus_kick(group->arg[0]) };
	struct pool pool;
	struct vm vm;
	int i;

	pool_open(&pool);
	job_guest(&vm);
	for (i = 0; i < group->arg[1]; i++) {
		job.kick.data = i;
		vm_doorbell(&vm, &job.kick, DATAMATCH, pool_fd(&pool, i), true);
	}
	measure_job(&group->op[0], &vm, &job, &pool, i - 1);
	vm_destroy(&vm);
	pool_close(&pool);
}

/*
 * arg: whether PIO, number of doorbells next to the byte that is written, whether
 * it is their own byte instead, with a value that none of them waits for
 */
static void run_miss(struct group *group)
{
	struct kick kick = {
		.pio = group->arg[0],
		.size = 1,
		.addr = group->arg[0] ? PIO_BASE : MMIO_BASE,
	};
	struct pool pool;
	struct job job;
	struct vm vm;

	pool_open(&pool);
	job_guest(&vm);
	for (; kick.data < (u64)group->arg[1]; kick.data++)
		vm_doorbell(&vm, &kick, DATAMATCH, pool_fd(&pool, kick.data),
			    true);

	if (!group->arg[2]) {
		kick.addr++;
		kick.data = 0;
	}
	job = exit_job(&kick);
	measure_job(&group->op[0], &vm, &job, &pool, -1);
	vm_destroy(&vm);
	pool_close(&pool);
}

/* arg: whether PIO, number of epoll instances that watch the eventfd */
static void run_waiters(struct group *group)
{
	struct job job = { .kick = bus_kick(group->arg[0]) };
	struct epoll_event event = { .events = EPOLLIN };
	int waiters[MAX_WAITERS], i;
	struct pool pool;
	struct vm vm;

	pool_open(&pool);
	for (i = 0; i < group->arg[1]; i++) {
		waiters[i] = epoll_create1(EPOLL_CLOEXEC);
		if (waiters[i] < 0 ||
		    epoll_ctl(waiters[i], EPOLL_CTL_ADD, pool.fd[0], &event))
			die_errno("cannot watch an eventfd");
	}
	job_guest(&vm);
	vm_doorbell(&vm, &job.kick, WILDCARD, pool.fd[0], true);
	measure_job(&group->op[0], &vm, &job, &pool, 0);
	vm_destroy(&vm);
	for (i = 0; i < group->arg[1]; i++)
		close(waiters[i]);
	pool_close(&pool);
}

/*
 * arg: whether PIO. A kick of a doorbell that was not there when its address was
 * first written to: what KVM has noted about that must not slow it down.
 */
static void run_late(struct group *group)
{
	struct job job = { .kick = bus_kick(group->arg[0]) };
	struct op *op = &group->op[0];
	struct pool pool;
	struct vm vm;
	u64 ns;

	pool_open(&pool);
	job_guest(&vm);
	guest_exits(op, &vm, &job.kick, 2, &ns);
	vm_doorbell(&vm, &job.kick, WILDCARD, pool.fd[0], true);
	measure_job(op, &vm, &job, &pool, 0);
	vm_destroy(&vm);
	pool_close(&pool);
}

/*
 * One instruction, among 200 doorbells on either bus, in two kinds of code: 32-bit
 * without paging and 64-bit with four levels of page tables.
 */
static const struct code {
	const char *name;
	struct job job;
	bool rings, irqchip;
} codes[] = {
	{ "out-kick", .job = { .kick = { true, 1, PIO_BASE, 1 } }, .rings = true },
	{ "store-kick", .job = { .kick = { false, 4, MMIO_BASE, 1 } }, .rings = true },
	{ "store-kick-match", .job = { .kick = { false, 4, MMIO_BASE + 16, 7 } }, .rings = true },
	{ "out-exit", .job = { NULL, { true, 1, 0x80, 0 }, KVM_EXIT_IO } },
	{ "store-exit", .job = { NULL, { false, 4, MMIO_BASE + 0x800, 0 }, KVM_EXIT_MMIO } },
	{ "store-exit-match", .job = { NULL, { false, 4, MMIO_BASE + 16, 8 }, KVM_EXIT_MMIO } },
	{ "load-exit", .job = { guest_load, { .addr = MMIO_BASE + 0x800 }, KVM_EXIT_MMIO } },
	{ "hlt-exit", .job = { guest_hlt, .reason = KVM_EXIT_HLT } },
	{ "cpuid", .job = { guest_cpuid, .reason = 0 } },
	{ "rdmsr", .job = { guest_msr, .reason = 0 } },
	/* To itself, with a vector */
	{ "self-ipi", .job = { .kick = { false, 4, APIC_ICR, 0x44040 } }, .irqchip = true },
};

static void identity_map(struct vm *vm, u64 addr, u64 end)
{
	for (; addr < end; addr += 4096)
		vm_map(vm, LONG64, addr, addr | 7, false);
}

static void code_setup(struct vm *vm, const struct code *code, bool is_long,
		       const struct pool *pool)
{
	struct kick pio = { true, 1, PIO_BASE, 0 }, mmio = { false, 4, MMIO_BASE, 7 };
	int i;

	job_vm(vm, false);
	if (code->irqchip)
		vm_create_irqchip(vm);
	vm_create_vcpu(vm);
	vm_set_cpuid(vm);
	vm_clear_tables(vm, GUEST_TABLES);
	if (is_long) {
		identity_map(vm, 0, GUEST_MEMORY);
		identity_map(vm, MMIO_BASE, MMIO_BASE + 4096 * CODE_DOORBELLS);
		identity_map(vm, APIC_ICR & ~4095ull, APIC_ICR);
	}
	vm_set_mode(vm, is_long ? LONG64 : PROT32, NULL);

	for (i = 0; i < CODE_DOORBELLS; i++, pio.addr += 4, mmio.addr += 4096) {
		vm_doorbell(vm, &pio, WILDCARD, pool_fd(pool, i), true);
		vm_doorbell(vm, &mmio, ANY_LENGTH, pool_fd(pool, i), true);
	}
	mmio.addr = MMIO_BASE + 16;
	vm_doorbell(vm, &mmio, DATAMATCH, pool_fd(pool, 0), true);
}

/* arg: index of codes, whether 64-bit */
static void run_code(struct group *group)
{
	const struct code *code = &codes[group->arg[0]];
	struct op *op = &group->op[0];
	struct pool pool;
	struct vm vm;

	if (!kvm_capability(KVM_CAP_IOEVENTFD_ANY_LENGTH) ||
	    (code->irqchip && !kvm_capability(KVM_CAP_IRQCHIP))) {
		op_skip(op, "this KVM lacks any length, or interrupt controllers");
		return;
	}
	pool_open(&pool);
	code_setup(&vm, code, group->arg[1], &pool);
	measure_job(op, &vm, &code->job, &pool, code->rings ? 0 : -1);
	vm_destroy(&vm);
	pool_close(&pool);
}

/* Many doorbells, in one of three shapes */

enum shape { ASCENDING, SCATTERED, DATA, SHAPES };

static const char * const shape_name[SHAPES] = {
	[ASCENDING]	= "ascending",
	[SCATTERED]	= "scattered",
	[DATA]		= "data",
};

static const int stages[] = { 16, 256, 1000, 4096, 10000 };

#define STAGES	((int)ARRAY_SIZE(stages))

/* Where the n-th of SCATTERED goes, in units of two words. */
static int scattered_slot(int index)
{
	static int slot[SLOTS];
	u32 random = 2009;
	int i, other, swap;

	if (!slot[0] && !slot[1]) {
		for (i = 0; i < SLOTS; i++)
			slot[i] = i;
		for (i = SLOTS - 1; i > 0; i--) {
			random = random * 1664525 + 1013904223;
			other = (random >> 8) % (i + 1);
			swap = slot[i];
			slot[i] = slot[other];
			slot[other] = swap;
		}
	}
	return slot[index];
}

static enum match shape_match(enum shape kind)
{
	return kind == DATA ? DATAMATCH : WILDCARD;
}

static struct kick shape_kick(enum shape kind, int index)
{
	struct kick kick = { .size = 4, .addr = MMIO_BASE };

	if (kind == ASCENDING)
		kick.addr += 8 * index;
	else if (kind == SCATTERED)
		kick.addr += 8 * scattered_slot(index);
	else
		kick.data = index;
	return kick;
}

/* One more when there are n already; for SCATTERED it is in between them. */
static struct kick shape_extra(enum shape kind, int n, int extra)
{
	struct kick kick;

	if (kind != SCATTERED)
		return shape_kick(kind, n + extra);
	kick = shape_kick(kind, (extra * 7919) % n);
	kick.addr += 4;
	return kick;
}

struct stage {
	struct op *spread, *assign, *deassign;
};

/* What a row of the group's operations is for, by its place. */
static struct stage stage_ops(struct group *group, int stage)
{
	return (struct stage) {
		.spread = &group->op[3 * stage],
		.assign = &group->op[3 * stage + 1],
		.deassign = &group->op[3 * stage + 2],
	};
}

static bool is_wanted(const struct op *op)
{
	return op->name[0] && op->wanted;
}

static void measure_assign(struct vm *vm, enum shape kind, int n, int fd,
			   struct stage *stage)
{
	u64 start, middle, end;
	struct kick extra[BATCH];
	int round, i;

	for (i = 0; i < BATCH; i++)
		extra[i] = shape_extra(kind, n, i);

	for (round = -1; round < options.repeat; round++) {
		start = now();
		for (i = 0; i < BATCH; i++)
			vm_doorbell(vm, &extra[i], shape_match(kind), fd,
				    true);
		middle = now();
		for (i = 0; i < BATCH; i++)
			vm_doorbell(vm, &extra[i], shape_match(kind), fd,
				    false);
		end = now();
		op_sample(stage->assign, round, middle - start, BATCH);
		op_sample(stage->deassign, round, end - middle, BATCH);
	}
}

/* Ring at the first address, the last, and one in between. */
static void measure_spread(struct vm *vm, enum shape kind, int n,
			   const struct pool *pool, struct op *op)
{
	const int door[] = { 0, n * 2 / 3, n - 1 };
	unsigned int count = (options.kicks + 2) / 3;
	u64 sum, ns;
	int round, i;

	for (round = -1; round < options.repeat; round++) {
		for (sum = 0, i = 0; i < 3; i++) {
			struct kick kick = shape_kick(kind, door[i]);

			if (!guest_rings(op, vm, &kick, count, &ns))
				return;
			pool_check(op, pool, door[i], count);
			sum += ns;
		}
		op_sample(op, round, sum, 3 * count);
	}
}

/*
 * arg: enum shape.  One VM that fills up, measured at each stage; so that a
 * bus which takes long to fill is filled but once.
 */
static void run_stages(struct group *group)
{
	struct op *fill = &group->op[3 * STAGES];
	enum shape kind = group->arg[0];
	u64 start, filling = 0;
	int n = 0, last = -1, i;
	struct stage stage;
	struct pool pool;
	struct vm vm;

	for (i = 0; i < STAGES; i++) {
		stage = stage_ops(group, i);
		if (is_wanted(stage.spread) || is_wanted(stage.assign) ||
		    is_wanted(stage.deassign) || is_wanted(fill))
			last = i;
	}

	pool_open(&pool);
	job_guest(&vm);
	for (i = 0; i <= last; i++) {
		start = now();
		for (; n < stages[i]; n++) {
			struct kick kick = shape_kick(kind, n);

			vm_doorbell(&vm, &kick, shape_match(kind),
				    pool_fd(&pool, n), true);
		}
		filling += now() - start;

		stage = stage_ops(group, i);
		if (is_wanted(stage.spread))
			measure_spread(&vm, kind, n, &pool, stage.spread);
		if (is_wanted(stage.assign) || is_wanted(stage.deassign))
			measure_assign(&vm, kind, n, pool.fd[0], &stage);
	}
	op_sample(fill, 0, filling, n);
	pool_check(fill, &pool, -1, 0);
	vm_destroy(&vm);
	pool_close(&pool);
}

/* arg: number of doorbells; fresh VMs, without a vCPU */
static void run_teardown(struct group *group)
{
	int fd = new_eventfd(EFD_NONBLOCK), round, i;
	struct op *op = &group->op[0];
	u64 start;
	struct vm vm;

	for (round = -1; round < options.repeat; round++) {
		job_vm(&vm, false);
		for (i = 0; i < group->arg[0]; i++) {
			struct kick kick = shape_kick(ASCENDING, i);

			vm_doorbell(&vm, &kick, WILDCARD, fd, true);
		}
		start = now();
		close(vm.fd);
		op_sample(op, round, now() - start, 1);
		munmap(vm.memory, vm.size);
	}
	check_count(op, "the eventfd", take(fd), 0);
	close(fd);
}

/* Eventfds the other way: interrupts */

static bool irqfd_possible(struct op *op)
{
	if (kvm_capability(KVM_CAP_IRQCHIP) && kvm_capability(KVM_CAP_IRQFD) &&
	    kvm_capability(KVM_CAP_IRQ_ROUTING))
		return true;
	op_skip(op, "this KVM has no irqfd");
	return false;
}

static void assign_irqfd(struct vm *vm, int gsi, int fd, bool assign)
{
	if (vm_irqfd(vm, fd, gsi, assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN, 0))
		die_errno("cannot %s an irqfd for GSI %d",
			  assign ? "assign" : "deassign", gsi);
}

static void measure_irqfds(struct vm *vm, int n, const int *fds,
			   struct op *assign, struct op *deassign)
{
	u64 start, middle, sums[2];
	int round, i;

	for (round = -1; round < options.repeat; round++) {
		sums[0] = 0;
		sums[1] = 0;
		for (i = 0; i < BATCH; i++) {
			start = now();
			assign_irqfd(vm, n % MAX_IRQFDS, fds[i], true);
			middle = now();
			assign_irqfd(vm, n % MAX_IRQFDS, fds[i], false);
			sums[1] += now() - middle;
			sums[0] += middle - start;
		}
		op_sample(assign, round, sums[0], BATCH);
		op_sample(deassign, round, sums[1], BATCH);
	}
}

/* Three stages with two operations each: assign, deassign */
static void run_irqfds(struct group *group)
{
	static const int stage_irqfds[] = { 0, 16, MAX_IRQFDS };
	static int fds[MAX_IRQFDS + BATCH];
	int n = 0, stage, count, i;
	struct vm vm;

	if (!irqfd_possible(&group->op[0])) {
		for (i = 1; i < group->ops; i++)
			op_skip(&group->op[i], "%s", group->op[0].skipped);
		return;
	}

	job_vm(&vm, false);
	vm_create_irqchip(&vm);
	job_vcpu(&vm);
	vm_switch_apic_on(&vm);
	vm_set_msi_routes(&vm, MAX_IRQFDS, GUEST_IRQ_VECTOR);

	/* As many as the limit leaves, after all else is open. */
	for (count = 0; count < MAX_IRQFDS + BATCH; count++) {
		fds[count] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fds[count] < 0)
			break;
	}

	for (stage = 0; stage < 3; stage++) {
		struct op *op = &group->op[2 * stage];

		if (count < stage_irqfds[stage] + BATCH) {
			op_skip(&op[0], "only %d eventfds could be opened",
				count);
			op_skip(&op[1], "only %d eventfds could be opened",
				count);
			continue;
		}
		if (!op[0].wanted && !op[1].wanted)
			continue;
		for (; n < stage_irqfds[stage]; n++)
			assign_irqfd(&vm, n, fds[n], true);
		measure_irqfds(&vm, n, &fds[n], &op[0], &op[1]);
	}
	vm_destroy(&vm);
	for (i = 0; i < count; i++)
		close(fds[i]);
}

/*
 * arg: whether irqfds.  Assign and deassign in turn, long enough that what
 * they leave to be done later is done, and counted, as well.
 */
static void run_churn(struct group *group)
{
	int fd = new_eventfd(EFD_NONBLOCK), round;
	struct kick kick = shape_kick(ASCENDING, 0);
	struct op *op = &group->op[0];
	bool irqfds = group->arg[0];
	unsigned int i;
	struct vm vm;
	u64 start;

	if (irqfds && !irqfd_possible(op)) {
		close(fd);
		return;
	}

	job_vm(&vm, false);
	if (irqfds)
		vm_create_irqchip(&vm);
	job_vcpu(&vm);
	for (round = -1; round < options.repeat; round++) {
		start = now();
		for (i = 0; i < 2 * options.kicks; i++) {
			if (irqfds)
				assign_irqfd(&vm, 0, fd, i % 2 == 0);
			else
				vm_doorbell(&vm, &kick, WILDCARD, fd,
					    i % 2 == 0);
		}
		op_sample(op, round, now() - start, options.kicks);
	}
	check_count(op, "the eventfd", take(fd), 0);
	vm_destroy(&vm);
	close(fd);
}

static void *vcpu_thread(void *arg)
{
	return job_run(arg) ? NULL : arg;
}

/* Two vCPUs send an interrupt to and fro, and sleep until it comes. */
static void run_ipis(struct group *group)
{
	struct op *op = &group->op[0];
	struct vm first, second;
	pthread_t thread;
	void *lost;
	int round;
	u64 start;

	if (!kvm_capability(KVM_CAP_IRQCHIP)) {
		op_skip(op, "this KVM has no interrupt controllers");
		return;
	}

	job_vm(&first, false);
	vm_create_irqchip(&first);
	job_vcpu(&first);
	vm_add_vcpu(&first, &second, 1);
	vm_set_mode(&second, PROT32, NULL);
	vm_switch_apic_on(&first);
	vm_switch_apic_on(&second);
	for (round = -1; round < options.repeat; round++) {
		vm_put64(&first, GUEST_DATA, 2 * options.kicks);
		job_start(&first, guest_ipi_first,
			  (struct kvm_regs) { .rbx = 1 << 24 });
		/* A stack of its own */
		job_start(&second, guest_ipi_second,
			  (struct kvm_regs) { .rsp = GUEST_STACK - 0x800 });
		start = now();
		if (pthread_create(&thread, NULL, vcpu_thread, &second))
			die("cannot start a thread");
		if (!job_run(&first))
			op_fail(op, "instead of the end came %s",
				vm_exit_text(&first));
		pthread_join(thread, &lost);
		if (lost)
			op_fail(op, "instead of the end came %s",
				vm_exit_text(&second));
		if (op->failure[0])
			break;
		op_sample(op, round, now() - start, options.kicks);
	}
	vm_end_vcpu(&second);
	vm_destroy(&first);
}

/* Where a vCPU that answers by leaving for userspace is heard */
static int answer;
static struct kick answer_kick;

static void *answering_thread(void *arg)
{
	while (!job_run(arg)) {
		if (!vm_exit_is(arg, &answer_kick))
			return arg;
		give(answer);
	}
	return NULL;
}

/*
 * The vCPU halts in the kernel; a write to the irqfd wakes it, its handler
 * kicks, and that wakes the thread which wrote.  arg: whether there is a doorbell;
 * without it the vCPU's thread answers.
 */
static void run_round_trip(struct group *group)
{
	struct kick kick = { true, 2, PIO_BASE, 1 };
	struct op *op = &group->op[0];
	unsigned int i;
	u64 start;
	pthread_t thread;
	int irq, doorbell, round;
	struct vm vm;
	void *lost;

	if (!irqfd_possible(op))
		return;

	irq = new_eventfd(EFD_NONBLOCK);
	doorbell = new_eventfd(EFD_NONBLOCK);
	job_vm(&vm, false);
	vm_create_irqchip(&vm);
	job_vcpu(&vm);
	vm_switch_apic_on(&vm);
	vm_set_msi_routes(&vm, 1, GUEST_IRQ_VECTOR);
	assign_irqfd(&vm, 0, irq, true);
	if (group->arg[0])
		vm_doorbell(&vm, &kick, DATAMATCH, doorbell, true);
	answer = doorbell;
	answer_kick = kick;
	job_start(&vm, guest_idle,
		  (struct kvm_regs) { .rax = kick.data, .rdx = kick.addr });
	if (pthread_create(&thread, NULL,
			   group->arg[0] ? vcpu_thread : answering_thread, &vm))
		die("cannot start a thread");

	for (round = -1; round < options.repeat; round++) {
		start = now();
		for (i = 0; i < options.kicks; i++) {
			give(irq);
			if (!wait_for(doorbell)) {
				op_fail(op, "no ring came back for an interrupt");
				goto out;
			}
		}
		op_sample(op, round, now() - start, options.kicks);
	}
out:
	__atomic_store_n((u32 *)(vm.memory + GUEST_DATA), 1, __ATOMIC_SEQ_CST);
	give(irq);
	if (op->failure[0]) {
		/* The vCPU may never come back; the operations end here. */
		pthread_detach(thread);
		return;
	}
	pthread_join(thread, &lost);
	if (lost)
		op_fail(op, "instead of a ring came %s", vm_exit_text(&vm));
	/* The last interrupt is answered as well. */
	check_count(op, "the doorbell", take(doorbell), 1);
	vm_destroy(&vm);
	close(irq);
	close(doorbell);
}

/* Coalesced zones */

static struct kvm_coalesced_mmio_ring *vm_ring(struct vm *vm)
{
	long page = sysconf(_SC_PAGESIZE);

	return (void *)((char *)vm->run +
			kvm_capability(KVM_CAP_COALESCED_MMIO) * page);
}

static void check_zone(struct op *op, struct vm *vm, const struct kick *kick,
		       unsigned int expected)
{
	struct kvm_coalesced_mmio_ring *zone = vm_ring(vm);
	unsigned int entries = 0;

	for (; zone->first != zone->last; entries++) {
		struct kvm_coalesced_mmio *entry =
			&zone->coalesced_mmio[zone->first];

		if (entry->phys_addr != kick->addr || entry->len != kick->size)
			op_fail(op, "the zone holds a write to %#llx",
				entry->phys_addr);
		zone->first = (zone->first + 1) %
			((sysconf(_SC_PAGESIZE) - sizeof(*zone)) /
			 sizeof(zone->coalesced_mmio[0]));
	}
	check_count(op, "the zone", entries, expected);
}

/*
 * Operations: the doorbell inside the zone, the zone below it, the zone above
 * it.  arg: whether the doorbell was there before the zone.
 */
static void run_zone(struct group *group)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO_BASE, .size = 0x1000 };
	struct kick doorbell = { false, 4, MMIO_BASE + 0x100, 1 };
	struct kick kick;
	int fd, round, i;
	struct op *op;
	struct vm vm;
	u64 ns;

	if (!kvm_capability(KVM_CAP_COALESCED_MMIO)) {
		for (i = 0; i < group->ops; i++)
			op_skip(&group->op[i], "this KVM has no coalesced zones");
		return;
	}

	for (i = 0; i < group->ops; i++) {
		op = &group->op[i];
		if (!op->wanted)
			continue;
		kick = doorbell;
		kick.addr += i == 1 ? -0x80 : i == 2 ? 0x80 : 0;

		fd = new_eventfd(EFD_NONBLOCK);
		job_guest(&vm);
		if (group->arg[0])
			vm_doorbell(&vm, &doorbell, WILDCARD, fd, true);
		if (ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone))
			die_errno("cannot register a coalesced zone");
		if (!group->arg[0])
			vm_doorbell(&vm, &doorbell, WILDCARD, fd, true);

		for (round = -1; round < options.repeat; round++) {
			if (!guest_rings(op, &vm, &kick, ZONE_KICKS, &ns))
				break;
			check_count(op, "the doorbell", take(fd),
				    i ? 0 : ZONE_KICKS);
			check_zone(op, &vm, &kick, i ? ZONE_KICKS : 0);
			if (op->failure[0])
				break;
			op_sample(op, round, ns, ZONE_KICKS);
		}
		vm_destroy(&vm);
		close(fd);
	}
}

/* The table of all of them */

static struct group *first, **tail = &first;

struct group *add_group(void (*run)(struct group *), int a, int b, int c)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group)
		die_errno("cannot allocate a group");
	group->run = run;
	group->arg[0] = a;
	group->arg[1] = b;
	group->arg[2] = c;
	*tail = group;
	tail = &group->next;
	return group;
}

void add_op(struct group *group, const char *text, const char *name, ...)
{
	struct op *op = &group->op[group->ops++];
	va_list args;

	va_start(args, name);
	vsnprintf(op->name, sizeof(op->name), name, args);
	va_end(args);
	snprintf(op->text, sizeof(op->text), "%s", text);
}

static void add_kicks(void)
{
	static const struct {
		const char *name, *text;
		enum consumer consumer;
	} consumers[] = {
		{ "kick", "a doorbell without a waiter", NOBODY },
		{ "module", "a doorbell to the module", MODULE },
		{ "reader", "a doorbell to a thread in read()", READER },
		{ "poll", "a doorbell to a thread in poll()", POLLER },
	};
	static const struct {
		const char *name, *text;
		enum pmu pmu;
	} pmus[] = {
		{ "idle", "a kick, the guest's counters off", PMU_IDLE },
		{ "cycles", "a kick, a counter counts cycles", PMU_CYCLES },
		{ "counting", "a kick, a counter counts instructions", PMU_COUNTING },
	};
	static const char * const matches[] = {
		[WILDCARD] = "wildcard",
		[DATAMATCH] = "datamatch",
		[ANY_LENGTH] = "any",
	};
	static const char * const buses[] = { "mmio", "pio" };
	size_t i;
	int pio, match;

	for (pio = 1; pio >= 0; pio--)
		add_op(add_group(run_kick, pio, WILDCARD, USERSPACE),
		       "exit to userspace, which does nothing", "exit/%s",
		       buses[pio]);
	add_op(add_group(run_handled, 0, 0, 0),
	       "CPUID, answered by KVM", "exit/cpuid");
	add_op(add_group(run_handled, 1, 0, 0),
	       "RDMSR, answered by KVM", "exit/msr");
	for (pio = 1; pio >= 0; pio--)
		add_op(add_group(run_kick, pio, WILDCARD, RELAY),
		       "exit to userspace, which rings the module by ioctl",
		       "qemu-%s", buses[pio]);
	for (i = 0; i < ARRAY_SIZE(consumers); i++)
		for (pio = 1; pio >= 0; pio--)
			for (match = WILDCARD; match <= ANY_LENGTH; match++)
				add_op(add_group(run_kick, pio, match,
						 consumers[i].consumer),
				       consumers[i].text, "%s/%s/%s",
				       consumers[i].name, buses[pio],
				       matches[match]);
	for (pio = 1; pio >= 0; pio--)
		for (i = 0; i < ARRAY_SIZE(pmus); i++)
			add_op(add_group(run_pmu, pio, pmus[i].pmu, 0),
			       pmus[i].text, "pmu/%s/%s", buses[pio],
			       pmus[i].name);
	for (pio = 1; pio >= 0; pio--)
		for (i = 1; i <= MAX_WAITERS; i *= 16)
			add_op(add_group(run_waiters, pio, i, 0),
			       "a doorbell that so many epoll instances watch",
			       "waiters/%s/%zu", buses[pio], i);
	add_op(add_group(run_fault, 0, 0, 0),
	       "the first store to a page of memory, among 200 doorbells",
	       "fault/memory");
	for (pio = 1; pio >= 0; pio--)
		add_op(add_group(run_late, pio, 0, 0),
		       "a doorbell that came after a write to its address",
		       "late/%s", buses[pio]);
	for (match = 1; match <= 8; match *= 2)
		add_op(add_group(run_size, match, 0, 0),
		       "a doorbell with datamatch, by width of the write",
		       "size/mmio/%d", match);
}

static void add_codes(void)
{
	size_t i;
	int bits;

	for (i = 0; i < ARRAY_SIZE(codes); i++)
		for (bits = 32; bits <= 64; bits += 32)
			add_op(add_group(run_code, i, bits == 64, 0),
			       "the same instruction in 32-bit and in 64-bit code",
			       "code/%d/%s", bits, codes[i].name);
}

static void add_many(void)
{
	static const int same[] = { 1, 16, 64, 256, 1024 };
	static const int teardown[] = { 0, 16, 1000 };
	static const char * const buses[] = { "mmio", "pio" };
	struct group *group;
	int pio, shape, n;
	size_t i;

	for (pio = 1; pio >= 0; pio--)
		for (i = 0; i < ARRAY_SIZE(same); i++)
			add_op(add_group(run_same, pio, same[i], 0),
			       "doorbells on one register, the last one rung",
			       "same/%s/%d", buses[pio], same[i]);

	for (pio = 1; pio >= 0; pio--)
		for (n = 0; n <= 200; n += 200)
			add_op(add_group(run_miss, pio, n, 0),
			       "exit from the byte next to so many doorbells",
			       "miss/%s/%d", buses[pio], n);

	for (pio = 1; pio >= 0; pio--)
		add_op(add_group(run_miss, pio, 200, 1),
		       "exit from their byte with another value",
		       "miss/%s/value", buses[pio]);

	for (shape = 0; shape < SHAPES; shape++) {
		static const char * const text[] = {
			"each at the next address",
			"at addresses in no order",
			"all at one address, by data",
		};
		const char *name = shape_name[shape];

		group = add_group(run_stages, shape, 0, 0);
		for (i = 0; i < STAGES; i++) {
			if (shape == DATA)
				/* The same as same/mmio, so left out. */
				group->ops++;
			else
				add_op(group, "ring with so many addresses",
				       "spread/%s/%d", name, stages[i]);
			add_op(group, text[shape], "assign/%s/%d", name,
			       stages[i]);
			add_op(group, text[shape], "deassign/%s/%d", name,
			       stages[i]);
		}
		add_op(group, "assign, the mean from the first to the last",
		       "fill/%s/%d", name, SLOTS);
	}

	for (i = 0; i < ARRAY_SIZE(teardown); i++)
		add_op(add_group(run_teardown, teardown[i], 0, 0),
		       "close a whole VM that has so many doorbells",
		       "teardown/%d", teardown[i]);
}

static void add_irqfds(void)
{
	struct group *group = add_group(run_irqfds, 0, 0, 0);
	static const int present[] = { 0, 16, MAX_IRQFDS };
	size_t i;

	for (i = 0; i < 3; i++) {
		add_op(group, "an irqfd more with so many there",
		       "irqfd/assign/%d", present[i]);
		add_op(group, "the newest of the irqfds off again",
		       "irqfd/deassign/%d", present[i]);
	}
	add_op(add_group(run_round_trip, true, 0, 0),
	       "eventfd, interrupt, handler's kick, eventfd: a round trip",
	       "irqfd/round-trip");
	add_op(add_group(run_round_trip, false, 0, 0),
	       "HLT, interrupt, handler's OUT to userspace, HLT",
	       "hlt/round-trip");
	add_op(add_group(run_ipis, 0, 0, 0),
	       "HLT, interrupt from the other vCPU, one back to it, HLT",
	       "ipi/round-trip");
}

static void add_churns(void)
{
	add_op(add_group(run_churn, false, 0, 0),
	       "assign and deassign in turn, one such pair", "churn/doorbell");
	add_op(add_group(run_churn, true, 0, 0),
	       "assign and deassign in turn, one such pair", "churn/irqfd");
}

static void add_zones(void)
{
	static const char * const orders[] = { "zone-first", "doorbell-first" };
	struct group *group;
	int i;

	for (i = 0; i < 2; i++) {
		group = add_group(run_zone, i, 0, 0);
		add_op(group, "a doorbell inside a coalesced zone",
		       "%s/doorbell", orders[i]);
		add_op(group, "the zone on the doorbell's lower side",
		       "%s/below", orders[i]);
		add_op(group, "the zone on the doorbell's upper side",
		       "%s/above", orders[i]);
	}
}

struct group *all_groups(void)
{
	if (!first) {
		add_kicks();
		add_posted();
		add_codes();
		add_many();
		add_grace();
		add_irqfds();
		add_churns();
		add_zones();
		add_bounds();
	}
	return first;
}
