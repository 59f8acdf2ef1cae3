// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every answer of KVM_IOEVENTFD and KVM_IRQFD: all combinations of flags,
 * lengths, addresses, values and kinds of file, and short sequences of calls.
 *
 * With EVENTFD_ABI_LIST=FILE in the environment, the answers are appended to
 * FILE, so that the lists of two kernels can be compared. A line with '='
 * starts a group. It has the name, the number of letters per answer, and the
 * axes of a line; the last axis runs fastest. Each other line is a key, a tab,
 * and the letters of its answers (see answer_letter()).
 *
 * In any case each answer must be a documented one. An assignment can be undone
 * exactly once, and a call with an error has no effect.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "eventfd_util.h"

#define NR_FLAGS	64
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE
#define FAST_MMIO	BIT(4)
#define ANSWERS_MAX	8192

static_assert(KVM_IRQFD_FLAG_DEASSIGN == 1, "KVM_IRQFD_FLAG_DEASSIGN");

/* A group of answers, and its current line. */
struct group {
	FILE *list;
	char line[ANSWERS_MAX];
	int len;
	unsigned long nr;
	unsigned long odd;
	uint64_t hash;
};

static char answer_letter(int ret)
{
	switch (-ret) {
	case 0:		return '.';
	case EINVAL:	return 'I';
	case EBADF:	return 'B';
	case EEXIST:	return 'X';
	case ENOENT:	return 'N';
	case EBUSY:	return 'U';
	case EAGAIN:	return 'A';
	case EFAULT:	return 'F';
	case ENOSPC:	return 'S';
	default:	return '?';
	}
}

static void hash_text(struct group *g, const char *text)
{
	while (*text)
		g->hash = (g->hash ^ (uint8_t)*text++) * 0x100000001b3ull;
}

/* A group of this name and number of letters, with up to two axes. */
static void group_begin(struct group *g, const char *name, const char *axis, const char *axis2)
{
	const char *path = getenv("EVENTFD_ABI_LIST");

	memset(g, 0, sizeof(*g));
	g->hash = 0xcbf29ce484222325ull;
	if (path) {
		g->list = fopen(path, "a");
		TEST_ASSERT(g->list, "%s: errno %d", path, errno);
		fprintf(g->list, "= %s %s %s\n", name, axis, axis2);
	}
}

static void put(struct group *g, char letter)
{
	TEST_ASSERT(g->len < ANSWERS_MAX - 1, "line too long");
	g->line[g->len++] = letter;
	g->line[g->len] = 0;
	g->nr++;
	if (letter == '?')
		g->odd++;
}

static int answer(struct group *g, int ret)
{
	put(g, answer_letter(ret));
	return ret;
}

/* Reports an error once per case, not for each of 100,000 answers. */
static void must(struct group *g, bool ok, const char *what, const char *key)
{
	if (ok)
		return;
	if (!g->odd++)
		ksft_print_msg("%s: %s\n", key, what);
}

static void line_end(struct group *g, const char *key)
{
	hash_text(g, key);
	hash_text(g, g->line);
	if (g->list)
		fprintf(g->list, "%s\t%s\n", key, g->line);
	g->len = 0;
}

static unsigned long group_end(struct group *g)
{
	ksft_print_msg("%lu answers, hash %016lx\n", g->nr, g->hash);
	if (g->list)
		TEST_ASSERT(!fclose(g->list), "list: errno %d", errno);
	return g->odd;
}

/* Files of every kind. */
enum {
	F_EVENTFD, F_SEMAPHORE, F_PENDING, F_FULL, F_CLOSED, F_MINUS_1, F_MIN,
	F_MAX, F_PIPE_READ, F_PIPE_WRITE, F_SOCKET, F_REGULAR, F_NULL,
	F_DIRECTORY, F_PATH, F_EPOLL, F_TIMER, F_SIGNAL, F_INOTIFY, F_MEMFD,
	F_KVM, F_VM, F_VCPU, F_OTHER_VM, NR_FILES
};

static const char * const file_names[] = {
	"eventfd", "semaphore", "pending", "full", "closed", "-1", "min",
	"max", "pipe-read", "pipe-write", "socket", "regular", "null",
	"directory", "path", "epoll", "timer", "signal", "inotify", "memfd",
	"kvm", "vm", "vcpu", "other-vm",
};

static_assert(ARRAY_SIZE(file_names) == NR_FILES, "file_names");

static bool is_eventfd(int file)
{
	return file <= F_FULL;
}

struct files {
	struct kvm_vm *other;
	int fd[NR_FILES];
};

static void files_open(struct files *f, struct kvm_vm *vm)
{
	char name[] = "/tmp/eventfd_abi.XXXXXX";
	sigset_t set;
	int p[2], i;

	f->other = vm_create_barebones();
	f->fd[F_EVENTFD] = new_eventfd();
	f->fd[F_SEMAPHORE] = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
	f->fd[F_PENDING] = eventfd(1, EFD_NONBLOCK);
	f->fd[F_FULL] = new_eventfd();
	eventfd_ring(f->fd[F_FULL], ULLONG_MAX - 1);
	TEST_ASSERT(!pipe(p), "pipe: errno %d", errno);
	f->fd[F_PIPE_READ] = p[0];
	f->fd[F_PIPE_WRITE] = p[1];
	f->fd[F_SOCKET] = socket(AF_UNIX, SOCK_STREAM, 0);
	f->fd[F_REGULAR] = mkstemp(name);
	unlink(name);
	f->fd[F_NULL] = open("/dev/null", O_RDWR);
	f->fd[F_DIRECTORY] = open("/", O_RDONLY | O_DIRECTORY);
	f->fd[F_PATH] = open("/", O_PATH);
	f->fd[F_EPOLL] = epoll_create1(0);
	f->fd[F_TIMER] = timerfd_create(CLOCK_MONOTONIC, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	f->fd[F_SIGNAL] = signalfd(-1, &set, 0);
	f->fd[F_INOTIFY] = inotify_init1(0);
	/*
	 * A small kernel may lack these; then use another file that is no eventfd.
	 */
	if (f->fd[F_SOCKET] < 0)
		f->fd[F_SOCKET] = open("/dev/zero", O_RDONLY);
	if (f->fd[F_INOTIFY] < 0)
		f->fd[F_INOTIFY] = open("/dev/zero", O_RDONLY);
	f->fd[F_MEMFD] = memfd_create("eventfd_abi", 0);
	f->fd[F_KVM] = vm->kvm_fd;
	f->fd[F_VM] = vm->fd;
	f->fd[F_VCPU] = ioctl(f->other->fd, KVM_CREATE_VCPU, 0);
	f->fd[F_OTHER_VM] = f->other->fd;
	f->fd[F_CLOSED] = dup(f->fd[F_EVENTFD]);
	for (i = 0; i < NR_FILES; i++) {
		if (i != F_MINUS_1 && i != F_MIN && i != F_MAX)
			TEST_ASSERT(f->fd[i] >= 0, "%s", file_names[i]);
	}
	close(f->fd[F_CLOSED]);
	f->fd[F_MINUS_1] = -1;
	f->fd[F_MIN] = INT_MIN;
	f->fd[F_MAX] = INT_MAX;
}

static const uint64_t addrs[] = {
	0, 1, 0xffe, 0xffff, 0xffffffff, 0x7fffffffffffffff, -9ull, -8ull, -2ull, -1ull,
};

static const uint64_t values[] = { 0, 0x100, -1ull };

/* All addresses and values with these. */
static void ioeventfd_line(struct group *g, struct kvm_vm *vm, struct files *files,
			   uint32_t flags, uint32_t len, int file)
{
	int fd = files->fd[file], i, ret;
	char key[128];

	snprintf(key, sizeof(key), "flags=0x%x len=%u fd=%s", flags, len, file_names[file]);
	for (i = 0; i < ARRAY_SIZE(addrs) * ARRAY_SIZE(values); i++) {
		uint64_t addr = addrs[i / ARRAY_SIZE(values)];
		uint64_t value = values[i % ARRAY_SIZE(values)];

		ret = answer(g, door_ioctl(vm, fd, addr, len, flags, value));
		if (flags & DEASSIGN) {
			must(g, ret, "nothing was there", key);
			continue;
		}
		must(g, ret || is_eventfd(file), "takes any file", key);
		if (!is_eventfd(file))
			continue;
		must(g, ret != -EEXIST, "something was left", key);
		/* The deassign succeeds once after an assign, else never. */
		if (!ret)
			must(g, !door_ioctl(vm, fd, addr, len, flags | DEASSIGN, value),
			     "cannot be deassigned", key);
		ret = door_ioctl(vm, fd, addr, len, flags | DEASSIGN, value);
		must(g, ret == -ENOENT, "is there after all", key);
	}
	line_end(g, key);
}

TEST(ioeventfd_arguments)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct files files;
	struct group g;
	int i;

	files_open(&files, vm);
	group_begin(&g, "ioeventfd-arguments 1",
		    "addr=0,1,0xffe,0xffff,0xffffffff,0x7fffffffffffffff,-9,-8,-2,-1",
		    "value=0,0x100,-1");
	for (i = 0; i < NR_FLAGS * 17 * NR_FILES; i++)
		ioeventfd_line(&g, vm, &files, i / (17 * NR_FILES), i / NR_FILES % 17,
			       i % NR_FILES);
	EXPECT_EQ(0, group_end(&g));
}

/* Two registrations that differ in one argument or more, or in none. */
struct door_key {
	uint32_t flags;
	uint32_t len;
	uint64_t addr;
	uint64_t value;
};

static int door_keys(struct door_key *keys, int max)
{
	static const uint32_t buses[] = { 0, PIO, CCW, PIO | CCW, FAST_MMIO };
	static const uint32_t lens[] = { 0, 1, 4, 8 };
	int b, a, l, m, n = 0;

	for (b = 0; b < ARRAY_SIZE(buses); b++) {
		for (a = 0; a < 2; a++) {
			for (l = 0; l < ARRAY_SIZE(lens); l++) {
				for (m = 0; m < (lens[l] ? 3 : 1); m++) {
					TEST_ASSERT(n < max, "%d keys", n);
					keys[n++] = (struct door_key) {
						.flags = buses[b] | (m ? DM : 0),
						.len = lens[l],
						.addr = 0x1000 + a,
						.value = m + 4,
					};
				}
			}
		}
	}
	return n;
}

static int key_ioctl(struct kvm_vm *vm, int fd, const struct door_key *k, uint32_t flags)
{
	return door_ioctl(vm, fd, k->addr, k->len, k->flags | flags, k->value);
}

static void key_name(char *buf, size_t size, const struct door_key *k)
{
	snprintf(buf, size, "flags=0x%x,len=%u,addr=0x%lx,value=%lu",
		 k->flags, k->len, k->addr, k->value);
}

/*
 * There is one registration. Then for every other key: deassign it with the
 * other eventfd and with the same one, assign it, and deassign it. The second
 * deassign finds the registration only if the keys are equal.
 */
TEST(ioeventfd_pairs)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct door_key keys[128];
	char name[80], axis[160 * 80];
	int fd = new_eventfd(), fd2 = new_eventfd();
	int i, j, n, ret, at;
	struct group g;

	n = door_keys(keys, ARRAY_SIZE(keys));
	at = snprintf(axis, sizeof(axis), "second=");
	for (j = 0; j < n; j++) {
		key_name(name, sizeof(name), &keys[j]);
		/* A comma separates the values of an axis. */
		for (i = 0; name[i]; i++)
			name[i] = name[i] == ',' ? ';' : name[i];
		at += snprintf(axis + at, sizeof(axis) - at, "%s%s", j ? "," : "", name);
	}
	group_begin(&g, "ioeventfd-pairs 4", axis, "");
	for (i = 0; i < n; i++) {
		key_name(name, sizeof(name), &keys[i]);
		ret = key_ioctl(vm, fd, &keys[i], 0);
		for (j = 0; j < n; j++) {
			answer(&g, key_ioctl(vm, fd2, &keys[j], DEASSIGN));
			if (!answer(&g, key_ioctl(vm, fd, &keys[j], DEASSIGN)))
				ret = key_ioctl(vm, fd, &keys[i], 0);
			answer(&g, key_ioctl(vm, fd2, &keys[j], 0));
			answer(&g, key_ioctl(vm, fd2, &keys[j], DEASSIGN));
		}
		must(&g, key_ioctl(vm, fd, &keys[i], DEASSIGN) == (ret ? -ENOENT : 0),
		     "lost", name);
		line_end(&g, name);
	}
	EXPECT_EQ(0, group_end(&g));
}

/* Bits without a meaning, and pointers. */
TEST(padding_and_pointers)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_ioeventfd door = { .addr = 0x1000, .len = 4, .fd = new_eventfd() };
	struct kvm_irqfd irqfd = { .fd = door.fd, .gsi = 5, .flags = KVM_IRQFD_FLAG_DEASSIGN };
	size_t page = getpagesize(), i;
	struct group g;
	char key[64];
	char *mem;

	mem = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(mem != MAP_FAILED, "mmap: errno %d", errno);
	TEST_ASSERT(!mprotect(mem + page, page, PROT_NONE), "mprotect: errno %d", errno);

	group_begin(&g, "padding 2", "byte=any", "");
	for (i = 0; i < sizeof(door.pad); i++) {
		memset(door.pad, 0, sizeof(door.pad));
		door.pad[i] = 0xff;
		snprintf(key, sizeof(key), "ioeventfd pad[%zu]", i);
		door.flags = 0;
		answer(&g, __vm_ioctl(vm, KVM_IOEVENTFD, &door) ? -errno : 0);
		door.flags = DEASSIGN;
		answer(&g, __vm_ioctl(vm, KVM_IOEVENTFD, &door) ? -errno : 0);
		line_end(&g, key);
	}
	for (i = 0; i < sizeof(irqfd.pad); i++) {
		memset(irqfd.pad, 0, sizeof(irqfd.pad));
		irqfd.pad[i] = 0xff;
		snprintf(key, sizeof(key), "irqfd pad[%zu]", i);
		answer(&g, __vm_ioctl(vm, KVM_IRQFD, &irqfd) ? -errno : 0);
		answer(&g, __vm_ioctl(vm, KVM_IRQFD, &irqfd) ? -errno : 0);
		line_end(&g, key);
	}
	EXPECT_EQ(0, group_end(&g));

	/* A struct that ends 0, 1, ... bytes before an unreadable page. */
	group_begin(&g, "pointers 1", "ioctl=ioeventfd,irqfd", "");
	door.flags = DEASSIGN;
	for (i = 0; i <= 64; i++) {
		char *p = mem + page - i;

		memcpy(p, &door, i);
		answer(&g, ioctl(vm->fd, KVM_IOEVENTFD, p) ? -errno : 0);
		memcpy(p, &irqfd, i < sizeof(irqfd) ? i : sizeof(irqfd));
		answer(&g, ioctl(vm->fd, KVM_IRQFD, p) ? -errno : 0);
		snprintf(key, sizeof(key), "readable=%zu", i);
		line_end(&g, key);
	}
	answer(&g, ioctl(vm->fd, KVM_IOEVENTFD, NULL) ? -errno : 0);
	answer(&g, ioctl(vm->fd, KVM_IRQFD, NULL) ? -errno : 0);
	line_end(&g, "null");
	answer(&g, ioctl(vm->fd, KVM_IOEVENTFD, (void *)-64ul) ? -errno : 0);
	answer(&g, ioctl(vm->fd, KVM_IRQFD, (void *)-32ul) ? -errno : 0);
	line_end(&g, "kernel");
	EXPECT_EQ(0, group_end(&g));
}

/*
 * The answer of each capability, as two digits; 'z' stands for 35 and more, '-' for an
 * error, which arm64 has for one of them.
 */
TEST(capabilities)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	struct kvm_vm *vm = vm_create_barebones();
	struct group g;
	char key[32];
	int cap;

	group_begin(&g, "capabilities 1", "fd=kvm,vm", "");
	for (cap = 0; cap < 300; cap++) {
		int of_kvm = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, cap);
		int of_vm = ioctl(vm->fd, KVM_CHECK_EXTENSION, cap);

		put(&g, of_kvm < 0 ? '-' : digits[of_kvm < 35 ? of_kvm : 35]);
		put(&g, of_vm < 0 ? '-' : digits[of_vm < 35 ? of_vm : 35]);
		snprintf(key, sizeof(key), "cap=%d", cap);
		line_end(&g, key);
	}
	EXPECT_EQ(0, group_end(&g));
}

/* Ioeventfds on a bus that is full of devices. */
TEST(ioeventfd_full_bus)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_coalesced_mmio_zone zone = { .size = 4 };
	int fd = new_eventfd(), i, ret;
	struct group g;

	group_begin(&g, "ioeventfd-full-bus 1", "call=assign,deassign", "");
	for (i = 0; i < 1001; i++) {
		zone.addr = 0x100000 + i * 16;
		ret = __vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone) ? -errno : 0;
		if (ret)
			break;
	}
	must(&g, i == 1000 && ret == -ENOSPC, "not 1000 devices", "zones");
	answer(&g, door_ioctl(vm, fd, 0x1000, 4, 0, 0));
	answer(&g, door_ioctl(vm, fd, 0x1000, 4, DEASSIGN, 0));
	line_end(&g, "bus=mmio");
	answer(&g, door_ioctl(vm, fd, 0x1000, 4, PIO, 0));
	answer(&g, door_ioctl(vm, fd, 0x1000, 4, PIO | DEASSIGN, 0));
	line_end(&g, "bus=pio");
	EXPECT_EQ(0, group_end(&g));
}

/*
 * Coalesced zones share the bus with ioeventfds: registered twice, gone twice.
 */
TEST(coalesced_zones)
{
	static const uint64_t at[] = {
		0, 0xfff, 0x7fffffff, 0xffffffff, 1ull << 63, -8ull, -4ull, -1ull,
	};
	static const uint32_t sizes[] = {
		0, 1, 4, 8, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	static const int calls[] = {
		KVM_REGISTER_COALESCED_MMIO, KVM_REGISTER_COALESCED_MMIO,
		KVM_UNREGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO,
		KVM_UNREGISTER_COALESCED_MMIO,
	};
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_coalesced_mmio_zone zone;
	struct group g;
	int a, s, c, pio;
	char key[64];

	group_begin(&g, "coalesced-zones 1",
		    "call=register,register,unregister,unregister,unregister", "");
	for (pio = 0; pio < 3; pio++) {
		for (a = 0; a < ARRAY_SIZE(at); a++) {
			for (s = 0; s < ARRAY_SIZE(sizes); s++) {
				zone = (struct kvm_coalesced_mmio_zone) {
					.addr = at[a], .size = sizes[s], .pio = pio,
				};
				for (c = 0; c < ARRAY_SIZE(calls); c++)
					answer(&g, ioctl(vm->fd, calls[c], &zone) ? -errno : 0);
				snprintf(key, sizeof(key), "pio=%d addr=0x%lx size=0x%x",
					 pio, at[a], sizes[s]);
				line_end(&g, key);
			}
		}
	}
	EXPECT_EQ(0, group_end(&g));
}

/* irqfds: without an irqchip, and with those that x86 has. */
FIXTURE(irqfd) {
	struct kvm_vm *vm, *vm2;
};

FIXTURE_VARIANT(irqfd) {
	const char *name;
	int chip;
};

#define CHIP_NONE	0
#define CHIP_SPLIT	1
#define CHIP_FULL	2

FIXTURE_VARIANT_ADD(irqfd, none) {
	.name = "none",
	.chip = CHIP_NONE,
};

#ifdef __x86_64__
FIXTURE_VARIANT_ADD(irqfd, split) {
	.name = "split",
	.chip = CHIP_SPLIT,
};

FIXTURE_VARIANT_ADD(irqfd, full) {
	.name = "full",
	.chip = CHIP_FULL,
};
#endif

static struct kvm_vm *vm_with_chip(int chip)
{
	struct kvm_vm *vm = vm_create_barebones();

#ifdef __x86_64__
	if (chip == CHIP_SPLIT)
		vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
#endif
	if (chip == CHIP_FULL)
		vm_create_irqchip(vm);
	return vm;
}

FIXTURE_SETUP(irqfd)
{
	self->vm = vm_with_chip(variant->chip);
	self->vm2 = vm_with_chip(variant->chip);
}

FIXTURE_TEARDOWN(irqfd)
{
	kvm_vm_free(self->vm);
	kvm_vm_free(self->vm2);
}

static const uint32_t gsis[] = {
	0, 23, 24, 4095, 4096, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
};

/* All resamplefds and GSIs with these. */
static void irqfd_line(struct group *g, struct kvm_vm *vm, struct files *files,
		       const char *chip, uint32_t flags, int file)
{
	int fd = files->fd[file], i, ret;
	char key[128];

	snprintf(key, sizeof(key), "chip=%s flags=0x%x fd=%s", chip, flags, file_names[file]);
	for (i = 0; i < NR_FILES * ARRAY_SIZE(gsis); i++) {
		int res = files->fd[i / ARRAY_SIZE(gsis)];
		uint32_t gsi = gsis[i % ARRAY_SIZE(gsis)];

		ret = answer(g, irqfd_ioctl(vm, fd, gsi, flags, res));
		must(g, ret || is_eventfd(file), "takes any file", key);
		if (ret || flags & KVM_IRQFD_FLAG_DEASSIGN)
			continue;
		ret = irqfd_ioctl(vm, fd, gsi, flags, res);
		must(g, ret == -EBUSY, "twice", key);
		ret = irqfd_ioctl(vm, fd, gsi, flags | KVM_IRQFD_FLAG_DEASSIGN, -1);
		must(g, !ret, "cannot be deassigned", key);
	}
	line_end(g, key);
}

TEST_F(irqfd, arguments)
{
	struct files files;
	char axis[32 * NR_FILES];
	struct group g;
	int i, at, ret;

	files_open(&files, self->vm);
	at = snprintf(axis, sizeof(axis), "resamplefd=");
	for (i = 0; i < NR_FILES; i++)
		at += snprintf(axis + at, sizeof(axis) - at, "%s%s", i ? "," : "", file_names[i]);
	group_begin(&g, "irqfd-arguments 1", axis,
		    "gsi=0,23,24,4095,4096,0xffff,0x7fffffff,0x80000000,0xffffffff");
	for (i = 0; i < NR_FLAGS * NR_FILES; i++)
		irqfd_line(&g, self->vm, &files, variant->name, i / NR_FILES, i % NR_FILES);
	/* A call with an error has bound nothing. */
	for (i = 0; variant->chip != CHIP_NONE && i <= F_FULL; i++) {
		ret = irqfd_ioctl(self->vm2, files.fd[i], 5, 0, 0);
		must(&g, !ret, "is bound", file_names[i]);
		irqfd_ioctl(self->vm2, files.fd[i], 5, KVM_IRQFD_FLAG_DEASSIGN, 0);
	}
	EXPECT_EQ(0, group_end(&g));
}

/* Three calls in every order, for one eventfd, two VMs and two GSIs. */
TEST_F(irqfd, sequences)
{
	static const char * const names[] = { "assign", "resample", "deassign" };
	static const uint32_t flags[] = { 0, RESAMPLE, KVM_IRQFD_FLAG_DEASSIGN };
	struct kvm_vm *vms[] = { self->vm, self->vm2 };
	int fd = new_eventfd(), fd2 = new_eventfd();
	int i, j, op, seq, at;
	struct group g;
	char key[200];

	group_begin(&g, "irqfd-sequences 3", "order=as-said", "");
	for (seq = 0; seq < 12 * 12 * 12; seq++) {
		at = snprintf(key, sizeof(key), "chip=%s", variant->name);
		for (i = 0, op = seq; i < 3; i++, op /= 12) {
			int what = op % 3, gsi = 5 + op / 3 % 2, vm = op / 6 % 2;

			at += snprintf(key + at, sizeof(key) - at, " %s:vm%d:gsi%d",
				       names[what], vm + 1, gsi);
			answer(&g, irqfd_ioctl(vms[vm], fd, gsi, flags[what], fd2));
		}
		line_end(&g, key);
		for (i = 0; i < 2; i++)
			for (j = 5; j < 7; j++)
				irqfd_ioctl(vms[i], fd, j, KVM_IRQFD_FLAG_DEASSIGN, 0);
	}
	EXPECT_EQ(0, group_end(&g));
}

/* A handover: the next VM binds the eventfds before the first one is closed. */
TEST_F(irqfd, handover)
{
	struct kvm_vm *old, *new;
	int fd = new_eventfd();
	struct group g;
	char key[64];

	group_begin(&g, "irqfd-handover 1",
		    "step=old-assigns,new-assigns,new-assigns-after-close,new-assigns-again", "");
	old = vm_with_chip(variant->chip);
	new = vm_with_chip(variant->chip);
	snprintf(key, sizeof(key), "chip=%s", variant->name);
	answer(&g, irqfd_ioctl(old, fd, 5, 0, 0));
	answer(&g, irqfd_ioctl(new, fd, 5, 0, 0));
	kvm_vm_free(old);
	answer(&g, irqfd_ioctl(new, fd, 5, 0, 0));
	answer(&g, irqfd_ioctl(new, fd, 5, 0, 0));
	line_end(&g, key);
	EXPECT_EQ(0, group_end(&g));
	kvm_vm_free(new);
}

/* The count left in an eventfd: '0' nothing, '=' all of @count, '-' less. */
static char what_is_left(int fd, bool semaphore, uint64_t count)
{
	uint64_t left, n;

	left = eventfd_take(fd);
	/*
	 * A read of a semaphore takes 1 of its count; three reads are enough.
	 */
	if (semaphore && left) {
		do {
			n = eventfd_take(fd);
			left += n;
		} while (n && left < 3);
		if (count > 3)
			count = 3;
	}
	return !left ? '0' : left == count ? '=' : '-';
}

/*
 * The count of an eventfd that was signalled before it was assigned: after the
 * assign, and after a deassign.
 */
TEST_F(irqfd, pending)
{
	static const uint64_t counts[] = { 0, 1, 2, 1000, -2ull };
	int i, when, fd, fd2 = new_eventfd();
	struct group g;
	char key[80];

	group_begin(&g, "irqfd-pending 1", "read=after-assign,after-deassign", "");
	for (i = 0; i < 4 * ARRAY_SIZE(counts); i++) {
		uint64_t count = counts[i / 4];
		bool sem = i & 1, res = i & 2;

		for (when = 0; when < 2; when++) {
			fd = eventfd(0, EFD_NONBLOCK | (sem ? EFD_SEMAPHORE : 0));
			if (count)
				eventfd_ring(fd, count);
			irqfd_ioctl(self->vm, fd, 5, res ? RESAMPLE : 0, fd2);
			if (when)
				irqfd_ioctl(self->vm, fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0);
			put(&g, what_is_left(fd, sem, count));
			irqfd_ioctl(self->vm, fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0);
			close(fd);
		}
		snprintf(key, sizeof(key), "chip=%s count=%ld semaphore=%d resample=%d",
			 variant->name, (long)count, sem, res);
		line_end(&g, key);
	}
	EXPECT_EQ(0, group_end(&g));
}

TEST_HARNESS_MAIN
