// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on x86: what AMD and Intel share. ioeventfd_fastpath.h has an overview,
 * svm/ioeventfd.c and vmx/ioeventfd.c have what is specific to each.
 */
#include "ioeventfd_fastpath.h"

#include <linux/moduleparam.h>
#include <linux/uaccess.h>
#include <trace/events/kvm.h>

#include "mmu.h"

bool __read_mostly kvm_ioeventfd_fastpath = true;
module_param_named(ioeventfd_fastpath, kvm_ioeventfd_fastpath, bool, 0644);
MODULE_PARM_DESC(ioeventfd_fastpath,
		 "Finish kicks in the exit fastpath (default on)");
EXPORT_SYMBOL_GPL(kvm_ioeventfd_fastpath);

bool __read_mostly kvm_ioeventfd_mmio = true;
module_param_named(ioeventfd_mmio, kvm_ioeventfd_mmio, bool, 0644);
MODULE_PARM_DESC(ioeventfd_mmio,
		 "Finish kicks by MMIO without the instruction emulator (default on)");
EXPORT_SYMBOL_GPL(kvm_ioeventfd_mmio);

/* The vendor modules trace the kicks that they finish. */
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_ioeventfd_ring);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_pio);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_mmio);

/**
 * kvm_ioeventfd_count - count an instruction for the guest
 * @vcpu: the vCPU that has executed it
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
 * kvm_ioeventfd_no_memslot - look up whether no memslot has an address
 * @vcpu: the vCPU, not in system management mode
 * @gpa: the guest physical address
 *
 * Caches the result for kvm_ioeventfd_is_mmio() and the emulator if there is no
 * memslot. A change of the memslots waits for kvm->srcu. If one comes after this
 * lookup, it is still in progress when the result is cached, and then
 * vcpu_cache_mmio_info() caches nothing.
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 * Return: true if there is no memslot.
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

/* The address in a page table entry, down to bit @shift. */
static __always_inline u64 entry_address(u64 entry, unsigned int shift)
{
	return entry & GENMASK_ULL(51, shift);
}

/*
 * The userspace address of @gpa; NULL if no memslot has it. @slot is the memslot of
 * the last call, or NULL: page tables and code are mostly in the same one. The caller
 * holds kvm->srcu over all calls, which keeps the memslots alive.
 */
static __always_inline const void __user *guest_memory(struct kvm_vcpu *vcpu,
						       gpa_t gpa,
						       struct kvm_memory_slot **slot)
{
	struct kvm_memory_slot *s = *slot;
	gfn_t gfn = gpa_to_gfn(gpa);

	if (!s || gfn - s->base_gfn >= s->npages) {
		s = kvm_vcpu_gfn_to_memslot(vcpu, gfn);
		if (!kvm_is_visible_memslot(s))
			return NULL;
		*slot = s;
	}
	return (const void __user *)
		(__gfn_to_hva_memslot(s, gfn) + offset_in_page(gpa));
}

/* Called with page faults disabled. */
static __always_inline bool read_entry(struct kvm_vcpu *vcpu, gpa_t table,
				       unsigned int index, u64 *entry,
				       struct kvm_memory_slot **slot)
{
	const u64 __user *p = guest_memory(vcpu, table, slot);

	return p && !__get_user(*entry, p + index) && (*entry & PT_PRESENT_MASK);
}

/* Paging with 32-bit entries. Called with page faults disabled. */
static noinline gpa_t walk32(struct kvm_vcpu *vcpu, u64 cr3, u32 linear)
{
	struct kvm_memory_slot *slot = NULL;
	const u32 __user *p;
	u32 entry;

	p = guest_memory(vcpu, cr3 & GENMASK(31, 12), &slot);
	if (!p || __get_user(entry, p + (linear >> 22)) ||
	    !(entry & PT_PRESENT_MASK))
		return INVALID_GPA;

	/* An entry of a 4 MiB page has bits 32 to 39 of the address in bits 13 to 20. */
	if ((entry & PT_PAGE_SIZE_MASK) && kvm_is_cr4_bit_set(vcpu, X86_CR4_PSE))
		return (entry & GENMASK(31, 22)) |
		       (u64)(entry & GENMASK(20, 13)) << 19 |
		       (linear & GENMASK(21, 0));

	p = guest_memory(vcpu, entry & GENMASK(31, 12), &slot);
	if (!p || __get_user(entry, p + (linear >> 12 & 1023)) ||
	    !(entry & PT_PRESENT_MASK))
		return INVALID_GPA;
	return (entry & GENMASK(31, 12)) | (linear & ~PAGE_MASK);
}

/* Translate an address by the guest's page tables. Called with page faults disabled. */
static __always_inline gpa_t walk(struct kvm_vcpu *vcpu, u64 cr3, u64 linear,
				  struct kvm_memory_slot **slot)
{
	bool lma = is_long_mode(vcpu);
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
		return walk32(vcpu, cr3, linear);
	}

	for (;; level--) {
		shift = PAGE_SHIFT + 9 * (level - 1);
		if (!read_entry(vcpu, table, linear >> shift & 511, &entry, slot))
			return INVALID_GPA;
		if (level == 1)
			break;
		if (entry & PT_PAGE_SIZE_MASK) {
			if (level == 2 || (level == 3 && lma))
				break;
			return INVALID_GPA;
		}
		table = entry_address(entry, PAGE_SHIFT);
	}
	return entry_address(entry, shift) | (linear & (BIT_ULL(shift) - 1));
}

/* Read an instruction, and decode it. Called with page faults disabled. */
static __always_inline bool read_insn(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int bits,
				      struct kvm_ioeventfd_memo *memo,
				      struct kvm_memory_slot **slot)
{
	unsigned int offset = offset_in_page(gpa), skip = 0;
	const u64 __user *p;
	u64 low, high;

	static_assert(KVM_IOEVENTFD_FETCH == 16);
	if (unlikely(offset > PAGE_SIZE - KVM_IOEVENTFD_FETCH))
		skip = offset - (PAGE_SIZE - KVM_IOEVENTFD_FETCH);

	p = guest_memory(vcpu, gpa - skip, slot);
	if (!p || !user_read_access_begin(p, KVM_IOEVENTFD_FETCH))
		return false;
	unsafe_get_user(low, p, fault);
	unsafe_get_user(high, p + 1, fault);
	user_read_access_end();
	return kvm_ioeventfd_memo_decode(memo, low, high, skip, bits);

fault:
	user_read_access_end();
	return false;
}

/**
 * kvm_ioeventfd_read - read and decode a plain store from memory
 * @vcpu: the vCPU that left the guest by it, not in system management mode
 * @cr3: its CR3, which is not used without paging
 * @linear: linear address of the instruction
 * @bits: size of the code: 16, 32 or 64
 * @memo: the instruction that was decoded last; replaced if this is another
 *
 * The processor has fetched the instruction: it has checked access rights and has
 * set accessed bits, so this does neither. It does not wait for page tables or code
 * that userspace does not have in memory, and does not read beyond the end of the
 * page.
 *
 * Not inline: the benchmark counts it on its own, since processors with decode
 * assists do not need it.
 *
 * Context: with or without kvm->srcu. Any, interrupts may be off.
 * Return: true if it is certain that it is a plain store, which is then in
 * @memo->insn.
 */
bool kvm_ioeventfd_read(struct kvm_vcpu *vcpu, u64 cr3, u64 linear, unsigned int bits,
			struct kvm_ioeventfd_memo *memo)
{
	int idx = srcu_read_lock(&vcpu->kvm->srcu);
	struct kvm_memory_slot *slot = NULL;
	gpa_t gpa = linear;
	bool is_store;

	pagefault_disable();
	if (is_paging(vcpu))
		gpa = walk(vcpu, cr3, linear, &slot);
	is_store = gpa != INVALID_GPA && read_insn(vcpu, gpa, bits, memo, &slot);
	pagefault_enable();
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return is_store;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_read);

/**
 * kvm_ioeventfd_finish_store - finish a decoded store that rang no ioeventfd
 * @vcpu: the vCPU that executes it
 * @store: the store
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
	int ret;

	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, store->len, store->gpa, &store->data);
	ret = kvm_io_bus_write(vcpu, KVM_MMIO_BUS, store->gpa, store->len,
			       &store->data);
	kvm_ioeventfd_step(vcpu, store->next_ip);
	if (!ret)
		return 1;

	++vcpu->stat.mmio_exits;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = store->gpa;
	memcpy(run->mmio.data, &store->data, sizeof(run->mmio.data));
	run->mmio.len = store->len;
	run->mmio.is_write = 1;
	return 0;
}
EXPORT_SYMBOL_GPL(kvm_ioeventfd_finish_store);
