// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that store the value of a write, against other threads. A write is
 * stored and signalled, or it reaches userspace with its value. It is never
 * lost, and never both.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "post_util.h"

#define RUN_NS	1000000000ull

/* vCPUs that write all the time: vCPU i writes i << 24 | 1, 2, 3 ... */
#define NR_VCPUS	2

static struct {
	uint64_t stop;
	uint64_t bus;
	uint64_t at;
	uint64_t writes[NR_VCPUS];
} share;

static void guest_writes(int me)
{
	while (!READ_ONCE(share.stop)) {
		uint32_t val = me << 24 | (share.writes[me] + 1);

		if (share.bus) {
#ifdef __x86_64__
			guest_out(share.at, val, 4);
#endif
		} else {
			guest_store(share.at, val, 4);
		}
		WRITE_ONCE(share.writes[me], share.writes[me] + 1);
	}
	GUEST_DONE();
}

FIXTURE(race) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	pthread_t thread[NR_VCPUS];
	uint64_t exits[NR_VCPUS];
	struct kvm_ioeventfd args;
	typeof(share) *share;
	uint32_t *page;
	int fd;
};

FIXTURE_VARIANT(race) {
	uint32_t bus;
	bool ordinary;
};

FIXTURE_VARIANT_ADD(race, mmio) { };
FIXTURE_VARIANT_ADD(race, mmio_ordinary) { .ordinary = true };
#if HAVE_PIO
FIXTURE_VARIANT_ADD(race, pio) { .bus = PIO };
FIXTURE_VARIANT_ADD(race, pio_ordinary) { .bus = PIO, .ordinary = true };
#endif

FIXTURE_SETUP(race)
{
	int i;

	if (!kvm_check_cap(KVM_CAP_IOEVENTFD_POST_WRITE))
		SKIP(return, "no KVM_CAP_IOEVENTFD_POST_WRITE");
	self->vm = vm_create_with_vcpus(NR_VCPUS, guest_writes, self->vcpu);
	map_doors(self->vm);
	self->share = addr_gva2hva(self->vm, (vm_vaddr_t)&share);
	self->share->bus = variant->bus;
	self->share->at = variant->bus ? DOOR_PORT : DOOR_GPA;
	self->fd = new_eventfd();
	self->page = map_page(NULL, -1);
	self->args = post_args(variant->bus, self->share->at, self->fd, self->page);
	for (i = 0; i < NR_VCPUS; i++) {
		vcpu_args_set(self->vcpu[i], 1, i);
		if (variant->ordinary)
			use_ordinary_path(self->vcpu[i]);
	}
}

FIXTURE_TEARDOWN(race)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	close(self->fd);
}

struct run {
	struct kvm_vcpu *vcpu;
	uint64_t *exits;
	uint64_t *writes;
};

static void *run_vcpu(void *arg)
{
	struct run *r = arg;
	struct io_log log = {};
	struct ucall uc;

	for (;;) {
		vcpu_run(r->vcpu);
		if (get_ucall(r->vcpu, &uc) == UCALL_DONE)
			break;
		log.nr = 0;
		io_log_add(&log, r->vcpu->run);
		/* The value is that of the write that exits. */
		TEST_ASSERT(log.exit[0].write && log.exit[0].len == 4 &&
			    (log.exit[0].data & 0xffffff) == READ_ONCE(*r->writes) + 1,
			    "exit with 0x%lx after %lu writes", log.exit[0].data, *r->writes);
		WRITE_ONCE(*r->exits, *r->exits + 1);
	}
	free(r);
	return NULL;
}

static void start(struct _test_data_race *self, int i)
{
	struct run *r = malloc(sizeof(*r));

	*r = (struct run) { self->vcpu[i], &self->exits[i], &self->share->writes[i] };
	TEST_ASSERT(!pthread_create(&self->thread[i], NULL, run_vcpu, r), "pthread_create");
}

/* Ends the vCPUs; returns the number of writes less the number of exits. */
static uint64_t stop(struct _test_data_race *self, int nr)
{
	uint64_t taken = 0;
	int i;

	WRITE_ONCE(self->share->stop, 1);
	for (i = 0; i < nr; i++) {
		pthread_join(self->thread[i], NULL);
		taken += self->share->writes[i] - self->exits[i];
	}
	return taken;
}

static void let_write(struct _test_data_race *self, int n)
{
	uint64_t from = READ_ONCE(self->share->writes[0]);
	uint64_t end = now_ns() + SURELY_NS;

	while (READ_ONCE(self->share->writes[0]) - from < n) {
		TEST_ASSERT(now_ns() < end, "the vCPU does not get on");
		sched_yield();
	}
}

/*
 * Who sees the signal sees its value or a later one: of a single vCPU, the value
 * is at least the number of signals.
 */
TEST_F(race, value_before_signal)
{
	uint64_t rings = 0, early = 0, end;
	struct pollfd p = { .fd = self->fd, .events = POLLIN };

	post_assign(self->vm, self->args);
	start(self, 0);
	for (end = now_ns() + RUN_NS; now_ns() < end;) {
		poll(&p, 1, 100);
		rings += eventfd_take(self->fd);
		early += (READ_ONCE(self->page[0]) & 0xffffff) < rings;
	}
	EXPECT_EQ(stop(self, 1), rings + eventfd_take(self->fd));
	EXPECT_EQ(0, early);
	EXPECT_EQ(self->share->writes[0], READ_ONCE(self->page[0]));
}

/* Two vCPUs write: all are counted, and the value is the last one of a vCPU. */
TEST_F(race, two_vcpus)
{
	uint32_t last, i;

	post_assign(self->vm, self->args);
	for (i = 0; i < NR_VCPUS; i++)
		start(self, i);
	usleep(RUN_NS / 2000);
	EXPECT_EQ(stop(self, NR_VCPUS), eventfd_take(self->fd));
	last = READ_ONCE(self->page[0]);
	i = last >> 24;
	ASSERT_LT(i, NR_VCPUS);
	EXPECT_EQ(self->share->writes[i], last & 0xffffff);
	EXPECT_EQ(0, self->exits[0]);
	EXPECT_EQ(0, self->exits[1]);
}

/* Nothing is stored or signalled once DEASSIGN has returned. */
TEST_F(race, deassign)
{
	uint64_t rings = 0, end;
	int i, late = 0;

	for (i = 0; i < NR_VCPUS; i++)
		start(self, i);
	for (end = now_ns() + RUN_NS; now_ns() < end;) {
		post_assign(self->vm, self->args);
		let_write(self, 3);
		ASSERT_EQ(0, post_deassign(self->vm, self->args));
		rings += eventfd_take(self->fd);
		WRITE_ONCE(self->page[0], 0xeeeeeeee);
		let_write(self, 3);
		late += READ_ONCE(self->page[0]) != 0xeeeeeeee;
		late += !!eventfd_take(self->fd);
	}
	EXPECT_EQ(stop(self, NR_VCPUS), rings);
	EXPECT_EQ(0, late);
}

/* The page comes and goes in four ways: no write is lost, none is taken twice. */
TEST_F(race, page_comes_and_goes)
{
	int file = memfd_create("post", 0), i, round;
	uint64_t end;

	post_assign(self->vm, self->args);
	for (i = 0; i < NR_VCPUS; i++)
		start(self, i);
	end = now_ns() + RUN_NS;
	for (round = 0; round < 8 || now_ns() < end; round++) {
		switch (round % 4) {
		case 0:
			munmap(self->page, POST_PAGE);
			let_write(self, 2);
			map_page(self->page, -1);
			break;
		case 1:
			for (i = 0; i < 50; i++)
				madvise(self->page, POST_PAGE, MADV_DONTNEED);
			break;
		case 2:
			ASSERT_EQ(0, ftruncate(file, POST_PAGE));
			map_page(self->page, file);
			let_write(self, 2);
			ASSERT_EQ(0, ftruncate(file, 0));
			let_write(self, 2);
			map_page(self->page, -1);
			break;
		case 3:
			mprotect(self->page, POST_PAGE, PROT_READ);
			let_write(self, 2);
			mprotect(self->page, POST_PAGE, PROT_READ | PROT_WRITE);
			break;
		}
		let_write(self, 2);
	}
	EXPECT_EQ(stop(self, NR_VCPUS), eventfd_take(self->fd));
	EXPECT_NE(0, self->exits[0]);
	close(file);
}

TEST_HARNESS_MAIN
