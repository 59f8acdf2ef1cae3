// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "jobs.h"

static u32 address(const char *label)
{
	return GUEST_CODE + (label - guest_begin);
}

void job_vm(struct vm *vm, bool pmu)
{
	vm_create(vm, GUEST_MEMORY, pmu);
	vm_put(vm, GUEST_CODE, guest_begin, guest_end - guest_begin);
	vm_set_gate(vm, PROT32, GUEST_IRQ_VECTOR, address(guest_irq));
	vm_set_gate(vm, PROT32, GUEST_IPI_VECTOR, address(guest_ipi));
}

void job_vcpu(struct vm *vm)
{
	vm_create_vcpu(vm);
	vm_set_mode(vm, PROT32, NULL);
}

void job_guest(struct vm *vm)
{
	job_vm(vm, false);
	job_vcpu(vm);
}

void vm_doorbell(struct vm *vm, const struct kick *kick, enum match match,
		 int eventfd, bool assign)
{
	u32 flags = match == DATAMATCH ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0;

	if (kick->pio)
		flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (!assign)
		flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	if (vm_ioeventfd(vm, kick->addr, match == ANY_LENGTH ? 0 : kick->size,
			 kick->data, eventfd, flags))
		die_errno("cannot %s the doorbell at %#llx data %#llx",
			  assign ? "assign" : "deassign",
			  kick->addr, kick->data);
}

void job_start(struct vm *vm, const char *label, struct kvm_regs regs)
{
	regs.rip = address(label);
	if (!regs.rsp)
		regs.rsp = GUEST_STACK;
	regs.rflags = 0x2;
	vm_set_regs(vm, &regs);
}

void job_start_kicks(struct vm *vm, const struct kick *kick, unsigned int count)
{
	const char *label = guest_mmio8;

	if (kick->size == 1)
		label = kick->pio ? guest_pio1 : guest_mmio1;
	else if (kick->size == 2)
		label = kick->pio ? guest_pio2 : guest_mmio2;
	else if (kick->size == 4)
		label = kick->pio ? guest_pio4 : guest_mmio4;
	else
		vm_put64(vm, GUEST_DATA, kick->data);
	job_start(vm, label, (struct kvm_regs) {
		.rax = kick->data & 0xffffffff,
		.rbx = kick->addr,
		.rdx = kick->addr,
		.rsi = count,
	});
}

bool job_run(struct vm *vm)
{
	u32 reason;

	do
		reason = vm_run(vm);
	while (reason == KVM_EXIT_INTR);
	return reason == KVM_EXIT_IO && vm->run->io.port == GUEST_DONE_PORT;
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
