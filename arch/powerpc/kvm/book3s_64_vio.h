/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCE tables of PAPR guests: what virtual mode and real mode share.
 *
 * kvm.ko and vmlinux call everything in this file up to "virtual mode only", with
 * the MMU on and with the MMU off. Therefore this code obeys four rules:
 *
 *  - It follows only pointers into the linear map: struct kvm, struct kvm_vcpu,
 *    the memslots, struct kvm_tce_table and the pages of entries. It does not use
 *    vmalloc space, module data, the contents of struct page, per-CPU allocations
 *    or user addresses.
 *  - It does not sleep, allocate, print, warn or trace, and takes no lock.
 *  - It calls only functions that are inlined.
 *  - It alone decides the result of an hcall. If each mode had checks of its own,
 *    the two could differ. A guest would then get one result on a POWER8 and
 *    another one on a POWER9.
 *
 * If a rule forbids an operation, real mode returns H_TOO_HARD. Virtual mode then
 * starts the hcall again, with the same checks, and completes it.
 *
 * "Lifetime" in book3s_64_vio_table.c says how a table is kept while a vCPU uses it.
 * kvm_tce_enter() and kvm_tce_leave() are the vCPU's part of that.
 */

#ifndef __KVM_BOOK3S_64_VIO_H
#define __KVM_BOOK3S_64_VIO_H

#include <linux/kvm_host.h>

#include <asm/kvm_ppc.h>

#ifdef CONFIG_SPAPR_TCE_IOMMU

#include <linux/dma-direction.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/rculist.h>
#include <linux/sizes.h>

#include <asm/hvcall.h>
#include <asm/kvm_book3s.h>
#include <asm/tce.h>

#define KVM_TCE_PERM		((u64)(TCE_PCI_READ | TCE_PCI_WRITE))

/* The list of an H_PUT_TCE_INDIRECT is at most 4 KiB of guest memory */
#define KVM_TCE_LIST_MAX	(SZ_4K / sizeof(u64))

/*
 * An H_STUFF_TCE may be of any length. This is the most that is done at once, in
 * real mode with interrupts off: 128 KiB of stores. 16384 entries map 64 MiB in
 * 4 KiB pages.
 */
#define KVM_TCE_STEP		16384ULL

/* A hardware table that mirrors a guest's table */
struct kvm_tce_iommu {
	struct list_head next;		/* in kvm_tce_table.iommu_tables */
	struct iommu_table *hw;
	unsigned int users;		/* groups attached, under kvm_tce_lock */
	struct kvm_tce_iommu *next_dead; /* once off the list */
};

struct kvm_tce_table {
	struct list_head list;		/* in kvm->arch.spapr_tce_tables */
	struct kvm *kvm;
	u64 liobn;
	u64 offset;			/* first entry, in IOMMU pages */
	u64 size;			/* entries */
	u32 page_shift;			/* of an IOMMU page */
	struct list_head iommu_tables;	/* struct kvm_tce_iommu */
	/*
	 * Linear map addresses of the pages that hold the entries. A slot is NULL
	 * until its page is needed. Then it stays until the table is freed.
	 */
	u64 *pages[];
};

/*
 * From kvm_tce_enter() to kvm_tce_leave() the tables that this vCPU finds stay. The
 * count is odd in between. Only the vCPU itself writes it, so a plain increment is
 * enough.
 */
static __always_inline void kvm_tce_enter(struct kvm_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->arch.tce_seq, vcpu->arch.tce_seq + 1);
	/* The count first, then the list: kvm_tce_wait_for_vcpus() */
	smp_mb();
}

static __always_inline void kvm_tce_leave(struct kvm_vcpu *vcpu)
{
	/* All accesses first, then the count: kvm_tce_wait_for_vcpus() */
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

/* True if hardware tables mirror this table: each change must reach them, too */
static __always_inline bool kvm_tce_has_hardware(struct kvm_tce_table *tbl)
{
	return !list_empty(&tbl->iommu_tables);
}

/*
 * True if the @npages IOMMU pages from @ioba are in the window. No subtraction
 * wraps, because each one comes after a comparison. An empty range is in the window
 * if it begins there or at its end.
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

/* The index of the entry for @ioba, which kvm_tce_in_window() has accepted */
static __always_inline u64 kvm_tce_index(struct kvm_tce_table *tbl, u64 ioba)
{
	return (ioba >> tbl->page_shift) - tbl->offset;
}

/*
 * Check a value that the guest puts. A value without permission bits is an unmap,
 * and its other bits are stored as they are. Userspace handles an address that is
 * not in a memslot.
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

/* True if the pages of the @n entries from @index exist */
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
 * The checks of each hcall. They return its result as far as arguments and guest
 * memory decide it. On H_SUCCESS the caller stores.
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
 * @list is a copy of the guest's list, in host order. The caller stores from the
 * same copy, so another vCPU may write to the guest's page meanwhile. Unless all
 * entries are good, none is stored.
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
 * The stores. An entry is one aligned 64-bit store, because userspace and other
 * vCPUs may read and write the same page. The page exists, unless the value is 0:
 * entries of a page that does not exist are 0.
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

/* The userspace address of the guest memory that an entry points to */
static inline bool
kvm_tce_to_ua(struct kvm_memslots *slots, u64 tce, unsigned long *ua)
{
	u64 gpa = tce & ~KVM_TCE_PERM;
	struct kvm_memory_slot *slot;

	slot = __gfn_to_memslot(slots, gpa >> PAGE_SHIFT);
	if (!slot)
		return false;

	*ua = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT) | (gpa & ~PAGE_MASK);
	return true;
}

/* book3s_64_vio_table.c */
extern struct mutex kvm_tce_lock;

void kvm_tce_wait_for_vcpus(struct kvm *kvm);
struct kvm_tce_table *kvm_tce_table_of_file(struct file *file);

/* book3s_64_vio_hw.c */
void kvm_tce_free_hardware(struct kvm_tce_table *tbl);
long kvm_tce_hw_range(struct kvm_tce_table *tbl, u64 bus, u64 bytes,
		      unsigned long ua, enum dma_data_direction dir);
long kvm_tce_hw_check_list(struct kvm_tce_table *tbl, struct kvm_memslots *slots,
			   const u64 *list, u64 npages);

/* book3s_64_vio_steps.c */

/* The result of a step that is not the last one */
#define KVM_TCE_MORE	LONG_MAX

/* What is left of an hcall that is done in steps */
struct kvm_tce_run {
	u64 liobn;
	u64 ioba;		/* of the first entry that is left */
	u64 npages;
	const u64 *list;	/* the values, or NULL if all are tce */
	u64 tce;
	u64 paged;		/* entries from ioba on whose page exists */
	u64 part;		/* bytes of the first entry that hardware has */
	bool checked;		/* hardware can take the list */
	bool undo;		/* unmap the first entry in hardware, then fail */
	u64 *spare;		/* a page of entries, not used yet */
};

long kvm_tce_run(struct kvm_vcpu *vcpu, struct kvm_tce_run *run);

/* book3s_64_vio_list.c */
void kvmppc_tce_vcpu_free(struct kvm_vcpu *vcpu);

#else /* !CONFIG_SPAPR_TCE_IOMMU */

static inline void kvmppc_tce_vcpu_free(struct kvm_vcpu *vcpu)
{
}

#endif /* CONFIG_SPAPR_TCE_IOMMU */

#endif /* __KVM_BOOK3S_64_VIO_H */
