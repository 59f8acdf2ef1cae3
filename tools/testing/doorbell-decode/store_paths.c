// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run the same guest programs with and without KVM's short cuts for kicks and
 * compare what comes of them.
 *
 *	store_paths [-n PROGRAMS] [-s SEED] [-m MODE] [-p PROGRAM] [-v]
 *
 * A program is a few dozen stores, each behind the instructions that load its
 * registers. Prefixes, opcode, ModRM, SIB, displacement, value and target are
 * drawn at random; targets are doorbells of all kinds, their neighbours, and
 * the ends of pages: beside memory, beside other emulated pages, beside pages
 * that are not mapped or not writable. Some instructions are not plain stores.
 * Programs run in 16-, 32- and 64-bit code, with and without paging.
 *
 * Each program runs three times: by the emulator, by the handler of nested page
 * faults, by the exit fastpath. Compared are all registers, memory, the rings
 * of each doorbell, the exits to userspace in their order with their data, and
 * how it ended: at its last instruction or in the handler of an exception, with
 * the error code and address.
 *
 * Writes the module parameters of KVM, so it wants to be root in a VM of its
 * own. The last line is "N programs, N stores, N failures".
 */
#include <cpuid.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "../guest/guest.h"

/* Guest physical memory, above the tables that all guests have */
#define TABLES		0x4000
#define HANDLERS	0xc000
#define STACK		0xf000
#define CODE		0x10000
#define CODE_SIZE	0x8000
#define RAM_RO		0x9e000
#define RAM_BELOW	0x9f000
#define HOLE		0xa0000
#define RAM_ABOVE	0xb0000
#define MEM_SIZE	0x200000

/* Where the window is with paging */
#define WINDOW		0x400000

#define MAX_EXITS	400
#define STORES		24

/* Seconds after which a program does not end by itself */
#define PATIENCE	60

/* Pages of the window, in order; without paging they are at their own place */
static const struct {
	uint32_t gpa;
	bool present, writable;
} window[] = {
	{ RAM_BELOW, true, true },
	{ HOLE, true, true },
	{ HOLE + 0x1000, true, true },
	{ 0, false, false },
	{ HOLE + 0x2000, true, true },
	{ RAM_RO, true, false },
	{ HOLE + 0xf000, true, true },
	{ RAM_ABOVE, true, true },
};

static const struct door {
	uint32_t offset;
	unsigned int len;
	bool match;
	uint64_t data;
} doors[] = {
	{ 0x000, 0 },
	{ 0x010, 1 }, { 0x020, 2 }, { 0x030, 4 }, { 0x040, 8 },
	{ 0x050, 4, true, 0 }, { 0x050, 4, true, 1 }, { 0x050, 4, true, 0x12345678 },
	{ 0x050, 2, true, 1 }, { 0x050, 1, true, 0x78 },
	{ 0x050, 8, true, 0x8000000000000001 }, { 0x050, 8, true, 0xffffffff80000000 },
	{ 0x060, 2, true, 0xfffe }, { 0x060, 4 },
	{ 0x073, 4 }, { 0x081, 2, true, 1 },
	{ 0xff8, 8 }, { 0xffc, 4 }, { 0xffd, 0 }, { 0xffe, 2 }, { 0xfff, 1 },
	{ 0x1000, 0 }, { 0x1004, 4 },
	{ 0x1ffc, 4, true, 1 }, { 0x1ffd, 4 }, { 0x1ffe, 0 },
	{ 0x2000, 1 }, { 0x2000, 2 }, { 0x2000, 4 }, { 0x2ffe, 4 },
	{ 0xf000, 0 }, { 0xffff, 1 }, { 0xfffc, 4 }, { 0xfffe, 4 }, { 0xfff8, 8 },
};

static const uint64_t values[] = {
	0, 1, 0x12345678, 0x78, 0x8000000000000001, 0xffffffff80000000, 0xfffe,
	0x7801, 0x0178,
};

struct outcome {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	uint64_t memory;
	uint64_t rings[ARRAY_SIZE(doors)];
	unsigned int exits;
	struct {
		uint32_t reason;
		uint64_t addr;
		uint32_t len, write;
		uint8_t data[8];
	} exit[MAX_EXITS];
};

static const struct {
	const char *name, *fastpath, *mmio;
} ways[] = {
	{ "emulator", "0", "0" },
	{ "fault handler", "0", "1" },
	{ "fastpath", "1", "1" },
};

static uint64_t state;
static struct vm vm;
static int fds[ARRAY_SIZE(doors)];
static unsigned long stores;
static bool verbose;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

static unsigned int below(unsigned int n)
{
	return (draw() >> 33) % n;
}

/* The program that is being made */

struct program {
	enum mode mode;
	unsigned int bits;
	uint32_t start;
	uint8_t code[CODE_SIZE];
	unsigned int n;
	u64 base[6];
	unsigned int stores;
};

static void byte(struct program *p, uint8_t b)
{
	p->code[p->n++] = b;
}

static void number(struct program *p, uint64_t v, unsigned int n)
{
	while (n--) {
		byte(p, v);
		v >>= 8;
	}
}

static void load(struct program *p, unsigned int reg, uint64_t v)
{
	if (p->bits == 64) {
		byte(p, 0x48 | (reg >> 3));
		byte(p, 0xb8 | (reg & 7));
		number(p, v, 8);
	} else {
		if (p->bits == 16)
			byte(p, 0x66);
		byte(p, 0xb8 | reg);
		number(p, v, 4);
	}
}

static uint64_t stack(const struct program *p)
{
	return (uint32_t)(STACK - 0x800 - (p->bits == 32 ? p->base[2] : 0));
}

/* A linear address worth writing @size bytes to, and maybe the bytes */
static uint64_t target(struct program *p, unsigned int size, uint64_t *v)
{
	const struct door *door;
	unsigned int i;
	uint32_t gpa;

	if (!below(modes[p->mode].levels ? 48 : 8)) {
		i = below(ARRAY_SIZE(window));
		gpa = (below(2) ? 0 : 0xff8) + below(8);
	} else {
		do {
			door = &doors[below(ARRAY_SIZE(doors))];
		} while (door->len && door->len != size && below(4));
		if (door->match && below(4))
			*v = door->data;
		gpa = HOLE + door->offset;
		if (!below(8))
			gpa += below(7) - 3;
		for (i = 0; i < ARRAY_SIZE(window); i++)
			if (window[i].present && gpa >> 12 == window[i].gpa >> 12)
				break;
		if (i == ARRAY_SIZE(window))
			i = 1;
		gpa &= 0xfff;
	}
	if (modes[p->mode].levels)
		return WINDOW + 0x1000 * i + gpa;
	return (window[i].present ? window[i].gpa : HOLE + 0x3000) + gpa;
}

static uint64_t value(void)
{
	return below(2) ? values[below(ARRAY_SIZE(values))] : draw();
}

/* Writes a ModRM operand whose address is linear, and returns false if not. */
struct operand {
	uint8_t modrm, sib, disp_size;
	bool has_sib, ip;
	int base, index, scale, seg;
};

static void draw_operand(struct program *p, struct operand *o,
			 unsigned int address, unsigned int rex, int reg)
{
	static const int base16[] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const int index16[] = { 6, 7, 6, 7, -1, -1, -1, -1 };
	unsigned int mod = below(3), rm = below(8);

	memset(o, 0, sizeof(*o));
	o->modrm = mod << 6 | (reg & 7) << 3 | rm;
	o->base = -1;
	o->index = -1;
	o->seg = 3;
	if (address == 2) {
		if (mod == 0 && rm == 6) {
			o->disp_size = 2;
			return;
		}
		o->base = base16[rm];
		o->index = index16[rm];
		o->disp_size = mod;
		if (o->base == 5)
			o->seg = 2;
		return;
	}
	if (rm == 4) {
		o->has_sib = true;
		o->sib = below(256);
		rm = o->sib & 7;
		o->index = (o->sib >> 3 & 7) | (rex & 2 ? 8 : 0);
		o->scale = o->sib >> 6;
		if (o->index == 4)
			o->index = -1;
	} else if (mod == 0 && rm == 5) {
		o->ip = p->bits == 64;
	}
	if (mod == 0 && rm == 5) {
		o->disp_size = 4;
		return;
	}
	o->base = rm | (rex & 1 ? 8 : 0);
	o->disp_size = mod == 0 ? 0 : mod == 1 ? 1 : 4;
	if (o->base == 4 || o->base == 5)
		o->seg = 2;
}

static uint64_t mask(unsigned int bytes)
{
	return bytes == 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
}

static bool page_faults(struct program *p, uint64_t linear)
{
	unsigned int i = (linear - WINDOW) >> 12;

	return modes[p->mode].levels &&
	       !(window[i].present && window[i].writable);
}

/* One instruction that writes memory, and what loads its registers */
static void add_store(struct program *p)
{
	static const uint8_t plain[] = { 0x88, 0x89, 0x89, 0xc6, 0xc7, 0xa2, 0xa3 };
	/* OR, XCHG, ADD imm8, a load, INC */
	static const uint8_t other[] = { 0x08, 0x09, 0x87, 0x83, 0x8b, 0xff };
	static const uint8_t segs[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	uint8_t prefix[8], op = plain[below(ARRAY_SIZE(plain))];
	unsigned int prefixes = 0, i, j, address, size, rex = 0, imm = 0;
	bool has_rex = false, op_prefix = false, address_prefix = false;
	int seg = -1, reg = below(8);
	uint64_t linear, ea, disp = 0, v, regs[16];
	bool set[16] = { false };
	struct operand o;
	unsigned int at;

	if (!below(12))
		op = other[below(ARRAY_SIZE(other))];

	if (!below(3))
		op_prefix = true;
	if (!below(3))
		address_prefix = true;
	for (i = 0; i < (op_prefix ? 1 + !below(6) : 0u); i++)
		prefix[prefixes++] = 0x66;
	for (i = 0; i < (address_prefix ? 1 + !below(6) : 0u); i++)
		prefix[prefixes++] = 0x67;
	if (!below(4)) {
		seg = below(6);
		prefix[prefixes++] = segs[seg];
	}
	/* XCHG and INC have a meaning with these. */
	if (!below(10) && op != 0x87)
		prefix[prefixes++] = 0xf2 | below(2);
	for (i = prefixes; i > 1; i--) {
		uint8_t t = prefix[i - 1];

		j = below(i);
		prefix[i - 1] = prefix[j];
		prefix[j] = t;
	}
	if (p->bits == 64 && below(2)) {
		has_rex = true;
		rex = below(16);
	}

	address = p->bits == 64 ? (address_prefix ? 4 : 8) :
		  (p->bits == 32) != address_prefix ? 4 : 2;
	size = rex & 8 ? 8 : p->bits == 64 ? (op_prefix ? 2 : 4) :
	       (p->bits == 32) != op_prefix ? 4 : 2;
	if (op == 0x88 || op == 0xc6 || op == 0xa2 || op == 0x08)
		size = 1;
	if (op == 0xc6 || op == 0xc7 || op == 0x83 || op == 0xff)
		reg = 0;
	if (op == 0xc6 || op == 0x83)
		imm = 1;
	if (op == 0xc7)
		imm = size < 4 ? size : 4;

	draw_operand(p, &o, address, rex, reg);
	if ((op & 0xfe) == 0xa2) {
		o.base = -1;
		o.index = -1;
		o.ip = false;
		o.seg = 3;
		o.disp_size = address;
		reg = 0;
	}
	if (seg >= 0 && (p->bits != 64 || seg >= 4))
		o.seg = seg;

	v = value();
	linear = target(p, size, &v);
	/* Below long mode an exception needs the stack where it is. */
	if (o.base == 4 && p->bits != 64 &&
	    ((linear & 0xfff) > 0xff0 || page_faults(p, linear)))
		return;

	/* Only to read and execute */
	if (o.seg == 1 && p->mode != REAL && p->bits != 64)
		return;
	ea = linear - (p->bits == 64 && o.seg < 4 ? 0 : p->base[o.seg]);
	if (p->bits != 64)
		ea &= 0xffffffff;
	if ((address == 2 || p->mode == REAL) && ea > 0xffff)
		return;
	if (address == 4 && ea > 0xffffffff)
		return;

	/* The value first: its register may be one of the address. */
	for (i = 0; i < 16; i++)
		regs[i] = draw();
	i = reg | (rex & 4 ? 8 : 0);
	if ((op & 0xfe) == 0xa2)
		i = 0;
	if (size == 1 && !has_rex && i >= 4) {
		i -= 4;
		v = (v & 0xff) << 8 | (draw() & 0xff00ff);
	}
	if (!imm) {
		if (i == 4 && p->bits != 64 &&
		    ((linear & 0xfff) > 0xff0 || page_faults(p, linear)))
			return;
		regs[i] = v;
		set[i] = true;
	}

	disp = draw();
	if (!below(2))
		disp &= 0x7f;
	if (o.disp_size == 1)
		disp = (int8_t)disp;
	else if (o.disp_size == 2)
		disp = (int16_t)disp;
	else if (o.disp_size == 4)
		disp = (int32_t)disp;
	else if (!o.disp_size)
		disp = 0;
	if (o.index >= 0) {
		if (!set[o.index] || o.index == o.base) {
			regs[o.index] = draw();
			if (below(2))
				regs[o.index] &= 0xfff;
		}
		set[o.index] = true;
	}
	if (o.base >= 0 && o.base != o.index) {
		regs[o.base] = ea - disp;
		if (o.index >= 0)
			regs[o.base] -= regs[o.index] << o.scale;
		/* What is beyond the address's size does not count. */
		if (address < 8 && below(2))
			regs[o.base] ^= draw() & ~mask(address);
		set[o.base] = true;
	} else if (!o.ip) {
		disp = ea;
		if (o.index >= 0)
			disp -= regs[o.index] << o.scale;
		if (o.base >= 0)
			disp -= regs[o.base];
		if (o.disp_size < address &&
		    !(o.disp_size == 4 && disp == (uint64_t)(int32_t)disp))
			return;
	}

	for (i = 0; i < (p->bits == 64 ? 16u : 8u); i++)
		if (set[i])
			load(p, i, regs[i]);
	for (i = 0; i < prefixes; i++)
		byte(p, prefix[i]);
	if (has_rex)
		byte(p, 0x40 | rex);
	byte(p, op);
	if ((op & 0xfe) != 0xa2) {
		byte(p, o.modrm);
		if (o.has_sib)
			byte(p, o.sib);
	}
	at = p->n;
	number(p, disp, o.disp_size);
	number(p, v, imm);
	if (o.ip) {
		disp = ea - (p->start + p->n);
		memcpy(p->code + at, &disp, 4);
	}
	if (set[4] && p->bits != 64)
		load(p, 4, stack(p));
	p->stores++;
}

static void make(struct program *p, enum mode mode)
{
	unsigned int i;

	memset(p, 0, sizeof(*p));
	p->mode = mode;
	p->bits = modes[mode].bits;
	p->start = CODE + below(0x1000);

	for (i = 0; i < 6; i++) {
		if (mode == REAL)
			p->base[i] = (0x9000 + below(0x1fff)) * 16;
		else if (p->bits == 16)
			p->base[i] = (modes[mode].levels ? WINDOW - 0x2000 :
				      0x98000) + below(0x2000);
		else
			p->base[i] = below(2) ? 0 : draw() & 0xffffff;
	}
	p->base[1] = mode == REAL || p->bits == 16 ? CODE : 0;
	if (p->bits == 64) {
		/* Do not count on processors; the software CPU adds them. */
		for (i = 0; i < 4; i++)
			p->base[i] = 0;
		p->base[4] = draw() & 0x7fffffff;
		p->base[5] = draw() & 0x7fffffff;
	}

	while (p->stores < STORES && p->n < CODE_SIZE - 0x1100)
		add_store(p);
	byte(p, 0xf4);
}

/* The guest */

static void tables(enum mode mode)
{
	const bool pse = mode == PAGED32;
	u64 i;

	vm_clear_tables(&vm, TABLES);
	/* What one large page covers at 0, in one or in 4 KiB each; the window */
	if (pse || mode == LONG64_LARGE || below(2))
		vm_map(&vm, mode, 0, pse ? 0xe3 : 0xe7, true);
	else
		for (i = 0; i < 512; i++)
			vm_map(&vm, mode, i << 12, i << 12 | 0x67, false);
	for (i = 0; i < ARRAY_SIZE(window); i++)
		vm_map(&vm, mode, WINDOW + (i << 12),
		       window[i].gpa | (pse ? 0x20 : 0x24) |
		       (window[i].present ? 0x41 : 0) |
		       (window[i].writable ? 2 : 0), false);
}

static void handlers(enum mode mode)
{
	unsigned int i;

	memset(vm.memory + GUEST_IDT, 0, 0x1000);
	for (i = 0; i < 32; i++) {
		vm.memory[HANDLERS + 16 * i] = 0xf4;
		vm_set_gate(&vm, mode, i, HANDLERS + 16 * i);
	}
	/* The first stack of the interrupt stack table */
	vm_put64(&vm, GUEST_TSS + 0x24, STACK);
}

static void start(struct program *p)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;
	unsigned int i;

	memset(vm.memory + RAM_RO, 0x5a, 0x2000);
	/* And the page behind it, which the end of a store may be in */
	memset(vm.memory + RAM_ABOVE, 0xa5, 0x2000);
	memset(vm.memory + STACK - 0x1000, 0, 0x1000);
	vm_put(&vm, p->start, p->code, p->n);

	if (modes[p->mode].levels)
		tables(p->mode);
	handlers(p->mode);
	vm_set_mode(&vm, p->mode, p->base);

	memset(&events, 0, sizeof(events));
	if (ioctl(vm.vcpu, KVM_SET_VCPU_EVENTS, &events))
		die_errno("KVM_SET_VCPU_EVENTS");

	memset(&regs, 0, sizeof(regs));
	for (i = 0; i < 16; i++)
		((uint64_t *)&regs)[i] = 0x1111111111111111ull * i;
	regs.rip = p->start - p->base[1];
	regs.rflags = 0x2 | 0x8d5;
	regs.rsp = stack(p);
	vm_set_regs(&vm, &regs);
}

static uint64_t sum(uint32_t gpa, uint32_t size, uint64_t h)
{
	uint32_t i;

	for (i = 0; i < size; i += 8) {
		uint64_t v;

		memcpy(&v, vm.memory + gpa + i, 8);
		h = (h ^ v) * 0x100000001b3ull;
		h ^= h >> 29;
	}
	return h;
}

static void execute(struct outcome *o)
{
	struct kvm_run *run = vm.run;
	unsigned int i;
	u32 reason;

	memset(o, 0, sizeof(*o));
	for (;;) {
		alarm(PATIENCE);
		reason = vm_run(&vm);
		i = o->exits++;
		if (i == MAX_EXITS)
			break;
		o->exit[i].reason = reason;
		if (reason != KVM_EXIT_MMIO)
			break;
		o->exit[i].addr = run->mmio.phys_addr;
		o->exit[i].len = run->mmio.len;
		o->exit[i].write = run->mmio.is_write;
		if (run->mmio.is_write)
			memcpy(o->exit[i].data, run->mmio.data, run->mmio.len);
		else
			memset(run->mmio.data, 0x42, 8);
	}
	if (ioctl(vm.vcpu, KVM_GET_REGS, &o->regs) ||
	    ioctl(vm.vcpu, KVM_GET_SREGS, &o->sregs) ||
	    ioctl(vm.vcpu, KVM_GET_VCPU_EVENTS, &o->events))
		die_errno("cannot read the vCPU");
	/* What is left of an exception that KVM has delivered, is history. */
	if (!o->events.exception.injected && !o->events.exception.pending)
		memset(&o->events.exception, 0, sizeof(o->events.exception));
	o->memory = sum(RAM_RO, 0x2000, 1);
	o->memory = sum(RAM_ABOVE, 0x2000, o->memory);
	o->memory = sum(STACK - 0x1000, 0x1000, o->memory);
	for (i = 0; i < ARRAY_SIZE(doors); i++)
		if (read(fds[i], &o->rings[i], 8) != 8)
			o->rings[i] = 0;
}

/* Its arrival ends KVM_RUN. */
static void on_alarm(int number)
{
	(void)number;
}

static void parameter(const char *name, const char *text)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/kvm/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die_errno("%s", path);
	close(fd);
}

static unsigned long emulated(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/sys/kernel/debug/kvm/insn_emulation", "r");

	if (f) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static void dump(const struct program *p)
{
	unsigned int i;

	printf("%s at 0x%x, bases", modes[p->mode].name, p->start);
	for (i = 0; i < 6; i++)
		printf(" 0x%llx", p->base[i]);
	printf(", code");
	for (i = 0; i < p->n; i++)
		printf(" %02x", p->code[i]);
	printf("\n");
}

static void differ(const struct outcome *a, const struct outcome *b)
{
	const uint64_t *ra = (const void *)&a->regs, *rb = (const void *)&b->regs;
	unsigned int i;

	for (i = 0; i < sizeof(a->regs) / 8; i++)
		if (ra[i] != rb[i])
			printf("  register %u: 0x%" PRIx64 ", 0x%" PRIx64 "\n",
			       i, ra[i], rb[i]);
	if (memcmp(&a->sregs, &b->sregs, sizeof(a->sregs)))
		printf("  special registers, cr2 0x%llx, 0x%llx\n",
		       a->sregs.cr2, b->sregs.cr2);
	for (i = 0; i < sizeof(a->events); i++)
		if (((uint8_t *)&a->events)[i] != ((uint8_t *)&b->events)[i])
			printf("  pending events, byte %u: %u, %u\n", i,
			       ((uint8_t *)&a->events)[i],
			       ((uint8_t *)&b->events)[i]);
	if (a->memory != b->memory)
		printf("  memory\n");
	for (i = 0; i < ARRAY_SIZE(doors); i++)
		if (a->rings[i] != b->rings[i])
			printf("  doorbell %u (0x%x, %u bytes): %" PRIu64
			       ", %" PRIu64 "\n", i, doors[i].offset,
			       doors[i].len, a->rings[i], b->rings[i]);
	if (a->exits != b->exits)
		printf("  exits: %u, %u\n", a->exits, b->exits);
	for (i = 0; i < a->exits && i < b->exits; i++)
		if (memcmp(&a->exit[i], &b->exit[i], sizeof(a->exit[i]))) {
			printf("  exit %u: reason %u addr 0x%" PRIx64
			       " len %u, reason %u addr 0x%" PRIx64 " len %u\n",
			       i, a->exit[i].reason, a->exit[i].addr,
			       a->exit[i].len, b->exit[i].reason,
			       b->exit[i].addr, b->exit[i].len);
			break;
		}
}

static void create(void)
{
	unsigned int i;

	kvm_open();
	vm_create(&vm, MEM_SIZE, true);
	/* With a hole, where MMIO is */
	if (vm_set_memory(&vm, 0, 0, vm.memory, 0) ||
	    vm_set_memory(&vm, 0, 0, vm.memory, HOLE) ||
	    vm_set_memory(&vm, 1, RAM_ABOVE, vm.memory + RAM_ABOVE, MEM_SIZE - RAM_ABOVE))
		die_errno("cannot give the guest its memory");
	vm_create_vcpu(&vm);
	vm_set_cpuid(&vm);

	for (i = 0; i < ARRAY_SIZE(doors); i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		if (vm_ioeventfd(&vm, HOLE + doors[i].offset, doors[i].len,
				 doors[i].data, fds[i], doors[i].match ?
				 KVM_IOEVENTFD_FLAG_DATAMATCH : 0))
			die_errno("doorbell %u", i);
	}
}

static bool interrupted(const struct outcome *o)
{
	return o->exit[o->exits - 1].reason == KVM_EXIT_INTR;
}

/*
 * Where the stack of an exception is in emulated MMIO, 6.12 emulates on AMD the
 * instruction that raised it, again and again, and the program does not end.
 */
static bool stack_is_mmio(const struct outcome *o)
{
	uint64_t top = o->sregs.ss.base + (uint16_t)o->regs.rsp;

	return !o->sregs.ss.db && !(o->sregs.cs.l) &&
	       top - 16 < RAM_ABOVE && top > HOLE;
}

/* As many programs at once as are compared without toggling in between */
#define BATCH	64

/* Not every processor has page tables of five levels, the last mode. */
static unsigned int modes_here(void)
{
	unsigned int a, b, c = 0, d;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	return c & (1u << 16) ? MODES : LONG64_LA57;
}

int main(int argc, char **argv)
{
	static struct program program[BATCH];
	static struct outcome outcome[BATCH], other;
	unsigned long programs = 200, done = 0, failures = 0, rings = 0;
	unsigned long endless = 0, exits = 0, vectors[32] = { 0 }, count[3] = { 0 }, before;
	struct sigaction action = { .sa_handler = on_alarm };
	unsigned int i, w, n, d;
	long pick = -1;
	int c, only = -1;

	state = 1;
	while ((c = getopt(argc, argv, "n:s:m:p:v")) != -1) {
		switch (c) {
		case 'n':
			programs = strtoul(optarg, NULL, 0);
			break;
		case 's':
			state = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			only = atoi(optarg);
			break;
		case 'p':
			pick = atol(optarg);
			break;
		case 'v':
			verbose = true;
			break;
		default:
			fprintf(stderr, "usage: store_paths [-n PROGRAMS] [-s SEED] [-m MODE] [-p PROGRAM] [-v]\n");
			return 2;
		}
	}
	state = state * 0x9e3779b97f4a7c15ull | 1;
	sigaction(SIGALRM, &action, NULL);
	create();

	while (done < programs) {
		uint64_t seed = state;

		for (n = 0; n < BATCH && done + n < programs; n++)
			make(&program[n], only >= 0 ? (enum mode)only :
			     (enum mode)((done + n) % modes_here()));
		for (w = 0; w < ARRAY_SIZE(ways); w++) {
			parameter("ioeventfd_fastpath", ways[w].fastpath);
			parameter("ioeventfd_mmio", ways[w].mmio);
			before = emulated();
			/* The same page tables each time */
			state = seed | 1;
			for (i = 0; i < n; i++) {
				start(&program[i]);
				/* Of the others only the page tables are made. */
				if (pick >= 0 && (long)(done + i) != pick)
					continue;
				if (w && interrupted(&outcome[i]))
					continue;
				execute(w ? &other : &outcome[i]);
				if (!w) {
					stores += program[i].stores;
					exits += outcome[i].exits;
					for (d = 0; d < ARRAY_SIZE(doors); d++)
						rings += outcome[i].rings[d];
					if (interrupted(&outcome[i]) &&
					    stack_is_mmio(&outcome[i])) {
						endless++;
					} else if (interrupted(&outcome[i])) {
						printf("program %lu, seed 0x%" PRIx64 " does not end, rip 0x%llx\n",
						       done + i, seed,
						       outcome[i].regs.rip);
						dump(&program[i]);
						failures++;
					}
					if (outcome[i].regs.rip > HANDLERS &&
					    outcome[i].regs.rip < STACK)
						vectors[(outcome[i].regs.rip - HANDLERS) / 16 % 32]++;
					continue;
				}
				if (!memcmp(&outcome[i], &other, sizeof(other)))
					continue;
				failures++;
				if (failures > 5)
					continue;
				printf("program %lu, seed 0x%" PRIx64 ": %s and %s differ\n",
				       done + i, seed, ways[0].name, ways[w].name);
				dump(&program[i]);
				differ(&outcome[i], &other);
			}
			count[w] += emulated() - before;
		}
		done += n;
		if (verbose)
			fprintf(stderr, "store_paths: %lu of %lu\n", done, programs);
	}
	parameter("ioeventfd_fastpath", "1");
	parameter("ioeventfd_mmio", "1");
	printf("%lu rings, %lu exits to userspace, programs ended by exceptions:",
	       rings, exits);
	for (i = 0; i < 32; i++)
		if (vectors[i])
			printf(" %lu by %u", vectors[i], i);
	printf("\n");
	for (w = 0; w < ARRAY_SIZE(ways); w++)
		printf("%s: %lu instructions emulated\n", ways[w].name, count[w]);
	if (endless)
		printf("%lu programs do not end, and were not compared: an exception with its stack in MMIO\n",
		       endless);
	/* Nothing was tested if nothing rang, or most of it in the emulator. */
	if (!rings || count[1] + rings / 2 > count[0] ||
	    count[2] + rings / 2 > count[0]) {
		printf("the short cuts were not taken\n");
		failures++;
	}
	printf("%lu programs, %lu stores, %lu failures\n", done, stores, failures);
	return failures != 0;
}
