// SPDX-License-Identifier: GPL-2.0-only
/*
 * Irqfds as VFIO makes them: thousands, each with its own MSI. They use their
 * route while others are assigned, rerouted and deassigned. The end of one VM
 * has no effect on another.
 *
 * The test prints the cost of an operation in nanoseconds. With a clock that
 * counts instructions, it is instructions.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "irqfd_util.h"
#include "kvm_test_harness.h"

#define MAX_IRQFDS	4096
#define VMS		8
#define VM_IRQFDS	256
#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

/* The vectors from 0x20 on, except the highest ones. */
static uint8_t vector_of(int i, int turn)
{
	return 0x20 + (i * 7 + turn * 13) % 0xc0;
}

static void want_fds(int n)
{
	struct rlimit limit = { .rlim_cur = n + 256, .rlim_max = n + 256 };
	struct rlimit old;

	TEST_ASSERT(!getrlimit(RLIMIT_NOFILE, &old), "getrlimit");
	if (old.rlim_cur >= limit.rlim_cur)
		return;
	if (old.rlim_max > limit.rlim_max)
		limit.rlim_max = old.rlim_max;
	__TEST_REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit),
		       "%d file descriptors are needed", n);
}

static uint64_t route_all(struct kvm_vm *vm, int nr, int turn)
{
	struct kvm_irq_routing *r = new_routing(nr);
	uint64_t start;
	int i, ret;

	for (i = 0; i < nr; i++)
		add_msi(r, i, vector_of(i, turn));
	start = now_ns();
	ret = set_routing(vm, r);
	start = now_ns() - start;
	TEST_ASSERT(!ret, "routing of %d: %d", nr, ret);
	free(r);
	return start;
}

FIXTURE(vfio) {
	struct quiet_vm q;
	struct kvm_vm *vm;
	int nr;
	int *fd;
};

FIXTURE_VARIANT(vfio) {
	bool split;
};

FIXTURE_VARIANT_ADD(vfio, full) {
	.split = false,
};

FIXTURE_VARIANT_ADD(vfio, split) {
	.split = true,
};

FIXTURE_SETUP(vfio)
{
	int i;

	want_fds(MAX_IRQFDS);
	self->q = quiet_vm_create(variant->split);
	self->vm = self->q.vm;
	self->nr = MAX_IRQFDS;
	self->fd = calloc(self->nr, sizeof(*self->fd));
	for (i = 0; i < self->nr; i++)
		self->fd[i] = new_eventfd();
	route_all(self->vm, self->nr, 0);
}

FIXTURE_TEARDOWN(vfio)
{
	int i;

	quiet_vm_free(&self->q);
	for (i = 0; i < self->nr; i++)
		close(self->fd[i]);
	free(self->fd);
}

static void assign_upto(struct __test_metadata *_metadata,
			FIXTURE_DATA(vfio) *self, int from, int to)
{
	int i;

	for (i = from; i < to; i++)
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd[i], i, 0, 0))
			TH_LOG("irqfd %d", i);
}

/* A sample of them, because reading the local APIC is slow. */
static void interrupt_some(struct __test_metadata *_metadata,
			   FIXTURE_DATA(vfio) *self, int nr, int turn)
{
	int i;

	for (i = 0; i < nr; i += i < 16 ? 1 : 97) {
		eventfd_ring(self->fd[i], 1);
		ASSERT_TRUE(quiet_wait(&self->q, vector_of(i, turn)))
			TH_LOG("irqfd %d turn %d", i, turn);
	}
}

TEST_F(vfio, all_interrupt)
{
	assign_upto(_metadata, self, 0, self->nr);
	interrupt_some(_metadata, self, self->nr, 0);
}

TEST_F(vfio, rerouted_all_at_once)
{
	int turn;

	assign_upto(_metadata, self, 0, self->nr);
	for (turn = 1; turn < 4; turn++) {
		route_all(self->vm, self->nr, turn);
		interrupt_some(_metadata, self, self->nr, turn);
	}
}

/* Deassign every second one: only the others interrupt. */
TEST_F(vfio, every_second_goes)
{
	int i;

	assign_upto(_metadata, self, 0, self->nr);
	for (i = 0; i < self->nr; i += 2)
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd[i], i, IRQFD_DEASSIGN, 0));
	for (i = 1; i < self->nr; i += 194) {
		eventfd_ring(self->fd[i], 1);
		ASSERT_TRUE(quiet_wait(&self->q, vector_of(i, 0)));
		eventfd_ring(self->fd[i - 1], 1);
		ASSERT_EQ(1, eventfd_take(self->fd[i - 1]));
	}
	ASSERT_TRUE(quiet_never(&self->q, vector_of(0, 0)));
}

/*
 * The cost of one more irqfd among so many. The best of several runs has the
 * least noise.
 */
TEST_F(vfio, cost)
{
	static const int stage[] = { 16, 256, 1024, 4096 };
	uint64_t cost[ARRAY_SIZE(stage)][3];
	int s, i, round, nr = 0;

	for (s = 0; s < ARRAY_SIZE(stage); s++) {
		uint64_t *best = cost[s];

		assign_upto(_metadata, self, nr, stage[s]);
		nr = stage[s];
		memset(best, 0xff, sizeof(cost[s]));
		for (round = 0; round < 20; round++) {
			uint64_t start = now_ns(), middle, end;

			for (i = nr - 8; i < nr; i++)
				irqfd_ioctl(self->vm, self->fd[i], i,
					    IRQFD_DEASSIGN, 0);
			middle = now_ns();
			for (i = nr - 8; i < nr; i++)
				ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd[i],
							 i, 0, 0));
			end = now_ns();
			if ((end - middle) / 8 < best[0])
				best[0] = (end - middle) / 8;
			if ((middle - start) / 8 < best[1])
				best[1] = (middle - start) / 8;
		}
		for (round = 0; round < 5; round++) {
			uint64_t ns = route_all(self->vm, nr, round) / nr;

			if (ns < best[2])
				best[2] = ns;
		}
		printf("# cost %d assign %lu deassign %lu reroute %lu\n", nr,
		       best[0], best[1], best[2]);
	}
	interrupt_some(_metadata, self, nr, 4);
}

/*
 * Eight VMs: seven end, and the eighth assigns and deassigns meanwhile. The
 * eighth has priority. So the time of a deassign is its own work and its waits.
 * The test also knows if a deassign slept, even on a busy machine.
 */
struct victim {
	struct quiet_vm q;
	int fd[VM_IRQFDS];
};

static struct victim victims[VMS - 1];
static atomic_bool victims_gone;

static void *end_victims(void *arg)
{
	int v;

	for (v = 0; v < VMS - 1; v++)
		quiet_vm_free(&victims[v].q);
	atomic_store(&victims_gone, true);
	return NULL;
}

static long sleeps(void)
{
	struct rusage usage;

	TEST_ASSERT(!getrusage(RUSAGE_THREAD, &usage), "getrusage");
	return usage.ru_nvcsw;
}

/* Deassigns: their number, the longest, and those that slept. */
struct pairs {
	int nr, slept;
	uint64_t longest;
};

static void pair(struct kvm_vm *vm, int fd, struct pairs *pairs)
{
	uint64_t start, end;
	long before;

	TEST_ASSERT(!irqfd_ioctl(vm, fd, MSI_GSI, 0, 0), "assign");
	before = sleeps();
	start = now_ns();
	TEST_ASSERT(!irqfd_ioctl(vm, fd, MSI_GSI, IRQFD_DEASSIGN, 0), "deassign");
	end = now_ns();
	pairs->nr++;
	pairs->slept += sleeps() != before;
	if (end - start > pairs->longest)
		pairs->longest = end - start;
	/* Let the others continue. */
	usleep(50);
}

TEST(eight_vms)
{
	struct sched_param first = { .sched_priority = 1 };
	struct quiet_vm q = quiet_vm_create(false);
	struct pairs alone = {}, beside = {};
	int fd = new_eventfd();
	pthread_t thread;
	uint64_t start;
	bool has_priority;
	int v, i;

	want_fds(VMS * VM_IRQFDS);
	route_msi(q.vm, MSI_GSI, VEC_A);
	for (v = 0; v < VMS - 1; v++) {
		victims[v].q = quiet_vm_create(false);
		route_all(victims[v].q.vm, VM_IRQFDS, 0);
		for (i = 0; i < VM_IRQFDS; i++) {
			victims[v].fd[i] = new_eventfd();
			ASSERT_EQ(0, irqfd_ioctl(victims[v].q.vm, victims[v].fd[i],
						 i, 0, 0));
		}
	}

	start = now_ns();
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_victims, NULL));
	has_priority = !sched_setscheduler(0, SCHED_FIFO, &first);
	while (!atomic_load(&victims_gone))
		pair(q.vm, fd, &beside);
	pthread_join(thread, NULL);
	start = now_ns() - start;
	while (alone.nr < 50)
		pair(q.vm, fd, &alone);
	first.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &first);

	printf("# teardown of %d VMs with %d irqfds each %lu ns%s\n", VMS - 1,
	       VM_IRQFDS, start, has_priority ? "" : ", without priority");
	printf("# %d deassigns meanwhile, %d slept; alone %d of %d\n",
	       beside.nr, beside.slept, alone.slept, alone.nr);
	printf("# cost longest beside %lu alone %lu\n",
	       beside.longest, alone.longest);

	/* The eighth VM works while the others end. */
	EXPECT_GT(beside.nr, VMS);
	EXPECT_EQ(0, beside.slept);

	eventfd_ring(fd, 1);
	EXPECT_EQ(0, irqfd_ioctl(q.vm, fd, MSI_GSI, 0, 0));
	EXPECT_TRUE(quiet_wait(&q, VEC_A));
	for (v = 0; v < VMS - 1; v++)
		for (i = 0; i < VM_IRQFDS; i++)
			close(victims[v].fd[i]);
	quiet_vm_free(&q);
	close(fd);
}

TEST_HARNESS_MAIN
