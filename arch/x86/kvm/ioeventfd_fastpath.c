// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on x86: what is the same for all processors. ioeventfd.h has the
 * picture, ioeventfd_svm.c and ioeventfd_vmx.c know the processors.
 */
#include "ioeventfd_fastpath.h"

#include <linux/moduleparam.h>
#include <linux/uaccess.h>
#include <trace/events/kvm.h>

#include "ioeventfd_insn.h"
#include "mmu.h"

bool __read_mostly kvm_ioeventfd_fastpath = true;
module_param_named(ioeventfd_fastpath, kvm_ioeventfd_fastpath, bool, 0644);
MODULE_PARM_DESC(ioeventfd_fastpath,
		 "Finish kicks without leaving the inner run loop (default on; Intel: see kvm_intel.ioeventfd_fastpath)");
EXPORT_SYMBOL_GPL(kvm_ioeventfd_fastpath);

bool __read_mostly kvm_ioeventfd_mmio = true;
module_param_named(ioeventfd_mmio, kvm_ioeventfd_mmio, bool, 0644);
MODULE_PARM_DESC(ioeventfd_mmio,
		 "Finish kicks by MMIO on AMD without the instruction emulator (default on)");
EXPORT_SYMBOL_GPL(kvm_ioeventfd_mmio);

/* The vendors' modules trace what they finish. */
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_pio);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_mmio);

/**
 * kvm_ioeventfd_count - count an instruction for the guest
 * @vcpu: who has executed it
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 */
void kvm_ioeventfd_count(struct kvm_vcpu *vcpu)
{
	int idx = srcu_read_lock(&vcpu->kvm->srcu);

	kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_count);

/**
 * kvm_ioeventfd_no_memslot - whether there is no memslot at an address
 * @vcpu: the vCPU, not in system management mode
 * @gpa: the guest physical address
 *
 * If there is none, that is noted for kvm_ioeventfd_is_mmio() and the emulator.
 * A change of the memslots that came after the look at them is still in
 * progress here, since it waits for kvm->srcu, and then nothing is noted.
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 * Return: true if so.
 */
bool kvm_ioeventfd_no_memslot(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	int idx = srcu_read_lock(&vcpu->kvm->srcu);
	bool none = !kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));

	if (none)
		vcpu_cache_mmio_info(vcpu, 0, gpa_to_gfn(gpa), 0);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return none;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_no_memslot);

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

/* Page faults are disabled. */
static __always_inline bool walk(struct kvm_vcpu *vcpu, u64 cr3, u64 efer,
				 u64 linear, gpa_t *gpa)
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

/**
 * kvm_ioeventfd_walk - where an instruction is that a vCPU has fetched
 * @vcpu: the vCPU, not in system management mode, with paging
 * @cr3: its CR3
 * @efer: its EFER
 * @linear: linear address of the instruction
 *
 * Rights are not checked, since the processor has fetched it, and no accessed
 * bit is set, since the processor has done that, too. Page tables that
 * userspace does not have in memory right now are not waited for.
 *
 * Context: kvm->srcu held for reading. Any, interrupts may be off.
 * Return: the guest physical address, or INVALID_GPA.
 */
gpa_t kvm_ioeventfd_walk(struct kvm_vcpu *vcpu, u64 cr3, u64 efer, u64 linear)
{
	gpa_t gpa;
	bool ok;

	pagefault_disable();
	ok = walk(vcpu, cr3, efer, linear, &gpa);
	pagefault_enable();
	return ok ? gpa : INVALID_GPA;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_walk);

/**
 * kvm_ioeventfd_read - read and decode the store with which a vCPU left the
 * guest
 * @vcpu: the vCPU, not in system management mode
 * @gpa: guest physical address of the instruction
 * @mode: which kind of code: KVM_IOEVENTFD_LMA, _CS_L and _CS_D
 * @memo: what was decoded last; has the instruction afterwards
 *
 * Reads with page faults disabled: what userspace does not have in memory
 * right now is not waited for. Does not read behind the end of the page.
 *
 * Context: kvm->srcu held for reading. Any, interrupts may be off.
 * Return: true if it is certain that there is a plain store.
 */
bool kvm_ioeventfd_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int mode,
			struct kvm_ioeventfd_memo *memo)
{
	unsigned int offset = offset_in_page(gpa), skip = 0;
	const u64 __user *p;
	u64 low, high;

	static_assert(KVM_IOEVENTFD_FETCH == 16);
	if (unlikely(offset > PAGE_SIZE - KVM_IOEVENTFD_FETCH))
		skip = offset - (PAGE_SIZE - KVM_IOEVENTFD_FETCH);

	p = guest_memory(vcpu, gpa - skip);
	if (!p)
		return false;
	pagefault_disable();
	if (!user_read_access_begin(p, KVM_IOEVENTFD_FETCH))
		goto out;
	unsafe_get_user(low, p, fault);
	unsafe_get_user(high, p + 1, fault);
	user_read_access_end();
	pagefault_enable();

	if (likely(kvm_ioeventfd_memo_has(memo, low, high, mode | skip)))
		return memo->store;
	return kvm_ioeventfd_memo_renew(memo, low, high, mode | skip,
				       vcpu->arch.regs[VCPU_REGS_RIP]);

fault:
	user_read_access_end();
out:
	pagefault_enable();
	return false;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_read);

/**
 * kvm_ioeventfd_finish_store - finish a decoded store that rang no ioeventfd
 * @vcpu: the vCPU that executes it
 * @store: the store; empty afterwards
 *
 * Saves the emulator, which would decode the same instruction again.
 *
 * Context: process context, may sleep; kvm->srcu held for reading.
 * Return: as an exit handler: 1 to enter the guest again, 0 to leave for
 * userspace.
 */
int kvm_ioeventfd_finish_store(struct kvm_vcpu *vcpu,
			       struct kvm_ioeventfd_store *store)
{
	struct kvm_run *run = vcpu->run;
	unsigned int len = store->len;
	int ret;

	store->len = 0;
	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, len, store->gpa, &store->data);
	ret = kvm_io_bus_write(vcpu, KVM_MMIO_BUS, store->gpa, len, &store->data);
	kvm_ioeventfd_step(vcpu, store->next_ip);
	if (!ret)
		return 1;

	++vcpu->stat.mmio_exits;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = store->gpa;
	memcpy(run->mmio.data, &store->data, sizeof(run->mmio.data));
	run->mmio.len = len;
	run->mmio.is_write = 1;
	return 0;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_finish_store);
