// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds as Firecracker assigns them: virtio-mmio devices one page apart,
 * and on the one notification register of each a 32-bit datamatch per queue.
 */
#include "eventfd_util.h"
#include "kvm_test_harness.h"

#define NOTIFY		0x50
#define DEVICES		DOOR_PAGES
#define QUEUES		3
#define MANY_QUEUES	64

FIXTURE(firecracker) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[DEVICES][MANY_QUEUES];
	int queues;
};

static uint64_t notify_register(int device)
{
	return DOOR_GPA + device * 0x1000 + NOTIFY;
}

static void add_queues(FIXTURE_DATA(firecracker) *self, int until)
{
	int d, q;

	for (d = 0; d < DEVICES; d++) {
		for (q = self->queues; q < until; q++) {
			self->fd[d][q] = new_eventfd();
			door_assign(self->vm, self->fd[d][q],
				    notify_register(d), 4, DM, q);
		}
	}
	self->queues = until;
}

FIXTURE_SETUP(firecracker)
{
	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	add_queues(self, QUEUES);
}

FIXTURE_TEARDOWN(firecracker)
{
	int d, q;

	kvm_vm_free(self->vm);
	for (d = 0; d < DEVICES; d++)
		for (q = 0; q < self->queues; q++)
			close(self->fd[d][q]);
}

/* The number of signals of all queues but one, since the last call. */
static uint64_t rings_elsewhere(FIXTURE_DATA(firecracker) *self, int device,
				int queue)
{
	uint64_t n = 0;
	int d, q;

	for (d = 0; d < DEVICES; d++)
		for (q = 0; q < self->queues; q++)
			if (d != device || q != queue)
				n += eventfd_take(self->fd[d][q]);
	return n;
}

static void kick_each(struct __test_metadata *_metadata,
		      FIXTURE_DATA(firecracker) *self)
{
	int d, q;

	for (d = 0; d < DEVICES; d++) {
		for (q = 0; q < self->queues; q++) {
			EXPECT_EQ(0, guest_write(self->vcpu, 0, notify_register(d),
						 4, q, NULL))
				TH_LOG("device %d queue %d", d, q);
			EXPECT_EQ(1, eventfd_take(self->fd[d][q]));
			EXPECT_EQ(0, rings_elsewhere(self, d, q));
		}
	}
}

TEST_F(firecracker, queue_by_value)
{
	kick_each(_metadata, self);
}

TEST_F(firecracker, many_queues)
{
	add_queues(self, MANY_QUEUES);
	kick_each(_metadata, self);
}

/* The driver writes 32 bits; other writes go to the VMM. */
TEST_F(firecracker, other_widths_leave)
{
	struct io_log log;
	uint32_t size;

	for (size = 1; size <= 8; size *= 2) {
		if (size == 4)
			continue;
		EXPECT_EQ(1, guest_write(self->vcpu, 0, notify_register(1), size,
					 2, &log))
			TH_LOG("%u bytes", size);
		EXPECT_EQ(size, log.exit[0].len);
		EXPECT_EQ(2, log.exit[0].data);
	}
	EXPECT_EQ(0, rings_elsewhere(self, -1, -1));
}

TEST_F(firecracker, no_such_queue_leaves)
{
	static const uint32_t values[] = { QUEUES, 0xffff, 0x10000, 0xffffffff };
	struct io_log log;
	int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(1, guest_write(self->vcpu, 0, notify_register(0), 4,
					 values[i], &log));
		EXPECT_EQ(notify_register(0), log.exit[0].addr);
		EXPECT_EQ(values[i], log.exit[0].data);
	}
	EXPECT_EQ(0, rings_elsewhere(self, -1, -1));
}

/* Accesses to the registers around it go to the VMM. */
TEST_F(firecracker, other_registers_leave)
{
	uint64_t page = DOOR_GPA + 0x1000;
	int off;

	for (off = 0; off < 0x100; off += 4) {
		bool is_door = off == NOTIFY;

		EXPECT_EQ(!is_door, guest_write(self->vcpu, 0, page + off, 4, 1, NULL))
			TH_LOG("offset 0x%x", off);
		EXPECT_EQ(1, guest_read(self->vcpu, 0, page + off, 4, NULL))
			TH_LOG("offset 0x%x", off);
	}
	EXPECT_EQ(1, eventfd_take(self->fd[1][1]));
	EXPECT_EQ(0, rings_elsewhere(self, -1, -1));
}

/* After the VMM has closed the eventfd, the ioeventfd still takes kicks. */
TEST_F(firecracker, closed_by_vmm)
{
	int copy = dup(self->fd[2][0]);

	close(self->fd[2][0]);
	EXPECT_EQ(0, guest_write(self->vcpu, 0, notify_register(2), 4, 0, NULL));
	self->fd[2][0] = copy;
	EXPECT_EQ(1, eventfd_take(copy));
}

TEST_HARNESS_MAIN
