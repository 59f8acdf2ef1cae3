/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest: 32-bit flat code without paging, a few bytes per job.
 *
 * Each job is a routine of guest.S that ends with a byte to GUEST_DONE_PORT,
 * so that one KVM_RUN takes it from start to end if all it does in between
 * is served inside the kernel.
 */
#ifndef GUEST_H
#define GUEST_H

#define GUEST_GDT		0x0800
#define GUEST_IDT		0x1000
#define GUEST_CODE		0x2000
#define GUEST_DATA		0x3000
#define GUEST_STACK		0x8000
#define GUEST_MEMORY		0x8000

#define GUEST_CODE_SELECTOR	0x08
#define GUEST_DATA_SELECTOR	0x10

#define GUEST_DONE_PORT		0x7e
#define GUEST_IRQ_VECTOR	0x40
#define GUEST_IPI_VECTOR	0x41

#ifndef __ASSEMBLER__
extern const char guest_begin[], guest_end[];
/* eax is the data, ecx the count, edx the port. */
extern const char guest_pio1[], guest_pio2[], guest_pio4[];
/* eax is the data, ecx the count, ebx the address. */
extern const char guest_mmio1[], guest_mmio2[], guest_mmio4[];
/* The 8 bytes at GUEST_DATA are the data, ecx the count, ebx the address. */
extern const char guest_mmio8[];
/* ecx is the count of pages to write to, ebx the address of the one before them. */
extern const char guest_touch[];
/*
 * Halts over and over, until the word at GUEST_DATA is not 0.  Each interrupt
 * writes the 2 bytes of ax to the port in dx.
 */
extern const char guest_idle[], guest_irq[];
/* esi is the count. */
extern const char guest_cpuid[], guest_msr[];
/*
 * Halt until the word at GUEST_DATA, which each interrupt takes 1 off, is 0; ebx
 * is the other's APIC ID in the register's place for it.
 */
extern const char guest_ipi_first[], guest_ipi_second[], guest_ipi[];
#endif

#endif /* GUEST_H */
