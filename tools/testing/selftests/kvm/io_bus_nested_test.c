// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested ranges on the I/O bus: ioeventfds in coalesced zones, zones in zones,
 * and both on devices of the in-kernel irqchip. Every write has exactly one
 * taker: first an ioeventfd at its address, then the narrowest range that holds
 * all of it, then userspace.
 */
#include <pthread.h>

#include "eventfd_util.h"

enum taker {
	USER,
	ZONE,
	DOOR,
	DEVICE,
};

static const char *const taker_name[] = { "userspace", "zone", "ioeventfd", "device" };

FIXTURE(bus) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_coalesced_mmio_ring *ring;
	int fd;
};

static struct kvm_coalesced_mmio_ring *ring_of(struct kvm_vcpu *vcpu)
{
	return (void *)vcpu->run +
	       kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();
}

static uint32_t ring_max(void)
{
	return (getpagesize() - sizeof(struct kvm_coalesced_mmio_ring)) /
	       sizeof(struct kvm_coalesced_mmio);
}

FIXTURE_SETUP(bus)
{
	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	self->ring = ring_of(self->vcpu);
	self->fd = new_eventfd();
}

FIXTURE_TEARDOWN(bus)
{
	kvm_vm_free(self->vm);
	close(self->fd);
}

static int zone_ioctl(struct kvm_vm *vm, unsigned long cmd, uint64_t addr,
		      uint32_t size, uint32_t bus)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = addr, .size = size, .pio = !!(bus & PIO),
	};

	return ioctl(vm->fd, cmd, &zone) ? -errno : 0;
}

static int zone_add(struct kvm_vm *vm, uint64_t addr, uint32_t size, uint32_t bus)
{
	return zone_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, bus);
}

/* Unregisters every zone that holds all of [addr, addr + size). */
static int zone_del(struct kvm_vm *vm, uint64_t addr, uint32_t size, uint32_t bus)
{
	return zone_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, addr, size, bus);
}

/*
 * Lets the guest write; returns the only taker, which must have the right data.
 */
static enum taker __taker_of(struct kvm_vcpu *vcpu, int fd, uint32_t bus,
			     uint64_t addr, uint32_t size, uint64_t val)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	struct kvm_coalesced_mmio *e = ring->coalesced_mmio;
	enum taker got = DEVICE;
	struct io_log log;
	uint64_t data = 0;

	val &= size_mask(size);
	ring->first = 0;
	ring->last = 0;
	guest_write(vcpu, bus, addr, size, val, &log);
	if (log.nr) {
		TEST_ASSERT(log.nr == 1 && log.exit[0].write && log.exit[0].addr == addr &&
			    log.exit[0].len == size && log.exit[0].data == val &&
			    log.exit[0].pio == !!(bus & PIO), "another exit than the write");
		got = USER;
	}
	if (ring->last != ring->first) {
		memcpy(&data, e->data, size);
		TEST_ASSERT(ring->last == 1 && e->phys_addr == addr && e->len == size &&
			    e->pio == !!(bus & PIO) && data == val,
			    "another entry in the ring than the write");
		TEST_ASSERT(got == DEVICE, "taken by userspace and by a zone");
		got = ZONE;
	}
	data = eventfd_take(fd);
	if (data) {
		TEST_ASSERT(data == 1, "one write rang %lu times", data);
		TEST_ASSERT(got == DEVICE, "taken by %s and by an ioeventfd", taker_name[got]);
		got = DOOR;
	}
	return got;
}

#define taker_of(bus, addr, size, val)	\
	__taker_of(self->vcpu, self->fd, bus, addr, size, val)

/* Print only the first few wrong takers. */
static int nr_wrong;

#define EXPECT_TAKER(should, bus, addr, size, val) do {			\
	enum taker __got = taker_of(bus, addr, size, val), __want = (should);	\
	bool __wrong = __got != __want;					\
									\
	if (!__wrong || nr_wrong++ >= 6) {				\
		if (__wrong)						\
			_metadata->exit_code = KSFT_FAIL;		\
		break;							\
	}								\
	EXPECT_EQ(__want, __got)					\
		TH_LOG("%s 0x%lx size %u went to %s, not to %s",	\
		       (bus) & PIO ? "port" : "address",		\
		       (unsigned long)(addr), (unsigned int)(size),	\
		       taker_name[__got], taker_name[__want]);		\
} while (0)

#define for_each_guest_bus(bus)						\
	for (bus = 0; bus <= (HAVE_PIO ? PIO : 0); bus += PIO)

static uint64_t base_of(uint32_t bus)
{
	return bus & PIO ? DOOR_PORT : DOOR_GPA + 0x400;
}

/* With one ioeventfd in the middle of a zone, in either order. */
static void ioeventfd_in_zone(struct __test_metadata *_metadata,
			      struct _test_data_bus *self, bool zone_first)
{
	uint32_t bus, off;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		if (zone_first)
			ASSERT_EQ(0, zone_add(self->vm, at, 0x100, bus));
		door_assign(self->vm, self->fd, at + 0x40, 4, bus, 0);
		door_assign(self->vm, self->fd, at + 0x80, 2, bus | DM, 7);
		if (!zone_first)
			ASSERT_EQ(0, zone_add(self->vm, at, 0x100, bus));

		EXPECT_TAKER(USER, bus, at - 4, 4, 1);
		for (off = 0; off < 0x100; off += 4)
			EXPECT_TAKER(off == 0x40 ? DOOR : ZONE, bus, at + off, 4, 1);
		for (off = 0; off < 0x100; off += 2)
			EXPECT_TAKER(off == 0x80 ? DOOR : ZONE, bus, at + off, 2, 7);
		EXPECT_TAKER(ZONE, bus, at + 0x80, 2, 8);
		EXPECT_TAKER(ZONE, bus, at + 0x40, 1, 1);
		EXPECT_TAKER(ZONE, bus, at + 0x41, 1, 1);
		EXPECT_TAKER(USER, bus, at + 0x100, 4, 1);

		/* Without the ioeventfds, the zone takes all writes. */
		door_deassign(self->vm, self->fd, at + 0x40, 4, bus, 0);
		EXPECT_TAKER(ZONE, bus, at + 0x40, 4, 1);
		EXPECT_TAKER(DOOR, bus, at + 0x80, 2, 7);
		/* Without the zone, there are only the ioeventfds. */
		EXPECT_EQ(0, zone_del(self->vm, at, 0x100, bus));
		EXPECT_TAKER(DOOR, bus, at + 0x80, 2, 7);
		EXPECT_TAKER(USER, bus, at + 0x40, 4, 1);
		door_deassign(self->vm, self->fd, at + 0x80, 2, bus | DM, 7);
		EXPECT_TAKER(USER, bus, at + 0x80, 2, 7);
	}
}

TEST_F(bus, ioeventfd_into_zone)
{
	ioeventfd_in_zone(_metadata, self, true);
}

TEST_F(bus, zone_around_ioeventfd)
{
	ioeventfd_in_zone(_metadata, self, false);
}

TEST_F(bus, any_length_ioeventfd_in_zone)
{
	uint32_t bus, off, size;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		ASSERT_EQ(0, zone_add(self->vm, at, 0x80, bus));
		door_assign(self->vm, self->fd, at + 0x20, 0, bus, 0);
		for (size = 1; size <= 4; size *= 2)
			for (off = 0; off < 0x80; off += size)
				EXPECT_TAKER(off == 0x20 ? DOOR : ZONE, bus, at + off, size, 1);
		EXPECT_EQ(0, zone_del(self->vm, at, 0x80, bus));
		EXPECT_TAKER(DOOR, bus, at + 0x20, 4, 1);
	}
}

/* At the first and the last byte of a zone, and of the same size. */
TEST_F(bus, ioeventfd_at_the_edges)
{
	uint32_t bus, off;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		ASSERT_EQ(0, zone_add(self->vm, at, 16, bus));
		door_assign(self->vm, self->fd, at, 1, bus, 0);
		door_assign(self->vm, self->fd, at + 15, 1, bus, 0);
		ASSERT_EQ(0, zone_add(self->vm, at + 32, 4, bus));
		door_assign(self->vm, self->fd, at + 32, 4, bus, 0);
		for (off = 0; off < 16; off++)
			EXPECT_TAKER(off == 0 || off == 15 ? DOOR : ZONE, bus, at + off, 1, 1);
		EXPECT_TAKER(ZONE, bus, at, 4, 1);
		EXPECT_TAKER(DOOR, bus, at + 32, 4, 1);
		EXPECT_TAKER(ZONE, bus, at + 32, 2, 1);
		EXPECT_TAKER(ZONE, bus, at + 34, 2, 1);
	}
}

TEST_F(bus, zones_in_zones)
{
	static const struct { uint32_t off, size; } zones[] = {
		{ 0x140, 0x10 }, { 0, 0x400 }, { 0x100, 0x100 }, { 0x148, 4 },
		{ 0x300, 0x80 }, { 0x100, 4 }, { 0x1fc, 4 },
	};
	uint32_t bus, off;
	int i;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		for (i = 0; i < ARRAY_SIZE(zones); i++)
			ASSERT_EQ(0, zone_add(self->vm, at + zones[i].off, zones[i].size, bus));
		for (off = 0; off < 0x400; off += 4)
			EXPECT_TAKER(ZONE, bus, at + off, 4, 1);
		EXPECT_TAKER(USER, bus, at + 0x400, 4, 1);

		/* The outermost only: nothing else holds all of its range. */
		EXPECT_EQ(0, zone_del(self->vm, at, 0x400, bus));
		for (off = 0; off < 0x400; off += 4) {
			EXPECT_TAKER((off >= 0x100 && off < 0x200) ||
				     (off >= 0x300 && off < 0x380) ?
				     ZONE : USER, bus, at + off, 4, 1);
		}
	}
}

TEST_F(bus, partial_overlap)
{
	uint32_t bus;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		ASSERT_EQ(0, zone_add(self->vm, at, 6, bus));
		ASSERT_EQ(0, zone_add(self->vm, at + 16, 4, bus));
		ASSERT_EQ(0, zone_add(self->vm, at + 20, 4, bus));
		EXPECT_TAKER(ZONE, bus, at, 4, 1);
		EXPECT_TAKER(ZONE, bus, at + 4, 2, 1);
		EXPECT_TAKER(USER, bus, at + 4, 4, 1);
		EXPECT_TAKER(ZONE, bus, at + 16, 4, 1);
		EXPECT_TAKER(ZONE, bus, at + 20, 4, 1);
		if (!bus)
			EXPECT_TAKER(USER, bus, at + 16, 8, 1);
#ifdef __x86_64__
		EXPECT_TAKER(USER, bus, at - 2, 4, 1);
		EXPECT_TAKER(USER, bus, at + 18, 4, 1);
		EXPECT_TAKER(ZONE, bus, at + 2, 4, 1);
		EXPECT_TAKER(USER, bus, at + 3, 4, 1);
#endif
	}
}

/* An empty zone holds no access, and has no effect on others. */
TEST_F(bus, empty_zone)
{
	uint32_t bus;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		zone_add(self->vm, at, 0, bus);
		EXPECT_TAKER(USER, bus, at, 4, 1);
		door_assign(self->vm, self->fd, at, 4, bus, 0);
		EXPECT_TAKER(DOOR, bus, at, 4, 1);
		ASSERT_EQ(0, zone_add(self->vm, at - 8, 32, bus));
		EXPECT_TAKER(DOOR, bus, at, 4, 1);
		EXPECT_TAKER(ZONE, bus, at - 8, 4, 1);
		EXPECT_TAKER(ZONE, bus, at + 4, 4, 1);
	}
}

/* No taker on the bus accepts reads here. */
TEST_F(bus, reads)
{
	struct io_log log;
	uint32_t bus;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		ASSERT_EQ(0, zone_add(self->vm, at, 0x100, bus));
		door_assign(self->vm, self->fd, at + 8, 4, bus, 0);
		self->ring->first = 0;
		self->ring->last = 0;
		EXPECT_EQ(1, guest_read(self->vcpu, bus, at + 8, 4, &log));
		EXPECT_EQ(1, guest_read(self->vcpu, bus, at + 16, 4, &log));
		EXPECT_EQ(0, self->ring->last);
		EXPECT_EQ(0, eventfd_take(self->fd));
	}
}

/* Random zones and ioeventfds, compared with a model of the rule. */
struct range {
	uint32_t off, size;
};

struct layout {
	struct range zone[8], door[12];
	int nr_zones, nr_doors;
};

static enum taker want(const struct layout *l, uint32_t off, uint32_t size)
{
	int i;

	for (i = 0; i < l->nr_doors; i++)
		if (off == l->door[i].off && (!l->door[i].size || l->door[i].size == size))
			return DOOR;
	for (i = 0; i < l->nr_zones; i++)
		if (off >= l->zone[i].off && off + size <= l->zone[i].off + l->zone[i].size)
			return ZONE;
	return USER;
}

static void one_layout(struct __test_metadata *_metadata, struct _test_data_bus *self,
		       uint32_t bus, unsigned int *seed)
{
	struct layout l = { };
	uint64_t at = base_of(bus);
	uint32_t off, size;
	int i;

	for (i = 0; i < 20; i++) {
		struct range r = {
			.off = rand_r(seed) % 56,
			.size = 1u << rand_r(seed) % (bus ? 3 : 4),
		};

		if (rand_r(seed) % 3 == 0 && l.nr_zones < ARRAY_SIZE(l.zone)) {
			r.size = 1 + rand_r(seed) % (64 - r.off);
			ASSERT_EQ(0, zone_add(self->vm, at + r.off, r.size, bus));
			l.zone[l.nr_zones++] = r;
		} else if (l.nr_doors < ARRAY_SIZE(l.door)) {
			int ret;

			if (rand_r(seed) % 4 == 0)
				r.size = 0;
			ret = door_ioctl(self->vm, self->fd, at + r.off, r.size, bus, 0);
			ASSERT_TRUE(!ret || ret == -EEXIST);
			if (!ret)
				l.door[l.nr_doors++] = r;
		}
		/* Remove some of them. */
		if (l.nr_doors && rand_r(seed) % 5 == 0) {
			struct range *out = &l.door[rand_r(seed) % l.nr_doors];

			door_deassign(self->vm, self->fd, at + out->off, out->size, bus, 0);
			*out = l.door[--l.nr_doors];
		}
	}
	for (size = 1; size <= (bus ? 4 : 8); size *= 2) {
		for (off = 0; off < 64; off += HAVE_PIO ? 1 : size)
			EXPECT_TAKER(want(&l, off, size), bus, at + off, size, off);
	}
	for (i = 0; i < l.nr_doors; i++)
		door_deassign(self->vm, self->fd, at + l.door[i].off, l.door[i].size, bus, 0);
	for (i = 0; i < l.nr_zones; i++)
		EXPECT_EQ(0, zone_del(self->vm, at + l.zone[i].off, l.zone[i].size, bus));
	for (off = 0; off < 64; off += 4)
		EXPECT_TAKER(USER, bus, at + off, 4, off);
}

TEST_F_TIMEOUT(bus, any_layout, LONG_TIMEOUT)
{
	unsigned int seed = 20091130;
	uint32_t bus;
	int round;

	for (round = 0; round < 24; round++) {
		for_each_guest_bus(bus)
			one_layout(_metadata, self, bus, &seed);
	}
}

/* Zones of 2 GiB, and of the greatest size. */
TEST_F(bus, huge_zone)
{
	static const uint32_t sizes[] = { 0x7fff0000, 0x80000000, 0xc0000000, 0xfffff000 };
	const uint64_t at = 0x200000000ull;
	int i;

	if (self->vm->pa_bits < 36)
		SKIP(return, "guest physical addresses too small");
	virt_map(self->vm, at - 4096, at - 4096, 2);
	virt_map(self->vm, at + 0x40000000, at + 0x40000000, 1);
	door_assign(self->vm, self->fd, DOOR_GPA, 4, 0, 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t last = at + sizes[i] - 4096;

		virt_map(self->vm, last, last, 2);
		ASSERT_EQ(0, zone_add(self->vm, at, sizes[i], 0));
		EXPECT_TAKER(USER, 0, at - 4, 4, 1);
		EXPECT_TAKER(ZONE, 0, at, 4, 1);
		EXPECT_TAKER(ZONE, 0, at + 0x40000000, 4, 1);
		EXPECT_TAKER(ZONE, 0, last, 4, 1);
		EXPECT_TAKER(ZONE, 0, last + 4092, 4, 1);
		EXPECT_TAKER(USER, 0, last + 4096, 4, 1);
		door_assign(self->vm, self->fd, at + 0x40000000, 4, 0, 0);
		EXPECT_TAKER(DOOR, 0, at + 0x40000000, 4, 1);
		EXPECT_TAKER(ZONE, 0, at + 0x40000004, 4, 1);
		EXPECT_TAKER(DOOR, 0, DOOR_GPA, 4, 1);
		door_deassign(self->vm, self->fd, at + 0x40000000, 4, 0, 0);
		EXPECT_EQ(0, zone_del(self->vm, at, sizes[i], 0));
		EXPECT_TAKER(USER, 0, at + 0x40000000, 4, 1);
	}
}

/* Zones up to the last byte of memory and of ports. */
TEST_F(bus, zone_to_the_end)
{
	uint32_t bus;

	ASSERT_EQ(0, zone_add(self->vm, -0x1000ull, 0x1000, 0));
	ASSERT_EQ(0, zone_add(self->vm, -8ull, 8, 0));
	for_each_guest_bus(bus) {
		ASSERT_EQ(0, zone_add(self->vm, base_of(bus), 0x10, bus));
		door_assign(self->vm, self->fd, base_of(bus) + 4, 4, bus, 0);
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, -1ull, 0, bus, 0));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, -9ull, 8, bus, 0));
		EXPECT_TAKER(ZONE, bus, base_of(bus), 4, 1);
		EXPECT_TAKER(DOOR, bus, base_of(bus) + 4, 4, 1);
		EXPECT_TAKER(ZONE, bus, base_of(bus) + 8, 4, 1);
		EXPECT_TAKER(USER, bus, base_of(bus) + 0x10, 4, 1);
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, -1ull, 0, bus | DEASSIGN, 0));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, -9ull, 8, bus | DEASSIGN, 0));
	}
	if (HAVE_PIO) {
		ASSERT_EQ(0, zone_add(self->vm, 0xfff0, 0x10, PIO));
		door_assign(self->vm, self->fd, 0xfffe, 1, PIO, 0);
		EXPECT_TAKER(USER, PIO, 0xffec, 4, 1);
		EXPECT_TAKER(ZONE, PIO, 0xfff0, 4, 1);
		EXPECT_TAKER(ZONE, PIO, 0xfffc, 4, 1);
		EXPECT_TAKER(DOOR, PIO, 0xfffe, 1, 1);
		EXPECT_TAKER(ZONE, PIO, 0xffff, 1, 1);
		ASSERT_EQ(0, zone_add(self->vm, 0x8000, 0x8000, PIO));
		EXPECT_TAKER(ZONE, PIO, 0xffff, 1, 1);
		EXPECT_TAKER(ZONE, PIO, 0x8000, 4, 1);
	}
}

/* One call unregisters every zone around a byte, and only those. */
TEST_F(bus, unregister_many_at_once)
{
	uint32_t bus;
	int i, j;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		for (j = 0; j < 5; j++) {
			for (i = 0; i < 16; i++)
				ASSERT_EQ(0, zone_add(self->vm, at + i * 2, 64 - i * 4, bus));
			/* Two registrations of the same zone make two zones. */
			ASSERT_EQ(0, zone_add(self->vm, at + 30, 4, bus));
			ASSERT_EQ(0, zone_add(self->vm, at + 64, 4, bus));
			door_assign(self->vm, self->fd, at + 32, 1, bus, 0);
			EXPECT_TAKER(ZONE, bus, at + 28, 4, 1);
			EXPECT_EQ(0, zone_del(self->vm, at + 31, 1, bus));
			for (i = 0; i < 64; i += 4)
				EXPECT_TAKER(USER, bus, at + i, 4, 1);
			EXPECT_TAKER(DOOR, bus, at + 32, 1, 1);
			EXPECT_TAKER(ZONE, bus, at + 64, 4, 1);
			EXPECT_EQ(0, zone_del(self->vm, at + 64, 4, bus));
			door_deassign(self->vm, self->fd, at + 32, 1, bus, 0);
		}
	}
	/* Unregister a zone that does not exist; an invalid value of pio. */
	EXPECT_EQ(0, zone_del(self->vm, DOOR_GPA, 4, 0));
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_REGISTER_COALESCED_MMIO,
			    &(struct kvm_coalesced_mmio_zone) { .size = 4, .pio = 2 }));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_UNREGISTER_COALESCED_MMIO,
			    &(struct kvm_coalesced_mmio_zone) { .size = 4, .pio = 2 }));
	EXPECT_EQ(EINVAL, errno);
}

/* Userspace writes the indices of the ring; KVM must check them. */
TEST_F(bus, ring_index_out_of_range)
{
	struct kvm_coalesced_mmio_ring *ring = self->ring;
	const uint32_t max = ring_max();
	const uint32_t bad[] = {
		max, max + 1, max * 2, 0x1000, 0x10000, 0x7fffffff, 0x80000000,
		0x80000001, 0xfffffffe, 0xffffffff, 0x2aaaaaab,
	};
	char before[4096];
	struct io_log log;
	int i;

	ASSERT_EQ(0, zone_add(self->vm, DOOR_GPA, 0x100, 0));
	door_assign(self->vm, self->fd, DOOR_GPA + 8, 4, 0, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring->first = 0;
		ring->last = bad[i];
		memcpy(before, ring, sizeof(before));
		EXPECT_EQ(1, guest_write(self->vcpu, 0, DOOR_GPA, 4, 0x55aa, &log))
			TH_LOG("last 0x%x", bad[i]);
		EXPECT_EQ(0, memcmp(before, ring, sizeof(before)))
			TH_LOG("last 0x%x", bad[i]);

		/* An ioeventfd in the zone does not use the ring. */
		EXPECT_EQ(0, guest_write(self->vcpu, 0, DOOR_GPA + 8, 4, 1, &log));
		EXPECT_EQ(1, eventfd_take(self->fd));

		/* The ring has room, and the entry goes to index last. */
		ring->first = bad[i];
		ring->last = 3;
		guest_write(self->vcpu, 0, DOOR_GPA, 4, 0x55aa, &log);
		EXPECT_EQ(bad[i], ring->first);
		EXPECT_TRUE(ring->last == 3 || ring->last == 4);
	}
	EXPECT_TAKER(ZONE, 0, DOOR_GPA, 4, 1);
}

TEST_F(bus, ring_full)
{
	struct kvm_coalesced_mmio_ring *ring = self->ring;
	const uint32_t max = ring_max();
	struct io_log log;
	int i;

	ASSERT_EQ(0, zone_add(self->vm, DOOR_GPA, 0x100, 0));
	ASSERT_EQ(0, zone_add(self->vm, DOOR_GPA, 0x10, 0));
	door_assign(self->vm, self->fd, DOOR_GPA + 8, 4, 0, 0);
	ring->first = 0;
	ring->last = 0;
	for (i = 0; i < max - 1; i++)
		EXPECT_EQ(0, guest_write(self->vcpu, 0, DOOR_GPA, 4, i, &log));
	/*
	 * No zone has room, so userspace gets the write. Ioeventfds need no
	 * room.
	 */
	EXPECT_EQ(1, guest_write(self->vcpu, 0, DOOR_GPA, 4, i, &log));
	EXPECT_EQ(0, guest_write(self->vcpu, 0, DOOR_GPA + 8, 4, i, &log));
	EXPECT_EQ(1, eventfd_take(self->fd));
	ring->first = 1;
	EXPECT_EQ(0, guest_write(self->vcpu, 0, DOOR_GPA, 4, i, &log));
	EXPECT_EQ(1, guest_write(self->vcpu, 0, DOOR_GPA, 4, i, &log));
}

/* A bus takes 1000 devices, and further ioeventfds. */
TEST_F_TIMEOUT(bus, device_limit, LONG_TIMEOUT)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint32_t bus;
	int i;

	for_each_guest_bus(bus) {
		for (i = 0; i < 200; i++)
			door_assign(vm, self->fd, 0x100000 + i * 8, 4, bus, 0);
		for (i = 0; i < 1000; i++)
			ASSERT_EQ(0, zone_add(vm, 0x1000 + i * 8, 8, bus));
		EXPECT_EQ(-ENOSPC, zone_add(vm, 0x1000 + i * 8, 8, bus));
		EXPECT_EQ(-ENOSPC, zone_add(vm, 0x1000, 8, bus));
		/* Remove one, add one. */
		EXPECT_EQ(0, zone_del(vm, 0x1000 + 500 * 8, 8, bus));
		EXPECT_EQ(0, zone_add(vm, 0x9000, 8, bus));
		EXPECT_EQ(-ENOSPC, zone_add(vm, 0x9000, 8, bus));
		for (i = 0; i < 100; i++)
			door_deassign(vm, self->fd, 0x100000 + i * 8, 4, bus, 0);
		EXPECT_EQ(-ENOSPC, zone_add(vm, 0x9000, 8, bus));
		EXPECT_EQ(0, zone_del(vm, 0x1000 + 7 * 8, 8, bus));
		EXPECT_EQ(0, zone_add(vm, 0x9000, 8, bus));
		EXPECT_EQ(-ENOSPC, zone_add(vm, 0x9000, 8, bus));
	}
	kvm_vm_free(vm);
}

/* A bus that is full of devices still takes an ioeventfd. */
TEST_F_TIMEOUT(bus, ioeventfds_on_full_bus, LONG_TIMEOUT)
{
	struct kvm_vm *vm = vm_create_barebones();
	int i, refused = 0;

	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, zone_add(vm, 0x1000 + i * 8, 8, 0));
	for (i = 0; i < 100; i++)
		refused += !!door_ioctl(vm, self->fd, 0x1000 + i * 8, 4, 0, 0);
	EXPECT_EQ(0, refused);
	EXPECT_EQ(-ENOSPC, zone_add(vm, 0x9000, 8, 0));
	kvm_vm_free(vm);
}

/* On a full bus, the remaining ones are unchanged. */
TEST_F_TIMEOUT(bus, unregister_leaves_the_others, LONG_TIMEOUT)
{
	const int nr = 256;
	bool there[256];
	int step, i;

	for (i = 0; i < nr; i++) {
		ASSERT_EQ(0, zone_add(self->vm, DOOR_GPA + i * 8, 4, 0));
		door_assign(self->vm, self->fd, DOOR_GPA + i * 8 + 4, 4, 0, 0);
		there[i] = true;
	}
	for (step = 0; step < 16; step++) {
		for (i = step; i < nr; i += 16) {
			int gone = i * 37 % nr;

			ASSERT_EQ(0, zone_del(self->vm, DOOR_GPA + gone * 8, 4, 0));
			there[gone] = false;
		}
		for (i = 0; i < nr; i += step % 3 + 1) {
			EXPECT_TAKER(there[i] ? ZONE : USER, 0, DOOR_GPA + i * 8, 4, i);
			EXPECT_TAKER(DOOR, 0, DOOR_GPA + i * 8 + 4, 4, i);
		}
	}
}

struct storm {
	struct kvm_vm *vm;
	uint64_t at;
	bool stop;
};

static void *zone_storm(void *arg)
{
	struct storm *s = arg;

	while (!READ_ONCE(s->stop)) {
		zone_add(s->vm, s->at, 64, 0);
		zone_add(s->vm, s->at + 8, 32, 0);
		zone_add(s->vm, s->at + 16, 8, 0);
		zone_del(s->vm, s->at + 16, 4, 0);
	}
	return NULL;
}

/* Zones come and go during writes; each write has exactly one taker. */
TEST_F(bus, zones_under_way)
{
	struct storm s = { .vm = self->vm, .at = DOOR_GPA };
	int n[4] = { }, i;
	pthread_t thread;
	uint64_t end;

	door_assign(self->vm, self->fd, DOOR_GPA + 20, 4, 0, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, zone_storm, &s));
	end = now_ns() + 2000000000ull;
	for (i = 0; now_ns() < end; i++) {
		n[taker_of(0, DOOR_GPA + 16, 4, i)]++;
		EXPECT_TAKER(DOOR, 0, DOOR_GPA + 20, 4, i);
	}
	WRITE_ONCE(s.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(i, n[USER] + n[ZONE]);
	EXPECT_LT(0, i);
}

#ifdef __x86_64__
static uint8_t pic_imr(struct kvm_vm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	return chip.chip.pic.imr;
}

/* An ioeventfd on a port of the interrupt controller comes first. */
TEST_F(bus, ioeventfd_on_pic)
{
	EXPECT_TAKER(DEVICE, PIO, 0x21, 1, 0x5a);
	EXPECT_EQ(0x5a, pic_imr(self->vm));
	door_assign(self->vm, self->fd, 0x21, 1, PIO | DM, 0xa5);
	EXPECT_TAKER(DEVICE, PIO, 0x21, 1, 0x5b);
	EXPECT_EQ(0x5b, pic_imr(self->vm));
	EXPECT_TAKER(DOOR, PIO, 0x21, 1, 0xa5);
	EXPECT_EQ(0x5b, pic_imr(self->vm));

	/* Reads still go to the device. */
	EXPECT_EQ(0, guest_read(self->vcpu, PIO, 0x21, 1, NULL));
	EXPECT_EQ(0, eventfd_take(self->fd));
	door_deassign(self->vm, self->fd, 0x21, 1, PIO | DM, 0xa5);
	EXPECT_TAKER(DEVICE, PIO, 0x21, 1, 0xa5);
	EXPECT_EQ(0xa5, pic_imr(self->vm));

	/* Any length, at the first port of the device. */
	door_assign(self->vm, self->fd, 0x20, 0, PIO, 0);
	EXPECT_TAKER(DOOR, PIO, 0x20, 1, 0x0b);
	EXPECT_TAKER(DEVICE, PIO, 0x21, 1, 0x33);
	EXPECT_EQ(0x33, pic_imr(self->vm));
}

TEST_F(bus, ioeventfd_on_pit)
{
	struct kvm_pit_config config = { };
	uint16_t port;

	vm_ioctl(self->vm, KVM_CREATE_PIT2, &config);
	for (port = 0x40; port <= 0x43; port++) {
		EXPECT_TAKER(DEVICE, PIO, port, 1, 0);
		door_assign(self->vm, self->fd, port, 1, PIO, 0);
		EXPECT_TAKER(DOOR, PIO, port, 1, 0);
		door_deassign(self->vm, self->fd, port, 1, PIO, 0);
		EXPECT_TAKER(DEVICE, PIO, port, 1, 0);
	}
}

/* Ioeventfds from before the device, at it and beside it. */
TEST_F(bus, pit_after_ioeventfds)
{
	struct kvm_pit_config config = { };

	door_assign(self->vm, self->fd, 0x41, 1, PIO, 0);
	door_assign(self->vm, self->fd, 0x44, 1, PIO, 0);
	ASSERT_EQ(0, zone_add(self->vm, 0x30, 0x40, PIO));
	vm_ioctl(self->vm, KVM_CREATE_PIT2, &config);
	EXPECT_TAKER(DEVICE, PIO, 0x40, 1, 0);
	EXPECT_TAKER(DOOR, PIO, 0x41, 1, 0);
	EXPECT_TAKER(DEVICE, PIO, 0x42, 1, 0);
	EXPECT_TAKER(DEVICE, PIO, 0x43, 1, 0);
	EXPECT_TAKER(DOOR, PIO, 0x44, 1, 0);
	EXPECT_TAKER(ZONE, PIO, 0x3f, 1, 0);
	EXPECT_TAKER(ZONE, PIO, 0x45, 1, 0);
	EXPECT_TAKER(ZONE, PIO, 0x3e, 4, 0);
}

/* The narrower range comes first, whether device or zone. */
TEST_F(bus, narrowest_first)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	const uint64_t ioapic = 0xfec00000;

	/* A zone around a device: the device gets the write. */
	ASSERT_EQ(0, zone_add(self->vm, 0x10, 0x20, PIO));
	EXPECT_TAKER(ZONE, PIO, 0x1f, 1, 1);
	EXPECT_TAKER(DEVICE, PIO, 0x21, 1, 0x12);
	EXPECT_EQ(0x12, pic_imr(self->vm));
	EXPECT_TAKER(ZONE, PIO, 0x22, 1, 1);
	EXPECT_TAKER(ZONE, PIO, 0x1f, 2, 1);

	/*
	 * A zone in a device: the zone gets the write, the device those around
	 * it.
	 */
	virt_map(self->vm, ioapic, ioapic, 1);
	EXPECT_TAKER(DEVICE, 0, ioapic, 4, 0x10);
	ASSERT_EQ(0, zone_add(self->vm, ioapic, 4, 0));
	EXPECT_TAKER(ZONE, 0, ioapic, 4, 0x11);
	vm_ioctl(self->vm, KVM_GET_IRQCHIP, &chip);
	EXPECT_EQ(0x10, chip.chip.ioapic.ioregsel);
	EXPECT_TAKER(DEVICE, 0, ioapic + 0x10, 4, 0x10041);
	vm_ioctl(self->vm, KVM_GET_IRQCHIP, &chip);
	EXPECT_EQ(0x41, chip.chip.ioapic.redirtbl[0].fields.vector);
	EXPECT_EQ(0, zone_del(self->vm, ioapic, 4, 0));
	EXPECT_TAKER(DEVICE, 0, ioapic, 4, 0x12);
	vm_ioctl(self->vm, KVM_GET_IRQCHIP, &chip);
	EXPECT_EQ(0x12, chip.chip.ioapic.ioregsel);
}

/* Of equal ranges, the one that was registered first. */
TEST_F(bus, earliest_first)
{
	struct kvm_pit_config config = { };

	ASSERT_EQ(0, zone_add(self->vm, 0x20, 2, PIO));
	EXPECT_TAKER(DEVICE, PIO, 0x21, 1, 0x13);
	ASSERT_EQ(0, zone_add(self->vm, 0x40, 4, PIO));
	vm_ioctl(self->vm, KVM_CREATE_PIT2, &config);
	EXPECT_TAKER(ZONE, PIO, 0x40, 1, 1);
	EXPECT_TAKER(ZONE, PIO, 0x43, 1, 1);
	EXPECT_EQ(0, zone_del(self->vm, 0x40, 4, PIO));
	EXPECT_TAKER(DEVICE, PIO, 0x40, 1, 1);
}
#endif /* __x86_64__ */

TEST_HARNESS_MAIN
