/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine as small as they get: one slot of memory with the code of
 * guest.S in it, at most one vCPU.  What fails here ends the program, with
 * one line on what it was; all else is the caller's to judge.
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

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

/* Nothing else of the guest's is anywhere near. */
#define MMIO_BASE	0x10000000ULL
#define PIO_BASE	0x1000ULL
#define TOUCH_BASE	0x20000000ULL

struct vm {
	int fd;
	int vcpu;
	char *memory;
	struct kvm_run *run;
	size_t run_size;
	/* Page of the coalesced ring in run, or 0. */
	int ring_page;
};

/* A write that the guest does over and over. */
struct kick {
	bool pio;
	unsigned int size;
	u64 addr;
	u64 data;
};

/* What a doorbell answers to. */
enum match { WILDCARD, DATAMATCH, ANY_LENGTH };

__noreturn __printf(1, 2) void die(const char *format, ...);
/* The same, with the reason errno gives. */
__noreturn __printf(1, 2) void die_errno(const char *format, ...);

void kvm_open(void);
int kvm_capability(int capability);

/* Without a PMU; the other one has one, if this KVM gives its guests any. */
void vm_create(struct vm *vm);
void vm_create_with_pmu(struct vm *vm);
void vm_create_irqchip(struct vm *vm);
void vm_create_vcpu(struct vm *vm);
/* The vCPU alone, without the state a guest needs; returns its descriptor. */
int vm_bare_vcpu(struct vm *vm, int id);
/* One more vCPU of the same VM, to be told to run; vm_end_vcpu() takes it away. */
void vm_add_vcpu(const struct vm *vm, struct vm *other);
void vm_end_vcpu(struct vm *other);
/* The guest does not care to switch its APIC on. */
void vm_switch_apic_on(struct vm *vm);
void vm_set_msi_routes(struct vm *vm, int count);
void vm_destroy(struct vm *vm);

void vm_doorbell(struct vm *vm, const struct kick *kick, enum match match,
		 int eventfd, bool assign);
void vm_irqfd(struct vm *vm, int gsi, int eventfd, bool assign);
void vm_zone(struct vm *vm, u64 addr, u32 size);
void vm_set_msr(struct vm *vm, u32 index, u64 value);
u64 vm_get_msr(struct vm *vm, u32 index);
/* Memory at TOUCH_BASE, which no guest has touched since this call. */
void vm_fresh_memory(struct vm *vm, void *memory, size_t size);

/* Make the vCPU's next run do the kick count times. */
void vm_prepare_kicks(struct vm *vm, const struct kick *kick,
		      unsigned int count);
/* A store to each of count pages at TOUCH_BASE */
void vm_prepare_touch(struct vm *vm, unsigned int count);
/* What leaves the guest without a write */
enum handled { EXIT_CPUID, EXIT_MSR };
void vm_prepare_exits(struct vm *vm, enum handled what, unsigned int count);
/* Two vCPUs that send each other so many interrupts, and halt in between. */
void vm_prepare_ipis(struct vm *first, struct vm *second, unsigned int count);
void vm_prepare_idle(struct vm *vm, const struct kick *kick);
void vm_stop_idle(struct vm *vm);

/*
 * Run the vCPU until it leaves to userspace.  True if that is the end of the
 * job; vm->run has the exit otherwise.
 */
bool vm_run(struct vm *vm);
/* Whether the exit in vm->run is the kick's write. */
bool vm_exit_is(const struct vm *vm, const struct kick *kick);
/* A few words on that exit, in a static buffer. */
const char *vm_exit_text(const struct vm *vm);

#endif /* VM_H */
