/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark's guest does: 32-bit flat code without paging, a few bytes
 * per job.  guest_pio*, guest_mmio1 to 4, guest_load, guest_cpuid, guest_msr and
 * guest_hlt are the same in 64-bit code.
 *
 * Each job is a routine of jobs.S that ends with a byte to GUEST_DONE_PORT, so
 * that one KVM_RUN takes it from start to end if all it does in between is served
 * inside the kernel.
 */
#ifndef JOBS_H
#define JOBS_H

#include "../guest/guest.h"

#define GUEST_CODE		0x2000
#define GUEST_DATA		0x3000
#define GUEST_STACK		0x8000
/* With paging */
#define GUEST_TABLES		0x8000
#define GUEST_MEMORY		0x10000

#define APIC_ICR		0xfee00300

#define GUEST_DONE_PORT		0x7e
#define GUEST_IRQ_VECTOR	0x40
#define GUEST_IPI_VECTOR	0x41

#ifndef __ASSEMBLER__

/* Nothing else of the guest's is anywhere near. */
#define MMIO_BASE	0x10000000ULL
#define PIO_BASE	0x1000ULL
#define TOUCH_BASE	0x20000000ULL

extern const char guest_begin[], guest_end[];
/* Those that do something over and over: esi is the count. */
/* eax is the data, edx the port. */
extern const char guest_pio1[], guest_pio2[], guest_pio4[];
/* eax is the data, ebx the address. */
extern const char guest_mmio1[], guest_mmio2[], guest_mmio4[];
/* The 8 bytes at GUEST_DATA are the data, ebx the address. */
extern const char guest_mmio8[];
/* A write to each page; ebx is the address of the one before them. */
extern const char guest_touch[];
/* A load from ebx */
extern const char guest_load[];
extern const char guest_cpuid[], guest_msr[], guest_hlt[];
/*
 * Halts over and over, until the word at GUEST_DATA is not 0.  Each interrupt
 * writes the 2 bytes of ax to the port in dx.
 */
extern const char guest_idle[], guest_irq[];
/*
 * Halt until the word at GUEST_DATA, which each interrupt takes 1 off, is 0; ebx
 * is the other's APIC ID in the register's place for it.
 */
extern const char guest_ipi_first[], guest_ipi_second[], guest_ipi[];

/* A write that the guest does over and over. */
struct kick {
	bool pio;
	unsigned int size;
	u64 addr;
	u64 data;
};

/* What else it does over and over. */
struct job {
	/* A routine of jobs.S, or NULL for the kick */
	const char *label;
	struct kick kick;
	/* KVM_EXIT_*: how each of them leaves for userspace; 0: none does */
	u32 reason;
};

/* What a doorbell answers to. */
enum match { WILDCARD, DATAMATCH, ANY_LENGTH };

/* A VM with this code in it; a vCPU that can run it; both, without a PMU */
void job_vm(struct vm *vm, bool pmu);
void job_vcpu(struct vm *vm);
void job_guest(struct vm *vm);

void vm_doorbell(struct vm *vm, const struct kick *kick, enum match match,
		 int eventfd, bool assign);

/* What the vCPU does from its next run on: a routine; a kick, count times */
void job_start(struct vm *vm, const char *label, struct kvm_regs regs);
void job_start_kicks(struct vm *vm, const struct kick *kick, unsigned int count);

/*
 * Run the vCPU until it leaves to userspace.  True if that is the end of the
 * job; vm->run has the exit otherwise.
 */
bool job_run(struct vm *vm);
/* Whether the exit in vm->run is the kick's write. */
bool vm_exit_is(const struct vm *vm, const struct kick *kick);

#endif /* __ASSEMBLER__ */
#endif /* JOBS_H */
