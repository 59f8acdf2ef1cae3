// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that come and go while vCPUs kick them. The guest counts every
 * kick, and so does its target. The target is an eventfd or userspace, never
 * both and never none.
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

#include "eventfd_util.h"

#define NR_VCPUS	3
#define RUN_NS		1500000000ull

enum phase {
	KICK,		/* as fast as it goes */
	ASKED,		/* once for each turn the test gives */
	TOUCH,		/* read a page that userspace withholds */
	DONE,
};

/* One for each vCPU, in memory both sides see. */
struct share {
	uint64_t phase;
	uint64_t bus;
	uint64_t addr;
	uint64_t data;
	uint64_t kicks;
	uint64_t turn;
	uint64_t turned;
	uint64_t unused;	/* to fill a cache line */
};

static struct share share[NR_VCPUS];

#define TRAP_GPA	0x80000000ull

static void guest_kick(struct share *s)
{
	if (s->bus & PIO) {
#ifdef __x86_64__
		guest_out(s->addr, s->data, 4);
#endif
	} else {
		guest_store(s->addr, s->data, 4);
	}
	WRITE_ONCE(s->kicks, s->kicks + 1);
}

static void guest_code(int me)
{
	struct share *s = &share[me];

	for (;;) {
		switch (READ_ONCE(s->phase)) {
		case KICK:
			guest_kick(s);
			break;
		case ASKED:
			if (READ_ONCE(s->turn) != s->turned) {
				uint64_t turn = READ_ONCE(s->turn);

				guest_kick(s);
				WRITE_ONCE(s->turned, turn);
			}
			break;
		case TOUCH:
			(void)READ_ONCE(*(uint64_t *)TRAP_GPA);
			WRITE_ONCE(s->phase, DONE);
			break;
		case DONE:
			GUEST_DONE();
		}
	}
}

struct runner {
	struct kvm_vcpu *vcpu;
	struct share *share;
	pthread_t thread;
	uint64_t exits;
	uint64_t bad;
};

/* Describes an unexpected exit of a vCPU. */
static void tell_vcpu(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	printf("# vCPU %u: exit reason %u, flags %x\n", vcpu->id, run->exit_reason,
	       run->flags);
#ifdef __x86_64__
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf("# suberror %u, data %llx %llx\n", run->internal.suberror,
		       run->internal.data[0], run->internal.data[1]);
	vcpu_dump(stdout, vcpu, 2);
#endif
	fflush(stdout);
}

static void *run_vcpu(void *arg)
{
	struct runner *r = arg;
	struct kvm_run *run = r->vcpu->run;
	struct ucall uc;

	for (;;) {
		vcpu_run(r->vcpu);
		if (get_ucall(r->vcpu, &uc) == UCALL_DONE)
			return NULL;
		if (run->exit_reason == KVM_EXIT_MMIO) {
			if (!run->mmio.is_write || run->mmio.len != 4 ||
			    run->mmio.phys_addr != r->share->addr ||
			    *(uint32_t *)run->mmio.data != (uint32_t)r->share->data)
				r->bad++;
		} else if (run->exit_reason == KVM_EXIT_IO) {
			if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 ||
			    run->io.port != r->share->addr ||
			    *(uint32_t *)((void *)run + run->io.data_offset) !=
			    (uint32_t)r->share->data)
				r->bad++;
		} else {
			tell_vcpu(r->vcpu);
			TEST_FAIL("exit reason %u", run->exit_reason);
		}
		WRITE_ONCE(r->exits, r->exits + 1);
	}
}

FIXTURE(race) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	struct runner run[NR_VCPUS];
	uint32_t bus;
	uint64_t at;
	int fd[NR_VCPUS];
};

FIXTURE_VARIANT(race) {
	uint32_t bus;
};

FIXTURE_VARIANT_ADD(race, mmio) {
	.bus = 0,
};

#if HAVE_PIO
FIXTURE_VARIANT_ADD(race, pio) {
	.bus = PIO,
};
#endif

FIXTURE_SETUP(race)
{
	int i;

	self->vm = vm_create_with_vcpus(NR_VCPUS, guest_code, self->vcpu);
	map_doors(self->vm);
	self->bus = variant->bus;
	self->at = variant->bus ? DOOR_PORT : DOOR_GPA;
	for (i = 0; i < NR_VCPUS; i++) {
		self->fd[i] = new_eventfd();
		vcpu_args_set(self->vcpu[i], 1, i);
		self->run[i].vcpu = self->vcpu[i];
		self->run[i].share = addr_gva2hva(self->vm, (vm_vaddr_t)&share[i]);
		*self->run[i].share = (struct share) {
			.phase = KICK, .bus = self->bus, .addr = self->at, .data = i,
		};
	}
}

FIXTURE_TEARDOWN(race)
{
	int i;

	kvm_vm_free(self->vm);
	for (i = 0; i < NR_VCPUS; i++)
		close(self->fd[i]);
}

static void start(struct runner *r)
{
	TEST_ASSERT(!pthread_create(&r->thread, NULL, run_vcpu, r), "pthread_create");
}

static void stop(struct runner *r)
{
	WRITE_ONCE(r->share->phase, DONE);
	pthread_join(r->thread, NULL);
	TEST_ASSERT(!r->bad, "%lu exits were not the guest's kick", r->bad);
}

/* Prints the state of all threads, to debug a hang. */
static void tell_threads(void)
{
	static const char *const names[] = { "stat", "wchan", "stack" };
	struct dirent *entry;
	char path[300], text[2000];
	DIR *dir = opendir("/proc/self/task");
	ssize_t len;
	int fd, i;

	while (dir && (entry = readdir(dir))) {
		for (i = 0; entry->d_name[0] != '.' && i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "/proc/self/task/%s/%s",
				 entry->d_name, names[i]);
			fd = open(path, O_RDONLY);
			len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
			if (len > 0)
				printf("# %s: %.*s\n", path, (int)len, text);
			close(fd);
		}
	}
	if (dir)
		closedir(dir);
}

/*
 * Waits until the vCPU has kicked @n more times. The clock goes on while an
 * emulated machine stands still. So after the time limit, this thread makes
 * some turns of its own before it gives up.
 */
static void let_kick(struct runner *r, int n)
{
	uint64_t from = READ_ONCE(r->share->kicks);
	uint64_t end = now_ns() + SURELY_NS;
	int turns = 0;

	while (READ_ONCE(r->share->kicks) - from < n) {
		if (now_ns() > end && ++turns > 1000000) {
			tell_threads();
			TEST_FAIL("vCPU %u does not get on: %lu kicks, %lu exits",
				  r->vcpu->id, READ_ONCE(r->share->kicks),
				  READ_ONCE(r->exits));
		}
		sched_yield();
	}
}

/* All vCPUs kick one ioeventfd that is assigned half of the time. */
TEST_F(race, none_lost_none_twice)
{
	uint64_t kicks = 0, exits = 0, rings = 0, end;
	int i, rounds = 0;

	for (i = 0; i < NR_VCPUS; i++)
		start(&self->run[i]);
	for (end = now_ns() + RUN_NS; rounds < 3 || now_ns() < end; rounds++) {
		door_assign(self->vm, self->fd[0], self->at, 4, self->bus, 0);
		let_kick(&self->run[rounds % NR_VCPUS], 1 + rounds % 5);
		door_deassign(self->vm, self->fd[0], self->at, 4, self->bus, 0);
		rings += eventfd_take(self->fd[0]);
		let_kick(&self->run[rounds % NR_VCPUS], rounds % 3);
	}
	for (i = 0; i < NR_VCPUS; i++) {
		stop(&self->run[i]);
		kicks += self->run[i].share->kicks;
		exits += self->run[i].exits;
	}
	rings += eventfd_take(self->fd[0]);
	EXPECT_EQ(kicks, exits + rings)
		TH_LOG("%lu kicks, %lu exits, %lu rings in %d rounds", kicks, exits, rings, rounds);
	EXPECT_LT(0, rings);
	EXPECT_LT(0, exits);
}

/* After a deassign has returned, the eventfd gets no signal. */
TEST_F(race, silent_after_deassign)
{
	int i, rounds = 0, late = 0;
	uint64_t end;

	for (i = 0; i < NR_VCPUS; i++)
		start(&self->run[i]);
	for (end = now_ns() + RUN_NS; rounds < 3 || now_ns() < end; rounds++) {
		uint32_t len = rounds % 2 ? 4 : 0;

		door_assign(self->vm, self->fd[0], self->at, len, self->bus, 0);
		let_kick(&self->run[rounds % NR_VCPUS], 1);
		door_deassign(self->vm, self->fd[0], self->at, len, self->bus, 0);
		eventfd_take(self->fd[0]);
		for (i = 0; i < NR_VCPUS; i++)
			let_kick(&self->run[i], 2);
		late += eventfd_take(self->fd[0]);
	}
	for (i = 0; i < NR_VCPUS; i++)
		stop(&self->run[i]);
	EXPECT_EQ(0, late);
}

/*
 * Each vCPU has an ioeventfd of its own, all at one address. That of the last
 * vCPU comes and goes, with dozens of others. The rest must not be affected.
 */
TEST_F(race, neighbours_stay)
{
	uint64_t rings[NR_VCPUS] = { }, end;
	const int last = NR_VCPUS - 1;
	int i, rounds = 0;

	for (i = 0; i < last; i++)
		door_assign(self->vm, self->fd[i], self->at, 4, self->bus | DM, i);
	for (i = 0; i < NR_VCPUS; i++)
		start(&self->run[i]);
	for (end = now_ns() + RUN_NS; rounds < 3 || now_ns() < end; rounds++) {
		for (i = 0; i < 24; i++)
			door_assign(self->vm, self->fd[last], self->at, 4, self->bus | DM,
				    last + (i * 7 + rounds) % 24);
		let_kick(&self->run[last], 1);
		for (i = 0; i < 24; i++)
			door_deassign(self->vm, self->fd[last], self->at, 4, self->bus | DM,
				      last + (i * 5 + rounds) % 24);
		rings[last] += eventfd_take(self->fd[last]);
	}
	for (i = 0; i < NR_VCPUS; i++) {
		stop(&self->run[i]);
		rings[i] += eventfd_take(self->fd[i]);
		EXPECT_EQ(self->run[i].share->kicks, self->run[i].exits + rings[i])
			TH_LOG("vCPU %d", i);
		if (i != last)
			EXPECT_EQ(0, self->run[i].exits) TH_LOG("vCPU %d", i);
	}
}

struct churn {
	struct kvm_vm *vm;
	pthread_t thread;
	uint32_t bus;
	uint64_t at;
	int fd;
	int wrong;
	bool stop;
};

static void *churn(void *arg)
{
	struct churn *c = arg;
	int i;

	while (!READ_ONCE(c->stop)) {
		for (i = 0; i < 16; i++)
			c->wrong += !!door_ioctl(c->vm, c->fd, c->at + i * 4, i % 3 ? 4 : 0,
						 c->bus, 0);
		for (i = 0; i < 16; i++)
			c->wrong += !!door_ioctl(c->vm, c->fd, c->at + i * 4, i % 3 ? 4 : 0,
						 c->bus | DEASSIGN, 0);
	}
	return NULL;
}

/*
 * Two threads assign and deassign at lower and higher addresses during kicks.
 */
TEST_F(race, two_writers)
{
	struct churn c[2];
	uint64_t rings = 0;
	int i;

	door_assign(self->vm, self->fd[0], self->at + 0x100, 4, self->bus, 0);
	for (i = 0; i < NR_VCPUS; i++) {
		self->run[i].share->addr = self->at + 0x100;
		start(&self->run[i]);
	}
	for (i = 0; i < 2; i++) {
		c[i] = (struct churn) {
			.vm = self->vm, .bus = self->bus, .fd = self->fd[1],
			.at = self->at + 0x200 * i,
		};
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, churn, &c[i]));
	}
	usleep(RUN_NS / 1000);
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(c[i].stop, true);
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, c[i].wrong);
	}
	for (i = 0; i < NR_VCPUS; i++) {
		stop(&self->run[i]);
		EXPECT_EQ(0, self->run[i].exits);
		rings += self->run[i].share->kicks;
	}
	EXPECT_EQ(rings, eventfd_take(self->fd[0]));
	EXPECT_EQ(0, eventfd_take(self->fd[1]));
}

/* The last fd of the eventfd is closed between two kicks. */
TEST_F(race, close_while_kicked)
{
	uint64_t exits;
	int i;

	for (i = 0; i < NR_VCPUS; i++) {
		self->run[i].share->addr = self->at + i * 8;
		door_assign(self->vm, self->fd[i], self->at + i * 8, 4, self->bus, 0);
		start(&self->run[i]);
	}
	for (i = 0; i < NR_VCPUS; i++) {
		let_kick(&self->run[i], 3);
		close(self->fd[i]);
		self->fd[i] = -1;
		let_kick(&self->run[i], 50);
	}
	exits = 0;
	for (i = 0; i < NR_VCPUS; i++) {
		stop(&self->run[i]);
		exits += self->run[i].exits;
	}
	/* The kick is taken, and has no other effect. */
	EXPECT_EQ(0, exits);
}

/* Registrations with errors do not affect the other bus of the VM. */
TEST_F(race, refused_while_kicked)
{
	uint64_t kicks = 0, end;
	int i;

	door_assign(self->vm, self->fd[0], self->at, 4, self->bus, 0);
	for (i = 0; i < NR_VCPUS; i++)
		start(&self->run[i]);
	for (end = now_ns() + RUN_NS / 3; now_ns() < end;) {
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd[1], self->at, 4, self->bus, 0));
		EXPECT_EQ(-EEXIST, door_ioctl(self->vm, self->fd[1], self->at, 0, self->bus, 0));
		EXPECT_EQ(-ENOENT, door_ioctl(self->vm, self->fd[1], self->at, 4,
					      self->bus | DEASSIGN, 0));
	}
	for (i = 0; i < NR_VCPUS; i++) {
		stop(&self->run[i]);
		kicks += self->run[i].share->kicks;
		EXPECT_EQ(0, self->run[i].exits);
	}
	EXPECT_EQ(kicks, eventfd_take(self->fd[0]));
	EXPECT_EQ(0, eventfd_take(self->fd[1]));
}

/* A vCPU that knows of an assign, or of a deassign, sees its effect. */
TEST_F(race, told_and_seen)
{
	uint64_t end;
	int i, round;

	for (i = 0; i < NR_VCPUS; i++) {
		self->run[i].share->phase = ASKED;
		start(&self->run[i]);
	}
	end = now_ns() + RUN_NS;
	for (round = 1; round < 6 || now_ns() < end; round++) {
		struct runner *r = &self->run[round % NR_VCPUS];
		uint64_t exits = READ_ONCE(r->exits);
		bool there = round % 2;

		if (there)
			door_assign(self->vm, self->fd[0], self->at, 4, self->bus, 0);
		else
			door_deassign(self->vm, self->fd[0], self->at, 4, self->bus, 0);
		WRITE_ONCE(r->share->turn, round);
		while (READ_ONCE(r->share->turned) != round) {
			ASSERT_LT(now_ns(), end + SURELY_NS);
			sched_yield();
		}
		ASSERT_EQ(there, eventfd_take(self->fd[0])) TH_LOG("round %d", round);
		ASSERT_EQ(!there, READ_ONCE(r->exits) - exits) TH_LOG("round %d", round);
	}
	for (i = 0; i < NR_VCPUS; i++)
		stop(&self->run[i]);
}

/*
 * A vCPU that is in an exit: in a page fault that userspace does not answer.
 * All the while it holds kvm->srcu for reading.
 */
struct trap {
	int uffd;
	void *page;
};

static bool trap_set(struct kvm_vm *vm, struct trap *t)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg;

	t->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (t->uffd < 0 || ioctl(t->uffd, UFFDIO_API, &api))
		return false;
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, TRAP_GPA, 10, 1, 0);
	virt_map(vm, TRAP_GPA, TRAP_GPA, 1);
	t->page = addr_gpa2hva(vm, TRAP_GPA);
	madvise(t->page, getpagesize(), MADV_DONTNEED);
	reg = (struct uffdio_register) {
		.range = { (uintptr_t)t->page, getpagesize() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	return !ioctl(t->uffd, UFFDIO_REGISTER, &reg);
}

static void trap_wait(struct trap *t)
{
	struct pollfd p = { .fd = t->uffd, .events = POLLIN };
	struct uffd_msg msg;

	TEST_ASSERT(poll(&p, 1, SURELY_MS) == 1 &&
		    read(t->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT, "the vCPU is not where it should be");
}

static void trap_open(struct trap *t)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)t->page, getpagesize() },
	};

	TEST_ASSERT(!ioctl(t->uffd, UFFDIO_ZEROPAGE, &zero), "errno %d", errno);
	close(t->uffd);
}

struct call {
	int (*what)(struct call *c);
	struct kvm_vm *vm;
	uint32_t bus;
	uint64_t at;
	int fd;
	int ret;
	uint64_t ns;
	bool returned;
	pthread_t thread;
};

static void *make_call(void *arg)
{
	struct call *c = arg;
	uint64_t from = now_ns();

	c->ret = c->what(c);
	c->ns = now_ns() - from;
	WRITE_ONCE(c->returned, true);
	return NULL;
}

/* Returns true if the call returns while the vCPU is in the trap. */
static bool returns(struct call *c)
{
	uint64_t end = now_ns() + 5000000000ull;

	c->returned = false;
	TEST_ASSERT(!pthread_create(&c->thread, NULL, make_call, c), "pthread_create");
	while (!READ_ONCE(c->returned) && now_ns() < end)
		usleep(1000);
	return READ_ONCE(c->returned);
}

static int call_assign(struct call *c)
{
	return door_ioctl(c->vm, c->fd, c->at + 64, 4, c->bus | DM, 99);
}

static int call_assign_same(struct call *c)
{
	return door_ioctl(c->vm, c->fd, c->at, 4, c->bus | DM, 99);
}

static int call_deassign(struct call *c)
{
	return door_ioctl(c->vm, c->fd, c->at, 4, c->bus | DM | DEASSIGN, 1);
}

static int call_zone(struct call *c)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = c->at + 128, .size = 16, .pio = !!c->bus,
	};

	return ioctl(c->vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone) ? -errno : 0;
}

static int call_create_vcpu(struct call *c)
{
	int fd;

	c->ret = call_assign(c);
	if (c->ret)
		return c->ret;
	fd = ioctl(c->vm->fd, KVM_CREATE_VCPU, NR_VCPUS);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/*
 * Runs @what with vCPU 0 in the trap and vCPU 1 kicking an ioeventfd with data
 * 1.
 */
static void with_trapped_vcpu(struct __test_metadata *_metadata, struct _test_data_race *self,
			      int (*what)(struct call *))
{
	struct call c = {
		.what = what, .vm = self->vm, .bus = self->bus, .at = self->at,
		.fd = self->fd[1],
	};
	struct trap t;
	bool in_time;

	if (!trap_set(self->vm, &t))
		SKIP(return, "no userfaultfd");
	door_assign(self->vm, self->fd[1], self->at, 4, self->bus | DM, 1);
	self->run[0].share->phase = TOUCH;
	start(&self->run[0]);
	trap_wait(&t);
	start(&self->run[1]);
	let_kick(&self->run[1], 5);

	in_time = returns(&c);
	let_kick(&self->run[1], 5);
	trap_open(&t);
	pthread_join(c.thread, NULL);
	EXPECT_TRUE(in_time) TH_LOG("waited for a vCPU in another exit");
	EXPECT_EQ(0, c.ret);
	stop(&self->run[0]);
	stop(&self->run[1]);
	EXPECT_EQ(self->run[1].share->kicks, self->run[1].exits + eventfd_take(self->fd[1]));
}

TEST_F(race, deassign_waits_for_no_other_exit)
{
	with_trapped_vcpu(_metadata, self, call_deassign);
}

TEST_F(race, assign_waits_for_no_reader)
{
	with_trapped_vcpu(_metadata, self, call_assign);
}

TEST_F(race, assign_on_same_register_waits_for_no_reader)
{
	with_trapped_vcpu(_metadata, self, call_assign_same);
}

TEST_F(race, zone_waits_for_no_reader)
{
	with_trapped_vcpu(_metadata, self, call_zone);
}

TEST_F(race, vcpu_after_assign_waits_for_no_reader)
{
#ifdef __aarch64__
	SKIP(return, "arm64 creates no vCPU once the vGIC is initialized");
#endif
	with_trapped_vcpu(_metadata, self, call_create_vcpu);
}

TEST_HARNESS_MAIN
