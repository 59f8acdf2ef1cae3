// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds and interrupts as Cloud Hypervisor uses them. Each queue has a
 * notification address, for any length, which moves with the BAR. Each MSI-X
 * vector has an irqfd. To exchange its eventfd, the new one is assigned before
 * the old one is deassigned.
 */
#include "irqfd_util.h"
#include "kvm_test_harness.h"

#define QUEUES		4
#define MULTIPLIER	4
#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

FIXTURE(queues) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[QUEUES];
};

FIXTURE_SETUP(queues)
{
	int q;

	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	for (q = 0; q < QUEUES; q++) {
		self->fd[q] = new_eventfd();
		door_assign(self->vm, self->fd[q], DOOR_GPA + q * MULTIPLIER, 0, 0, 0);
	}
}

FIXTURE_TEARDOWN(queues)
{
	int q;

	for (q = 0; q < QUEUES; q++)
		close(self->fd[q]);
	kvm_vm_free(self->vm);
}

static void expect_at(struct __test_metadata *_metadata,
		      FIXTURE_DATA(queues) *self, uint64_t bar, bool rings)
{
	uint32_t size;
	int q;

	for (q = 0; q < QUEUES; q++) {
		for (size = 2; size <= 4; size += 2) {
			EXPECT_EQ(!rings, guest_write(self->vcpu, 0,
						      bar + q * MULTIPLIER, size,
						      q, NULL))
				TH_LOG("0x%lx queue %d size %u", bar, q, size);
			EXPECT_EQ(rings, eventfd_take(self->fd[q]));
		}
	}
}

static void move_bar(FIXTURE_DATA(queues) *self, uint64_t from, uint64_t to)
{
	int q;

	for (q = 0; q < QUEUES; q++)
		door_deassign(self->vm, self->fd[q], from + q * MULTIPLIER, 0, 0, 0);
	for (q = 0; q < QUEUES; q++)
		door_assign(self->vm, self->fd[q], to + q * MULTIPLIER, 0, 0, 0);
}

TEST_F(queues, bar_moves)
{
	uint64_t bar = DOOR_GPA;
	int i;

	expect_at(_metadata, self, bar, true);
	for (i = 1; i < 30; i++) {
		/* Old and new addresses may overlap. */
		uint64_t to = DOOR_GPA + i % 3 * 0x1000 + i % 5 * MULTIPLIER;

		if (to == bar)
			continue;
		move_bar(self, bar, to);
		expect_at(_metadata, self, to, true);
		if (to >= bar + QUEUES * MULTIPLIER || bar >= to + QUEUES * MULTIPLIER)
			expect_at(_metadata, self, bar, false);
		bar = to;
	}
}

FIXTURE(vector) {
	struct quiet_vm q;
	struct kvm_vm *vm;
	int fd, fd2;
};

FIXTURE_VARIANT(vector) {
	bool split;
};

FIXTURE_VARIANT_ADD(vector, full) {
	.split = false,
};

FIXTURE_VARIANT_ADD(vector, split) {
	.split = true,
};

FIXTURE_SETUP(vector)
{
	self->q = quiet_vm_create(variant->split);
	self->vm = self->q.vm;
	self->fd = new_eventfd();
	self->fd2 = new_eventfd();
	route_msi(self->vm, MSI_GSI, VEC_A);
	TEST_ASSERT(!irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0), "irqfd");
}

FIXTURE_TEARDOWN(vector)
{
	quiet_vm_free(&self->q);
	close(self->fd);
	close(self->fd2);
}

/* While both are bound, both interrupt; the exchange loses no event. */
TEST_F(vector, new_before_old_goes)
{
	int i;

	for (i = 0; i < 20; i++) {
		int old = i % 2 ? self->fd2 : self->fd;
		int new = i % 2 ? self->fd : self->fd2;

		ASSERT_EQ(0, irqfd_ioctl(self->vm, new, MSI_GSI, 0, 0));
		eventfd_ring(old, 1);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
		eventfd_ring(new, 1);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
		ASSERT_EQ(0, irqfd_ioctl(self->vm, old, MSI_GSI, IRQFD_DEASSIGN, 0));
		eventfd_ring(new, 1);
		EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
		eventfd_ring(old, 1);
		EXPECT_TRUE(quiet_never(&self->q, VEC_A));
		EXPECT_EQ(1, eventfd_take(old));
	}
}

/* The new eventfd may have been signalled before it is bound. */
TEST_F(vector, new_has_an_event)
{
	eventfd_ring(self->fd2, 3);
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd2, MSI_GSI, 0, 0));
	EXPECT_TRUE(quiet_wait(&self->q, VEC_A));
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));
}

/*
 * Both follow the route when the guest rewrites the vector's address and data.
 */
TEST_F(vector, reroute_between)
{
	ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd2, MSI_GSI, 0, 0));
	route_msi(self->vm, MSI_GSI, VEC_B);
	eventfd_ring(self->fd, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_B));
	eventfd_ring(self->fd2, 1);
	EXPECT_TRUE(quiet_wait(&self->q, VEC_B));
	EXPECT_TRUE(quiet_never(&self->q, VEC_A));
}

/* A masked vector has no route and no irqfd; unmasking restores both. */
TEST_F(vector, mask_and_unmask)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, IRQFD_DEASSIGN, 0));
		route_nothing(self->vm);
		eventfd_ring(self->fd, 1);
		route_msi(self->vm, MSI_GSI, i % 2 ? VEC_A : VEC_B);
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
		/*
		 * An event from the time in between is pending, and interrupts
		 * now.
		 */
		EXPECT_TRUE(quiet_wait(&self->q, i % 2 ? VEC_A : VEC_B));
	}
}

TEST_HARNESS_MAIN
