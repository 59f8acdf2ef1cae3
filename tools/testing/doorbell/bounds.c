// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kick and an assign may cost at most: values and addresses that are
 * chosen to be dear, and as many doorbells as a VM may have.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* Values of one address, in some order; none of them twice. */
#define FLOOD		8191

/* KVM_MAX_IOEVENTFDS; and how many of them have the same address */
#define LIMIT		(1 << 20)
#define VALUES		20000

/*
 * How many values are tried to find the dearest, and how often each is written
 * for that.
 */
#define CANDIDATES	1024
#define TRIES		4

/*
 * Where an assign costs more with each one that is there, thousands of them take
 * minutes: the mean of the first thousand, in nanoseconds.
 */
#define TOO_LONG	8000

enum flood { DENSE, REMAINDER, STRIDE, HOME, RANDOM, FLOODS };

static const char * const flood_name[FLOODS] = {
	[DENSE]		= "dense",
	[REMAINDER]	= "remainder",
	[STRIDE]	= "stride",
	[HOME]		= "home",
	[RANDOM]	= "random",
};

static const char * const flood_text[FLOODS] = {
	[DENSE]		= "8,191 values: 0 to n - 1",
	[REMAINDER]	= "the same remainder by 16,384",
	[STRIDE]	= "multiples of 9, from the greatest down",
	[HOME]		= "few home slots of hash_64()",
	[RANDOM]	= "in no order",
};

static u32 mix(u32 x)
{
	x = (x ^ x >> 16) * 0x7feb352dU;
	x = (x ^ x >> 15) * 0x846ca68bU;
	return x ^ x >> 16;
}

/* Twice as many values as are registered: each second one is absent. */
static void flood_values(enum flood flood, u32 *value)
{
	u32 i, v;

	for (i = 0, v = 0; i < 2 * FLOOD; i++) {
		switch (flood) {
		case DENSE:
			value[i] = i % 2 ? FLOOD + i / 2 : i / 2;
			break;
		case REMAINDER:
			value[i] = i << 14;
			break;
		case STRIDE:
			value[i] = (2 * FLOOD - i) * 9;
			break;
		case HOME:
			/* The eight lowest of 2^15 slots */
			while (v * 0x61c8864680b583ebULL >> 52)
				v++;
			value[i] = v++;
			break;
		default:
			value[i] = mix(i);
			break;
		}
	}
}

/* Instructions for one write of @kick, @count in a row */
static bool flood_write(struct op *op, struct vm *vm, const struct kick *kick,
			int fd, bool rings, unsigned int count, u64 *ns)
{
	if (!(rings ? guest_rings : guest_exits)(op, vm, kick, count, ns))
		return false;
	check_count(op, "the doorbell", take(fd), rings ? count : 0);
	return !op->failure[0];
}

/* Of many values, the one whose write costs most; then that one, at length. */
static void flood_measure(struct op *op, struct vm *vm, struct kick *kick, int fd,
			  bool rings, const u32 *value)
{
	u64 ns, least, worst = 0, data = 0;
	int i, round, step = FLOOD / CANDIDATES;

	for (i = 0; i < CANDIDATES; i++) {
		kick->data = value[2 * i * step + !rings];
		/* An interrupt is in one of them, not in all. */
		for (round = 0, least = -1; round < 3; round++) {
			if (!flood_write(op, vm, kick, fd, rings, TRIES, &ns))
				return;
			if (ns < least)
				least = ns;
		}
		if (least > worst) {
			worst = least;
			data = kick->data;
		}
	}
	kick->data = data;
	for (round = -1; round < options.repeat; round++) {
		if (!flood_write(op, vm, kick, fd, rings, options.kicks, &ns))
			return;
		op_sample(op, round, ns, options.kicks);
	}
}

/* arg: which values. Three operations: the dearest kick and miss, an assign */
static void run_flood(struct group *group)
{
	struct kick kick = { .pio = true, .size = 4, .addr = PIO_BASE };
	int fd = new_eventfd(EFD_NONBLOCK), i;
	u32 *value = calloc(2 * FLOOD, sizeof(*value));
	u64 start;
	struct vm vm;

	if (!value)
		die_errno("cannot allocate values");
	flood_values(group->arg[0], value);
	job_guest(&vm);
	start = now();
	for (i = 0; i < FLOOD; i++) {
		kick.data = value[2 * i];
		vm_doorbell(&vm, &kick, DATAMATCH, fd, true);
		if (i == 1000 && now() - start > 1000 * TOO_LONG)
			break;
	}
	if (i == FLOOD) {
		op_sample(&group->op[2], 0, now() - start, FLOOD);
		flood_measure(&group->op[0], &vm, &kick, fd, true, value);
		flood_measure(&group->op[1], &vm, &kick, fd, false, value);
	} else {
		for (i = 0; i < group->ops; i++)
			op_skip(&group->op[i], "assigning takes too long here");
	}
	vm_destroy(&vm);
	free(value);
	close(fd);
}

static int try_doorbell(struct vm *vm, u64 i, int fd, bool assign)
{
	u32 flags = assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN;
	int ret;

	if (i < VALUES)
		/* One address: all values that share its table, and some more */
		ret = vm_ioeventfd(vm, PIO_BASE, 4, i, fd, flags |
				   KVM_IOEVENTFD_FLAG_PIO |
				   KVM_IOEVENTFD_FLAG_DATAMATCH);
	else
		/* An odd factor: each address once, in no order */
		ret = vm_ioeventfd(vm, MMIO_BASE + 8 * (i * 0x9e3779b1 % (2 * LIMIT)),
				   4, 0, fd, flags);
	return ret ? -errno : 0;
}

/*
 * A thread with priority that wants to run over and over: for how long, at most,
 * it had to wait for the CPU.
 */
struct watcher {
	pthread_t thread;
	atomic_ulong latest;
	atomic_ulong naps;
	atomic_bool stop;
};

/* How long this thread has waited for a CPU since it began, in nanoseconds */
static u64 waited(void)
{
	FILE *stat = fopen("/proc/thread-self/schedstat", "re");
	unsigned long long ran, wait;

	if (!stat || fscanf(stat, "%llu %llu", &ran, &wait) != 2)
		die("cannot tell from schedstat how long a thread has waited");
	fclose(stat);
	return wait;
}

static void *watch(void *arg)
{
	struct watcher *watcher = arg;
	struct timespec nap = { .tv_nsec = 100000 };
	u64 last = waited(), wait;

	while (!atomic_load(&watcher->stop)) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		wait = waited();
		if (wait - last > atomic_load(&watcher->latest))
			atomic_store(&watcher->latest, wait - last);
		last = wait;
		atomic_fetch_add(&watcher->naps, 1);
	}
	return NULL;
}

static void watcher_start(struct watcher *watcher)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;

	atomic_init(&watcher->latest, 0);
	atomic_init(&watcher->naps, 0);
	atomic_init(&watcher->stop, false);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	if (pthread_create(&watcher->thread, &attr, watch, watcher))
		die("cannot start a thread with priority");
}

static unsigned long watcher_stop(struct watcher *watcher)
{
	atomic_store(&watcher->stop, true);
	pthread_join(watcher->thread, NULL);
	return atomic_load(&watcher->latest);
}

/* Of this thread, so that what others do when it is their turn is not in it */
static u64 cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* How long one assign took that should return @expected; the longest of all. */
static u64 timed(struct op *op, struct vm *vm, u64 i, int fd, bool assign,
		 int expected, u64 *longest)
{
	u64 start = cpu_time(), ns;
	int ret = try_doorbell(vm, i, fd, assign);

	ns = cpu_time() - start;
	if (ret != expected)
		op_fail(op, "doorbell %llu: %d instead of %d", i, ret, expected);
	if (ns > *longest)
		*longest = ns;
	return ns;
}

/*
 * A VM with as many doorbells as it may have, some thousands at one address and
 * all others at addresses in no order: what an assign costs at two stages, the
 * longest ioctl of all, and how long another thread waits for the CPU while the
 * VM goes.
 */
static void run_limit(struct group *group)
{
	static const int stage[] = { VALUES + 10000, 1000000 };
	u64 longest = 0, unused = 0, ns = 0, start;
	int fd = new_eventfd(EFD_NONBLOCK), s;
	struct op *op = &group->op[0];
	struct watcher watcher;
	unsigned long naps;
	struct vm vm;
	u64 i;

	job_vm(&vm, false);
	start = now();
	for (i = 0, s = 0; i < LIMIT && !op->failure[0]; i++) {
		if (i == 1000 && now() - start > 1000 * TOO_LONG) {
			for (s = 0; s < group->ops; s++)
				op_skip(&group->op[s],
					"assigning takes too long here");
			vm_destroy(&vm);
			close(fd);
			return;
		}
		/* The mean of the last thousand */
		if (i % 1000 == 0) {
			if (s < 2 && i == (u64)stage[s])
				op_sample(&group->op[s++], 0, ns, 1000);
			ns = 0;
		}
		ns += timed(op, &vm, i, fd, true, 0, &longest);
	}

	/* One more: refused, and nothing changed */
	timed(op, &vm, LIMIT, fd, true, -ENOSPC, &unused);
	timed(op, &vm, LIMIT, fd, false, -ENOENT, &unused);
	for (i = 0; i < LIMIT; i += 8)
		timed(op, &vm, i, fd, false, 0, &longest);
	for (i = 0; i < LIMIT; i += 8)
		timed(op, &vm, i, fd, true, 0, &longest);
	timed(op, &vm, LIMIT, fd, true, -ENOSPC, &unused);
	op_sample(&group->op[2], 0, longest, 1);

	watcher_start(&watcher);
	usleep(20000);
	atomic_store(&watcher.latest, 0);
	naps = atomic_load(&watcher.naps);
	start = now();
	vm_destroy(&vm);
	op_sample(&group->op[4], 0, now() - start, 1);
	naps = atomic_load(&watcher.naps) - naps;
	op_sample(&group->op[3], 0, watcher_stop(&watcher), 1);
	if (naps < 3)
		op_fail(&group->op[3], "the other thread ran %lu times", naps);
	check_count(op, "the eventfd", take(fd), 0);
	close(fd);
}

void add_bounds(void)
{
	struct group *group;
	int i;

	for (i = 0; i < FLOODS; i++) {
		group = add_group(run_flood, i, 0, 0);
		add_op(group, flood_text[i], "flood/kick/%s", flood_name[i]);
		add_op(group, flood_text[i], "flood/miss/%s", flood_name[i]);
		add_op(group, flood_text[i], "flood/assign/%s", flood_name[i]);
	}

	group = add_group(run_limit, 0, 0, 0);
	add_op(group, "assign at scattered addresses", "limit/assign/10000");
	add_op(group, "assign at scattered addresses", "limit/assign/1000000");
	add_op(group, "the longest ioctl on the way there", "limit/longest");
	add_op(group, "another thread's wait while the VM goes", "limit/late");
	add_op(group, "the last close of that VM", "limit/teardown");
}
