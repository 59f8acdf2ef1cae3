// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables: the ioctls, the file, and the result of each hcall for each kind of
 * argument. The tests run for every kind of VM that the host can have. If there is
 * a real mode, the hcalls run again without it.
 *
 *   tce_abi_test [word]    only the tests with that word in their name
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "tce_vm.h"

#define LIOBN		0x80001000UL
#define U64_MAX		(~0UL)
#define ENTRIES_PER_PAGE ((unsigned long)getpagesize() / 8)

static struct vm *vm;
static struct vcpu *cpu;

static uint64_t *map_table(int fd, size_t entries)
{
	uint64_t *p = mmap(NULL, entries * 8, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of a table: %s", strerror(errno));
	return p;
}

static int table(uint32_t shift, uint64_t offset, uint64_t size)
{
	int fd = tce_create(vm, LIOBN, shift, offset, size);

	if (fd < 0)
		die("tce_create: %s", strerror(-fd));
	return fd;
}

static long put(uint64_t ioba, uint64_t tce)
{
	return vcpu_hcall(cpu, NULL, H_PUT_TCE, LIOBN, ioba, tce, 0);
}

static long put_list(uint64_t ioba, uint64_t list, uint64_t n)
{
	return vcpu_hcall(cpu, NULL, H_PUT_TCE_INDIRECT, LIOBN, ioba, list, n);
}

static long stuff(uint64_t ioba, uint64_t tce, uint64_t n)
{
	return vcpu_hcall(cpu, NULL, H_STUFF_TCE, LIOBN, ioba, tce, n);
}

static long get(uint64_t ioba, uint64_t *value)
{
	return vcpu_hcall(cpu, value, H_GET_TCE, LIOBN, ioba, 0, 0);
}

static __be64 *list_at(uint64_t addr)
{
	return gpa(vm, addr);
}

static bool all_are(const uint64_t *entries, size_t n, uint64_t value)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (entries[i] != value)
			return false;
	return true;
}

/* A fault that is expected */
static sigjmp_buf fault_jmp;

static void on_fault(int sig)
{
	siglongjmp(fault_jmp, sig);
}

static int touch(const char *p)
{
	int sig;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	sig = sigsetjmp(fault_jmp, 1);
	if (!sig)
		__atomic_load_n(p, __ATOMIC_RELAXED);
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return sig;
}

/*
 * The ioctls
 */

static void create_arguments(void)
{
	struct kvm_create_spapr_tce_64 flags = {
		.liobn = LIOBN, .page_shift = 12, .size = 1, .flags = 1,
	};
	static const struct {
		uint32_t shift;
		uint64_t offset, size;
	} bad[] = {
		{ 0, 0, 16 }, { 11, 0, 16 }, { 35, 0, 16 }, { 63, 0, 1 },
		{ 64, 0, 1 }, { ~0U, 0, 16 },
		{ 12, 0, 0 }, { 34, 0, 0 }, { 12, 16, 0 },
		/* Past the end of the address space */
		{ 12, 0, (U64_MAX >> 12) + 1 }, { 12, U64_MAX >> 12, 1 },
		{ 16, (U64_MAX >> 16) - 7, 8 }, { 34, U64_MAX >> 34, 1 },
		{ 34, 0, 1UL << 31 }, { 12, 1UL << 52, 1 },
		/* The sum wraps */
		{ 12, U64_MAX, 1 }, { 12, U64_MAX, 2 }, { 12, 16, U64_MAX },
		{ 12, 16, U64_MAX - 15 }, { 12, 16, U64_MAX - 14 },
		{ 16, U64_MAX - 7, 16 }, { 12, 1UL << 63, 1UL << 63 },
		{ 34, U64_MAX - 1, 3 }, { 12, U64_MAX - 15, 32 },
	};
	size_t i;
	int fd;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fd = tce_create(vm, LIOBN, bad[i].shift, bad[i].offset,
				bad[i].size);
		CHECK(fd == -EINVAL, "shift %u offset %#lx size %#lx: %d",
		      bad[i].shift, bad[i].offset, bad[i].size, fd);
		if (fd >= 0)
			close(fd);
	}

	for (i = 0; i < 32; i++) {
		flags.flags = 1U << i;
		CHECK(ioctl(vm->fd, KVM_CREATE_SPAPR_TCE_64, &flags) == -1 &&
		      errno == EINVAL, "flags %#x", flags.flags);
	}
	CHECK(ioctl(vm->fd, KVM_CREATE_SPAPR_TCE_64, NULL) == -1 &&
	      errno == EFAULT, "no argument: %s", strerror(errno));

	/* A failure leaves nothing behind: the number is free */
	for (i = 12; i <= 34; i++) {
		fd = tce_create(vm, LIOBN, i, 0, 16);
		CHECK(fd >= 0, "shift %zu: %d", i, fd);
		close(fd);
		fd = tce_create(vm, LIOBN, i, (U64_MAX >> i) - 16, 16);
		CHECK(fd >= 0, "shift %zu at the end: %d", i, fd);
		close(fd);
	}
}

static void create_old(void)
{
	uint64_t value;
	int fd;

	CHECK_EQ(tce_create_old(vm, LIOBN, 0), -EINVAL);
	CHECK_EQ(tce_create_old(vm, LIOBN, 4095), -EINVAL);

	/* 4 KiB pages from 0; a part of a page does not count */
	fd = tce_create_old(vm, LIOBN, 3 * 4096 + 4095);
	CHECK(fd >= 0, "%d", fd);
	CHECK_EQ(put(0, 0x1003), H_SUCCESS);
	CHECK_EQ(put(2 * 4096, 0x2003), H_SUCCESS);
	CHECK_EQ(put(3 * 4096, 0x3003), H_PARAMETER);
	CHECK_EQ(get(2 * 4096, &value), H_SUCCESS);
	CHECK_EQ(value, 0x2003);
	CHECK_EQ(tce_create(vm, LIOBN, 12, 0, 16), -EBUSY);
	close(fd);

	fd = tce_create_old(vm, LIOBN, ~0U);
	CHECK(fd >= 0, "%d", fd);
	CHECK_EQ(put(0xffffe000UL, 0x1003), H_SUCCESS);
	CHECK_EQ(put(0xfffff000UL, 0x1003), H_PARAMETER);
	close(fd);
}

static void busy(void)
{
	struct vm *other;
	int a, b, c;

	a = table(12, 0, 16);
	CHECK_EQ(tce_create(vm, LIOBN, 12, 0, 16), -EBUSY);
	CHECK_EQ(tce_create(vm, LIOBN, 16, 32, 1), -EBUSY);
	CHECK_EQ(tce_create_old(vm, LIOBN, 65536), -EBUSY);
	CHECK_EQ(tce_create(vm, LIOBN, 11, 0, 16), -EINVAL);

	/* All 64 bits of the number count, and each VM has its own */
	b = tce_create(vm, LIOBN | 1UL << 32, 12, 0, 16);
	CHECK(b >= 0, "%d", b);
	other = vm_create(vm->kind, 1);
	c = tce_create(other, LIOBN, 12, 0, 16);
	CHECK(c >= 0, "%d", c);
	close(c);
	vm_destroy(other);
	close(b);

	close(a);
	a = tce_create(vm, LIOBN, 12, 0, 16);
	CHECK(a >= 0, "after close: %d", a);
	close(a);
}

static void fd_flags(void)
{
	int fd = table(12, 0, 16);

	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(read(fd, &fd, 0) < 0, "read() works");
	close(fd);
}

static long locked_kb(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* The charge for n pages of entries: these pages, and the list of pages */
static void memlock_limit_in_child(void)
{
	long page = getpagesize();
	struct rlimit limit = { 3 * page, 3 * page };
	int a, b;

	vm = vm_create(vm->kind, 1);
	CHECK_EQ(locked_kb(), 0);
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(65534) ||
	    setuid(65534))
		die("cannot drop privileges: %s", strerror(errno));

	CHECK_EQ(tce_create(vm, LIOBN, 12, 0, 2 * page / 8 + 1), -ENOMEM);
	CHECK_EQ(locked_kb(), 0);

	a = tce_create(vm, LIOBN, 12, 0, 2 * page / 8);
	CHECK(a >= 0, "as much as the limit: %d", a);
	CHECK_EQ(locked_kb(), 3 * page / 1024);
	CHECK_EQ(tce_create(vm, LIOBN + 1, 12, 0, 1), -ENOMEM);
	/* The memory is accounted before the number is checked */
	CHECK_EQ(tce_create(vm, LIOBN, 12, 0, 1), -ENOMEM);
	close(a);
	CHECK_EQ(locked_kb(), 0);

	a = tce_create(vm, LIOBN, 12, 0, 1);
	CHECK(a >= 0, "%d", a);
	CHECK_EQ(locked_kb(), 2 * page / 1024);
	CHECK_EQ(tce_create(vm, LIOBN, 12, 0, 0), -EINVAL);
	CHECK_EQ(locked_kb(), 2 * page / 1024);
	b = dup(a);
	close(a);
	CHECK_EQ(locked_kb(), 2 * page / 1024);
	close(b);
	CHECK_EQ(locked_kb(), 0);
}

static void memlock_limit(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		memlock_limit_in_child();
		fflush(stdout);
		_exit(!!tap_failures);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
}

/* No memory for the list of pages, but the right to lock all memory */
static void too_large(void)
{
	uint32_t shift;
	int fd;

	for (shift = 12; shift <= 22; shift++) {
		fd = tce_create(vm, LIOBN, shift, 0, U64_MAX >> shift);
		CHECK(fd == -ENOMEM, "shift %u: %d", shift, fd);
		if (fd >= 0)
			close(fd);
	}
	CHECK_EQ(locked_kb(), 0);
	close(table(12, 0, 1));
	CHECK_EQ(locked_kb(), 0);
}

/* The table stays when the descriptors of its VM are closed */
static void pins_vm(void)
{
	struct vm *mine = vm_create(vm->kind, 1);
	int fd = tce_create(mine, LIOBN, 12, 0, 20000);
	uint64_t *t = map_table(fd, 20000);

	CHECK_EQ(vcpu_hcall(&mine->vcpu[0], NULL, H_PUT_TCE, LIOBN, 0x3000,
			    0x5003, 0), H_SUCCESS);
	vm_close_fds(mine);
	CHECK_EQ(t[3], 0x5003);
	t[10000] = 77;
	CHECK_EQ(t[10000], 77);
	munmap(t, 20000 * 8);
	t = map_table(fd, 20000);
	CHECK_EQ(t[3], 0x5003);
	CHECK_EQ(t[10000], 77);

	/* The mapping alone keeps the table, too */
	close(fd);
	CHECK_EQ(t[3], 0x5003);
	t[19999] = 78;
	munmap(t, 20000 * 8);
}

/*
 * mmap
 */

static void mmap_both_directions(void)
{
	int fd = table(12, 0, 3 * ENTRIES_PER_PAGE);
	uint64_t *t = map_table(fd, 3 * ENTRIES_PER_PAGE), *u, value;
	size_t i;

	CHECK(all_are(t, 3 * ENTRIES_PER_PAGE, 0), "a new table is not 0");

	for (i = 0; i < 3 * ENTRIES_PER_PAGE; i += ENTRIES_PER_PAGE / 2) {
		CHECK_EQ(put(i << 12, 0x7003), H_SUCCESS);
		CHECK_EQ(t[i], 0x7003);
	}

	/* The guest reads what userspace stores: any value, in host order */
	for (i = 0; i < 3 * ENTRIES_PER_PAGE; i += 511) {
		t[i] = 0x123456789abcdef0UL + i;
		CHECK_EQ(get(i << 12, &value), H_SUCCESS);
		CHECK_EQ(value, 0x123456789abcdef0UL + i);
	}

	memset(t, 0, 3 * ENTRIES_PER_PAGE * 8);
	CHECK_EQ(get(0, &value), H_SUCCESS);
	CHECK_EQ(value, 0);

	/* Two mappings share memory, also with another process */
	u = map_table(fd, 3 * ENTRIES_PER_PAGE);
	u[5] = 99;
	CHECK_EQ(t[5], 99);
	if (!fork()) {
		u[6] = 98;
		_exit(0);
	}
	wait(NULL);
	CHECK_EQ(t[6], 98);

	munmap(u, 3 * ENTRIES_PER_PAGE * 8);
	munmap(t, 3 * ENTRIES_PER_PAGE * 8);
	close(fd);
}

static void mmap_lengths(void)
{
	static const size_t entries[] = { 1, 3, 511, 512, 8191, 8192, 8193, 20000 };
	size_t page = getpagesize(), i;

	for (i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		size_t bytes = entries[i] * 8;
		size_t pages = (bytes + page - 1) / page;
		int fd = table(12, 0, entries[i]);
		char *p;

		/* As long as the table, which may end in the middle of a page */
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (!CHECK(p != MAP_FAILED, "%zu entries: %s", entries[i],
			   strerror(errno)))
			continue;
		CHECK_EQ(touch(p + bytes - 8), 0);
		munmap(p, bytes);

		/* A longer mapping succeeds, and an access beyond the table fails */
		p = mmap(NULL, (pages + 2) * page, PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, 0);
		CHECK(p != MAP_FAILED, "%s", strerror(errno));
		CHECK_EQ(touch(p + pages * page - 1), 0);
		CHECK_EQ(touch(p + pages * page), SIGBUS);
		CHECK_EQ(touch(p + (pages + 2) * page - 1), SIGBUS);
		munmap(p, (pages + 2) * page);

		/* From the middle of the table, and from behind its end */
		p = mmap(NULL, page, PROT_READ, MAP_SHARED, fd,
			 (pages - 1) * page);
		CHECK(p != MAP_FAILED, "%s", strerror(errno));
		CHECK_EQ(touch(p), 0);
		munmap(p, page);
		p = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, pages * page);
		CHECK(p != MAP_FAILED, "%s", strerror(errno));
		CHECK_EQ(touch(p), SIGBUS);
		munmap(p, page);
		p = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 1UL << 46);
		CHECK(p == MAP_FAILED || touch(p) == SIGBUS,
		      "far beyond the table");
		if (p != MAP_FAILED)
			munmap(p, page);
		close(fd);
	}
}

/* A mapping keeps the table, with its number, when the descriptor is closed */
static void mmap_keeps_table(void)
{
	int fd = table(12, 0, 16);
	uint64_t *t = map_table(fd, 16);

	close(fd);
	CHECK_EQ(tce_create(vm, LIOBN, 12, 0, 16), -EBUSY);
	CHECK_EQ(put(0x1000, 0x2003), H_SUCCESS);
	CHECK_EQ(t[1], 0x2003);
	munmap(t, 16 * 8);
	CHECK_EQ(put(0x1000, 0x2003), H_USER);
}

/*
 * The hcalls
 */

static void unknown_liobn(void)
{
	static const uint64_t liobn[] = {
		LIOBN + 1, LIOBN | 1UL << 32, 0, U64_MAX, LIOBN | 1UL << 63,
	};
	int fd = table(12, 0, 16);
	size_t i;

	for (i = 0; i < sizeof(liobn) / sizeof(*liobn); i++) {
		uint64_t before = cpu->user_exits;

		/* Good and bad arguments: userspace handles them all */
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_PUT_TCE, liobn[i], 0, 3, 0),
			 H_USER);
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_PUT_TCE, liobn[i], 1, 3, 0),
			 H_USER);
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_PUT_TCE_INDIRECT, liobn[i], 0,
				    GUEST_LISTS, 1), H_USER);
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_PUT_TCE_INDIRECT, liobn[i], 0,
				    GUEST_LISTS + 1, 513), H_USER);
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_STUFF_TCE, liobn[i], 0, 0, 1),
			 H_USER);
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_STUFF_TCE, liobn[i], 0, 3, 99),
			 H_USER);
		CHECK_EQ(vcpu_hcall(cpu, NULL, H_GET_TCE, liobn[i], 0, 0, 0),
			 H_USER);
		CHECK_EQ(cpu->user_exits - before, 7);
	}
	close(fd);
}

/* For each hcall: ioba misaligned, below the window, behind the window */
static void window_errors(void)
{
	static const struct {
		uint64_t ioba, n;
		long one, many;		/* results for 1 and for n pages */
	} t[] = {
		/* The window is pages 32 to 63 */
		{ 32, 0, H_SUCCESS, H_SUCCESS },
		{ 32, 32, H_SUCCESS, H_SUCCESS },
		{ 32, 33, H_SUCCESS, H_PARAMETER },
		{ 63, 1, H_SUCCESS, H_SUCCESS },
		{ 63, 2, H_SUCCESS, H_PARAMETER },
		{ 63, 512, H_SUCCESS, H_PARAMETER },
		{ 64, 1, H_PARAMETER, H_PARAMETER },
		{ 65, 0, H_PARAMETER, H_PARAMETER },
		{ 31, 0, H_PARAMETER, H_PARAMETER },
		{ 31, 1, H_PARAMETER, H_PARAMETER },
		{ 31, 2, H_PARAMETER, H_PARAMETER },
		{ 0, 1, H_PARAMETER, H_PARAMETER },
		{ 0, 64, H_PARAMETER, H_PARAMETER },
		{ (1UL << 52) - 1, 1, H_PARAMETER, H_PARAMETER },
		{ (1UL << 52) - 1, 34, H_PARAMETER, H_PARAMETER },
		{ 1UL << 51, 1, H_PARAMETER, H_PARAMETER },
	};
	int fd = table(12, 32, 32);
	uint64_t value;
	size_t i, k;

	for (i = 0; i < 512; i++)
		list_at(GUEST_LISTS)[i] = htobe64(0x1003);

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		uint64_t ioba = t[i].ioba << 12;

		CHECK(put(ioba, 0x1003) == t[i].one, "put at %#lx", ioba);
		CHECK(get(ioba, &value) == t[i].one, "get at %#lx", ioba);
		CHECK(put_list(ioba, GUEST_LISTS, t[i].n) == t[i].many,
		      "list of %lu at %#lx", t[i].n, ioba);
		CHECK(stuff(ioba, 0, t[i].n) == t[i].many,
		      "stuff %lu at %#lx", t[i].n, ioba);

		for (k = 1; k < 4096; k = k * 2 + 1) {
			CHECK_EQ(put(ioba + k, 0x1003), H_PARAMETER);
			CHECK_EQ(get(ioba + k, &value), H_PARAMETER);
			CHECK_EQ(put_list(ioba + k, GUEST_LISTS, 1), H_PARAMETER);
			CHECK_EQ(stuff(ioba + k, 0, 1), H_PARAMETER);
		}
	}
	close(fd);
}

/* Addresses: aligned to the IOMMU page, in a memslot, or no permissions */
static void put_values(bool by_list, uint32_t shift)
{
	uint64_t page = 1UL << shift, odd = page / 2, end = GUEST_MEM;
	struct {
		uint64_t tce;
		long ret;
	} t[] = {
		/* Each kind of permission */
		{ page | 1, H_SUCCESS }, { page | 2, H_SUCCESS },
		{ page | 3, H_SUCCESS }, { 0 | 3, H_SUCCESS },
		/* The ends of the memslots */
		{ (end - page) | 3, H_SUCCESS }, { end | 3, H_USER },
		{ GUEST_MEM2_AT | 3, H_SUCCESS },
		{ (GUEST_MEM2_AT - page) | 1, H_USER },
		{ (GUEST_MEM2_AT + GUEST_MEM2 - page) | 2, H_SUCCESS },
		{ (GUEST_MEM2_AT + GUEST_MEM2) | 2, H_USER },
		/* In no memslot */
		{ (1UL << 63) | 3, H_USER }, { (0UL - page) | 3, H_USER },
		{ (1UL << 60) | 1, H_USER }, { ((1UL << 60) | page) | 1, H_USER },
		/* Misaligned */
		{ (page + odd) | 3, H_USER }, { (page + 4) | 1, H_USER },
		{ odd | 2, H_USER }, { (page + 0x800) | 3, H_USER },
		/* No permissions: any address is good */
		{ 0, H_SUCCESS }, { page, H_SUCCESS }, { 4, H_SUCCESS },
		{ page + odd, H_SUCCESS }, { end, H_SUCCESS },
		{ U64_MAX & ~3UL, H_SUCCESS }, { 1UL << 63, H_SUCCESS },
		{ 0xdeadbeefdeadbee0UL, H_SUCCESS },
	};
	size_t n = sizeof(t) / sizeof(*t), i;
	uint64_t *entries, value;
	int fd, pass;

	for (pass = 0; pass < 3; pass++) {
		/* The page of entries does not exist, exists, has other values than 0 */
		fd = table(shift, 16, n);
		entries = NULL;
		if (pass > 0) {
			entries = map_table(fd, n);
			memset(entries, pass == 2 ? 0x5a : 0, n * 8);
		}

		for (i = 0; i < n; i++) {
			uint64_t before = cpu->user_exits;
			uint64_t ioba = (16 + i) << shift;
			long ret;

			if (by_list) {
				*list_at(GUEST_LISTS) = htobe64(t[i].tce);
				ret = put_list(ioba, GUEST_LISTS, 1);
			} else {
				ret = put(ioba, t[i].tce);
			}
			CHECK(ret == t[i].ret, "%#lx: %#lx, not %#lx", t[i].tce,
			      ret, t[i].ret);
			CHECK_EQ(cpu->user_exits - before, t[i].ret == H_USER);
		}

		if (!entries)
			entries = map_table(fd, n);
		for (i = 0; i < n; i++) {
			uint64_t want = t[i].tce;

			if (t[i].ret != H_SUCCESS)
				want = pass == 2 ? 0x5a5a5a5a5a5a5a5aUL : 0;
			CHECK(entries[i] == want, "%#lx left %#lx", t[i].tce,
			      entries[i]);
			CHECK_EQ(get((16 + i) << shift, &value), H_SUCCESS);
			CHECK_EQ(value, want);
		}
		munmap(entries, n * 8);
		close(fd);
	}
}

static void put_errors(void)
{
	put_values(false, 12);
	put_values(false, 16);
	put_values(false, 20);
}

static void indirect_entries(void)
{
	put_values(true, 12);
	put_values(true, 16);
	put_values(true, 20);
}

static void indirect_arguments(void)
{
	uint64_t last = GUEST_MEM - 4096, last2 = GUEST_MEM2_AT + GUEST_MEM2 - 4096;
	static const uint64_t many[] = {
		513, 514, 1024, 1UL << 32, 1UL << 52, 1UL << 61, 1UL << 63,
		U64_MAX, U64_MAX - 511,
	};
	int fd = table(12, 0, 2048);
	uint64_t *t = map_table(fd, 2048);
	size_t i;

	for (i = 0; i < 512; i++) {
		list_at(GUEST_LISTS)[i] = htobe64(i << 12 | 1);
		list_at(last)[i] = htobe64(i << 12 | 2);
		list_at(last2)[i] = htobe64(i << 12 | 3);
	}

	for (i = 0; i < sizeof(many) / sizeof(*many); i++)
		CHECK(put_list(0, GUEST_LISTS, many[i]) == H_PARAMETER,
		      "%#lx pages", many[i]);
	for (i = 1; i < 4096; i *= 2)
		CHECK(put_list(0, GUEST_LISTS + i, 1) == H_PARAMETER,
		      "list at +%#zx", i);
	CHECK(all_are(t, 2048, 0), "an error has stored something");

	CHECK_EQ(put_list(0, GUEST_LISTS, 0), H_SUCCESS);
	CHECK(all_are(t, 2048, 0), "no entries, but stored");
	CHECK_EQ(put_list(0, GUEST_LISTS, 1), H_SUCCESS);
	CHECK(t[0] == 1 && all_are(t + 1, 2047, 0), "one entry");

	CHECK_EQ(put_list(100 << 12, GUEST_LISTS, 512), H_SUCCESS);
	for (i = 0; i < 512; i++)
		CHECK_EQ(t[100 + i], i << 12 | 1);
	CHECK(all_are(t + 1, 99, 0) && all_are(t + 612, 2048 - 612, 0),
	      "more than asked for");

	/* The last page of a memslot is good, the page behind it is not */
	CHECK_EQ(put_list(700 << 12, last, 512), H_SUCCESS);
	CHECK_EQ(t[700 + 511], 511 << 12 | 2);
	CHECK_EQ(put_list(0, GUEST_MEM, 1), H_USER);
	CHECK_EQ(put_list(0, GUEST_MEM, 0), H_USER);
	CHECK_EQ(put_list(1300 << 12, last2, 512), H_SUCCESS);
	CHECK_EQ(t[1300 + 511], 511 << 12 | 3);
	CHECK_EQ(put_list(0, GUEST_MEM2_AT + GUEST_MEM2, 1), H_USER);
	CHECK_EQ(put_list(0, 1UL << 63, 1), H_USER);
	CHECK_EQ(put_list(0, U64_MAX & ~4095UL, 1), H_USER);
	/* The arguments are checked before the list is read */
	CHECK_EQ(put_list(0, GUEST_MEM, 513), H_PARAMETER);
	CHECK_EQ(put_list(0, GUEST_MEM + 8, 1), H_PARAMETER);
	CHECK_EQ(put_list(4, GUEST_MEM, 1), H_PARAMETER);

	munmap(t, 2048 * 8);
	close(fd);
}

/* One bad entry, at any place: nothing is stored */
static void indirect_all_or_nothing(void)
{
	static const uint64_t bad[] = { 0x1003 | 0x10, GUEST_MEM | 1, 1UL << 63 | 2 };
	int fd = table(12, 0, 1024), k;
	uint64_t *t = map_table(fd, 1024);
	size_t i, at;

	for (k = 0; k < 3; k++) {
		for (at = 0; at < 512; at += at < 8 || at >= 504 ? 1 : 62) {
			for (i = 0; i < 512; i++)
				list_at(GUEST_LISTS)[i] = htobe64(0x2003);
			list_at(GUEST_LISTS)[at] = htobe64(bad[k]);
			CHECK_EQ(put_list(0, GUEST_LISTS, 512), H_USER);
			CHECK(all_are(t, 1024, 0), "bad entry %zu", at);
			/* A bad entry behind the end of the list does not matter */
			CHECK_EQ(put_list(0, GUEST_LISTS, at), H_SUCCESS);
			CHECK(all_are(t, at, 0x2003), "list of %zu", at);
			CHECK(all_are(t + at, 1024 - at, 0), "list of %zu", at);
			memset(t, 0, 1024 * 8);
		}
	}
	munmap(t, 1024 * 8);
	close(fd);
}

/* The list is where the host has no page now, or never has one */
static void indirect_unmapped_list(void)
{
	int fd = table(12, 0, 1024);
	uint64_t *t = map_table(fd, 1024);
	size_t page = getpagesize();
	char *p = gpa(vm, GUEST_LISTS);

	memset(t, 0x77, 1024 * 8);
	/* Take the page away, as if it had never been used */
	if (mmap(p, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		die("cannot replace a page: %s", strerror(errno));
	CHECK_EQ(put_list(0, GUEST_LISTS, 512), H_SUCCESS);
	CHECK(all_are(t, 512, 0), "a fresh page is all zeros");
	CHECK(t[512] == 0x7777777777777777UL, "more than asked for");

	mprotect(p, page, PROT_NONE);
	CHECK_EQ(put_list(512 << 12, GUEST_LISTS, 512), H_USER);
	CHECK(t[512] == 0x7777777777777777UL, "stored from no list");
	CHECK_EQ(put_list(0, GUEST_LISTS, 513), H_PARAMETER);
	mprotect(p, page, PROT_READ);
	CHECK_EQ(put_list(512 << 12, GUEST_LISTS, 512), H_SUCCESS);
	mprotect(p, page, PROT_READ | PROT_WRITE);
	munmap(t, 1024 * 8);
	close(fd);
}

static void stuff_values(void)
{
	size_t n = 3 * ENTRIES_PER_PAGE + 7, i;
	int fd = table(12, 0, n);
	uint64_t *t;

	for (i = 1; i < 4; i++) {
		CHECK_EQ(stuff(0, i, 1), H_PARAMETER);
		CHECK_EQ(stuff(0, 0x1000 | i, n), H_PARAMETER);
		CHECK_EQ(stuff(0, i, 0), H_PARAMETER);
		CHECK_EQ(stuff(0, U64_MAX << 2 | i, 1), H_PARAMETER);
	}

	/* There is no entry to clear; then a value that stays */
	CHECK_EQ(stuff(0, 0, n), H_SUCCESS);
	CHECK_EQ(stuff(5 << 12, 0xabcdef00, 0), H_SUCCESS);
	CHECK_EQ(stuff(5 << 12, 0xabcdef00, n - 10), H_SUCCESS);
	t = map_table(fd, n);
	CHECK(all_are(t, 5, 0), "before");
	CHECK(all_are(t + 5, n - 10, 0xabcdef00), "inside");
	CHECK(all_are(t + n - 5, 5, 0), "after");

	/* Around the borders of pages */
	for (i = 1; i < 3; i++) {
		size_t border = i * ENTRIES_PER_PAGE;

		CHECK_EQ(stuff((border - 2) << 12, U64_MAX << 2, 4), H_SUCCESS);
		CHECK_EQ(t[border - 3], 0xabcdef00);
		CHECK(all_are(t + border - 2, 4, U64_MAX << 2), "border");
		CHECK_EQ(t[border + 2], 0xabcdef00);
	}
	CHECK_EQ(stuff(0, 0, n), H_SUCCESS);
	CHECK(all_are(t, n, 0), "cleared");
	munmap(t, n * 8);
	close(fd);
}

static void get_values(void)
{
	int fd = table(16, 8, 2 * ENTRIES_PER_PAGE);
	uint64_t value, *t;

	/* Never written, and there is no page of entries */
	CHECK_EQ(get(8 << 16, &value), H_SUCCESS);
	CHECK_EQ(value, 0);
	CHECK_EQ(put(9 << 16, 0x10003), H_SUCCESS);
	CHECK_EQ(get(8 << 16, &value), H_SUCCESS);
	CHECK_EQ(value, 0);
	CHECK_EQ(get(9 << 16, &value), H_SUCCESS);
	CHECK_EQ(value, 0x10003);
	CHECK_EQ(put(9 << 16, 0), H_SUCCESS);
	CHECK_EQ(get(9 << 16, &value), H_SUCCESS);
	CHECK_EQ(value, 0);

	t = map_table(fd, 2 * ENTRIES_PER_PAGE);
	t[2 * ENTRIES_PER_PAGE - 1] = U64_MAX;
	CHECK_EQ(get((2 * ENTRIES_PER_PAGE + 7) << 16, &value), H_SUCCESS);
	CHECK_EQ(value, U64_MAX);
	munmap(t, 2 * ENTRIES_PER_PAGE * 8);
	close(fd);
}

/* All four are handled in the kernel, on every kind of VM */
static void handled_in_kernel(void)
{
	uint64_t before = cpu->user_exits, value;
	int fd = table(12, 0, 16);

	list_at(GUEST_LISTS)[0] = htobe64(0x3003);
	CHECK_EQ(put(0, 0x1003), H_SUCCESS);
	CHECK_EQ(put_list(0x1000, GUEST_LISTS, 1), H_SUCCESS);
	CHECK_EQ(stuff(0x2000, 0x10, 1), H_SUCCESS);
	CHECK_EQ(get(0x1000, &value), H_SUCCESS);
	CHECK_EQ(value, 0x3003);
	CHECK_EQ(cpu->user_exits - before, 0);
	close(fd);
}

/* Each page size, with windows at both ends of the address space */
static void page_shifts(void)
{
	uint32_t shift;
	size_t i, k;

	for (shift = 12; shift <= 34; shift++) {
		uint64_t max = U64_MAX >> shift;
		uint64_t offsets[] = {
			0, 1, 7, 1UL << (59 - shift), max / 2, max - 24, max - 25,
		};

		for (k = 0; k < sizeof(offsets) / sizeof(*offsets); k++) {
			uint64_t first = offsets[k], n = 24, value, *t;
			uint64_t past = first + n;
			int fd = table(shift, first, n);

			t = map_table(fd, n);
			for (i = 0; i < n; i++) {
				CHECK_EQ(put((first + i) << shift, 3), H_SUCCESS);
				CHECK_EQ(t[i], 3);
				t[i] = i + 1;
				CHECK_EQ(get((first + i) << shift, &value),
					 H_SUCCESS);
				CHECK_EQ(value, i + 1);
			}
			/* Half a page is misaligned, and so is a 4 KiB page */
			CHECK_EQ(put((first << shift) + (1UL << (shift - 1)), 3),
				 H_PARAMETER);
			if (shift > 12)
				CHECK_EQ(put((first << shift) + 4096, 3),
					 H_PARAMETER);
			if (first)
				CHECK_EQ(put((first - 1) << shift, 3),
					 H_PARAMETER);
			CHECK_EQ(put(past << shift, 3), H_PARAMETER);
			CHECK_EQ(stuff((first + n - 1) << shift, 0, 2),
				 H_PARAMETER);
			CHECK_EQ(stuff(first << shift, 0, n + 1), H_PARAMETER);
			CHECK_EQ(t[0], 1);
			CHECK_EQ(t[n - 1], n);
			CHECK_EQ(stuff(first << shift, 0, n), H_SUCCESS);
			CHECK(all_are(t, n, 0), "shift %u: not cleared", shift);
			munmap(t, n * 8);
			close(fd);
		}
	}
}

/*
 * Counts of pages that reach beyond the window, up to sums that wrap. A kernel that
 * did not check them wrote behind the end of the list of pages.
 */
static void npages_overrun(void)
{
	static const uint64_t over[] = {
		1, 2, 16, 511, 512, 8192, 1UL << 20, 1UL << 32, 1UL << 51,
		1UL << 52, 1UL << 60, 1UL << 61, 1UL << 62, 1UL << 63,
	};
	static const uint32_t shifts[] = { 12, 16, 24, 34 };
	size_t i, k, s;

	for (i = 0; i < 512; i++)
		list_at(GUEST_LISTS)[i] = htobe64(3);

	for (s = 0; s < 4; s++) {
		uint32_t shift = shifts[s];
		uint64_t max = U64_MAX >> shift;
		uint64_t firsts[] = { 0, 5, max - 100 };

		for (k = 0; k < 3; k++) {
			uint64_t first = firsts[k], n = 100;
			int fd = table(shift, first, n);
			uint64_t *t = map_table(fd, n);

			for (i = 0; i < sizeof(over) / sizeof(*over); i++) {
				uint64_t at = first << shift;
				uint64_t end = (first + n - 1) << shift;

				CHECK_EQ(stuff(at, 0x40, n + over[i]), H_PARAMETER);
				CHECK_EQ(stuff(end, 0x40, 1 + over[i]), H_PARAMETER);
				CHECK_EQ(stuff(end, 0x40, 0 - over[i]), H_PARAMETER);
				CHECK_EQ(stuff(at, 0x40, 0 - over[i]), H_PARAMETER);
				CHECK_EQ(stuff(at, 0x40, 0 - first - over[i]),
					 H_PARAMETER);
				CHECK_EQ(put_list(at, GUEST_LISTS, n + over[i]),
					 H_PARAMETER);
				CHECK_EQ(put_list(end, GUEST_LISTS, 1 + over[i]),
					 H_PARAMETER);
			}
			/* The sum of page number and count wraps to a value in the window */
			CHECK_EQ(stuff((first + 50) << shift, 0x40,
				       0 - (first + 50) + first + 10), H_PARAMETER);
			CHECK_EQ(stuff((first + 50) << shift, 0x40, 0UL - 50),
				 H_PARAMETER);
			CHECK_EQ(put_list((first + 50) << shift, GUEST_LISTS, 51),
				 H_PARAMETER);
			CHECK(all_are(t, n, 0), "something was stored");
			CHECK_EQ(stuff(first << shift, 0x40, n), H_SUCCESS);
			CHECK(all_are(t, n, 0x40), "the window itself");
			/* The rest of the last page is not part of the table */
			CHECK(all_are(t + n, ENTRIES_PER_PAGE - n, 0),
			      "stored past the window");
			munmap(t, n * 8);
			close(fd);
		}
	}
}

/*
 * Memory runs out
 */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool fail_allocations(void)
{
#define D "/sys/kernel/debug/"
	return write_file(D "fail_page_alloc/ignore-gfp-wait", "N") &&
	       write_file(D "fail_page_alloc/min-order", "0") &&
	       write_file(D "fail_page_alloc/verbose", "0") &&
	       write_file(D "failslab/ignore-gfp-wait", "N") &&
	       write_file(D "failslab/verbose", "0");
#undef D
}

/* Let the n-th allocation of this thread from now on fail; 0: none */
static void fail_nth(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	if (!write_file("/proc/thread-self/fail-nth", text))
		die("fail-nth: %s", strerror(errno));
}

/* True if it failed. If not, there were fewer allocations than that. */
static bool failed_nth(void)
{
	char text[16] = "";
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY);
	bool failed;

	failed = read(fd, text, sizeof(text) - 1) > 0 && atoi(text) == 0;
	close(fd);
	fail_nth(0);
	return failed;
}

static void create_without_memory(void)
{
	int n, fd, failures = 0;
	bool failed;

	if (!fail_allocations()) {
		tap_skipped = "no fault injection in this kernel";
		return;
	}

	for (n = 1; n < 100; n++) {
		fail_nth(n);
		fd = tce_create(vm, LIOBN, 12, 0, 16);
		failed = failed_nth();
		if (fd < 0) {
			failures++;
			CHECK(fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE,
			      "allocation %d: %d", n, fd);
			CHECK_EQ(locked_kb(), 0);
			CHECK_EQ(put(0, 0), H_USER);
		} else {
			CHECK_EQ(put(0, 0x1003), H_SUCCESS);
			close(fd);
		}
		if (!failed)
			break;
	}
	CHECK(failures > 0 && n < 100, "%d failures of %d", failures, n);
	CHECK_EQ(locked_kb(), 0);
}

/* An hcall that could not store does not return H_SUCCESS */
static void hcalls_without_memory(void)
{
	int kind, n, failures, fd;
	uint64_t *t, want;
	bool failed;
	size_t i;
	long ret;

	if (!fail_allocations()) {
		tap_skipped = "no fault injection in this kernel";
		return;
	}

	for (i = 0; i < 512; i++)
		list_at(GUEST_LISTS)[i] = htobe64(0x1003);

	for (kind = 0; kind < 3; kind++) {
		failures = 0;
		for (n = 1; n < 50; n++) {
			struct vm *mine = vm_create(vm->kind, 1), *saved = vm;

			vm = mine;
			cpu = &vm->vcpu[0];
			memcpy(list_at(GUEST_LISTS),
			       gpa(saved, GUEST_LISTS), 4096);
			fd = table(12, 0, ENTRIES_PER_PAGE * 2);
			/* This allocates the guest's own pages */
			put(0x1000, 0);

			fail_nth(n);
			if (kind == 0)
				ret = put(0, 0x1003);
			else if (kind == 1)
				ret = put_list((ENTRIES_PER_PAGE - 256) << 12,
					       GUEST_LISTS, 512);
			else
				ret = stuff((ENTRIES_PER_PAGE - 256) << 12,
					    0x4000, 512);
			failed = failed_nth();

			t = map_table(fd, ENTRIES_PER_PAGE * 2);
			want = kind == 2 ? 0x4000 : 0x1003;
			if (ret == H_SUCCESS) {
				CHECK(all_are(t + (kind ? ENTRIES_PER_PAGE - 256 : 0),
					      kind ? 512 : 1, want),
				      "success, but not stored (%d, %d)", kind, n);
			} else {
				failures++;
				CHECK_EQ(ret, H_USER);
				CHECK(all_are(t, ENTRIES_PER_PAGE * 2, 0),
				      "failed, but stored (%d, %d)", kind, n);
			}
			munmap(t, ENTRIES_PER_PAGE * 16);
			close(fd);
			vm_destroy(mine);
			vm = saved;
			cpu = &vm->vcpu[0];
			if (!failed)
				break;
		}
		CHECK(failures > 0, "kind %d never failed in %d", kind, n);
	}
}

/*
 * How often an hcall leaves the guest. Skipped if there is no real mode.
 */
static void real_mode_steady_state(void)
{
	size_t n = 3 * ENTRIES_PER_PAGE, i;
	struct guest_ctl *ctl = cpu->ctl;
	uint64_t before, exits, *t;
	int fd;

	if (vm->kind != VM_HV_HASH || tce_real_mode() != 1) {
		tap_skipped = "no hcalls in real mode here";
		return;
	}

	/* First use: virtual mode, once for each page of entries */
	fd = table(12, 0, n);
	for (i = 0; i < 2; i++) {
		before = vcpu_exits(cpu);
		*ctl = (struct guest_ctl){
			.job = JOB_REPEAT, .count = n, .step = 4096,
			.arg = { H_PUT_TCE, LIOBN, 0, 0x1003 },
		};
		vcpu_run(cpu);
		exits = vcpu_exits(cpu) - before;
		printf("# %zu entries, round %zu: %lu exits\n", n, i, exits);
		CHECK_EQ(ctl->failed, 0);
		/* The host's timer and the last hcall cause exits, too */
		CHECK(exits < n / 8, "%lu exits", exits);
	}
	t = map_table(fd, n);
	CHECK(all_are(t, n, 0x1003), "not all stored");
	munmap(t, n * 8);
	close(fd);
}

static const struct test {
	const char *name;
	void (*run)(void);
	bool hcalls;
} tests[] = {
	{ "create_arguments", create_arguments, false },
	{ "create_old", create_old, true },
	{ "busy", busy, false },
	{ "fd_flags", fd_flags, false },
	{ "memlock_limit", memlock_limit, false },
	{ "too_large", too_large, false },
	{ "pins_vm", pins_vm, false },
	{ "mmap_both_directions", mmap_both_directions, true },
	{ "mmap_lengths", mmap_lengths, false },
	{ "mmap_keeps_table", mmap_keeps_table, true },
	{ "unknown_liobn", unknown_liobn, true },
	{ "window_errors", window_errors, true },
	{ "put_errors", put_errors, true },
	{ "indirect_entries", indirect_entries, true },
	{ "indirect_arguments", indirect_arguments, true },
	{ "indirect_all_or_nothing", indirect_all_or_nothing, true },
	{ "indirect_unmapped_list", indirect_unmapped_list, true },
	{ "stuff_values", stuff_values, true },
	{ "get_values", get_values, true },
	{ "handled_in_kernel", handled_in_kernel, true },
	{ "page_shifts", page_shifts, true },
	{ "npages_overrun", npages_overrun, true },
	{ "create_without_memory", create_without_memory, false },
	{ "hcalls_without_memory", hcalls_without_memory, true },
	{ "real_mode_steady_state", real_mode_steady_state, false },
};

int main(int argc, char **argv)
{
	int real = tce_real_mode(), n, i, mode;
	enum vm_kind kinds[3];
	char where[64];
	size_t k;

	n = vm_kinds(kinds);
	for (i = 0; i < n; i++) {
		vm = vm_create(kinds[i], 1);
		cpu = &vm->vcpu[0];
		for (mode = 0; mode < 2; mode++) {
			bool off = mode == 1;

			/* Again without real mode, if there is one */
			if (off && (real != 1 || kinds[i] != VM_HV_HASH))
				continue;
			if (off)
				tce_set_real_mode(false);
			for (k = 0; k < sizeof(tests) / sizeof(*tests); k++) {
				if (off && !tests[k].hcalls)
					continue;
				if (argc > 1 && !strstr(tests[k].name, argv[1]))
					continue;
				snprintf(where, sizeof(where), "%s%s",
					 vm_kind_name(kinds[i]),
					 off ? ", real mode off" : "");
				tap_begin();
				tests[k].run();
				tap_end(tests[k].name, where);
			}
			if (off)
				tce_set_real_mode(true);
		}
		vm_destroy(vm);
	}
	return tap_done();
}
