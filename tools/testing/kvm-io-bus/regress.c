// SPDX-License-Identifier: GPL-2.0-only
/*
 * Named tests: one for each mistake that KVMs have made here, and one for each
 * line of the bus's description that random programs meet by chance only.
 */
#include <linux/uaccess.h>

#include "bus_and_model.h"
#include "ioeventfd_set.h"
#include "io_bus_index.h"
#include "io_bus_ranges.h"

static struct world w;

#define TEST(cond) \
	do { \
		if (!(cond)) { \
			printf("  %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			return false; \
		} \
	} while (0)

static int ioeventfd(u64 addr, u32 len, u32 flags, u64 datamatch, int fd)
{
	struct kvm_ioeventfd args = {
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = datamatch,
		.fd = fd,
	};

	return kvm_ioeventfd(&w.kvm, &args);
}

#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define GONE	KVM_IOEVENTFD_FLAG_DEASSIGN
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define CCW	KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY

#define POST	KVM_IOEVENTFD_FLAG_POST_WRITE
#define RANGE	KVM_IOEVENTFD_FLAG_POST_RANGE
#define MASK	KVM_IOEVENTFD_FLAG_DATAMASK

/* A page of userspace that behaves so */
#define USER(page)	((4 + SHIM_USER_##page) * SHIM_USER_PAGE)

static struct trace trace;

static int bus_write(int bus, u64 addr, int len, const void *val)
{
	int idx, ret;

	trace.nr = 0;
	trace_now = &trace;
	idx = srcu_read_lock(&w.kvm.srcu);
	ret = kvm_io_bus_write(&w.vcpu, bus, addr, len, val);
	srcu_read_unlock(&w.kvm.srcu, idx);
	trace_now = NULL;
	return ret;
}

static bool bus_ring(u64 addr, int len, const void *val)
{
	u64 value = ~0ull;
	bool rung;

	/* What is above the value does not count. */
	memcpy(&value, val, len);
	trace.nr = 0;
	trace_now = &trace;
	rcu_read_lock();
	rung = ring_irqoff(&w.vcpu, KVM_MMIO_BUS, addr, len, value);
	rcu_read_unlock();
	trace_now = NULL;
	return rung;
}

static int bus_read(int bus, u64 addr, int len)
{
	u64 val;
	int idx, ret;

	trace.nr = 0;
	trace_now = &trace;
	idx = srcu_read_lock(&w.kvm.srcu);
	ret = kvm_io_bus_read(&w.vcpu, bus, addr, len, &val);
	srcu_read_unlock(&w.kvm.srcu, idx);
	trace_now = NULL;
	return ret;
}

/* Was the access seen by these, in this order? */
static bool seen(const char *who)
{
	char buf[256] = "";
	unsigned int i;

	for (i = 0; i < trace.nr && i < 30; i++)
		sprintf(buf + strlen(buf), "%s%c%u", i ? " " : "",
			trace.event[i].what, trace.event[i].id);
	if (!strcmp(buf, who))
		return true;
	printf("  seen by \"%s\", not by \"%s\"\n", buf, who);
	return false;
}

/* Devices are numbered in order. */
static int dev_add(int bus, u64 addr, u64 size, unsigned int behaviour)
{
	struct op op = {
		.kind = OP_ADD_DEV,
		.bus = bus,
		.addr = addr,
		.size = size,
		.behaviour = behaviour,
		.fd = w.nr_devs,
	};
	struct result res, want;

	op_model(&w.model, &w, &op, &want);
	op_real(&w, &op, &res);
	op_after(&w, &op, res.ret);
	if (res.ret != want.ret)
		return -1000;
	return res.ret;
}

static void dev_del(int bus, unsigned int id)
{
	struct op op = { .kind = OP_DEL_DEV, .bus = bus, .size = id };
	struct result res;

	op_model(&w.model, &w, &op, &res);
	op_real(&w, &op, &res);
	op_after(&w, &op, res.ret);
}

#define TAKES	(DEV_TAKES_WRITES | DEV_TAKES_READS)

/*
 * A store that the guest splits over a page boundary arrives as two fragments
 * of any width, the second at any alignment.
 */
static bool split_store(void)
{
	unsigned char page[64];
	unsigned int at;
	int len;

	memset(page, 0x5a, sizeof(page));
	for (len = 1; len <= 8; len *= 2) {
		u64 data = 0x5a5a5a5a5a5a5a5aull >> (64 - 8 * len);

		TEST(!ioeventfd(0x1000, len, MATCH, data, 1));
	}
	for (at = 0; at < 16; at++) {
		for (len = 1; len <= 8; len++) {
			bool whole = !(len & (len - 1));

			TEST(bus_write(M_MMIO, 0x1000, len, page + at) ==
			     (whole ? 0 : -EOPNOTSUPP));
			TEST(seen(whole ? "!1" : ""));
		}
	}
	return true;
}

/* Removal while there is no memory at all: it goes, and nothing else does. */
static bool unregister_without_memory(void)
{
	unsigned int i;
	u32 val = 7;

	for (i = 0; i < 100; i++) {
		TEST(!dev_add(M_MMIO, 0x1000 * i, 0x1000, TAKES));
		TEST(!ioeventfd(0x1000000 + 4 * i, 4, 0, 0, 1));
		TEST(!ioeventfd(0x2000000, 4, MATCH, i, 2));
	}
	for (i = 0; i < 100; i += 2) {
		unsigned long nr = shim_nr_allocs;

		shim_fail_at = nr + 1;
		dev_del(M_MMIO, i);
		TEST(!ioeventfd(0x1000000 + 4 * i, 4, GONE, 0, 1));
		TEST(!ioeventfd(0x2000000, 4, GONE | MATCH, i, 2));
		shim_fail_at = 0;
		TEST(shim_nr_allocs == nr);
		TEST(w.destroyed[i] == 1);
	}
	for (i = 0; i < 100; i++) {
		bool there = i & 1;
		char who[8];

		TEST(w.destroyed[i] == !there);
		sprintf(who, "w%u", i);
		TEST(bus_write(M_MMIO, 0x1000 * i, 4, &val) ==
		     (there ? 0 : -EOPNOTSUPP));
		TEST(seen(there ? who : ""));
		TEST(bus_write(M_MMIO, 0x1000000 + 4 * i, 4, &val) ==
		     (there ? 0 : -EOPNOTSUPP));
		TEST(bus_write(M_MMIO, 0x2000000, 4, &i) ==
		     (there ? 0 : -EOPNOTSUPP));
	}
	return true;
}

/*
 * Their owner walks his zones and has those taken off the bus that lie in an
 * area; the destructor is what takes a zone off his list. Each must be
 * destroyed by its own unregistration, or the walk steps on freed ones.
 */
static bool zones_unregistered_while_walked(void)
{
	unsigned int i, j;

	for (i = 0; i < 50; i++)
		TEST(!dev_add(M_PIO, 0x10 * i, 0x10, DEV_TAKES_WRITES));
	for (i = 0; i < 50; i++) {
		shim_fail_at = shim_nr_allocs + 1;
		dev_del(M_PIO, i);
		shim_fail_at = 0;
		for (j = 0; j < 50; j++)
			TEST(w.destroyed[j] == (j <= i));
	}
	return true;
}

/* Ranges in ranges, the inner ones of which end before the access. */
static bool nested_ranges(void)
{
	u32 val = 0;

	TEST(!dev_add(M_MMIO, 0x10000, 0x10000, TAKES));
	TEST(!dev_add(M_MMIO, 0x11000, 0x1000, TAKES));
	TEST(!dev_add(M_MMIO, 0x11100, 0x10, TAKES));
	TEST(!dev_add(M_MMIO, 0x11100, 0x4, 0));
	TEST(!dev_add(M_MMIO, 0x11200, 0x10, TAKES));
	TEST(!ioeventfd(0x11104, 4, 0, 0, 3));
	TEST(!ioeventfd(0x18000, 4, 0, 0, 4));

	TEST(!bus_write(M_MMIO, 0x10000, 4, &val) && seen("w0"));
	TEST(!bus_write(M_MMIO, 0x10ffc, 4, &val) && seen("w0"));
	TEST(!bus_write(M_MMIO, 0x11000, 4, &val) && seen("w1"));
	TEST(!bus_write(M_MMIO, 0x11100, 4, &val) && seen("w3 w2"));
	TEST(!bus_write(M_MMIO, 0x11104, 4, &val) && seen("!3"));
	TEST(!bus_write(M_MMIO, 0x11104, 2, &val) && seen("w2"));
	TEST(!bus_write(M_MMIO, 0x11108, 4, &val) && seen("w2"));
	TEST(!bus_write(M_MMIO, 0x1110e, 4, &val) && seen("w1"));
	TEST(!bus_write(M_MMIO, 0x11110, 4, &val) && seen("w1"));
	TEST(!bus_write(M_MMIO, 0x11204, 4, &val) && seen("w4"));
	TEST(!bus_write(M_MMIO, 0x11210, 4, &val) && seen("w1"));
	TEST(!bus_write(M_MMIO, 0x17ffc, 4, &val) && seen("w0"));
	TEST(!bus_write(M_MMIO, 0x18000, 4, &val) && seen("!4"));
	TEST(!bus_write(M_MMIO, 0x18004, 4, &val) && seen("w0"));
	TEST(!bus_write(M_MMIO, 0x1fffc, 4, &val) && seen("w0"));
	TEST(!bus_read(M_MMIO, 0x18000, 4) && seen("r0"));
	TEST(bus_write(M_MMIO, 0x1fffe, 4, &val) && seen(""));
	TEST(bus_write(M_MMIO, 0xfffe, 4, &val) && seen(""));
	return true;
}

/* The narrowest first, then the first registered; many that decline. */
static bool order_of_devices(void)
{
	u8 val = 0;
	int i;

	for (i = 0; i < 6; i++)
		TEST(!dev_add(M_MMIO, 0x1000, 0x100, 0));
	for (i = 0; i < 6; i++)
		TEST(!dev_add(M_MMIO, 0x1000 - i, 0x80 - i, 0));
	TEST(bus_write(M_MMIO, 0x1000, 1, &val) == -EOPNOTSUPP);
	TEST(seen("w11 w10 w9 w8 w7 w6 w0 w1 w2 w3 w4 w5"));
	dev_del(M_MMIO, 8);
	dev_del(M_MMIO, 0);
	TEST(!dev_add(M_MMIO, 0x1000, 0x100, TAKES));
	TEST(!dev_add(M_MMIO, 0x1000, 0x101, TAKES));
	TEST(!bus_read(M_MMIO, 0x1000, 1));
	TEST(seen("r11 r10 r9 r7 r6 r1 r2 r3 r4 r5 r12"));
	return true;
}

/* The first and the last byte of the address space, and past it. */
static bool ends_of_address_space(void)
{
	u64 val = 0;

	TEST(!dev_add(M_MMIO, 0, 1, TAKES));
	TEST(!dev_add(M_MMIO, ~0ull, 1, TAKES));
	TEST(!dev_add(M_MMIO, ~0ull - 0xfff, 0x1000, TAKES));
	TEST(dev_add(M_MMIO, ~0ull, 2, TAKES) == -EINVAL);
	TEST(dev_add(M_MMIO, 2, ~0ull, TAKES) == -EINVAL);
	TEST(!dev_add(M_MMIO, 1, ~0ull, TAKES));
	TEST(!bus_write(M_MMIO, 0, 1, &val) && seen("w0"));
	TEST(bus_write(M_MMIO, 0, 2, &val) && seen(""));
	TEST(!bus_write(M_MMIO, ~0ull, 1, &val) && seen("w1"));
	TEST(!bus_write(M_MMIO, ~0ull - 7, 8, &val) && seen("w2"));
	TEST(bus_write(M_MMIO, ~0ull, 2, &val) && seen(""));
	TEST(!bus_write(M_MMIO, 1, 8, &val) && seen("w5"));

	TEST(ioeventfd(~0ull, 1, 0, 0, 1) == -EINVAL);
	TEST(ioeventfd(~0ull - 7, 8, 0, 0, 1) == -EINVAL);
	TEST(!ioeventfd(~0ull, 0, 0, 0, 1));
	TEST(!ioeventfd(~0ull - 8, 8, 0, 0, 2));
	TEST(!ioeventfd(0, 1, 0, 0, 3));
	TEST(!bus_write(M_MMIO, ~0ull, 4, &val) && seen("!1"));
	TEST(!bus_write(M_MMIO, ~0ull - 8, 8, &val) && seen("!2"));
	TEST(!bus_write(M_MMIO, 0, 1, &val) && seen("!3"));
	return true;
}

/* A zone whose length is no int. */
static bool wide_zone(void)
{
	u32 val = 0;

	TEST(!dev_add(M_MMIO, 0x100000000, 0x80000000, TAKES));
	TEST(!dev_add(M_MMIO, 0x200000000, 0x180000000, TAKES));
	TEST(!bus_write(M_MMIO, 0x100000000, 4, &val) && seen("w0"));
	TEST(!bus_write(M_MMIO, 0x17ffffffc, 4, &val) && seen("w0"));
	TEST(bus_write(M_MMIO, 0x17fffffff, 4, &val) && seen(""));
	TEST(!bus_write(M_MMIO, 0x37ffffffc, 4, &val) && seen("w1"));
	return true;
}

/* The 1001st device is refused, doorbells do not count. */
static bool devices_at_most(void)
{
	u32 val = 0;
	int i;

	for (i = 0; i < 1000; i++) {
		TEST(!dev_add(M_MMIO, 16 * i, 16, TAKES));
		TEST(!ioeventfd(16 * i, 4, 0, 0, 1));
	}
	TEST(dev_add(M_MMIO, 0x100000, 16, TAKES) == -ENOSPC);
	TEST(!ioeventfd(0x100000, 4, 0, 0, 1));
	TEST(!dev_add(M_PIO, 0x100, 16, TAKES));
	dev_del(M_MMIO, 500);
	TEST(!dev_add(M_MMIO, 0x100000, 16, TAKES));
	TEST(dev_add(M_MMIO, 0x200000, 16, TAKES) == -ENOSPC);
	TEST(!bus_write(M_MMIO, 0x100000, 4, &val) && seen("!1"));
	TEST(!bus_write(M_MMIO, 0x100004, 4, &val) && seen("w1002"));
	return true;
}

/* What rings what, and what collides with what. */
static bool doorbell_rules(void)
{
	u64 val = 0x1122334455667788ull;
	u8 one = 0x88;
	u16 two = 0x7788;
	u32 four = 0x55667788;

	TEST(!ioeventfd(0x1000, 2, MATCH, 0x7788, 1));
	TEST(!ioeventfd(0x1000, 4, MATCH, 0x55667788, 2));
	TEST(!ioeventfd(0x1000, 8, MATCH, val, 3));
	TEST(!ioeventfd(0x1000, 1, 0, 0xffff, 4));
	TEST(!ioeventfd(0x1000, 2, MATCH, 0x17788, 5));
	TEST(ioeventfd(0x1000, 2, MATCH, 0x7788, 6) == -EEXIST);
	TEST(ioeventfd(0x1000, 2, 0, 0, 6) == -EEXIST);
	TEST(ioeventfd(0x1000, 1, MATCH, 3, 6) == -EEXIST);
	TEST(ioeventfd(0x1000, 0, 0, 0, 6) == -EEXIST);
	TEST(!ioeventfd(0x1000, 2, MATCH | PIO, 0x7788, 6));
	TEST(!ioeventfd(0x1000, 0, CCW, 0, 7));
	TEST(ioeventfd(0x1000, 8, MATCH | CCW, 1, 8) == -EEXIST);
	/* One bus for both flags */
	TEST(ioeventfd(0x1000, 2, MATCH | PIO | CCW, 0x7788, 8) == -EEXIST);

	TEST(!bus_write(M_MMIO, 0x1000, 1, &one) && seen("!4"));
	TEST(!bus_write(M_MMIO, 0x1000, 2, &two) && seen("!1"));
	TEST(!bus_write(M_MMIO, 0x1000, 4, &four) && seen("!2"));
	TEST(!bus_write(M_MMIO, 0x1000, 8, &val) && seen("!3"));
	TEST(!bus_write(M_PIO, 0x1000, 2, &two) && seen("!6"));
	TEST(!bus_write(M_CCW, 0x1000, 8, &val) && seen("!7"));
	TEST(bus_read(M_CCW, 0x1000, 8) && seen(""));
	TEST(bus_write(M_FAST, 0x1000, 0, NULL) && seen(""));

	TEST(!ioeventfd(0x2000, 0, 0, 0, 8));
	TEST(ioeventfd(0x2000, 4, MATCH, 0, 9) == -EEXIST);
	TEST(!bus_write(M_FAST, 0x2000, 0, NULL) && seen("!8"));
	TEST(!bus_write(M_MMIO, 0x2000, 3, &val) && seen("!8"));
	TEST(!bus_write(M_MMIO, 0x2000, 8, &val) && seen("!8"));
	TEST(ioeventfd(0x2000, 0, GONE, 0, 7) == -ENOENT);
	TEST(ioeventfd(0x2000, 0, GONE | MATCH, 0, 8) == -ENOENT);
	TEST(ioeventfd(0x2000, 4, GONE, 0, 8) == -ENOENT);
	TEST(ioeventfd(0x2000, 0, GONE | PIO, 0, 8) == -ENOENT);
	TEST(!ioeventfd(0x2000, 0, GONE, 0, 8));
	TEST(bus_write(M_FAST, 0x2000, 0, NULL) && seen(""));
	TEST(bus_write(M_MMIO, 0x2000, 4, &four) && seen(""));
	return true;
}

/* What the ioctls refuse; a request to deassign is not found instead. */
static bool ioctl_arguments(void)
{
	struct kvm_irqfd irqfd = { .fd = 1, .gsi = 5 };
	extern unsigned int fake_irqfd_assigned, fake_irqfd_deassigned;
	u32 len;
	int bit;

	for (len = 0; len < 20; len++) {
		bool good = len < 9 && (0x117 >> len & 1);

		TEST(ioeventfd(0x1000 * len, len, 0, 0, 1) ==
		     (good ? 0 : -EINVAL));
		TEST(ioeventfd(0x1000 * len, len, GONE, 0, 1) ==
		     (good ? 0 : -ENOENT));
	}
	/* Bit 4 means nothing */
	TEST(!ioeventfd(0x1000, 4, 1 << 4, 0, 1));
	TEST(ioeventfd(0x1000, 4, 0, 0, 1) == -EEXIST);
	TEST(!ioeventfd(0x1000, 4, GONE, 0, 1));
	for (bit = 5; bit < 32; bit++) {
		TEST(ioeventfd(0x1000, 4, 1u << bit, 0, 1) == -EINVAL);
		TEST(ioeventfd(0x1000, 4, GONE | 1u << bit, 0, 1) == -ENOENT);
	}
	TEST(ioeventfd(0x1000, 0, MATCH, 0, 1) == -EINVAL);
	TEST(ioeventfd(0x1000, 256 + 4, 0, 0, 1) == -EINVAL);
	TEST(!ioeventfd(0x1000, 4, 0, 0, 1));
	TEST(ioeventfd(0x1000, 256 + 4, GONE, 0, 1) == -ENOENT);
	TEST(ioeventfd(0x2000, 4, 0, 0, 17) == -EINVAL);
	TEST(ioeventfd(0x2000, 4, 0, 0, 18) == -EBADF);
	TEST(ioeventfd(0x2000, 4, 0, 0, -1) == -EBADF);
	TEST(ioeventfd(0x1000, 4, GONE, 0, 17) == -EINVAL);
	TEST(ioeventfd(0x1000, 4, GONE, 0, 18) == -EBADF);
	/* The other number of the same eventfd */
	TEST(!ioeventfd(0x3000, 4, 0, 0, 0));
	TEST(!ioeventfd(0x3000, 4, GONE, 0, 16));

	for (bit = 2; bit < 32; bit++) {
		irqfd.flags = 1u << bit;
		TEST(kvm_irqfd(&w.kvm, &irqfd) == -EINVAL);
		irqfd.flags |= KVM_IRQFD_FLAG_DEASSIGN;
		TEST(kvm_irqfd(&w.kvm, &irqfd) == -EINVAL);
	}
	TEST(!fake_irqfd_assigned && !fake_irqfd_deassigned);
	irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
	TEST(!kvm_irqfd(&w.kvm, &irqfd) && fake_irqfd_assigned == 1);
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	TEST(!kvm_irqfd(&w.kvm, &irqfd) && fake_irqfd_deassigned == 1);
	return true;
}

/* The eventfd is kept by its registration, and put once. */
static bool closed_eventfd(void)
{
	struct eventfd_ctx *ctx = shim_fd[1];
	u32 val = 0;

	TEST(!ioeventfd(0x1000, 4, 0, 0, 1));
	TEST(ctx->refs == 2);
	eventfd_ctx_put(ctx);
	shim_fd[1] = shim_eventfd_new(100);
	TEST(!bus_write(M_MMIO, 0x1000, 4, &val) && seen("!1"));
	TEST(ioeventfd(0x1000, 4, GONE, 0, 1) == -ENOENT);
	TEST(ctx->refs == 1 && ctx->count == 1);
	return true;
}

/*
 * A thread that has seen a registration finds it: every search, also
 * the first one of an empty bus, begins with the barrier that pairs with the
 * one at the end of registering. (That it must be there at all is shown by
 * models/register.pml.)
 */
static bool search_after_barrier(void)
{
	unsigned long nr;
	u64 val = 0;
	int idx, i;

	for (i = 0; i < 2; i++) {
		nr = shim_nr_rmb;
		bus_write(M_MMIO, 0x1000, 4, &val);
		TEST(shim_nr_rmb > nr);
		nr = shim_nr_rmb;
		bus_read(M_MMIO, 0x1000, 4);
		TEST(shim_nr_rmb > nr);
		nr = shim_nr_rmb;
		bus_ring(0x1000, 4, &val);
		TEST(shim_nr_rmb > nr);
		nr = shim_nr_rmb;
		idx = srcu_read_lock(&w.kvm.srcu);
		kvm_io_bus_get_dev(&w.kvm, KVM_MMIO_BUS, 0x1000);
		srcu_read_unlock(&w.kvm.srcu, idx);
		TEST(shim_nr_rmb > nr);
		TEST(!dev_add(M_MMIO, 0x1000, 4, TAKES));
	}
	return true;
}

/* Counts steps of a change, or counts down to one of a kick. */
static unsigned int hooked;

static void miss_now(void)
{
	void (*hook)(void) = shim_writer_hook;
	u32 val = 7;

	shim_writer_hook = NULL;
	bus_ring(0x1000, 4, &val);
	hooked++;
	shim_writer_hook = hook;
}

/* Another task assigns at the step of a kick that @hooked counts down to. */
static void assign_value_now(u64 data)
{
	if (hooked--)
		return;
	shim_reader_hook = NULL;
	shim_in_hook = true;
	ioeventfd(0x1000, 4, MATCH, data, 1);
	shim_in_hook = false;
}

static void assign_now(void)
{
	assign_value_now(7);
}

static void grow_now(void)
{
	assign_value_now(KVM_IOEVENTFD_SLOTS_MIN);
}

/* The table of a register's values is replaced at every step of a kick. */
static bool table_under_reader(void)
{
	unsigned int i, n, before;
	u32 val = 3;

	for (i = 0; i < 40; i++) {
		/* As many as the first table takes */
		for (n = 0; n < KVM_IOEVENTFD_SLOTS_MIN; n++)
			TEST(!ioeventfd(0x1000, 4, MATCH, n, 1));
		before = shim_nr_live;
		hooked = i;
		shim_reader_hook = grow_now;
		TEST(bus_ring(0x1000, 4, &val) && seen("!1"));
		if (shim_reader_hook)
			break;
		TEST(shim_nr_live > before);
		for (n = 0; n <= KVM_IOEVENTFD_SLOTS_MIN; n++)
			TEST(!ioeventfd(0x1000, 4, MATCH | GONE, n, 1));
	}
	shim_reader_hook = NULL;
	TEST(i > 3 && i < 40);
	return true;
}

/* A write in vain at every step of an assign, and an assign at each of its own. */
static bool missed_while_assigned(void)
{
	u32 val = 7, other = 8;
	unsigned int i;

	/* Nothing there at all; then other values, other widths */
	TEST(!bus_ring(0x1000, 4, &val));
	TEST(!ioeventfd(0x1000, 4, MATCH, 7, 1));
	TEST(!bus_write(M_MMIO, 0x1000, 4, &val) && seen("!1"));
	TEST(!bus_ring(0x1000, 4, &other) && !bus_ring(0x1000, 2, &val));
	TEST(bus_write(M_MMIO, 0x1000, 4, &other) == -EOPNOTSUPP);
	TEST(!bus_write(M_MMIO, 0x1000, 4, &val) && seen("!1"));
	TEST(bus_ring(0x1000, 4, &val) && seen("!1"));

	TEST(!ioeventfd(0x1000, 4, MATCH | GONE, 7, 1));
	for (i = 0; i < 70; i++)
		TEST(!ioeventfd(0x1000 + (i & 1 ? 8 : -8) * (i + 1), 4, 0, 0, 2));
	hooked = 0;
	shim_writer_hook = miss_now;
	TEST(!ioeventfd(0x1000, 4, MATCH, 7, 1));
	shim_writer_hook = NULL;
	TEST(hooked);
	TEST(!bus_write(M_MMIO, 0x1000, 4, &val) && seen("!1"));

	for (i = 0; i < 40; i++) {
		TEST(!ioeventfd(0x1000, 4, MATCH | GONE, 7, 1));
		hooked = i;
		shim_reader_hook = assign_now;
		bus_ring(0x1000, 4, &val);
		if (shim_reader_hook) {
			shim_reader_hook = NULL;
			break;
		}
		TEST(!bus_write(M_MMIO, 0x1000, 4, &val) && seen("!1"));
	}
	TEST(i > 3 && i < 40);
	return true;
}

static int post(u64 addr, u32 flags, u64 at, int fd)
{
	struct kvm_ioeventfd args = {
		.addr = addr, .len = 4, .flags = flags | POST, .fd = fd,
		.post_addr = at, .post_size = 64, .post_stride = 4,
	};

	return kvm_ioeventfd(&w.kvm, &args);
}

/*
 * What does not get to memory does not ring, and no device gets it. With
 * interrupts off, no page fault is waited for.
 */
static bool posted_to_each_page(void)
{
	static const struct {
		u64 at;
		bool written, rung;
	} pages[] = {
		{ USER(THERE), true, true }, { USER(AWAY), true, false },
		{ USER(GONE), false, false }, { USER(FLEETING), false, false },
	};
	unsigned int i;
	char who[40];
	u32 val = 7;

	TEST(!dev_add(M_MMIO, 0x1000, 64, TAKES));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		sprintf(who, "=%u #7 !1", (unsigned int)pages[i].at);
		TEST(!post(0x1000, 0, pages[i].at, 1));
		TEST(bus_write(M_MMIO, 0x1000, 4, &val) ==
		     (pages[i].written ? 0 : -EOPNOTSUPP));
		TEST(seen(pages[i].written ? who : ""));
		TEST(bus_ring(0x1000, 4, &val) == pages[i].rung);
		TEST(seen(pages[i].rung ? who : ""));
		TEST(!post(0x1000, GONE, 0, 1));
		TEST(!bus_write(M_MMIO, 0x1000, 4, &val) && seen("w0"));
	}
	return true;
}

/* Another task deassigns at each step of a write that waits for its page. */
static void deassign_now(void)
{
	if (hooked--)
		return;
	shim_reader_hook = NULL;
	shim_in_hook = true;
	post(0x1000, GONE, 0, 1);
	shim_in_hook = false;
}

static bool deassigned_in_page_fault(void)
{
	unsigned int i, devices = 0;
	char who[40];
	u32 val = 7;

	TEST(!dev_add(M_MMIO, 0x1000, 64, TAKES));
	sprintf(who, "=%u #7 !1", (unsigned int)USER(AWAY));
	for (i = 0; i < 60; i++) {
		TEST(!post(0x1000, 0, USER(AWAY), 1));
		hooked = i;
		shim_reader_hook = deassign_now;
		TEST(!bus_write(M_MMIO, 0x1000, 4, &val));
		/* The device gets it, or the ioeventfd; never both */
		if (trace.nr == 1) {
			TEST(seen("w0"));
			devices++;
		} else {
			TEST(seen(who));
		}
		if (shim_reader_hook)
			break;
	}
	shim_reader_hook = NULL;
	TEST(devices > 5 && i < 60);
	return true;
}

/* A deassign uncovers a range: at each step one of both takes the write. */
static bool deassigned_over_range(void)
{
	unsigned int i, by_range = 0;
	char who[40];
	u32 val = 7;

	TEST(!post(0x1000, RANGE, USER(THERE), 2));
	sprintf(who, "=%u #7 !2", (unsigned int)USER(THERE));
	for (i = 0; i < 60; i++) {
		TEST(!ioeventfd(0x1000, 4, 0, 0, 1));
		hooked = i;
		shim_reader_hook = deassign_now;
		TEST(!bus_write(M_MMIO, 0x1000, 4, &val));
		if (trace.nr == 1) {
			TEST(seen("!1"));
		} else {
			TEST(seen(who));
			by_range++;
		}
		if (shim_reader_hook)
			break;
	}
	shim_reader_hook = NULL;
	TEST(by_range > 3 && i < 60);
	return true;
}

static int masked(u64 data, u64 mask, u32 flags, int fd)
{
	struct kvm_ioeventfd args = {
		.addr = 0x1000, .len = 4, .flags = MATCH | MASK | flags, .fd = fd,
		.datamatch = data, .datamask = mask,
	};

	return kvm_ioeventfd(&w.kvm, &args);
}

/* Has 5 in the spill, because its slot is taken */
static bool five_spilled;

/* Instead of four bits, all are compared from now on. */
static void mask_now(void)
{
	if (hooked--)
		return;
	shim_reader_hook = NULL;
	shim_in_hook = true;
	masked(3, 0xf, GONE, 1);
	if (five_spilled)
		ioeventfd(0x1000, 4, MATCH, 5 + KVM_IOEVENTFD_SLOTS_MAX, 3);
	ioeventfd(0x1000, 4, MATCH, 5, 2);
	shim_in_hook = false;
}

/*
 * The mask of a register's values changes at every step of a kick that neither the
 * old mask nor the new one matches.
 */
static bool mask_under_reader(void)
{
	u32 val = 0x15;
	unsigned int i;

	/* Keeps the set and its table. */
	TEST(!ioeventfd(0x1000, 2, MATCH, 1, 4));
	for (i = 0; i < 120; i++) {
		five_spilled = i & 1;
		TEST(!masked(3, 0xf, 0, 1));
		hooked = i / 2;
		shim_reader_hook = mask_now;
		TEST(!bus_ring(0x1000, 4, &val) && seen(""));
		if (shim_reader_hook)
			break;
		TEST(!ioeventfd(0x1000, 4, MATCH | GONE, 5, 2));
		if (five_spilled)
			TEST(!ioeventfd(0x1000, 4, MATCH | GONE,
					5 + KVM_IOEVENTFD_SLOTS_MAX, 3));
	}
	shim_reader_hook = NULL;
	TEST(i > 6 && i < 120);
	return true;
}

/* Registering leaves kvm->srcu alone, deassigning a doorbell does, too. */
static bool srcu_left_alone(void)
{
	unsigned long nr = w.kvm.srcu.nr_sync;
	int i, idx;

	/* A vCPU deep in another exit */
	idx = srcu_read_lock(&w.kvm.srcu);
	for (i = 0; i < 200; i++) {
		TEST(!ioeventfd(0x1000 + 4 * i, 4, 0, 0, 1));
		TEST(!ioeventfd(0x8000, 4, MATCH, i, 1));
		TEST(!dev_add(M_MMIO, 0x1000 + 4 * i, 4, TAKES));
	}
	for (i = 0; i < 200; i++) {
		TEST(!ioeventfd(0x1000 + 4 * i, 4, GONE, 0, 1));
		TEST(!ioeventfd(0x8000, 4, GONE | MATCH, i, 1));
	}
	srcu_read_unlock(&w.kvm.srcu, idx);
	TEST(w.kvm.srcu.nr_sync == nr);
	return true;
}

/* The limit counts what is there, whatever was refused or failed before. */
static bool doorbells_at_most(void)
{
	u32 val = 0;

	TEST(!ioeventfd(0x1000, 4, 0, 0, 1));
	TEST(w.kvm.nr_ioeventfds == 1);
	TEST(ioeventfd(0x1000, 4, 0, 0, 2) == -EEXIST);
	TEST(ioeventfd(0x1000, 4, GONE, 0, 2) == -ENOENT);
	shim_fail_at = shim_nr_allocs + 2;
	TEST(ioeventfd(0x2000, 4, 0, 0, 2) == -ENOMEM);
	shim_fail_at = 0;
	TEST(w.kvm.nr_ioeventfds == 1);

	/* As if all others were there */
	w.kvm.nr_ioeventfds = KVM_MAX_IOEVENTFDS - 1;
	TEST(!ioeventfd(0x2000, 4, 0, 0, 2));
	TEST(ioeventfd(0x3000, 4, 0, 0, 3) == -ENOSPC);
	TEST(ioeventfd(0x2000, 4, MATCH, 0, 3) == -ENOSPC);
	TEST(bus_write(M_MMIO, 0x3000, 4, &val) == -EOPNOTSUPP);
	TEST(!bus_write(M_MMIO, 0x2000, 4, &val) && seen("!2"));
	TEST(!ioeventfd(0x1000, 4, GONE, 0, 1));
	TEST(!ioeventfd(0x3000, 4, 0, 0, 3));
	TEST(ioeventfd(0x1000, 4, 0, 0, 1) == -ENOSPC);
	w.kvm.nr_ioeventfds = 2;
	return true;
}

/* 5000 addresses in several orders: the index splits, empties, fills again. */
static bool index_in_any_order(void)
{
	static const unsigned int step[] = { 1, 4999, 7, 2503 };
	unsigned int i, s, n = 5000, at;
	u32 val = 0;

	for (s = 0; s < 4; s++) {
		for (i = 0, at = 0; i < n; i++, at = (at + step[s]) % n)
			TEST(!ioeventfd(0x1000 + 8 * (u64)at, 4, 0, 0, at % 16));
		TEST(ioeventfd(0x1000, 4, 0, 0, 0) == -EEXIST);
		for (i = 0; i < n; i++) {
			char who[8];

			sprintf(who, "!%u", i % 16);
			TEST(!bus_write(M_MMIO, 0x1000 + 8 * (u64)i, 4, &val));
			TEST(seen(who));
			TEST(bus_write(M_MMIO, 0x1004 + 8 * (u64)i, 4, &val));
		}
		for (i = 0, at = 0; i < n; i++, at = (at + step[3 - s]) % n)
			TEST(!ioeventfd(0x1000 + 8 * (u64)at, 4, GONE, 0,
					at % 16));
		TEST(bus_write(M_MMIO, 0x1000, 4, &val));
		TEST(!w.kvm.buses[M_MMIO].ioeventfds.root);
	}
	/* Half of it goes, from the middle, and other addresses come */
	for (i = 0; i < n; i++)
		TEST(!ioeventfd(0x1000 + 8 * (u64)i, 4, 0, 0, 0));
	for (i = n / 4; i < 3 * n / 4; i++)
		TEST(!ioeventfd(0x1000 + 8 * (u64)i, 4, GONE, 0, 0));
	for (i = n / 4; i < 3 * n / 4; i++)
		TEST(!ioeventfd(0x1004 + 8 * (u64)i, 4, 0, 0, 1));
	for (i = 0; i < n; i++) {
		bool outer = i < n / 4 || i >= 3 * n / 4;

		TEST(!bus_write(M_MMIO, (outer ? 0x1000 : 0x1004) + 8 * (u64)i,
				4, &val));
		TEST(seen(outer ? "!0" : "!1"));
	}
	return true;
}

/*
 * Kicks at every step of changes that split blocks, move entries, empty the
 * index and fill it again: all that stays is rung.
 */
static unsigned int nr_kept, nr_lost, nr_kicked;

static u64 kept_addr(unsigned int i)
{
	return 0x10000 + 0x40 * (u64)i;
}

static void kick_kept(void)
{
	void (*hook)(void) = shim_writer_hook;
	unsigned int i;
	u32 val = 0;

	shim_writer_hook = NULL;
	for (i = 0; i < nr_kept; i++) {
		nr_lost += !bus_ring(kept_addr(i), 4, &val);
		nr_kicked++;
	}
	/* Behind, before and in between there is nothing, or what comes */
	bus_ring(0, 4, &val);
	bus_ring(~0ull, 4, &val);
	bus_ring(kept_addr(nr_kept) + 4, 4, &val);
	shim_writer_hook = hook;
}

static bool kicks_during_changes(void)
{
	unsigned int i, round;
	u64 seed = 1;

	nr_lost = 0;
	shim_writer_hook = kick_kept;
	for (nr_kept = 0; nr_kept < 60; nr_kept++)
		TEST(!ioeventfd(kept_addr(nr_kept), 4, 0, 0, 1));
	for (round = 0; round < 3; round++) {
		u64 s = seed;

		/* Anywhere, below, and in rising order behind */
		for (i = 0; i < 400; i++) {
			u64 addr = 0x10000 + 4 + 0x40 * (rnd(&seed) % 60) +
				   8 * (rnd(&seed) % 7);

			ioeventfd(addr, 4, 0, 0, 2);
			TEST(!ioeventfd(0x8000 - 8 * i, 4, 0, 0, 2));
			TEST(!ioeventfd(0x20000 + 8 * i, 4, 0, 0, 2));
		}
		for (i = 0; i < 400; i++) {
			u64 addr = 0x10000 + 4 + 0x40 * (rnd(&s) % 60) +
				   8 * (rnd(&s) % 7);

			ioeventfd(addr, 4, GONE, 0, 2);
			TEST(!ioeventfd(0x8000 - 8 * i, 4, GONE, 0, 2));
			TEST(!ioeventfd(0x20000 + 8 * i, 4, GONE, 0, 2));
		}
	}
	shim_writer_hook = NULL;
	TEST(nr_kicked > 1000000);
	TEST(!nr_lost);
	return true;
}

/* Every allocation on the way to 300 addresses fails once. */
static bool index_without_memory(void)
{
	unsigned int i, j, n, failed = 0;
	u32 val = 0;

	for (i = 0; i < 300; i++) {
		/* In the middle of what is there, and behind it */
		u64 addr = i & 1 ? 0x10000 + 8 * i : 0x10000 - 8 * i;

		for (n = 1;; n++) {
			shim_fail_at = shim_nr_allocs + n;
			if (!ioeventfd(addr, 4, 0, 0, 1))
				break;
			failed++;
			TEST(bus_write(M_MMIO, addr, 4, &val) == -EOPNOTSUPP);
			for (j = 0; j < i; j++)
				TEST(!bus_write(M_MMIO, j & 1 ? 0x10000 + 8 * j :
						0x10000 - 8 * j, 4, &val));
		}
		shim_fail_at = 0;
	}
	/* A doorbell and a register for each, blocks and roots now and then */
	TEST(failed > 600);
	return true;
}

/* The address that a list has come to loses all its doorbells meanwhile. */
static void lose_listed(void)
{
	unsigned int i;

	shim_on_resched = NULL;
	for (i = 0; i < 300; i++)
		ioeventfd(0x1000, 4, MATCH | GONE, i, 1);
}

static bool list_while_it_changes(void)
{
	static struct kvm_ioeventfd_info info[400];
	unsigned int i;

	for (i = 0; i < 300; i++)
		TEST(!ioeventfd(0x1000, 4, MATCH, i, 1));
	TEST(!ioeventfd(0x2000, 4, 0, 0, 2));
	TEST(!ioeventfd(0x3000, 4, 0, 0, 3));
	TEST(kvm_io_bus_list_ioeventfds(&w.kvm, info, 400) == 302);
	TEST(info[299].key.data == 299 && info[301].key.addr == 0x3000);

	/* What was listed before it went, and what stays */
	shim_on_resched = lose_listed;
	TEST(kvm_io_bus_list_ioeventfds(&w.kvm, info, 400) == 258);
	TEST(info[256].key.addr == 0x2000 && info[257].key.addr == 0x3000);
	TEST(kvm_io_bus_list_ioeventfds(&w.kvm, info, 400) == 2);
	return true;
}

/* The index as such: what io_bus.c never asks of it. */
static bool index_alone(void)
{
	struct kvm_ioeventfd_info info[2];
	struct kvm_io_index_place place;
	struct kvm_io_index index = {};
	u64 key = 5;
	int a, b;

	TEST(!kvm_io_index_locate(&index, 7, &place));
	TEST(!kvm_io_index_next(&index, &key) && key == 5);
	TEST(!kvm_io_index_insert(&index, 7, &a, &place));
	TEST(kvm_io_index_locate(&index, 7, &place) == &a);
	TEST(!kvm_io_index_locate(&index, 5, &place) && !place.at[0].pos);
	TEST(!kvm_io_index_locate(&index, ~0ull, &place) && place.at[0].pos == 1);
	TEST(!kvm_io_index_insert(&index, ~0ull, &b, &place));
	TEST(kvm_io_index_next(&index, &key) == &a && key == 7);
	key = 8;
	TEST(kvm_io_index_next(&index, &key) == &b && key == ~0ull);
	TEST(kvm_io_index_locate(&index, 7, &place) == &a);
	kvm_io_index_remove(&index, &place);
	TEST(kvm_io_index_locate(&index, ~0ull, &place) == &b);
	kvm_io_index_remove(&index, &place);
	TEST(!index.root && !kvm_io_index_locate(&index, ~0ull, &place));

	/* Listing ends behind the last address of all. */
	TEST(!ioeventfd(~0ull, 0, 0, 0, 1) && !ioeventfd(1, 0, PIO, 0, 2));
	TEST(kvm_io_bus_list_ioeventfds(&w.kvm, info, 2) == 2);
	TEST(info[0].key.addr == ~0ull && info[1].key.addr == 1);
	return true;
}

/* What io_bus_index.h says of every node; how many levels there are. */
static bool index_is_well(const struct kvm_io_index_node *node)
{
	const struct kvm_io_index_node *here, *next;
	unsigned int i;

	TEST(node->nr && node->nr <= KVM_IO_INDEX_FANOUT);
	for (i = 0; i < KVM_IO_INDEX_KEYS; i++) {
		if (i >= node->nr)
			TEST(node->key[i] == KVM_IO_INDEX_PAD);
		else if (i > 1)
			TEST(node->key[i - 1] < node->key[i]);
	}
	for (i = 0; node->level && i < node->nr; i++) {
		here = node->ptr[i];
		TEST(here->level == node->level - 1);
		TEST(!i || (here->level ? here->key[0] == node->key[i] :
			    here->key[0] >= node->key[i]));
		if (!index_is_well(here))
			return false;
		if (i + 1 == node->nr)
			break;
		next = node->ptr[i + 1];
		TEST(here->key[here->nr - 1] < node->key[i + 1]);
		TEST(next->level == here->level);
		TEST(here->nr >= KVM_IO_INDEX_LEAST);
	}
	return true;
}

/* The last node of each level may have one entry, or lose it. */
static bool index_ends_with_one(void)
{
	const unsigned int full = KVM_IO_INDEX_FANOUT * KVM_IO_INDEX_FANOUT;
	struct kvm_io_index_place place;
	struct kvm_io_index index;
	unsigned int more, i;

	for (more = 1; more <= 2; more++) {
		kvm_io_index_init(&index);
		for (i = 0; i < full + more; i++) {
			TEST(!kvm_io_index_locate(&index, i, &place));
			TEST(!kvm_io_index_insert(&index, i, &index, &place));
		}
		TEST(index_is_well(index.root) && index.root->level == 2);
		TEST(kvm_io_index_locate(&index, full, &place));
		kvm_io_index_remove(&index, &place);
		/* An empty node gets half of its neighbour's, a last one nothing. */
		TEST(index_is_well(index.root) && index.root->level == 2);
		for (i = 0; i < full + more; i++) {
			bool found = kvm_io_index_locate(&index, i, &place);

			TEST(found == (i != full));
			if (found)
				kvm_io_index_remove(&index, &place);
		}
		TEST(!index.root);
	}
	return true;
}

/* The greatest key that is not above a key, against a plain list. */
static bool index_floor(void)
{
	static bool there[4096];
	struct kvm_io_index_place place;
	struct kvm_io_index index;
	u64 seed = 5, at, i;
	long floor, n;

	kvm_io_index_init(&index);
	memset(there, 0, sizeof(there));
	for (n = 0; n < 20000; n++) {
		/* Mostly full, then mostly empty, in runs of neighbours */
		i = (rnd(&seed) % 64 * 64 + n % 64) % ARRAY_SIZE(there);
		kvm_io_index_locate(&index, 8 * i, &place);
		if (there[i] && rnd(&seed) % 8 < (n / 5000 & 1 ? 7 : 1)) {
			kvm_io_index_remove(&index, &place);
			there[i] = false;
		} else if (!there[i]) {
			TEST(!kvm_io_index_insert(&index, 8 * i, &there[i], &place));
			there[i] = true;
		}
		at = rnd(&seed) % (8 * ARRAY_SIZE(there));
		for (floor = at / 8; floor >= 0 && !there[floor]; floor--)
			;
		rcu_read_lock();
		TEST(kvm_io_index_find_floor(&index, at) ==
		     (floor < 0 ? NULL : &there[floor]));
		rcu_read_unlock();
	}
	rcu_read_lock();
	TEST(kvm_io_index_find_floor(&index, ~0ull));
	rcu_read_unlock();
	for (i = 0; i < ARRAY_SIZE(there); i++) {
		if (there[i]) {
			kvm_io_index_locate(&index, 8 * i, &place);
			kvm_io_index_remove(&index, &place);
		}
	}
	rcu_read_lock();
	TEST(!kvm_io_index_find_floor(&index, 5));
	rcu_read_unlock();
	return true;
}

/*
 * As many keys as there may be, in the orders that leave nodes full, half full
 * and as empty as they may get.
 */
static bool index_keeps_its_bounds(void)
{
	static const u32 step[] = { 1, -1, 0x9e3779b1, 61 << 10 | 1 };
	const u32 n = KVM_MAX_IOEVENTFDS;
	struct kvm_io_index_place place;
	struct kvm_io_index index;
	static const u32 gap[] = { 2, 64, 4096, KVM_MAX_IOEVENTFDS };
	unsigned int s, g, i;
	u32 at;

	for (s = 0; s < 4; s++) {
		kvm_io_index_init(&index);
		for (i = 0, at = 0; i < n; i++, at = (at + step[s]) % n) {
			TEST(!kvm_io_index_locate(&index, at, &place));
			TEST(!kvm_io_index_insert(&index, at, &index, &place));
		}
		TEST(index_is_well(index.root));
		TEST(index.root->level < KVM_IO_INDEX_LEVELS - 1);
		/* One key of two stays, one of 64, of 4,096, of all. */
		for (g = 0; g < 4; g++) {
			for (at = 0; at < n; at++) {
				if (at % gap[g] &&
				    kvm_io_index_locate(&index, at, &place))
					kvm_io_index_remove(&index, &place);
			}
			TEST(index_is_well(index.root));
		}
		TEST(kvm_io_index_locate(&index, 0, &place));
		kvm_io_index_remove(&index, &place);
		TEST(!index.root);
	}
	return true;
}

/*
 * Every layout of four ranges within five bytes, in each order of registration,
 * and every access to it: which devices are asked, and in which order.
 */
#define SMALL	5u
#define NR_SMALL	4

static unsigned int small_asked(const u64 *start, const u64 *size, u64 addr,
				u64 len, unsigned int *asked)
{
	unsigned int i, j, nr = 0;

	for (i = 0; i < NR_SMALL; i++) {
		if (addr < start[i] || addr + len > start[i] + size[i])
			continue;
		for (j = nr++; j && size[asked[j - 1]] > size[i]; j--)
			asked[j] = asked[j - 1];
		asked[j] = i;
	}
	return nr;
}

static bool small_layout(struct kvm_io_ranges *ranges, struct kvm_io_device *dev,
			 const u64 *start, const u64 *size)
{
	unsigned int asked[NR_SMALL], nr, i;
	struct kvm_io_candidate cand;
	u64 addr, len;

	for (addr = 0; addr <= SMALL; addr++) {
		for (len = 0; addr + len <= SMALL; len++) {
			nr = small_asked(start, size, addr, len, asked);
			cand = (struct kvm_io_candidate) {};
			for (i = 0; i < nr; i++) {
				TEST(kvm_io_ranges_next_holding(ranges, addr, len,
								&cand));
				TEST(cand.dev == &dev[asked[i]]);
			}
			TEST(!kvm_io_ranges_next_holding(ranges, addr, len, &cand));
		}
	}
	return true;
}

static bool all_layouts(void)
{
	struct kvm_io_device dev[NR_SMALL] = {};
	unsigned int at[NR_SMALL] = {}, nr_shapes = 0, i;
	u64 shape[32][2], start[NR_SMALL], size[NR_SMALL];
	struct kvm_io_ranges ranges = {};
	bool ok;

	for (u64 s = 0; s < SMALL; s++) {
		for (u64 n = 0; s + n <= SMALL; n++) {
			shape[nr_shapes][0] = s;
			shape[nr_shapes++][1] = n;
		}
	}
	do {
		for (i = 0; i < NR_SMALL; i++) {
			start[i] = shape[at[i]][0];
			size[i] = shape[at[i]][1];
			TEST(!kvm_io_ranges_add(&ranges, start[i], size[i],
						&dev[i]));
		}
		rcu_read_lock();
		ok = small_layout(&ranges, dev, start, size);
		rcu_read_unlock();
		kvm_io_ranges_destroy(&ranges);
		if (!ok) {
			for (i = 0; i < NR_SMALL; i++)
				printf("  [%u] at %u, %u bytes\n", i,
				       (unsigned int)start[i], (unsigned int)size[i]);
			return false;
		}
		for (i = 0; i < NR_SMALL && ++at[i] == nr_shapes; i++)
			at[i] = 0;
	} while (i < NR_SMALL);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "split_store", split_store },
	{ "unregister_without_memory", unregister_without_memory },
	{ "zones_unregistered_while_walked", zones_unregistered_while_walked },
	{ "nested_ranges", nested_ranges },
	{ "order_of_devices", order_of_devices },
	{ "ends_of_address_space", ends_of_address_space },
	{ "wide_zone", wide_zone },
	{ "devices_at_most", devices_at_most },
	{ "doorbell_rules", doorbell_rules },
	{ "ioctl_arguments", ioctl_arguments },
	{ "closed_eventfd", closed_eventfd },
	{ "search_after_barrier", search_after_barrier },
	{ "missed_while_assigned", missed_while_assigned },
	{ "table_under_reader", table_under_reader },
	{ "srcu_left_alone", srcu_left_alone },
	{ "doorbells_at_most", doorbells_at_most },
	{ "index_in_any_order", index_in_any_order },
	{ "kicks_during_changes", kicks_during_changes },
	{ "index_without_memory", index_without_memory },
	{ "list_while_it_changes", list_while_it_changes },
	{ "index_alone", index_alone },
	{ "index_ends_with_one", index_ends_with_one },
	{ "index_keeps_its_bounds", index_keeps_its_bounds },
	{ "index_floor", index_floor },
	{ "posted_to_each_page", posted_to_each_page },
	{ "deassigned_in_page_fault", deassigned_in_page_fault },
	{ "deassigned_over_range", deassigned_over_range },
	{ "mask_under_reader", mask_under_reader },
	{ "all_layouts", all_layouts },
};

int regress(const char *name)
{
	unsigned int i, nr = 0, bad = 0;

	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		bool ok;

		if (name && strcmp(name, tests[i].name))
			continue;
		world_init(&w);
		ok = tests[i].run();
		shim_fail_at = 0;
		if (ok)
			ok = world_exit(&w);
		printf("%s %s\n", ok ? "ok  " : "FAIL", tests[i].name);
		nr++;
		bad += !ok;
	}
	printf("regress: %u passed, %u failed\n", nr - bad, bad);
	return bad || !nr;
}
