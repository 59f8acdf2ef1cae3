/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of ioeventfd, irqfd and the I/O bus. The two ioctls
 * return a negative errno. A small guest performs the accesses that a test asks
 * for, and a log has each exit that they cause.
 */
#ifndef SELFTEST_KVM_EVENTFD_UTIL_H
#define SELFTEST_KVM_EVENTFD_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/sizes.h>

#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#define DM	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define CCW	KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN

/*
 * The time after which a case counts as hung. On an emulated machine with all
 * checkers of the kernel, a case takes a hundred times as long as usual.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300
#define LONG_TIMEOUT		600

/* The time limit for an event that should happen at once. */
#define SURELY_NS		(60 * NSEC_PER_SEC)
#define SURELY_MS		60000

/* No memory, no device of the in-kernel irqchip and no ucall is here. */
#define DOOR_GPA	0xc0000000ull
#define DOOR_PAGES	4
#define DOOR_PORT	0x3000

#ifdef __x86_64__
#define HAVE_PIO	1
#else
#define HAVE_PIO	0
#endif

/*
 * Returns true if MMIO exits by EPT misconfigurations. These tell neither reads
 * from writes nor the width, and an ioeventfd for any length takes all of them.
 */
static inline bool fast_mmio(void)
{
#ifdef __x86_64__
	return host_cpu_is_intel && kvm_is_tdp_enabled() &&
	       get_kvm_param_bool("mmio_caching");
#else
	return false;
#endif
}

static inline int door_ioctl(struct kvm_vm *vm, int fd, uint64_t addr,
			     uint32_t len, uint32_t flags, uint64_t datamatch)
{
	struct kvm_ioeventfd door = {
		.datamatch = datamatch,
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	return __vm_ioctl(vm, KVM_IOEVENTFD, &door) ? -errno : 0;
}

static inline void door_assign(struct kvm_vm *vm, int fd, uint64_t addr,
			       uint32_t len, uint32_t flags, uint64_t datamatch)
{
	int ret = door_ioctl(vm, fd, addr, len, flags, datamatch);

	TEST_ASSERT(!ret, "assign addr 0x%lx len %u flags 0x%x data 0x%lx: %d",
		    addr, len, flags, datamatch, ret);
}

static inline void door_deassign(struct kvm_vm *vm, int fd, uint64_t addr,
				 uint32_t len, uint32_t flags,
				 uint64_t datamatch)
{
	int ret = door_ioctl(vm, fd, addr, len, flags | DEASSIGN, datamatch);

	TEST_ASSERT(!ret, "deassign addr 0x%lx len %u flags 0x%x data 0x%lx: %d",
		    addr, len, flags, datamatch, ret);
}

static inline int irqfd_ioctl(struct kvm_vm *vm, int fd, uint32_t gsi,
			      uint32_t flags, int resamplefd)
{
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = resamplefd,
	};

	return __vm_ioctl(vm, KVM_IRQFD, &irqfd) ? -errno : 0;
}

static inline int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	TEST_ASSERT(fd >= 0, "eventfd: errno %d", errno);
	return fd;
}

/* The number of signals since the last call. */
static inline uint64_t eventfd_take(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) == sizeof(n))
		return n;
	TEST_ASSERT(errno == EAGAIN, "read of an eventfd: errno %d", errno);
	return 0;
}

static inline void eventfd_ring(int fd, uint64_t n)
{
	TEST_ASSERT(write(fd, &n, sizeof(n)) == sizeof(n),
		    "write to an eventfd: errno %d", errno);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* A binary statistic; -1 if KVM has none of this name. Closes @stats_fd. */
static inline int64_t take_stat(int stats_fd, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs, *desc;
	uint64_t value = -1;
	int i;

	read_stats_header(stats_fd, &header);
	descs = read_stats_descriptors(stats_fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		if (!strcmp(desc->name, name))
			read_stat_data(stats_fd, &header, desc, &value, 1);
	}
	free(descs);
	close(stats_fd);
	return value;
}

static inline int64_t vcpu_stat(struct kvm_vcpu *vcpu, const char *name)
{
	return take_stat(vcpu_get_stats_fd(vcpu), name);
}

enum guest_op_kind {
	OP_STORE,
	OP_LOAD,
	OP_STORE16,	/* one store of 16 bytes, x86 only */
	OP_RMW,		/* load and store in one instruction, x86 only */
	OP_OUT,
	OP_IN,
	OP_OUTS,	/* rep outs of count elements */
};

struct guest_op {
	uint32_t kind;
	uint32_t size;
	uint64_t addr;
	uint64_t val[2];
	uint64_t count;
};

/* One exit of the guest to userspace. */
struct io_exit {
	bool pio;
	bool write;
	uint32_t len;
	uint32_t count;
	uint64_t addr;
	uint64_t data;
};

#define MAX_IO_EXITS	128

struct io_log {
	int nr;
	struct io_exit exit[MAX_IO_EXITS];
};

static struct guest_op guest_op;
static uint8_t guest_buf[4096];

static inline void guest_store(uint64_t addr, uint64_t val, uint32_t size)
{
	switch (size) {
	case 1:
		WRITE_ONCE(*(uint8_t *)addr, val);
		break;
	case 2:
		WRITE_ONCE(*(uint16_t *)addr, val);
		break;
	case 4:
		WRITE_ONCE(*(uint32_t *)addr, val);
		break;
	case 8:
		WRITE_ONCE(*(uint64_t *)addr, val);
		break;
	}
}

static inline void guest_load(uint64_t addr, uint32_t size)
{
	switch (size) {
	case 1:
		(void)READ_ONCE(*(uint8_t *)addr);
		break;
	case 2:
		(void)READ_ONCE(*(uint16_t *)addr);
		break;
	case 4:
		(void)READ_ONCE(*(uint32_t *)addr);
		break;
	case 8:
		(void)READ_ONCE(*(uint64_t *)addr);
		break;
	}
}

#ifdef __x86_64__
static inline void guest_out(uint16_t port, uint32_t val, uint32_t size)
{
	if (size == 1)
		asm volatile("outb %%al, %%dx" : : "a"(val), "d"(port));
	else if (size == 2)
		asm volatile("outw %%ax, %%dx" : : "a"(val), "d"(port));
	else
		asm volatile("outl %%eax, %%dx" : : "a"(val), "d"(port));
}

static inline void guest_in(uint16_t port, uint32_t size)
{
	uint32_t val = 0;

	if (size == 1)
		asm volatile("inb %%dx, %%al" : "+a"(val) : "d"(port));
	else if (size == 2)
		asm volatile("inw %%dx, %%ax" : "+a"(val) : "d"(port));
	else
		asm volatile("inl %%dx, %%eax" : "+a"(val) : "d"(port));
}

static inline void guest_arch_op(const struct guest_op *op)
{
	uint64_t n = op->count;
	void *src = guest_buf;

	switch (op->kind) {
	case OP_STORE16:
		asm volatile("movdqu (%0), %%xmm0\n\t"
			     "movdqu %%xmm0, (%1)"
			     : : "r"(op->val), "r"(op->addr)
			     : "xmm0", "memory");
		break;
	case OP_RMW:
		asm volatile("addl %1, (%0)"
			     : : "r"(op->addr), "r"((uint32_t)op->val[0])
			     : "memory", "cc");
		break;
	case OP_OUT:
		guest_out(op->addr, op->val[0], op->size);
		break;
	case OP_IN:
		guest_in(op->addr, op->size);
		break;
	case OP_OUTS:
		if (op->size == 1)
			asm volatile("cld; rep outsb" : "+S"(src), "+c"(n)
				     : "d"((uint16_t)op->addr) : "memory");
		else if (op->size == 2)
			asm volatile("cld; rep outsw" : "+S"(src), "+c"(n)
				     : "d"((uint16_t)op->addr) : "memory");
		else
			asm volatile("cld; rep outsl" : "+S"(src), "+c"(n)
				     : "d"((uint16_t)op->addr) : "memory");
		break;
	}
}
#else
static inline void guest_arch_op(const struct guest_op *op) { }
#endif

/* Performs guest_op, tells the test, and starts again. */
static inline void guest_op_loop(void)
{
	for (;;) {
		const struct guest_op *op = &guest_op;

		if (op->kind == OP_STORE)
			guest_store(op->addr, op->val[0], op->size);
		else if (op->kind == OP_LOAD)
			guest_load(op->addr, op->size);
		else
			guest_arch_op(op);
		GUEST_SYNC(0);
	}
}

static inline void io_log_add(struct io_log *log, struct kvm_run *run)
{
	struct io_exit *e = &log->exit[log->nr++];

	TEST_ASSERT(log->nr <= MAX_IO_EXITS, "too many exits");
	memset(e, 0, sizeof(*e));
	if (run->exit_reason == KVM_EXIT_MMIO) {
		e->write = run->mmio.is_write;
		e->addr = run->mmio.phys_addr;
		e->len = run->mmio.len;
		e->count = 1;
		if (e->write)
			memcpy(&e->data, run->mmio.data, e->len);
		else
			memset(run->mmio.data, 0, sizeof(run->mmio.data));
		return;
	}

	TEST_ASSERT(run->exit_reason == KVM_EXIT_IO, "exit reason %u (%s)",
		    run->exit_reason, exit_reason_str(run->exit_reason));
	e->pio = true;
	e->write = run->io.direction == KVM_EXIT_IO_OUT;
	e->addr = run->io.port;
	e->len = run->io.size;
	e->count = run->io.count;
	memcpy(&e->data, (void *)run + run->io.data_offset, e->len);
}

/* Runs the guest to its next GUEST_SYNC(). */
static inline void guest_run(struct kvm_vcpu *vcpu, struct io_log *log)
{
	struct ucall uc;

	log->nr = 0;
	for (;;) {
		vcpu_run(vcpu);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_SYNC:
			return;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
		case UCALL_NONE:
			io_log_add(log, vcpu->run);
			break;
		default:
			TEST_FAIL("ucall %lu", uc.cmd);
		}
	}
}

/* One operation of the guest; returns its number of exits to userspace. */
static inline int guest_do(struct kvm_vcpu *vcpu, struct guest_op op,
			   struct io_log *log)
{
	struct io_log unused;

	if (!log)
		log = &unused;
	write_guest_global(vcpu->vm, guest_op, op);
	guest_run(vcpu, log);
	return log->nr;
}

/* A store, or an out with PIO in @flags. */
static inline int guest_write(struct kvm_vcpu *vcpu, uint32_t flags,
			      uint64_t addr, uint32_t size, uint64_t val,
			      struct io_log *log)
{
	return guest_do(vcpu, (struct guest_op) {
		.kind = flags & PIO ? OP_OUT : OP_STORE,
		.addr = addr, .size = size, .val = { val },
	}, log);
}

static inline int guest_read(struct kvm_vcpu *vcpu, uint32_t flags,
			     uint64_t addr, uint32_t size, struct io_log *log)
{
	return guest_do(vcpu, (struct guest_op) {
		.kind = flags & PIO ? OP_IN : OP_LOAD,
		.addr = addr, .size = size,
	}, log);
}

static inline void map_doors(struct kvm_vm *vm)
{
	virt_map(vm, DOOR_GPA, DOOR_GPA, DOOR_PAGES);
}

static inline uint64_t size_mask(uint32_t size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

#endif /* SELFTEST_KVM_EVENTFD_UTIL_H */
