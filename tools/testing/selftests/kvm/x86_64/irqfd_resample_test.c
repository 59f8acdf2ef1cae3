// SPDX-License-Identifier: GPL-2.0-only
/*
 * Level-triggered irqfds: the line stays up until the EOI of the guest. Then it
 * goes down once, and every resamplefd of the gsi is signalled.
 */
#include <poll.h>
#include <pthread.h>

#include "irqfd_util.h"

#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

#define PIN_A		10
#define PIN_B		11

static uint64_t do_eoi;		/* one EOI, when asked to */
static uint64_t auto_eoi;	/* the handler does it */
static uint64_t guest_stop;

static void level_irq(struct ex_regs *regs)
{
	WRITE_ONCE(irq_count[regs->vector], irq_count[regs->vector] + 1);
	if (READ_ONCE(auto_eoi))
		x2apic_write_reg(APIC_EOI, 0);
}

static void level_loop(void)
{
	x2apic_enable();
	for (;;) {
		if (READ_ONCE(do_eoi)) {
			WRITE_ONCE(do_eoi, 0);
			x2apic_write_reg(APIC_EOI, 0);
		}
		asm volatile("sti; nop; nop; cli" ::: "memory");
		GUEST_SYNC(0);
	}
}

/* Takes interrupts until the test ends it, without exits to userspace. */
static void busy_loop(void)
{
	x2apic_enable();
	GUEST_SYNC(0);
	asm volatile("sti" ::: "memory");
	while (!READ_ONCE(guest_stop))
		cpu_relax();
	asm volatile("cli" ::: "memory");
	GUEST_SYNC(1);
}

static void *guest_var(struct kvm_vm *vm, void *var)
{
	return addr_gva2hva(vm, (vm_vaddr_t)var);
}

static void set_pin(struct kvm_vm *vm, int pin, uint8_t vector)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[pin].bits = 0;
	chip.chip.ioapic.redirtbl[pin].fields.vector = vector;
	chip.chip.ioapic.redirtbl[pin].fields.trig_mode = 1;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
}

static bool line_up(struct kvm_vm *vm, int pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	return chip.chip.ioapic.irr & 1u << pin;
}

/* A work item raises the line. */
static bool line_becomes(struct kvm_vm *vm, int pin, bool up)
{
	uint64_t end = now_ns() + SURELY_NS;

	while (line_up(vm, pin) != up) {
		if (now_ns() > end)
			return false;
		usleep(200);
	}
	return true;
}

FIXTURE(level) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[4], res[4];
};

static void level_vm(struct kvm_vm **vm, struct kvm_vcpu **vcpu, void *code)
{
	struct kvm_irq_routing *r = new_routing(2);

	*vm = vm_create_with_one_vcpu(vcpu, code);
	vm_install_exception_handler(*vm, VEC_A, level_irq);
	vm_install_exception_handler(*vm, VEC_B, level_irq);
	add_pin(r, PIN_A, PIN_A);
	add_pin(r, PIN_B, PIN_B);
	TEST_ASSERT(!set_routing(*vm, r), "routing");
	free(r);
	guest_run(*vcpu, &(struct io_log) { });
	set_pin(*vm, PIN_A, VEC_A);
	set_pin(*vm, PIN_B, VEC_B);
}

FIXTURE_SETUP(level)
{
	int i;

	level_vm(&self->vm, &self->vcpu, level_loop);
	for (i = 0; i < 4; i++) {
		self->fd[i] = new_eventfd();
		self->res[i] = new_eventfd();
	}
}

FIXTURE_TEARDOWN(level)
{
	int i;

	kvm_vm_free(self->vm);
	for (i = 0; i < 4; i++) {
		close(self->fd[i]);
		close(self->res[i]);
	}
}

static int assign(struct _test_data_level *self, int i, int pin)
{
	return irqfd_ioctl(self->vm, self->fd[i], pin, RESAMPLE, self->res[i]);
}

static int deassign(struct _test_data_level *self, int i, int pin)
{
	return irqfd_ioctl(self->vm, self->fd[i], pin, IRQFD_DEASSIGN, 0);
}

static void run(struct _test_data_level *self)
{
	struct io_log log;

	guest_run(self->vcpu, &log);
	TEST_ASSERT(!log.nr, "an unexpected exit");
}

static void eoi(struct _test_data_level *self)
{
	*(uint64_t *)guest_var(self->vm, &do_eoi) = 1;
	run(self);
}

/* Signals irqfd @i on @pin and waits until the line shows it. */
#define RAISE(i, pin) do {						\
	eventfd_ring(self->fd[i], 1);					\
	ASSERT_TRUE(line_becomes(self->vm, pin, true));			\
} while (0)

/*
 * Signals while the line is up. The work item has no visible effect, so wait.
 */
#define RAISE_ALSO(i) do {						\
	eventfd_ring(self->fd[i], 1);					\
	usleep(200000);							\
} while (0)

TEST_F(level, up_until_eoi)
{
	int round, i;

	ASSERT_EQ(0, assign(self, 0, PIN_A));
	EXPECT_FALSE(line_up(self->vm, PIN_A));
	for (round = 1; round <= 10; round++) {
		RAISE(0, PIN_A);
		for (i = 0; i < 5; i++) {
			run(self);
			EXPECT_EQ(round, irqs(self->vm, VEC_A));
			EXPECT_TRUE(line_up(self->vm, PIN_A));
			EXPECT_EQ(0, eventfd_take(self->res[0]));
		}
		/* Signal again while it is up: it stays up. */
		RAISE_ALSO(0);
		eoi(self);
		EXPECT_FALSE(line_up(self->vm, PIN_A));
		EXPECT_EQ(1, eventfd_take(self->res[0]));
		run(self);
		EXPECT_EQ(round, irqs(self->vm, VEC_A));
		EXPECT_EQ(0, eventfd_take(self->res[0]));
		EXPECT_EQ(0, eventfd_take(self->fd[0]));
	}
}

/* A device that still needs service after the EOI signals again. */
TEST_F(level, raised_again)
{
	int round;

	ASSERT_EQ(0, assign(self, 0, PIN_A));
	RAISE(0, PIN_A);
	run(self);
	for (round = 1; round <= 20; round++) {
		EXPECT_EQ(round, irqs(self->vm, VEC_A));
		eoi(self);
		EXPECT_EQ(1, eventfd_take(self->res[0]));
		RAISE(0, PIN_A);
		run(self);
	}
}

TEST_F(level, all_on_the_gsi_hear)
{
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, assign(self, i, PIN_A));
	RAISE(1, PIN_A);
	RAISE_ALSO(2);
	run(self);
	EXPECT_EQ(1, irqs(self->vm, VEC_A));
	eoi(self);
	EXPECT_FALSE(line_up(self->vm, PIN_A));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, eventfd_take(self->res[i])) TH_LOG("resamplefd %d", i);
	run(self);
	EXPECT_EQ(1, irqs(self->vm, VEC_A));

	/* An irqfd that has ended gets no more signals; the others do. */
	ASSERT_EQ(0, deassign(self, 2, PIN_A));
	RAISE(0, PIN_A);
	run(self);
	eoi(self);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(i != 2, eventfd_take(self->res[i])) TH_LOG("resamplefd %d", i);
}

TEST_F(level, one_resamplefd_for_two)
{
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd[0], PIN_A, RESAMPLE, self->res[0]));
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd[1], PIN_A, RESAMPLE, self->res[0]));
	RAISE(0, PIN_A);
	run(self);
	eoi(self);
	EXPECT_EQ(2, eventfd_take(self->res[0]));
}

TEST_F(level, gsis_are_apart)
{
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	ASSERT_EQ(0, assign(self, 1, PIN_B));
	RAISE(0, PIN_A);
	RAISE(1, PIN_B);
	run(self);
	run(self);
	/* The higher vector is served first, and has the first EOI. */
	EXPECT_EQ(1, irqs(self->vm, VEC_B));
	eoi(self);
	EXPECT_EQ(0, eventfd_take(self->res[0]));
	EXPECT_EQ(1, eventfd_take(self->res[1]));
	EXPECT_TRUE(line_up(self->vm, PIN_A));
	EXPECT_FALSE(line_up(self->vm, PIN_B));
	run(self);
	EXPECT_EQ(1, irqs(self->vm, VEC_A));
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[0]));
	EXPECT_EQ(0, eventfd_take(self->res[1]));
	EXPECT_FALSE(line_up(self->vm, PIN_A));
}

TEST_F(level, deassign_lowers_the_line)
{
	int round;

	for (round = 0; round < 20; round++) {
		ASSERT_EQ(0, assign(self, 0, PIN_A));
		RAISE(0, PIN_A);
		ASSERT_EQ(0, deassign(self, 0, PIN_A));
		EXPECT_FALSE(line_up(self->vm, PIN_A));
		EXPECT_EQ(0, eventfd_take(self->res[0]));
	}
	/* The EOI of an interrupt from before the deassign signals nothing. */
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	run(self);
	eoi(self);
	eventfd_take(self->res[0]);
	RAISE(0, PIN_A);
	run(self);
	ASSERT_EQ(0, deassign(self, 0, PIN_A));
	EXPECT_FALSE(line_up(self->vm, PIN_A));
	eoi(self);
	EXPECT_EQ(0, eventfd_take(self->res[0]));
}

/*
 * One of two ends while both have raised the line: the other still needs an
 * EOI.
 */
TEST_F(level, deassign_one_of_two)
{
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	ASSERT_EQ(0, assign(self, 1, PIN_A));
	RAISE(0, PIN_A);
	RAISE_ALSO(1);
	run(self);
	ASSERT_EQ(0, deassign(self, 0, PIN_A));
	eoi(self);
	EXPECT_FALSE(line_up(self->vm, PIN_A));
	EXPECT_EQ(0, eventfd_take(self->res[0]));
	EXPECT_EQ(1, eventfd_take(self->res[1]));
	ASSERT_EQ(0, deassign(self, 1, PIN_A));
}

TEST_F(level, hangup_lowers_the_line)
{
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	RAISE(0, PIN_A);
	close(self->fd[0]);
	EXPECT_TRUE(line_becomes(self->vm, PIN_A, false));
	EXPECT_EQ(0, eventfd_take(self->res[0]));
	self->fd[0] = new_eventfd();
}

TEST_F(level, pending_at_assign)
{
	eventfd_ring(self->fd[0], 2);
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	ASSERT_TRUE(line_becomes(self->vm, PIN_A, true));
	run(self);
	EXPECT_EQ(1, irqs(self->vm, VEC_A));
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[0]));
	usleep(2000);
	run(self);
	EXPECT_EQ(1, irqs(self->vm, VEC_A));
	EXPECT_FALSE(line_up(self->vm, PIN_A));
}

/* Assigns with errors leave no resampler and no reference. */
TEST_F(level, refused)
{
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd[0], PIN_B, RESAMPLE, self->res[1]));
	EXPECT_EQ(-EBUSY, irqfd_ioctl(self->vm, self->fd[0], PIN_A, RESAMPLE, self->res[1]));
	EXPECT_EQ(-EBADF, irqfd_ioctl(self->vm, self->fd[1], PIN_B, RESAMPLE, -1));
	RAISE(0, PIN_A);
	run(self);
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[0]));
	EXPECT_EQ(0, eventfd_take(self->res[1]));
	ASSERT_EQ(0, assign(self, 1, PIN_B));
	RAISE(1, PIN_B);
	run(self);
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[1]));
}

/* The line is the OR of its sources; the EOI lowers that of irqfd only. */
TEST_F(level, shared_with_userspace)
{
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	/*
	 * Signal the irqfd first, because its effect on a raised line is
	 * invisible.
	 */
	RAISE(0, PIN_A);
	kvm_irq_line(self->vm, PIN_A, 1);
	run(self);
	EXPECT_EQ(1, irqs(self->vm, VEC_A));
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[0]));
	EXPECT_TRUE(line_up(self->vm, PIN_A));
	run(self);
	EXPECT_EQ(2, irqs(self->vm, VEC_A));
	kvm_irq_line(self->vm, PIN_A, 0);
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[0]));
	EXPECT_FALSE(line_up(self->vm, PIN_A));
	run(self);
	EXPECT_EQ(2, irqs(self->vm, VEC_A));
}

/* Edge-triggered irqfds of another gsi have no effect on the line. */
TEST_F(level, edge_irqfd_on_the_same_gsi)
{
	ASSERT_EQ(0, assign(self, 0, PIN_A));
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd[1], PIN_A, 0, 0));
	RAISE(0, PIN_A);
	RAISE_ALSO(1);
	EXPECT_TRUE(line_up(self->vm, PIN_A));
	run(self);
	eoi(self);
	EXPECT_FALSE(line_up(self->vm, PIN_A));
	EXPECT_EQ(1, eventfd_take(self->res[0]));
	ASSERT_EQ(0, deassign(self, 1, PIN_A));
	RAISE(0, PIN_A);
	run(self);
	eoi(self);
	EXPECT_EQ(1, eventfd_take(self->res[0]));
}

TEST_F(level, vm_goes_with_the_line_up)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i, j;

	for (i = 0; i < 5; i++) {
		level_vm(&vm, &vcpu, level_loop);
		for (j = 0; j < 4; j++) {
			ASSERT_EQ(0, irqfd_ioctl(vm, self->fd[j], j % 2 ? PIN_A : PIN_B,
						 RESAMPLE, self->res[j]));
			eventfd_ring(self->fd[j], 1);
		}
		if (i % 2)
			guest_run(vcpu, &(struct io_log) { });
		kvm_vm_free(vm);
	}
	ASSERT_EQ(0, assign(self, 0, PIN_A));
}

/* A guest that runs, and a device on PIN_A, played by the test. */
struct storm {
	struct kvm_vm *vm;
	pthread_t thread;
	int pin;
	int fd, res;
	int rounds;
	int wrong;
	uint64_t longest;
	bool ring;
	bool stop;
};

static void *storm(void *arg)
{
	struct storm *s = arg;

	for (s->rounds = 0; !s->rounds || !READ_ONCE(s->stop); s->rounds++) {
		uint64_t from = now_ns(), took;

		s->wrong += !!irqfd_ioctl(s->vm, s->fd, s->pin, RESAMPLE, s->res);
		if (s->ring) {
			eventfd_ring(s->fd, 1);
			if (s->rounds % 2)
				usleep(100);
		}
		s->wrong += !!irqfd_ioctl(s->vm, s->fd, s->pin, IRQFD_DEASSIGN, 0);
		took = now_ns() - from;
		if (took > s->longest)
			s->longest = took;
	}
	return NULL;
}

static void *busy_vcpu(void *arg)
{
	guest_run(arg, &(struct io_log) { });
	return NULL;
}

static void storms(struct __test_metadata *_metadata, bool ring, int pin)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct storm s[2];
	pthread_t thread;
	struct pollfd p;
	uint64_t end;
	int fd, i, n = 0;

	level_vm(&vm, &vcpu, busy_loop);
	*(uint64_t *)guest_var(vm, &auto_eoi) = 1;
	fd = new_eventfd();
	p = (struct pollfd) { .fd = new_eventfd(), .events = POLLIN };
	ASSERT_EQ(0, irqfd_ioctl(vm, fd, PIN_A, RESAMPLE, p.fd));
	ASSERT_EQ(0, pthread_create(&thread, NULL, busy_vcpu, vcpu));
	for (i = 0; i < 2; i++) {
		s[i] = (struct storm) {
			.vm = vm, .pin = pin, .fd = new_eventfd(), .res = new_eventfd(),
			.ring = ring,
		};
		ASSERT_EQ(0, pthread_create(&s[i].thread, NULL, storm, &s[i]));
	}
	/* An interrupt, an EOI, then the next interrupt: none may be lost. */
	for (end = now_ns() + 1500000000ull; n < 3 || now_ns() < end; n++) {
		eventfd_ring(fd, 1);
		ASSERT_EQ(1, poll(&p, 1, SURELY_MS))
			TH_LOG("no EOI heard of in round %d", n);
		eventfd_take(p.fd);
	}
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(s[i].stop, true);
		pthread_join(s[i].thread, NULL);
		EXPECT_EQ(0, s[i].wrong);
		EXPECT_LT(0, s[i].rounds);
		EXPECT_GT(SURELY_NS, s[i].longest);
	}

	/* When all of them are idle, the lines go down. */
	ASSERT_EQ(0, irqfd_ioctl(vm, fd, PIN_A, IRQFD_DEASSIGN, 0));
	EXPECT_TRUE(line_becomes(vm, PIN_A, false));
	EXPECT_TRUE(line_becomes(vm, PIN_B, false));
	*(uint64_t *)guest_var(vm, &guest_stop) = 1;
	pthread_join(thread, NULL);
	kvm_vm_free(vm);
	for (i = 0; i < 2; i++) {
		close(s[i].fd);
		close(s[i].res);
	}
	close(fd);
	close(p.fd);
}

TEST(storm_on_the_same_gsi)
{
	storms(_metadata, false, PIN_A);
}

TEST(storm_with_signals)
{
	storms(_metadata, true, PIN_A);
}

/* Each deassign is the last one of its gsi, and ends the resampler. */
TEST(storm_on_another_gsi)
{
	storms(_metadata, true, PIN_B);
}

TEST_HARNESS_MAIN
