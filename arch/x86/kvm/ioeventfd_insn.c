// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder of plain stores:
 *
 *	88 /r		MOV r/m8, r8
 *	89 /r		MOV r/m16, r16 and so on
 *	A2		MOV moffs8, AL
 *	A3		MOV moffs16, AX and so on
 *	C6 /0 ib	MOV r/m8, imm8
 *	C7 /0 iw/id	MOV r/m16, imm16 and so on
 *
 * in 16-, 32- and 64-bit code, to memory. It declines LOCK, more than one
 * segment prefix, and REX anywhere but right before the opcode: processors and
 * manuals disagree about some of these, and drivers use none.
 */
#include "ioeventfd_insn.h"

#ifdef __KERNEL__
#include <linux/export.h>
#include <linux/string.h>
#else
#include <string.h>
#endif

#define NONE KVM_IOEVENTFD_NO_REG

enum { ES, CS, SS, DS, FS, GS };
enum { AX, CX, DX, BX, SP, BP, SI, DI };

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

/* The instruction's bytes; what follows @end is not known. */
struct bytes {
	const __u8 *next, *end;
};

/* Take @n bytes, 1, 2, 4 or 8, as a number and extend its sign. */
static __always_inline bool take(struct bytes *bytes, unsigned int n,
				 __u64 *value)
{
	__s16 s16;
	__s32 s32;

	if (bytes->end - bytes->next < n)
		return false;
	switch (n) {
	case 1:
		*value = (__s8)*bytes->next;
		break;
	case 2:
		memcpy(&s16, bytes->next, sizeof(s16));
		*value = s16;
		break;
	case 4:
		memcpy(&s32, bytes->next, sizeof(s32));
		*value = s32;
		break;
	default:
		memcpy(value, bytes->next, sizeof(*value));
	}
	bytes->next += n;
	return true;
}

/* ModRM of 16-bit addresses: rm selects the registers that are added. */
static bool address16(struct bytes *bytes, unsigned int mod, unsigned int rm,
		      struct kvm_ioeventfd_insn *insn)
{
	static const __s8 base[] = { BX, BX, BP, BP, SI, DI, BP, BX };
	static const __s8 index[] = {
		SI, DI, SI, DI, NONE, NONE, NONE, NONE
	};

	if (mod == 0 && rm == 6)
		return take(bytes, 2, &insn->disp);

	insn->base = base[rm];
	insn->index = index[rm];
	if (insn->base == BP)
		insn->seg = SS;
	return !mod || take(bytes, mod, &insn->disp);
}

/* ModRM and SIB of 32- and 64-bit addresses. */
static __always_inline bool address32(struct bytes *bytes, unsigned int mod,
				      unsigned int rm, unsigned int rex,
				      bool code64,
				      struct kvm_ioeventfd_insn *insn)
{
	bool sib = rm == SP;

	if (sib) {
		unsigned int index;

		if (bytes->next == bytes->end)
			return false;
		index = (*bytes->next >> 3 & 7) | (rex & REX_X ? 8 : 0);
		if (index != SP) {
			insn->index = index;
			insn->scale = *bytes->next >> 6;
		}
		rm = *bytes->next++ & 7;
	}

	if (mod == 0 && rm == BP) {
		insn->ip_relative = code64 && !sib;
		return take(bytes, 4, &insn->disp);
	}

	insn->base = rm | (rex & REX_B ? 8 : 0);
	if (insn->base == SP || insn->base == BP)
		insn->seg = SS;
	return !mod || take(bytes, mod == 1 ? 1 : 4, &insn->disp);
}

/**
 * kvm_ioeventfd_decode - decode a plain store
 * @code: the instruction; other bytes may follow it
 * @avail: how many bytes there are at @code; may be too few
 * @bits: size of the code: 16, 32 or 64
 * @insn: written if the instruction is a plain store, undefined if not
 *
 * Context: any.
 * Return: true if it is certain that there is a plain store at @code.
 */
bool kvm_ioeventfd_decode(const __u8 *code, unsigned int avail,
			  unsigned int bits, struct kvm_ioeventfd_insn *insn)
{
	unsigned int rex = 0, mod, rm, op_size, address_size;
	bool has_rex = false, op_prefix = false, address_prefix = false;
	bool ok, code64 = bits == 64;
	struct bytes bytes = { code, code + avail };
	int seg = NONE;
	__u8 op, modrm;

	if (avail > KVM_IOEVENTFD_INSN_MAX)
		bytes.end = code + KVM_IOEVENTFD_INSN_MAX;

	for (;;) {
		if (bytes.next == bytes.end)
			return false;
		op = *bytes.next++;
		/* The common case: no prefix. */
		if (op >= 0x88 && op <= 0xc7)
			break;

		switch (op) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			if (seg != NONE)
				return false;
			seg = op >> 3 & 3;
			continue;
		case 0x64:
		case 0x65:
			if (seg != NONE)
				return false;
			seg = FS + (op & 1);
			continue;
		case 0x66:
			op_prefix = true;
			continue;
		case 0x67:
			address_prefix = true;
			continue;
		case 0xf2:
		case 0xf3:
			/* Only string instructions use these. */
			continue;
		case 0x40 ... 0x4f:
			if (!code64 || bytes.next == bytes.end)
				return false;
			has_rex = true;
			rex = op & 15;
			op = *bytes.next++;
			break;
		default:
			return false;
		}
		break;
	}

	if (code64) {
		op_size = rex & REX_W ? 8 : op_prefix ? 2 : 4;
		address_size = address_prefix ? 4 : 8;
	} else {
		op_size = (bits == 32) != op_prefix ? 4 : 2;
		address_size = (bits == 32) != address_prefix ? 4 : 2;
	}

	insn->width = op & 1 ? op_size : 1;
	insn->reg = NONE;
	insn->shift = 0;
	insn->seg = DS;
	insn->base = NONE;
	insn->index = NONE;
	insn->scale = 0;
	insn->ip_relative = false;
	insn->disp = 0;
	insn->imm = 0;

	switch (op) {
	case 0x88:
	case 0x89:
	case 0xc6:
	case 0xc7:
		if (bytes.next == bytes.end)
			return false;
		modrm = *bytes.next++;
		mod = modrm >> 6;
		rm = modrm & 7;
		if (mod == 3)
			return false;
		ok = address_size == 2 ?
			address16(&bytes, mod, rm, insn) :
			address32(&bytes, mod, rm, rex, code64, insn);
		if (!ok)
			return false;

		modrm = modrm >> 3 & 7;
		if (op >= 0xc6) {
			if (modrm ||
			    !take(&bytes, insn->width < 4 ? insn->width : 4,
				  &insn->imm))
				return false;
		} else if (insn->width == 1 && !has_rex && modrm >= 4) {
			insn->reg = modrm - 4;
			insn->shift = 8;
		} else {
			insn->reg = modrm | (rex & REX_R ? 8 : 0);
		}
		break;
	case 0xa2:
	case 0xa3:
		insn->reg = AX;
		if (!take(&bytes, address_size, &insn->disp))
			return false;
		break;
	default:
		return false;
	}

	if (seg != NONE)
		insn->seg = seg;
	insn->len = bytes.next - code;
	return true;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_decode);

/**
 * kvm_ioeventfd_memo_renew - decode an instruction and keep it
 * @memo: where to keep it
 * @low: the first 8 bytes, as they are in memory
 * @high: the next 8
 * @skip: how many of these bytes come before the instruction
 * @bits: size of the code: 16, 32 or 64
 *
 * Context: any.
 */
void kvm_ioeventfd_memo_renew(struct kvm_ioeventfd_memo *memo, __u64 low,
			      __u64 high, unsigned int skip, unsigned int bits)
{
	memo->code[0] = low;
	memo->code[1] = high;
	memo->skip = skip;
	memo->bits = bits;
	memo->is_store = kvm_ioeventfd_decode((const __u8 *)memo->code + skip,
					      KVM_IOEVENTFD_FETCH - skip, bits,
					      &memo->insn);
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_memo_renew);
