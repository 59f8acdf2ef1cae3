// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of KVM_IOEVENTFD and KVM_IRQFD: arguments, the writes that
 * signal, the interrupts that events raise, references, and failed allocations.
 * The VM has no memory and no vCPU. Its routes end in this file.
 *
 * Only userspace can make eventfds. The tests use those that their process has
 * at fd 900 and above, and are skipped without them. To run them, load KVM,
 * then write to kunit/kvm-eventfd/run in debugfs from a process that has
 * eventfds.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/wait.h>
#include <kvm/iodev.h>

#define FIRST_FD	900
#define NR_FILES	64
/* The state of one test. */
#define NR_NEEDED	4
#define NR_GSIS		8
#define PIN		3

/* The eventfds of all tests; an entry is NULL once a test has closed it. */
static struct file *files[NR_FILES];
static unsigned int nr_files;

struct efd_test {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;
	struct kvm *other;
	struct kvm_io_device dev;
	unsigned int dev_writes;
	int fd[NR_NEEDED];
	struct eventfd_ctx *ctx[NR_NEEDED];
	/* Interrupts: how often a level was set, by route and by source. */
	atomic_t raised[2][NR_GSIS], lowered[2][NR_GSIS], resample_source;
	wait_queue_head_t changed;
};

struct efd_routes {
	struct kvm_irq_routing_table *table;
	struct kvm_kernel_irq_routing_entry entry[2 * NR_GSIS];
};

static struct efd_test *current_test;

static struct kvm *vm_alloc(void)
{
	struct kvm *kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL);

	if (!kvm)
		return NULL;
	if (init_srcu_struct(&kvm->srcu))
		goto free;
	if (init_srcu_struct(&kvm->irq_srcu))
		goto free_srcu;
	mutex_init(&kvm->slots_lock);
	mutex_init(&kvm->irq_lock);
	xa_init(&kvm->vcpu_array);
#ifdef CONFIG_HAVE_KVM_IRQCHIP
	INIT_HLIST_HEAD(&kvm->irq_ack_notifier_list);
#endif
#ifdef CONFIG_X86
	kvm->arch.irqchip_mode = KVM_IRQCHIP_KERNEL;
#endif
	kvm_eventfd_init(kvm);
	kvm_io_bus_init(kvm);
	return kvm;

free_srcu:
	cleanup_srcu_struct(&kvm->srcu);
free:
	kvfree(kvm);
	return NULL;
}

static void vm_free(struct kvm *kvm)
{
	if (!kvm)
		return;
	kvm_irqfd_release(kvm);
	kvm_io_bus_destroy(kvm);
	cleanup_srcu_struct(&kvm->irq_srcu);
	cleanup_srcu_struct(&kvm->srcu);
	kvfree(kvm);
}

static int dev_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		     gpa_t addr, int len, const void *val)
{
	container_of(dev, struct efd_test, dev)->dev_writes++;
	return 0;
}

static int dev_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		    gpa_t addr, int len, void *val)
{
	return 0;
}

static const struct kvm_io_device_ops dev_ops = {
	.read = dev_read,
	.write = dev_write,
};

/* Installs a file at a new fd. */
static int give_fd(struct file *file)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd >= 0)
		fd_install(fd, get_file(file));
	return fd;
}

/* Reads and clears the count of an eventfd; 0 if it has none. */
static u64 take(struct eventfd_ctx *ctx)
{
	wait_queue_entry_t wait;
	u64 count = 0;

	/* This entry is not on the queue of the eventfd, and need not be. */
	INIT_LIST_HEAD(&wait.entry);
	eventfd_ctx_remove_wait_queue(ctx, &wait, &count);
	return count;
}

static int efd_suite_init(struct kunit_suite *suite)
{
	struct kunit_case *test_case;
	struct eventfd_ctx *ctx;
	struct file *file;
	int fd;

	if (!current->files)
		return 0;
	for (fd = FIRST_FD; fd < FIRST_FD + NR_FILES; fd++) {
		file = fget(fd);
		if (!file)
			continue;
		ctx = eventfd_ctx_fileget(file);
		if (IS_ERR(ctx)) {
			fput(file);
			continue;
		}
		eventfd_ctx_put(ctx);
		/* From here on only the tests have it. */
		close_fd(fd);
		files[nr_files++] = file;
	}
	if (!nr_files)
		return 0;
	/* KUnit does not run a case that it has skipped before. */
	kunit_suite_for_each_test_case(suite, test_case)
		test_case->status = KUNIT_SUCCESS;
	return 0;
}

static void efd_suite_exit(struct kunit_suite *suite)
{
	while (nr_files)
		fput(files[--nr_files]);
}

static int efd_test_init(struct kunit *test)
{
	struct efd_test *t;
	unsigned int i;

	if (nr_files < NR_NEEDED)
		kunit_skip(test, "no eventfds at fd %d and above", FIRST_FD);

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	test->priv = t;
	init_waitqueue_head(&t->changed);
	for (i = 0; i < NR_NEEDED; i++)
		t->fd[i] = -1;
	t->kvm = vm_alloc();
	t->other = vm_alloc();
	t->vcpu = kvzalloc(sizeof(*t->vcpu), GFP_KERNEL);
	if (!t->kvm || !t->other || !t->vcpu)
		return -ENOMEM;
	t->vcpu->kvm = t->kvm;
	kvm_iodevice_init(&t->dev, &dev_ops);
	for (i = 0; i < NR_NEEDED; i++) {
		t->ctx[i] = eventfd_ctx_fileget(files[i]);
		t->fd[i] = give_fd(files[i]);
		if (t->fd[i] < 0)
			return t->fd[i];
		take(t->ctx[i]);
	}
	current_test = t;
	return 0;
}

static void efd_test_exit(struct kunit *test)
{
	struct efd_test *t = test->priv;
	unsigned int i;

	if (!t)
		return;
	for (i = 0; i < NR_NEEDED; i++) {
		if (t->fd[i] >= 0)
			close_fd(t->fd[i]);
		if (t->ctx[i])
			eventfd_ctx_put(t->ctx[i]);
	}
	vm_free(t->kvm);
	vm_free(t->other);
	kvfree(t->vcpu);
	current_test = NULL;
}

static int ioeventfd(struct efd_test *t, u64 addr, u32 len, u64 data, u32 flags,
		     unsigned int fd)
{
	struct kvm_ioeventfd args = {
		.addr = addr, .len = len, .datamatch = data, .flags = flags,
		.fd = t->fd[fd],
	};

	return kvm_ioeventfd(t->kvm, &args);
}

static int kick_on(struct efd_test *t, enum kvm_bus bus, u64 addr, int len,
		   u64 data)
{
	int idx, ret;

	idx = srcu_read_lock(&t->kvm->srcu);
	ret = kvm_io_bus_write(t->vcpu, bus, addr, len, &data);
	srcu_read_unlock(&t->kvm->srcu, idx);
	return ret;
}

/* A write signals eventfd @i @n times. The bus takes it unless @n is 0. */
#define EXPECT_RINGS(test, t, addr, len, data, i, times)		\
	do {								\
		KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, addr,	\
					      len, data),		\
				(times) ? 0 : -EOPNOTSUPP);		\
		KUNIT_EXPECT_EQ(test, take((t)->ctx[i]), times);	\
	} while (0)

#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define CCW	KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY
#define OFF	KVM_IOEVENTFD_FLAG_DEASSIGN

static const struct file_operations no_eventfd_fops;

static void ioeventfd_fds(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct kvm_ioeventfd args = { .addr = 0x1000, .len = 4, .fd = -1 };
	struct file *file;

	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EBADF);
	args.flags = OFF;
	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EBADF);

	file = anon_inode_getfile("no-eventfd", &no_eventfd_fops, NULL, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	args.fd = give_fd(file);
	fput(file);
	KUNIT_ASSERT_GE(test, args.fd, 0);
	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EINVAL);
	args.flags = 0;
	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EINVAL);
	close_fd(args.fd);
	EXPECT_RINGS(test, t, 0x1000, 4, 0, 0, 0);
}

static void ioeventfd_arguments(struct kunit *test)
{
	struct efd_test *t = test->priv;
	u32 i;

	for (i = 0; i < 32; i++) {
		bool good = !i || (i <= 8 && is_power_of_2(i));

		KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, i, 0, 0, 0),
				good ? 0 : -EINVAL);
		/*
		 * The arguments of a deassign are not checked, only looked up.
		 */
		KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, i, 0, OFF, 0),
				good ? 0 : -ENOENT);
		KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, i, 0, OFF, 0), -ENOENT);
	}
	/* Bit 4 has no effect. */
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 0, BIT(4), 0), 0);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 0, OFF, 0), 0);
	for (i = 5; i < 32; i++)
		KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 0, BIT(i), 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 0, 0, MATCH, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, U64_MAX - 3, 4, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, U64_MAX - 4, 4, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, U64_MAX, 0, 0, 0, 0), 0);
	EXPECT_RINGS(test, t, U64_MAX - 4, 4, 0, 0, 1);
	EXPECT_RINGS(test, t, U64_MAX, 1, 0, 0, 1);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, U64_MAX - 3, 4, 0, OFF, 0), -ENOENT);
}

/* Pairs that collide on one bus, in either order. */
static void ioeventfd_exclusivity(struct kunit *test)
{
	static const struct {
		u32 len[2], flags[2];
		u64 data[2], addr;
		bool both;
	} pairs[] = {
		{ { 4, 4 }, { 0, 0 }, { 0, 0 }, 0, false },
		{ { 4, 2 }, { 0, 0 }, { 0, 0 }, 0, true },
		{ { 4, 4 }, { 0, 0 }, { 0, 0 }, 1, true },
		{ { 4, 4 }, { MATCH, 0 }, { 1, 0 }, 0, false },
		{ { 4, 4 }, { MATCH, MATCH }, { 1, 1 }, 0, false },
		{ { 4, 4 }, { MATCH, MATCH }, { 1, 2 }, 0, true },
		{ { 4, 8 }, { MATCH, MATCH }, { 1, 1 }, 0, true },
		{ { 4, 2 }, { MATCH, 0 }, { 1, 0 }, 0, true },
		{ { 0, 4 }, { 0, 0 }, { 0, 0 }, 0, false },
		{ { 0, 1 }, { 0, MATCH }, { 0, 7 }, 0, false },
		{ { 0, 0 }, { 0, 0 }, { 0, 0 }, 0, false },
		{ { 0, 0 }, { 0, 0 }, { 0, 0 }, 1, true },
		{ { 4, 4 }, { 0, PIO }, { 0, 0 }, 0, true },
		{ { 4, 4 }, { 0, CCW }, { 0, 0 }, 0, true },
		{ { 4, 4 }, { PIO, PIO | CCW }, { 0, 0 }, 0, false },
		{ { 8, 8 }, { MATCH, MATCH }, { 1, BIT_ULL(32) | 1 }, 0, true },
		/* Neither is ever signalled, but they differ. */
		{ { 2, 2 }, { MATCH, MATCH }, { 0x10001, 0x20001 }, 0, true },
	};
	struct efd_test *t = test->priv;
	unsigned int i, first;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		for (first = 0; first < 2; first++) {
			unsigned int a = first, b = !first;

			KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000 + a * pairs[i].addr,
							pairs[i].len[a], pairs[i].data[a],
							pairs[i].flags[a], 0), 0);
			KUNIT_EXPECT_EQ_MSG(test,
					    ioeventfd(t, 0x1000 + b * pairs[i].addr,
						      pairs[i].len[b], pairs[i].data[b],
						      pairs[i].flags[b], 1),
					    pairs[i].both ? 0 : -EEXIST,
					    "pair %u, %u first", i, first);
			KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000 + b * pairs[i].addr,
							pairs[i].len[b], pairs[i].data[b],
							pairs[i].flags[b] | OFF, 1),
					pairs[i].both ? 0 : -ENOENT);
			KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000 + a * pairs[i].addr,
							pairs[i].len[a], pairs[i].data[a],
							pairs[i].flags[a] | OFF, 0), 0);
		}
	}
}

static void ioeventfd_datamatch(struct kunit *test)
{
	static const int lens[] = { 1, 2, 4, 8 };
	struct efd_test *t = test->priv;
	u64 value = 0x8182838485868788ull, data;
	unsigned int i;
	int idx;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		int bits = 8 * lens[i];
		u64 mask = bits == 64 ? U64_MAX : BIT_ULL(bits) - 1;

		KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1000, lens[i], value & mask,
						MATCH, i), 0);
	}
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		EXPECT_RINGS(test, t, 0x1000, lens[i], value, i, 1);
		EXPECT_RINGS(test, t, 0x1000, lens[i], value ^ 1, i, 0);
		EXPECT_RINGS(test, t, 0x1001, lens[i], value, i, 0);
		EXPECT_RINGS(test, t, 0x0fff, lens[i], value, i, 0);
	}
	/* Bytes behind the access are ignored; odd widths match none. */
	EXPECT_RINGS(test, t, 0x1000, 2, value ^ BIT_ULL(16), 1, 1);
	EXPECT_RINGS(test, t, 0x1000, 3, value, 1, 0);

	/* A value that is wider than the access never matches. */
	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x2000, 1, 0x100, MATCH, 0), 0);
	EXPECT_RINGS(test, t, 0x2000, 1, 0x100, 0, 0);
	EXPECT_RINGS(test, t, 0x2000, 1, 0, 0, 0);

	/* Reads signal nothing. */
	idx = srcu_read_lock(&t->kvm->srcu);
	KUNIT_EXPECT_EQ(test, kvm_io_bus_read(t->vcpu, KVM_MMIO_BUS, 0x1000, 8,
					      &data), -EOPNOTSUPP);
	srcu_read_unlock(&t->kvm->srcu, idx);
	for (i = 0; i < NR_NEEDED; i++)
		KUNIT_EXPECT_EQ(test, take(t->ctx[i]), 0);
}

static void ioeventfd_buses(struct kunit *test)
{
	static const enum kvm_bus bus[] = {
		KVM_MMIO_BUS, KVM_PIO_BUS, KVM_VIRTIO_CCW_NOTIFY_BUS,
	};
	static const u32 flags[] = { 0, PIO, CCW };
	struct efd_test *t = test->priv;
	unsigned int i, j;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1000, 4, 0, flags[i], i), 0);
	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x2000, 0, 0, 0, 3), 0);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, kick_on(t, bus[i], 0x1000, 4, 0), 0);
		for (j = 0; j < NR_NEEDED; j++)
			KUNIT_EXPECT_EQ(test, take(t->ctx[j]), i == j);
	}
	/* An access without a width matches an ioeventfd for any width only. */
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_FAST_MMIO_BUS, 0x1000, 0, 0),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_FAST_MMIO_BUS, 0x2000, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, take(t->ctx[3]), 1);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x2000, 0, 0, OFF, 3), 0);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_FAST_MMIO_BUS, 0x2000, 0, 0),
			-EOPNOTSUPP);
}

static void ioeventfd_before_device(struct kunit *test)
{
	struct efd_test *t = test->priv;

	mutex_lock(&t->kvm->slots_lock);
	KUNIT_ASSERT_EQ(test, kvm_io_bus_register_dev(t->kvm, KVM_MMIO_BUS,
						      0x1000, 0x100, &t->dev), 0);
	mutex_unlock(&t->kvm->slots_lock);
	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1010, 4, 1, MATCH, 0), 0);

	EXPECT_RINGS(test, t, 0x1010, 4, 1, 0, 1);
	KUNIT_EXPECT_EQ(test, t->dev_writes, 0);
	/*
	 * The device gets what the ioeventfd does not match, and what is around
	 * it.
	 */
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x1010, 4, 2), 0);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x100c, 4, 1), 0);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x1014, 4, 1), 0);
	KUNIT_EXPECT_EQ(test, t->dev_writes, 3);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1010, 4, 1, MATCH | OFF, 0), 0);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x1010, 4, 1), 0);
	KUNIT_EXPECT_EQ(test, t->dev_writes, 4);
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 0);
	/* The bus must be destroyed before its device. */
	kvm_io_bus_destroy(t->kvm);
}

static void ioeventfd_deassign_is_exact(struct kunit *test)
{
	struct efd_test *t = test->priv;
	int fd;

	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1000, 4, 7, MATCH, 0), 0);
	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1000, 4, 8, MATCH, 0), 0);
	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1000, 2, 0, 0, 0), 0);

	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 7, MATCH | OFF, 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1001, 4, 7, MATCH | OFF, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 8, 7, MATCH | OFF, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 9, MATCH | OFF, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 7, OFF, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 2, 0, MATCH | OFF, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 7, MATCH | PIO | OFF, 0),
			-ENOENT);
	EXPECT_RINGS(test, t, 0x1000, 4, 7, 0, 1);
	EXPECT_RINGS(test, t, 0x1000, 4, 8, 0, 1);
	EXPECT_RINGS(test, t, 0x1000, 2, 9, 0, 1);

	/*
	 * The eventfd is compared, not the fd; the value only with DATAMATCH.
	 */
	fd = give_fd(files[0]);
	KUNIT_ASSERT_GE(test, fd, 0);
	close_fd(t->fd[0]);
	t->fd[0] = fd;
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 7, MATCH | OFF, 0), 0);
	EXPECT_RINGS(test, t, 0x1000, 4, 7, 0, 0);
	EXPECT_RINGS(test, t, 0x1000, 4, 8, 0, 1);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 2, 5, OFF, 0), 0);
	EXPECT_RINGS(test, t, 0x1000, 2, 9, 0, 0);
	EXPECT_RINGS(test, t, 0x1000, 4, 8, 0, 1);
}

static void ioeventfd_many_of_one_eventfd(struct kunit *test)
{
	struct efd_test *t = test->priv;
	unsigned int i, wrong = 0;

	for (i = 0; i < 500; i++) {
		wrong += !!ioeventfd(t, 0x1000, 4, i, MATCH, 0);
		wrong += !!ioeventfd(t, 0x2000 + 4 * i, 4, 0, 0, 0);
	}
	for (i = 0; i < 500; i++) {
		wrong += !!kick_on(t, KVM_MMIO_BUS, 0x1000, 4, i);
		wrong += !!kick_on(t, KVM_MMIO_BUS, 0x2000 + 4 * i, 4, i);
	}
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 1000);
	for (i = 0; i < 500; i += 2)
		wrong += !!ioeventfd(t, 0x1000, 4, i, MATCH | OFF, 0);
	for (i = 0; i < 500; i++)
		wrong += (i & 1) != !kick_on(t, KVM_MMIO_BUS, 0x1000, 4, i);
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 250);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* Takes a file from the tests. Putting its last reference closes it. */
static struct file *last_file(struct kunit *test)
{
	if (nr_files <= NR_NEEDED)
		kunit_skip(test, "all eventfds used up");
	return files[--nr_files];
}

static void ioeventfd_outlives_its_fd(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct file *file = last_file(test);
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	close_fd(t->fd[0]);
	t->fd[0] = give_fd(file);
	KUNIT_ASSERT_GE(test, t->fd[0], 0);
	KUNIT_EXPECT_EQ(test, ioeventfd(t, 0x1000, 4, 0, 0, 0), 0);
	close_fd(t->fd[0]);
	t->fd[0] = -1;
	__fput_sync(file);

	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x1000, 4, 0), 0);
	KUNIT_EXPECT_EQ(test, take(ctx), 1);
	/*
	 * Only the ioeventfd has a reference now; KASAN would report a missing
	 * one.
	 */
	eventfd_ctx_put(ctx);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x1000, 4, 0), 0);
	kvm_io_bus_destroy(t->kvm);
	KUNIT_EXPECT_EQ(test, kick_on(t, KVM_MMIO_BUS, 0x1000, 4, 0), -EOPNOTSUPP);
}

/*
 * KASAN and debugobjects allocate memory now and then, in code that does not.
 * In one run of a test they do so less often than this.
 */
#define NR_TRIES 4

#ifdef CONFIG_FAULT_INJECTION
/* Makes the @nth allocation of this task from now on fail. */
static void fail_nth(unsigned int nth)
{
	WRITE_ONCE(current->fail_nth, nth);
}

/* Ends that. Returns true if an allocation has failed. */
static bool has_failed(void)
{
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
}
#else
static void fail_nth(unsigned int nth)
{
}

static bool has_failed(void)
{
	return false;
}
#endif

static void need_faults(struct kunit *test)
{
	void *p;

	fail_nth(1);
	p = kmalloc(64, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	has_failed();
	kfree(p);
	if (p)
		kunit_skip(test, "no failslab, or it ignores GFP_KERNEL");
}

static void ioeventfd_without_memory(struct kunit *test)
{
	struct efd_test *t = test->priv;
	unsigned int nth, shape, allocations = 0, failures = 0, wrong = 0;
	bool failed;
	int ret;

	need_faults(test);
	/* The first at its address, one more value there, a larger table. */
	for (shape = 0; shape < 40; shape++) {
		for (nth = 1; nth < 100; nth++) {
			fail_nth(nth);
			ret = ioeventfd(t, 0x1000, 4, shape, MATCH, 0);
			failed = has_failed();
			if (!failed)
				break;
			/*
			 * The allocation was of kmemleak, which does without
			 * it.
			 */
			if (!ret) {
				wrong += !!ioeventfd(t, 0x1000, 4, shape,
						MATCH | OFF, 0);
				continue;
			}
			failures++;
			wrong += ret != -ENOMEM;
			wrong += kick_on(t, KVM_MMIO_BUS, 0x1000, 4, shape) !=
				 -EOPNOTSUPP;
			if (shape)
				wrong += !!kick_on(t, KVM_MMIO_BUS, 0x1000, 4,
						   shape - 1);
		}
		wrong += !!ret;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GE(test, failures, 40 + 3);
	take(t->ctx[0]);

	/* Removing needs no memory. */
	for (shape = 0; shape < 40; shape++) {
		fail_nth(1);
		ret = ioeventfd(t, 0x1000, 4, shape, MATCH | OFF, 0);
		allocations += has_failed();
		wrong += !!ret;
		wrong += !kick_on(t, KVM_MMIO_BUS, 0x1000, 4, shape);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_LT(test, allocations, NR_TRIES);
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 0);
}

#ifdef CONFIG_HAVE_KVM_IRQ_ROUTING
static int irq(struct efd_test *t, unsigned int fd, u32 gsi, u32 flags, int back)
{
	struct kvm_irqfd args = {
		.fd = t->fd[fd], .gsi = gsi, .flags = flags,
		.resamplefd = back < 0 ? -1 : t->fd[back],
	};

	return kvm_irqfd(t->kvm, &args);
}

/* An interrupt arrives by a route; the number of the route identifies it. */
static int irq_arrives(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm,
		       int source, int level, bool line_status)
{
	struct efd_test *t = current_test;
	bool second = e->irqchip.pin >= NR_GSIS;

	if (source == KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID)
		atomic_inc(&t->resample_source);
	atomic_inc(level ? &t->raised[second][e->gsi] :
			   &t->lowered[second][e->gsi]);
	wake_up_all(&t->changed);
	return 1;
}

static void route_add(struct efd_routes *r, u32 gsi, bool second)
{
	struct kvm_kernel_irq_routing_entry *e = &r->entry[gsi + second * NR_GSIS];

	e->gsi = gsi;
	/* A type that no architecture delivers by itself. */
	e->type = KVM_IRQ_ROUTING_IRQCHIP;
	e->set = irq_arrives;
	e->irqchip.irqchip = 0;
	e->irqchip.pin = gsi + second * NR_GSIS;
	hlist_add_head(&e->link, &r->table->map[gsi]);
	if (!second)
		r->table->chip[0][PIN + gsi] = gsi;
}

static struct efd_routes *routes_alloc(struct kunit *test)
{
	struct efd_routes *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	if (!r)
		return NULL;
	r->table = kunit_kzalloc(test, struct_size(r->table, map, NR_GSIS),
				 GFP_KERNEL);
	if (!r->table)
		return NULL;
	r->table->nr_rt_entries = NR_GSIS;
	memset(r->table->chip, -1, sizeof(r->table->chip));
	return r;
}

/* As KVM_SET_GSI_ROUTING, without its effects on vCPUs. */
static void routes_set(struct kvm *kvm, struct efd_routes *r)
{
	mutex_lock(&kvm->irq_lock);
	rcu_assign_pointer(kvm->irq_routing, r->table);
	kvm_irq_routing_update(kvm);
	mutex_unlock(&kvm->irq_lock);
	synchronize_srcu_expedited(&kvm->irq_srcu);
	kvm_irq_routing_settle(kvm);
}

/*
 * Each GSI has one route, except the last two. Of these the first has two
 * routes, if the architecture allows that, and the second has none.
 */
static struct efd_routes *routes_default(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct efd_routes *r = routes_alloc(test);
	u32 gsi;

	KUNIT_ASSERT_NOT_NULL(test, r);
	for (gsi = 0; gsi < NR_GSIS - 1; gsi++)
		route_add(r, gsi, false);
	if (KVM_NR_IRQCHIPS > 1)
		route_add(r, NR_GSIS - 2, true);
	routes_set(t->kvm, r);
	routes_set(t->other, r);
	return r;
}

static void need_irqchip(struct kunit *test)
{
	struct efd_test *t = test->priv;
	int ret = irq(t, 0, 0, 0, -1);

	if (ret == -EAGAIN || ret == -EINVAL)
		kunit_skip(test, "no interrupt controller without a whole VM");
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, irq(t, 0, 0, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
}

/* Waits until @counter is @n. Returns false if that takes too long. */
static bool arrives(struct efd_test *t, atomic_t *counter, int n)
{
	return wait_event_timeout(t->changed, atomic_read(counter) == n, 30 * HZ);
}

static void irq_arguments(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct kvm_irqfd args;
	struct file *file;
	u32 i;

	need_irqchip(test);
	for (i = 2; i < 32; i++)
		KUNIT_EXPECT_EQ(test, irq(t, 0, 0, BIT(i), -1), -EINVAL);
	args = (struct kvm_irqfd) { .fd = -1 };
	KUNIT_EXPECT_EQ(test, kvm_irqfd(t->kvm, &args), -EBADF);
	args.flags = KVM_IRQFD_FLAG_DEASSIGN;
	KUNIT_EXPECT_EQ(test, kvm_irqfd(t->kvm, &args), -EBADF);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 0, KVM_IRQFD_FLAG_RESAMPLE, -1), -EBADF);

	file = anon_inode_getfile("no-eventfd", &no_eventfd_fops, NULL, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	args = (struct kvm_irqfd) { .fd = give_fd(file) };
	fput(file);
	KUNIT_ASSERT_GE(test, (int)args.fd, 0);
	KUNIT_EXPECT_EQ(test, kvm_irqfd(t->kvm, &args), -EINVAL);
	args.resamplefd = args.fd;
	args.fd = t->fd[0];
	args.flags = KVM_IRQFD_FLAG_RESAMPLE;
	KUNIT_EXPECT_EQ(test, kvm_irqfd(t->kvm, &args), -EINVAL);
	close_fd(args.resamplefd);

	/* None of these calls has bound the eventfd. */
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 0, 0, -1), 0);
}

#ifdef CONFIG_X86
static void irq_needs_irqchip(struct kunit *test)
{
	struct efd_test *t = test->priv;

	t->kvm->arch.irqchip_mode = KVM_IRQCHIP_NONE;
	KUNIT_EXPECT_EQ(test, irq(t, 0, 0, 0, -1), -EINVAL);
	t->kvm->arch.irqchip_mode = KVM_IRQCHIP_SPLIT;
	KUNIT_EXPECT_EQ(test, irq(t, 0, 0, KVM_IRQFD_FLAG_RESAMPLE, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 0, 0, -1), 0);
}
#endif

static void irq_exclusivity(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct kvm_irqfd args = { .fd = t->fd[0] };

	need_irqchip(test);
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, 0, -1), -EBUSY);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 2, 0, -1), -EBUSY);
	KUNIT_EXPECT_EQ(test, kvm_irqfd(t->other, &args), -EBUSY);
	/* Many on one GSI. */
	KUNIT_EXPECT_EQ(test, irq(t, 1, 1, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 2);

	/* The eventfd is free after a deassign or a release. */
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_EXPECT_EQ(test, kvm_irqfd(t->other, &args), 0);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, 0, -1), -EBUSY);
	kvm_irqfd_release(t->other);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, 0, -1), 0);
}

static void irq_event_is_interrupt(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct kvm_irqfd_info info;

	need_irqchip(test);
	routes_default(test);
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	eventfd_signal(t->ctx[0]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[0][1], 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->resample_source), 0);
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, &info, 1), 1);
	KUNIT_EXPECT_EQ(test, info.gsi, 1);
	KUNIT_EXPECT_FALSE(test, info.level);
	KUNIT_EXPECT_EQ(test, info.nr_atomic, 0);
	KUNIT_EXPECT_EQ(test, info.nr_work, 1);
	/* The irqfd has consumed it. */
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 0);

	/* A GSI with two routes uses both, a GSI without routes none. */
	KUNIT_ASSERT_EQ(test, irq(t, 1, NR_GSIS - 2, 0, -1), 0);
	KUNIT_ASSERT_EQ(test, irq(t, 2, NR_GSIS - 1, 0, -1), 0);
	eventfd_signal(t->ctx[2]);
	eventfd_signal(t->ctx[1]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[0][NR_GSIS - 2], 1));
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[1][NR_GSIS - 2],
					KVM_NR_IRQCHIPS > 1));
	kvm_irqfd_release(t->kvm);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][NR_GSIS - 1]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 1);
}

static void irq_pending_at_assign(struct kunit *test)
{
	struct efd_test *t = test->priv;

	need_irqchip(test);
	routes_default(test);
	eventfd_signal(t->ctx[0]);
	eventfd_signal(t->ctx[0]);
	/* An assign that fails consumes nothing. */
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, BIT(5), -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_RESAMPLE, -1), -EBADF);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, 0, -1), -EBUSY);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[0][1], 1));
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 1);
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 0);
}

static void irq_deassign(struct kunit *test)
{
	struct efd_test *t = test->priv;
	unsigned int i;
	int before;

	need_irqchip(test);
	routes_default(test);
	/* Deassigning an unknown irqfd is no error, and leaves the others. */
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 2, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_EXPECT_EQ(test, irq(t, 1, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 1);

	for (i = 0; i < 100; i++) {
		eventfd_signal(t->ctx[0]);
		KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
		/* Nothing is under way now. */
		before = atomic_read(&t->raised[0][1]);
		KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), before);
		eventfd_signal(t->ctx[0]);
		KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), before);
		KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 100);
}

static void irq_follows_routes(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct efd_routes *second = routes_alloc(test);
	struct efd_routes *none = routes_alloc(test);
	struct efd_routes *first;
	struct kvm_irqfd_info info;

	need_irqchip(test);
	KUNIT_ASSERT_NOT_NULL(test, second);
	KUNIT_ASSERT_NOT_NULL(test, none);
	route_add(second, 1, true);
	/* Assigned before there are any routes. */
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, &info, 1), 1);
	KUNIT_EXPECT_EQ(test, info.route.type, 0);

	first = routes_default(test);
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, &info, 1), 1);
	KUNIT_EXPECT_EQ(test, info.route.type, KVM_IRQ_ROUTING_IRQCHIP);
	KUNIT_EXPECT_EQ(test, info.route.irqchip.pin, 1);
	eventfd_signal(t->ctx[0]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[0][1], 1));

	routes_set(t->kvm, second);
	eventfd_signal(t->ctx[0]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[1][1], 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 1);

	routes_set(t->kvm, none);
	eventfd_signal(t->ctx[0]);
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[1][1]), 1);
	routes_set(t->kvm, first);
}

static void irq_number_is_no_index(struct kunit *test)
{
	static const u32 far[] = {
		NR_GSIS, 1023, 4096, INT_MAX, BIT(31), U32_MAX,
	};
	struct efd_test *t = test->priv;
	struct kvm_irqfd_info info;
	unsigned int i;

	need_irqchip(test);
	routes_default(test);
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		KUNIT_EXPECT_EQ(test, irq(t, 0, far[i], 0, -1), 0);
		KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, &info, 1), 1);
		KUNIT_EXPECT_EQ(test, info.route.type, 0);
		eventfd_signal(t->ctx[0]);
		KUNIT_EXPECT_EQ(test, irq(t, 0, far[i], KVM_IRQFD_FLAG_DEASSIGN,
					  -1), 0);
	}
	for (i = 0; i < NR_GSIS; i++)
		KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][i]), 0);
}

static void irq_last_close(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct file *file = last_file(test);

	need_irqchip(test);
	routes_default(test);
	close_fd(t->fd[0]);
	t->fd[0] = give_fd(file);
	KUNIT_ASSERT_GE(test, t->fd[0], 0);
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	KUNIT_ASSERT_EQ(test, irq(t, 1, 1, 0, -1), 0);
	close_fd(t->fd[0]);
	t->fd[0] = -1;
	flush_delayed_fput();
	/* One reference is left, so the irqfd is still there. */
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 2);
	__fput_sync(file);
	KUNIT_EXPECT_TRUE(test,
			  wait_event_timeout(t->kvm->irqfds.idle,
					     kvm_irqfd_list(t->kvm, NULL, 0) == 1,
					     30 * HZ));
	eventfd_signal(t->ctx[1]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[0][1], 1));
}

static void irq_release(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct kvm_irqfd args = { .fd = t->fd[3], .gsi = 2 };

	need_irqchip(test);
	routes_default(test);
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, 0, -1), 0);
	KUNIT_ASSERT_EQ(test, irq(t, 1, 1, KVM_IRQFD_FLAG_RESAMPLE, 2), 0);
	KUNIT_ASSERT_EQ(test, kvm_irqfd(t->other, &args), 0);
	eventfd_signal(t->ctx[0]);
	eventfd_signal(t->ctx[1]);
	kvm_irqfd_release(t->kvm);
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 0);
	/* Each was raised and lowered; the level-triggered one at its end. */
	KUNIT_EXPECT_EQ(test, atomic_read(&t->raised[0][1]), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), 2);
	eventfd_signal(t->ctx[0]);
	KUNIT_EXPECT_EQ(test, take(t->ctx[0]), 1);
	/* The irqfd of the other VM is unchanged. */
	KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->other, NULL, 0), 1);
	eventfd_signal(t->ctx[3]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->lowered[0][2], 1));
}

static void acknowledge(struct efd_test *t, int gsi)
{
	int idx = srcu_read_lock(&t->kvm->irq_srcu);

	kvm_notify_acked_gsi(t->kvm, gsi);
	srcu_read_unlock(&t->kvm->irq_srcu, idx);
}

static void irq_resample(struct kunit *test)
{
	struct efd_test *t = test->priv;
	unsigned int i;

	need_irqchip(test);
	routes_default(test);
	KUNIT_EXPECT_FALSE(test, kvm_irq_has_notifier(t->kvm, 0, PIN + 1));
	KUNIT_ASSERT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_RESAMPLE, 2), 0);
	KUNIT_ASSERT_EQ(test, irq(t, 1, 1, KVM_IRQFD_FLAG_RESAMPLE, 3), 0);
	KUNIT_EXPECT_TRUE(test, kvm_irq_has_notifier(t->kvm, 0, PIN + 1));
	KUNIT_EXPECT_FALSE(test, kvm_irq_has_notifier(t->kvm, 0, PIN + 2));
	KUNIT_EXPECT_FALSE(test, kvm_irq_has_notifier(t->kvm, 0, 0));

	/*
	 * The line is up until the acknowledgment, then down; all are
	 * signalled.
	 */
	for (i = 1; i <= 3; i++) {
		eventfd_signal(t->ctx[0]);
		KUNIT_EXPECT_TRUE(test, arrives(t, &t->raised[0][1], i));
		KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), i - 1);
		acknowledge(t, 2);
		KUNIT_EXPECT_EQ(test, take(t->ctx[2]), 0);
		kvm_notify_acked_irq(t->kvm, 0, PIN + 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), i);
		KUNIT_EXPECT_EQ(test, take(t->ctx[2]), 1);
		KUNIT_EXPECT_EQ(test, take(t->ctx[3]), 1);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->resample_source), 6);

	/* For an architecture that lowers the line itself. */
	KUNIT_EXPECT_TRUE(test, kvm_notify_irqfd_resampler(t->kvm, 0, PIN + 1));
	KUNIT_EXPECT_FALSE(test, kvm_notify_irqfd_resampler(t->kvm, 0, PIN + 2));
	KUNIT_EXPECT_FALSE(test, kvm_notify_irqfd_resampler(t->kvm, 0, 0));
	KUNIT_EXPECT_EQ(test, take(t->ctx[2]), 1);
	KUNIT_EXPECT_EQ(test, take(t->ctx[3]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), 3);

	/*
	 * One goes, the other is still signalled; with the last the line goes
	 * down.
	 */
	KUNIT_EXPECT_EQ(test, irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	acknowledge(t, 1);
	KUNIT_EXPECT_EQ(test, take(t->ctx[2]), 0);
	KUNIT_EXPECT_EQ(test, take(t->ctx[3]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), 4);
	eventfd_signal(t->ctx[1]);
	KUNIT_EXPECT_TRUE(test, arrives(t, &t->raised[0][1], 4));
	KUNIT_EXPECT_EQ(test, irq(t, 1, 1, KVM_IRQFD_FLAG_DEASSIGN, -1), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->lowered[0][1]), 5);
	KUNIT_EXPECT_FALSE(test, kvm_irq_has_notifier(t->kvm, 0, PIN + 1));
	acknowledge(t, 1);
	KUNIT_EXPECT_EQ(test, take(t->ctx[3]), 0);
}

static void irq_without_memory(struct kunit *test)
{
	struct efd_test *t = test->priv;
	unsigned int nth, flags, tries, allocations, failures = 0;
	bool failed;
	int ret;

	need_irqchip(test);
	need_faults(test);
	routes_default(test);
	for (flags = 0; flags <= KVM_IRQFD_FLAG_RESAMPLE;
	     flags += KVM_IRQFD_FLAG_RESAMPLE) {
		for (nth = 1; nth < 100; nth++) {
			fail_nth(nth);
			ret = irq(t, 0, 1, flags, 1);
			failed = has_failed();
			if (!failed)
				break;
			/*
			 * The allocation was of kmemleak, which does without
			 * it.
			 */
			if (!ret) {
				irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1);
				continue;
			}
			failures++;
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 0);
			KUNIT_EXPECT_FALSE(test, kvm_irq_has_notifier(t->kvm, 0,
								      PIN + 1));
		}
		/* A change of routes and a deassign need no memory. */
		allocations = 0;
		for (tries = 0; tries < NR_TRIES; tries++) {
			if (tries)
				ret = irq(t, 0, 1, flags, 1);
			KUNIT_EXPECT_EQ(test, ret, 0);
			fail_nth(1);
			mutex_lock(&t->kvm->irq_lock);
			kvm_irq_routing_update(t->kvm);
			mutex_unlock(&t->kvm->irq_lock);
			ret = irq(t, 0, 1, KVM_IRQFD_FLAG_DEASSIGN, -1);
			allocations += has_failed();
			KUNIT_EXPECT_EQ(test, ret, 0);
			KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 0);
		}
		KUNIT_EXPECT_LT(test, allocations, NR_TRIES);
	}
	/* An irqfd; an irqfd and a resampler. */
	KUNIT_EXPECT_GE(test, failures, 3);

	allocations = 0;
	for (tries = 0; tries < NR_TRIES; tries++) {
		ret = irq(t, 0, 1, KVM_IRQFD_FLAG_RESAMPLE, 1);
		KUNIT_ASSERT_EQ(test, ret, 0);
		KUNIT_ASSERT_EQ(test, irq(t, 2, 1, 0, -1), 0);
		fail_nth(1);
		kvm_irqfd_release(t->kvm);
		allocations += has_failed();
		KUNIT_EXPECT_EQ(test, kvm_irqfd_list(t->kvm, NULL, 0), 0);
	}
	KUNIT_EXPECT_LT(test, allocations, NR_TRIES);
}
#endif /* CONFIG_HAVE_KVM_IRQ_ROUTING */

/*
 * Two tasks kick one ioeventfd. An interrupt comes in each kick of the first
 * task, as soon as interrupts are on. The interrupt lasts until the second task
 * has kicked. So it never ends if the first task holds the lock meanwhile.
 */
struct held {
	struct efd_test *t;
	struct kvm_vcpu *vcpu;
	poll_table pt;
	wait_queue_head_t *queue;
	wait_queue_entry_t entry;
	struct irq_work interrupt;
	unsigned int cpu;
	unsigned long kicks;
	u64 longest;
};

#define HELD_MAX_NS	NSEC_PER_SEC

static void held_interrupt(struct irq_work *work)
{
	struct held *held = container_of(work, struct held, interrupt);
	unsigned long kicks = READ_ONCE(held->kicks);
	u64 start = local_clock(), ns;

	do {
		cpu_relax();
		ns = local_clock() - start;
		/*
		 * One kick may have been under way; the next one began after
		 * it.
		 */
	} while (READ_ONCE(held->kicks) - kicks < 2 && ns < HELD_MAX_NS);
	held->longest = max(held->longest, ns);
}

static int held_wakeup(wait_queue_entry_t *entry, unsigned int mode, int sync,
		       void *key)
{
	struct held *held = container_of(entry, struct held, entry);

	if (raw_smp_processor_id() == held->cpu)
		irq_work_queue(&held->interrupt);
	return 0;
}

static void held_enqueue(struct file *file, wait_queue_head_t *queue,
			 poll_table *pt)
{
	struct held *held = container_of(pt, struct held, pt);

	held->queue = queue;
	add_wait_queue(queue, &held->entry);
}

static int held_kick(void *data)
{
	struct held *held = data;
	struct kvm *kvm = held->t->kvm;
	u32 val = 0;
	int idx;

	while (!kthread_should_stop()) {
		idx = srcu_read_lock(&kvm->srcu);
		kvm_io_bus_write(held->vcpu, KVM_MMIO_BUS, 0x1000, 4, &val);
		srcu_read_unlock(&kvm->srcu, idx);
		WRITE_ONCE(held->kicks, held->kicks + 1);
		cond_resched();
	}
	return 0;
}

static void ioeventfd_not_held_in_interrupts(struct kunit *test)
{
	struct efd_test *t = test->priv;
	struct task_struct *other;
	struct held *held;
	unsigned int cpu, i;

	held = kunit_kzalloc(test, sizeof(*held), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, held);
	held->vcpu = kunit_kzalloc(test, sizeof(*held->vcpu), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, held->vcpu);
	held->vcpu->kvm = t->kvm;
	held->t = t;
	init_irq_work(&held->interrupt, held_interrupt);
	init_waitqueue_func_entry(&held->entry, held_wakeup);
	init_poll_funcptr(&held->pt, held_enqueue);
	KUNIT_ASSERT_EQ(test, ioeventfd(t, 0x1000, 4, 0, 0, 0), 0);

	migrate_disable();
	held->cpu = raw_smp_processor_id();
	cpu = cpumask_any_but(cpu_online_mask, held->cpu);
	if (cpu >= nr_cpu_ids) {
		migrate_enable();
		kunit_skip(test, "one CPU is not enough");
	}
	vfs_poll(files[0], &held->pt);
	other = kthread_create(held_kick, held, "kvm-held");
	if (!IS_ERR(other)) {
		kthread_bind(other, cpu);
		wake_up_process(other);
		while (!READ_ONCE(held->kicks))
			cond_resched();
		for (i = 0; i < 3; i++) {
			kick_on(t, KVM_MMIO_BUS, 0x1000, 4, 0);
			irq_work_sync(&held->interrupt);
		}
		kthread_stop(other);
	}
	remove_wait_queue(held->queue, &held->entry);
	migrate_enable();

	KUNIT_EXPECT_FALSE(test, IS_ERR(other));
	kunit_info(test, "the other task waited for %llu ns at most\n",
		   held->longest);
	KUNIT_EXPECT_GT(test, held->longest, 0);
	KUNIT_EXPECT_LT(test, held->longest, HELD_MAX_NS);
	take(t->ctx[0]);
}

static struct kunit_case efd_test_cases[] = {
	KUNIT_CASE(ioeventfd_fds),
	KUNIT_CASE(ioeventfd_arguments),
	KUNIT_CASE(ioeventfd_exclusivity),
	KUNIT_CASE(ioeventfd_datamatch),
	KUNIT_CASE(ioeventfd_buses),
	KUNIT_CASE(ioeventfd_before_device),
	KUNIT_CASE(ioeventfd_deassign_is_exact),
	KUNIT_CASE(ioeventfd_many_of_one_eventfd),
	KUNIT_CASE(ioeventfd_outlives_its_fd),
	KUNIT_CASE(ioeventfd_without_memory),
	KUNIT_CASE(ioeventfd_not_held_in_interrupts),
#ifdef CONFIG_HAVE_KVM_IRQ_ROUTING
	KUNIT_CASE(irq_arguments),
#ifdef CONFIG_X86
	KUNIT_CASE(irq_needs_irqchip),
#endif
	KUNIT_CASE(irq_exclusivity),
	KUNIT_CASE(irq_event_is_interrupt),
	KUNIT_CASE(irq_pending_at_assign),
	KUNIT_CASE(irq_deassign),
	KUNIT_CASE(irq_follows_routes),
	KUNIT_CASE(irq_number_is_no_index),
	KUNIT_CASE(irq_last_close),
	KUNIT_CASE(irq_release),
	KUNIT_CASE(irq_resample),
	KUNIT_CASE(irq_without_memory),
#endif
	{}
};

static struct kunit_suite efd_test_suite = {
	.name = "kvm-eventfd",
	.suite_init = efd_suite_init,
	.suite_exit = efd_suite_exit,
	.init = efd_test_init,
	.exit = efd_test_exit,
	.test_cases = efd_test_cases,
};

kunit_test_suite(efd_test_suite);
