/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests for tests in userspace: a VM with memory from address 0, its vCPUs in
 * any mode of x86, its code, its ioeventfds and irqfds.  What returns nothing ends
 * the program if it fails, with one line on what it was.
 */
#ifndef GUEST_H
#define GUEST_H

/* Where the tables of a guest are in its memory, as far as its mode has them */
#define GUEST_GDT		0x0800
#define GUEST_TSS		0x0900
#define GUEST_IDT		0x1000

#define GUEST_CODE_SELECTOR	0x08
#define GUEST_DATA_SELECTOR	0x10
#define GUEST_CODE64_SELECTOR	0x18

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#ifndef __printf
#define __printf(string, first)	__attribute__((format(printf, string, first)))
#endif
#ifndef __noreturn
#define __noreturn		__attribute__((noreturn))
#endif
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

enum mode { REAL, PROT16, PROT32, PAGED32, PAE32, COMPAT16, COMPAT32, LONG64,
	    LONG64_LARGE, LONG64_LA57, MODES };

struct mode_info {
	const char *name;
	/* Size of code; levels of page tables, or 0 */
	unsigned int bits, levels;
	/* Whether the processor is in long mode: COMPAT* as well */
	bool lma;
};

extern const struct mode_info modes[MODES];

/* A VM and one of its vCPUs: each vCPU has a struct vm. */
struct vm {
	int fd;
	int vcpu;
	char *memory;
	size_t size;
	struct kvm_run *run;
	/* The special registers at reset */
	struct kvm_sregs reset;
	/* Page tables: the first page, and where the next one goes */
	u32 tables, tables_end;
};

__noreturn __printf(1, 2) void die(const char *format, ...);
/* The same, with the reason errno gives. */
__noreturn __printf(1, 2) void die_errno(const char *format, ...);

void kvm_open(void);
int kvm_capability(int capability);

/* Without a vCPU.  @pmu: with a PMU, if this KVM gives its guests any. */
void vm_create(struct vm *vm, size_t size, bool pmu);
void vm_destroy(struct vm *vm);
void vm_create_irqchip(struct vm *vm);
/* One more slot of memory; size 0 takes it away. */
int vm_set_memory(const struct vm *vm, u32 slot, u64 addr, void *memory, size_t size);
void vm_put(struct vm *vm, u64 addr, const void *data, size_t size);
void vm_put64(struct vm *vm, u64 addr, u64 value);

/* As the ioctls: 0, or -1 and errno.  The benchmark counts what is in here. */
static inline int vm_ioeventfd(const struct vm *vm, u64 addr, u32 len, u64 data, int fd, u32 flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = data,
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd);
}

int vm_irqfd(const struct vm *vm, int fd, u32 gsi, u32 flags, int resamplefd);
/* One MSI for each GSI from 0 on, all with this vector */
void vm_set_msi_routes(struct vm *vm, int count, u8 vector);

/* The vCPU 0; another one of the same VM, which vm_end_vcpu() takes away */
void vm_create_vcpu(struct vm *vm);
void vm_add_vcpu(const struct vm *vm, struct vm *other, int id);
void vm_end_vcpu(struct vm *other);
/* The guest sees the processor that KVM can offer at most. */
void vm_set_cpuid(struct vm *vm);
/* The guest does not care to switch its APIC on. */
void vm_switch_apic_on(struct vm *vm);
void vm_set_msr(struct vm *vm, u32 index, u64 value);
u64 vm_get_msr(struct vm *vm, u32 index);
void vm_set_regs(struct vm *vm, const struct kvm_regs *regs);

/*
 * Put the vCPU into a mode.  @base has the bases of ES, CS, SS, DS, FS and GS; NULL
 * is 0 for all.  With paging the tables have to be made first.
 */
void vm_set_mode(struct vm *vm, enum mode mode, const u64 *base);
/* Where an interrupt or an exception goes; in long mode on the first stack of IST */
void vm_set_gate(struct vm *vm, enum mode mode, u8 vector, u32 handler);
/* Forget all page tables; those to come are from this address on. */
void vm_clear_tables(struct vm *vm, u32 addr);
/* A page of 4 KiB, or a large one; @entry is its entry of the page tables. */
void vm_map(struct vm *vm, enum mode mode, u64 addr, u64 entry, bool large);

/* Run the vCPU until it leaves to userspace; returns the reason, KVM_EXIT_*. */
u32 vm_run(struct vm *vm);
/* A few words on that exit, in a static buffer */
const char *vm_exit_text(const struct vm *vm);

#endif /* __ASSEMBLER__ */
#endif /* GUEST_H */
