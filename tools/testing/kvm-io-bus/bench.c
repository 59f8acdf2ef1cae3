// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench PATTERN N: one measurement of one bus, stock's (BENCH_STOCK) or ours,
 * as "access-ns update-ns found accesses".
 *
 * An access is a guest's write or read as the arch code passes it on: it rings
 * the doorbell or calls the device. Built with SHIM_NO_LOCKS no lock is taken on
 * the way, neither the eventfd's nor the doorbell's, and what remains is finding
 * it; updates are not measured then. An update is one registration and its
 * removal, among N. Grace periods cost nothing here: for stock, which waits for
 * one at each update, that is what remains.
 */
#ifdef BENCH_STOCK
#define SHIM_LINUX_KVM_HOST_H
#include "stock_bus.c"
#else
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <kvm/iodev.h>
#endif

#include <malloc.h>
#include <time.h>
#include "shim_ctl.h"

static struct kvm kvm;
static struct kvm_vcpu vcpu = { .kvm = &kvm };

#define DOORBELLS	0x10000000ull
#define ONE_REGISTER	0x20000000ull
#define DEVICES		0x30000000ull
#define NEST		0x40000000ull

enum { DISJOINT, REGISTER, ZONE, DEVS, NESTED, PATTERNS };
static const char *const pattern_name[PATTERNS] = {
	"disjoint", "register", "zone", "devices", "nested",
};

static unsigned long nr_called;

static int dev_read(struct kvm_vcpu *v, struct kvm_io_device *dev, gpa_t addr,
		    int len, void *val)
{
	nr_called++;
	return 0;
}

static const struct kvm_io_device_ops dev_ops = { .read = dev_read };

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static u64 rnd(u64 *seed)
{
	u64 z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return z ^ z >> 29;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static bool is_devs(int pattern)
{
	return pattern >= DEVS;
}

static u64 addr_of(int pattern, unsigned long i, unsigned long n)
{
	switch (pattern) {
	case REGISTER:
		return ONE_REGISTER;
	case DEVS:
		return DEVICES + 0x100 * i;
	case NESTED:
		return NEST + 0x10 * i;
	default:
		return DOORBELLS + 8 * i;
	}
}

static u64 size_of(int pattern, unsigned long i, unsigned long n)
{
	return pattern == NESTED ? 0x20 * (n - i) : 0x100;
}

static void bell(int pattern, unsigned long i, u32 flags)
{
	struct kvm_ioeventfd args = {
		.addr = addr_of(pattern, i, 0),
		.len = 4,
		.flags = flags,
		.datamatch = i,
		.fd = 1,
	};

	if (pattern == REGISTER)
		args.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (kvm_ioeventfd(&kvm, &args))
		die("KVM_IOEVENTFD");
}

static void dev_add(u64 addr, u64 size, struct kvm_io_device *dev)
{
	dev->ops = &dev_ops;
	mutex_lock(&kvm.slots_lock);
	if (kvm_io_bus_register_dev(&kvm, KVM_MMIO_BUS, addr, size, dev))
		die("register");
	mutex_unlock(&kvm.slots_lock);
}

static void dev_del(struct kvm_io_device *dev)
{
	mutex_lock(&kvm.slots_lock);
	kvm_io_bus_unregister_dev(&kvm, KVM_MMIO_BUS, dev);
	mutex_unlock(&kvm.slots_lock);
}

/* As many as @order has; the access goes to the middle of what is there. */
static double accesses(int pattern, unsigned long n, const u32 *order,
		       unsigned int nr)
{
	double begin = now();
	unsigned int i;
	u32 val;

	for (i = 0; i < nr; i++) {
		val = order[i];
		if (is_devs(pattern))
			kvm_io_bus_read(&vcpu, KVM_MMIO_BUS,
					addr_of(pattern, order[i], n), 4, &val);
		else
			kvm_io_bus_write(&vcpu, KVM_MMIO_BUS,
					 addr_of(pattern, order[i], n), 4, &val);
	}
	return (now() - begin) / nr;
}

static double updates(int pattern, unsigned long n, const u32 *order,
		      unsigned int nr, struct kvm_io_device *dev)
{
	double begin = now();
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (is_devs(pattern)) {
			dev_del(&dev[order[i]]);
			dev_add(addr_of(pattern, order[i], n),
				size_of(pattern, order[i], n), &dev[order[i]]);
		} else {
			bell(pattern, order[i], KVM_IOEVENTFD_FLAG_DEASSIGN);
			bell(pattern, order[i], 0);
		}
	}
	return (now() - begin) / nr;
}

#define NR_ORDER	4096

int main(int argc, char **argv)
{
	double best_access = 1e18, best_update = 1e18, t;
	unsigned long n, i, found, step;
	struct kvm_io_device *dev, zone;
	unsigned int nr_accesses, round;
	static u32 order[NR_ORDER];
	int pattern;
	u64 seed = 7;

	for (pattern = 0; argc == 3 && pattern < PATTERNS; pattern++) {
		if (!strcmp(argv[1], pattern_name[pattern]))
			break;
	}
	if (argc != 3 || pattern == PATTERNS || sscanf(argv[2], "%lu", &n) != 1)
		die("usage: bench disjoint|register|zone|devices|nested N");

	/* Large arrays from the heap: no new pages at each update */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 64 << 20);

	shim_srcu_init(&kvm.srcu);
	mutex_init(&kvm.slots_lock);
#ifdef BENCH_STOCK
	INIT_LIST_HEAD(&kvm.ioeventfds);
	for (i = 0; i < KVM_NR_BUSES; i++)
		kvm.buses[i] = calloc(1, sizeof(struct kvm_io_bus));
#else
	kvm_io_bus_init(&kvm);
#endif
	shim_fd[1] = shim_eventfd_new(1);
	dev = calloc(n, sizeof(*dev));

	if (pattern == ZONE)
		dev_add(DOORBELLS - 0x10000, 0x200000, &zone);
	for (i = 0; i < n; i++) {
		if (is_devs(pattern))
			dev_add(addr_of(pattern, i, n), size_of(pattern, i, n),
				&dev[i]);
		else
			bell(pattern, i, 0);
	}
	for (i = 0; i < NR_ORDER; i++)
		order[i] = rnd(&seed) % n;

	srcu_read_lock(&kvm.srcu);
	/* How many of all are found at all */
	shim_fd[1]->count = 0;
	for (i = 0; i < n; i++) {
		u32 one = i;

		accesses(pattern, n, &one, 1);
	}
	found = is_devs(pattern) ? nr_called : shim_fd[1]->count;
	/* A round of some ms, whatever one of them costs */
	t = accesses(pattern, n, order, 16);
	nr_accesses = t * NR_ORDER > 5e6 ? 5e6 / t : NR_ORDER;
	if (nr_accesses < 16)
		nr_accesses = 16;
	for (round = 0; round < 25; round++) {
		t = accesses(pattern, n, order, nr_accesses);
		if (t < best_access)
			best_access = t;
	}
	srcu_read_unlock(&kvm.srcu, 0);

	step = n > 4096 ? 8 : 128;
	for (round = 0; !SHIM_NO_LOCKS && round < 7; round++) {
		t = updates(pattern, n, order + round * step, step, dev);
		if (t < best_update)
			best_update = t;
	}
	printf("%.2f %.1f %lu %u\n", best_access, best_update, found,
	       nr_accesses * 25);
	return 0;
}
