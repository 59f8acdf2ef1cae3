// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables of PAPR guests: hcalls in steps.
 *
 * An hcall is done in steps in three cases: hardware mirrors the table, a page of
 * entries has to be allocated, or there are more than KVM_TCE_STEP entries. The
 * constants below bound a step. Between two steps the vCPU holds nothing. So the
 * writers of book3s_64_vio_table.c wait for one step, the scheduler can run, and
 * a fatal signal ends the hcall.
 *
 * A step relies on nothing that an earlier step has found. It looks for the table,
 * and checks the rest of the hcall against it. If userspace has replaced the table
 * by another one, the result is that of an hcall to the other table.
 */

#include <linux/gfp.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include <asm/iommu.h>
#include <asm/kvm_ppc.h>

#include "book3s_64_vio.h"

/* Hardware entries for each hardware table in a step */
#define TCE_STEP_HW	512
/* Pages of entries that a step looks for */
#define TCE_STEP_PAGES	4096

/* The result of a step that needs a page: go on, with a spare page */
#define TCE_NO_PAGE	(LONG_MAX - 1)

static void tce_run_advance(struct kvm_tce_table *tbl, struct kvm_tce_run *run,
			    u64 n)
{
	run->ioba += n << tbl->page_shift;
	run->npages -= n;
	run->paged -= min(n, run->paged);
	if (run->list)
		run->list += n;
}

/*
 * Provide the pages of all entries first, because this may fail and the stores
 * may not. An unmap in a page that does not exist needs no page.
 */
static long tce_step_pages(struct kvm_tce_table *tbl, struct kvm_tce_run *run)
{
	u64 index = kvm_tce_index(tbl, run->ioba);
	unsigned int looks = 0;

	if (!run->list && !run->tce)
		return H_SUCCESS;

	while (run->paged < run->npages) {
		u64 at = index + run->paged;
		u64 **slot = kvm_tce_page_slot(tbl, at);

		if (looks++ == TCE_STEP_PAGES)
			return KVM_TCE_MORE;
		if (!READ_ONCE(*slot)) {
			if (!run->spare)
				return TCE_NO_PAGE;
			if (!cmpxchg(slot, NULL, run->spare))
				run->spare = NULL;
		}
		run->paged += min(run->npages - run->paged,
				  TCES_PER_PAGE - at % TCES_PER_PAGE);
	}

	return H_SUCCESS;
}

static long tce_step_plain(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			   struct kvm_tce_run *run)
{
	u64 index = kvm_tce_index(tbl, run->ioba);
	u64 n = min(run->npages, KVM_TCE_STEP);
	long ret;

	if (run->list) {
		ret = kvm_tce_check_list(tbl, slots, run->list, n);
		if (ret != H_SUCCESS)
			return ret;
		kvm_tce_store_list(tbl, index, run->list, n);
	} else {
		kvm_tce_fill(tbl, index, run->tce, n);
	}
	tce_run_advance(tbl, run, n);

	return run->npages ? KVM_TCE_MORE : H_SUCCESS;
}

/*
 * Change each entry in hardware first and in the table after. An entry of a large
 * page may take several steps. If it fails in the middle, it is unmapped in
 * hardware, so that no entry is half of one page and half of another.
 */
static long tce_step_hw(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			struct kvm_tce_run *run)
{
	u64 page = 1ULL << tbl->page_shift, bytes, left;
	unsigned int shift = tbl->page_shift;
	struct kvm_tce_iommu *it;
	long ret;

	list_for_each_entry_lockless(it, &tbl->iommu_tables, next)
		shift = min_t(unsigned int, shift, it->hw->it_page_shift);
	left = (u64)TCE_STEP_HW << shift;

	/* The table has been replaced since the last step */
	if (run->part >= page)
		run->part = 0;

	if (run->list && !run->checked) {
		ret = kvm_tce_check_list(tbl, slots, run->list, run->npages);
		if (ret == H_SUCCESS)
			ret = kvm_tce_hw_check_list(tbl, slots, run->list,
						    run->npages);
		if (ret != H_SUCCESS)
			return ret;
		run->checked = true;
	}

	for (; run->npages && left; left -= bytes) {
		u64 tce = run->list ? *run->list : run->tce;
		enum dma_data_direction dir = iommu_tce_direction(tce);
		unsigned long ua = 0;

		ret = H_SUCCESS;
		if (run->undo)
			dir = DMA_NONE;
		if (dir != DMA_NONE && (kvm_tce_check(tbl, slots, tce) ||
					!kvm_tce_to_ua(slots, tce, &ua)))
			ret = H_TOO_HARD;

		bytes = min(page - run->part, left);
		if (ret == H_SUCCESS)
			ret = kvm_tce_hw_range(tbl, run->ioba + run->part, bytes,
					       ua + run->part, dir);
		if (ret != H_SUCCESS && !run->undo) {
			if (dir == DMA_NONE)
				return ret;
			run->undo = true;
			run->part = 0;
			return KVM_TCE_MORE;
		}

		run->part += bytes;
		if (run->part < page)
			continue;
		if (run->undo)
			return H_TOO_HARD;
		run->part = 0;
		kvm_tce_store(tbl, kvm_tce_index(tbl, run->ioba), tce);
		tce_run_advance(tbl, run, 1);
	}

	return run->npages ? KVM_TCE_MORE : H_SUCCESS;
}

static long tce_step(struct kvm *kvm, struct kvm_tce_run *run)
{
	struct kvm_memslots *slots = kvm_memslots(kvm);
	struct kvm_tce_table *tbl;
	u64 n;
	long ret;

	tbl = kvm_tce_find(kvm, run->liobn);
	if (!tbl)
		return H_TOO_HARD;
	if (!kvm_tce_in_window(tbl, run->ioba, run->npages))
		return H_PARAMETER;

	ret = tce_step_pages(tbl, run);
	if (ret != H_SUCCESS)
		return ret;

	/* Earlier steps have provided the pages of another table */
	n = min(run->npages, KVM_TCE_STEP);
	if ((run->list || run->tce) &&
	    !kvm_tce_present(tbl, kvm_tce_index(tbl, run->ioba), n)) {
		run->paged = 0;
		return KVM_TCE_MORE;
	}

	if (kvm_tce_has_hardware(tbl))
		return tce_step_hw(tbl, slots, run);
	return tce_step_plain(tbl, slots, run);
}

/**
 * kvm_tce_run - do an hcall in steps
 * @vcpu: the vCPU
 * @run: the hcall
 *
 * Return: the result of the hcall.
 */
long kvm_tce_run(struct kvm_vcpu *vcpu, struct kvm_tce_run *run)
{
	struct kvm *kvm = vcpu->kvm;
	long ret;
	int srcu;

	do {
		srcu = srcu_read_lock(&kvm->srcu);
		kvm_tce_enter(vcpu);
		ret = tce_step(kvm, run);
		kvm_tce_leave(vcpu);
		srcu_read_unlock(&kvm->srcu, srcu);

		if (ret == TCE_NO_PAGE) {
			run->spare = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
			ret = run->spare ? KVM_TCE_MORE : H_TOO_HARD;
		}
		/* Userspace does not finish the hcall: it does not run again */
		if (ret == KVM_TCE_MORE && fatal_signal_pending(current))
			ret = H_TOO_HARD;
		cond_resched();
	} while (ret == KVM_TCE_MORE);

	free_page((unsigned long)run->spare);
	return ret;
}
