/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two targets for interrupts. A "quiet" VM has one vCPU that never runs. Its
 * interrupts stay in the IRR of the local APIC, where the test sees their
 * vectors. A guest that runs counts each interrupt in a handler.
 */
#ifndef SELFTEST_KVM_IRQFD_UTIL_H
#define SELFTEST_KVM_IRQFD_UTIL_H

#include "apic.h"
#include "eventfd_util.h"

#define MSI_GSI		24	/* the first one without a pin */
#define VEC_A		0x40
#define VEC_B		0x51

struct quiet_vm {
	struct kvm_vm *vm;
	int vcpu;
};

/* Room for @nr entries. */
static inline struct kvm_irq_routing *new_routing(int nr)
{
	struct kvm_irq_routing *r;

	r = calloc(1, sizeof(*r) + nr * sizeof(r->entries[0]));
	TEST_ASSERT(r, "out of memory");
	return r;
}

static inline void add_msi(struct kvm_irq_routing *r, uint32_t gsi, uint8_t vector)
{
	r->entries[r->nr++] = (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = APIC_DEFAULT_GPA, .data = vector },
	};
}

static inline void add_pin(struct kvm_irq_routing *r, uint32_t gsi, uint32_t pin)
{
	r->entries[r->nr++] = (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin },
	};
}

static inline int set_routing(struct kvm_vm *vm, struct kvm_irq_routing *r)
{
	return __vm_ioctl(vm, KVM_SET_GSI_ROUTING, r) ? -errno : 0;
}

/* Routes @gsi to an MSI of @vector, and has no other route. */
static inline void route_msi(struct kvm_vm *vm, uint32_t gsi, uint8_t vector)
{
	struct kvm_irq_routing *r = new_routing(1);
	int ret;

	add_msi(r, gsi, vector);
	ret = set_routing(vm, r);
	TEST_ASSERT(!ret, "routing of gsi %u: %d", gsi, ret);
	free(r);
}

static inline void route_nothing(struct kvm_vm *vm)
{
	struct kvm_irq_routing r = { };

	TEST_ASSERT(!set_routing(vm, &r), "empty routing: errno %d", errno);
}

static inline void quiet_get(struct quiet_vm *q, struct kvm_lapic_state *apic)
{
	TEST_ASSERT(!ioctl(q->vcpu, KVM_GET_LAPIC, apic), "errno %d", errno);
}

static inline void quiet_set(struct quiet_vm *q, struct kvm_lapic_state *apic)
{
	TEST_ASSERT(!ioctl(q->vcpu, KVM_SET_LAPIC, apic), "errno %d", errno);
}

static inline struct quiet_vm quiet_vm_create(bool split)
{
	struct quiet_vm q = { .vm = vm_create_barebones() };
	struct kvm_lapic_state apic;

	if (split)
		vm_enable_cap(q.vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	else
		vm_create_irqchip(q.vm);
	q.vcpu = ioctl(q.vm->fd, KVM_CREATE_VCPU, 0);
	TEST_ASSERT(q.vcpu >= 0, "KVM_CREATE_VCPU: errno %d", errno);
	quiet_get(&q, &apic);
	*(uint32_t *)(apic.regs + APIC_SPIV) = 0xff | APIC_SPIV_APIC_ENABLED;
	quiet_set(&q, &apic);
	return q;
}

static inline void quiet_vm_free(struct quiet_vm *q)
{
	close(q->vcpu);
	kvm_vm_free(q->vm);
}

static inline uint32_t *irr_word(struct kvm_lapic_state *apic, uint8_t vector)
{
	return (uint32_t *)(apic->regs + APIC_IRR + vector / 32 * 16);
}

/* Returns true if @vector is pending, and leaves it pending. */
static inline bool quiet_has(struct quiet_vm *q, uint8_t vector)
{
	struct kvm_lapic_state apic;

	quiet_get(q, &apic);
	return *irr_word(&apic, vector) & 1u << vector % 32;
}

/* The same, and clears it. */
static inline bool quiet_take(struct quiet_vm *q, uint8_t vector)
{
	struct kvm_lapic_state apic;
	bool has;

	quiet_get(q, &apic);
	has = *irr_word(&apic, vector) & 1u << vector % 32;
	*irr_word(&apic, vector) &= ~(1u << vector % 32);
	if (has)
		quiet_set(q, &apic);
	return has;
}

/* Waits for an interrupt, which may come by a work item. */
static inline bool quiet_wait(struct quiet_vm *q, uint8_t vector)
{
	uint64_t end = now_ns() + SURELY_NS;

	while (!quiet_take(q, vector)) {
		if (now_ns() > end)
			return false;
		usleep(200);
	}
	return true;
}

/* Waits long enough for an unexpected work item. */
static inline bool quiet_never(struct quiet_vm *q, uint8_t vector)
{
	usleep(20000);
	return !quiet_has(q, vector);
}

/* A guest with handlers that count; see count_loop(). */
static uint32_t irq_count[256];

static inline void count_irq(struct ex_regs *regs)
{
	WRITE_ONCE(irq_count[regs->vector], irq_count[regs->vector] + 1);
	x2apic_write_reg(APIC_EOI, 0);
}

/* Takes pending interrupts, then tells the test. */
static inline void count_loop(void)
{
	x2apic_enable();
	for (;;) {
		asm volatile("sti; nop; nop; cli" ::: "memory");
		GUEST_SYNC(0);
	}
}

static inline uint32_t irqs(struct kvm_vm *vm, uint8_t vector)
{
	uint32_t *count = addr_gva2hva(vm, (vm_vaddr_t)irq_count);

	return READ_ONCE(count[vector]);
}

#endif /* SELFTEST_KVM_IRQFD_UTIL_H */
