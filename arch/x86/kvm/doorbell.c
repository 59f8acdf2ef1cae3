// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on x86: what is the same for all processors. doorbell.h has the
 * picture, doorbell_svm.c and doorbell_vmx.c know the processors.
 */
#include "doorbell.h"

#include <linux/moduleparam.h>
#include <linux/uaccess.h>
#include <trace/events/kvm.h>

#include "mmu.h"
#include "pmu.h"
#include "trace.h"

bool __read_mostly kvm_doorbell_fastpath = true;
module_param_named(doorbell_fastpath, kvm_doorbell_fastpath, bool, 0644);
MODULE_PARM_DESC(doorbell_fastpath,
		 "Finish kicks without leaving the inner run loop (default on; Intel: see kvm_intel.doorbell_fastpath)");
EXPORT_SYMBOL_GPL(kvm_doorbell_fastpath);

bool __read_mostly kvm_doorbell_mmio = true;
module_param_named(doorbell_mmio, kvm_doorbell_mmio, bool, 0644);
MODULE_PARM_DESC(doorbell_mmio,
		 "Finish kicks by MMIO on AMD without the instruction emulator (default on)");
EXPORT_SYMBOL_GPL(kvm_doorbell_mmio);

/*
 * Whether the guest may have told a virtual counter to count instructions.
 * Asked before kvm_pmu_trigger_event(), which needs kvm->srcu.
 */
static __always_inline bool counts_instructions(struct kvm_vcpu *vcpu)
{
	return !bitmap_empty(vcpu_to_pmu(vcpu)->all_valid_pmc_idx,
			     X86_PMC_IDX_MAX);
}

/**
 * kvm_doorbell_out - ring the doorbell of an OUT instruction
 * @vcpu: who executes it, as it left the guest
 * @reg: the doorbells of the port
 * @port: the port
 * @len: width in bytes; the value is in RAX
 * @next_ip: where the next instruction is
 *
 * Steps over the instruction if this returns true.
 *
 * Context: RCU read-side critical section, without kvm->srcu; interrupts may be
 * off, but not on PREEMPT_RT.
 * Return: true if a doorbell was rung.
 */
bool kvm_doorbell_out(struct kvm_vcpu *vcpu, struct kvm_io_register *reg,
		      unsigned int port, unsigned int len, unsigned long next_ip)
{
	const void *val = &vcpu->arch.regs[VCPU_REGS_RAX];

	if (!kvm_io_bus_ring_register(reg, KVM_PIO_BUS, port, len, val))
		return false;

	++vcpu->stat.io_exits;
	trace_kvm_pio(KVM_PIO_OUT, port, len, 1, val);
	kvm_rip_write(vcpu, next_ip);
	if (unlikely(counts_instructions(vcpu))) {
		kvm_vcpu_srcu_read_lock(vcpu);
		kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
		kvm_vcpu_srcu_read_unlock(vcpu);
	}
	return true;
}
EXPORT_SYMBOL_GPL(kvm_doorbell_out);

/* Bits of an entry that are an address, down to bit @shift. */
static __always_inline u64 entry_address(u64 entry, unsigned int shift)
{
	return entry & GENMASK_ULL(51, shift);
}

/* Where @gpa is in userspace's memory; NULL if it is not in a memslot. */
static __always_inline const void __user *guest_memory(struct kvm_vcpu *vcpu,
						       gpa_t gpa)
{
	struct kvm_memory_slot *slot;

	slot = kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
	if (!kvm_is_visible_memslot(slot))
		return NULL;
	return (const void __user *)
		(__gfn_to_hva_memslot(slot, gpa_to_gfn(gpa)) +
		 offset_in_page(gpa));
}

/* Page faults are disabled. */
static __always_inline bool read_entry(struct kvm_vcpu *vcpu, gpa_t table,
				       unsigned int index, u64 *entry)
{
	const u64 __user *p = guest_memory(vcpu, table);

	return p && !__get_user(*entry, p + index) && (*entry & PT_PRESENT_MASK);
}

/* Paging with entries of 32 bits. Page faults are disabled. */
static bool walk32(struct kvm_vcpu *vcpu, u64 cr3, u32 linear, gpa_t *gpa)
{
	const u32 __user *p;
	u32 entry;

	p = guest_memory(vcpu, cr3 & GENMASK(31, 12));
	if (!p || __get_user(entry, p + (linear >> 22)) ||
	    !(entry & PT_PRESENT_MASK))
		return false;

	/* A page of 4 MiB has more address bits where others have none. */
	if ((entry & PT_PAGE_SIZE_MASK) && kvm_is_cr4_bit_set(vcpu, X86_CR4_PSE)) {
		*gpa = (entry & GENMASK(31, 22)) |
		       (u64)(entry & GENMASK(20, 13)) << 19 |
		       (linear & GENMASK(21, 0));
		return true;
	}

	p = guest_memory(vcpu, entry & GENMASK(31, 12));
	if (!p || __get_user(entry, p + (linear >> 12 & 1023)) ||
	    !(entry & PT_PRESENT_MASK))
		return false;
	*gpa = (entry & GENMASK(31, 12)) | (linear & ~PAGE_MASK);
	return true;
}

/*
 * Where in guest physical memory the processor has fetched an instruction from.
 * Rights are not checked, since it has done so, and no accessed bit is set,
 * since it has done that, too. Page faults are disabled.
 */
static noinline bool walk(struct kvm_vcpu *vcpu, u64 cr3, u64 efer, u64 linear,
			  gpa_t *gpa)
{
	bool lma = efer & EFER_LMA;
	unsigned int level, shift;
	gpa_t table;
	u64 entry;

	if (lma) {
		level = kvm_is_cr4_bit_set(vcpu, X86_CR4_LA57) ? 5 : 4;
		table = entry_address(cr3, PAGE_SHIFT);
	} else if (kvm_is_cr4_bit_set(vcpu, X86_CR4_PAE)) {
		level = 3;
		table = cr3 & GENMASK(31, 5);
	} else {
		return walk32(vcpu, cr3, linear, gpa);
	}

	for (;; level--) {
		shift = PAGE_SHIFT + 9 * (level - 1);
		if (!read_entry(vcpu, table, linear >> shift & 511, &entry))
			return false;
		if (level == 1)
			break;
		if (entry & PT_PAGE_SIZE_MASK) {
			if (level == 2 || (level == 3 && lma))
				break;
			return false;
		}
		table = entry_address(entry, PAGE_SHIFT);
	}
	*gpa = entry_address(entry, shift) | (linear & (BIT_ULL(shift) - 1));
	return true;
}

/* Reads one that lies in one page. Page faults are disabled. */
static __always_inline bool read_code(const u64 __user *p, u64 *code)
{
	if (!p || !user_read_access_begin(p, KVM_DOORBELL_FETCH))
		return false;
	unsafe_get_user(code[0], p, fault);
	unsafe_get_user(code[1], p + 1, fault);
	user_read_access_end();
	return true;
fault:
	user_read_access_end();
	return false;
}

/**
 * kvm_doorbell_fetch - read the instruction with which a vCPU left the guest
 * @vcpu: the vCPU, not in system management mode
 * @cr0: its CR0
 * @cr3: its CR3
 * @efer: its EFER
 * @linear: linear address of the instruction
 * @code: room for KVM_DOORBELL_FETCH bytes, aligned to 8
 *
 * Reads with page faults disabled: what userspace does not have in memory
 * right now is not waited for.
 *
 * Context: kvm->srcu held for reading. Any, interrupts may be off.
 * Return: how many bytes there are, at the end of @code: all, or fewer if
 * they end with the page; 0 if they cannot be read.
 */
unsigned int kvm_doorbell_fetch(struct kvm_vcpu *vcpu, unsigned long cr0,
				u64 cr3, u64 efer, u64 linear, u8 *code)
{
	unsigned int offset = offset_in_page(linear);
	unsigned int skip = 0;
	bool ok = false;
	gpa_t gpa = linear;

	if (unlikely(offset > PAGE_SIZE - KVM_DOORBELL_FETCH))
		skip = offset - (PAGE_SIZE - KVM_DOORBELL_FETCH);

	pagefault_disable();
	if (!(cr0 & X86_CR0_PG) || walk(vcpu, cr3, efer, linear, &gpa))
		ok = read_code(guest_memory(vcpu, gpa - skip), (u64 *)code);
	pagefault_enable();
	return ok ? KVM_DOORBELL_FETCH - skip : 0;
}
EXPORT_SYMBOL_GPL(kvm_doorbell_fetch);

/**
 * kvm_doorbell_is_mmio - whether an address is not memory
 * @vcpu: who stores, not in system management mode
 * @gpa: the guest physical address, which the page tables of the processor
 *	have for emulated MMIO
 *
 * Those page tables may be older than the memslots.
 *
 * Context: kvm->srcu held for reading. Any, interrupts may be off.
 * Return: true if so.
 */
bool kvm_doorbell_is_mmio(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return vcpu_match_mmio_gpa(vcpu, gpa) ||
	       !kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
}
EXPORT_SYMBOL_GPL(kvm_doorbell_is_mmio);

/**
 * kvm_doorbell_store - ring the doorbell of a store
 * @vcpu: who executes it, as it left the guest
 * @reg: the doorbells of @gpa
 * @gpa: where to
 * @len: width in bytes
 * @val: the value, in the lowest @len bytes
 * @next_ip: where the next instruction is
 *
 * Steps over the instruction if this returns true.
 *
 * Context: RCU read-side critical section; kvm->srcu held for reading;
 * interrupts may be off, but not on PREEMPT_RT.
 * Return: true if a doorbell was rung.
 */
bool kvm_doorbell_store(struct kvm_vcpu *vcpu, struct kvm_io_register *reg,
			gpa_t gpa, unsigned int len, u64 val,
			unsigned long next_ip)
{
	if (!kvm_io_bus_ring_register(reg, KVM_MMIO_BUS, gpa, len, &val))
		return false;

	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, len, gpa, &val);
	kvm_rip_write(vcpu, next_ip);
	if (unlikely(counts_instructions(vcpu)))
		kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
	return true;
}
EXPORT_SYMBOL_GPL(kvm_doorbell_store);
