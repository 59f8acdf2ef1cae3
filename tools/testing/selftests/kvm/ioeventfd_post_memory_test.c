// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that store the value of a write, where the memory is away. A write
 * is stored and signalled, or it reaches userspace with its value.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/userfaultfd.h>

#include "post_util.h"

FIXTURE(memory) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_ioeventfd args;
	uint32_t bus;
	uint64_t at;
	uint32_t *page;
	int fd;
};

FIXTURE_VARIANT(memory) {
	uint32_t bus;
	bool ordinary;
};

FIXTURE_VARIANT_ADD(memory, mmio) { };
FIXTURE_VARIANT_ADD(memory, mmio_ordinary) { .ordinary = true };
#if HAVE_PIO
FIXTURE_VARIANT_ADD(memory, pio) { .bus = PIO };
FIXTURE_VARIANT_ADD(memory, pio_ordinary) { .bus = PIO, .ordinary = true };
#endif

FIXTURE_SETUP(memory)
{
	if (!kvm_check_cap(KVM_CAP_IOEVENTFD_POST_WRITE))
		SKIP(return, "no KVM_CAP_IOEVENTFD_POST_WRITE");
	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
	map_doors(self->vm);
	if (variant->ordinary)
		use_ordinary_path(self->vcpu);
	self->bus = variant->bus;
	self->at = variant->bus ? DOOR_PORT : DOOR_GPA;
	self->fd = new_eventfd();
	self->page = map_page(NULL, -1);
	self->args = post_args(self->bus, self->at, self->fd, self->page + 1);
	post_assign(self->vm, self->args);
}

FIXTURE_TEARDOWN(memory)
{
	if (!self->vm)
		return;
	kvm_vm_free(self->vm);
	close(self->fd);
}

/* A write that is stored and signalled. */
static void expect_post(struct __test_metadata *_metadata, struct _test_data_memory *self,
			uint32_t val)
{
	EXPECT_EQ(0, guest_write(self->vcpu, self->bus, self->at, 4, val, NULL));
	EXPECT_EQ(1, eventfd_take(self->fd));
	EXPECT_EQ(val, READ_ONCE(self->page[1]));
	EXPECT_EQ(0, READ_ONCE(self->page[0]));
	EXPECT_EQ(0, READ_ONCE(self->page[2]));
}

/* A write that reaches userspace with its value, and signals nothing. */
static void expect_exit(struct __test_metadata *_metadata, struct _test_data_memory *self,
			uint32_t val)
{
	struct io_log log;

	ASSERT_EQ(1, guest_write(self->vcpu, self->bus, self->at, 4, val, &log));
	EXPECT_EQ(0, eventfd_take(self->fd));
	EXPECT_EQ(!!self->bus, log.exit[0].pio);
	EXPECT_TRUE(log.exit[0].write);
	EXPECT_EQ(self->at, log.exit[0].addr);
	EXPECT_EQ(4, log.exit[0].len);
	EXPECT_EQ(val, log.exit[0].data);
}

TEST_F(memory, never_touched)
{
	expect_post(_metadata, self, 0x11223344);
	expect_post(_metadata, self, 0);
}

TEST_F(memory, unmapped)
{
	expect_post(_metadata, self, 1);
	munmap(self->page, POST_PAGE);
	expect_exit(_metadata, self, 2);
	expect_exit(_metadata, self, 3);
	map_page(self->page, -1);
	expect_post(_metadata, self, 4);
}

/* A device or a zone does not get what an ioeventfd matches. */
TEST_F(memory, unmapped_in_a_zone)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = self->at, .size = 64, .pio = !!self->bus,
	};

	ASSERT_EQ(0, __vm_ioctl(self->vm, KVM_REGISTER_COALESCED_MMIO, &zone));
	expect_post(_metadata, self, 1);
	munmap(self->page, POST_PAGE);
	expect_exit(_metadata, self, 2);
}

TEST_F(memory, not_writable)
{
	static const int prots[] = { PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC };
	int i;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		expect_post(_metadata, self, 1);
		mprotect(self->page, POST_PAGE, prots[i]);
		expect_exit(_metadata, self, 2);
		mprotect(self->page, POST_PAGE, PROT_READ | PROT_WRITE);
		EXPECT_EQ(1, READ_ONCE(self->page[1]));
	}
	expect_post(_metadata, self, 3);
}

TEST_F(memory, discarded)
{
	int i;

	for (i = 1; i < 4; i++) {
		expect_post(_metadata, self, i);
		madvise(self->page, POST_PAGE, MADV_DONTNEED);
		EXPECT_EQ(0, READ_ONCE(self->page[1]));
	}
	expect_post(_metadata, self, 9);
}

/* After a fork the page is shared until someone writes. */
TEST_F(memory, copied_on_write)
{
	int go[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	expect_post(_metadata, self, 5);
	pid = fork();
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(self->page[1] == 5 ? 0 : 1);
	}
	expect_post(_metadata, self, 6);
	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(go[0]);
	close(go[1]);
}

TEST_F(memory, file_cut_short)
{
	int file = memfd_create("post", 0);
	uint32_t val[2];

	ASSERT_EQ(0, ftruncate(file, POST_PAGE));
	map_page(self->page, file);
	expect_post(_metadata, self, 1);
	EXPECT_EQ(sizeof(val), pread(file, val, sizeof(val), 0));
	EXPECT_EQ(1, val[1]);
	ASSERT_EQ(0, ftruncate(file, 0));
	expect_exit(_metadata, self, 2);
	ASSERT_EQ(0, ftruncate(file, POST_PAGE));
	expect_post(_metadata, self, 3);
	close(file);
}

/* Page faults of the page come to userspace. */
static int uffd_open(void *page, int flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, POST_PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags);

	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void uffd_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;

	TEST_ASSERT(poll(&p, 1, SURELY_MS) == 1 &&
		    read(fd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT, "no page fault");
}

static void uffd_fill(int fd, void *page)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, POST_PAGE } };

	TEST_ASSERT(!ioctl(fd, UFFDIO_ZEROPAGE, &zero), "errno %d", errno);
}

struct writer {
	struct _test_data_memory *self;
	struct io_log log;
	pthread_t thread;
	bool done;
};

static void *write_once(void *arg)
{
	struct writer *w = arg;

	guest_write(w->self->vcpu, w->self->bus, w->self->at, 4, 0x55, &w->log);
	WRITE_ONCE(w->done, true);
	return NULL;
}

/* A vCPU waits in the page fault; nothing is signalled before it is resolved. */
static int fault_begin(struct __test_metadata *_metadata, struct _test_data_memory *self,
		       struct writer *w)
{
	int uffd = uffd_open(self->page, 0);

	if (uffd < 0)
		return uffd;
	*w = (struct writer) { .self = self };
	TEST_ASSERT(!pthread_create(&w->thread, NULL, write_once, w), "pthread_create");
	uffd_wait(uffd);
	usleep(20000);
	EXPECT_FALSE(READ_ONCE(w->done));
	EXPECT_EQ(0, eventfd_take(self->fd));
	return uffd;
}

TEST_F(memory, userfault)
{
	struct writer w;
	int uffd = fault_begin(_metadata, self, &w);

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	uffd_fill(uffd, self->page);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(0, w.log.nr);
	EXPECT_EQ(1, eventfd_take(self->fd));
	EXPECT_EQ(0x55, READ_ONCE(self->page[1]));
	close(uffd);
	expect_post(_metadata, self, 3);
}

/* Unmapped while a vCPU waits: the write is not lost. */
TEST_F(memory, userfault_then_unmapped)
{
	struct writer w;
	int uffd = fault_begin(_metadata, self, &w);

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	munmap(self->page, POST_PAGE);
	close(uffd);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(1, w.log.nr);
	EXPECT_EQ(0x55, w.log.exit[0].data);
	EXPECT_EQ(0, eventfd_take(self->fd));
}

/* DEASSIGN does not wait for the vCPU, and nothing is stored after it. */
TEST_F(memory, userfault_then_deassigned)
{
	struct writer w;
	int uffd = fault_begin(_metadata, self, &w);

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	EXPECT_EQ(0, post_deassign(self->vm, self->args));
	EXPECT_FALSE(READ_ONCE(w.done));
	uffd_fill(uffd, self->page);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(1, w.log.nr);
	EXPECT_EQ(0x55, w.log.exit[0].data);
	EXPECT_EQ(0, eventfd_take(self->fd));
	EXPECT_EQ(0, READ_ONCE(self->page[1]));
	close(uffd);
}

/* A signal that kills the process ends the wait. */
TEST_F(memory, killed_in_userfault)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/* The VM of the parent is not that of this process. */
		self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_op_loop);
		map_doors(self->vm);
		post_assign(self->vm, self->args);
		madvise(self->page, POST_PAGE, MADV_DONTNEED);
		struct writer w;

		if (fault_begin(_metadata, self, &w) < 0)
			_exit(KSFT_SKIP);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "no userfaultfd");
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Only faults from user mode wait: KVM's store takes the ordinary exit. */
TEST_F(memory, userfault_of_user_mode)
{
	int uffd = uffd_open(self->page, UFFD_USER_MODE_ONLY);

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	expect_exit(_metadata, self, 2);
	uffd_fill(uffd, self->page);
	expect_post(_metadata, self, 3);
	close(uffd);
}

/* Another process has the fds, but not the memory. */
TEST_F(memory, other_process)
{
	int status;
	pid_t pid;

	expect_post(_metadata, self, 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct kvm_ioeventfd args = self->args;

		if (__vcpu_run(self->vcpu) != -1 || errno != EIO)
			_exit(1);
		if (post_deassign(self->vm, args) != -EIO)
			_exit(2);
		args.addr += 8;
		_exit(post_ioctl(self->vm, args) == -EIO ? 0 : 3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, eventfd_take(self->fd));
	expect_post(_metadata, self, 2);
}

/* The VM outlives the process that made it. */
TEST_F(memory, dead_process)
{
	struct { int vm, vcpu; } *fds = mmap(NULL, POST_PAGE, PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, pipefd[2], vm, vcpu, pidfd;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct kvm_vcpu *made;
		struct kvm_vm *own = vm_create_with_one_vcpu(&made, guest_op_loop);

		post_assign(own, self->args);
		fds->vm = own->fd;
		fds->vcpu = made->fd;
		if (write(pipefd[1], &c, 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(pipefd[0], &c, 1));
	pidfd = syscall(__NR_pidfd_open, pid, 0);
	vm = syscall(__NR_pidfd_getfd, pidfd, fds->vm, 0);
	vcpu = syscall(__NR_pidfd_getfd, pidfd, fds->vcpu, 0);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (vm < 0 || vcpu < 0)
		SKIP(return, "no pidfd_getfd");

	EXPECT_EQ(-1, ioctl(vcpu, KVM_RUN, NULL));
	EXPECT_EQ(EIO, errno);
	self->args.flags |= DEASSIGN;
	EXPECT_EQ(-1, ioctl(vm, KVM_IOEVENTFD, &self->args));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, eventfd_take(self->fd));
	EXPECT_EQ(0, READ_ONCE(self->page[1]));
	close(vcpu);
	close(vm);
	close(pidfd);
}

TEST_HARNESS_MAIN
