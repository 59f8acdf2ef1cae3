// SPDX-License-Identifier: GPL-2.0-only
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
#include "vm.h"

#define KVM_DEVICE	"/dev/kvm"
#define PAGE_BYTES	4096

static int kvm = -1;

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("doorbell: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void die_errno(const char *format, ...)
{
	int error = errno;
	va_list args;

	fflush(stdout);
	fputs("doorbell: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
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

static void put_descriptor(struct vm *vm, int selector, u64 descriptor)
{
	memcpy(vm->memory + GUEST_GDT + selector, &descriptor,
	       sizeof(descriptor));
}

static void put_gate(struct vm *vm, int vector, const char *label)
{
	u32 handler = GUEST_CODE + (label - guest_begin);
	u16 gate[4] = {
		handler & 0xffff, GUEST_CODE_SELECTOR,
		0x8e00,			/* present, 32-bit interrupt gate */
		handler >> 16,
	};

	memcpy(vm->memory + GUEST_IDT + 8 * vector, gate, sizeof(gate));
}

static void put_code(struct vm *vm)
{
	memcpy(vm->memory + GUEST_CODE, guest_begin, guest_end - guest_begin);
	put_gate(vm, GUEST_IRQ_VECTOR, guest_irq);
	put_gate(vm, GUEST_IPI_VECTOR, guest_ipi);
	/* Base 0, limit 4 GiB, 32-bit: code to execute and read, data. */
	put_descriptor(vm, GUEST_CODE_SELECTOR, 0x00cf9b000000ffffULL);
	put_descriptor(vm, GUEST_DATA_SELECTOR, 0x00cf93000000ffffULL);
}

static void create(struct vm *vm, bool pmu)
{
	struct kvm_enable_cap no_pmu = {
		.cap = KVM_CAP_PMU_CAPABILITY,
		.args[0] = KVM_PMU_CAP_DISABLE,
	};
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_MEMORY,
	};

	vm->vcpu = -1;
	vm->run = NULL;
	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die_errno("cannot create a VM");
	if (!pmu && kvm_capability(KVM_CAP_PMU_CAPABILITY) &&
	    ioctl(vm->fd, KVM_ENABLE_CAP, &no_pmu))
		die_errno("cannot take a VM's PMU away");

	/* Older VMX wants three pages for itself; elsewhere it is refused. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL);

	vm->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (vm->memory == MAP_FAILED)
		die_errno("cannot map the guest's memory");
	put_code(vm);

	region.userspace_addr = (uintptr_t)vm->memory;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die_errno("cannot give the guest its memory");
}

void vm_create(struct vm *vm)
{
	create(vm, false);
}

void vm_create_with_pmu(struct vm *vm)
{
	create(vm, true);
}

void vm_create_irqchip(struct vm *vm)
{
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		die_errno("cannot create the interrupt controllers");
}

static void set_segment(struct kvm_segment *segment, int selector, int type)
{
	*segment = (struct kvm_segment) {
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

int vm_bare_vcpu(struct vm *vm, int id)
{
	return ioctl(vm->fd, KVM_CREATE_VCPU, id);
}

static void create_vcpu(struct vm *vm, int id)
{
	struct kvm_sregs sregs;
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < 0)
		die_errno("cannot tell the size of kvm_run");
	vm->vcpu = vm_bare_vcpu(vm, id);
	if (vm->vcpu < 0)
		die_errno("cannot create a vCPU");

	vm->run_size = size;
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die_errno("cannot map kvm_run");
	vm->ring_page = kvm_capability(KVM_CAP_COALESCED_MMIO);

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		die_errno("cannot read the segments");
	set_segment(&sregs.cs, GUEST_CODE_SELECTOR, 0xb);
	set_segment(&sregs.ds, GUEST_DATA_SELECTOR, 0x3);
	sregs.es = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = GUEST_DATA_SELECTOR + 7;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = 8 * (GUEST_IPI_VECTOR + 1) - 1;
	/* Protection on; the reset value has caching off. */
	sregs.cr0 = 0x11;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs))
		die_errno("cannot set the segments");
}

void vm_create_vcpu(struct vm *vm)
{
	create_vcpu(vm, 0);
}

void vm_add_vcpu(const struct vm *vm, struct vm *other)
{
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };

	*other = *vm;
	create_vcpu(other, 1);
	/* It does not wait for the first one to start it. */
	if (ioctl(other->vcpu, KVM_SET_MP_STATE, &state))
		die_errno("cannot make the second vCPU runnable");
}

void vm_end_vcpu(struct vm *other)
{
	munmap(other->run, other->run_size);
	close(other->vcpu);
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

/* One MSI for each GSI from 0 on, all with the vector the guest handles. */
void vm_set_msi_routes(struct vm *vm, int count)
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
		routing->entries[i].u.msi.data = GUEST_IRQ_VECTOR;
	}
	if (ioctl(vm->fd, KVM_SET_GSI_ROUTING, routing))
		die_errno("cannot set %d routes", count);
	free(routing);

	if (vm->vcpu >= 0)
		vm_switch_apic_on(vm);
}

void vm_destroy(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	close(vm->fd);
	munmap(vm->memory, GUEST_MEMORY);
}

void vm_doorbell(struct vm *vm, const struct kick *kick, enum match match,
		 int eventfd, bool assign)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = kick->addr,
		.len = match == ANY_LENGTH ? 0 : kick->size,
		.fd = eventfd,
	};

	if (match == DATAMATCH) {
		ioeventfd.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
		ioeventfd.datamatch = kick->data;
	}
	if (kick->pio)
		ioeventfd.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (!assign)
		ioeventfd.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	if (ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd))
		die_errno("cannot %s the doorbell at %#llx data %#llx",
			  assign ? "assign" : "deassign",
			  kick->addr, kick->data);
}

void vm_irqfd(struct vm *vm, int gsi, int eventfd, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = eventfd,
		.gsi = gsi,
		.flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (ioctl(vm->fd, KVM_IRQFD, &irqfd))
		die_errno("cannot %s an irqfd for GSI %d",
			  assign ? "assign" : "deassign", gsi);
}

void vm_zone(struct vm *vm, u64 addr, u32 size)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = addr,
		.size = size,
	};

	if (ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone))
		die_errno("cannot register a coalesced zone");
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

void vm_fresh_memory(struct vm *vm, void *memory, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.guest_phys_addr = TOUCH_BASE,
		.userspace_addr = (uintptr_t)memory,
	};

	/* There is none to be deleted the first time. */
	ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	region.memory_size = size;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die_errno("cannot give the guest more memory");
}

static void start_at(struct vm *vm, const char *label, struct kvm_regs *regs)
{
	regs->rip = GUEST_CODE + (label - guest_begin);
	regs->rsp = GUEST_STACK;
	regs->rflags = 0x2;
	if (ioctl(vm->vcpu, KVM_SET_REGS, regs))
		die_errno("cannot set the registers");
}

void vm_prepare_kicks(struct vm *vm, const struct kick *kick,
		      unsigned int count)
{
	struct kvm_regs regs = {
		.rax = kick->data & 0xffffffff,
		.rbx = kick->addr,
		.rcx = count,
		.rdx = kick->addr,
	};
	const char *label;

	switch (kick->size) {
	case 1:
		label = kick->pio ? guest_pio1 : guest_mmio1;
		break;
	case 2:
		label = kick->pio ? guest_pio2 : guest_mmio2;
		break;
	case 4:
		label = kick->pio ? guest_pio4 : guest_mmio4;
		break;
	default:
		label = guest_mmio8;
		memcpy(vm->memory + GUEST_DATA, &kick->data, 8);
	}
	start_at(vm, label, &regs);
}

void vm_prepare_touch(struct vm *vm, unsigned int count)
{
	struct kvm_regs regs = { .rbx = TOUCH_BASE - 4096, .rcx = count };

	start_at(vm, guest_touch, &regs);
}

void vm_prepare_exits(struct vm *vm, enum handled what, unsigned int count)
{
	struct kvm_regs regs = { .rsi = count };

	start_at(vm, what == EXIT_CPUID ? guest_cpuid : guest_msr, &regs);
}

void vm_prepare_ipis(struct vm *first, struct vm *second, unsigned int count)
{
	struct kvm_regs regs = { .rbx = 1 << 24 };
	u32 left = count;

	memcpy(first->memory + GUEST_DATA, &left, sizeof(left));
	start_at(first, guest_ipi_first, &regs);
	regs.rbx = 0;
	start_at(second, guest_ipi_second, &regs);
	/* A stack of its own */
	regs.rsp = GUEST_STACK - 0x800;
	if (ioctl(second->vcpu, KVM_SET_REGS, &regs))
		die_errno("cannot set the registers");
}

void vm_prepare_idle(struct vm *vm, const struct kick *kick)
{
	struct kvm_regs regs = {
		.rax = kick->data,
		.rdx = kick->addr,
	};

	memset(vm->memory + GUEST_DATA, 0, 4);
	start_at(vm, guest_idle, &regs);
}

void vm_stop_idle(struct vm *vm)
{
	__atomic_store_n((u32 *)(vm->memory + GUEST_DATA), 1,
			 __ATOMIC_SEQ_CST);
}

bool vm_run(struct vm *vm)
{
	const struct kvm_run *run = vm->run;

	while (ioctl(vm->vcpu, KVM_RUN, 0)) {
		if (errno != EINTR && errno != EAGAIN)
			die_errno("cannot run the vCPU");
	}

	return run->exit_reason == KVM_EXIT_IO &&
	       run->io.port == GUEST_DONE_PORT;
}

bool vm_exit_is(const struct vm *vm, const struct kick *kick)
{
	const struct kvm_run *run = vm->run;
	const void *data;

	if (kick->pio) {
		if (run->exit_reason != KVM_EXIT_IO ||
		    run->io.direction != KVM_EXIT_IO_OUT ||
		    run->io.port != kick->addr || run->io.size != kick->size)
			return false;
		data = (const char *)run + run->io.data_offset;
	} else {
		if (run->exit_reason != KVM_EXIT_MMIO || !run->mmio.is_write ||
		    run->mmio.phys_addr != kick->addr ||
		    run->mmio.len != kick->size)
			return false;
		data = run->mmio.data;
	}

	return !memcmp(data, &kick->data, kick->size);
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
