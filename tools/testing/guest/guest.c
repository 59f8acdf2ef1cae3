// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define KVM_DEVICE	"/dev/kvm"

#define PTE_PRESENT	1
/* For all: it may be written, and used by userspace */
#define PTE_TABLE	7

#define CR0_PE		0x1
#define CR0_ET		0x10
/* Supervisors may not write what is read-only, either. */
#define CR0_WP		0x10000
#define CR0_PG		0x80000000
#define CR4_PSE		0x10
#define CR4_PAE		0x20
#define CR4_LA57	0x1000
/* LME and LMA */
#define EFER_LONG	0x500

const struct mode_info modes[MODES] = {
	[REAL]		= { "real", 16, 0, false },
	[PROT16]	= { "protected-16", 16, 0, false },
	[PROT32]	= { "protected-32", 32, 0, false },
	[PAGED32]	= { "paged-32", 32, 2, false },
	[PAE32]		= { "pae-32", 32, 3, false },
	[COMPAT16]	= { "compat-16", 16, 4, true },
	[COMPAT32]	= { "compat-32", 32, 4, true },
	[LONG64]	= { "long-64", 64, 4, true },
	[LONG64_LARGE]	= { "long-64-large", 64, 4, true },
	[LONG64_LA57]	= { "long-64-la57", 64, 5, true },
};

static int kvm = -1;

static __noreturn void vdie(const char *format, va_list args, int error)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	if (error)
		fprintf(stderr, ": %s", strerror(error));
	fputc('\n', stderr);
	exit(1);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdie(format, args, 0);
}

void die_errno(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	vdie(format, args, error);
}

void kvm_open(void)
{
	kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		die_errno("cannot open %s", KVM_DEVICE);
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		die("%s does not speak version %d of the KVM API", KVM_DEVICE,
		    KVM_API_VERSION);
}

int kvm_capability(int capability)
{
	int value = ioctl(kvm, KVM_CHECK_EXTENSION, capability);

	return value > 0 ? value : 0;
}

int vm_set_memory(const struct vm *vm, u32 slot, u64 addr, void *memory, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = addr,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vm_create(struct vm *vm, size_t size, bool pmu)
{
	struct kvm_enable_cap no_pmu = {
		.cap = KVM_CAP_PMU_CAPABILITY,
		.args[0] = KVM_PMU_CAP_DISABLE,
	};
	int tries = 0;

	memset(vm, 0, sizeof(*vm));
	vm->vcpu = -1;
	/* A signal, or a shortage that just ends, may be in the way. */
	do
		vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && (errno == EINTR || errno == ENOMEM) && tries++ < 1000);
	if (vm->fd < 0)
		die_errno("cannot create a VM");
	if (!pmu && kvm_capability(KVM_CAP_PMU_CAPABILITY) &&
	    ioctl(vm->fd, KVM_ENABLE_CAP, &no_pmu))
		die_errno("cannot take a VM's PMU away");

	/* Older VMX wants three pages for itself; elsewhere it is refused. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL);

	vm->size = size;
	vm->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (vm->memory == MAP_FAILED)
		die_errno("cannot map the guest's memory");
	if (vm_set_memory(vm, 0, 0, vm->memory, size))
		die_errno("cannot give the guest its memory");
}

void vm_destroy(struct vm *vm)
{
	vm_end_vcpu(vm);
	close(vm->fd);
	munmap(vm->memory, vm->size);
}

void vm_create_irqchip(struct vm *vm)
{
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		die_errno("cannot create the interrupt controllers");
}

void vm_put(struct vm *vm, u64 addr, const void *data, size_t size)
{
	memcpy(vm->memory + addr, data, size);
}

void vm_put64(struct vm *vm, u64 addr, u64 value)
{
	vm_put(vm, addr, &value, sizeof(value));
}

int vm_irqfd(const struct vm *vm, int fd, u32 gsi, u32 flags, int resamplefd)
{
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = resamplefd,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd);
}

void vm_set_msi_routes(struct vm *vm, int count, u8 vector)
{
	struct kvm_irq_routing *routing;
	int i;

	routing = calloc(1, sizeof(*routing) +
			    count * sizeof(routing->entries[0]));
	if (!routing)
		die_errno("cannot allocate %d routes", count);
	routing->nr = count;
	for (i = 0; i < count; i++) {
		routing->entries[i].gsi = i;
		routing->entries[i].type = KVM_IRQ_ROUTING_MSI;
		routing->entries[i].u.msi.address_lo = 0xfee00000;
		routing->entries[i].u.msi.data = vector;
	}
	if (ioctl(vm->fd, KVM_SET_GSI_ROUTING, routing))
		die_errno("cannot set %d routes", count);
	free(routing);
}

static size_t run_size(void)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < 0)
		die_errno("cannot tell the size of kvm_run");
	return size;
}

void vm_add_vcpu(const struct vm *vm, struct vm *other, int id)
{
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };

	*other = *vm;
	other->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (other->vcpu < 0)
		die_errno("cannot create a vCPU");
	other->run = mmap(NULL, run_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
			  other->vcpu, 0);
	if (other->run == MAP_FAILED)
		die_errno("cannot map kvm_run");
	if (ioctl(other->vcpu, KVM_GET_SREGS, &other->reset))
		die_errno("cannot read the segments");
	/* It does not wait for the first one to start it. */
	if (ioctl(other->vcpu, KVM_SET_MP_STATE, &state))
		die_errno("cannot make a vCPU runnable");
}

void vm_create_vcpu(struct vm *vm)
{
	vm_add_vcpu(vm, vm, 0);
}

void vm_end_vcpu(struct vm *other)
{
	if (other->run)
		munmap(other->run, run_size());
	if (other->vcpu >= 0)
		close(other->vcpu);
}

void vm_set_cpuid(struct vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid = { .head.nent = 256 };

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) ||
	    ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid))
		die_errno("cannot set what CPUID tells");
}

void vm_switch_apic_on(struct vm *vm)
{
	struct kvm_lapic_state lapic;

	/* Bit 8 of 0xf0 */
	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &lapic))
		die_errno("cannot read the APIC");
	lapic.regs[0xf0] = 0xff;
	lapic.regs[0xf1] = 0x01;
	if (ioctl(vm->vcpu, KVM_SET_LAPIC, &lapic))
		die_errno("cannot set the APIC");
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

void vm_set_msr(struct vm *vm, u32 index, u64 value)
{
	struct one_msr msr = { .head.nmsrs = 1, .entry = { index, 0, value } };

	if (ioctl(vm->vcpu, KVM_SET_MSRS, &msr) != 1)
		die("cannot set MSR %#x", index);
}

u64 vm_get_msr(struct vm *vm, u32 index)
{
	struct one_msr msr = { .head.nmsrs = 1, .entry = { index, 0, 0 } };

	if (ioctl(vm->vcpu, KVM_GET_MSRS, &msr) != 1)
		die("cannot get MSR %#x", index);
	return msr.entry.data;
}

void vm_set_regs(struct vm *vm, const struct kvm_regs *regs)
{
	if (ioctl(vm->vcpu, KVM_SET_REGS, regs))
		die_errno("cannot set the registers");
}

static struct kvm_segment segment(enum mode mode, u64 base, bool code)
{
	return (struct kvm_segment) {
		.base = base,
		.limit = mode == REAL ? 0xffff : 0xffffffff,
		.selector = mode == REAL ? base >> 4 :
			    code ? GUEST_CODE_SELECTOR : GUEST_DATA_SELECTOR,
		.type = code ? 11 : 3,
		.present = 1,
		.db = modes[mode].bits == 32,
		.s = 1,
		.l = code && modes[mode].bits == 64,
		.g = mode != REAL,
	};
}

void vm_set_mode(struct vm *vm, enum mode mode, const u64 *base)
{
	static const u64 flat[6];
	struct kvm_sregs sregs = vm->reset;

	base = base ?: flat;
	sregs.es = segment(mode, base[0], false);
	sregs.cs = segment(mode, base[1], true);
	sregs.ss = segment(mode, base[2], false);
	sregs.ds = segment(mode, base[3], false);
	sregs.fs = segment(mode, base[4], false);
	sregs.gs = segment(mode, base[5], false);
	if (mode != REAL) {
		/* Base 0, limit 4 GiB: 32-bit code, data, 64-bit code */
		vm_put64(vm, GUEST_GDT + GUEST_CODE_SELECTOR, 0x00cf9b000000ffff);
		vm_put64(vm, GUEST_GDT + GUEST_DATA_SELECTOR, 0x00cf93000000ffff);
		vm_put64(vm, GUEST_GDT + GUEST_CODE64_SELECTOR, 0x00af9b000000ffff);
	}
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = GUEST_CODE64_SELECTOR + 7;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = 0xfff;
	sregs.tr.base = GUEST_TSS;
	sregs.tr.limit = 0x67;
	sregs.tr.type = 11;
	sregs.tr.present = 1;
	/* The reset value has caching off. */
	sregs.cr0 = CR0_ET;
	if (mode != REAL)
		sregs.cr0 |= CR0_PE;
	if (modes[mode].levels) {
		sregs.cr0 |= CR0_PG | CR0_WP;
		sregs.cr3 = vm->tables;
		sregs.cr4 |= modes[mode].levels == 2 ? CR4_PSE : CR4_PAE;
	}
	if (modes[mode].levels == 5)
		sregs.cr4 |= CR4_LA57;
	if (modes[mode].lma)
		sregs.efer = EFER_LONG;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs))
		die_errno("cannot put a vCPU into the mode %s", modes[mode].name);
}

void vm_set_gate(struct vm *vm, enum mode mode, u8 vector, u32 handler)
{
	u16 gate[8] = { handler, GUEST_CODE_SELECTOR, 0x8e00, handler >> 16 };

	if (mode == REAL) {
		/* Offset and segment */
		gate[1] = 0;
		vm_put(vm, GUEST_IDT + 4 * vector, gate, 4);
	} else if (modes[mode].lma) {
		gate[1] = GUEST_CODE64_SELECTOR;
		gate[2] |= 1;
		vm_put(vm, GUEST_IDT + 16 * vector, gate, 16);
	} else {
		vm_put(vm, GUEST_IDT + 8 * vector, gate, 8);
	}
}

void vm_clear_tables(struct vm *vm, u32 addr)
{
	memset(vm->memory + addr, 0, 0x1000);
	vm->tables = addr;
	vm->tables_end = addr + 0x1000;
}

void vm_map(struct vm *vm, enum mode mode, u64 addr, u64 entry, bool large)
{
	unsigned int levels = modes[mode].levels, level = levels;
	unsigned int width = levels == 2 ? 10 : 9, size = levels == 2 ? 4 : 8;
	u64 table = vm->tables, next;
	u32 at;

	while (level--) {
		at = table + size * (addr >> (12 + width * level) & ((1 << width) - 1));
		if (level == large) {
			vm_put(vm, at, &entry, size);
			break;
		}
		next = 0;
		memcpy(&next, vm->memory + at, size);
		if (!next) {
			/* The four uppermost entries of PAE have fewer bits. */
			next = vm->tables_end | (levels == 3 && level == 2 ?
						 PTE_PRESENT : PTE_TABLE);
			memset(vm->memory + vm->tables_end, 0, 0x1000);
			vm->tables_end += 0x1000;
			vm_put(vm, at, &next, size);
		}
		table = next & ~0xfffull;
	}
}

u32 vm_run(struct vm *vm)
{
	while (ioctl(vm->vcpu, KVM_RUN, 0)) {
		if (errno == EINTR)
			return KVM_EXIT_INTR;
		if (errno != EAGAIN)
			die_errno("cannot run the vCPU");
	}
	return vm->run->exit_reason;
}

const char *vm_exit_text(const struct vm *vm)
{
	const struct kvm_run *run = vm->run;
	static char text[80];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		snprintf(text, sizeof(text), "an exit for port %#x, %d bytes",
			 run->io.port, run->io.size);
		break;
	case KVM_EXIT_MMIO:
		snprintf(text, sizeof(text), "an exit for MMIO %#llx, %u bytes",
			 run->mmio.phys_addr, run->mmio.len);
		break;
	default:
		snprintf(text, sizeof(text), "exit reason %u",
			 run->exit_reason);
	}
	return text;
}
