// SPDX-License-Identifier: GPL-2.0-only
/*
 * An interrupt with a delivery that sleeps: an event channel of Xen, in a page
 * that userfaultfd withholds from the work item. While the delivery sleeps,
 * only the calls that depend on it wait. They return when it is done.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include "irqfd_util.h"

#define IRQFD_DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE
#define XEN_GSI		MSI_GSI
#define OTHER_GSI	(MSI_GSI + 1)
#define EDGE_PIN	11
#define PORT		5
#define PENDING_BYTE	(2048 + PORT / 8)	/* after the vCPUs' 32 parts */
#define STUCK_MS	500			/* seen to wait */
#define FREE_MS		10000			/* seen not to */

struct stuck {
	struct quiet_vm q;
	int uffd;
	uint8_t *page;
	int fd;
};

/* XEN_GSI by argument, OTHER_GSI to VEC_B, the pin to VEC_B + 1. */
static int set_routes(struct kvm_vm *vm, bool xen)
{
	struct kvm_irq_routing *r = new_routing(3);
	int ret;

	if (xen)
		r->entries[r->nr++] = (struct kvm_irq_routing_entry) {
			.gsi = XEN_GSI,
			.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
			.u.xen_evtchn = {
				.port = PORT,
				.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
			},
		};
	else
		add_msi(r, XEN_GSI, VEC_A);
	add_msi(r, OTHER_GSI, VEC_B);
	add_pin(r, EDGE_PIN, EDGE_PIN);
	ret = set_routing(vm, r);
	free(r);
	return ret;
}

static struct quiet_vm new_vm(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct quiet_vm q = quiet_vm_create(false);

	vm_ioctl(q.vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[EDGE_PIN].bits = VEC_B + 1;
	vm_ioctl(q.vm, KVM_SET_IRQCHIP, &chip);
	return q;
}

/* Returns false if this kernel does not support it. */
static bool stuck_init(struct stuck *s)
{
	struct kvm_xen_hvm_attr attr = { .type = KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg;

	if (!(kvm_check_cap(KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA))
		return false;
	s->q = new_vm();
	s->fd = new_eventfd();
	s->page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(s->page != MAP_FAILED, "mmap: errno %d", errno);
	*s->page = 0;
	attr.u.shared_info.hva = (uintptr_t)s->page;
	vm_ioctl(s->q.vm, KVM_XEN_HVM_SET_ATTR, &attr);
	TEST_ASSERT(!set_routes(s->q.vm, true), "routes: errno %d", errno);
	TEST_ASSERT(!irqfd_ioctl(s->q.vm, s->fd, XEN_GSI, 0, 0), "irqfd: errno %d", errno);

	s->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0 || ioctl(s->uffd, UFFDIO_API, &api))
		return false;
	reg = (struct uffdio_register) {
		.range = { (uintptr_t)s->page, getpagesize() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	return !ioctl(s->uffd, UFFDIO_REGISTER, &reg);
}

/* Removes the page and signals. On return, the delivery sleeps. */
static void stick(struct stuck *s)
{
	struct pollfd p = { .fd = s->uffd, .events = POLLIN };
	struct uffd_msg msg;

	TEST_ASSERT(!madvise(s->page, getpagesize(), MADV_DONTNEED), "errno %d", errno);
	eventfd_ring(s->fd, 1);
	TEST_ASSERT(poll(&p, 1, SURELY_MS) == 1 &&
		    read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT, "the delivery does not sleep");
}

static void unstick(struct stuck *s)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)s->page, getpagesize() },
	};

	TEST_ASSERT(!ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero), "errno %d", errno);
}

static bool delivered(struct stuck *s)
{
	return READ_ONCE(s->page[PENDING_BYTE]) & 1 << PORT % 8;
}

/* A call in a thread of its own. */
struct call {
	int (*what)(struct call *c);
	struct stuck *s;
	int ret;
	bool returned;
	bool seen;		/* was the interrupt there when it returned? */
	pthread_t thread;
};

static void *make_call(void *arg)
{
	struct call *c = arg;

	c->ret = c->what(c);
	WRITE_ONCE(c->returned, true);
	/* This call waits as long as the delivery sleeps. */
	c->seen = delivered(c->s);
	return NULL;
}

static void call_start(struct call *c)
{
	TEST_ASSERT(!pthread_create(&c->thread, NULL, make_call, c), "pthread_create");
}

static bool call_returns(struct call *c, int ms)
{
	while (!READ_ONCE(c->returned) && ms-- > 0)
		usleep(1000);
	return READ_ONCE(c->returned);
}

static int call_reroute(struct call *c)
{
	return set_routes(c->s->q.vm, false);
}

static int call_deassign(struct call *c)
{
	return irqfd_ioctl(c->s->q.vm, c->s->fd, XEN_GSI, IRQFD_DEASSIGN, 0);
}

static int call_close(struct call *c)
{
	quiet_vm_free(&c->s->q);
	return 0;
}

/* Other irqfds in @q, by every kind of delivery, work meanwhile. */
static int use_irqfds(struct quiet_vm *q)
{
	int fd = new_eventfd(), ret;

	ret = irqfd_ioctl(q->vm, fd, OTHER_GSI, 0, 0);
	eventfd_ring(fd, 1);
	if (!ret && !quiet_wait(q, VEC_B))
		ret = -ETIME;
	ret = ret ?: irqfd_ioctl(q->vm, fd, OTHER_GSI, IRQFD_DEASSIGN, 0);

	ret = ret ?: irqfd_ioctl(q->vm, fd, EDGE_PIN, 0, 0);
	eventfd_ring(fd, 1);
	if (!ret && !quiet_wait(q, VEC_B + 1))
		ret = -ETIME;
	ret = ret ?: irqfd_ioctl(q->vm, fd, EDGE_PIN, IRQFD_DEASSIGN, 0);
	close(fd);
	return ret;
}

static int use_level(struct quiet_vm *q)
{
	int fd = new_eventfd(), fd2 = new_eventfd(), ret;

	ret = irqfd_ioctl(q->vm, fd, 5, RESAMPLE, fd2);
	ret = ret ?: irqfd_ioctl(q->vm, fd, 5, IRQFD_DEASSIGN, 0);
	close(fd);
	close(fd2);
	return ret;
}

static int call_use_irqfds(struct call *c)
{
	return use_irqfds(&c->s->q);
}

static int call_use_level(struct call *c)
{
	return use_level(&c->s->q);
}

static int call_use_ioeventfd(struct call *c)
{
	int fd = new_eventfd();
	int ret = door_ioctl(c->s->q.vm, fd, 0x1000, 4, 0, 0);

	ret = ret ?: door_ioctl(c->s->q.vm, fd, 0x1000, 4, DEASSIGN, 0);
	close(fd);
	return ret;
}

static int call_use_other_vm(struct call *c)
{
	struct quiet_vm q = new_vm();
	int ret;

	ret = set_routes(q.vm, false);
	ret = ret ?: use_irqfds(&q);
	ret = ret ?: use_level(&q);
	quiet_vm_free(&q);
	return ret;
}

FIXTURE(stuck) {
	struct stuck s;
};

FIXTURE_SETUP(stuck)
{
	if (!stuck_init(&self->s))
		SKIP(return, "no event channels or no userfaultfd");
	stick(&self->s);
}

FIXTURE_TEARDOWN(stuck)
{
}

/*
 * No interrupt comes by the old route when the ioctl has returned. So the ioctl
 * waits for the delivery that is under way, and for no other.
 */
TEST_F(stuck, reroute_waits_for_delivery)
{
	struct call c = { .what = call_reroute, .s = &self->s };

	call_start(&c);
	EXPECT_FALSE(call_returns(&c, STUCK_MS));
	unstick(&self->s);
	ASSERT_TRUE(call_returns(&c, SURELY_MS));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.ret);
	EXPECT_TRUE(c.seen) TH_LOG("by the old route, after the new one");

	/* The next interrupt uses the new route. */
	eventfd_ring(self->s.fd, 1);
	EXPECT_TRUE(quiet_wait(&self->s.q, VEC_A));
}

/* Each change waits for earlier deliveries, not for later ones. */
TEST_F(stuck, reroute_after_reroute)
{
	struct call c = { .what = call_reroute, .s = &self->s };
	struct call c2 = { .what = call_reroute, .s = &self->s };

	call_start(&c);
	EXPECT_FALSE(call_returns(&c, STUCK_MS));
	call_start(&c2);
	EXPECT_FALSE(call_returns(&c2, STUCK_MS));
	unstick(&self->s);
	EXPECT_TRUE(call_returns(&c, SURELY_MS));
	EXPECT_TRUE(call_returns(&c2, SURELY_MS));
}

TEST_F(stuck, deassign_waits_for_delivery)
{
	struct call c = { .what = call_deassign, .s = &self->s };

	call_start(&c);
	EXPECT_FALSE(call_returns(&c, STUCK_MS));
	unstick(&self->s);
	ASSERT_TRUE(call_returns(&c, SURELY_MS));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.ret);
	EXPECT_TRUE(c.seen);
}

TEST_F(stuck, close_waits_for_delivery)
{
	struct call c = { .what = call_close, .s = &self->s };

	call_start(&c);
	EXPECT_FALSE(call_returns(&c, STUCK_MS));
	unstick(&self->s);
	ASSERT_TRUE(call_returns(&c, SURELY_MS));
	pthread_join(c.thread, NULL);
	EXPECT_TRUE(c.seen);
}

/* During a delivery that sleeps, and a change of routes that waits for it. */
static void goes_on(struct __test_metadata *_metadata, struct stuck *s,
		    int (*what)(struct call *))
{
	struct call reroute = { .what = call_reroute, .s = s };
	struct call c = { .what = what, .s = s };

	call_start(&reroute);
	call_returns(&reroute, STUCK_MS / 5);
	call_start(&c);
	EXPECT_TRUE(call_returns(&c, FREE_MS)) TH_LOG("waited");
	unstick(s);
	ASSERT_TRUE(call_returns(&c, SURELY_MS));
	ASSERT_TRUE(call_returns(&reroute, SURELY_MS));
	EXPECT_EQ(0, c.ret);
	EXPECT_EQ(0, reroute.ret);
}

TEST_F(stuck, other_irqfds_go_on)
{
	goes_on(_metadata, &self->s, call_use_irqfds);
}

TEST_F(stuck, level_irqfds_go_on)
{
	goes_on(_metadata, &self->s, call_use_level);
}

TEST_F(stuck, ioeventfds_go_on)
{
	goes_on(_metadata, &self->s, call_use_ioeventfd);
}

TEST_F(stuck, other_vm_goes_on)
{
	goes_on(_metadata, &self->s, call_use_other_vm);
}

/* The end of one VM's irqfd waits for its delivery; another VM does not wait. */
TEST_F(stuck, other_vm_beside_deassign)
{
	struct call deassign = { .what = call_deassign, .s = &self->s };
	struct call c = { .what = call_use_other_vm, .s = &self->s };

	call_start(&deassign);
	EXPECT_FALSE(call_returns(&deassign, STUCK_MS));
	call_start(&c);
	EXPECT_TRUE(call_returns(&c, FREE_MS)) TH_LOG("waited");
	unstick(&self->s);
	ASSERT_TRUE(call_returns(&c, SURELY_MS));
	ASSERT_TRUE(call_returns(&deassign, SURELY_MS));
	EXPECT_EQ(0, c.ret);
	EXPECT_EQ(0, deassign.ret);
}

/* A process is killed while its delivery waits for the process itself. */
static void run_and_kill(struct __test_metadata *_metadata, int (*what)(struct call *))
{
	int ready[2], status, ms;
	pid_t pid;
	char byte;

	TEST_ASSERT(!pipe(ready), "pipe: errno %d", errno);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork: errno %d", errno);
	if (!pid) {
		struct stuck s;
		struct call c = { .what = what, .s = &s };

		if (!stuck_init(&s))
			_exit(KSFT_SKIP);
		stick(&s);
		if (what) {
			call_start(&c);
			call_returns(&c, STUCK_MS);
		}
		TEST_ASSERT(write(ready[1], "x", 1) == 1, "pipe: errno %d", errno);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid: errno %d", errno);
		ASSERT_EQ(KSFT_SKIP, WEXITSTATUS(status));
		SKIP(return, "no event channels or no userfaultfd");
	}
	kill(pid, SIGKILL);
	for (ms = 0; ms < 20000 && !waitpid(pid, &status, WNOHANG); ms++)
		usleep(1000);
	EXPECT_LT(ms, 20000) TH_LOG("cannot be killed");
	close(ready[0]);
}

TEST(killed_beside_delivery)
{
	run_and_kill(_metadata, NULL);
}

TEST(killed_in_reroute)
{
	run_and_kill(_metadata, call_reroute);
}

TEST_HARNESS_MAIN
