/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_INSN_H
#define __KVM_X86_IOEVENTFD_INSN_H

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
#define KVM_IOEVENTFD_INSN_MAX	15

/* Bytes that are read of an instruction: one more than the longest has. */
#define KVM_IOEVENTFD_FETCH	16

/* No register here. */
#define KVM_IOEVENTFD_NO_REG	(-1)

/*
 * Which kind of code: what tells it, as one number. Where the bits are is where
 * they are least work to get on AMD; the lowest four are free.
 */
#define KVM_IOEVENTFD_LMA	0x0400	/* EFER.LMA */
#define KVM_IOEVENTFD_CS_L	0x2000
#define KVM_IOEVENTFD_CS_D	0x4000

static inline bool kvm_ioeventfd_is_64_bit(unsigned int mode)
{
	const unsigned int both = KVM_IOEVENTFD_LMA | KVM_IOEVENTFD_CS_L;

	return (mode & both) == both;
}

/**
 * struct kvm_ioeventfd_insn - a plain store
 * @len: length of the instruction in bytes
 * @width: bytes stored: 1, 2, 4 or 8
 * @reg: register that is stored, or KVM_IOEVENTFD_NO_REG for @imm
 * @shift: where in @reg the value begins: bit 8 for AH, CH, DH and BH, else 0
 * @seg: segment register of the address, numbered as in instructions
 * @base: base register of the address, or KVM_IOEVENTFD_NO_REG
 * @index: index register of the address, or KVM_IOEVENTFD_NO_REG
 * @scale: by how many bits @index is shifted left
 * @ip_relative: the address is relative to the next instruction
 * @disp: displacement, sign-extended
 * @imm: value that is stored if there is no @reg, sign-extended
 */
struct kvm_ioeventfd_insn {
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

bool kvm_ioeventfd_decode(const __u8 *code, unsigned int avail,
			  unsigned int bits, struct kvm_ioeventfd_insn *insn);

/**
 * struct kvm_ioeventfd_store - a decoded store that rang no ioeventfd
 * @gpa: guest physical address
 * @data: value, in the lowest @len bytes
 * @next_ip: address of the next instruction
 * @len: width in bytes; 0 if there is no such store
 */
struct kvm_ioeventfd_store {
	__u64 gpa;
	__u64 data;
	unsigned long next_ip;
	unsigned int len;
};

/**
 * struct kvm_ioeventfd_memo - what was decoded last
 * @code: the bytes
 * @what: which kind of code they are, and in the lowest four bits how many come
 *	before the instruction; 0 at first, with bytes that are 0, which are no
 *	plain store whatever the kind of code
 * @store: whether it is a plain store
 * @simple: and one of a register, to a base register and a displacement, with
 *	an ordinary segment
 * @flat: in code in which such a segment does not count
 * @refusals: how often @refused_ip is not to be looked at again
 * @refused_ip: where an instruction was that is no plain store
 * @insn: the plain store
 *
 * The driver of a device kicks by the same few instructions over and over, and
 * what they are depends on nothing but these bytes.
 */
struct kvm_ioeventfd_memo {
	__u64 code[KVM_IOEVENTFD_FETCH / 8];
	unsigned int what;
	bool store;
	bool simple;
	bool flat;
	__u8 refusals;
	__u64 refused_ip;
	struct kvm_ioeventfd_insn insn;
};

bool kvm_ioeventfd_memo_renew(struct kvm_ioeventfd_memo *memo, __u64 low,
			      __u64 high, unsigned int what, __u64 ip);

/**
 * kvm_ioeventfd_memo_has - whether an instruction is the one decoded last
 * @memo: what was decoded last
 * @low: the first 8 bytes, as they are in memory
 * @high: the next 8
 * @what: which kind of code they are, and how many come before the instruction
 *
 * Context: any.
 * Return: true if so: @memo tells all of it.
 */
static inline bool kvm_ioeventfd_memo_has(const struct kvm_ioeventfd_memo *memo,
					  __u64 low, __u64 high, unsigned int what)
{
	return memo->code[0] == low && memo->code[1] == high &&
	       memo->what == what;
}

/**
 * kvm_ioeventfd_memo_refuses - whether an instruction need not be looked at
 * @memo: what was decoded before
 * @ip: where the instruction is
 *
 * It may be another one than was refused there, and then goes the ordinary way,
 * which is right for all of them; so every once in a while it is looked at.
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool kvm_ioeventfd_memo_refuses(struct kvm_ioeventfd_memo *memo,
					      __u64 ip)
{
	if (__builtin_expect(memo->refused_ip != ip || !memo->refusals, 1))
		return false;
	memo->refusals--;
	return true;
}

/**
 * kvm_ioeventfd_insn_value - what a plain store writes
 * @insn: the store
 * @regs: the general purpose registers, numbered as in instructions
 *
 * Return: the value in the lowest @insn->width bytes; the rest is undefined.
 */
static inline __u64 kvm_ioeventfd_insn_value(const struct kvm_ioeventfd_insn *insn,
					     const unsigned long *regs)
{
	if (insn->reg == KVM_IOEVENTFD_NO_REG)
		return insn->imm;
	return (__u64)regs[insn->reg] >> insn->shift;
}

/**
 * kvm_ioeventfd_insn_address - where a plain store writes to
 * @insn: the store
 * @regs: the general purpose registers, numbered as in instructions
 * @next_ip: the instruction pointer behind the instruction
 * @seg_base: base of the segment @insn->seg, 0 if it does not count
 *
 * Return: the linear address. Only the lowest 16 bits of it are meant: above
 * them it is not cut to the size of addresses.
 */
static inline __u64 kvm_ioeventfd_insn_address(const struct kvm_ioeventfd_insn *insn,
					       const unsigned long *regs,
					       __u64 next_ip, __u64 seg_base)
{
	__u64 address = seg_base + insn->disp;

	if (insn->base != KVM_IOEVENTFD_NO_REG)
		address += regs[insn->base];
	if (insn->index != KVM_IOEVENTFD_NO_REG)
		address += (__u64)regs[insn->index] << insn->scale;
	if (__builtin_expect(insn->ip_relative, 0))
		address += next_ip;
	return address;
}

#endif /* __KVM_X86_IOEVENTFD_INSN_H */
