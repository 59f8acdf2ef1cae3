/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of one instruction that writes to an ioeventfd. The tests look at
 * the addresses before and after the instruction.
 */
#ifndef SELFTEST_KVM_KICK_UTIL_H
#define SELFTEST_KVM_KICK_UTIL_H

/*
 * The instructions that kick, with the address in rdi or dx and the value in
 * rax.
 */
#define KICK(name, insn) \
	asm(".pushsection .text\n" \
	    ".globl kick_" #name ", after_" #name ", do_" #name "\n" \
	    "do_" #name ":\n" \
	    "kick_" #name ": " insn "\n" \
	    "after_" #name ": nop\n" \
	    "nop\n" \
	    "ret\n" \
	    ".popsection")

/* What KICK(store, ...) and KICK(out, ...) define. */
extern char kick_store[], after_store[], kick_out[], after_out[];

#endif /* SELFTEST_KVM_KICK_UTIL_H */
