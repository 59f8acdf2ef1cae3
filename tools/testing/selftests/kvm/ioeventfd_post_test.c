// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD_FLAG_POST_WRITE, _DATAMASK and _POST_RANGE: their arguments, and
 * which value a write of the guest stores where.
 */
#include "post_util.h"

#ifdef __LP64__
static_assert(offsetof(struct kvm_ioeventfd, post_addr) == 32, "post_addr");
static_assert(offsetof(struct kvm_ioeventfd, datamask) == 40, "datamask");
static_assert(sizeof(struct kvm_ioeventfd) == 64, "struct kvm_ioeventfd");
#endif
static_assert(POST == 1 << 5 && MASK == 1 << 6 && RANGE == 1 << 7, "flags");

static const uint32_t buses[] = { 0, PIO, CCW };
static const uint32_t lens[] = { 1, 2, 4, 8 };

FIXTURE(args) {
	struct kvm_vm *vm;
	uint64_t memory[1024];
	int fd, fd2;
};

FIXTURE_SETUP(args)
{
	if (!kvm_check_cap(KVM_CAP_IOEVENTFD_POST_WRITE))
		SKIP(return, "no KVM_CAP_IOEVENTFD_POST_WRITE");
	self->vm = vm_create_barebones();
	self->fd = new_eventfd();
	self->fd2 = new_eventfd();
}

FIXTURE_TEARDOWN(args)
{
	if (!self->vm)
		return;
	close(self->fd);
	close(self->fd2);
	kvm_vm_free(self->vm);
}

#define EXPECT_REFUSED(vm, ...) \
	EXPECT_EQ(-EINVAL, post_ioctl(vm, (struct kvm_ioeventfd) { __VA_ARGS__ }))

TEST_F(args, caps)
{
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IOEVENTFD_POST_WRITE));
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IOEVENTFD_DATAMASK));
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_IOEVENTFD_POST_RANGE));
	EXPECT_EQ(1, vm_check_cap(self->vm, KVM_CAP_IOEVENTFD_POST_WRITE));
	EXPECT_EQ(1, vm_check_cap(self->vm, KVM_CAP_IOEVENTFD_DATAMASK));
	EXPECT_EQ(1, vm_check_cap(self->vm, KVM_CAP_IOEVENTFD_POST_RANGE));
}

TEST_F(args, post_addr)
{
	static const uint64_t bad[] = {
		0, 1ull << 63, -8ull, -4096ull, 0xdeaddeaddeaddea8ull, 1ull << 62,
	};
	uint64_t good = (uintptr_t)self->memory;
	int b, i, odd;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		uint32_t f = buses[b] | POST;

		EXPECT_REFUSED(self->vm, .addr = 0x1000, .len = 0, .fd = self->fd,
			       .flags = f, .post_addr = good);
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			EXPECT_REFUSED(self->vm, .addr = 0x1000, .len = 8, .fd = self->fd,
				       .flags = f, .post_addr = bad[i])
				TH_LOG("0x%lx", bad[i]);
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			struct kvm_ioeventfd args = {
				.addr = 0x1000, .len = lens[i], .fd = self->fd, .flags = f,
			};

			for (odd = 0; odd < 8; odd++) {
				args.post_addr = good + odd;
				EXPECT_EQ(odd % lens[i] ? -EINVAL : 0,
					  post_ioctl(self->vm, args))
					TH_LOG("len %u odd %d", lens[i], odd);
				if (odd % lens[i] == 0)
					EXPECT_EQ(0, post_deassign(self->vm, args));
			}
		}
	}
	/* Memory need not be there yet. */
	EXPECT_EQ(0, post_ioctl(self->vm, post_args(0, 0x1000, self->fd, (void *)4096)));
	/* Nothing else is left behind. */
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, PIO, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 0, CCW, 0));
	EXPECT_EQ(-EBADF, post_ioctl(self->vm, post_args(0, 0x2000, -1, self->memory)));
}

/* Without their flags the new fields are padding. */
TEST_F(args, padding)
{
	struct kvm_ioeventfd args = { .addr = 0x1000, .len = 4, .fd = self->fd };
	size_t from = offsetof(struct kvm_ioeventfd, flags) + 4;

	memset((char *)&args + from, 0xff, sizeof(args) - from);
	EXPECT_EQ(0, post_ioctl(self->vm, args));
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN, 0));
	args.flags = POST;
	args.post_addr = (uintptr_t)self->memory;
	EXPECT_EQ(0, post_ioctl(self->vm, args));
	EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	/* The address is no part of what tells ioeventfds apart. */
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN, 0));
}

static struct kvm_ioeventfd mask_args(int fd, uint32_t len, uint64_t data, uint64_t mask)
{
	return (struct kvm_ioeventfd) {
		.addr = 0x1000, .len = len, .fd = fd, .flags = DM | MASK,
		.datamatch = data, .datamask = mask,
	};
}

TEST_F(args, datamask)
{
	struct kvm_ioeventfd args;
	int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		uint64_t all = size_mask(lens[i]);

		args = mask_args(self->fd, lens[i], 0, 0);
		EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
		args = mask_args(self->fd, lens[i], 2, 1);
		EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
		args = mask_args(self->fd, lens[i], 1, 1);
		args.flags = MASK;
		EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
		if (lens[i] < 8) {
			args = mask_args(self->fd, lens[i], 1, 1 | (all + 1));
			EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
		}
		/* A mask of all bits is none. */
		post_assign(self->vm, mask_args(self->fd, lens[i], 1, all));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd2, 0x1000, lens[i], DM, 1));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd2, 0x1000, lens[i], DM, 2));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, lens[i], DM | DEASSIGN, 1));
	}
	args = mask_args(self->fd, 0, 0, 1);
	EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
	args.flags = MASK;
	EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
}

/* One mask per register and width. */
TEST_F(args, masks_collide)
{
	int i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < 40; i++)
			post_assign(self->vm, mask_args(self->fd, 4, i, 0xffff));
		EXPECT_EQ(-EEXIST, post_ioctl(self->vm, mask_args(self->fd2, 4, 7, 0xffff)));
		EXPECT_EQ(-EEXIST, post_ioctl(self->vm, mask_args(self->fd2, 4, 99, 0xff)));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd2, 0x1000, 4, DM, 99));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd2, 0x1000, 4, 0, 0));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd2, 0x1000, 0, 0, 0));
		/* Another width has a mask of its own. */
		post_assign(self->vm, mask_args(self->fd2, 8, 0x30000, 0xff0000));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd2, 0x1000, 2, DM, 5));

		/* DEASSIGN is exact. */
		EXPECT_EQ(-ENOENT, post_deassign(self->vm, mask_args(self->fd, 4, 5, 0xff)));
		EXPECT_EQ(-ENOENT, post_deassign(self->vm, mask_args(self->fd, 4, 5, 0)));
		EXPECT_EQ(-ENOENT, post_deassign(self->vm, mask_args(self->fd2, 4, 5, 0xffff)));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, 0x1000, 4, DM | DEASSIGN, 5));
		for (i = 0; i < 40; i++)
			EXPECT_EQ(0, post_deassign(self->vm, mask_args(self->fd, 4, i, 0xffff)));

		/* When they are gone, another mask is let in. */
		post_assign(self->vm, mask_args(self->fd, 4, 3, 3));
		EXPECT_EQ(0, post_deassign(self->vm, mask_args(self->fd, 4, 3, 3)));
		EXPECT_EQ(0, post_deassign(self->vm, mask_args(self->fd2, 8, 0x30000, 0xff0000)));
		EXPECT_EQ(0, door_ioctl(self->vm, self->fd2, 0x1000, 2, DM | DEASSIGN, 5));
	}
}

static struct kvm_ioeventfd range_args(int fd, uint64_t addr, uint32_t size,
				       void *post)
{
	return (struct kvm_ioeventfd) {
		.addr = addr, .len = 4, .fd = fd, .flags = POST | RANGE,
		.post_addr = (uintptr_t)post, .post_size = size, .post_stride = 4,
	};
}

TEST_F(args, range)
{
	static const struct {
		uint32_t len, size, stride;
	} bad[] = {
		{ 4, 0, 4 }, { 4, 4, 0 }, { 4, 2, 4 }, { 4, 6, 4 }, { 4, 8, 2 },
		{ 4, 12, 6 }, { 4, 24, 12 }, { 8, 16, 4 }, { 0, 16, 4 }, { 0, 16, 0 },
		{ 4, 0xfffffffe, 4 }, { 4, 4, 0xffffffff }, { 4, 8, 0x80000000 },
	};
	struct kvm_ioeventfd args = range_args(-1, 0x1000, 16, self->memory);
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		args.len = bad[i].len;
		args.post_size = bad[i].size;
		args.post_stride = bad[i].stride;
		EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args)) TH_LOG("%d", i);
	}
	args = range_args(-1, 0x1000, 16, self->memory);
	args.flags = RANGE;
	EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
	args.flags = RANGE | POST | DM;
	EXPECT_EQ(-EINVAL, post_ioctl(self->vm, args));
	/* The whole range of userspace is checked, and of the guest. */
	EXPECT_EQ(-EINVAL, post_ioctl(self->vm, range_args(-1, 0x1000, 4096, (void *)-4096ul)));
	EXPECT_EQ(-EINVAL, post_ioctl(self->vm, range_args(-1, -16ull, 16, self->memory)));
	EXPECT_EQ(0, post_ioctl(self->vm, range_args(-1, -20ull, 16, self->memory)));
	/* Only -1 is no eventfd, and only for a range. */
	EXPECT_EQ(-EBADF, post_ioctl(self->vm, range_args(-2, 0x1000, 16, self->memory)));
	EXPECT_EQ(-EBADF, post_ioctl(self->vm, post_args(0, 0x1000, -1, self->memory)));
	/* Nothing is left behind. */
	EXPECT_EQ(0, post_ioctl(self->vm, range_args(-1, 0x800, 0x1000, self->memory)));
}

TEST_F(args, ranges_collide)
{
	struct kvm_ioeventfd args = range_args(self->fd, 0x1000, 64, self->memory), other;
	uint64_t at;

	post_assign(self->vm, args);
	for (at = 0xf80; at < 0x1080; at++) {
		bool overlaps = at + 32 > 0x1000 && at < 0x1040;

		other = range_args(-1, at, 32, self->memory);
		EXPECT_EQ(overlaps ? -EEXIST : 0, post_ioctl(self->vm, other))
			TH_LOG("at 0x%lx", at);
		if (!overlaps)
			EXPECT_EQ(0, post_deassign(self->vm, other));
	}
	EXPECT_EQ(-EEXIST, post_ioctl(self->vm, range_args(-1, 0xf00, 4096, self->memory)));
	/* Neither another bus nor an ioeventfd at one address collides with it. */
	other = args;
	other.flags |= PIO;
	EXPECT_EQ(0, post_ioctl(self->vm, other));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, 0, 0));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1004, 0, 0, 0));

	/* DEASSIGN is exact; where the value goes does not matter. */
	other = args;
	other.fd = -1;
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, other));
	other.fd = self->fd2;
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, other));
	other = args;
	other.addr += 4;
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, other));
	other = args;
	other.post_size = 32;
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, other));
	other = args;
	other.post_stride = 8;
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, other));
	other = args;
	other.len = 2;
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, other));
	other = args;
	other.post_addr = 0;
	EXPECT_EQ(0, post_deassign(self->vm, other));
	EXPECT_EQ(-ENOENT, post_deassign(self->vm, args));
	EXPECT_EQ(0, door_ioctl(self->vm, self->fd, 0x1000, 4, DEASSIGN, 0));
}

FIXTURE(guest) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	uint32_t bus;
	uint64_t at;
	/* Aligned to a page: the test shows which bytes are written. */
	uint8_t *memory;
	int fd[2];
};

FIXTURE_VARIANT(guest) {
	uint32_t bus;
	bool ordinary;
};

FIXTURE_VARIANT_ADD(guest, mmio) { };
FIXTURE_VARIANT_ADD(guest, mmio_ordinary) { .ordinary = true };
#if HAVE_PIO
FIXTURE_VARIANT_ADD(guest, pio) { .bus = PIO };
FIXTURE_VARIANT_ADD(guest, pio_ordinary) { .bus = PIO, .ordinary = true };
#endif

FIXTURE_SETUP(guest)
{
	if (!kvm_check_cap(KVM_CAP_IOEVENTFD_POST_WRITE))
		SKIP(return, "no KVM_CAP_IOEVENTFD_POST_WRITE");
	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	if (variant->ordinary)
		use_ordinary_path(self->vcpu);
	self->bus = variant->bus;
	self->at = variant->bus ? DOOR_PORT : DOOR_GPA + 0x100;
	self->memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	memset(self->memory, 0xee, 8192);
	self->fd[0] = new_eventfd();
	self->fd[1] = new_eventfd();
}

FIXTURE_TEARDOWN(guest)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	munmap(self->memory, 8192);
	close(self->fd[0]);
	close(self->fd[1]);
}

/* Nothing but @len bytes at @offset has changed; they are @val. */
static void expect_stored(struct __test_metadata *_metadata, struct _test_data_guest *self,
			  unsigned int offset, unsigned int len, uint64_t val)
{
	uint64_t got = 0;
	int i, changed = -1;

	memcpy(&got, self->memory + offset, len);
	if (len)
		EXPECT_EQ(val & size_mask(len), got) TH_LOG("offset %u len %u", offset, len);
	memset(self->memory + offset, 0xee, len);
	for (i = 0; i < 8192; i++)
		if (self->memory[i] != 0xee)
			changed = i;
	EXPECT_EQ(-1, changed);
}

/* A write that leaves for userspace unchanged, and has no other effect. */
static void expect_exit(struct __test_metadata *_metadata, struct _test_data_guest *self,
			uint64_t at, uint32_t size, uint64_t val)
{
	struct io_log log;

	EXPECT_EQ(1, guest_write(self->vcpu, self->bus, at, size, val, &log))
		TH_LOG("at 0x%lx size %u", at, size);
	EXPECT_EQ(0, eventfd_take(self->fd[0]));
	EXPECT_EQ(0, eventfd_take(self->fd[1]));
	expect_stored(_metadata, self, 0, 0, 0);
	if (log.nr != 1)
		return;
	EXPECT_EQ(at, log.exit[0].addr);
	EXPECT_EQ(size, log.exit[0].len);
	EXPECT_EQ(val & size_mask(size), log.exit[0].data);
}

static void expect_post(struct __test_metadata *_metadata, struct _test_data_guest *self,
			uint64_t at, uint32_t size, uint64_t val, unsigned int offset, int fd)
{
	EXPECT_EQ(0, guest_write(self->vcpu, self->bus, at, size, val, NULL))
		TH_LOG("at 0x%lx size %u val 0x%lx", at, size, val);
	EXPECT_EQ(fd == 0, eventfd_take(self->fd[0]));
	EXPECT_EQ(fd == 1, eventfd_take(self->fd[1]));
	expect_stored(_metadata, self, offset, size, val);
}

/* The writes took the path that the variant is for. */
static void expect_path(struct __test_metadata *_metadata, struct _test_data_guest *self,
			bool ordinary)
{
#ifdef __x86_64__
	int64_t nr = vcpu_stat(self->vcpu, "ioeventfd_fastpath_rings");

	if (nr < 0)
		return;
	if (ordinary) {
		EXPECT_EQ(0, nr);
	} else if (get_kvm_param_bool("ioeventfd_fastpath") &&
		   (self->bus || get_kvm_param_bool("mmio_caching"))) {
		EXPECT_LT(0, nr);
	}
#endif
}

#define for_each_size(size, bus)					\
	for (size = 1; size <= ((bus) & PIO ? 4 : 8); size *= 2)

TEST_F(guest, value_of_each_width)
{
	const uint64_t val = 0x8877665544332211ull;
	struct kvm_ioeventfd args;
	uint32_t size, other;

	for_each_size(size, self->bus) {
		args = post_args(self->bus, self->at, self->fd[0], self->memory + 4088);
		args.len = size;
		post_assign(self->vm, args);
		expect_post(_metadata, self, self->at, size, val, 4088, 0);
		expect_post(_metadata, self, self->at, size, 0, 4088, 0);
		expect_post(_metadata, self, self->at, size, ~0ull, 4088, 0);
		for_each_size(other, self->bus)
			if (other != size)
				expect_exit(_metadata, self, self->at, other, val);
		EXPECT_EQ(0, post_deassign(self->vm, args));
		expect_exit(_metadata, self, self->at, size, val);
	}
	expect_path(_metadata, self, variant->ordinary);
}

TEST_F(guest, last_value_and_count)
{
	struct kvm_ioeventfd args = post_args(self->bus, self->at, self->fd[0], self->memory);
	uint32_t i;

	post_assign(self->vm, args);
	for (i = 1; i <= 5; i++)
		EXPECT_EQ(0, guest_write(self->vcpu, self->bus, self->at, 4, i * 3, NULL));
	EXPECT_EQ(5, eventfd_take(self->fd[0]));
	expect_stored(_metadata, self, 0, 4, 15);

	/* A closed eventfd is no reason not to store. */
	close(self->fd[0]);
	self->fd[0] = new_eventfd();
	expect_post(_metadata, self, self->at, 4, 77, 0, -1);
}

TEST_F(guest, datamatch)
{
	struct kvm_ioeventfd args = post_args(self->bus, self->at, self->fd[0], self->memory);

	args.flags |= DM;
	args.datamatch = 5;
	post_assign(self->vm, args);
	/* Another value at the same address signals, and stores nothing. */
	door_assign(self->vm, self->fd[1], self->at, 4, self->bus | DM, 6);
	expect_post(_metadata, self, self->at, 4, 5, 0, 0);
	expect_exit(_metadata, self, self->at, 4, 7);
	EXPECT_EQ(0, guest_write(self->vcpu, self->bus, self->at, 4, 6, NULL));
	EXPECT_EQ(1, eventfd_take(self->fd[1]));
	expect_stored(_metadata, self, 0, 0, 0);
}

/* The value selects the ioeventfd by @mask; the whole value is stored. */
static void masked(struct __test_metadata *_metadata, struct _test_data_guest *self,
		   uint64_t mask, uint64_t step, uint32_t nr)
{
	struct kvm_ioeventfd args;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		args = post_args(self->bus, self->at, self->fd[i & 1], self->memory + 4 * i);
		args.flags |= DM | MASK;
		args.datamatch = i * step;
		args.datamask = mask;
		post_assign(self->vm, args);
	}
	for (i = 0; i < nr; i += 7) {
		uint64_t val = i * step;

		expect_post(_metadata, self, self->at, 4, val, 4 * i, i & 1);
		expect_post(_metadata, self, self->at, 4, val | (0x5a5aa5a5 & ~mask), 4 * i, i & 1);
		expect_post(_metadata, self, self->at, 4, val | (~0u & ~mask), 4 * i, i & 1);
	}
	expect_exit(_metadata, self, self->at, 4, nr * step);
	for (i = 0; i < nr; i++) {
		args = post_args(self->bus, self->at, self->fd[i & 1], self->memory);
		args.flags |= DM | MASK;
		args.datamatch = i * step;
		args.datamask = mask;
		EXPECT_EQ(0, post_deassign(self->vm, args));
	}
	expect_exit(_metadata, self, self->at, 4, 0);
}

/* Each mask in turn, so that the register has had others before. */
TEST_F(guest, masked)
{
	/* VIRTIO_F_NOTIFICATION_DATA: the queue below, an index above. */
	masked(_metadata, self, 0xffff, 1, 64);
	/* All in one slot of the table: the index of values. */
	masked(_metadata, self, 0xffff0000, 0x10000, 64);
	masked(_metadata, self, 0x0ff00ff0, 0x10, 64);
	masked(_metadata, self, 0xffffffff, 3, 64);
}

TEST_F(guest, range)
{
	struct kvm_ioeventfd args = range_args(self->fd[0], self->at, 256, self->memory + 64);
	uint32_t stride, i, size;

	args.flags |= self->bus;
	for (stride = 4; stride <= 64; stride *= 4) {
		args.post_stride = stride;
		post_assign(self->vm, args);
		for (i = 0; i < 256; i += 4) {
			if (i % stride)
				expect_exit(_metadata, self, self->at + i, 4, i);
			else
				expect_post(_metadata, self, self->at + i, 4, i, 64 + i, 0);
		}
		for_each_size(size, self->bus)
			if (size != 4)
				expect_exit(_metadata, self, self->at, size, 9);
		expect_exit(_metadata, self, self->at + 256, 4, 9);
		expect_exit(_metadata, self, self->at - 4, 4, 9);
		EXPECT_EQ(0, post_deassign(self->vm, args));
		expect_exit(_metadata, self, self->at, 4, 9);
	}
	/* No eventfd. */
	args.fd = -1;
	args.post_stride = 4;
	post_assign(self->vm, args);
	expect_post(_metadata, self, self->at + 8, 4, 8, 64 + 8, -1);
	EXPECT_EQ(0, post_deassign(self->vm, args));
}

/* An ioeventfd beats a range, and a range beats a coalesced zone. */
TEST_F(guest, range_among_others)
{
	struct kvm_ioeventfd args = range_args(self->fd[0], self->at, 256, self->memory);
	struct kvm_coalesced_mmio_zone zone = {
		.addr = self->at, .size = 512, .pio = !!self->bus,
	};

	args.flags |= self->bus;
	ASSERT_EQ(0, __vm_ioctl(self->vm, KVM_REGISTER_COALESCED_MMIO, &zone));
	post_assign(self->vm, args);
	door_assign(self->vm, self->fd[1], self->at + 8, 4, self->bus | DM, 1);
	expect_post(_metadata, self, self->at + 4, 4, 1, 4, 0);
	EXPECT_EQ(0, guest_write(self->vcpu, self->bus, self->at + 8, 4, 1, NULL));
	EXPECT_EQ(1, eventfd_take(self->fd[1]));
	EXPECT_EQ(0, eventfd_take(self->fd[0]));
	expect_stored(_metadata, self, 0, 0, 0);
	/* A value that it does not match is the range's. */
	expect_post(_metadata, self, self->at + 8, 4, 2, 8, 0);
	/* What is not of the range's width is the zone's. */
	EXPECT_EQ(0, guest_write(self->vcpu, self->bus, self->at + 8, 2, 1, NULL));
	EXPECT_EQ(0, guest_write(self->vcpu, self->bus, self->at + 256, 4, 1, NULL));
	EXPECT_EQ(0, eventfd_take(self->fd[0]));
	expect_stored(_metadata, self, 0, 0, 0);
}

/* Many ranges with gaps between them; every second one goes. */
TEST_F(guest, many_ranges)
{
	enum { NR = 300 };
	struct kvm_ioeventfd args;
	int i, gone;

	for (gone = 0; gone < 2; gone++) {
		for (i = 0; i < NR; i++) {
			args = range_args(self->fd[0], self->at + i * 12, 8, self->memory + i * 12);
			args.flags |= self->bus;
			if (!gone)
				post_assign(self->vm, args);
			else if (i % 2 == 0 || i > 200)
				EXPECT_EQ(0, post_deassign(self->vm, args));
		}
		for (i = 0; i < NR; i += 11) {
			uint64_t at = self->at + i * 12;

			expect_exit(_metadata, self, at + 8, 4, i);
			if (gone && (i % 2 == 0 || i > 200)) {
				expect_exit(_metadata, self, at, 4, i);
				continue;
			}
			expect_post(_metadata, self, at, 4, i, i * 12, 0);
			expect_post(_metadata, self, at + 4, 4, i, i * 12 + 4, 0);
		}
	}
}

TEST_HARNESS_MAIN
