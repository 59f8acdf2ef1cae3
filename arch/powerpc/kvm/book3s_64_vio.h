/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCE tables: what virtual mode and real mode share.
 *
 * THE RULE. Everything in this file up to "virtual mode only" is called with
 * the MMU on and with the MMU off, from kvm.ko and from vmlinux. Therefore it
 *
 *  - follows only pointers into the linear map: struct kvm, struct kvm_vcpu,
 *    the memslots, struct kvm_tce_table and the entry pages. Never vmalloc
 *    space, module data, the contents of a struct page, per-CPU allocations
 *    or user addresses;
 *  - does not sleep, allocate, print, warn, trace or take any lock;
 *  - calls nothing that is not inlined;
 *  - decides. An answer of an hcall is worked out here or nowhere: if each
 *    mode had a check of its own, the two would drift apart, and a guest
 *    would see one answer from a POWER8 and another from a POWER9.
 *
 * What cannot be done under this rule is reported as H_TOO_HARD by real mode
 * and is finished by virtual mode, which calls the same functions first.
 *
 * What keeps the table alive is explained at the top of book3s_64_vio.c;
 * kvm_tce_enter() and kvm_tce_leave() are the readers' side of it.
 */

#ifndef __KVM_BOOK3S_64_VIO_H
#define __KVM_BOOK3S_64_VIO_H

#include <linux/kvm_host.h>

#include <asm/kvm_ppc.h>

#ifdef CONFIG_SPAPR_TCE_IOMMU

#include <linux/nospec.h>
#include <linux/rculist.h>
#include <linux/sizes.h>

#include <asm/hvcall.h>
#include <asm/kvm_book3s.h>
#include <asm/tce.h>

#define KVM_TCE_PERM		((u64)(TCE_PCI_READ | TCE_PCI_WRITE))

/* The list of an H_PUT_TCE_INDIRECT is one 4 KiB page of guest memory */
#define KVM_TCE_LIST_MAX	(SZ_4K / sizeof(u64))

/*
 * H_STUFF_TCE has no limit of its own. What is done at once, in real mode with
 * interrupts off, is at most this: 128 KiB of stores. 16384 entries are 64 MiB
 * of 4 KiB pages.
 */
#define KVM_TCE_STEP		16384ULL

struct kvm_tce_table {
	struct list_head list;		/* in kvm->arch.spapr_tce_tables */
	struct kvm *kvm;
	u64 liobn;
	u64 offset;			/* first entry, in IOMMU pages */
	u64 size;			/* entries */
	u32 page_shift;			/* of an IOMMU page */
	struct list_head iommu_tables;	/* struct kvm_tce_iommu */
	/*
	 * Linear map addresses of the pages that hold the entries; NULL until
	 * the page is needed. Set once, freed with the table.
	 */
	u64 *pages[];
};

/*
 * Between these two the tables of the VM that this vCPU can find stay. The
 * count is odd inside. Only the vCPU itself writes it, so a plain increment
 * will do.
 */
static __always_inline void kvm_tce_enter(struct kvm_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->arch.tce_seq, vcpu->arch.tce_seq + 1);
	/* The count is out before the list is read: tce_wait_for_vcpus() */
	smp_mb();
}

static __always_inline void kvm_tce_leave(struct kvm_vcpu *vcpu)
{
	/* All use is over when the count is even: tce_wait_for_vcpus() */
	smp_store_release(&vcpu->arch.tce_seq, vcpu->arch.tce_seq + 1);
}

static __always_inline struct kvm_tce_table *
kvm_tce_find(struct kvm *kvm, u64 liobn)
{
	struct kvm_tce_table *tbl;

	list_for_each_entry_lockless(tbl, &kvm->arch.spapr_tce_tables, list)
		if (tbl->liobn == liobn)
			return tbl;

	return NULL;
}

/* Does hardware hold a copy of this table that has to follow each change? */
static __always_inline bool kvm_tce_has_hardware(struct kvm_tce_table *tbl)
{
	return !list_empty(&tbl->iommu_tables);
}

/*
 * Are these @npages IOMMU pages from @ioba inside the window? Nothing here can
 * wrap: each subtraction is of something known to be no larger. No pages at
 * all are inside wherever the window has a beginning for them, its end
 * included.
 */
static __always_inline bool
kvm_tce_in_window(struct kvm_tce_table *tbl, u64 ioba, u64 npages)
{
	u64 first = ioba >> tbl->page_shift;

	if (ioba & ((1ULL << tbl->page_shift) - 1))
		return false;
	if (first < tbl->offset)
		return false;

	first -= tbl->offset;
	return first <= tbl->size && npages <= tbl->size - first;
}

/* The number of the entry for @ioba, which kvm_tce_in_window() has accepted */
static __always_inline u64 kvm_tce_index(struct kvm_tce_table *tbl, u64 ioba)
{
	return (ioba >> tbl->page_shift) - tbl->offset;
}

/*
 * May the guest put this value? Without permission bits it is an unmap, and
 * the other bits are stored as they are. What is not plain guest memory is for
 * userspace to judge.
 */
static __always_inline long
kvm_tce_check(struct kvm_tce_table *tbl, struct kvm_memslots *slots, u64 tce)
{
	u64 gpa = tce & ~KVM_TCE_PERM;

	if (!(tce & KVM_TCE_PERM))
		return H_SUCCESS;
	if (gpa & ((1ULL << tbl->page_shift) - 1))
		return H_TOO_HARD;
	if (!__gfn_to_memslot(slots, gpa >> PAGE_SHIFT))
		return H_TOO_HARD;

	return H_SUCCESS;
}

static __always_inline u64 **
kvm_tce_page_slot(struct kvm_tce_table *tbl, u64 index)
{
	u64 nr = DIV_ROUND_UP(tbl->size, TCES_PER_PAGE);

	return &tbl->pages[array_index_nospec(index / TCES_PER_PAGE, nr)];
}

static __always_inline u64 *
kvm_tce_page(struct kvm_tce_table *tbl, u64 index)
{
	return READ_ONCE(*kvm_tce_page_slot(tbl, index));
}

/* Are all pages there that entries @index and the @n - 1 after it live in? */
static __always_inline bool
kvm_tce_present(struct kvm_tce_table *tbl, u64 index, u64 n)
{
	u64 i;

	if (!n)
		return true;

	for (i = round_down(index, TCES_PER_PAGE); i < index + n;
	     i += TCES_PER_PAGE)
		if (!kvm_tce_page(tbl, i))
			return false;

	return true;
}

/*
 * The answers. Each of these says what the hcall returns as far as its
 * arguments and guest memory decide it; on H_SUCCESS the caller stores.
 */

static __always_inline long
kvm_tce_check_put(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
		  u64 ioba, u64 tce)
{
	if (!kvm_tce_in_window(tbl, ioba, 1))
		return H_PARAMETER;

	return kvm_tce_check(tbl, slots, tce);
}

static __always_inline long
kvm_tce_check_indirect(struct kvm_tce_table *tbl, u64 ioba, u64 list,
		       u64 npages)
{
	if (npages > KVM_TCE_LIST_MAX || !IS_ALIGNED(list, SZ_4K))
		return H_PARAMETER;
	if (!kvm_tce_in_window(tbl, ioba, npages))
		return H_PARAMETER;

	return H_SUCCESS;
}

/*
 * The list has been copied, and has been turned to host order, before this
 * looks at it. What is checked here is what is stored: the guest's page is not
 * read again, so another vCPU may scribble on it as it likes. All entries are
 * good or none is stored.
 */
static __always_inline long
kvm_tce_check_list(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
		   const u64 *list, u64 npages)
{
	long ret;
	u64 i;

	for (i = 0; i < npages; i++) {
		ret = kvm_tce_check(tbl, slots, list[i]);
		if (ret != H_SUCCESS)
			return ret;
	}

	return H_SUCCESS;
}

static __always_inline long
kvm_tce_check_stuff(struct kvm_tce_table *tbl, u64 ioba, u64 tce, u64 npages)
{
	if (!kvm_tce_in_window(tbl, ioba, npages))
		return H_PARAMETER;
	if (tce & KVM_TCE_PERM)
		return H_PARAMETER;

	return H_SUCCESS;
}

static __always_inline long
kvm_tce_check_get(struct kvm_tce_table *tbl, u64 ioba)
{
	return kvm_tce_in_window(tbl, ioba, 1) ? H_SUCCESS : H_PARAMETER;
}

/*
 * The stores. An entry is one aligned 64-bit store, as userspace and other
 * vCPUs may be reading and writing the same page. The pages are there, or the
 * value is 0, which is what a page that is not there reads as.
 */

static __always_inline void
kvm_tce_store(struct kvm_tce_table *tbl, u64 index, u64 tce)
{
	u64 *page = kvm_tce_page(tbl, index);

	if (page)
		WRITE_ONCE(page[index % TCES_PER_PAGE], tce);
}

static __always_inline void
kvm_tce_store_list(struct kvm_tce_table *tbl, u64 index, const u64 *list, u64 n)
{
	while (n) {
		u64 *page = kvm_tce_page(tbl, index);
		u64 at = index % TCES_PER_PAGE;
		u64 i, chunk = min_t(u64, n, TCES_PER_PAGE - at);

		for (i = 0; page && i < chunk; i++)
			WRITE_ONCE(page[at + i], list[i]);

		list += chunk;
		index += chunk;
		n -= chunk;
	}
}

static __always_inline void
kvm_tce_fill(struct kvm_tce_table *tbl, u64 index, u64 tce, u64 n)
{
	while (n) {
		u64 *page = kvm_tce_page(tbl, index);
		u64 at = index % TCES_PER_PAGE;
		u64 i, chunk = min_t(u64, n, TCES_PER_PAGE - at);

		for (i = 0; page && i < chunk; i++)
			WRITE_ONCE(page[at + i], tce);

		index += chunk;
		n -= chunk;
	}
}

static __always_inline u64 kvm_tce_load(struct kvm_tce_table *tbl, u64 index)
{
	u64 *page = kvm_tce_page(tbl, index);

	return page ? READ_ONCE(page[index % TCES_PER_PAGE]) : 0;
}

/* Virtual mode only, from here to the end */

void kvmppc_tce_vcpu_free(struct kvm_vcpu *vcpu);

static inline int kvmppc_h_pr_get_tce(struct kvm_vcpu *vcpu)
{
	long ret = kvmppc_h_get_tce(vcpu, kvmppc_get_gpr(vcpu, 4),
				    kvmppc_get_gpr(vcpu, 5));

	if (ret == H_TOO_HARD)
		return EMULATE_FAIL;
	kvmppc_set_gpr(vcpu, 3, ret);
	return EMULATE_DONE;
}

#else /* !CONFIG_SPAPR_TCE_IOMMU */

static inline void kvmppc_tce_vcpu_free(struct kvm_vcpu *vcpu)
{
}

static inline int kvmppc_h_pr_get_tce(struct kvm_vcpu *vcpu)
{
	return EMULATE_FAIL;
}

#endif /* CONFIG_SPAPR_TCE_IOMMU */

#endif /* __KVM_BOOK3S_64_VIO_H */
