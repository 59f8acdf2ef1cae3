// SPDX-License-Identifier: GPL-2.0-only
/*
 * Irqfds that come, go and change their route while other threads signal their
 * eventfds. The vCPU never runs, so its IRR has every vector that arrived.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "irqfd_util.h"

#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define EDGE_PIN	11
#define RUN_NS		1200000000ull
#define NR_RINGERS	2

struct ringer {
	pthread_t thread;
	int *fd;
	uint64_t rings;
	bool stop;
};

/* Writes to the eventfd at an fd, if there is one. */
static void *ringer(void *arg)
{
	struct ringer *r = arg;
	uint64_t one = 1;

	while (!READ_ONCE(r->stop)) {
		if (write(READ_ONCE(*r->fd), &one, sizeof(one)) == sizeof(one))
			WRITE_ONCE(r->rings, r->rings + 1);
		if (r->rings % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static void start_ringers(struct ringer *r, int *fd)
{
	int i;

	for (i = 0; i < NR_RINGERS; i++) {
		r[i] = (struct ringer) { .fd = fd };
		TEST_ASSERT(!pthread_create(&r[i].thread, NULL, ringer, &r[i]), "pthread_create");
	}
}

static void stop_ringers(struct ringer *r)
{
	int i;

	for (i = 0; i < NR_RINGERS; i++) {
		WRITE_ONCE(r[i].stop, true);
		pthread_join(r[i].thread, NULL);
	}
}

/* Waits until each thread has signalled again. */
static void let_ring(struct ringer *r)
{
	uint64_t end = now_ns() + SURELY_NS;
	int i;

	for (i = 0; i < NR_RINGERS; i++) {
		uint64_t from = READ_ONCE(r[i].rings);

		while (READ_ONCE(r[i].rings) - from < 2) {
			TEST_ASSERT(now_ns() < end, "no rings");
			sched_yield();
		}
	}
}

/* A vector that never had a route, or -1. */
static int stray_vector(struct quiet_vm *q, uint8_t a, uint8_t b)
{
	struct kvm_lapic_state apic;
	int v;

	quiet_get(q, &apic);
	for (v = 0; v < 256; v++)
		if (v != a && v != b && *irr_word(&apic, v) & 1u << v % 32)
			return v;
	return -1;
}

FIXTURE(race) {
	struct quiet_vm q;
	struct kvm_vm *vm;
	struct ringer ringer[NR_RINGERS];
	uint32_t gsi;
	int fd;
};

FIXTURE_VARIANT(race) {
	bool split;
	bool pin;
};

/* Injected at the signal; by a work item; split irqchip. */
FIXTURE_VARIANT_ADD(race, msi) {
	.split = false,
};

FIXTURE_VARIANT_ADD(race, pin) {
	.pin = true,
};

FIXTURE_VARIANT_ADD(race, split) {
	.split = true,
};

static void route(struct kvm_vm *vm, bool pin, uint32_t gsi, uint8_t vector)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_routing *r;

	if (!pin) {
		route_msi(vm, gsi, vector);
		return;
	}
	r = new_routing(1);
	add_pin(r, gsi, EDGE_PIN);
	TEST_ASSERT(!set_routing(vm, r), "routing");
	free(r);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[EDGE_PIN].bits = vector;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
}

FIXTURE_SETUP(race)
{
	self->q = quiet_vm_create(variant->split);
	self->vm = self->q.vm;
	self->gsi = variant->pin ? EDGE_PIN : MSI_GSI;
	self->fd = new_eventfd();
	route(self->vm, variant->pin, self->gsi, VEC_A);
	start_ringers(self->ringer, &self->fd);
}

FIXTURE_TEARDOWN(race)
{
	stop_ringers(self->ringer);
	quiet_vm_free(&self->q);
	close(self->fd);
}

TEST_F(race, silent_after_deassign)
{
	int rounds = 0, late = 0, came = 0;
	uint64_t end;

	for (end = now_ns() + RUN_NS; rounds < 4 || now_ns() < end; rounds++) {
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, 0, 0));
		if (rounds % 3)
			let_ring(self->ringer);
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, IRQFD_DEASSIGN, 0));
		came += quiet_take(&self->q, VEC_A);
		eventfd_take(self->fd);
		let_ring(self->ringer);
		usleep(rounds % 8 * 100);
		late += quiet_take(&self->q, VEC_A);
		ASSERT_EQ(-1, stray_vector(&self->q, VEC_A, VEC_A));
	}
	EXPECT_EQ(0, late) TH_LOG("%d of %d rounds", late, rounds);
	EXPECT_LT(0, came);
}

/*
 * No interrupt uses the old route when the new one is set, nor a removed one.
 */
TEST_F(race, silent_after_reroute)
{
	int rounds = 0, late = 0, missing = 0;
	uint64_t end;

	if (variant->pin)
		SKIP(return, "the pin's vector is the I/O APIC's business");
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, 0, 0));
	for (end = now_ns() + RUN_NS; rounds < 4 || now_ns() < end; rounds++) {
		uint8_t was = rounds % 2 ? VEC_B : VEC_A;
		uint8_t now = rounds % 2 ? VEC_A : VEC_B;

		route_msi(self->vm, self->gsi, now);
		quiet_take(&self->q, was);
		let_ring(self->ringer);
		late += quiet_take(&self->q, was);
		missing += !quiet_wait(&self->q, now);
		ASSERT_EQ(-1, stray_vector(&self->q, VEC_A, VEC_B));
	}
	EXPECT_EQ(0, late) TH_LOG("%d of %d rounds", late, rounds);
	EXPECT_EQ(0, missing) TH_LOG("%d of %d rounds", missing, rounds);
	route_nothing(self->vm);
	quiet_take(&self->q, VEC_A);
	quiet_take(&self->q, VEC_B);
	let_ring(self->ringer);
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));
	EXPECT_TRUE(quiet_never(&self->q, VEC_B));
}

struct router {
	struct kvm_vm *vm;
	pthread_t thread;
	uint32_t gsi;
	bool stop;
};

static void *router(void *arg)
{
	struct router *r = arg;

	while (!READ_ONCE(r->stop)) {
		route_msi(r->vm, r->gsi, VEC_B);
		route_nothing(r->vm);
		route_msi(r->vm, r->gsi, VEC_A);
	}
	return NULL;
}

/*
 * Assign, deassign and change the route at the same time. An event in flight
 * uses a current or an earlier route, never one that is being changed.
 */
TEST_F(race, deassign_and_reroute)
{
	struct router r = { .vm = self->vm, .gsi = self->gsi };
	uint64_t end;
	int rounds = 0;

	if (variant->pin)
		SKIP(return, "the pin's vector is the I/O APIC's business");
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, router, &r));
	for (end = now_ns() + RUN_NS; rounds < 4 || now_ns() < end; rounds++) {
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, 0, 0));
		let_ring(self->ringer);
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, IRQFD_DEASSIGN, 0));
		quiet_take(&self->q, VEC_A);
		quiet_take(&self->q, VEC_B);
		let_ring(self->ringer);
		ASSERT_EQ(-1, stray_vector(&self->q, 0, 0)) TH_LOG("round %d", rounds);
	}
	WRITE_ONCE(r.stop, true);
	pthread_join(r.thread, NULL);
}

/* The last fd is closed while others write to the eventfd. */
TEST_F(race, close_while_signalled)
{
	int rounds = 0, at = self->fd;
	uint64_t end;

	for (end = now_ns() + RUN_NS; rounds < 4 || now_ns() < end; rounds++) {
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, 0, 0));
		if (rounds % 4)
			let_ring(self->ringer);
		if (rounds % 2) {
			/* Put a new one in its place at once. */
			int fd = new_eventfd();

			ASSERT_EQ(at, dup3(fd, at, O_CLOEXEC));
			close(fd);
		} else {
			close(self->fd);
			ASSERT_EQ(at, new_eventfd());
		}
	}
	EXPECT_EQ(-1, stray_vector(&self->q, VEC_A, VEC_A));
	/* All of them have ended. */
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, 0, 0));
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, IRQFD_DEASSIGN, 0));
}

struct closer {
	pthread_t thread;
	int fd;
	pthread_barrier_t *barrier;
};

static void *closer(void *arg)
{
	struct closer *c = arg;

	pthread_barrier_wait(c->barrier);
	close(c->fd);
	return NULL;
}

/* Hangup and deassign end the same irqfd. */
TEST_F(race, hangup_and_deassign)
{
	pthread_barrier_t barrier;
	int i;

	pthread_barrier_init(&barrier, NULL, 2);
	for (i = 0; i < 100; i++) {
		struct closer c = { .fd = new_eventfd(), .barrier = &barrier };
		int ret;

		ASSERT_EQ(0, irqfd_ioctl(self->vm, c.fd, self->gsi, 0, 0));
		ASSERT_EQ(0, pthread_create(&c.thread, NULL, closer, &c));
		pthread_barrier_wait(&barrier);
		ret = irqfd_ioctl(self->vm, c.fd, self->gsi, IRQFD_DEASSIGN, 0);
		EXPECT_TRUE(!ret || ret == -EBADF) TH_LOG("%d", ret);
		pthread_join(c.thread, NULL);
	}
}

TEST_F(race, vm_goes_while_signalled)
{
	int i;

	for (i = 0; i < 15; i++) {
		struct quiet_vm other = quiet_vm_create(variant->split);

		route(other.vm, variant->pin, self->gsi, VEC_A);
		ASSERT_EQ(0, irqfd_ioctl(other.vm, self->fd, self->gsi, 0, 0)) TH_LOG("%d", i);
		let_ring(self->ringer);
		quiet_vm_free(&other);
	}
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, self->gsi, 0, 0));
	let_ring(self->ringer);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
}

/* Two tasks bind the same eventfd: at most one succeeds. */
struct rival {
	pthread_t thread;
	struct kvm_vm *vm;
	int fd;
	int *owner;
	int both, won, odd;
	bool stop;
};

static void *rival(void *arg)
{
	struct rival *r = arg;

	while (!READ_ONCE(r->stop)) {
		int ret = irqfd_ioctl(r->vm, r->fd, MSI_GSI, 0, 0);

		if (ret) {
			r->odd += ret != -EBUSY;
			continue;
		}
		r->won++;
		r->both += __atomic_add_fetch(r->owner, 1, __ATOMIC_SEQ_CST) != 1;
		if (r->won % 2)
			sched_yield();
		else
			usleep(50);
		__atomic_sub_fetch(r->owner, 1, __ATOMIC_SEQ_CST);
		r->odd += !!irqfd_ioctl(r->vm, r->fd, MSI_GSI, IRQFD_DEASSIGN, 0);
	}
	return NULL;
}

static void rivals(struct __test_metadata *_metadata, bool same_vm)
{
	struct quiet_vm q[2];
	int owner = 0, fd = new_eventfd(), i;
	struct rival r[2];

	for (i = 0; i < 2; i++) {
		q[i] = i && same_vm ? q[0] : quiet_vm_create(false);
		r[i] = (struct rival) { .vm = q[i].vm, .fd = fd, .owner = &owner };
	}
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&r[i].thread, NULL, rival, &r[i]));
	usleep(RUN_NS / 1000);
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(r[i].stop, true);
		pthread_join(r[i].thread, NULL);
		/*
		 * In one VM, either task may deassign the irqfd of the other.
		 */
		if (!same_vm)
			EXPECT_EQ(0, r[i].both) TH_LOG("bound twice");
		EXPECT_EQ(0, r[i].odd);
	}
	EXPECT_LT(0, r[0].won + r[1].won);
	EXPECT_EQ(0, irqfd_ioctl(q[0].vm, fd, MSI_GSI, 0, 0));
	quiet_vm_free(&q[0]);
	if (!same_vm)
		quiet_vm_free(&q[1]);
	close(fd);
}

TEST(rivals_in_one_vm)
{
	rivals(_metadata, true);
}

TEST(rivals_in_two_vms)
{
	rivals(_metadata, false);
}

/* One VM with many irqfds ends while another VM deassigns its only one. */
#define NR_LEAVING	1500

struct leaver {
	pthread_t thread;
	struct quiet_vm q;
	uint64_t from, to;
	bool gone;
};

static void *leaver(void *arg)
{
	struct leaver *l = arg;

	WRITE_ONCE(l->from, now_ns());
	quiet_vm_free(&l->q);
	l->to = now_ns();
	WRITE_ONCE(l->gone, true);
	return NULL;
}

/*
 * The longest deassign, in per cent of the time that the other VM takes to end.
 */
static int longest_wait(struct __test_metadata *_metadata, struct quiet_vm *q,
			int fd, int *fds)
{
	struct leaver l = { .q = quiet_vm_create(false) };
	uint64_t longest = 0, took;
	int i, n;

	for (i = 0; i < NR_LEAVING; i++)
		TEST_ASSERT(!irqfd_ioctl(l.q.vm, fds[i], MSI_GSI, 0, 0), "irqfd %d", i);
	TEST_ASSERT(!irqfd_ioctl(q->vm, fd, MSI_GSI, 0, 0), "irqfd");
	TEST_ASSERT(!pthread_create(&l.thread, NULL, leaver, &l), "pthread_create");
	while (!READ_ONCE(l.from))
		sched_yield();
	for (n = 0; !READ_ONCE(l.gone) || !n; n++) {
		uint64_t from = now_ns();

		TEST_ASSERT(!irqfd_ioctl(q->vm, fd, MSI_GSI, IRQFD_DEASSIGN, 0), "deassign");
		took = now_ns() - from;
		if (took > longest)
			longest = took;
		TEST_ASSERT(!irqfd_ioctl(q->vm, fd, MSI_GSI, 0, 0), "irqfd");
	}
	TEST_ASSERT(!irqfd_ioctl(q->vm, fd, MSI_GSI, IRQFD_DEASSIGN, 0), "deassign");
	pthread_join(l.thread, NULL);
	took = l.to - l.from;
	TH_LOG("the other VM took %lu us to go, %d deassigns the while, the longest %lu us",
	       took / 1000, n, longest / 1000);
	return longest * 100 / took;
}

TEST(no_wait_for_other_vm)
{
	struct rlimit lim = { 4096, 4096 };
	struct quiet_vm q = quiet_vm_create(false);
	int fds[NR_LEAVING], fd, i, percent = 100;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &lim));
	fd = new_eventfd();
	for (i = 0; i < NR_LEAVING; i++)
		fds[i] = new_eventfd();
	/* The scheduler can delay a deassign, but not every time. */
	for (i = 0; i < 30 && percent >= 50; i++)
		percent = longest_wait(_metadata, &q, fd, fds);
	EXPECT_GT(50, percent);
	quiet_vm_free(&q);
}

TEST_HARNESS_MAIN
