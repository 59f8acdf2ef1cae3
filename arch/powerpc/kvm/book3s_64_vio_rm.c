// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables of PAPR guests: the hcalls in real mode.
 *
 * Hcalls of hash guests of HV KVM on POWER7 and POWER8 come here straight from the
 * guest. The MMU is off, interrupts are hard-disabled, and the registers hold the
 * rest of the guest's state. This file is linked into vmlinux, because module text
 * is in vmalloc space.
 *
 * The rules of book3s_64_vio.h hold here, with one exception: this file takes
 * kvm->mmu_lock in its raw form, as other handlers of hcall_real_table do. While
 * it is held, and no invalidation is in progress, pages of the VM's memory stay
 * where the host's page table maps them.
 *
 * A handler may return H_TOO_HARD at any point before its first store, and at no
 * point after it: virtual mode starts the hcall from the beginning.
 */

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>

#include <asm/kvm_ppc.h>
#include <asm/kvm_book3s.h>
#include <asm/paca.h>
#include <asm/page.h>
#include <asm/pte-walk.h>

#include "book3s_64_vio.h"

/* book3s_64_vio_rm.enabled=0: virtual mode handles all hcalls */
static bool __read_mostly enabled = true;
module_param(enabled, bool, 0644);
MODULE_PARM_DESC(enabled, "Handle TCE hcalls of hash guests in real mode");

/*
 * Memslots stay while kvm->srcu is held for reading. The thread that runs the core
 * holds it around the guest entry, for the VM of its own vcore. It releases it when
 * the threads of that vcore have left the guest.
 *
 * On a split core, the vcores of the other subcores may be of other VMs, for which
 * no thread holds kvm->srcu. If they are of the same VM, the thread does not wait
 * for them before it releases kvm->srcu. A vCPU cannot tell here which vcore is the
 * thread's own. So on a split core, hcalls that read memslots go to virtual mode,
 * which holds kvm->srcu itself.
 */
static bool tce_rm_memslots_held(void)
{
	return !local_paca->kvm_hstate.kvm_split_mode;
}

/* The table, if real mode can change it */
static struct kvm_tce_table *tce_rm_table(struct kvm *kvm, u64 liobn)
{
	struct kvm_tce_table *tbl;

	if (!READ_ONCE(enabled))
		return NULL;

	tbl = kvm_tce_find(kvm, liobn);

	/* Only virtual mode can change hardware tables */
	if (!tbl || kvm_tce_has_hardware(tbl))
		return NULL;

	return tbl;
}

/*
 * Copy the guest's list of @npages entries at @gpa, in host order. A list does not
 * cross a page: it is at most 4 KiB long, and aligned to 4 KiB.
 */
static bool tce_rm_copy_list(struct kvm *kvm, struct kvm_memslots *slots,
			     u64 gpa, u64 npages, u64 *to)
{
	struct kvm_memory_slot *slot;
	unsigned long hva, page_size = PAGE_SIZE;
	unsigned int shift = 0;
	bool copied = false;
	const __be64 *from;
	pte_t *ptep, pte;
	u64 i;

	slot = __gfn_to_memslot(slots, gpa >> PAGE_SHIFT);
	if (!slot || (slot->flags & KVM_MEMSLOT_INVALID))
		return false;

	hva = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT) |
	      (gpa & ~PAGE_MASK);

	arch_spin_lock(&kvm->mmu_lock.rlock.raw_lock);

	if (kvm->mmu_invalidate_in_progress)
		goto unlock;

	ptep = __find_linux_pte(kvm->mm->pgd, hva, NULL, &shift);
	if (!ptep)
		goto unlock;

	/* Only memory that is in the linear map, with the same cacheability */
	pte = READ_ONCE(*ptep);
	if (!pte_hw_valid(pte) || !pte_read(pte) || pte_special(pte) ||
	    pte_ci(pte))
		goto unlock;

	if (shift)
		page_size = 1UL << shift;
	from = __va((pte_pfn(pte) << PAGE_SHIFT) | (hva & (page_size - 1)));

	for (i = 0; i < npages; i++)
		to[i] = be64_to_cpu(READ_ONCE(from[i]));
	copied = true;

unlock:
	arch_spin_unlock(&kvm->mmu_lock.rlock.raw_lock);
	return copied;
}

long kvmppc_rm_h_put_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
			 unsigned long ioba, unsigned long tce)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index;

	if (!tce_rm_memslots_held())
		return H_TOO_HARD;

	kvm_tce_enter(vcpu);

	tbl = tce_rm_table(kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_put(tbl, kvm_memslots_raw(kvm), ioba, tce);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (tce && !kvm_tce_present(tbl, index, 1)) {
		ret = H_TOO_HARD;
		goto leave;
	}

	kvm_tce_store(tbl, index, tce);

leave:
	kvm_tce_leave(vcpu);
	return ret;
}

long kvmppc_rm_h_put_tce_indirect(struct kvm_vcpu *vcpu, unsigned long liobn,
				  unsigned long ioba, unsigned long list,
				  unsigned long npages)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_memslots *slots;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 *copy, index;

	if (!tce_rm_memslots_held())
		return H_TOO_HARD;

	/* Virtual mode allocates the room for the copy in the vCPU's first call */
	copy = vcpu->arch.tce_list;
	if (!copy)
		return H_TOO_HARD;

	kvm_tce_enter(vcpu);

	tbl = tce_rm_table(kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_indirect(tbl, ioba, list, npages);
	if (ret != H_SUCCESS)
		goto leave;

	ret = H_TOO_HARD;
	slots = kvm_memslots_raw(kvm);
	if (!tce_rm_copy_list(kvm, slots, list, npages, copy))
		goto leave;

	ret = kvm_tce_check_list(tbl, slots, copy, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (!kvm_tce_present(tbl, index, npages)) {
		ret = H_TOO_HARD;
		goto leave;
	}

	kvm_tce_store_list(tbl, index, copy, npages);

leave:
	kvm_tce_leave(vcpu);
	return ret;
}

long kvmppc_rm_h_stuff_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
			   unsigned long ioba, unsigned long tce,
			   unsigned long npages)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index;

	kvm_tce_enter(vcpu);

	tbl = tce_rm_table(vcpu->kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_stuff(tbl, ioba, tce, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (npages > KVM_TCE_STEP ||
	    (tce && !kvm_tce_present(tbl, index, npages))) {
		ret = H_TOO_HARD;
		goto leave;
	}

	kvm_tce_fill(tbl, index, tce, npages);

leave:
	kvm_tce_leave(vcpu);
	return ret;
}

long kvmppc_rm_h_get_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
			 unsigned long ioba)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;

	kvm_tce_enter(vcpu);

	/* Real mode can read a table that hardware mirrors */
	tbl = READ_ONCE(enabled) ? kvm_tce_find(vcpu->kvm, liobn) : NULL;
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_get(tbl, ioba);
	if (ret == H_SUCCESS)
		vcpu->arch.regs.gpr[4] =
			kvm_tce_load(tbl, kvm_tce_index(tbl, ioba));

leave:
	kvm_tce_leave(vcpu);
	return ret;
}
