// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the I/O bus, of its index and its ranges, and of the arguments
 * of KVM_IOEVENTFD. Each test has a VM of its own, without memory and without
 * vCPUs.
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/mman.h>
#include <linux/uaccess.h>
#include <kvm/iodev.h>

#include "ioeventfd_range.h"
#include "ioeventfd_set.h"
#include "io_bus_index.h"
#include "io_bus_ranges.h"

#define NR_DEVS 16

struct test_dev {
	struct kvm_io_device dev;
	struct bus_test *test;
	bool takes;
	unsigned int destroyed;
};

struct bus_test {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;
	struct test_dev dev[NR_DEVS];
	/* The devices that an access was offered to, as letters. */
	char asked[64];
	unsigned int nr_asked;
};

static int test_dev_access(struct kvm_io_device *dev)
{
	struct test_dev *d = container_of(dev, struct test_dev, dev);
	struct bus_test *t = d->test;

	if (t->nr_asked < sizeof(t->asked) - 1)
		t->asked[t->nr_asked++] = 'a' + (d - t->dev);
	return d->takes ? 0 : -EOPNOTSUPP;
}

static int test_dev_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			 gpa_t addr, int len, void *val)
{
	return test_dev_access(dev);
}

static int test_dev_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			  gpa_t addr, int len, const void *val)
{
	return test_dev_access(dev);
}

static void test_dev_destructor(struct kvm_io_device *dev)
{
	container_of(dev, struct test_dev, dev)->destroyed++;
}

static const struct kvm_io_device_ops test_dev_ops = {
	.read = test_dev_read,
	.write = test_dev_write,
	.destructor = test_dev_destructor,
};

static int bus_test_init(struct kunit *test)
{
	struct bus_test *t;
	unsigned int i;
	int ret;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	t->kvm = kvzalloc(sizeof(*t->kvm), GFP_KERNEL);
	t->vcpu = kvzalloc(sizeof(*t->vcpu), GFP_KERNEL);
	ret = t->kvm && t->vcpu ? init_srcu_struct(&t->kvm->srcu) : -ENOMEM;
	if (ret) {
		kvfree(t->kvm);
		kvfree(t->vcpu);
		return ret;
	}
	mutex_init(&t->kvm->slots_lock);
	kvm_io_bus_init(t->kvm);
	t->vcpu->kvm = t->kvm;
	for (i = 0; i < NR_DEVS; i++) {
		kvm_iodevice_init(&t->dev[i].dev, &test_dev_ops);
		t->dev[i].test = t;
		t->dev[i].takes = true;
	}
	test->priv = t;
	return 0;
}

static void bus_test_exit(struct kunit *test)
{
	struct bus_test *t = test->priv;

	if (!t)
		return;
	kvm_io_bus_destroy(t->kvm);
	cleanup_srcu_struct(&t->kvm->srcu);
	kvfree(t->kvm);
	kvfree(t->vcpu);
}

static int add(struct bus_test *t, unsigned int i, u64 start, u64 size)
{
	int ret;

	mutex_lock(&t->kvm->slots_lock);
	ret = kvm_io_bus_register_dev(t->kvm, KVM_MMIO_BUS, start, size,
				      &t->dev[i].dev);
	mutex_unlock(&t->kvm->slots_lock);
	return ret;
}

static void del(struct bus_test *t, unsigned int i)
{
	mutex_lock(&t->kvm->slots_lock);
	kvm_io_bus_unregister_dev(t->kvm, KVM_MMIO_BUS, &t->dev[i].dev);
	mutex_unlock(&t->kvm->slots_lock);
}

static int access(struct bus_test *t, u64 addr, int len, bool write)
{
	u64 val = 0;
	int idx, ret;

	memset(t->asked, 0, sizeof(t->asked));
	t->nr_asked = 0;
	idx = srcu_read_lock(&t->kvm->srcu);
	if (write)
		ret = kvm_io_bus_write(t->vcpu, KVM_MMIO_BUS, addr, len, &val);
	else
		ret = kvm_io_bus_read(t->vcpu, KVM_MMIO_BUS, addr, len, &val);
	srcu_read_unlock(&t->kvm->srcu, idx);
	return ret;
}

/*
 * The access reaches these devices, in this order, and the last one takes it.
 */
#define EXPECT_TAKEN(test, t, addr, len, who)				\
	do {								\
		KUNIT_EXPECT_EQ(test, access(t, addr, len, true), 0);	\
		KUNIT_EXPECT_STREQ(test, (t)->asked, who);		\
		KUNIT_EXPECT_EQ(test, access(t, addr, len, false), 0);	\
		KUNIT_EXPECT_STREQ(test, (t)->asked, who);		\
	} while (0)

/* The access reaches these devices, in this order, and none takes it. */
#define EXPECT_LEFT(test, t, addr, len, who)				\
	do {								\
		KUNIT_EXPECT_EQ(test, access(t, addr, len, true),	\
				-EOPNOTSUPP);				\
		KUNIT_EXPECT_STREQ(test, (t)->asked, who);		\
	} while (0)

static void order_narrowest_first(struct kunit *test)
{
	struct bus_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < 7; i++)
		t->dev[i].takes = false;
	KUNIT_ASSERT_EQ(test, add(t, 0, 0x1000, 0x1000), 0);
	KUNIT_ASSERT_EQ(test, add(t, 1, 0x1400, 0x100), 0);
	KUNIT_ASSERT_EQ(test, add(t, 2, 0x1400, 0x100), 0);
	KUNIT_ASSERT_EQ(test, add(t, 3, 0x1410, 0x10), 0);
	KUNIT_ASSERT_EQ(test, add(t, 4, 0x13f0, 0x80), 0);
	KUNIT_ASSERT_EQ(test, add(t, 5, 0x0800, 0x2000), 0);
	KUNIT_ASSERT_EQ(test, add(t, 6, 0x1410, 0x10), 0);

	EXPECT_LEFT(test, t, 0x1410, 4, "dgebcaf");
	EXPECT_LEFT(test, t, 0x141e, 4, "ebcaf");
	EXPECT_LEFT(test, t, 0x1480, 4, "bcaf");
	EXPECT_LEFT(test, t, 0x1600, 4, "af");
	EXPECT_LEFT(test, t, 0x27fc, 4, "f");
	EXPECT_LEFT(test, t, 0x27fe, 4, "");
	t->dev[1].takes = true;
	EXPECT_TAKEN(test, t, 0x1410, 4, "dgeb");
	del(t, 6);
	KUNIT_ASSERT_EQ(test, add(t, 6, 0x1410, 0xf), 0);
	EXPECT_TAKEN(test, t, 0x1410, 4, "gdeb");
}

static void both_sides_of_a_nested_range(struct kunit *test)
{
	struct bus_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, add(t, 0, 0x10000, 0x10000), 0);
	KUNIT_ASSERT_EQ(test, add(t, 1, 0x11000, 0x100), 0);
	KUNIT_ASSERT_EQ(test, add(t, 2, 0x12000, 0x100), 0);
	EXPECT_TAKEN(test, t, 0x10ffc, 4, "a");
	EXPECT_TAKEN(test, t, 0x11000, 4, "b");
	EXPECT_TAKEN(test, t, 0x110fc, 4, "b");
	EXPECT_TAKEN(test, t, 0x110fe, 4, "a");
	EXPECT_TAKEN(test, t, 0x12000, 8, "c");
	EXPECT_TAKEN(test, t, 0x1fff8, 8, "a");
	EXPECT_LEFT(test, t, 0x1fff9, 8, "");
}

static void ends_of_the_address_space(struct kunit *test)
{
	struct bus_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, add(t, 0, U64_MAX, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, add(t, 0, 2, U64_MAX), -EINVAL);
	KUNIT_ASSERT_EQ(test, add(t, 0, 0, 1), 0);
	KUNIT_ASSERT_EQ(test, add(t, 1, U64_MAX, 1), 0);
	KUNIT_ASSERT_EQ(test, add(t, 2, U64_MAX - 0xfff, 0x1000), 0);
	KUNIT_ASSERT_EQ(test, add(t, 3, 1, U64_MAX), 0);
	EXPECT_TAKEN(test, t, 0, 1, "a");
	EXPECT_LEFT(test, t, 0, 2, "");
	EXPECT_TAKEN(test, t, 1, 8, "d");
	EXPECT_TAKEN(test, t, U64_MAX, 1, "b");
	EXPECT_TAKEN(test, t, U64_MAX - 7, 8, "c");
	EXPECT_LEFT(test, t, U64_MAX - 6, 8, "");
}

static void ranges_of_2gib_and_more(struct kunit *test)
{
	struct bus_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, add(t, 0, BIT_ULL(32), BIT_ULL(31)), 0);
	KUNIT_ASSERT_EQ(test, add(t, 1, BIT_ULL(33), BIT_ULL(33)), 0);
	EXPECT_TAKEN(test, t, BIT_ULL(32), 4, "a");
	EXPECT_TAKEN(test, t, BIT_ULL(32) + BIT_ULL(31) - 4, 4, "a");
	EXPECT_LEFT(test, t, BIT_ULL(32) + BIT_ULL(31) - 3, 4, "");
	EXPECT_TAKEN(test, t, BIT_ULL(34) - 8, 8, "b");
	EXPECT_LEFT(test, t, BIT_ULL(34) - 4, 8, "");
}

static void empty_ranges_and_accesses(struct kunit *test)
{
	struct bus_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, add(t, 0, 0, 0), 0);
	KUNIT_ASSERT_EQ(test, add(t, 1, 0x1000, 0), 0);
	KUNIT_ASSERT_EQ(test, add(t, 2, 0x1000, 8), 0);
	EXPECT_LEFT(test, t, 0, 1, "");
	EXPECT_TAKEN(test, t, 0, 0, "a");
	EXPECT_TAKEN(test, t, 0x1000, 0, "b");
	EXPECT_TAKEN(test, t, 0x1000, 1, "c");
	EXPECT_TAKEN(test, t, 0x1008, 0, "c");
	EXPECT_LEFT(test, t, 0x1009, 0, "");
}

static void cookies(struct kunit *test)
{
	static const long given[] = { 0, 1, -1, LONG_MAX, LONG_MIN };
	struct bus_test *t = test->priv;
	unsigned int i;
	u64 val = 0;
	int idx;

	KUNIT_ASSERT_EQ(test, add(t, 0, 0x1000, 8), 0);
	idx = srcu_read_lock(&t->kvm->srcu);
	for (i = 0; i < ARRAY_SIZE(given); i++) {
		KUNIT_EXPECT_GE(test,
				kvm_io_bus_write_cookie(t->vcpu, KVM_MMIO_BUS,
							0x1000, 8, &val,
							given[i]), 0);
		KUNIT_EXPECT_EQ(test,
				kvm_io_bus_write_cookie(t->vcpu, KVM_MMIO_BUS,
							0x2000, 8, &val,
							given[i]),
				-EOPNOTSUPP);
	}
	srcu_read_unlock(&t->kvm->srcu, idx);
	KUNIT_EXPECT_EQ(test, t->nr_asked, ARRAY_SIZE(given));
}

static void get_dev(struct kunit *test)
{
	struct bus_test *t = test->priv;
	int idx;

	KUNIT_ASSERT_EQ(test, add(t, 0, 0x1000, 0x1000), 0);
	KUNIT_ASSERT_EQ(test, add(t, 1, 0x1800, 0x10), 0);
	idx = srcu_read_lock(&t->kvm->srcu);
	KUNIT_EXPECT_PTR_EQ(test, &t->dev[0].dev,
			    kvm_io_bus_get_dev(t->kvm, KVM_MMIO_BUS, 0x17ff));
	KUNIT_EXPECT_PTR_EQ(test, &t->dev[1].dev,
			    kvm_io_bus_get_dev(t->kvm, KVM_MMIO_BUS, 0x1800));
	KUNIT_EXPECT_NULL(test, kvm_io_bus_get_dev(t->kvm, KVM_MMIO_BUS, 0x2000));
	KUNIT_EXPECT_NULL(test, kvm_io_bus_get_dev(t->kvm, KVM_PIO_BUS, 0x1800));
	srcu_read_unlock(&t->kvm->srcu, idx);
}

static void destructor_once(struct kunit *test)
{
	struct bus_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, add(t, i, 0x1000 * i, 0x1000), 0);
	del(t, 1);
	KUNIT_EXPECT_EQ(test, t->dev[1].destroyed, 1);
	/* Device 1 is gone, device 9 was never there. */
	del(t, 1);
	del(t, 9);
	KUNIT_EXPECT_EQ(test, t->dev[1].destroyed, 1);
	KUNIT_EXPECT_EQ(test, t->dev[9].destroyed, 0);
	EXPECT_LEFT(test, t, 0x1000, 4, "");
	EXPECT_TAKEN(test, t, 0x2000, 4, "c");
	kvm_io_bus_destroy(t->kvm);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, t->dev[i].destroyed, 1);
	/* Unregistering after that has no effect. */
	del(t, 2);
	KUNIT_EXPECT_EQ(test, t->dev[2].destroyed, 1);
}

struct reader {
	struct bus_test *t;
	struct completion in, out;
	struct test_dev slow;
};

static int slow_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		     gpa_t addr, int len, void *val)
{
	struct reader *r = container_of(dev, struct reader, slow.dev);

	complete(&r->in);
	wait_for_completion(&r->out);
	/* The device must not be destroyed during its callback. */
	return r->slow.destroyed ? -EIO : 0;
}

static const struct kvm_io_device_ops slow_ops = {
	.read = slow_read,
	.destructor = test_dev_destructor,
};

static int reader_thread(void *arg)
{
	struct reader *r = arg;

	return access(r->t, 0x1000, 4, false);
}

static void destructor_after_last_reader(struct kunit *test)
{
	struct bus_test *t = test->priv;
	struct task_struct *task;
	struct reader *r;

	r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r);
	init_completion(&r->in);
	init_completion(&r->out);
	r->t = t;
	kvm_iodevice_init(&r->slow.dev, &slow_ops);
	mutex_lock(&t->kvm->slots_lock);
	KUNIT_EXPECT_EQ(test, kvm_io_bus_register_dev(t->kvm, KVM_MMIO_BUS,
						      0x1000, 8, &r->slow.dev), 0);
	mutex_unlock(&t->kvm->slots_lock);

	task = kthread_run(reader_thread, r, "kvm-io-bus-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wait_for_completion(&r->in);

	/* Registering does not wait for the reader. */
	KUNIT_EXPECT_EQ(test, add(t, 0, 0x2000, 8), 0);
	complete(&r->out);
	mutex_lock(&t->kvm->slots_lock);
	kvm_io_bus_unregister_dev(t->kvm, KVM_MMIO_BUS, &r->slow.dev);
	mutex_unlock(&t->kvm->slots_lock);
	KUNIT_EXPECT_EQ(test, r->slow.destroyed, 1);
	KUNIT_EXPECT_EQ(test, kthread_stop_put(task), 0);
}

static void devices_at_most(struct kunit *test)
{
	struct bus_test *t = test->priv;
	struct kvm_io_device *dev;
	unsigned int i;

	dev = kunit_kcalloc(test, KVM_IO_BUS_MAX_DEVS, sizeof(*dev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	mutex_lock(&t->kvm->slots_lock);
	for (i = 0; i < KVM_IO_BUS_MAX_DEVS; i++) {
		static const struct kvm_io_device_ops none;

		kvm_iodevice_init(&dev[i], &none);
		if (kvm_io_bus_register_dev(t->kvm, KVM_MMIO_BUS, 16 * i, 16,
					    &dev[i]))
			break;
	}
	mutex_unlock(&t->kvm->slots_lock);
	KUNIT_EXPECT_EQ(test, i, KVM_IO_BUS_MAX_DEVS);
	KUNIT_EXPECT_EQ(test, add(t, 0, 0x100000, 16), -ENOSPC);
	mutex_lock(&t->kvm->slots_lock);
	kvm_io_bus_unregister_dev(t->kvm, KVM_MMIO_BUS, &dev[500]);
	mutex_unlock(&t->kvm->slots_lock);
	KUNIT_EXPECT_EQ(test, add(t, 0, 0x100000, 16), 0);
	/* KUnit frees @dev before the bus is destroyed in exit. */
	kvm_io_bus_destroy(t->kvm);
}

static bool put(struct kvm_io_index *index, u64 key, void *val)
{
	struct kvm_io_index_place place;

	return !kvm_io_index_locate(index, key, &place) &&
	       !kvm_io_index_insert(index, key, val, &place);
}

static void *take(struct kvm_io_index *index, u64 key)
{
	struct kvm_io_index_place place;
	void *val = kvm_io_index_locate(index, key, &place);

	if (val)
		kvm_io_index_remove(index, &place);
	return val;
}

/*
 * Removals run with preemption off. A kernel that checks for sleeping in atomic
 * context complains if one of them allocates memory.
 */
static void removal_allocates_nothing(struct kunit *test)
{
	struct kvm_io_index *index;
	struct kvm_io_index_place place;
	struct kvm_io_ranges *ranges;
	unsigned int i, wrong = 0;
	struct kvm_io_device dev[8];
	u64 key = 0;

	index = kunit_kzalloc(test, sizeof(*index), GFP_KERNEL);
	ranges = kunit_kzalloc(test, sizeof(*ranges), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, index);
	KUNIT_ASSERT_NOT_NULL(test, ranges);
	kvm_io_index_init(index);
	for (i = 0; i < 1000; i++)
		wrong += !put(index, (i * 7919 % 1000) * 8ull, &dev[0]);
	for (i = 0; i < 8; i++)
		wrong += !!kvm_io_ranges_add(ranges, 0x10 * i, 0x100, &dev[i]);
	KUNIT_ASSERT_EQ(test, wrong, 0);

	preempt_disable();
	for (i = 0; i < 1000; i += 2)
		wrong += take(index, i * 8ull) != &dev[0];
	for (i = 0; i < 8; i += 2)
		wrong += !kvm_io_ranges_del(ranges, &dev[i]);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, ranges->nr, 4);

	for (i = 0; i < 1000; i++)
		wrong += !!kvm_io_index_locate(index, i * 8ull, &place) != (i & 1);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	for (i = 1; i < 1000; i += 2) {
		wrong += !kvm_io_index_next(index, &key) || key != i * 8ull;
		wrong += take(index, key) != &dev[0];
	}
	for (i = 1; i < 8; i += 2)
		wrong += !kvm_io_ranges_del(ranges, &dev[i]);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(index->root));
	KUNIT_EXPECT_EQ(test, ranges->nr, 0);
}

/* Adds an ioeventfd to a set. It is never signalled, so it has no eventfd. */
static int ring_add(struct kvm_ioeventfd_set *set, u8 len, bool match, u64 data,
		    struct kvm_kernel_ioeventfd **ioeventfd)
{
	struct kvm_ioeventfd_key key = {
		.len = len, .match = match, .data = data
	};
	int ret;

	*ioeventfd = kvm_ioeventfd_alloc(&key, NULL);
	if (!*ioeventfd)
		return -ENOMEM;
	ret = kvm_ioeventfd_set_add(set, *ioeventfd);
	if (ret)
		kfree(*ioeventfd);
	return ret;
}

static struct kvm_kernel_ioeventfd *ring_match(struct kvm_ioeventfd_set *set, int len,
					       const void *val)
{
	struct kvm_kernel_ioeventfd *ioeventfd;

	rcu_read_lock();
	ioeventfd = kvm_ioeventfd_set_match(set, len, val);
	rcu_read_unlock();
	return ioeventfd;
}

static void which_ioeventfd(struct kunit *test)
{
	struct kvm_kernel_ioeventfd *two, *four, *eight, *wild, *wide, *none;
	struct kvm_ioeventfd_set *set = kvm_ioeventfd_set_alloc();
	u8 buf[24] = {};
	u64 eight_bytes = 0x0102030405060708ull;
	u32 four_bytes = 0x05060708;
	u16 two_bytes = 0x0708;
	unsigned int at;
	int len;

	KUNIT_ASSERT_NOT_NULL(test, set);
	KUNIT_ASSERT_EQ(test, ring_add(set, 2, true, two_bytes, &two), 0);
	KUNIT_ASSERT_EQ(test, ring_add(set, 4, true, four_bytes, &four), 0);
	KUNIT_ASSERT_EQ(test, ring_add(set, 8, true, eight_bytes, &eight), 0);
	KUNIT_ASSERT_EQ(test, ring_add(set, 1, false, 0, &wild), 0);
	/* No write of two bytes has this value. */
	KUNIT_ASSERT_EQ(test, ring_add(set, 2, true, 0x10708, &wide), 0);
	KUNIT_EXPECT_EQ(test, ring_add(set, 2, true, two_bytes, &none), -EEXIST);
	KUNIT_EXPECT_EQ(test, ring_add(set, 2, false, 0, &none), -EEXIST);
	KUNIT_EXPECT_EQ(test, ring_add(set, 1, true, 0, &none), -EEXIST);
	KUNIT_EXPECT_EQ(test, ring_add(set, 0, false, 0, &none), -EEXIST);

	for (at = 0; at < 8; at++) {
		memcpy(buf + at, &two_bytes, 2);
		KUNIT_EXPECT_PTR_EQ(test, ring_match(set, 2, buf + at), two);
		memcpy(buf + at, &four_bytes, 4);
		KUNIT_EXPECT_PTR_EQ(test, ring_match(set, 4, buf + at), four);
		memcpy(buf + at, &eight_bytes, 8);
		KUNIT_EXPECT_PTR_EQ(test, ring_match(set, 8, buf + at), eight);
		KUNIT_EXPECT_PTR_EQ(test, ring_match(set, 1, buf + at), wild);
		for (len = 0; len < 16; len++) {
			if (!is_power_of_2(len) || len > 8)
				KUNIT_EXPECT_NULL(test, ring_match(set, len,
								   buf + at));
		}
	}

	kvm_ioeventfd_set_del(set, four);
	KUNIT_EXPECT_NULL(test, ring_match(set, 4, &four_bytes));
	KUNIT_EXPECT_PTR_EQ(test, ring_match(set, 8, &eight_bytes), eight);
	kvm_ioeventfd_set_del(set, two);
	kvm_ioeventfd_set_del(set, eight);
	kvm_ioeventfd_set_del(set, wild);
	kvm_ioeventfd_set_del(set, wide);
	kfree(two);
	kfree(four);
	kfree(eight);
	kfree(wild);
	kfree(wide);

	KUNIT_ASSERT_EQ(test, ring_add(set, 0, false, 0, &wild), 0);
	for (len = 0; len < 16; len++)
		KUNIT_EXPECT_PTR_EQ(test, ring_match(set, len, NULL), wild);
	KUNIT_EXPECT_EQ(test, ring_add(set, 4, true, 0, &none), -EEXIST);
	kvm_ioeventfd_set_del(set, wild);
	kfree(wild);
	kvm_ioeventfd_set_free(set);
}

/*
 * With @step 1, each value has a slot. With KVM_IOEVENTFD_SLOTS_MAX, only the
 * first value has one, and all others are in the spill.
 */
static void thousand_values(struct kunit *test, u32 step)
{
	struct kvm_ioeventfd_set *set = kvm_ioeventfd_set_alloc();
	struct kvm_kernel_ioeventfd **ioeventfd;
	unsigned int wrong = 0, round;
	u32 i, value;

	ioeventfd = kunit_kcalloc(test, 1000, sizeof(*ioeventfd), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, set);
	KUNIT_ASSERT_NOT_NULL(test, ioeventfd);
	for (i = 0; i < 1000; i++)
		wrong += !!ring_add(set, 4, true, i * step, &ioeventfd[i]);
	for (round = 0; round < 4; round++) {
		for (i = round; i < 1000; i += 3) {
			value = i * step;
			kvm_ioeventfd_set_del(set, ioeventfd[i]);
			wrong += !!ring_match(set, 4, &value);
			kfree(ioeventfd[i]);
			wrong += !!ring_add(set, 4, true, value, &ioeventfd[i]);
		}
		for (i = 0; i < 1000; i++) {
			value = i * step;
			wrong += ring_match(set, 4, &value) != ioeventfd[i];
		}
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, set->nr, 1000);
	for (i = 0; i < 1000; i++) {
		kvm_ioeventfd_set_del(set, ioeventfd[i]);
		kfree(ioeventfd[i]);
	}
	kvm_ioeventfd_set_free(set);
}

static void thousand_values_in_slots(struct kunit *test)
{
	thousand_values(test, 1);
}

static void thousand_values_spilled(struct kunit *test)
{
	thousand_values(test, KVM_IOEVENTFD_SLOTS_MAX);
}

static void ioctl_arguments(struct kunit *test)
{
	struct bus_test *t = test->priv;
	struct kvm_ioeventfd args;
	unsigned int i;

	/* The fd is closed, so arguments that pass the checks get EBADF. */
	for (i = 0; i < 32; i++) {
		bool good = !i || (i <= 8 && is_power_of_2(i));

		args = (struct kvm_ioeventfd) { .addr = 0x1000, .len = i, .fd = -1 };
		KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args),
				good ? -EBADF : -EINVAL);
		args = (struct kvm_ioeventfd) {
			.addr = 0x1000, .len = 4, .fd = -1, .flags = BIT(i)
		};
		KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args),
				i < 5 ? -EBADF : -EINVAL);
	}
	args = (struct kvm_ioeventfd) { .addr = U64_MAX - 3, .len = 4, .fd = -1 };
	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EINVAL);
	args.addr--;
	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EBADF);
	args = (struct kvm_ioeventfd) {
		.fd = -1, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH
	};
	KUNIT_EXPECT_EQ(test, kvm_ioeventfd(t->kvm, &args), -EINVAL);
}

/* One mask per width; the bits that it has select the ioeventfd. */
static void values_by_mask(struct kunit *test)
{
	struct kvm_ioeventfd_key key = { .len = 4, .match = true };
	struct kvm_ioeventfd_set *set = kvm_ioeventfd_set_alloc();
	struct kvm_kernel_ioeventfd *ioeventfd[32], *other;
	unsigned int i, round;
	u32 value;

	KUNIT_ASSERT_NOT_NULL(test, set);
	for (round = 0; round < 2; round++) {
		key.mask = round ? 0xffff0000 : 0xffff;
		for (i = 0; i < ARRAY_SIZE(ioeventfd); i++) {
			key.data = round ? i << 16 : i;
			ioeventfd[i] = kvm_ioeventfd_alloc(&key, NULL);
			KUNIT_ASSERT_NOT_NULL(test, ioeventfd[i]);
			KUNIT_ASSERT_EQ(test, kvm_ioeventfd_set_add(set, ioeventfd[i]), 0);
		}
		KUNIT_EXPECT_EQ(test, ring_add(set, 4, true, 99, &other), -EEXIST);
		for (i = 0; i < ARRAY_SIZE(ioeventfd); i++) {
			value = round ? i << 16 | 0x1234 : i | 0x12340000;
			KUNIT_EXPECT_PTR_EQ(test, ring_match(set, 4, &value), ioeventfd[i]);
			KUNIT_EXPECT_NULL(test, ring_match(set, 2, &value));
		}
		value = round ? 0x200001 : 0x10020;
		KUNIT_EXPECT_NULL(test, ring_match(set, 4, &value));
		for (i = 0; i < ARRAY_SIZE(ioeventfd); i++) {
			kvm_ioeventfd_set_del(set, ioeventfd[i]);
			kfree(ioeventfd[i]);
		}
	}
	kvm_ioeventfd_set_free(set);
}

static int post_range(struct bus_test *t, u64 addr, u32 size, unsigned long post)
{
	struct kvm_ioeventfd_key key = {
		.addr = addr, .len = 4, .size = size, .stride = 8, .post = post,
	};

	return kvm_io_bus_register_ioeventfd(t->kvm, KVM_MMIO_BUS, &key, NULL);
}

static void ranges_apart(struct kunit *test)
{
	struct bus_test *t = test->priv;
	const struct kvm_io_index *ranges = &t->kvm->buses[KVM_MMIO_BUS].post_ranges;
	unsigned int i, wrong = 0;

	for (i = 0; i < 300; i++)
		wrong += !!post_range(t, 0x1000 + i * 64, 32, 4096);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, post_range(t, 0x1000 + 24, 16, 4096), -EEXIST);
	KUNIT_EXPECT_EQ(test, post_range(t, 0xff0, 32, 4096), -EEXIST);
	KUNIT_EXPECT_EQ(test, post_range(t, 0xff0, 16, 4096), 0);
	rcu_read_lock();
	for (i = 0; i < 300; i++) {
		u64 at = 0x1000 + i * 64;

		wrong += !kvm_ioeventfd_range_find(ranges, at);
		wrong += !kvm_ioeventfd_range_find(ranges, at + 24);
		wrong += !!kvm_ioeventfd_range_find(ranges, at + 4);
		wrong += !!kvm_ioeventfd_range_find(ranges, at + 32);
	}
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* A value that is posted to memory of a process, until it is unmapped. */
static void posted_value(struct kunit *test)
{
	struct bus_test *t = test->priv;
	unsigned long page;
	u32 val = 0x12345678, got = 0;
	int idx;

	page = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, page, 0);
	KUNIT_ASSERT_EQ(test, post_range(t, 0x1000, 64, page), 0);
	KUNIT_EXPECT_EQ(test, add(t, 0, 0x1000, 0x100), 0);
	idx = srcu_read_lock(&t->kvm->srcu);
	KUNIT_EXPECT_EQ(test, kvm_io_bus_write(t->vcpu, KVM_MMIO_BUS, 0x1008, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, get_user(got, (u32 __user *)(page + 8)), 0);
	KUNIT_EXPECT_EQ(test, got, val);
	KUNIT_EXPECT_EQ(test, t->nr_asked, 0);

	vm_munmap(page, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kvm_io_bus_write(t->vcpu, KVM_MMIO_BUS, 0x1008, 4, &val),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, t->nr_asked, 0);
	/* Another width is the device's. */
	KUNIT_EXPECT_EQ(test, kvm_io_bus_write(t->vcpu, KVM_MMIO_BUS, 0x1008, 2, &val), 0);
	KUNIT_EXPECT_EQ(test, t->nr_asked, 1);
	srcu_read_unlock(&t->kvm->srcu, idx);
}

static struct kunit_case bus_test_cases[] = {
	KUNIT_CASE(order_narrowest_first),
	KUNIT_CASE(both_sides_of_a_nested_range),
	KUNIT_CASE(ends_of_the_address_space),
	KUNIT_CASE(ranges_of_2gib_and_more),
	KUNIT_CASE(empty_ranges_and_accesses),
	KUNIT_CASE(cookies),
	KUNIT_CASE(get_dev),
	KUNIT_CASE(destructor_once),
	KUNIT_CASE(destructor_after_last_reader),
	KUNIT_CASE(devices_at_most),
	KUNIT_CASE(removal_allocates_nothing),
	KUNIT_CASE(which_ioeventfd),
	KUNIT_CASE(thousand_values_in_slots),
	KUNIT_CASE(thousand_values_spilled),
	KUNIT_CASE(ioctl_arguments),
	KUNIT_CASE(values_by_mask),
	KUNIT_CASE(ranges_apart),
	KUNIT_CASE(posted_value),
	{}
};

static struct kunit_suite bus_test_suite = {
	.name = "kvm-io-bus",
	.init = bus_test_init,
	.exit = bus_test_exit,
	.test_cases = bus_test_cases,
};

kunit_test_suite(bus_test_suite);
