// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds and irqfds as four VMMs assign them. The variants of the first
 * fixture are the layouts of the VMMs' notification addresses. Each case runs on
 * each layout. The second fixture exchanges the irqfd of an MSI-X vector.
 */
#include "irqfd_util.h"
#include "kvm_test_harness.h"

#define MAX_DOORS	(4 * 64)
#define PAGES		8
#define READY_QUEUES	5
#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

struct door {
	uint32_t flags;
	uint32_t len;
	uint64_t addr;
	uint64_t data;
	int fd;
	bool on;
};

FIXTURE(layout) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	/* Of each queue its doors on all buses, one after the other. */
	struct door door[MAX_DOORS];
	int nr, buses;
};

FIXTURE_VARIANT(layout) {
	int devices;
	int queues;
	/* Without a port there are ioeventfds in memory only. */
	uint64_t port;
	uint64_t addr;
	uint64_t device_step;
	uint64_t queue_step;
	/* 0 for any length. */
	uint32_t len;
	/* With DM the datamatch is the number of the queue. */
	uint32_t flags;
};

/* virtio-mmio, one page for each device, 32-bit values on one register. */
FIXTURE_VARIANT_ADD(layout, firecracker) {
	.devices = 4, .queues = 3,
	.addr = DOOR_GPA + 0x50, .device_step = 0x1000, .len = 4, .flags = DM,
};

FIXTURE_VARIANT_ADD(layout, firecracker_many_queues) {
	.devices = 4, .queues = 64,
	.addr = DOOR_GPA + 0x50, .device_step = 0x1000, .len = 4, .flags = DM,
};

/* virtio-pci 1.0, a notification address for each queue. */
FIXTURE_VARIANT_ADD(layout, crosvm) {
	.devices = 1, .queues = 5, .addr = DOOR_GPA + 0x2000, .queue_step = 4,
};

FIXTURE_VARIANT_ADD(layout, cloud_hypervisor) {
	.devices = 1, .queues = 4, .addr = DOOR_GPA, .queue_step = 4,
};

/* The registers twice, as ports and as memory, with 16-bit values. */
FIXTURE_VARIANT_ADD(layout, kvmtool) {
	.devices = 1, .queues = 8,
	.port = DOOR_PORT + 0x10, .addr = DOOR_GPA + 0x10, .len = 2, .flags = DM,
};

static void door_off(FIXTURE_DATA(layout) *self, struct door *d)
{
	door_deassign(self->vm, d->fd, d->addr, d->len, d->flags, d->data);
	d->on = false;
}

/* Assigns the doors of a queue, in all or in none of its buses. */
static int queue_on(FIXTURE_DATA(layout) *self, int first)
{
	int i, ret;

	for (i = first; i < first + self->buses; i++) {
		struct door *d = &self->door[i];

		ret = door_ioctl(self->vm, d->fd, d->addr, d->len, d->flags,
				 d->data);
		d->on = !ret;
		if (ret) {
			while (--i >= first)
				door_off(self, &self->door[i]);
			return ret;
		}
	}
	return 0;
}

static void queue_off(FIXTURE_DATA(layout) *self, int first)
{
	int i;

	for (i = first + self->buses - 1; i >= first; i--)
		door_off(self, &self->door[i]);
}

FIXTURE_SETUP(layout)
{
	int d, q, i;

	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	virt_map(self->vm, DOOR_GPA, DOOR_GPA, PAGES);
	self->buses = variant->port ? 2 : 1;
	self->nr = 0;
	for (d = 0; d < variant->devices; d++) {
		for (q = 0; q < variant->queues; q++) {
			uint64_t off = d * variant->device_step +
				       q * variant->queue_step;

			for (i = self->buses - 1; i >= 0; i--) {
				self->door[self->nr++] = (struct door) {
					.flags = variant->flags | (i ? PIO : 0),
					.addr = (i ? variant->port : variant->addr) + off,
					.len = variant->len,
					.data = variant->flags & DM ? q : 0,
					.fd = new_eventfd(),
				};
			}
			TEST_ASSERT(!queue_on(self, self->nr - self->buses),
				    "device %d queue %d", d, q);
		}
	}
}

FIXTURE_TEARDOWN(layout)
{
	int i;

	kvm_vm_free(self->vm);
	for (i = 0; i < self->nr; i++)
		close(self->door[i].fd);
}

/*
 * Writes, and returns the door that is hit, or -1. A hit signals this door and
 * no other one. Without a hit the write exits to userspace as it is.
 */
static int kick(struct __test_metadata *_metadata, FIXTURE_DATA(layout) *self,
		uint32_t bus, uint64_t addr, uint32_t size, uint64_t val)
{
	struct io_log log;
	int i, hit = -1;

	for (i = 0; i < self->nr; i++) {
		struct door *d = &self->door[i];

		if (d->on && (d->flags & PIO) == bus && d->addr == addr &&
		    (!d->len || d->len == size) &&
		    (!(d->flags & DM) || d->data == val))
			hit = i;
	}
	EXPECT_EQ(hit < 0, guest_write(self->vcpu, bus, addr, size, val, &log))
		TH_LOG("0x%lx size %u value 0x%lx", addr, size, val);
	if (hit < 0 && log.nr == 1) {
		EXPECT_EQ(addr, log.exit[0].addr);
		EXPECT_EQ(size, log.exit[0].len);
		EXPECT_EQ(val, log.exit[0].data);
	}
	for (i = 0; i < self->nr; i++)
		EXPECT_EQ(i == hit, eventfd_take(self->door[i].fd))
			TH_LOG("0x%lx value 0x%lx, door %d", addr, val, i);
	return hit;
}

/* The write of the driver, of @size bytes, on door @i, with the value @val. */
#define KICK(i, size, val)						\
	kick(_metadata, self, self->door[i].flags & PIO,		\
	     self->door[i].addr, size, val)

/* The width that the driver uses. */
#define WIDTH(i)	(self->door[i].len ?: 2)

/* Each queue is signalled by its address and value, and by its own width. */
TEST_F(layout, each_queue)
{
	uint32_t size;
	int i;

	for (i = 0; i < self->nr; i++) {
		uint64_t queue = i / self->buses % variant->queues;
		bool pio = self->door[i].flags & PIO;

		for (size = 1; size <= (pio ? 4 : 8); size *= 2)
			EXPECT_EQ(!variant->len || variant->len == size ? i : -1,
				  KICK(i, size, queue));
		if (self->door[i].len || pio || !fast_mmio())
			EXPECT_EQ(1, guest_read(self->vcpu, pio ? PIO : 0,
						self->door[i].addr, WIDTH(i), NULL));
	}
}

TEST_F(layout, no_such_queue)
{
	const uint64_t values[] = {
		variant->queues, 0xff, 0xffff, 0x10000, 0xffffffff,
	};
	int i, v;

	for (i = 0; i < self->nr; i++) {
		for (v = 0; v < ARRAY_SIZE(values); v++) {
			uint32_t size = variant->len ?: 4;

			if (values[v] > size_mask(size))
				continue;
			EXPECT_EQ(variant->flags & DM ? -1 : i,
				  KICK(i, size, values[v]));
		}
	}
}

/* A kick with VIRTIO_F_NOTIFICATION_DATA has more than the queue number. */
TEST_F(layout, notification_data)
{
	int last = self->nr - 1;
	uint32_t next;

	for (next = 1; next <= 100; next++)
		EXPECT_EQ(variant->flags & DM ? -1 : last,
			  KICK(last, 4, self->door[last].data | next << 16));
}

/* Accesses to the registers around it go to the VMM. */
TEST_F(layout, other_registers)
{
	uint64_t page = variant->addr & ~0xfffull;
	uint32_t off;

	for (off = 0; off < 0x100; off += 4) {
		bool door = variant->queue_step ?
			    off < variant->queues * variant->queue_step :
			    page + off == variant->addr && variant->len == 4;

		EXPECT_EQ(door, kick(_metadata, self, 0, page + off, 4, 1) >= 0)
			TH_LOG("offset 0x%x", off);
		if (door && !variant->len && fast_mmio())
			continue;
		EXPECT_EQ(1, guest_read(self->vcpu, 0, page + off, 4, NULL))
			TH_LOG("offset 0x%x", off);
	}
	for (off = 0; off < self->nr; off++)
		EXPECT_EQ(0, eventfd_take(self->door[off].fd));
}

/* One queue goes and comes back; the next one works all the while. */
TEST_F(layout, queue_goes_and_comes)
{
	int q, i;

	for (q = 0; q < self->nr; q += self->buses) {
		queue_off(self, q);
		for (i = q; i < q + self->buses; i++) {
			int next = (i + self->buses) % self->nr;

			EXPECT_EQ(-1, KICK(i, WIDTH(i), self->door[i].data));
			EXPECT_EQ(next, KICK(next, WIDTH(next),
					     self->door[next].data));
		}
		EXPECT_EQ(0, queue_on(self, q));
		for (i = q; i < q + self->buses; i++)
			EXPECT_EQ(i, KICK(i, WIDTH(i), self->door[i].data));
	}
}

/* A reset deassigns the queues that were ready and keeps the eventfds. */
TEST_F(layout, every_set_of_ready_queues)
{
	int nr = min(self->nr, READY_QUEUES * self->buses), i;
	uint32_t ready, size;

	for (i = 0; i < self->nr; i += self->buses)
		queue_off(self, i);
	for (ready = 0; ready < 1u << nr / self->buses; ready++) {
		for (i = 0; i < nr; i += self->buses) {
			if (ready >> i / self->buses & 1)
				ASSERT_EQ(0, queue_on(self, i));
		}
		for (i = 0; i < nr; i++) {
			bool on = ready >> i / self->buses & 1;

			for (size = 1; size <= 4; size *= 2) {
				if (variant->len && variant->len != size)
					continue;
				EXPECT_EQ(on ? i : -1,
					  KICK(i, size, self->door[i].data));
			}
		}
		for (i = 0; i < nr; i += self->buses) {
			if (ready >> i / self->buses & 1)
				queue_off(self, i);
		}
	}
	for (i = 0; i < self->nr; i++)
		EXPECT_EQ(-1, KICK(i, WIDTH(i), self->door[i].data));
}

/* The BAR moves, also to an address that overlaps the old one. */
TEST_F(layout, bar_moves)
{
	static uint64_t old[MAX_DOORS];
	struct door *d;
	int move, i;

	for (move = 1; move < 30; move++) {
		for (i = 0; i < self->nr; i += self->buses)
			queue_off(self, i);
		for (i = 0; i < self->nr; i++) {
			d = &self->door[i];
			old[i] = d->addr;
			d->addr += (move % 5 - (move - 1) % 5) * 4;
			if (!(d->flags & PIO))
				d->addr += (move % 3 - (move - 1) % 3) * 0x1000;
		}
		for (i = 0; i < self->nr; i += self->buses)
			ASSERT_EQ(0, queue_on(self, i));
		for (i = 0; i < self->nr; i++) {
			d = &self->door[i];
			EXPECT_EQ(i, KICK(i, WIDTH(i), d->data));
			kick(_metadata, self, d->flags & PIO, old[i], WIDTH(i),
			     d->data);
		}
	}
}

/* If an assign of a queue fails, those before it are undone, without a trace. */
TEST_F(layout, last_bus_fails)
{
	int first = self->nr / 2 / self->buses * self->buses;
	int last = first + self->buses - 1, fd = new_eventfd(), i;
	struct door *d = &self->door[last];

	queue_off(self, first);
	door_assign(self->vm, fd, d->addr, d->len, d->flags, d->data);
	EXPECT_EQ(-EEXIST, queue_on(self, first));
	for (i = first; i < last; i++)
		EXPECT_EQ(-1, KICK(i, WIDTH(i), self->door[i].data));
	EXPECT_EQ(0, guest_write(self->vcpu, d->flags & PIO, d->addr,
				 WIDTH(last), d->data, NULL));
	EXPECT_EQ(1, eventfd_take(fd));
	door_deassign(self->vm, fd, d->addr, d->len, d->flags, d->data);
	EXPECT_EQ(0, queue_on(self, first));
	for (i = first; i <= last; i++)
		EXPECT_EQ(i, KICK(i, WIDTH(i), self->door[i].data));
	close(fd);
}

/* After the VMM has closed the eventfd, the ioeventfd still takes kicks. */
TEST_F(layout, closed_by_vmm)
{
	struct door *d = &self->door[self->nr - 1];
	int copy = dup(d->fd);

	close(d->fd);
	EXPECT_EQ(0, guest_write(self->vcpu, d->flags & PIO, d->addr,
				 WIDTH(self->nr - 1), d->data, NULL));
	d->fd = copy;
	EXPECT_EQ(1, eventfd_take(copy));
}

/* One eventfd may be registered for ports and for memory. */
TEST_F(layout, one_event_on_both_buses)
{
	int last = self->nr - 1, fd = self->door[last].fd;
	struct door *d = &self->door[last];

	door_assign(self->vm, fd, DOOR_PORT, 0, PIO, 0);
	EXPECT_EQ(0, guest_write(self->vcpu, PIO, DOOR_PORT, 1, 7, NULL));
	EXPECT_EQ(0, guest_write(self->vcpu, 0, d->addr, WIDTH(last), d->data, NULL));
	EXPECT_EQ(2, eventfd_take(fd));
	door_deassign(self->vm, fd, DOOR_PORT, 0, PIO, 0);
	EXPECT_EQ(-1, kick(_metadata, self, PIO, DOOR_PORT, 1, 7));
	EXPECT_EQ(last, KICK(last, WIDTH(last), d->data));
}

/*
 * Cloud Hypervisor has an irqfd for each MSI-X vector. To exchange its eventfd,
 * the new one is assigned before the old one is deassigned.
 */
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
