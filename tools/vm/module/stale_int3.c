// SPDX-License-Identifier: GPL-2.0-only
/*
 * Survive an error of QEMU's software CPU when it emulates several processors.
 *
 * The kernel changes its own code (static keys, ftrace) by way of a breakpoint:
 * it writes an INT3, makes all processors see it, writes the new instruction and
 * lets all processors see that. A real processor does not execute the INT3 after
 * that. QEMU executes translated code, and a processor can execute a translation
 * that still has the INT3. The kernel does not know that breakpoint any more and
 * dies: "Oops: int3".
 *
 * If memory has no INT3 at that address, the breakpoint is a stale one. To return
 * to the address does not help, since the old translation stays. This module
 * emulates the instruction that memory has now. It knows all instructions that the
 * kernel writes when it changes its code.
 */
#include <linux/atomic.h>
#include <linux/kdebug.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/uaccess.h>
#include <asm/text-patching.h>

static atomic_t emulated = ATOMIC_INIT(0);
module_param_named(emulated, emulated.counter, int, 0444);
MODULE_PARM_DESC(emulated, "Stale breakpoints met so far");

/* False if it is none of the instructions that the kernel writes. */
static bool emulate(struct pt_regs *regs, unsigned long addr, const u8 *insn)
{
	static const u8 nop2[] = { 0x66, 0x90 };
	static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	s32 offset;

	memcpy(&offset, insn + 1, sizeof(offset));
	/* INT3 left the address behind its one byte. */
	if (insn[0] == CALL_INSN_OPCODE) {
		int3_emulate_push(regs, addr + CALL_INSN_SIZE);
		regs->ip = addr + CALL_INSN_SIZE + offset;
	} else if (insn[0] == JMP32_INSN_OPCODE) {
		regs->ip = addr + JMP32_INSN_SIZE + offset;
	} else if (insn[0] == JMP8_INSN_OPCODE) {
		regs->ip = addr + JMP8_INSN_SIZE + (s8)insn[1];
	} else if (insn[0] == RET_INSN_OPCODE) {
		int3_emulate_ret(regs);
	} else if (!memcmp(insn, nop5, sizeof(nop5))) {
		regs->ip = addr + sizeof(nop5);
	} else if (!memcmp(insn, nop2, sizeof(nop2))) {
		regs->ip = addr + sizeof(nop2);
	} else {
		return false;
	}
	return true;
}

static int stale_int3(struct notifier_block *nb, unsigned long event, void *data)
{
	struct die_args *args = data;
	struct pt_regs *regs = args->regs;
	unsigned long addr = regs->ip - INT3_INSN_SIZE;
	u8 insn[CALL_INSN_SIZE];

	if (event != DIE_INT3 || user_mode(regs) ||
	    copy_from_kernel_nofault(insn, (void *)addr, sizeof(insn)) ||
	    insn[0] == INT3_INSN_OPCODE || !emulate(regs, addr, insn))
		return NOTIFY_DONE;
	atomic_inc(&emulated);
	return NOTIFY_STOP;
}

static struct notifier_block notifier = { .notifier_call = stale_int3 };

static int __init stale_int3_init(void)
{
	return register_die_notifier(&notifier);
}
module_init(stale_int3_init);

static void __exit stale_int3_exit(void)
{
	unregister_die_notifier(&notifier);
}
module_exit(stale_int3_exit);

MODULE_DESCRIPTION("Breakpoints that QEMU's software CPU remembers");
MODULE_LICENSE("GPL");
