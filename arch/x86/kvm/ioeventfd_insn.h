/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IOEVENTFD_INSN_H
#define __KVM_X86_IOEVENTFD_INSN_H

/*
 * Decode plain stores: the few forms of MOV by which drivers write a device
 * register. Anything else is declined, and KVM's instruction emulator does it.
 *
 * This code knows bytes, not vCPUs. It also compiles in userspace, where
 * tools/testing/doorbell-decode compares it with a disassembler.
 */

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#endif

/* The greatest length of an instruction */
#define KVM_IOEVENTFD_INSN_MAX	15

/* How many bytes are read to decode one; two words */
#define KVM_IOEVENTFD_FETCH	16

/* In place of the number of a register */
#define KVM_IOEVENTFD_NO_REG	(-1)

/**
 * struct kvm_ioeventfd_insn - a plain store
 * @len: length of the instruction in bytes
 * @width: bytes stored: 1, 2, 4 or 8
 * @reg: register that is stored, or KVM_IOEVENTFD_NO_REG for @imm
 * @shift: first bit of the value in @reg: 8 for AH, CH, DH and BH, else 0
 * @seg: segment register of the address, numbered as in instructions
 * @base: base register of the address, or KVM_IOEVENTFD_NO_REG
 * @index: index register of the address, or KVM_IOEVENTFD_NO_REG
 * @scale: how many bits @index is shifted left
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
 * @len: width in bytes
 */
struct kvm_ioeventfd_store {
	__u64 gpa;
	__u64 data;
	unsigned long next_ip;
	unsigned int len;
};

/**
 * struct kvm_ioeventfd_memo - the instruction that was decoded last
 * @code: the bytes
 * @skip: how many of them come before the instruction
 * @bits: size of the code: 16, 32 or 64; 0 at first
 * @is_store: whether it is a plain store
 * @insn: the plain store
 *
 * A driver kicks by the same few instructions again and again. What an
 * instruction does depends only on these bytes and the size of the code.
 */
struct kvm_ioeventfd_memo {
	__u64 code[KVM_IOEVENTFD_FETCH / 8];
	unsigned int skip;
	unsigned int bits;
	bool is_store;
	struct kvm_ioeventfd_insn insn;
};

/* What the exit fastpath leaves to the handler of the fault */
enum kvm_ioeventfd_rest {
	KVM_IOEVENTFD_NOTHING,
	KVM_IOEVENTFD_TRY,	/* a store, to be decoded in the handler */
	KVM_IOEVENTFD_FINISH,	/* a decoded store that rang no ioeventfd */
};

/**
 * struct kvm_ioeventfd_stores - what a vCPU keeps to finish stores
 * @memo: the store that it decoded last
 * @rest: what is left to the handler of this exit
 * @store: the store, if @rest is KVM_IOEVENTFD_FINISH
 */
struct kvm_ioeventfd_stores {
	struct kvm_ioeventfd_memo memo;
	enum kvm_ioeventfd_rest rest;
	struct kvm_ioeventfd_store store;
};

void kvm_ioeventfd_memo_renew(struct kvm_ioeventfd_memo *memo, __u64 low,
			      __u64 high, unsigned int skip, unsigned int bits);

/**
 * kvm_ioeventfd_memo_decode - decode a plain store, unless it is the last one
 * @memo: the instruction that was decoded last; replaced if this is another
 * @low: the first 8 bytes, as they are in memory
 * @high: the next 8
 * @skip: how many of these bytes come before the instruction
 * @bits: size of the code: 16, 32 or 64
 *
 * Context: any.
 * Return: true if it is certain that it is a plain store, which is then in
 * @memo->insn until the next call.
 */
static inline bool
kvm_ioeventfd_memo_decode(struct kvm_ioeventfd_memo *memo, __u64 low, __u64 high,
			  unsigned int skip, unsigned int bits)
{
	if (__builtin_expect(memo->code[0] != low || memo->code[1] != high ||
			     memo->skip != skip || memo->bits != bits, 0))
		kvm_ioeventfd_memo_renew(memo, low, high, skip, bits);
	return memo->is_store;
}

/**
 * kvm_ioeventfd_insn_value - the value that a plain store writes
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
 * kvm_ioeventfd_insn_address - the address that a plain store writes to
 * @insn: the store
 * @regs: the general purpose registers, numbered as in instructions
 * @next_ip: address of the next instruction
 * @seg_base: base of the segment @insn->seg, 0 if it has none
 *
 * Return: the linear address, of which only the lowest 16 bits are valid: it is
 * not truncated to the size of addresses.
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
