// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: valid and invalid arguments, binding of eventfds, and the
 * interrupts that they raise. The tests use the full in-kernel irqchip and the
 * split one.
 */
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "irqfd_util.h"

static_assert(sizeof(struct kvm_irqfd) == 32, "struct kvm_irqfd");
static_assert(_IOW(0xAE, 0x76, struct kvm_irqfd) == KVM_IRQFD, "KVM_IRQFD");

#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

TEST(no_irqchip)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = new_eventfd();

	EXPECT_EQ(-EINVAL, irqfd_ioctl(vm, fd, 1, 0, 0));
	EXPECT_EQ(-EINVAL, irqfd_ioctl(vm, fd, 1, RESAMPLE, fd));
	EXPECT_EQ(0, irqfd_ioctl(vm, fd, 1, IRQFD_DEASSIGN, 0));

	/* The eventfd was not bound. */
	vm_create_irqchip(vm);
	EXPECT_EQ(0, irqfd_ioctl(vm, fd, 1, 0, 0));
	close(fd);
	kvm_vm_free(vm);
}

/* A gsi may have a pin of each irqchip. An event reaches both. */
TEST(two_routes)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_routing *r = new_routing(2);
	struct quiet_vm q = quiet_vm_create(false);
	int fd = new_eventfd();

	add_pin(r, 5, 5);
	add_pin(r, 5, 5);
	r->entries[1].u.irqchip.irqchip = KVM_IRQCHIP_PIC_MASTER;
	ASSERT_EQ(0, set_routing(q.vm, r));
	free(r);
	vm_ioctl(q.vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[5].bits = VEC_B;
	vm_ioctl(q.vm, KVM_SET_IRQCHIP, &chip);
	ASSERT_EQ(0, irqfd_ioctl(q.vm, fd, 5, 0, 0));
	eventfd_ring(fd, 1);
	EXPECT_TRUE(quiet_wait(&q, VEC_B));
	ASSERT_EQ(0, irqfd_ioctl(q.vm, fd, 5, IRQFD_DEASSIGN, 0));
	chip.chip_id = KVM_IRQCHIP_PIC_MASTER;
	vm_ioctl(q.vm, KVM_GET_IRQCHIP, &chip);
	EXPECT_TRUE(chip.chip.pic.irr & 1u << 5);
	quiet_vm_free(&q);
	close(fd);
}

FIXTURE(irqfd) {
	struct quiet_vm q;
	struct kvm_vm *vm;
	int fd, fd2;
};

FIXTURE_VARIANT(irqfd) {
	bool split;
};

FIXTURE_VARIANT_ADD(irqfd, full) {
	.split = false,
};

FIXTURE_VARIANT_ADD(irqfd, split) {
	.split = true,
};

FIXTURE_SETUP(irqfd)
{
	self->q = quiet_vm_create(variant->split);
	self->vm = self->q.vm;
	self->fd = new_eventfd();
	self->fd2 = new_eventfd();
	route_msi(self->vm, MSI_GSI, VEC_A);
}

FIXTURE_TEARDOWN(irqfd)
{
	quiet_vm_free(&self->q);
	close(self->fd);
	close(self->fd2);
}

TEST_F(irqfd, unknown_flags)
{
	int bit;

	for (bit = 2; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 1u << bit, 0))
			TH_LOG("bit %d", bit);
		EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, self->fd, MSI_GSI,
					       1u << bit | IRQFD_DEASSIGN, 0))
			TH_LOG("bit %d", bit);
	}
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 4 | IRQFD_DEASSIGN, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
}

TEST_F(irqfd, padding)
{
	struct kvm_irqfd irqfd = { .fd = self->fd, .gsi = MSI_GSI, .resamplefd = -1 };

	memset(irqfd.pad, 0xff, sizeof(irqfd.pad));
	EXPECT_EQ(0, __vm_ioctl(self->vm, KVM_IRQFD, &irqfd));
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_IRQFD, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(irqfd, resample_needs_full_irqchip)
{
	EXPECT_EQ(variant->split ? -EINVAL : 0,
		  irqfd_ioctl(self->vm, self->fd, 5, RESAMPLE, self->fd2));
	if (variant->split)
		EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
}

TEST_F(irqfd, bad_fd)
{
	int closed = dup(self->fd);
	int nul = open("/dev/null", O_RDWR);
	int ret;

	close(closed);
	EXPECT_EQ(-EBADF, irqfd_ioctl(self->vm, -1, MSI_GSI, 0, 0));
	EXPECT_EQ(-EBADF, irqfd_ioctl(self->vm, INT_MAX, MSI_GSI, 0, 0));
	EXPECT_EQ(-EBADF, irqfd_ioctl(self->vm, closed, MSI_GSI, 0, 0));
	EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, nul, MSI_GSI, 0, 0));
	EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, self->vm->fd, MSI_GSI, 0, 0));
	ret = irqfd_ioctl(self->vm, -1, MSI_GSI, IRQFD_DEASSIGN, 0);
	EXPECT_TRUE(ret == -EBADF || ret == -EINVAL) TH_LOG("%d", ret);
	ret = irqfd_ioctl(self->vm, nul, MSI_GSI, IRQFD_DEASSIGN, 0);
	EXPECT_TRUE(ret == -EBADF || ret == -EINVAL) TH_LOG("%d", ret);

	if (!variant->split) {
		EXPECT_EQ(-EBADF, irqfd_ioctl(self->vm, self->fd, 5, RESAMPLE, -1));
		EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, self->fd, 5, RESAMPLE, nul));
	}
	/* Without RESAMPLE, resamplefd is ignored; nothing was bound. */
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, -1));
	close(nul);
}

/* A signal raises an interrupt, and is removed from the eventfd. */
TEST_F(irqfd, msi)
{
	int i;

	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));
	for (i = 1; i < 5; i++) {
		eventfd_ring(self->fd, i);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
		EXPECT_EQ(0, eventfd_take(self->fd));
		EXPECT_TRUE(quiet_never(&self->q, VEC_A));
	}
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_EQ(1, eventfd_take(self->fd));
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));
}

struct poller {
	pthread_t thread;
	int fd;
	int tid;
};

static void *poll_once(void *arg)
{
	struct poller *p = arg;
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

	WRITE_ONCE(p->tid, syscall(SYS_gettid));
	poll(&pfd, 1, -1);
	return NULL;
}

/* How often a thread has slept; -1 if it is not asleep. */
static long sleeps_of(int tid)
{
	static const char state[] = "State:\t", sleeps[] = "voluntary_ctxt_switches:\t";
	char path[64], line[256];
	bool asleep = false;
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, state, strlen(state)))
			asleep = line[strlen(state)] == 'S';
		if (!strncmp(line, sleeps, strlen(sleeps)))
			n = atol(line + strlen(sleeps));
	}
	if (f)
		fclose(f);
	return asleep ? n : -1;
}

static long sleep_of(int tid)
{
	long n = -1, last = -2;

	/* Asleep in poll(), and not only on the way to it */
	while (n < 0 || n != last) {
		last = n;
		usleep(10000);
		n = sleeps_of(tid);
	}
	return n;
}

/* An irqfd consumes its event alone: other waiters of the eventfd do not wake up. */
TEST_F(irqfd, consumes_alone)
{
	struct poller p = { .fd = self->fd };
	long before;
	int i;

	/* One that waits before the assignment, too, comes after it in the queue. */
	for (i = 0; i < 2; i++) {
		if (i)
			ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
		p.tid = 0;
		ASSERT_EQ(0, pthread_create(&p.thread, NULL, poll_once, &p));
		while (!READ_ONCE(p.tid))
			usleep(1000);
		before = sleep_of(p.tid);
		if (!i)
			ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
		eventfd_ring(self->fd, 1);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
		EXPECT_EQ(before, sleep_of(p.tid));

		/* Without the irqfd, the event is for the waiter. */
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
		eventfd_ring(self->fd, 1);
		ASSERT_EQ(0, pthread_join(p.thread, NULL));
		EXPECT_EQ(1, eventfd_take(self->fd));
	}
}

TEST_F(irqfd, busy_in_same_vm)
{
	int copy = dup(self->fd);

	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd, MSI_GSI + 1, 0, 0));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, copy, MSI_GSI, 0, 0));
	if (!variant->split)
		EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd, 5, RESAMPLE, self->fd2));
	/* The first one still works. */
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, copy, MSI_GSI, IRQFD_DEASSIGN, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI + 1, 0, 0));
	close(copy);
}

TEST_F(irqfd, busy_in_other_vm)
{
	struct quiet_vm other = quiet_vm_create(variant->split);

	route_msi(other.vm, MSI_GSI, VEC_A);
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(other.vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(other.vm, self->fd, MSI_GSI + 1, 0, 0));
	/* Another VM cannot deassign it. */
	EXPECT_EQ(0, irqfd_ioctl(other.vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(other.vm, self->fd, MSI_GSI, 0, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
	EXPECT_FALSE(quiet_has(&other, VEC_A));
	quiet_vm_free(&other);

	/* The end of the other VM has no effect here. */
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
}

TEST_F(irqfd, rebind_after_deassign)
{
	struct quiet_vm other = quiet_vm_create(variant->split);
	int i;

	route_msi(other.vm, MSI_GSI, VEC_A);
	for (i = 0; i < 200; i++) {
		struct quiet_vm *here = i % 3 ? &other : &self->q;
		struct quiet_vm *there = i % 3 ? &self->q : &other;

		ASSERT_EQ(0, irqfd_ioctl(here->vm, self->fd, MSI_GSI, 0, 0)) TH_LOG("%d", i);
		eventfd_ring(self->fd, 1);
		ASSERT_TRUE(quiet_wait(here, VEC_A)) TH_LOG("%d", i);
		ASSERT_FALSE(quiet_has(there, VEC_A)) TH_LOG("%d", i);
		ASSERT_EQ(0, irqfd_ioctl(here->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
	}
	quiet_vm_free(&other);
}

TEST_F(irqfd, rebind_after_vm_close)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct quiet_vm other = quiet_vm_create(variant->split);

		route_msi(other.vm, MSI_GSI, VEC_A);
		ASSERT_EQ(0, irqfd_ioctl(other.vm, self->fd, MSI_GSI, 0, 0)) TH_LOG("%d", i);
		if (i & 1)
			ASSERT_EQ(0, irqfd_ioctl(other.vm, self->fd2, MSI_GSI, 0, 0));
		eventfd_ring(self->fd, 1);
		ASSERT_TRUE(quiet_wait(&other, VEC_A));
		quiet_vm_free(&other);
	}
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd2, MSI_GSI, 0, 0));
}

/* A vCPU's fd keeps the VM alive, but not its irqfds. */
TEST_F(irqfd, vm_close_with_vcpu_open)
{
	struct quiet_vm other = quiet_vm_create(variant->split);

	route_msi(other.vm, MSI_GSI, VEC_A);
	ASSERT_EQ(0, irqfd_ioctl(other.vm, self->fd, MSI_GSI, 0, 0));
	kvm_vm_free(other.vm);
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
	EXPECT_FALSE(quiet_has(&other, VEC_A));
	close(other.vcpu);
}

TEST_F(irqfd, deassign_unknown)
{
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, UINT_MAX, IRQFD_DEASSIGN, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN | RESAMPLE, -1));

	/* The same eventfd on another gsi, another eventfd on the same one. */
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI + 1, IRQFD_DEASSIGN, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd2, MSI_GSI, IRQFD_DEASSIGN, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
}

/* Closing the last fd ends the irqfd, which keeps no reference. */
TEST_F(irqfd, hangup)
{
	int i;

	for (i = 0; i < 300; i++) {
		int fd = new_eventfd();
		int copy = dup(fd);

		ASSERT_EQ(0, irqfd_ioctl(self->vm, fd, MSI_GSI, 0, 0));
		close(fd);
		eventfd_ring(copy, 1);
		ASSERT_TRUE(quiet_wait(&self->q, VEC_A)) TH_LOG("%d", i);
		close(copy);
	}
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
}

/* Hangup and the end of the VM at the same moment. */
TEST_F(irqfd, hangup_then_vm_close)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct quiet_vm other = quiet_vm_create(variant->split);
		int fds[16], j;

		for (j = 0; j < ARRAY_SIZE(fds); j++) {
			fds[j] = new_eventfd();
			ASSERT_EQ(0, irqfd_ioctl(other.vm, fds[j], MSI_GSI, 0, 0));
			eventfd_ring(fds[j], 1);
		}
		for (j = 0; j < ARRAY_SIZE(fds); j++)
			close(fds[j]);
		quiet_vm_free(&other);
	}
}

TEST_F(irqfd, new_route)
{
	int i;

	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	for (i = 0; i < 50; i++) {
		uint8_t now = VEC_A + i + 1;

		route_msi(self->vm, MSI_GSI, now);
		eventfd_ring(self->fd, 1);
		EXPECT_TRUE(quiet_wait(&self->q, now)) TH_LOG("%d", i);
		EXPECT_FALSE(quiet_has(&self->q, now - 1)) TH_LOG("%d", i);
	}
}

TEST_F(irqfd, no_route)
{
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	route_nothing(self->vm);
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));

	/* On a gsi that has no route yet. */
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd2, MSI_GSI + 7, 0, 0));
	eventfd_ring(self->fd2, 1);
	EXPECT_TRUE(quiet_never(&self->q, VEC_B));
	route_msi(self->vm, MSI_GSI + 7, VEC_B);
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));
	EXPECT_FALSE(quiet_has(&self->q, VEC_B));
	eventfd_ring(self->fd2, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_B));
}

/* A number that is not a gsi must not be used as an index. */
TEST_F(irqfd, gsi_out_of_range)
{
	static const uint32_t gsis[] = {
		KVM_MAX_IRQ_ROUTES - 1, KVM_MAX_IRQ_ROUTES, KVM_MAX_IRQ_ROUTES + 1,
		0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000018, 0xfffffff0, UINT_MAX,
	};
	int i, j;

	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		int ret = irqfd_ioctl(self->vm, self->fd, gsis[i], 0, 0);

		EXPECT_TRUE(!ret || ret == -EINVAL) TH_LOG("gsi 0x%x: %d", gsis[i], ret);
		for (j = 0; j < 2; j++) {
			eventfd_ring(self->fd, 1);
			route_msi(self->vm, MSI_GSI, VEC_A);
			route_nothing(self->vm);
			eventfd_ring(self->fd, 1);
		}
		EXPECT_TRUE(quiet_never(&self->q, VEC_A));
		EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, gsis[i], IRQFD_DEASSIGN, 0));
		if (variant->split)
			continue;
		ret = irqfd_ioctl(self->vm, self->fd, gsis[i], RESAMPLE, self->fd2);
		EXPECT_TRUE(!ret || ret == -EINVAL) TH_LOG("gsi 0x%x: %d", gsis[i], ret);
		eventfd_ring(self->fd, 1);
		route_msi(self->vm, MSI_GSI, VEC_A);
		eventfd_ring(self->fd, 1);
		EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, gsis[i], IRQFD_DEASSIGN, 0));
	}
	/* The same numbers in a route. */
	for (i = 1; i < ARRAY_SIZE(gsis); i++) {
		struct kvm_irq_routing *r = new_routing(1);

		add_msi(r, gsis[i], VEC_A);
		EXPECT_EQ(-EINVAL, set_routing(self->vm, r)) TH_LOG("gsi 0x%x", gsis[i]);
		free(r);
	}
	route_msi(self->vm, gsis[0], VEC_B);
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, gsis[0], 0, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_B));
}

TEST_F(irqfd, two_thousand)
{
	struct rlimit lim = { 4096, 4096 };
	struct kvm_irq_routing *r;
	const int nr = 2000;
	int fds[2000], i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &lim));
	r = new_routing(16);
	for (i = 0; i < 16; i++)
		add_msi(r, MSI_GSI + i, VEC_A + i);
	ASSERT_EQ(0, set_routing(self->vm, r));
	free(r);
	for (i = 0; i < nr; i++) {
		fds[i] = new_eventfd();
		ASSERT_EQ(0, irqfd_ioctl(self->vm, fds[i], MSI_GSI + i % 16, 0, 0)) TH_LOG("%d", i);
	}
	for (i = 0; i < nr; i += 37) {
		eventfd_ring(fds[i], 1);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A + i % 16)) TH_LOG("%d", i);
		EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, fds[i], MSI_GSI, 0, 0));
	}
	/* End a third by deassign, a third by hangup, the rest with the VM. */
	for (i = 0; i < nr; i += 3) {
		EXPECT_EQ(0, irqfd_ioctl(self->vm, fds[i], MSI_GSI + i % 16, IRQFD_DEASSIGN, 0));
		eventfd_ring(fds[i], 1);
		EXPECT_EQ(1, eventfd_take(fds[i]));
	}
	for (i = 1; i < nr; i += 3)
		close(fds[i]);
	for (i = 0; i < 16; i++)
		EXPECT_FALSE(quiet_has(&self->q, VEC_A + i));
	for (i = 2; i < nr; i += 3 * 17) {
		eventfd_ring(fds[i], 1);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A + i % 16)) TH_LOG("%d", i);
	}
}

/* Interrupts counted one by one. */
FIXTURE(count) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd;
};

FIXTURE_SETUP(count)
{
	self->vm = vm_create_with_one_vcpu(&self->vcpu, count_loop);
	vm_install_exception_handler(self->vm, VEC_A, count_irq);
	vm_install_exception_handler(self->vm, VEC_B, count_irq);
	map_doors(self->vm);
	self->fd = new_eventfd();
	route_msi(self->vm, MSI_GSI, VEC_A);
	guest_run(self->vcpu, &(struct io_log) { });
}

FIXTURE_TEARDOWN(count)
{
	kvm_vm_free(self->vm);
	close(self->fd);
}

/* Runs the guest until it has had @n interrupts, then checks for more. */
static uint32_t irqs_after(struct kvm_vcpu *vcpu, uint8_t vector, uint32_t n)
{
	uint64_t end = now_ns() + SURELY_NS;
	struct io_log log;
	int i;

	do {
		guest_run(vcpu, &log);
		if (irqs(vcpu->vm, vector) >= n)
			break;
		usleep(200);
	} while (now_ns() < end);
	for (i = 0; i < 10; i++) {
		usleep(2000);
		guest_run(vcpu, &log);
	}
	return irqs(vcpu->vm, vector);
}

/* One event is one interrupt, whatever it adds to the counter. */
TEST_F(count, pending_at_assign)
{
	eventfd_ring(self->fd, 3);
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(1, irqs_after(self->vcpu, VEC_A, 1));
	eventfd_ring(self->fd, 1);
	EXPECT_EQ(2, irqs_after(self->vcpu, VEC_A, 2));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));

	/* No event is pending, so no interrupt is injected. */
	eventfd_take(self->fd);
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(2, irqs_after(self->vcpu, VEC_A, 2));
}

/* A pending event stays pending after an assign with an error. */
TEST_F(count, pending_at_refused_assign)
{
	eventfd_ring(self->fd, 2);
	EXPECT_EQ(-EINVAL, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 1u << 5, 0));
	EXPECT_EQ(-EBADF, irqfd_ioctl(self->vm, self->fd, 5, RESAMPLE, -1));
	EXPECT_EQ(2, eventfd_take(self->fd));

	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI + 3, 0, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(0, irqs_after(self->vcpu, VEC_A, 0));
}

TEST_F(count, many_on_one_gsi)
{
	int fds[32], i, round;
	uint32_t before, n = 0;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = new_eventfd();
		ASSERT_EQ(0, irqfd_ioctl(self->vm, fds[i], MSI_GSI, 0, 0));
	}
	for (round = 0; round < 3; round++)
		for (i = 0; i < ARRAY_SIZE(fds); i++) {
			struct io_log log;

			eventfd_ring(fds[i], 1);
			guest_run(self->vcpu, &log);
			n++;
			if (irqs(self->vm, VEC_A) < n)
				irqs_after(self->vcpu, VEC_A, n);
			ASSERT_EQ(n, irqs(self->vm, VEC_A)) TH_LOG("fd %d", i);
		}
	/* One ends, the others stay: at least one interrupt, and at most n. */
	before = n;
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_EQ(0, irqfd_ioctl(self->vm, fds[i], MSI_GSI, IRQFD_DEASSIGN, 0));
		eventfd_ring(fds[i], 1);
		if (i + 1 < ARRAY_SIZE(fds)) {
			eventfd_ring(fds[i + 1], 1);
			n++;
		}
	}
	EXPECT_LT(before, irqs_after(self->vcpu, VEC_A, before + 1));
	EXPECT_GE(n, irqs(self->vm, VEC_A));
}

/* A pin of the I/O APIC, edge triggered: by way of a work item. */
TEST_F(count, edge_pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_routing *r = new_routing(1);
	int i;

	add_pin(r, 11, 11);
	ASSERT_EQ(0, set_routing(self->vm, r));
	free(r);
	vm_ioctl(self->vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[11].bits = VEC_B;
	vm_ioctl(self->vm, KVM_SET_IRQCHIP, &chip);
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, 11, 0, 0));
	for (i = 1; i < 5; i++) {
		eventfd_ring(self->fd, 1);
		EXPECT_EQ(i, irqs_after(self->vcpu, VEC_B, i));
	}
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, 11, IRQFD_DEASSIGN, 0));
	eventfd_ring(self->fd, 1);
	EXPECT_EQ(4, irqs_after(self->vcpu, VEC_B, 4));
}

/* A deassign waits for the work item of an earlier signal. */
TEST_F(count, edge_pin_deassign)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_routing *r = new_routing(1);
	struct io_log log;
	int i;

	add_pin(r, 11, 11);
	ASSERT_EQ(0, set_routing(self->vm, r));
	free(r);
	vm_ioctl(self->vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[11].bits = VEC_B;
	vm_ioctl(self->vm, KVM_SET_IRQCHIP, &chip);
	for (i = 0; i < 50; i++) {
		uint32_t n;

		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, 11, 0, 0));
		eventfd_ring(self->fd, 1);
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, 11, IRQFD_DEASSIGN, 0));
		guest_run(self->vcpu, &log);
		n = irqs(self->vm, VEC_B);
		usleep(i * 20);
		guest_run(self->vcpu, &log);
		ASSERT_EQ(n, irqs(self->vm, VEC_B)) TH_LOG("round %d", i);
		eventfd_take(self->fd);
	}
}

static void kick_loop(void)
{
	x2apic_enable();
	GUEST_SYNC(0);
	for (;;) {
		guest_store(DOOR_GPA, 1, 4);
		asm volatile("sti; nop; nop; cli" ::: "memory");
		GUEST_SYNC(0);
	}
}

/* From a store of the guest to its handler, without userspace. */
TEST(ioeventfd_to_interrupt)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, kick_loop);
	int fd = new_eventfd(), i;
	struct io_log log;

	vm_install_exception_handler(vm, VEC_A, count_irq);
	map_doors(vm);
	route_msi(vm, MSI_GSI, VEC_A);
	guest_run(vcpu, &log);
	door_assign(vm, fd, DOOR_GPA, 4, DM, 1);
	ASSERT_EQ(0, irqfd_ioctl(vm, fd, MSI_GSI, 0, 0));
	for (i = 1; i <= 100; i++) {
		guest_run(vcpu, &log);
		EXPECT_EQ(0, log.nr);
		EXPECT_EQ(i, irqs(vm, VEC_A));
		EXPECT_EQ(0, eventfd_take(fd));
	}
	ASSERT_EQ(0, irqfd_ioctl(vm, fd, MSI_GSI, IRQFD_DEASSIGN, 0));
	guest_run(vcpu, &log);
	EXPECT_EQ(100, irqs(vm, VEC_A));
	EXPECT_EQ(1, eventfd_take(fd));
	kvm_vm_free(vm);
	close(fd);
}

TEST_HARNESS_MAIN
