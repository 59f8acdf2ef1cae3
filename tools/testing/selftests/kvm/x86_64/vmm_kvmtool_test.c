// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds as kvmtool assigns them. Each virtio-pci device has its registers
 * twice, as ports and as memory. Each queue has two eventfds, one per bus, with
 * a datamatch of 16 bits.
 */
#include "eventfd_util.h"
#include "kvm_test_harness.h"

#define NOTIFY		0x10
#define QUEUES		8

FIXTURE(kvmtool) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[QUEUES][2];
};

static const struct {
	uint32_t flags;
	uint64_t addr;
} side[2] = {
	{ PIO, DOOR_PORT + NOTIFY },
	{ 0, DOOR_GPA + NOTIFY },
};

static int init_queue(FIXTURE_DATA(kvmtool) *self, int queue)
{
	int s, ret;

	for (s = 0; s < 2; s++) {
		ret = door_ioctl(self->vm, self->fd[queue][s], side[s].addr, 2,
				 side[s].flags | DM, queue);
		if (ret && s)
			door_deassign(self->vm, self->fd[queue][0], side[0].addr,
				      2, side[0].flags | DM, queue);
		if (ret)
			return ret;
	}
	return 0;
}

static void exit_queue(FIXTURE_DATA(kvmtool) *self, int queue)
{
	int s;

	for (s = 1; s >= 0; s--)
		door_deassign(self->vm, self->fd[queue][s], side[s].addr, 2,
			      side[s].flags | DM, queue);
}

FIXTURE_SETUP(kvmtool)
{
	int q, s;

	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	for (q = 0; q < QUEUES; q++) {
		for (s = 0; s < 2; s++)
			self->fd[q][s] = new_eventfd();
		TEST_ASSERT(!init_queue(self, q), "queue %d", q);
	}
}

FIXTURE_TEARDOWN(kvmtool)
{
	int q;

	for (q = 0; q < QUEUES; q++) {
		close(self->fd[q][0]);
		close(self->fd[q][1]);
	}
	kvm_vm_free(self->vm);
}

static void expect_rings(struct __test_metadata *_metadata,
			 FIXTURE_DATA(kvmtool) *self, int queue, int where)
{
	int q, s;

	for (q = 0; q < QUEUES; q++)
		for (s = 0; s < 2; s++)
			EXPECT_EQ(q == queue && s == where,
				  eventfd_take(self->fd[q][s]))
				TH_LOG("queue %d side %d", q, s);
}

TEST_F(kvmtool, both_sides)
{
	int q, s;

	for (q = 0; q < QUEUES; q++) {
		for (s = 0; s < 2; s++) {
			EXPECT_EQ(0, guest_write(self->vcpu, side[s].flags,
						 side[s].addr, 2, q, NULL));
			expect_rings(_metadata, self, q, s);
		}
	}
}

TEST_F(kvmtool, other_values_and_widths_leave)
{
	int s;

	for (s = 0; s < 2; s++) {
		EXPECT_EQ(1, guest_write(self->vcpu, side[s].flags, side[s].addr,
					 2, QUEUES, NULL));
		EXPECT_EQ(1, guest_write(self->vcpu, side[s].flags, side[s].addr,
					 1, 1, NULL));
		EXPECT_EQ(1, guest_write(self->vcpu, side[s].flags, side[s].addr,
					 4, 1, NULL));
		EXPECT_EQ(1, guest_read(self->vcpu, side[s].flags, side[s].addr,
					2, NULL));
	}
	expect_rings(_metadata, self, -1, -1);
}

/* One queue goes and comes back; the others work all the while. */
TEST_F(kvmtool, queue_goes_and_comes)
{
	int q, s;

	for (q = 0; q < QUEUES; q++) {
		exit_queue(self, q);
		for (s = 0; s < 2; s++) {
			EXPECT_EQ(1, guest_write(self->vcpu, side[s].flags,
						 side[s].addr, 2, q, NULL));
			EXPECT_EQ(0, guest_write(self->vcpu, side[s].flags,
						 side[s].addr, 2,
						 (q + 1) % QUEUES, NULL));
			expect_rings(_metadata, self, (q + 1) % QUEUES, s);
		}
		EXPECT_EQ(0, init_queue(self, q));
		for (s = 0; s < 2; s++) {
			EXPECT_EQ(0, guest_write(self->vcpu, side[s].flags,
						 side[s].addr, 2, q, NULL));
			expect_rings(_metadata, self, q, s);
		}
	}
}

/* If the second assign fails, the first one is undone, without a trace. */
TEST_F(kvmtool, second_side_fails)
{
	int fd = new_eventfd();

	exit_queue(self, 4);
	door_assign(self->vm, fd, side[1].addr, 2, side[1].flags | DM, 4);
	EXPECT_EQ(-EEXIST, init_queue(self, 4));
	EXPECT_EQ(1, guest_write(self->vcpu, PIO, side[0].addr, 2, 4, NULL));
	EXPECT_EQ(0, guest_write(self->vcpu, 0, side[1].addr, 2, 4, NULL));
	EXPECT_EQ(1, eventfd_take(fd));
	door_deassign(self->vm, fd, side[1].addr, 2, side[1].flags | DM, 4);
	EXPECT_EQ(0, init_queue(self, 4));
	close(fd);
}

TEST_HARNESS_MAIN
