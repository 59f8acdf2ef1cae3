/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest.h"

#define APIC_EOI	0xfee000b0

	.macro	entry name
	.globl	\name
\name:
	.endm

	.section .rodata
	.code32

	entry	guest_begin

	entry	guest_pio1
	outb	%al, %dx
	decl	%ecx
	jnz	guest_pio1
	jmp	done

	entry	guest_pio2
	outw	%ax, %dx
	decl	%ecx
	jnz	guest_pio2
	jmp	done

	entry	guest_pio4
	outl	%eax, %dx
	decl	%ecx
	jnz	guest_pio4
	jmp	done

	entry	guest_mmio1
	movb	%al, (%ebx)
	decl	%ecx
	jnz	guest_mmio1
	jmp	done

	entry	guest_mmio2
	movw	%ax, (%ebx)
	decl	%ecx
	jnz	guest_mmio2
	jmp	done

	entry	guest_mmio4
	movl	%eax, (%ebx)
	decl	%ecx
	jnz	guest_mmio4
	jmp	done

	entry	guest_mmio8
	movq	GUEST_DATA, %mm0
1:	movq	%mm0, (%ebx)
	decl	%ecx
	jnz	1b
	jmp	done

	entry	guest_idle
	cli
	cmpl	$0, GUEST_DATA
	jne	done
	sti
	hlt
	jmp	guest_idle

done:	outb	%al, $GUEST_DONE_PORT
	/* The host has had enough: each later job starts at its own label. */
	ud2

	entry	guest_irq
	movl	$0, APIC_EOI
	outw	%ax, %dx
	iretl

	entry	guest_end

	.section .note.GNU-stack, "", @progbits
