// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races on TCE tables: vCPUs, userspace with its mapping, lists that change while
 * they are read, tables that are closed while they are used, memory that goes
 * away. page_poison=1 slub_debug=FZP on the kernel's command line helps to see a
 * write to a freed page.
 *
 *   tce_race_test [seconds]      for each test, default 2
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "tce_vm.h"

#define LIOBN		0x80002000UL
#define OTHER		0x80003000UL
#define VCPUS		2

static struct vm *vm;
static int seconds = 2;
static bool can_switch;

/* In nanoseconds, because KVM_RUN does not keep floating point registers */
static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

static void pause_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

static uint64_t *map_table(int fd, size_t entries)
{
	uint64_t *p = mmap(NULL, entries * 8, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of a table: %s", strerror(errno));
	return p;
}

static int table(uint64_t liobn, uint64_t size)
{
	int fd = tce_create(vm, liobn, 12, 0, size);

	if (fd < 0)
		die("tce_create: %s", strerror(-fd));
	return fd;
}

/* Let a vCPU repeat an hcall until stop() */
static void repeat(int id, uint64_t nr, uint64_t liobn, uint64_t ioba,
		   uint64_t tce, uint64_t n, uint64_t step)
{
	struct vcpu *cpu = &vm->vcpu[id];

	*cpu->ctl = (struct guest_ctl){
		.job = JOB_REPEAT, .count = 1UL << 62, .step = step,
		.arg = { nr, liobn, ioba, tce, n },
	};
	vcpu_start(cpu);
}

static uint64_t stop(int id)
{
	struct vcpu *cpu = &vm->vcpu[id];

	__atomic_store_n(&cpu->ctl->stop, 1, __ATOMIC_SEQ_CST);
	vcpu_join(cpu);
	return cpu->ctl->done;
}

/* Each value that is read is one that was stored whole */
static void whole_values(void)
{
	const uint64_t a = 0x1111111111111110UL, b = 0x2222222222222220UL;
	const uint64_t c = 0x4444444444444444UL, d = 0x88888888888888a8UL;
	const size_t n = 4;
	unsigned long looks = 0, seen[4] = { 0 };
	atomic_ulong *t;
	bool mode = true;
	uint64_t calls;
	uint64_t end;
	int fd, i;

	fd = table(LIOBN, n);
	t = (void *)map_table(fd, n);
	repeat(0, H_PUT_TCE, LIOBN, 0, a, 0, 0);
	repeat(1, H_STUFF_TCE, LIOBN, 0, b, n, 0);

	end = now() + seconds * 1000000000UL;
	while (now() < end) {
		if (can_switch && looks % 50 == 0)
			tce_set_real_mode(mode = !mode);
		for (i = 0; i < 2000; i++) {
			/* Mostly the entry that all write */
			uint64_t v = t[i % 8 ? 0 : i / 8 % n];

			if (v == 0)
				seen[0]++;
			else if (v == a)
				seen[1]++;
			else if (v == b)
				seen[2]++;
			else if (v == c || v == d)
				seen[3]++;
			else
				CHECK(0, "an entry is %#lx", v);
			/* Write only once in a while */
			if (i % 1000 == 999)
				t[0] = i & 1024 ? c : d;
		}
		looks++;
		pause_us(100);
	}
	if (can_switch)
		tce_set_real_mode(true);
	calls = stop(0);
	printf("# %lu and %lu hcalls; looks: %lu zero, %lu and %lu of the vCPUs, %lu ours\n",
	       calls, stop(1), seen[0], seen[1], seen[2], seen[3]);
	CHECK_EQ(vm->vcpu[0].ctl->failed + vm->vcpu[1].ctl->failed, 0);
	CHECK(seen[1] && seen[2] && seen[3], "too little overlap");
	munmap((void *)t, n * 8);
	close(fd);
}

/*
 * One vCPU changes another vCPU's list all the time, between good entries and bad
 * ones. A bad entry is never stored, and a call that fails stores nothing.
 */
static void list_changes(void)
{
	const uint64_t good = 0x5003, bad = 0x00aabb0000001013UL;
	const size_t n = 512;
	struct vcpu *cpu = &vm->vcpu[0], *other = &vm->vcpu[1];
	unsigned long ok = 0, refused = 0, i, k;
	uint64_t *t, *list = gpa(vm, GUEST_LISTS);
	uint64_t end;
	int fd;

	fd = table(LIOBN, n);
	t = map_table(fd, n);
	for (i = 0; i < n; i++)
		list[i] = htobe64(good);

	/* Only the last entries, so that about half of the calls succeed */
	*other->ctl = (struct guest_ctl){
		.job = JOB_SCRIBBLE, .count = 4, .ptr = GUEST_LISTS + (n - 4) * 8,
		.arg = { htobe64(good), htobe64(bad) },
	};
	vcpu_start(other);

	end = now() + seconds * 1000000000UL;
	for (k = 0; now() < end; k++) {
		long ret;

		memset(t, 0, n * 8);
		ret = vcpu_hcall(cpu, NULL, H_PUT_TCE_INDIRECT, LIOBN, 0,
				 GUEST_LISTS, n);
		if (ret == H_SUCCESS)
			ok++;
		else
			refused++;
		CHECK(ret == H_SUCCESS || ret == H_USER, "result %ld", ret);
		for (i = 0; i < n; i++)
			if (t[i] != (ret == H_SUCCESS ? good : 0))
				break;
		CHECK(i == n, "call %lu returned %ld, entry %lu is %#lx", k, ret,
		      i, t[i]);
	}
	stop(1);
	printf("# %lu lists taken, %lu refused, %lu times rewritten\n", ok,
	       refused, (unsigned long)other->ctl->done);
	CHECK(ok && refused, "too little overlap");
	munmap(t, n * 8);
	close(fd);
}

/*
 * The same, but the guest makes the calls at full speed. Userspace checks the table
 * meanwhile.
 */
static void list_changes_watched(void)
{
	const uint64_t good = 0x5003, bad = 0x00aabb0000001013UL;
	const size_t n = 512;
	struct vcpu *other = &vm->vcpu[1];
	atomic_ulong *t;
	uint64_t calls;
	uint64_t end;
	int fd, i;

	fd = table(LIOBN, n);
	t = (void *)map_table(fd, n);
	for (i = 0; i < (int)n; i++)
		((uint64_t *)gpa(vm, GUEST_LISTS))[i] = htobe64(good);
	*other->ctl = (struct guest_ctl){
		.job = JOB_SCRIBBLE, .count = n, .ptr = GUEST_LISTS,
		.arg = { htobe64(good), htobe64(bad) },
	};
	vcpu_start(other);
	repeat(0, H_PUT_TCE_INDIRECT, LIOBN, 0, GUEST_LISTS, n, 0);

	end = now() + seconds * 1000000000UL;
	while (now() < end) {
		for (i = 0; i < (int)n; i++) {
			uint64_t v = t[i];

			CHECK(!v || v == good, "entry %d is %#lx", i, v);
		}
		pause_us(50);
	}
	calls = stop(0);
	stop(1);
	printf("# %lu calls, %lu refused\n", calls,
	       (unsigned long)vm->vcpu[0].ctl->failed);
	CHECK(vm->vcpu[0].ctl->failed && vm->vcpu[0].ctl->failed < calls,
	      "too little overlap");
	munmap((void *)t, n * 8);
	close(fd);
}

/*
 * Close a table while two vCPUs fill it. When close() has returned, its pages may
 * be those of the next table, and no vCPU writes to that one. One vCPU fills the
 * whole table, which takes long in virtual mode. The other vCPU fills as much as
 * real mode does at once.
 */
static void close_tables(uint64_t end)
{
	size_t per_page = getpagesize() / 8, n = 64 * per_page, m = 16 * per_page, i;
	unsigned long rounds = 0, dirty = 0, used = 0;
	uint64_t *t;
	int fd;

	while (now() < end) {
		fd = table(LIOBN, n);
		/* When the mapping shows an entry, the vCPUs are filling the table */
		t = map_table(fd, n);
		for (i = 0; i < 100 && !((atomic_ulong *)t)[m]; i++)
			pause_us(20);
		used += !!t[m];
		munmap(t, n * 8);
		close(fd);

		fd = table(OTHER, m);
		t = map_table(fd, m);
		for (i = 0; i < m; i++) {
			if (!((atomic_ulong *)t)[i])
				continue;
			dirty++;
			CHECK(0, "entry %zu of a new table is %#lx", i, t[i]);
			break;
		}
		munmap(t, m * 8);
		close(fd);
		rounds++;
	}
	printf("# %lu tables, %lu in use when closed\n", rounds, used);
	CHECK(used > rounds / 20, "the tables were not in use");
	CHECK_EQ(dirty, 0);
}

static void close_while_used(void)
{
	repeat(0, H_STUFF_TCE, LIOBN, 0, 0x7770, 8UL * getpagesize(), 0);
	repeat(1, H_STUFF_TCE, LIOBN, 0, 0x8880, 16384, 0);
	close_tables(now() + 2 * seconds * 1000000000UL);
	printf("# %lu and %lu hcalls\n", stop(0), stop(1));
}

/*
 * The same with a new vCPU. A thread guesses the number of its descriptor, and
 * uses it as soon as it exists, perhaps before KVM_CREATE_VCPU has returned. The
 * window is short: a wrong kernel may pass, unless it is changed to wait there.
 */
static void *user_of_new_vcpu(void *arg)
{
	struct kvm_regs regs;
	int fd = *(int *)arg;

	while (ioctl(fd, KVM_GET_REGS, &regs))
		;
	vcpu_set_up(vm, VCPUS, fd);
	repeat(VCPUS, H_STUFF_TCE, LIOBN, 0, 0x7770, 8UL * getpagesize(), 0);
	return NULL;
}

static void *creator_of_vcpu(void *arg)
{
	int fd = ioctl(vm->fd, KVM_CREATE_VCPU, VCPUS);

	CHECK(fd == *(int *)arg, "the descriptor is %d, should be %d", fd,
	      *(int *)arg);
	return NULL;
}

static void close_beside_new_vcpu(void)
{
	pthread_t user, creator;
	int fd;

	/* The number of the vCPU's descriptor */
	fd = dup(vm->fd);
	close(fd);
	if (pthread_create(&user, NULL, user_of_new_vcpu, &fd) ||
	    pthread_create(&creator, NULL, creator_of_vcpu, &fd))
		die("no thread");
	while (!*(atomic_int *)&vm->vcpu[VCPUS].fd)
		pause_us(20);
	close_tables(now() + seconds * 1000000000UL);
	pthread_join(user, NULL);
	pthread_join(creator, NULL);
	printf("# %lu hcalls\n", stop(VCPUS));
	vm->nr_vcpus = VCPUS + 1;
}

/*
 * An hcall takes long, because the table is of the largest size. close() and SIGKILL
 * end it: they do not wait until it has come to the end of the table. Time would tell
 * little on a busy machine, so this looks at what the hcall has done.
 *
 * The hcall has begun when the first entry is clear. After close(), its result is that
 * of a table that does not exist. After SIGKILL, the last entry still has its value. The
 * parent sees that, because it has the table, too.
 */
#define GIANT		0x200000000UL	/* 2^33 */
#define GIANT_ROUNDS	8
#define GIANT_LIMIT	20000000000UL

/* Messages of parent and child. @time is that of one hcall, in nanoseconds. */
struct giant {
	uint64_t time;
	atomic_int begun, go, done;
	int fd;
	long result;
};

static uint64_t *map_page_of_entry(int fd, uint64_t index)
{
	size_t page = getpagesize();
	uint64_t *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   index * 8 / page * page);

	if (p == MAP_FAILED)
		die("mmap of a table: %s", strerror(errno));
	return p + index % (page / 8);
}

static void unmap_page_of_entry(uint64_t *entry)
{
	size_t page = getpagesize();

	munmap((void *)((uintptr_t)entry & ~(page - 1)), page);
}

static void giant_child(enum vm_kind kind, struct giant *g)
{
	uint64_t start, *first, *last;
	struct guest_call *call;
	struct vcpu *cpu;

	vm = vm_create(kind, 1);
	cpu = &vm->vcpu[0];
	g->fd = table(LIOBN, GIANT);
	start = now();
	if (vcpu_hcall(cpu, NULL, H_STUFF_TCE, LIOBN, 0, 0, GIANT))
		_exit(1);
	g->time = now() - start;

	first = map_page_of_entry(g->fd, 0);
	last = map_page_of_entry(g->fd, GIANT - 1);
	*first = 0x1000;
	*last = 0x1000;
	unmap_page_of_entry(last);

	call = cpu->calls;
	*call = (struct guest_call){ .arg = { H_STUFF_TCE, LIOBN, 0, 0, GIANT } };
	*cpu->ctl = (struct guest_ctl){
		.job = JOB_CALLS, .count = 1, .ptr = GUEST_CALLS(0),
	};
	vcpu_start(cpu);
	while (*(atomic_ulong *)first)
		pause_us(20);
	unmap_page_of_entry(first);
	g->begun = 1;

	while (!g->go)
		pause_us(20);
	close(g->fd);
	vcpu_join(cpu);
	g->result = call->ret;
	g->done = 1;
	pause();
}

/* Returns 1 if the hcall has ended early, 0 if not, -1 if one takes over the limit */
static int giant_round(struct giant *g, int round, bool closes)
{
	uint64_t start = now(), *last = NULL;
	int pidfd, fd, early;
	pid_t child;

	memset(g, 0, sizeof(*g));
	fflush(stdout);
	child = fork();
	if (!child)
		giant_child(vm->kind, g);
	while (!g->begun && now() - start < GIANT_LIMIT)
		pause_us(100);
	if (!g->begun) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		return -1;
	}

	/* At another time in the first third of the hcall in each round */
	pause_us(g->time / 1000 * round / (3 * GIANT_ROUNDS));
	if (closes) {
		g->go = 1;
		while (!g->done)
			pause_us(1000);
	} else {
		pidfd = syscall(SYS_pidfd_open, child, 0);
		fd = syscall(SYS_pidfd_getfd, pidfd, g->fd, 0);
		if (fd < 0)
			die("pidfd_getfd: %s", strerror(errno));
		last = map_page_of_entry(fd, GIANT - 1);
		close(fd);
		close(pidfd);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (closes)
		return g->result != H_SUCCESS;

	early = *last != 0;
	unmap_page_of_entry(last);
	return early;
}

static void giant_stuff(void)
{
	unsigned int early[2] = { 0 };
	struct giant *g;
	int i, ret;

	g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g == MAP_FAILED)
		die("no shared page");
	for (i = 0; i < 2 * GIANT_ROUNDS; i++) {
		ret = giant_round(g, i / 2, i & 1);
		if (!CHECK(ret >= 0, "one hcall takes over %lu s",
			   GIANT_LIMIT / 1000000000UL))
			return;
		early[i & 1] += ret;
	}
	printf("# %lu us for the hcall; of %d, SIGKILL has ended %u early, close() %u\n",
	       g->time / 1000, GIANT_ROUNDS, early[0], early[1]);
	munmap(g, sizeof(*g));
	/* The hcall may have ended before, if the machine is busy */
	CHECK(early[0] > GIANT_ROUNDS / 2, "SIGKILL waits for the hcall");
	CHECK(early[1] > GIANT_ROUNDS / 2, "close() waits for the hcall");
}

/* Create and close other tables during H_PUT_TCE and H_GET_TCE */
static void close_beside(void)
{
	unsigned long rounds = 0, k;
	int fds[8], fd;
	uint64_t end;

	fd = table(LIOBN, 4096);
	repeat(0, H_PUT_TCE, LIOBN, 0x1000, 0x3003, 0, 0);
	repeat(1, H_GET_TCE, LIOBN, 0x2000, 0, 0, 0);

	end = now() + seconds * 1000000000UL;
	while (now() < end) {
		for (k = 0; k < 8; k++)
			fds[k] = table(OTHER + k, 64 << k);
		for (k = 0; k < 8; k++)
			close(fds[(k * 3) % 8]);
		rounds++;
	}
	printf("# %lu rounds, %lu and %lu hcalls\n", rounds, stop(0), stop(1));
	CHECK_EQ(vm->vcpu[0].ctl->failed, 0);
	CHECK_EQ(vm->vcpu[1].ctl->failed, 0);
	close(fd);
}

/* The host replaces the page of the list */
static void list_page_replaced(void)
{
	const uint64_t entry = 0x9003;
	const size_t n = 512;
	size_t page = getpagesize(), i;
	unsigned long rounds = 0;
	atomic_ulong *t;
	uint64_t *list, calls;
	uint64_t end;
	int fd;

	fd = table(LIOBN, n);
	t = (void *)map_table(fd, n);
	list = gpa(vm, GUEST_MEM2_AT);
	repeat(0, H_PUT_TCE_INDIRECT, LIOBN, 0, GUEST_MEM2_AT, n, 0);

	end = now() + seconds * 1000000000UL;
	while (now() < end) {
		void *p = mmap(list, page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		if (p != list)
			die("cannot replace a page: %s", strerror(errno));
		for (i = 0; i < n; i++)
			list[i] = htobe64(entry);
		if (rounds % 4 == 0) {
			mprotect(list, page, PROT_NONE);
			pause_us(20);
			mprotect(list, page, PROT_READ | PROT_WRITE);
		}
		/* Let another mapping get the old page */
		p = mmap(NULL, page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(p, 0x5b, page);
		for (i = 0; i < n; i++) {
			uint64_t v = t[i];

			CHECK(!v || v == entry, "entry %zu is %#lx", i, v);
		}
		munmap(p, page);
		rounds++;
	}
	calls = stop(0);
	printf("# %lu pages, %lu hcalls, %lu to userspace\n", rounds, calls,
	       (unsigned long)vm->vcpu[0].ctl->failed);
	CHECK(vm->vcpu[0].ctl->failed < calls, "no call succeeded");
	munmap((void *)t, n * 8);
	close(fd);
}

/* Delete and add the memslot of the list and of the memory that it maps */
static void memslot_comes_and_goes(void)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.guest_phys_addr = GUEST_MEM2_AT,
		.userspace_addr = (uintptr_t)vm->mem2,
	};
	const uint64_t entry = GUEST_MEM2_AT | 3;
	const size_t n = 512;
	unsigned long rounds = 0;
	atomic_ulong *t;
	uint64_t calls, *list;
	uint64_t end;
	size_t i;
	int fd;

	fd = table(LIOBN, n);
	t = (void *)map_table(fd, n);
	list = gpa(vm, GUEST_MEM2_AT);
	for (i = 0; i < n; i++)
		list[i] = htobe64(entry);
	repeat(0, H_PUT_TCE_INDIRECT, LIOBN, 0, GUEST_MEM2_AT, n, 0);
	repeat(1, H_PUT_TCE, LIOBN, 0, entry, 0, 0);

	end = now() + seconds * 1000000000UL;
	while (now() < end) {
		region.memory_size = 0;
		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
			die("cannot delete a memslot: %s", strerror(errno));
		region.memory_size = GUEST_MEM2;
		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
			die("cannot add a memslot: %s", strerror(errno));
		for (i = 0; i < n; i++) {
			uint64_t v = t[i];

			CHECK(!v || v == entry, "entry %zu is %#lx", i, v);
		}
		pause_us(200);
		rounds++;
	}
	calls = stop(0);
	printf("# %lu rounds; %lu and %lu hcalls, %lu and %lu to userspace\n",
	       rounds, calls, stop(1), (unsigned long)vm->vcpu[0].ctl->failed,
	       (unsigned long)vm->vcpu[1].ctl->failed);
	CHECK(vm->vcpu[0].ctl->failed < calls, "no call succeeded");
	munmap((void *)t, n * 8);
	close(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "whole_values", whole_values },
	{ "list_changes", list_changes },
	{ "list_changes_watched", list_changes_watched },
	{ "close_while_used", close_while_used },
	{ "close_beside", close_beside },
	{ "giant_stuff", giant_stuff },
	{ "list_page_replaced", list_page_replaced },
	{ "memslot_comes_and_goes", memslot_comes_and_goes },
	/* Last, because the VM has one more vCPU then */
	{ "close_beside_new_vcpu", close_beside_new_vcpu },
};

int main(int argc, char **argv)
{
	enum vm_kind kinds[3];
	int n = vm_kinds(kinds), i;
	size_t k;

	if (argc > 1 && atoi(argv[1]) > 0)
		seconds = atoi(argv[1]);

	for (i = 0; i < n; i++) {
		can_switch = kinds[i] == VM_HV_HASH && tce_real_mode() == 1;
		vm = vm_create(kinds[i], VCPUS);
		for (k = 0; k < sizeof(tests) / sizeof(*tests); k++) {
			if (argc > 2 && !strstr(tests[k].name, argv[2]))
				continue;
			tap_begin();
			tests[k].run();
			tap_end(tests[k].name, vm_kind_name(kinds[i]));
		}
		vm_destroy(vm);
	}
	return tap_done();
}
