/* SPDX-License-Identifier: GPL-2.0-only */
#include "jobs.h"

#define APIC_EOI	0xfee000b0
#define APIC_ICR2	0xfee00310
#define MSR_APIC_BASE	0x1b

	.macro	entry name
	.globl	\name
\name:
	.endm

	/* As often as esi says; these bytes are the same in 64-bit code, unlike decl. */
	.macro	again name
	subl	$1, %esi
	jnz	\name
	jmp	done
	.endm

	.macro	loop name insn:vararg
	entry	\name
	\insn
	again	\name
	.endm

	.section .rodata
	.code32

	entry	guest_begin

	loop	guest_pio1	outb %al, %dx
	loop	guest_pio2	outw %ax, %dx
	loop	guest_pio4	outl %eax, %dx
	loop	guest_mmio1	movb %al, (%ebx)
	loop	guest_mmio2	movw %ax, (%ebx)
	loop	guest_mmio4	movl %eax, (%ebx)

	loop	guest_load	movl (%ebx), %eax
	loop	guest_hlt	hlt

	entry	guest_mmio8
	movq	GUEST_DATA, %mm0
1:	movq	%mm0, (%ebx)
	again	1b

	entry	guest_touch
	addl	$4096, %ebx
	movl	%eax, (%ebx)
	again	guest_touch

	entry	guest_idle
	cli
	cmpl	$0, GUEST_DATA
	jne	done
	sti
	hlt
	jmp	guest_idle

	entry	guest_cpuid
	xorl	%eax, %eax
	cpuid
	again	guest_cpuid

	entry	guest_msr
	movl	$MSR_APIC_BASE, %ecx
	rdmsr
	again	guest_msr

	/* Two of them: the first begins, each answers the other's interrupt. */
	entry	guest_ipi_first
	movl	%ebx, APIC_ICR2
	movl	$(0x4000 | GUEST_IPI_VECTOR), APIC_ICR
	jmp	1f
	entry	guest_ipi_second
	movl	%ebx, APIC_ICR2
1:	cli
	cmpl	$0, GUEST_DATA
	jle	done
	sti
	hlt
	jmp	1b

done:	outb	%al, $GUEST_DONE_PORT
	/* The host has had enough: each later job starts at its own label. */
	ud2

	entry	guest_irq
	movl	$0, APIC_EOI
	outw	%ax, %dx
	iretl

	entry	guest_ipi
	movl	$0, APIC_EOI
	decl	GUEST_DATA
	js	1f
	movl	$(0x4000 | GUEST_IPI_VECTOR), APIC_ICR
1:	iretl

	entry	guest_end

	.section .note.GNU-stack, "", @progbits
