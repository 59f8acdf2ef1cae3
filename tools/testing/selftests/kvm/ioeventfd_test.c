// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: valid and invalid arguments, and the writes of a guest that
 * signal an ioeventfd. A write that signals none must reach userspace
 * unchanged, so every case looks at both sides.
 */
#include <limits.h>
#include <sys/mman.h>

#include "eventfd_util.h"

static_assert(KVM_CAP_IRQFD == 32, "KVM_CAP_IRQFD");
static_assert(KVM_CAP_IOEVENTFD == 36, "KVM_CAP_IOEVENTFD");
static_assert(KVM_CAP_IRQFD_RESAMPLE == 82, "KVM_CAP_IRQFD_RESAMPLE");
static_assert(KVM_CAP_IOEVENTFD_NO_LENGTH == 100, "KVM_CAP_IOEVENTFD_NO_LENGTH");
static_assert(KVM_CAP_IOEVENTFD_ANY_LENGTH == 122, "KVM_CAP_IOEVENTFD_ANY_LENGTH");
static_assert(sizeof(struct kvm_ioeventfd) == 64, "struct kvm_ioeventfd");
static_assert(_IOW(0xAE, 0x79, struct kvm_ioeventfd) == KVM_IOEVENTFD, "KVM_IOEVENTFD");

static const uint32_t lens[] = { 0, 1, 2, 4, 8 };
static const uint32_t buses[] = { 0, PIO, CCW };

/* The arguments: no guest needed. */
FIXTURE(args) {
	struct kvm_vm *vm;
	int fd, fd2;
};

FIXTURE_SETUP(args)
{
	self->vm = vm_create_barebones();
	self->fd = new_eventfd();
	self->fd2 = new_eventfd();
}

FIXTURE_TEARDOWN(args)
{
	close(self->fd);
	close(self->fd2);
	kvm_vm_free(self->vm);
}

TEST_F(args, caps)
{
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IOEVENTFD));
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IOEVENTFD_ANY_LENGTH));
	EXPECT_EQ(1, vm_check_cap(self->vm, KVM_CAP_IOEVENTFD));
	EXPECT_EQ(1, vm_check_cap(self->vm, KVM_CAP_IOEVENTFD_ANY_LENGTH));
#ifdef __x86_64__
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IOEVENTFD_NO_LENGTH));
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IRQFD));
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IRQFD_RESAMPLE));
#endif
}

TEST_F(args, len)
{
	static const uint32_t bad[] = {
		9, 10, 12, 15, 16, 32, 64, 256, 4096, 0x80000000, 0xffffffff,
		0xfffffffe, 0x100, 0x10000, 0x104, 0x80000004,
	};
	uint32_t b, len;
	int i;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		for (len = 0; len <= 8; len++) {
			bool good = !(len & (len - 1)) || !len;
			int ret = door_ioctl(self->vm, self->fd, 0x1000 + len * 16,
					     len, buses[b], 0);

			EXPECT_EQ(good ? 0 : -EINVAL, ret)
				TH_LOG("len %u flags 0x%x", len, buses[b]);
		}
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, 0x2000,
						      bad[i], buses[b], 0))
				TH_LOG("len 0x%x flags 0x%x", bad[i], buses[b]);
		}
	}
}

TEST_F(args, wrap)
{
	int b, i;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			uint64_t len = lens[i];

			if (len) {
				EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, -len,
							      len, buses[b], 0))
					TH_LOG("len %lu", len);
			}
			if (len > 1) {
				EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, ULLONG_MAX,
							      len, buses[b], 0))
					TH_LOG("len %lu", len);
			}
			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, -len - 1, len,
						buses[b], 0))
				TH_LOG("len %lu", len);
			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, -len - 1, len,
						buses[b] | DEASSIGN, 0));
		}
	}
}

TEST_F(args, unknown_flags)
{
	int bit;

	for (bit = 5; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, 0x1000, 4, 1u << bit, 0))
			TH_LOG("bit %d", bit);
		EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, 0x1000, 4,
					      1u << bit | PIO | DM | CCW, 0))
			TH_LOG("bit %d", bit);
	}
	/* None of them has had an effect. */
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, PIO, 0));
}

/* The bit of the fast MMIO bus has no flag; it is accepted, without effect. */
TEST_F(args, fast_mmio_bit)
{
	static const uint32_t lens[] = { 0, 4 };
	int i, b;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			uint32_t bit = buses[b] | 1 << 4;

			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, lens[i], bit, 0));
			EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd2, 0x1000, lens[i],
						      buses[b], 0));
			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, lens[i],
						buses[b] | DEASSIGN, 0));
			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, lens[i],
						buses[b], 0));
			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, lens[i],
						bit | DEASSIGN, 0));
		}
	}
}

/* The padding is ignored. */
TEST_F(args, padding)
{
	struct kvm_ioeventfd door = { .addr = 0x1000, .len = 4, .fd = self->fd };

	memset(door.pad, 0xff, sizeof(door.pad));
	EXPECT_EQ(0, __vm_ioctl(self->vm, KVM_IOEVENTFD, &door));
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN, 0));
}

TEST_F(args, no_len_with_datamatch)
{
	int b;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, 0x1000, 0, buses[b] | DM, 0));
		EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->fd, 0x1000, 0, buses[b] | DM, 7));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, buses[b], 7));
	}
}

TEST_F(args, fd)
{
	int closed = dup(self->fd);
	int pipefd[2], nul, path;

	ASSERT_EQ(0, pipe(pipefd));
	nul = open("/dev/null", O_RDWR);
	path = open("/", O_PATH);
	ASSERT_GE(nul, 0);
	close(closed);

	EXPECT_EQ(-EBADF, door_ioctl(self->vm, -1, 0x1000, 4, 0, 0));
	EXPECT_EQ(-EBADF, door_ioctl(self->vm, INT_MIN, 0x1000, 4, 0, 0));
	EXPECT_EQ(-EBADF, door_ioctl(self->vm, INT_MAX, 0x1000, 4, PIO, 0));
	EXPECT_EQ(-EBADF, door_ioctl(self->vm, closed, 0x1000, 4, 0, 0));
	EXPECT_EQ(-EBADF, door_ioctl(self->vm, path, 0x1000, 4, 0, 0));
	EXPECT_EQ(-EINVAL, door_ioctl(self->vm, pipefd[0], 0x1000, 4, 0, 0));
	EXPECT_EQ(-EINVAL, door_ioctl(self->vm, pipefd[1], 0x1000, 0, PIO, 0));
	EXPECT_EQ(-EINVAL, door_ioctl(self->vm, nul, 0x1000, 8, DM, 0));
	EXPECT_EQ(-EINVAL, door_ioctl(self->vm, self->vm->fd, 0x1000, 4, CCW, 0));

	/* The other arguments are checked first. */
	EXPECT_EQ(-EINVAL, door_ioctl(self->vm, -1, 0x1000, 3, 0, 0));
	/* None of the above has had an effect. */
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, 0, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, PIO, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, CCW, 0));
	close(pipefd[0]);
	close(pipefd[1]);
	close(nul);
	close(path);
}

TEST_F(args, bad_pointer)
{
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_IOEVENTFD, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_IOEVENTFD, (void *)-64ul));
	EXPECT_EQ(EFAULT, errno);
}

/* A deassign with invalid arguments finds nothing. */
TEST_F(args, deassign_checks_nothing)
{
	int bit, b, len;

	EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN, 0));
	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		uint32_t f = buses[b] | DEASSIGN;

		for (len = 0; len < 20; len++) {
			EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, len, f, 0))
				TH_LOG("len %d", len);
		}
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 0xffffffff, f, 0));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, -1ull, 8, f, 0));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 0, f | DM, 0));
		for (bit = 4; bit < 32; bit++) {
			EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4,
						      f | 1u << bit, 0))
				TH_LOG("bit %d", bit);
		}
	}

	/* A deassign ignores unknown flags. */
	door_assign(self->vm, self->fd, 0x1000, 4, DM, 5);
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN | DM | 1u << 31, 5));
	EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN | DM, 5));
}

/* An fd that is no eventfd has no ioeventfd; several errnos are valid. */
TEST_F(args, deassign_bad_fd)
{
	int nul = open("/dev/null", O_RDWR);
	int ret;

	door_assign(self->vm, self->fd, 0x1000, 4, 0, 0);
	ret = door_ioctl(self->vm, -1, 0x1000, 4, DEASSIGN, 0);
	EXPECT_TRUE(ret == -EBADF || ret == -ENOENT) TH_LOG("%d", ret);
	ret = door_ioctl(self->vm, nul, 0x1000, 4, DEASSIGN, 0);
	EXPECT_TRUE(ret == -EINVAL || ret == -ENOENT) TH_LOG("%d", ret);
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	close(nul);
}

/* Ioeventfds that can share an address. */
static const struct shape {
	uint32_t len, flags;
	uint64_t data;
} shapes[] = {
	{ 0 }, { 1 }, { 1, DM, 0 }, { 1, DM, 1 }, { 2 }, { 2, DM, 0 }, { 2, DM, 1 },
	{ 4 }, { 4, DM, 0 }, { 4, DM, 1 }, { 8 }, { 8, DM, 0 }, { 8, DM, 1 },
	{ 4, DM, 1ull << 32 }, { 8, DM, 1ull << 32 },
};

static bool clash(const struct shape *a, const struct shape *b)
{
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (!a->flags || !b->flags || a->data == b->data);
}

static void collide(struct __test_metadata *_metadata, struct kvm_vm *vm,
		    uint32_t bus, int first_fd, int fd)
{
	int i, j;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *a = &shapes[i];

		door_assign(vm, first_fd, 0x1000, a->len, a->flags | bus, a->data);
		for (j = 0; j < ARRAY_SIZE(shapes); j++) {
			const struct shape *b = &shapes[j];
			int ret;

			ret = door_ioctl(vm, fd, 0x1000, b->len, b->flags | bus, b->data);
			EXPECT_EQ(clash(a, b) ? -EEXIST : 0, ret)
				TH_LOG("flags 0x%x: %d then %d", bus, i, j);
			if (!ret)
				door_deassign(vm, fd, 0x1000, b->len, b->flags | bus, b->data);
		}
		door_deassign(vm, first_fd, 0x1000, a->len, a->flags | bus, a->data);
	}
}

/* Every pair, of one eventfd and of two. */
TEST_F(args, collisions)
{
	int b;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		collide(_metadata, self->vm, buses[b], self->fd, self->fd);
		collide(_metadata, self->vm, buses[b], self->fd, self->fd2);
	}
}

TEST_F(args, no_collision_elsewhere)
{
	int b, i;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		/* Only equal addresses collide; ranges may overlap. */
		for (i = 0; i < 16; i++) {
			EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000 + i, 8,
						buses[b], 0));
		}
		for (i = 0; i < 16; i++) {
			EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd2, 0x1000 + i, 0,
						      buses[b], 0));
		}
	}
}

TEST_F(args, pio_wins_over_ccw)
{
	door_assign(self->vm, self->fd, 0x1000, 4, PIO | CCW, 0);
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd, 0x1000, 4, PIO, 0));
	EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, CCW | DEASSIGN, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, CCW, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, PIO | DEASSIGN, 0));
	EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, PIO | CCW | DEASSIGN, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, CCW | DEASSIGN, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN, 0));
}

TEST_F(args, deassign_is_exact)
{
	int b;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		uint32_t f = buses[b] | DEASSIGN;
		uint32_t other = buses[(b + 1) % ARRAY_SIZE(buses)] | DEASSIGN;

		door_assign(self->vm, self->fd, 0x1000, 4, buses[b] | DM, 5);
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd2, 0x1000, 4, f | DM, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1001, 4, f | DM, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x0fff, 4, f | DM, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 8, f | DM, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 0, f | DM, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, f, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, f | DM, 6));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, f | DM,
					      5 | 1ull << 32));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, other | DM, 5));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd, 0x1000, 4, buses[b] | DM, 5));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, f | DM, 5));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, f | DM, 5));

		/* The data of a wildcard is ignored. */
		door_assign(self->vm, self->fd, 0x1000, 4, buses[b], 5);
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, f | DM, 5));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, f, 6));

		/*
		 * An ioeventfd for any length differs from those for one
		 * length.
		 */
		door_assign(self->vm, self->fd, 0x1000, 0, buses[b], 0);
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, f, 0));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 0, f | DM, 0));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, f, 0));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 0, f, 0));
	}
}

/* Another fd of the same eventfd is equal. */
TEST_F(args, deassign_by_dup)
{
	int copy = dup(self->fd);

	door_assign(self->vm, self->fd, 0x1000, 4, 0, 0);
	EXPECT_EQ(0, door_ioctl(self->vm, copy, 0x1000, 4, DEASSIGN, 0));
	close(copy);
}

/* The side of the guest. */
FIXTURE(guest) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd[8];
};

FIXTURE_SETUP(guest)
{
	int i;

	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	for (i = 0; i < ARRAY_SIZE(self->fd); i++)
		self->fd[i] = new_eventfd();
}

FIXTURE_TEARDOWN(guest)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(self->fd); i++)
		if (self->fd[i] >= 0)
			close(self->fd[i]);
	kvm_vm_free(self->vm);
}

static uint64_t base_of(uint32_t bus)
{
	return bus & PIO ? DOOR_PORT : DOOR_GPA + 0x100;
}

static uint32_t max_size(uint32_t bus)
{
	return bus & PIO ? 4 : 8;
}

#define for_each_guest_bus(bus)						\
	for (bus = 0; bus <= (HAVE_PIO ? PIO : 0); bus += PIO)

#define for_each_size(size, bus)					\
	for (size = 1; size <= max_size(bus); size *= 2)

/* Addresses for misaligned accesses, if the architecture has them. */
#ifdef __x86_64__
#define ODD	3
#else
#define ODD	8
#endif

/* Checks the signals and exits of a write. */
static void expect_hit(struct __test_metadata *_metadata, struct _test_data_guest *self,
		       bool hit, uint32_t bus, uint64_t at, uint32_t size, uint64_t val)
{
	struct io_log log;

	EXPECT_EQ(!hit, guest_write(self->vcpu, bus, at, size, val, &log))
		TH_LOG("at 0x%lx size %u data 0x%lx", at, size, val);
	EXPECT_EQ(hit, eventfd_take(self->fd[0]))
		TH_LOG("at 0x%lx size %u data 0x%lx", at, size, val);
	if (hit || !log.nr)
		return;
	EXPECT_EQ(!!bus, log.exit[0].pio);
	EXPECT_TRUE(log.exit[0].write);
	EXPECT_EQ(at, log.exit[0].addr);
	EXPECT_EQ(size, log.exit[0].len);
	EXPECT_EQ(1, log.exit[0].count);
	EXPECT_EQ(val, log.exit[0].data);
}

static void one_shape(struct __test_metadata *_metadata, struct _test_data_guest *self,
		      uint32_t bus, uint32_t len, bool dm)
{
	const uint64_t data = 0x8070605040302010ull, at = base_of(bus) + ODD;
	uint64_t match = data & size_mask(len);
	uint32_t flags = bus | (dm ? DM : 0), size;
	int off;

	door_assign(self->vm, self->fd[0], at, len, flags, match);
	for_each_size(size, bus) {
		uint64_t val = data & size_mask(size);

		/*
		 * The value at the address and beside it, then a value that
		 * differs in one bit.
		 */
		for (off = -ODD; off <= ODD; off += ODD)
			expect_hit(_metadata, self, !off && (!len || len == size),
				   bus, at + off, size, val);
		expect_hit(_metadata, self, !len || (len == size && !dm),
			   bus, at, size, val ^ 1);
		expect_hit(_metadata, self, !len || (len == size && !dm),
			   bus, at, size, val ^ 1ull << (8 * size - 1));
	}
	door_deassign(self->vm, self->fd[0], at, len, flags, match);

	/* After the deassign, the same store reaches userspace. */
	size = len ? min(len, max_size(bus)) : 4;
	expect_hit(_metadata, self, false, bus, at, size, data & size_mask(size));
}

/* Each kind of ioeventfd with each kind of store. */
TEST_F(guest, what_hits)
{
	uint32_t bus;
	int i;

	for_each_guest_bus(bus) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			one_shape(_metadata, self, bus, lens[i], false);
			if (lens[i])
				one_shape(_metadata, self, bus, lens[i], true);
		}
	}
}

static void wider(struct __test_metadata *_metadata, struct _test_data_guest *self,
		  uint32_t bus, uint32_t size, uint64_t wide)
{
	uint64_t at = base_of(bus);

	door_assign(self->vm, self->fd[0], at, size, bus | DM, wide | 0x11);
	expect_hit(_metadata, self, false, bus, at, size, 0x11);
	expect_hit(_metadata, self, false, bus, at, size, 0);

	/* This ioeventfd differs from the one that can be hit. */
	door_assign(self->vm, self->fd[1], at, size, bus | DM, 0x11);
	EXPECT_EQ(0, guest_write(self->vcpu, bus, at, size, 0x11, NULL));
	EXPECT_EQ(0, eventfd_take(self->fd[0]));
	EXPECT_EQ(1, eventfd_take(self->fd[1]));
	door_deassign(self->vm, self->fd[1], at, size, bus | DM, 0x11);
	door_deassign(self->vm, self->fd[0], at, size, bus | DM, wide | 0x11);
}

TEST_F(guest, datamatch_wider_than_len)
{
	uint32_t bus, size;
	uint64_t wide;

	for_each_guest_bus(bus) {
		for (size = 1; size <= 4; size *= 2)
			for (wide = 1ull << (8 * size); wide; wide <<= 8)
				wider(_metadata, self, bus, size, wide);
	}
}

/* At one address: a wildcard of one length, two values of each other length. */
static void side_by_side(struct __test_metadata *_metadata, struct _test_data_guest *self,
			 uint32_t bus, uint32_t wild)
{
	uint64_t at = base_of(bus), data;
	uint32_t size;
	int n = 0, i;

	for_each_size(size, bus) {
		if (size == wild) {
			door_assign(self->vm, self->fd[7], at, size, bus, 0);
			continue;
		}
		for (data = 0; data < 2; data++)
			door_assign(self->vm, self->fd[n++], at, size, bus | DM, data);
	}
	n = 0;
	for_each_size(size, bus) {
		for (data = 0; data < 3; data++) {
			int hit = size == wild ? 7 : data < 2 ? n++ : -1;

			EXPECT_EQ(hit < 0, guest_write(self->vcpu, bus, at, size, data, NULL));
			for (i = 0; i < ARRAY_SIZE(self->fd); i++) {
				EXPECT_EQ(i == hit, eventfd_take(self->fd[i]))
					TH_LOG("wild %u size %u data %lu fd %d hit %d",
					       wild, size, data, i, hit);
			}
		}
	}
	n = 0;
	for_each_size(size, bus) {
		if (size == wild) {
			door_deassign(self->vm, self->fd[7], at, size, bus, 0);
			continue;
		}
		for (data = 0; data < 2; data++)
			door_deassign(self->vm, self->fd[n++], at, size, bus | DM, data);
	}
}

TEST_F(guest, side_by_side)
{
	uint32_t bus, wild;

	for_each_guest_bus(bus) {
		for_each_size(wild, bus)
			side_by_side(_metadata, self, bus, wild);
	}
}

/* Removing one of many leaves all others unchanged, in any order. */
TEST_F(guest, deassign_leaves_the_others)
{
	const int nr = 24;
	bool there[24] = { };
	uint32_t bus;
	int step, i;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		for (i = 0; i < nr; i++) {
			door_assign(self->vm, self->fd[i % 8], at, 4, bus | DM, i);
			there[i] = true;
		}
		for (step = 0; step < nr; step++) {
			int gone = step * 7 % nr;

			door_deassign(self->vm, self->fd[gone % 8], at, 4, bus | DM, gone);
			there[gone] = false;
			for (i = 0; i < nr; i++) {
				EXPECT_EQ(!there[i], guest_write(self->vcpu, bus, at, 4, i, NULL));
				EXPECT_EQ(there[i], eventfd_take(self->fd[i % 8]))
					TH_LOG("step %d data %d", step, i);
			}
		}
	}
}

static void reads(struct __test_metadata *_metadata, struct _test_data_guest *self,
		  uint32_t bus, uint32_t len)
{
	uint32_t other = len == 1 ? 2 : 1, size;
	uint64_t at = base_of(bus);
	struct io_log log;

	door_assign(self->vm, self->fd[0], at, len, bus, 0);
	if (len)
		door_assign(self->vm, self->fd[0], at, other, bus | DM, 0);
	for_each_size(size, bus) {
		EXPECT_EQ(1, guest_read(self->vcpu, bus, at, size, &log))
			TH_LOG("len %u size %u", len, size);
		EXPECT_FALSE(log.exit[0].write);
		EXPECT_EQ(at, log.exit[0].addr);
		EXPECT_EQ(size, log.exit[0].len);
		EXPECT_EQ(0, eventfd_take(self->fd[0]))
			TH_LOG("len %u size %u", len, size);
	}
	if (len)
		door_deassign(self->vm, self->fd[0], at, other, bus | DM, 0);
	door_deassign(self->vm, self->fd[0], at, len, bus, 0);
}

TEST_F(guest, reads_never_hit)
{
	uint32_t bus;
	int i;

	for_each_guest_bus(bus) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			/*
			 * On such hardware a read may signal an ioeventfd for
			 * any length, over MMIO.
			 */
			if (lens[i] || bus || !fast_mmio())
				reads(_metadata, self, bus, lens[i]);
		}
	}
}

TEST_F(guest, one_eventfd_many_ioeventfds)
{
	const int nr = 64;
	uint32_t bus;
	int i;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		for (i = 0; i < nr; i++) {
			door_assign(self->vm, self->fd[0], at + i * 4, 4, bus, 0);
			door_assign(self->vm, self->fd[0], at, 2, bus | DM, i);
		}
	}
	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		for (i = 0; i < nr; i++) {
			EXPECT_EQ(0, guest_write(self->vcpu, bus, at + i * 4, 4, i, NULL));
			EXPECT_EQ(0, guest_write(self->vcpu, bus, at, 2, i, NULL));
		}
	}
	EXPECT_EQ((HAVE_PIO + 1) * 2 * nr, eventfd_take(self->fd[0]));
}

/* An ioeventfd is on one bus only. */
TEST_F(guest, buses_are_apart)
{
	uint64_t mmio = DOOR_PORT;

	if (!HAVE_PIO)
		SKIP(return, "one bus only");

	door_assign(self->vm, self->fd[0], DOOR_PORT, 4, 0, 0);
	door_assign(self->vm, self->fd[1], DOOR_PORT, 4, CCW, 0);
	EXPECT_EQ(1, guest_write(self->vcpu, PIO, DOOR_PORT, 4, 1, NULL));
	door_assign(self->vm, self->fd[2], DOOR_PORT, 4, PIO | CCW, 0);
	EXPECT_EQ(0, guest_write(self->vcpu, PIO, DOOR_PORT, 4, 1, NULL));
	EXPECT_EQ(0, eventfd_take(self->fd[0]));
	EXPECT_EQ(0, eventfd_take(self->fd[1]));
	EXPECT_EQ(1, eventfd_take(self->fd[2]));
	door_deassign(self->vm, self->fd[2], DOOR_PORT, 4, PIO, 0);
	door_deassign(self->vm, self->fd[0], mmio, 4, 0, 0);

	/* An ioeventfd of PIO at a large address matches no MMIO. */
	door_assign(self->vm, self->fd[2], DOOR_GPA, 4, PIO, 0);
	EXPECT_EQ(1, guest_write(self->vcpu, 0, DOOR_GPA, 4, 1, NULL));
	EXPECT_EQ(0, eventfd_take(self->fd[2]));
}

TEST_F(guest, closed_eventfd_stays_registered)
{
	uint32_t bus;

	for_each_guest_bus(bus) {
		int fd = new_eventfd();
		int copy = dup(fd);

		door_assign(self->vm, fd, base_of(bus), 4, bus, 0);
		close(fd);
		EXPECT_EQ(0, guest_write(self->vcpu, bus, base_of(bus), 4, 1, NULL));
		EXPECT_EQ(1, eventfd_take(copy));

		/*
		 * The eventfd has no readers, but the ioeventfd still takes the
		 * kick.
		 */
		close(copy);
		EXPECT_EQ(0, guest_write(self->vcpu, bus, base_of(bus), 4, 1, NULL));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd[0], base_of(bus), 4, bus, 0));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd[0], base_of(bus), 4,
					      bus | DEASSIGN, 0));
		EXPECT_EQ(0, guest_write(self->vcpu, bus, base_of(bus), 4, 1, NULL));
	}
}

/*
 * Ioeventfds with different addresses and overlapping ranges: a write matches
 * only the one at its own address.
 */
static bool can_access(int off, uint32_t size)
{
	return HAVE_PIO || !(off & (size - 1));
}

TEST_F(guest, overlapping_ioeventfds)
{
	uint32_t bus, size;
	int i, off;

	for_each_guest_bus(bus) {
		uint64_t at = base_of(bus);

		for (i = 0; i < 16; i++) {
			off = i * 5 % 16;
			for_each_size(size, bus)
				if (can_access(off, size))
					door_assign(self->vm, self->fd[0], at + off, size, bus, 0);
		}
		for (off = 0; off < 16; off++) {
			for_each_size(size, bus)
				if (can_access(off, size))
					expect_hit(_metadata, self, true, bus, at + off, size, 1);
		}
	}
}

/* Thousands of them: half at different addresses, half with different data. */
TEST_F_TIMEOUT(guest, ten_thousand, LONG_TIMEOUT)
{
	static const int probe[] = { 0, 1, 2, 2499, 2500, 4998, 4999 };
	const uint64_t at = DOOR_GPA + 0x2000;
	const uint64_t reg = DOOR_GPA + 0x1000;
	const int half = 5000;
	uint64_t end;
	int i;

	/*
	 * On a kernel where each takes longer than the one before, stop in
	 * time.
	 */
	end = now_ns() + 2 * SURELY_NS;
	for (i = 0; i < half; i++) {
		if (now_ns() > end)
			SKIP(return, "too slow a machine");
		door_assign(self->vm, self->fd[0], at + i * 7919 % half, 1, 0, 0);
		door_assign(self->vm, self->fd[1 + i % 7], reg, 4, DM, i * 7919 % half);
	}
	for (i = 0; i < ARRAY_SIZE(probe); i++) {
		EXPECT_EQ(0, guest_write(self->vcpu, 0, at + probe[i], 1, 1, NULL));
		EXPECT_EQ(1, eventfd_take(self->fd[0])) TH_LOG("address %d", probe[i]);
		EXPECT_EQ(1, guest_write(self->vcpu, 0, at + probe[i], 2, 1, NULL));
		EXPECT_EQ(0, guest_write(self->vcpu, 0, reg, 4, probe[i], NULL))
			TH_LOG("data %d", probe[i]);
	}
	EXPECT_EQ(0, eventfd_take(self->fd[0]));
	EXPECT_EQ(1, guest_write(self->vcpu, 0, reg, 4, half, NULL));
	EXPECT_EQ(1, guest_write(self->vcpu, 0, reg, 8, 1, NULL));
	EXPECT_EQ(1, guest_write(self->vcpu, 0, at + half, 1, 1, NULL));
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd[0], reg, 4, DM, 4711));
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd[0], reg, 4, 0, 0));
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd[0], at + 4711, 1, DM, 0));

	/*
	 * Remove a few in the middle; the release of the VM removes the rest.
	 */
	for (i = 2400; i < 2600; i++) {
		door_deassign(self->vm, self->fd[0], at + i * 7919 % half, 1, 0, 0);
		door_deassign(self->vm, self->fd[1 + i % 7], reg, 4, DM, i * 7919 % half);
	}
	for (i = 2390; i < 2610; i++) {
		bool there = i < 2400 || i >= 2600;
		int n = i * 7919 % half;

		EXPECT_EQ(!there, guest_write(self->vcpu, 0, at + n, 1, 1, NULL));
		EXPECT_EQ(there, eventfd_take(self->fd[0])) TH_LOG("address %d", n);
		EXPECT_EQ(!there, guest_write(self->vcpu, 0, reg, 4, n, NULL))
			TH_LOG("data %d", n);
	}
}

/* The release of the VM ends its ioeventfds; the eventfds stay usable. */
TEST_F(guest, vm_goes_first)
{
	struct kvm_vm *vm = vm_create_barebones();
	int i;

	for (i = 0; i < 100; i++)
		door_assign(vm, self->fd[i % 8], 0x1000 + i, i % 2 ? 4 : 0, i % 3 ? PIO : 0, 0);
	kvm_vm_free(vm);
	eventfd_ring(self->fd[0], 3);
	EXPECT_EQ(3, eventfd_take(self->fd[0]));
}

#ifdef __x86_64__
/* Each element of a string signals. */
TEST_F(guest, string_out)
{
	uint32_t size;
	int i, n;

	for (size = 1; size <= 4; size *= 2) {
		struct guest_op op = {
			.kind = OP_OUTS, .addr = DOOR_PORT, .size = size, .count = 100,
		};
		struct io_log log;

		door_assign(self->vm, self->fd[0], DOOR_PORT, size, PIO, 0);
		EXPECT_EQ(0, guest_do(self->vcpu, op, &log));
		EXPECT_EQ(100, eventfd_take(self->fd[0]));
		op.addr++;
		guest_do(self->vcpu, op, &log);
		for (i = n = 0; i < log.nr; i++)
			n += log.exit[i].count;
		EXPECT_EQ(100, n);
		EXPECT_EQ(0, eventfd_take(self->fd[0]));
		door_deassign(self->vm, self->fd[0], DOOR_PORT, size, PIO, 0);
	}
}

/* Load and store in one: the load goes to userspace, the store signals. */
TEST_F(guest, read_modify_write)
{
	struct guest_op op = {
		.kind = OP_RMW, .addr = DOOR_GPA, .size = 4, .val = { 0x42 },
	};
	struct io_log log;

	door_assign(self->vm, self->fd[0], DOOR_GPA, 4, DM, 0x42);
	EXPECT_EQ(1, guest_do(self->vcpu, op, &log));
	EXPECT_FALSE(log.exit[0].write);
	EXPECT_EQ(1, eventfd_take(self->fd[0]));
}

/*
 * A store across a page boundary is two accesses. The data of the second one
 * starts anywhere in the data of the store. An ioeventfd on the second page
 * must compare it there, at any alignment.
 */
static int expect_part(uint64_t addr, uint8_t *val, int n, uint64_t at,
		       uint32_t len, bool dm, uint64_t match, int *rings)
{
	int done = 0;

	while (done < n) {
		int now = min(n - done, 8);
		uint64_t data = 0;

		memcpy(&data, val + done, now);
		if (addr + done != at || (len && len != now) || (dm && data != match))
			break;
		(*rings)++;
		done += now;
	}
	/* The rest goes to userspace, eight bytes at a time. */
	return (n - done + 7) / 8;
}

static void split_store(struct __test_metadata *_metadata, struct _test_data_guest *self,
			int size, int cut, uint32_t len, bool dm)
{
	const uint64_t edge = DOOR_GPA + 4096;
	struct guest_op op = {
		.kind = size == 16 ? OP_STORE16 : OP_STORE,
		.addr = edge - cut, .size = size,
		.val = { 0x8877665544332211ull, 0x00ffeeddccbbaa99ull },
	};
	uint8_t *val = (uint8_t *)op.val;
	int rings = 0, exits = 0;
	uint64_t match = 0;

	memcpy(&match, val + cut, len);
	door_assign(self->vm, self->fd[0], edge, len, dm ? DM : 0, match);
	if (cut)
		exits += expect_part(edge - cut, val, cut, edge, len, dm, match, &rings);
	if (!cut && !len && fast_mmio())
		rings++;
	else
		exits += expect_part(edge, val + cut, size - cut, edge, len, dm, match, &rings);
	EXPECT_EQ(exits, guest_do(self->vcpu, op, NULL))
		TH_LOG("size %d cut %d len %u dm %d", size, cut, len, dm);
	EXPECT_EQ(rings, eventfd_take(self->fd[0]))
		TH_LOG("size %d cut %d len %u dm %d", size, cut, len, dm);
	door_deassign(self->vm, self->fd[0], edge, len, dm ? DM : 0, match);
}

TEST_F_TIMEOUT(guest, store_over_page_boundary, LONG_TIMEOUT)
{
	int size, cut, i;

	for (size = 2; size <= 16; size *= 2) {
		for (cut = 0; cut < size; cut++) {
			for (i = 0; i < ARRAY_SIZE(lens); i++) {
				split_store(_metadata, self, size, cut, lens[i], false);
				if (lens[i])
					split_store(_metadata, self, size, cut, lens[i], true);
			}
		}
	}
}
#endif /* __x86_64__ */

TEST_HARNESS_MAIN
