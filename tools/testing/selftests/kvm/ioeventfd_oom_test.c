// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds, zones and irqfds after an allocation has failed: all must be as
 * before. Removals need no memory, so they must not fail for the lack of it.
 *
 * With fault injection (FAILSLAB, FAULT_INJECTION_DEBUG_FS), each allocation of
 * a call fails in turn. Other kernels have the limit of a memory cgroup.
 */
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "eventfd_util.h"
#ifdef __x86_64__
#include "irqfd_util.h"
#endif

#define NR_DOORS	80
#define FIRST(i)	(DOOR_GPA + (i) * 8)
#define ZONE_GPA	(DOOR_GPA + 0x3000)

static bool write_file(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	bool ok;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

/* Fault injection. */
static int nth_fd = -1, all_fd = -1;

static bool have_faults(void)
{
	static const char *const dirs[] = { "failslab", "fail_page_alloc" };
	int i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		write_file("0", "/sys/kernel/debug/%s/verbose", dirs[i]);
		write_file("N", "/sys/kernel/debug/%s/ignore-gfp-wait", dirs[i]);
		write_file("N", "/sys/kernel/debug/%s/ignore-gfp-highmem", dirs[i]);
		write_file("0", "/sys/kernel/debug/%s/min-order", dirs[i]);
	}
	if (!write_file("Y", "/sys/kernel/debug/failslab/task-filter"))
		return false;
	write_file("1", "/sys/kernel/debug/failslab/interval");
	write_file("0", "/sys/kernel/debug/failslab/space");
	write_file("-1", "/sys/kernel/debug/failslab/times");
	write_file("100", "/sys/kernel/debug/failslab/probability");

	/* Open it here, because that needs memory. */
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	all_fd = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	return nth_fd >= 0 && all_fd >= 0;
}

static void fail_nth(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	TEST_ASSERT(pwrite(nth_fd, text, len, 0) == len, "fail-nth: errno %d", errno);
}

/* Ends the injection. Returns true if there was an nth allocation. */
static bool was_hit(void)
{
	char text[16] = "";
	bool hit;

	TEST_ASSERT(pread(nth_fd, text, sizeof(text) - 1, 0) > 0, "fail-nth: errno %d", errno);
	hit = atoi(text) == 0;
	fail_nth(0);
	return hit;
}

/* Makes every allocation of this task fail, or ends that. */
static void fail_all(bool on)
{
	TEST_ASSERT(pwrite(all_fd, on ? "1" : "0", 1, 0) == 1, "make-it-fail: errno %d", errno);
}

FIXTURE(faults) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_coalesced_mmio_ring *ring;
	int fd, other;
};

FIXTURE_SETUP(faults)
{
	if (!have_faults())
		SKIP(return, "no fault injection in this kernel");
	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	self->ring = (void *)self->vcpu->run +
		     kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();
	self->fd = new_eventfd();
	self->other = new_eventfd();
	/* The first run allocates page tables and the like. */
	guest_write(self->vcpu, 0, ZONE_GPA, 4, 1, NULL);
	guest_write(self->vcpu, 0, DOOR_GPA, 4, 1, NULL);
}

FIXTURE_TEARDOWN(faults)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	close(self->fd);
	close(self->other);
}

static int zone_ioctl(struct kvm_vm *vm, unsigned long cmd, uint64_t addr, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size };

	return ioctl(vm->fd, cmd, &zone) ? -errno : 0;
}

/* Without working fault injection, the tests below would always pass. */
TEST_F(faults, injection)
{
	int fd;

	fail_all(true);
	fd = eventfd(0, 0);
	fail_all(false);
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(ENOMEM, errno);
	fd = new_eventfd();
	close(fd);
}

/* Returns true if the write signals @fd; if not, it must reach userspace. */
static bool rung(struct _test_data_faults *self, uint64_t addr, uint32_t size, uint64_t data)
{
	int exits = guest_write(self->vcpu, 0, addr, size, data, NULL);
	uint64_t n = eventfd_take(self->fd);

	TEST_ASSERT(n + exits == 1, "0x%lx size %u data %lu: %lu rings, %d exits",
		    addr, size, data, n, exits);
	return n;
}

static bool coalesced(struct _test_data_faults *self, uint64_t addr)
{
	int exits;

	self->ring->first = 0;
	self->ring->last = 0;
	exits = guest_write(self->vcpu, 0, addr, 4, 1, NULL);
	TEST_ASSERT(self->ring->last + exits == 1, "0x%lx: %u and %d", addr,
		    self->ring->last, exits);
	return self->ring->last;
}

/*
 * There are 0, 1, 2 ... ioeventfds, by address, by data or by both. Each
 * allocation of the next assign fails in turn, until the assign succeeds.
 */
static void assign_fails(struct __test_metadata *_metadata, struct _test_data_faults *self,
			 bool by_data, uint32_t len)
{
	int i, j, n, failed = 0;

	for (i = 0; i < NR_DOORS; i++) {
		uint64_t at = by_data ? FIRST(0) : FIRST(i);
		uint32_t flags = by_data ? DM : 0;
		int ret = -ENOMEM;

		for (n = 1; ret; n++) {
			bool hit;

			fail_nth(n);
			ret = door_ioctl(self->vm, self->fd, at, len, flags, i);
			hit = was_hit();
			ASSERT_TRUE(!ret || ret == -ENOMEM) TH_LOG("%d", ret);
			ASSERT_TRUE(!ret || hit);
			if (!ret)
				break;
			failed++;
			/* The assign has had no effect. */
			ASSERT_EQ(-ENOENT, door_ioctl(self->vm, self->fd, at, len,
						      flags | DEASSIGN, i));
			ASSERT_FALSE(rung(self, at, len ?: 4, i)) TH_LOG("door %d", i);
			for (j = i % 7; j < i; j += 7) {
				ASSERT_TRUE(rung(self, by_data ? FIRST(0) : FIRST(j), len ?: 4, j))
					TH_LOG("door %d of %d", j, i);
			}
			ASSERT_LT(n, 50);
		}
		ASSERT_TRUE(rung(self, at, len ?: 4, i)) TH_LOG("door %d", i);
	}
	EXPECT_LE(NR_DOORS, failed) TH_LOG("%d failed assigns", failed);
	for (i = 0; i < NR_DOORS; i++)
		door_deassign(self->vm, self->fd, by_data ? FIRST(0) : FIRST(i), len,
			      by_data ? DM : 0, i);
	EXPECT_FALSE(rung(self, FIRST(0), len ?: 4, 0));
}

TEST_F_TIMEOUT(faults, assign_by_address, LONG_TIMEOUT)
{
	assign_fails(_metadata, self, false, 4);
}

TEST_F_TIMEOUT(faults, assign_by_data, LONG_TIMEOUT)
{
	assign_fails(_metadata, self, true, 4);
}

TEST_F_TIMEOUT(faults, assign_any_length, LONG_TIMEOUT)
{
	assign_fails(_metadata, self, false, 0);
}

/* Without any memory, in an order that leaves gaps. */
static void deassign_all(struct __test_metadata *_metadata, struct _test_data_faults *self,
			 bool by_data)
{
	bool there[NR_DOORS];
	int i, j;

	for (i = 0; i < NR_DOORS; i++) {
		door_assign(self->vm, self->fd, by_data ? FIRST(0) : FIRST(i), 4,
			    by_data ? DM : 0, i);
		there[i] = true;
	}
	ASSERT_EQ(0, zone_ioctl(self->vm, KVM_REGISTER_COALESCED_MMIO, ZONE_GPA, 16));
	for (i = 0; i < NR_DOORS; i++) {
		int gone = i * 37 % NR_DOORS, ret;

		fail_all(true);
		ret = door_ioctl(self->vm, self->fd, by_data ? FIRST(0) : FIRST(gone), 4,
				 (by_data ? DM : 0) | DEASSIGN, gone);
		fail_all(false);
		ASSERT_EQ(0, ret);
		there[gone] = false;
		for (j = i % 5; j < NR_DOORS; j += 5) {
			ASSERT_EQ(there[j], rung(self, by_data ? FIRST(0) : FIRST(j), 4, j))
				TH_LOG("door %d after %d are gone", j, i + 1);
		}
		ASSERT_TRUE(coalesced(self, ZONE_GPA));
	}
	door_assign(self->vm, self->fd, FIRST(0), 4, 0, 0);
	EXPECT_TRUE(rung(self, FIRST(0), 4, 0));
}

TEST_F_TIMEOUT(faults, deassign_by_address, LONG_TIMEOUT)
{
	deassign_all(_metadata, self, false);
}

TEST_F_TIMEOUT(faults, deassign_by_data, LONG_TIMEOUT)
{
	deassign_all(_metadata, self, true);
}

TEST_F_TIMEOUT(faults, zone_register, LONG_TIMEOUT)
{
	int i, j, n, failed = 0;

	door_assign(self->vm, self->fd, FIRST(0), 4, 0, 0);
	for (i = 0; i < 40; i++) {
		uint64_t at = ZONE_GPA + i * 16;
		int ret = -ENOMEM;

		for (n = 1; ret; n++) {
			fail_nth(n);
			ret = zone_ioctl(self->vm, KVM_REGISTER_COALESCED_MMIO, at, 16);
			was_hit();
			ASSERT_TRUE(!ret || ret == -ENOMEM) TH_LOG("%d", ret);
			ASSERT_EQ(!ret, coalesced(self, at)) TH_LOG("zone %d", i);
			failed += !!ret;
			ASSERT_LT(n, 50);
		}
		for (j = i % 5; j < i; j += 5)
			ASSERT_TRUE(coalesced(self, ZONE_GPA + j * 16));
		ASSERT_TRUE(rung(self, FIRST(0), 4, 0));
	}
	EXPECT_LE(40, failed);
}

/* Unregistering a device without memory leaves the others. */
TEST_F_TIMEOUT(faults, zone_unregister, LONG_TIMEOUT)
{
	bool there[40];
	int i, j;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, zone_ioctl(self->vm, KVM_REGISTER_COALESCED_MMIO,
					ZONE_GPA + i * 16, 16));
		there[i] = true;
	}
	door_assign(self->vm, self->fd, FIRST(0), 4, 0, 0);
	for (i = 0; i < 40; i++) {
		int gone = i * 7 % 40, ret;

		fail_all(true);
		ret = zone_ioctl(self->vm, KVM_UNREGISTER_COALESCED_MMIO,
				 ZONE_GPA + gone * 16, 16);
		fail_all(false);
		ASSERT_EQ(0, ret);
		there[gone] = false;
		for (j = 0; j < 40; j++) {
			ASSERT_EQ(there[j], coalesced(self, ZONE_GPA + j * 16))
				TH_LOG("zone %d after %d are gone", j, i + 1);
		}
		ASSERT_TRUE(rung(self, FIRST(0), 4, 0));
	}
}

/* The release of a VM without memory leaves nothing behind. */
TEST_F(faults, vm_goes)
{
	int i;

	for (i = 0; i < 5; i++) {
		struct kvm_vm *vm = vm_create_barebones();
		int j;

		for (j = 0; j < NR_DOORS; j++)
			door_assign(vm, self->fd, FIRST(j / 2), 4, DM, j % 2);
		ASSERT_EQ(0, zone_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, ZONE_GPA, 16));
		fail_all(true);
		close(vm->fd);
		fail_all(false);
		/* For the library to close. */
		vm->fd = dup(self->fd);
		kvm_vm_free(vm);
	}
}

#ifdef __x86_64__
static void irqfd_fails(struct __test_metadata *_metadata, struct _test_data_faults *self,
			uint32_t gsi, uint32_t flags)
{
	struct quiet_vm q = quiet_vm_create(false);
	int ret = -ENOMEM, n, failed = 0;

	route_msi(q.vm, MSI_GSI, VEC_A);
	for (n = 1; ret; n++) {
		bool hit;

		fail_nth(n);
		ret = irqfd_ioctl(q.vm, self->fd, gsi, flags, self->other);
		hit = was_hit();
		ASSERT_TRUE(!ret || ret == -ENOMEM) TH_LOG("%d", ret);
		ASSERT_TRUE(!ret || hit);
		if (!ret)
			break;
		failed++;
		/*
		 * It is not bound: another VM can bind it, and no interrupt
		 * comes.
		 */
		eventfd_ring(self->fd, 1);
		ASSERT_EQ(1, eventfd_take(self->fd));
		ASSERT_FALSE(quiet_has(&q, VEC_A));
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
		ASSERT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI,
					 KVM_IRQFD_FLAG_DEASSIGN, 0));
		ASSERT_LT(n, 50);
	}
	EXPECT_LE(1, failed);
	eventfd_ring(self->fd, 1);
	if (!flags)
		EXPECT_TRUE(quiet_wait(&q, VEC_A));
	fail_all(true);
	ret = irqfd_ioctl(q.vm, self->fd, gsi, KVM_IRQFD_FLAG_DEASSIGN, 0);
	fail_all(false);
	EXPECT_EQ(0, ret);
	eventfd_take(self->fd);
	eventfd_ring(self->fd, 1);
	EXPECT_EQ(1, eventfd_take(self->fd));
	EXPECT_TRUE(quiet_never(&q, VEC_A));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	quiet_vm_free(&q);
}

TEST_F(faults, irqfd)
{
	irqfd_fails(_metadata, self, MSI_GSI, 0);
}

TEST_F(faults, irqfd_resample)
{
	irqfd_fails(_metadata, self, 5, KVM_IRQFD_FLAG_RESAMPLE);
}

/* The old routes stay valid, for irqfds too. */
TEST_F(faults, routing)
{
	struct quiet_vm q = quiet_vm_create(false);
	struct kvm_irq_routing *r = new_routing(1);
	int ret = -ENOMEM, n;

	route_msi(q.vm, MSI_GSI, VEC_A);
	ASSERT_EQ(0, irqfd_ioctl(q.vm, self->fd, MSI_GSI, 0, 0));
	add_msi(r, MSI_GSI, VEC_B);
	for (n = 1; ret; n++) {
		fail_nth(n);
		ret = set_routing(q.vm, r);
		was_hit();
		ASSERT_TRUE(!ret || ret == -ENOMEM) TH_LOG("%d", ret);
		eventfd_ring(self->fd, 1);
		ASSERT_TRUE(quiet_wait(&q, ret ? VEC_A : VEC_B));
		ASSERT_FALSE(quiet_has(&q, ret ? VEC_B : VEC_A));
		ASSERT_LT(n, 50);
	}
	EXPECT_LT(2, n);
	free(r);
	quiet_vm_free(&q);
}

TEST_F(faults, vm_goes_with_irqfds)
{
	struct quiet_vm q = quiet_vm_create(false);

	route_msi(q.vm, MSI_GSI, VEC_A);
	ASSERT_EQ(0, irqfd_ioctl(q.vm, self->fd, MSI_GSI, 0, 0));
	ASSERT_EQ(0, irqfd_ioctl(q.vm, self->other, 5, KVM_IRQFD_FLAG_RESAMPLE, self->fd));
	fail_all(true);
	close(q.vm->fd);
	fail_all(false);
	q.vm->fd = new_eventfd();
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->fd, MSI_GSI, 0, 0));
	EXPECT_EQ(0, irqfd_ioctl(self->vm, self->other, MSI_GSI, 0, 0));
	quiet_vm_free(&q);
}
#endif /* __x86_64__ */

/* The memory cgroup. */
static char cgroup[PATH_MAX];

/* Returns the mount point of cgroup2; mounts it if need be. */
static bool cgroup_root(char *root)
{
	char line[PATH_MAX], type[64];
	bool found = false;
	FILE *f;

	f = fopen("/proc/mounts", "r");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %1000s %63s", root, type) == 2 &&
			!strcmp(type, "cgroup2");
	if (f)
		fclose(f);
	if (found)
		return true;
	sprintf(root, "/tmp/kvm_selftest_cgroup_XXXXXX");
	return mkdtemp(root) && !mount("none", root, "cgroup2", 0, NULL);
}

static bool cgroup_enter(void)
{
	char root[1024], pid[16];

	if (!cgroup_root(root))
		return false;
	write_file("+memory", "%s/cgroup.subtree_control", root);
	snprintf(cgroup, sizeof(cgroup), "%s/kvm_selftest_%d", root, getpid());
	if (mkdir(cgroup, 0755))
		return false;
	snprintf(pid, sizeof(pid), "%d", getpid());
	return write_file("max", "%s/memory.max", cgroup) &&
	       write_file(pid, "%s/cgroup.procs", cgroup);
}

static uint64_t cgroup_used(void)
{
	char path[PATH_MAX + 32], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/memory.current", cgroup);
	fd = open(path, O_RDONLY);
	TEST_ASSERT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "memory.current");
	close(fd);
	return strtoull(text, NULL, 0);
}

FIXTURE(cgroup) {
	char unused;
};

FIXTURE_SETUP(cgroup)
{
}

FIXTURE_TEARDOWN(cgroup)
{
}

/*
 * Assigns ioeventfds until the cgroup of the caller is full, because they are
 * charged to it. This must not touch new memory: a page fault has no errno.
 */
TEST_F_TIMEOUT(cgroup, limit, LONG_TIMEOUT)
{
	const int most = 40000, tried = 100;
	int i, nr = -1, ret = 0, refused = 0, odd = 0, back = 0;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	char text[32], path[PATH_MAX + 32];
	int fd, max_fd, n;

	/* The report of a full cgroup would count as a complaint. */
	if (!access("/sys/kernel/debug/failslab", F_OK))
		SKIP(return, "fault injection says more");
	if (!cgroup_enter())
		SKIP(return, "no memory cgroup");
	/* There is no process to kill, so the allocation fails. */
	if (!write_file("-1000", "/proc/self/oom_score_adj"))
		SKIP(return, "oom_score_adj is not to be set");

	vm = vm_create_with_one_vcpu(&vcpu, guest_op_loop);
	map_doors(vm);
	fd = new_eventfd();
	ASSERT_EQ(1, guest_write(vcpu, 0, DOOR_GPA, 4, 0, NULL));
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	/* Opening it needs memory, too. */
	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	max_fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, max_fd);
	n = snprintf(text, sizeof(text), "%lu", cgroup_used() + SZ_512K);
	ASSERT_EQ(n, pwrite(max_fd, text, n, 0));

	for (i = 0; i < most; i++) {
		ret = door_ioctl(vm, fd, DOOR_GPA + i % 2 * 4, 4, DM, i);
		if (ret)
			break;
	}
	nr = i;
	/* The assign that failed has had no effect on the others. */
	if (ret) {
		odd += door_ioctl(vm, fd, DOOR_GPA + nr % 2 * 4, 4, DM | DEASSIGN, nr) != -ENOENT;
		for (i = 0; i < nr; i += nr / 8 + 1)
			refused += door_ioctl(vm, fd, DOOR_GPA + i % 2 * 4, 4, DM, i) != 0;
		/*
		 * Each of them can be deassigned, even if the cgroup is full.
		 */
		for (i = 0; i < tried && i < nr; i++)
			back += !door_ioctl(vm, fd, DOOR_GPA + i % 2 * 4, 4, DM | DEASSIGN, i);
	}
	ASSERT_EQ(3, pwrite(max_fd, "max", 3, 0));

	EXPECT_EQ(-ENOMEM, ret) TH_LOG("after %d ioeventfds", nr);
	EXPECT_EQ(0, odd);
	EXPECT_LT(0, refused);
	EXPECT_EQ(min(tried, nr), back) TH_LOG("deassigned at the limit");
	for (i = 0; i < nr; i += i < 2 * tried ? 1 : nr / 16) {
		EXPECT_EQ(i < tried, guest_write(vcpu, 0, DOOR_GPA + i % 2 * 4, 4, i, NULL))
			TH_LOG("ioeventfd %d", i);
		EXPECT_EQ(i >= tried, eventfd_take(fd)) TH_LOG("ioeventfd %d", i);
	}
	for (i = 0; i < tried; i++)
		EXPECT_EQ(0, door_ioctl(vm, fd, DOOR_GPA + i % 2 * 4, 4, DM, i));
	kvm_vm_free(vm);
	close(fd);
}

TEST_HARNESS_MAIN
