// SPDX-License-Identifier: GPL-2.0-only
/* Programs of operations, from random numbers or from a fuzzer's bytes. */
#include "bus_and_model.h"

u64 rnd(u64 *seed)
{
	u64 z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Where something may go wrong */
static const u64 base[] = {
	0, 0x1000, 0xfe000000, 0x7ffffff0, 0xfffffff0, 1ull << 63,
	~0ull - 15, ~0ull - 0x1000,
};

static const u64 sizes[] = {
	1, 2, 4, 8, 16, 64, 256, 0x1000, 0, 3, 0x7fffffff, 0x80000000,
	0xffffffff, 0x100000000, 1ull << 63, ~0ull,
};

/* Bits to compare, and not valid ones for some width */
static const u64 masks[] = {
	0xff, 0xf, 0xf0, 0xffff, 0x3, 0xff00, 0xffffffff, 0xfff0000, 0x8001, 1, 0x5555,
	0xffff0000ffff, ~0ull, 0xff000000ff, 2, 0,
};

static const u8 lens[] = { 1, 2, 4, 8, 0, 2, 4, 0, 1, 2, 4, 8, 3, 5, 6, 7 };

/* The kinds of each profile, by how often */
static const u8 kinds[GEN_PROFILES][16] = {
	/* few addresses, everything */
	{ OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_DEASSIGN, OP_DEASSIGN, OP_ADD_DEV,
	  OP_ADD_DEV, OP_DEL_DEV, OP_DEL_DEV, OP_WRITE, OP_WRITE, OP_WRITE,
	  OP_READ, OP_RING, OP_COOKIE, OP_GET_DEV },
	/* one register, many values */
	{ OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_DEASSIGN, OP_DEASSIGN,
	  OP_DEASSIGN, OP_WRITE, OP_WRITE, OP_WRITE, OP_RING, OP_RING,
	  OP_WRITE, OP_WRITE, OP_CLOSE_FD, OP_COOKIE },
	/* many registers, growing */
	{ OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_ASSIGN,
	  OP_ASSIGN, OP_ASSIGN, OP_DEASSIGN, OP_DEASSIGN, OP_WRITE, OP_WRITE,
	  OP_WRITE, OP_RING, OP_RING, OP_WRITE },
	/* many registers, coming and going */
	{ OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_DEASSIGN,
	  OP_DEASSIGN, OP_DEASSIGN, OP_DEASSIGN, OP_DEASSIGN, OP_WRITE,
	  OP_WRITE, OP_WRITE, OP_RING, OP_RING, OP_WRITE },
	/* devices, near each other */
	{ OP_ADD_DEV, OP_ADD_DEV, OP_ADD_DEV, OP_ADD_DEV, OP_DEL_DEV,
	  OP_DEL_DEV, OP_DEL_DEV, OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE,
	  OP_READ, OP_READ, OP_READ, OP_GET_DEV, OP_GET_DEV },
	/* devices, more and more */
	{ OP_ADD_DEV, OP_ADD_DEV, OP_ADD_DEV, OP_ADD_DEV, OP_ADD_DEV,
	  OP_ADD_DEV, OP_ADD_DEV, OP_ADD_DEV, OP_DEL_DEV, OP_WRITE, OP_WRITE,
	  OP_READ, OP_READ, OP_GET_DEV, OP_ASSIGN, OP_DEL_DEV },
	/* any numbers at all */
	{ OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_DEASSIGN, OP_DEASSIGN, OP_ADD_DEV,
	  OP_ADD_DEV, OP_DEL_DEV, OP_DEL_DEV, OP_WRITE, OP_WRITE, OP_WRITE,
	  OP_READ, OP_RING, OP_CLOSE_FD, OP_GET_DEV },
	/* few addresses, often emptied */
	{ OP_ASSIGN, OP_ASSIGN, OP_ASSIGN, OP_DEASSIGN, OP_DEASSIGN, OP_ADD_DEV,
	  OP_ADD_DEV, OP_DEL_DEV, OP_DEASSIGN, OP_WRITE, OP_WRITE, OP_WRITE,
	  OP_READ, OP_RING, OP_CLOSE_FD, OP_DESTROY },
};

/* Which of the flags from POST_WRITE on an ioeventfd has, and what they need */
static void add_new_kinds(struct op *op, u32 b, u32 c, u32 d)
{
	static const u64 pages[] = { 4, 4, 5, 6, 7, 8, 9, 12 };
	u32 kind = b >> 19 & 15;

	op->post = pages[c >> 21 & 7] * 0x1000 + (c >> 14 & 0x7f) * 8;
	if (!(c >> 28))
		op->post = (u64)c << (d & 63);
	if (kind < 3 || kind == 7)
		op->flags |= KVM_IOEVENTFD_FLAG_POST_WRITE;
	if (kind == 3 || kind == 7) {
		op->flags |= KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DATAMASK;
		op->mask = masks[b >> 23 & 15];
		/* Mostly bits that are compared */
		if (d & 0xf0000000)
			op->data &= op->mask;
	}
	if (kind == 4 || kind == 5) {
		op->flags |= KVM_IOEVENTFD_FLAG_POST_RANGE | KVM_IOEVENTFD_FLAG_POST_WRITE;
		if (d & 0xf0000000)
			op->flags &= ~KVM_IOEVENTFD_FLAG_DATAMATCH;
		op->stride = (op->len ?: 4) << (d >> 25 & 3);
		op->size = op->stride * (1 + (d >> 21 & 15));
		if (!(d >> 25 & 7))
			op->size = d >> 17;
		if (kind == 5)
			op->fd = -1;
	}
	if (kind == 6)
		op->flags ^= b >> 24 & 0xe0;
}

struct op op_from_words(const u32 word[4], unsigned int profile)
{
	u32 a = word[0], b = word[1], c = word[2], d = word[3];
	struct op op = {};

	profile %= GEN_PROFILES;
	op.kind = kinds[profile][a & 15];
	op.bus = (a >> 4 & 3) ? (profile == 0 ? a >> 4 & 3 : M_MMIO) :
		 (int)(a >> 6 & 3);
	op.len = lens[a >> 8 & 15];
	if (op.kind != OP_ASSIGN && op.kind != OP_DEASSIGN &&
	    op.kind != OP_WRITE && op.kind != OP_RING && !op.len)
		op.len = 1;
	op.align = a >> 12 & 7;
	op.fd = a >> 15 & 15;
	if (!(b >> 28))
		op.fd = (a >> 15 & 31) - 1;
	if (a >> 20 & 3)
		op.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (op.bus == M_PIO)
		op.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (op.bus == M_CCW || !(a >> 22 & 31))
		op.flags |= KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY;
	if (!(a >> 27))
		op.flags |= d & 0xfffffff0;
	op.behaviour = (c >> 24 & 7) < 4 ? 0 :
		       DEV_TAKES_WRITES | DEV_TAKES_READS;
	if (!(c >> 27 & 3))
		op.behaviour ^= c >> 16 & 0x3f;

	switch (profile) {
	case 0:
	case 7:
		op.addr = base[b & 1] + (b >> 1 & 3);
		op.data = c & 3;
		break;
	case 1:
		op.addr = 0x1000;
		op.data = c & 0xfff;
		if (c & 0x8000)
			op.data <<= c >> 24 & 63;
		if (!(b & 3))
			op.len = 2;
		break;
	case 2:
	case 3:
		op.addr = 0x10000 + 4 * (b & 0xfff);
		if (b & 0x10000)
			op.addr = (u64)(b & 0xf000000) << 8;
		op.data = c & 1;
		break;
	case 4:
		op.addr = base[b & 7] + (b >> 3 & 15);
		break;
	case 5:
		op.addr = b & 0xffff;
		break;
	default:
		op.addr = base[b & 7] + (b >> 3 & 31) - (b >> 8 & 15);
		if (b & 0x10000)
			op.addr = (u64)b << 32 | d;
		op.data = (u64)d << 32 | c;
		if (b & 0x20000)
			op.len = d;
	}
	op.size = sizes[d & 15];
	if (profile != 4 && profile != 6 && d & 0x10)
		op.size &= 31;
	/* Up to the last byte */
	if ((d & 0x1e0) == 0x20)
		op.size = -op.addr;
	if (d & 0x200)
		op.pick = (d >> 10 & 0x7fff) | 0x8000;
	if (op.kind == OP_DEL_DEV && !op.pick)
		op.size = c & 31;
	if (op.kind == OP_ASSIGN || op.kind == OP_DEASSIGN)
		add_new_kinds(&op, b, c, d);
	if (op_is_access(&op) && op.len > 16)
		op.len = 16;
	return op;
}

static void program_add(struct program *p, const struct op *op)
{
	if (p->nr == p->max) {
		p->max = p->max * 2 + 64;
		p->op = realloc(p->op, p->max * sizeof(*p->op));
		SHIM_ASSERT(p->op);
	}
	p->op[p->nr++] = *op;
}

void program_exit(struct program *p)
{
	free(p->op);
	memset(p, 0, sizeof(*p));
}

void program_random(struct program *p, u64 *seed, unsigned int max)
{
	unsigned int profile = rnd(seed) % GEN_PROFILES;
	unsigned int nr = 8 << rnd(seed) % 8;

	p->nr = 0;
	if (profile == 2 || profile == 3)
		nr *= 2;
	if (nr > max)
		nr = max;
	while (nr--) {
		u64 x = rnd(seed), y = rnd(seed);
		u32 word[4] = { x, x >> 32, y, y >> 32 };
		struct op op = op_from_words(word, profile);

		program_add(p, &op);
	}
}

bool program_from_bytes(struct program *p, const u8 *data, size_t size)
{
	unsigned int profile;
	u32 word[4];

	p->nr = 0;
	if (!size)
		return false;
	profile = *data & 7;
	for (data++, size--; size >= sizeof(word); size -= sizeof(word)) {
		struct op op;

		memcpy(word, data, sizeof(word));
		data += sizeof(word);
		op = op_from_words(word, profile);
		program_add(p, &op);
	}
	return p->nr;
}

bool program_run(const struct program *p)
{
	static struct world w;
	unsigned int i;
	bool ok;

	world_init(&w);
	for (i = 0; i < p->nr; i++) {
		if (!op_do(&w, &p->op[i]))
			return false;
	}
	ok = world_sweep(&w);
	return ok && world_exit(&w);
}
