// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare the decoder of plain stores with a disassembler (Zydis).
 *
 *	fuzz [-n COUNT] [-s SEED]
 *
 * Whatever the decoder claims, the disassembler must see the same way: length,
 * width, what is stored, how the address is computed. And what it sees as a
 * plain store must be claimed, unless it is one of the few forms that the
 * decoder declines (its comment names them). COUNT instructions are tried in
 * each of 16-, 32- and 64-bit code: half of them random bytes behind an opcode
 * that matters, with random prefixes; a quarter random bytes; a quarter the
 * former, cut short, which must be declined. What is kept of the last one
 * (struct kvm_ioeventfd_memo) must be what was decoded.
 *
 * The last line is "N instructions, N stores, N failures"; the exit status is 0
 * if there are none.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <Zydis/Zydis.h>

#include "../../../arch/x86/kvm/ioeventfd_insn.h"

#define ROOM	(KVM_IOEVENTFD_INSN_MAX + 1)
/* More than this is the same mistake again. */
#define MAX_FAILURES	20

static uint64_t state;
static unsigned long stores, failures;

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

static void print(const uint8_t *code, unsigned int avail, unsigned int bits)
{
	unsigned int i;

	printf("%u-bit code:", bits);
	for (i = 0; i < avail; i++)
		printf(" %02x", code[i]);
}

static void fail(const uint8_t *code, unsigned int avail, unsigned int bits,
		 const char *what)
{
	if (failures++ < MAX_FAILURES) {
		print(code, avail, bits);
		printf(": %s\n", what);
	}
}

/* Number of a general purpose register of any width, or NO_REG. */
static int number(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return KVM_IOEVENTFD_NO_REG;
	return ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(
				ZYDIS_MACHINE_MODE_LONG_64, reg));
}

static bool high_byte(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

static uint64_t mask(unsigned int bytes)
{
	return bytes == 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
}

/* What is wrong with what the decoder says, or NULL. */
static const char *differs(const struct kvm_ioeventfd_insn *insn,
			   const ZydisDecodedInstruction *zi,
			   const ZydisDecodedOperand *op, unsigned int bits)
{
	const ZydisDecodedOperandMem *mem = &op[0].mem;
	bool ip = mem->base == ZYDIS_REGISTER_RIP ||
		  mem->base == ZYDIS_REGISTER_EIP;
	int base = ip ? KVM_IOEVENTFD_NO_REG : number(mem->base);

	int64_t disp = mem->disp.has_displacement ? mem->disp.value : 0;

	/*
	 * Zydis 4.0.0 reads REX.B as a base where a displacement replaces it,
	 * if addresses have 32 bits; objdump and the manuals do not.
	 */
	if (zi->address_width == 32 && zi->raw.modrm.mod == 0 &&
	    zi->raw.modrm.rm == 4 && zi->raw.sib.base == 5) {
		base = KVM_IOEVENTFD_NO_REG;
		disp = zi->raw.disp.value;
	}

	if (insn->len != zi->length)
		return "another length";
	if (zi->mnemonic != ZYDIS_MNEMONIC_MOV ||
	    op[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
		return "not a store";
	if (insn->width * 8 != op[0].size)
		return "another width";
	if (insn->ip_relative != ip)
		return "relative to the instruction pointer or not";
	if (insn->base != base)
		return "another base";
	if (insn->index != number(mem->index))
		return "another index";
	if (insn->index != KVM_IOEVENTFD_NO_REG &&
	    1u << insn->scale != (mem->scale ? mem->scale : 1u))
		return "another scale";
	if ((insn->disp ^ disp) & mask(zi->address_width / 8))
		return "another displacement";
	/* The others have no base in 64-bit code. */
	if (insn->seg >= 4 || bits != 64 ||
	    mem->segment == ZYDIS_REGISTER_FS ||
	    mem->segment == ZYDIS_REGISTER_GS) {
		if (insn->seg != ZydisRegisterGetId(mem->segment))
			return "another segment";
	}

	switch (op[1].type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		if (ZydisRegisterGetClass(op[1].reg.value) ==
		    ZYDIS_REGCLASS_SEGMENT)
			return "stores a segment register";
		if (high_byte(op[1].reg.value))
			return insn->shift == 8 && insn->reg ==
			       (int)op[1].reg.value - ZYDIS_REGISTER_AH ?
			       NULL : "another high byte";
		if (insn->shift || insn->reg != number(op[1].reg.value))
			return "another register";
		return NULL;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		if (insn->reg != KVM_IOEVENTFD_NO_REG ||
		    ((insn->imm ^ op[1].imm.value.u) & mask(insn->width)))
			return "another value";
		return NULL;
	default:
		return "stores something else";
	}
}

/* A plain store by the disassembler, of a form that is not declined */
static bool expected(const ZydisDecodedInstruction *zi,
		     const ZydisDecodedOperand *op, const uint8_t *code)
{
	unsigned int i, segments = 0;
	bool rex = false;

	if (zi->mnemonic != ZYDIS_MNEMONIC_MOV ||
	    zi->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
	    op[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    (zi->attributes & ZYDIS_ATTRIB_HAS_LOCK))
		return false;
	if (op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    ZydisRegisterGetClass(op[1].reg.value) == ZYDIS_REGCLASS_SEGMENT)
		return false;
	for (i = 0; i < zi->raw.prefix_count; i++) {
		uint8_t b = code[i];

		if (rex || b == 0xf0)
			return false;
		if (zi->machine_mode == ZYDIS_MACHINE_MODE_LONG_64 &&
		    (b & 0xf0) == 0x40)
			rex = true;
		segments += b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e ||
			    b == 0x64 || b == 0x65;
	}
	return segments <= 1;
}

/* What is kept of an instruction is what was decoded. */
static const char *memo_differs(const uint8_t *code, unsigned int bits,
				const struct kvm_ioeventfd_insn *insn)
{
	static struct kvm_ioeventfd_memo memo;
	uint64_t low, high;
	bool kept;

	memcpy(&low, code, 8);
	memcpy(&high, code + 8, 8);
	kept = kvm_ioeventfd_memo_decode(&memo, low, high, 0, bits);
	if (kept != !!insn || (insn && memcmp(&memo.insn, insn, sizeof(*insn))))
		return "kept as something else";
	/* A mark in what is kept shows whether it is decoded again. */
	memo.insn.len = 0xee;
	memo.is_store = true;
	kept = kvm_ioeventfd_memo_decode(&memo, low, high, 0, bits);
	if (!kept || memo.insn.len != 0xee)
		return "decoded again";
	switch (draw() % 4) {
	case 0:
		kept = kvm_ioeventfd_memo_decode(&memo, low ^ 1, high, 0, bits);
		break;
	case 1:
		kept = kvm_ioeventfd_memo_decode(&memo, low, high ^ 1ull << 63, 0,
						 bits);
		break;
	case 2:
		kept = kvm_ioeventfd_memo_decode(&memo, low, high, 1, bits);
		break;
	default:
		kept = kvm_ioeventfd_memo_decode(&memo, low, high, 0,
						 bits == 64 ? 32 : 64);
	}
	return kept && memo.insn.len == 0xee ? "taken for another" : NULL;
}

static void try(const ZydisDecoder *decoder, const uint8_t *code,
		unsigned int avail, unsigned int bits)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct kvm_ioeventfd_insn insn;
	ZydisDecodedInstruction zi;
	const char *what;
	bool mine, valid;

	/* The bytes between its members, too: it is compared as a whole. */
	memset(&insn, 0, sizeof(insn));
	mine = kvm_ioeventfd_decode(code, avail, bits, &insn);
	valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, code, avail,
						    &zi, op));
	stores += mine;
	if (avail == ROOM) {
		what = memo_differs(code, bits, mine ? &insn : NULL);
		if (what)
			fail(code, avail, bits, what);
	}
	if (!mine) {
		if (valid && expected(&zi, op, code))
			fail(code, avail, bits, "a store, and declined");
		return;
	}
	if (!valid) {
		fail(code, avail, bits, "no instruction, but claimed");
		return;
	}
	what = differs(&insn, &zi, op, bits);
	if (what)
		fail(code, avail, bits, what);
}

static unsigned int make(uint8_t *code, unsigned int bits)
{
	static const uint8_t prefix[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2,
		0xf3, 0x40, 0x48, 0x66, 0x67,
	};
	static const uint8_t opcode[] = {
		0x88, 0x89, 0x89, 0x89, 0xa2, 0xa3, 0xc6, 0xc7, 0x8a, 0x8b,
		0x8c, 0xa0, 0xa4, 0xaa, 0x0f, 0xc4,
	};
	unsigned int i, n = 0, prefixes;

	for (i = 0; i < ROOM; i++)
		code[i] = draw() >> 40;
	if (!below(4))
		return ROOM;

	prefixes = below(3) ? below(3) : below(15);
	while (n < prefixes)
		code[n++] = prefix[below(sizeof(prefix))];
	if (bits == 64 && below(2) && n < ROOM - 1)
		code[n++] = 0x40 | below(16);
	if (n < ROOM)
		code[n] = opcode[below(sizeof(opcode))];
	/* Immediate forms are stores with one of eight values in this field. */
	if (n + 1 < ROOM && below(2) && code[n] >= 0xc6)
		code[n + 1] &= 0xc7;
	return below(3) ? ROOM : below(ROOM + 1);
}

int main(int argc, char **argv)
{
	static const ZydisMachineMode mode[] = {
		ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth width[] = {
		ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
		ZYDIS_STACK_WIDTH_64,
	};
	unsigned long count = 1000000, i, total = 0;
	uint64_t seed = 1;
	uint8_t code[ROOM];
	unsigned int m;
	int c;

	while ((c = getopt(argc, argv, "n:s:")) != -1) {
		switch (c) {
		case 'n':
			count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr, "usage: fuzz [-n COUNT] [-s SEED]\n");
			return 2;
		}
	}
	state = seed * 0x9e3779b97f4a7c15ull | 1;

	for (m = 0; m < 3; m++) {
		ZydisDecoder decoder;

		ZydisDecoderInit(&decoder, mode[m], width[m]);
		for (i = 0; i < count; i++, total++) {
			unsigned int avail = make(code, 16u << m);

			try(&decoder, code, avail, 16u << m);
		}
	}
	printf("%lu instructions, %lu stores, %lu failures\n", total, stores,
	       failures);
	return failures || !stores;
}
