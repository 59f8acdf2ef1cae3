/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_DOORBELL_INSN_H
#define __KVM_X86_DOORBELL_INSN_H

/*
 * Plain stores: the few forms of MOV by which drivers write a register of a
 * device. What is not certainly one of them is declined and left to KVM's
 * instruction emulator.
 *
 * Knows bytes only, no vCPU: compiles in userspace, too, where
 * tools/testing/doorbell-decode compares it with a disassembler.
 */

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#endif

/* An instruction is no longer than this. */
#define KVM_DOORBELL_INSN_MAX	15

/* Bytes that are read of an instruction: one more than the longest has. */
#define KVM_DOORBELL_FETCH	16

/* No register here. */
#define KVM_DOORBELL_NO_REG	(-1)

/**
 * struct kvm_doorbell_insn - a plain store
 * @len: length of the instruction in bytes
 * @width: bytes stored: 1, 2, 4 or 8
 * @reg: register that is stored, or KVM_DOORBELL_NO_REG for @imm
 * @shift: where in @reg the value begins: bit 8 for AH, CH, DH and BH, else 0
 * @seg: segment register of the address, numbered as in instructions
 * @base: base register of the address, or KVM_DOORBELL_NO_REG
 * @index: index register of the address, or KVM_DOORBELL_NO_REG
 * @scale: by how many bits @index is shifted left
 * @ip_relative: the address is relative to the next instruction
 * @disp: displacement, sign-extended
 * @imm: value that is stored if there is no @reg, sign-extended
 */
struct kvm_doorbell_insn {
	__u8 len;
	__u8 width;
	__s8 reg;
	__u8 shift;
	__u8 seg;
	__s8 base;
	__s8 index;
	__u8 scale;
	bool ip_relative;
	__u64 disp;
	__u64 imm;
};

bool kvm_doorbell_decode(const __u8 *code, unsigned int avail,
			 unsigned int bits, struct kvm_doorbell_insn *insn);

/**
 * struct kvm_doorbell_memo - what was decoded last
 * @code: the bytes
 * @what: how many of them come before the instruction, and, times 16, which kind of
 *	code it is: 16, 32 or 64; 0 if nothing was decoded yet
 * @store: whether it is a plain store
 * @value: what it stores; for its user
 * @insn: the plain store
 *
 * The driver of a device kicks by the same few instructions over and over, and
 * what they are depends on nothing but these bytes.
 */
struct kvm_doorbell_memo {
	__u64 code[KVM_DOORBELL_FETCH / 8];
	unsigned int what;
	bool store;
	__u64 value;
	struct kvm_doorbell_insn insn;
};

bool kvm_doorbell_memo_renew(struct kvm_doorbell_memo *memo, __u64 low,
			     __u64 high, unsigned int skip, unsigned int bits);

/**
 * kvm_doorbell_memo_decode - decode a plain store, unless it is the last one
 * @memo: what was decoded last; has the store afterwards
 * @low: the first 8 bytes, as they are in memory
 * @high: the next 8
 * @skip: how many of them come before the instruction
 * @bits: 16, 32 or 64: which kind of code
 *
 * Context: any.
 * Return: true if it is certain that there is a plain store.
 */
static inline bool kvm_doorbell_memo_decode(struct kvm_doorbell_memo *memo,
					    __u64 low, __u64 high,
					    unsigned int skip, unsigned int bits)
{
	if (memo->code[0] == low && memo->code[1] == high &&
	    memo->what == bits * KVM_DOORBELL_FETCH + skip)
		return memo->store;
	return kvm_doorbell_memo_renew(memo, low, high, skip, bits);
}

/**
 * kvm_doorbell_insn_value - what a plain store writes
 * @insn: the store
 * @regs: the general purpose registers, numbered as in instructions
 *
 * Return: the value in the lowest @insn->width bytes; the rest is undefined.
 */
static inline __u64 kvm_doorbell_insn_value(const struct kvm_doorbell_insn *insn,
					    const unsigned long *regs)
{
	if (insn->reg == KVM_DOORBELL_NO_REG)
		return insn->imm;
	return (__u64)regs[insn->reg] >> insn->shift;
}

/**
 * kvm_doorbell_insn_address - where a plain store writes to
 * @insn: the store
 * @regs: the general purpose registers, numbered as in instructions
 * @next_ip: the instruction pointer behind the instruction
 * @seg_base: base of the segment @insn->seg, 0 if it does not count
 *
 * Return: the linear address. Only the lowest 16 bits of it are meant: above
 * them it is not cut to the size of addresses.
 */
static inline __u64 kvm_doorbell_insn_address(const struct kvm_doorbell_insn *insn,
					      const unsigned long *regs,
					      __u64 next_ip, __u64 seg_base)
{
	__u64 address = seg_base + insn->disp;

	if (insn->base != KVM_DOORBELL_NO_REG)
		address += regs[insn->base];
	if (insn->index != KVM_DOORBELL_NO_REG)
		address += (__u64)regs[insn->index] << insn->scale;
	if (__builtin_expect(insn->ip_relative, 0))
		address += next_ip;
	return address;
}

#endif /* __KVM_X86_DOORBELL_INSN_H */
