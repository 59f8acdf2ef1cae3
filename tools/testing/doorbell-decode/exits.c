// SPDX-License-Identifier: GPL-2.0-only
/*
 * What exits of a guest cost on stock's KVM, and on ours with and without the
 * short cuts for kicks: the kicks, in 32-bit code without paging and in 64-bit
 * code with four levels of it, and everything else that leaves the guest, which
 * must not become dearer than on stock.
 *
 *	exits stock >FILE	on stock's KVM
 *	exits FILE		on ours; prints both, checks the bounds
 *
 * To be run with ICOUNT=1, where a nanosecond is an instruction. There are 200
 * doorbells on either bus. Exit status: 1 if a bound is missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MEM_SIZE	0x200000
#define CODE		0x10000
#define TABLES		0x4000
#define MMIO		0x10000000ull
#define APIC		0xfee00000ull
#define PORT		0x1000
#define END_PORT	0x7f
#define DOORS		200

#define COUNT		1000
#define ROUNDS		3

#define die(...) do { \
	fprintf(stderr, "exits: " __VA_ARGS__); \
	fprintf(stderr, ": errno %d\n", errno); \
	exit(2); \
} while (0)

static const struct {
	const char *name;
	uint8_t code[8];
	unsigned int len;
	uint64_t address;	/* rdi */
	uint32_t value;		/* eax */
	bool irqchip, rings;
} ops[] = {
	{ "out-kick",		{ 0xee }, 1, 0, 1, false, true },
	{ "store-kick",		{ 0x89, 0x07 }, 2, MMIO, 1, false, true },
	{ "store-kick-match",	{ 0x89, 0x07 }, 2, MMIO + 16, 7, false, true },
	{ "out-exit",		{ 0xe6, 0x80 }, 2 },
	{ "store-exit",		{ 0x89, 0x07 }, 2, MMIO + 0x800 },
	{ "store-exit-match",	{ 0x89, 0x07 }, 2, MMIO + 16, 8 },
	{ "load-exit",		{ 0x8b, 0x1f }, 2, MMIO + 0x800 },
	{ "hlt-exit",		{ 0xf4 }, 1 },
	{ "cpuid",		{ 0x31, 0xc0, 0x0f, 0xa2 }, 4 },
	{ "rdmsr",		{ 0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32 }, 7 },
	{ "self-ipi",		{ 0x89, 0x07 }, 2, APIC + 0x300, 0x44040, true },
};

static const struct {
	const char *name, *fastpath, *mmio;
} ways[] = {
	{ "without", "0", "0" },
	{ "handler", "0", "1" },
	{ "fastpath", "1", "1" },
};

static int kvm, vm, vcpu, fds[DOORS];
static struct kvm_run *run;
static uint8_t *mem;
static struct kvm_sregs reset;

static void parameter(const char *name, const char *text)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/kvm/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

static void door(int fd, uint64_t addr, unsigned int len, unsigned int flags,
		 uint64_t data)
{
	struct kvm_ioeventfd d = {
		.datamatch = data, .addr = addr, .len = len, .fd = fd,
		.flags = flags,
	};

	if (ioctl(vm, KVM_IOEVENTFD, &d))
		die("doorbell at 0x%llx", (unsigned long long)addr);
}

static void create(bool irqchip)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid = { .head.nent = 256 };
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };
	int i;

	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || (irqchip && ioctl(vm, KVM_CREATE_IRQCHIP, 0)))
		die("no VM");
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		die("KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0 || ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) ||
	    ioctl(vcpu, KVM_SET_CPUID2, &cpuid) ||
	    ioctl(vcpu, KVM_GET_SREGS, &reset))
		die("no vCPU");
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("no kvm_run");

	door(fds[0], MMIO, 0, 0, 0);
	door(fds[0], MMIO + 16, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 7);
	door(fds[0], PORT, 1, KVM_IOEVENTFD_FLAG_PIO, 0);
	for (i = 1; i < DOORS; i++) {
		door(fds[i], MMIO + 0x1000 * i, 0, 0, 0);
		door(fds[i], PORT + 4 * i, 1, KVM_IOEVENTFD_FLAG_PIO, 0);
	}
}

static void destroy(void)
{
	munmap(run, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	close(vcpu);
	close(vm);
}

static void put64(uint32_t gpa, uint64_t v)
{
	memcpy(mem + gpa, &v, 8);
}

/* Identity, in pages of 4 KiB: memory, MMIO, the APIC */
static void tables(void)
{
	uint32_t t = TABLES;
	unsigned int i;

	put64(t, (t + 0x1000) | 7);
	put64(t + 0x1000, (t + 0x2000) | 7);
	put64(t + 0x1000 + 8 * 3, (t + 0x5000) | 7);
	put64(t + 0x2000, (t + 0x3000) | 7);
	put64(t + 0x2000 + 8 * (MMIO >> 21 & 511), (t + 0x4000) | 7);
	put64(t + 0x5000 + 8 * (APIC >> 21 & 511), (t + 0x6000) | 7);
	for (i = 0; i < 512; i++) {
		put64(t + 0x3000 + 8 * i, i << 12 | 7);
		put64(t + 0x4000 + 8 * i, MMIO | i << 12 | 7);
		put64(t + 0x6000 + 8 * i, (APIC & ~0x1fffffull) | i << 12 | 7);
	}
}

static void prepare(unsigned int op, unsigned int bits, unsigned int count)
{
	struct kvm_segment s = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
	struct kvm_sregs sregs = reset;
	struct kvm_regs regs = {
		.rip = CODE, .rflags = 2, .rsp = 0x9000, .rsi = count,
		.rax = ops[op].value, .rdx = PORT, .rdi = ops[op].address,
	};
	uint8_t *p = mem + CODE;

	/* The instruction, dec esi, jnz, out END_PORT, al */
	memcpy(p, ops[op].code, ops[op].len);
	p += ops[op].len;
	memcpy(p, (uint8_t []){ 0xff, 0xce, 0x75, -(ops[op].len + 4),
				0xe6, END_PORT }, 6);

	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = s;
	s.type = 11;
	s.selector = 8;
	s.db = bits == 32;
	s.l = bits == 64;
	sregs.cs = s;
	sregs.cr0 = 0x11;
	if (bits == 64) {
		tables();
		sregs.cr0 = 0x80000011;
		sregs.cr3 = TABLES;
		sregs.cr4 = 0x20;
		sregs.efer = 0x500;
	}
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu, KVM_SET_REGS, &regs))
		die("cannot set the vCPU up");
}

static double measure(unsigned int op, unsigned int bits)
{
	struct timespec a, b;
	double ns, best = 1e18;
	uint64_t n, exits;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		prepare(op, bits, COUNT);
		exits = 0;
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (;;) {
			if (ioctl(vcpu, KVM_RUN, 0))
				die("KVM_RUN");
			if (run->exit_reason == KVM_EXIT_IO &&
			    run->io.port == END_PORT)
				break;
			if (run->exit_reason != KVM_EXIT_IO &&
			    run->exit_reason != KVM_EXIT_MMIO &&
			    run->exit_reason != KVM_EXIT_HLT)
				die("%s: exit %u", ops[op].name, run->exit_reason);
			exits++;
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (read(fds[0], &n, 8) != 8)
			n = 0;
		if (n != (ops[op].rings ? COUNT : 0) || (n && exits))
			die("%s: %lu rings, %lu exits", ops[op].name,
			    (unsigned long)n, (unsigned long)exits);
		ns = (b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec);
		if (ns < best)
			best = ns;
	}
	return best / COUNT;
}

/* The figures of stock's KVM, in the order in which they are measured */
static void read_stock(const char *path, double *stock, unsigned int n)
{
	FILE *file = fopen(path, "r");
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!file || fscanf(file, "%*s %*u %lf\n", &stock[i]) != 1)
			die("%s", path);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	double stock[2 * ARRAY_SIZE(ops)], ns[ARRAY_SIZE(ways)], base;
	unsigned int op, bits, w, missed = 0;
	bool is_stock;
	int i;

	if (argc != 2)
		die("usage: exits stock|FILE");
	is_stock = !strcmp(argv[1], "stock");
	if (!is_stock)
		read_stock(argv[1], stock, ARRAY_SIZE(stock));

	setvbuf(stdout, NULL, _IONBF, 0);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (kvm < 0 || mem == MAP_FAILED)
		die("/dev/kvm");
	for (i = 0; i < DOORS; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK);

	if (!is_stock) {
		printf("%-20s %4s %9s", "instructions", "bits", "stock");
		for (w = 0; w < ARRAY_SIZE(ways); w++)
			printf(" %9s", ways[w].name);
		printf("\n");
	}
	for (op = 0; op < ARRAY_SIZE(ops); op++) {
		for (bits = 32; bits <= 64; bits += 32) {
			create(ops[op].irqchip);
			for (w = 0; w < (is_stock ? 1 : ARRAY_SIZE(ways)); w++) {
				if (!is_stock) {
					parameter("ioeventfd_fastpath",
						  ways[w].fastpath);
					parameter("ioeventfd_mmio", ways[w].mmio);
				}
				ns[w] = measure(op, bits);
			}
			destroy();
			if (is_stock) {
				printf("%s %u %.1f\n", ops[op].name, bits, ns[0]);
				continue;
			}
			base = stock[2 * op + (bits == 64)];
			printf("%-20s %4u %9.1f", ops[op].name, bits, base);
			for (w = 0; w < ARRAY_SIZE(ways); w++)
				printf(" %9.1f", ns[w]);
			for (w = 0; w < ARRAY_SIZE(ways) && !ops[op].rings; w++)
				if (ns[w] > base * 1.02) {
					printf("  MISSED: %.1f%% dearer",
					       (ns[w] / base - 1) * 100);
					missed++;
				}
			printf("\n");
		}
	}
	return missed != 0;
}
