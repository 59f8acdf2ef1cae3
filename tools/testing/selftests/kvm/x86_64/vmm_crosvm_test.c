// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds as crosvm assigns them, for virtio-pci 1.0. Each queue that is
 * ready at DRIVER_OK has a notification address, for any length. A reset
 * deassigns them and keeps the eventfds.
 */
#include "eventfd_util.h"
#include "kvm_test_harness.h"

#define QUEUES		5
#define MULTIPLIER	4

FIXTURE(crosvm) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[QUEUES];
	uint32_t ready;
};

FIXTURE_SETUP(crosvm)
{
	int q;

	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	for (q = 0; q < QUEUES; q++)
		self->fd[q] = new_eventfd();
	self->ready = 0;
}

FIXTURE_TEARDOWN(crosvm)
{
	int q;

	for (q = 0; q < QUEUES; q++)
		close(self->fd[q]);
	kvm_vm_free(self->vm);
}

static uint64_t queue_addr(int queue)
{
	return DOOR_GPA + 0x2000 + queue * MULTIPLIER;
}

static void activate(FIXTURE_DATA(crosvm) *self, uint32_t ready)
{
	int q;

	for (q = 0; q < QUEUES; q++)
		if (ready & 1u << q)
			door_assign(self->vm, self->fd[q], queue_addr(q), 0, 0, 0);
	self->ready = ready;
}

static void reset(FIXTURE_DATA(crosvm) *self)
{
	int q;

	for (q = 0; q < QUEUES; q++)
		if (self->ready & 1u << q)
			door_deassign(self->vm, self->fd[q], queue_addr(q), 0, 0, 0);
	self->ready = 0;
}

/* Kicks of ready queues signal, for any width; others exit to userspace. */
static void kick_all(struct __test_metadata *_metadata, FIXTURE_DATA(crosvm) *self)
{
	uint32_t size;
	int q, other;

	for (q = 0; q < QUEUES; q++) {
		for (size = 1; size <= 4; size *= 2) {
			bool rings = self->ready & 1u << q;
			struct io_log log;

			EXPECT_EQ(!rings, guest_write(self->vcpu, 0, queue_addr(q),
						      size, q, &log))
				TH_LOG("queue %d size %u ready 0x%x", q, size, self->ready);
			if (!rings) {
				EXPECT_EQ(queue_addr(q), log.exit[0].addr);
				EXPECT_EQ(q, log.exit[0].data);
			}
			for (other = 0; other < QUEUES; other++)
				EXPECT_EQ(rings && other == q,
					  eventfd_take(self->fd[other]));
		}
	}
}

TEST_F(crosvm, every_set_of_ready_queues)
{
	uint32_t ready;

	for (ready = 0; ready < 1u << QUEUES; ready++) {
		activate(self, ready);
		kick_all(_metadata, self);
		reset(self);
	}
	kick_all(_metadata, self);
}

/* A kick with VIRTIO_F_NOTIFICATION_DATA has more than the queue number. */
TEST_F(crosvm, notification_data)
{
	uint32_t next;

	activate(self, 1u << 3);
	for (next = 0; next < 100; next++)
		EXPECT_EQ(0, guest_write(self->vcpu, 0, queue_addr(3), 4,
					 3 | next << 16, NULL));
	EXPECT_EQ(100, eventfd_take(self->fd[3]));
}

/* One eventfd may be registered for ports and for memory. */
TEST_F(crosvm, one_event_on_both_buses)
{
	door_assign(self->vm, self->fd[0], DOOR_PORT, 0, PIO, 0);
	door_assign(self->vm, self->fd[0], queue_addr(0), 0, 0, 0);
	EXPECT_EQ(0, guest_write(self->vcpu, PIO, DOOR_PORT, 1, 7, NULL));
	EXPECT_EQ(0, guest_write(self->vcpu, 0, queue_addr(0), 2, 7, NULL));
	EXPECT_EQ(2, eventfd_take(self->fd[0]));
	door_deassign(self->vm, self->fd[0], DOOR_PORT, 0, PIO, 0);
	EXPECT_EQ(1, guest_write(self->vcpu, PIO, DOOR_PORT, 1, 7, NULL));
	EXPECT_EQ(0, guest_write(self->vcpu, 0, queue_addr(0), 2, 7, NULL));
	EXPECT_EQ(1, eventfd_take(self->fd[0]));
}

TEST_HARNESS_MAIN
