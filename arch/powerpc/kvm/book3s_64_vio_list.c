// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables of PAPR guests: H_PUT_TCE_INDIRECT in virtual mode.
 *
 * The guest's list is copied once, to a buffer in the vCPU. The copy is checked and
 * stored. Another vCPU may change the guest's list meanwhile.
 */

#include <linux/export.h>
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/kvm_ppc.h>

#include "book3s_64_vio.h"

/* Room for the copy of a list. Real mode uses it too, once it is allocated. */
static u64 *tce_list_room(struct kvm_vcpu *vcpu)
{
	if (!vcpu->arch.tce_list)
		vcpu->arch.tce_list = kmalloc(SZ_4K, GFP_KERNEL_ACCOUNT);

	return vcpu->arch.tce_list;
}

/**
 * kvmppc_tce_vcpu_free - free what a vCPU has for TCE hcalls
 * @vcpu: the vCPU
 */
void kvmppc_tce_vcpu_free(struct kvm_vcpu *vcpu)
{
	kfree(vcpu->arch.tce_list);
	vcpu->arch.tce_list = NULL;
}

/* Copy the guest's list to the vCPU's room, in host order, one load per entry */
static u64 *tce_copy_list(struct kvm_vcpu *vcpu, struct kvm_memslots *slots,
			  u64 gpa, u64 npages)
{
	const u64 __user *from;
	u64 i, entry, *to;
	unsigned long ua;

	if (npages > KVM_TCE_LIST_MAX || !IS_ALIGNED(gpa, SZ_4K))
		return NULL;

	to = tce_list_room(vcpu);
	if (!to || !kvm_tce_to_ua(slots, gpa, &ua))
		return NULL;

	from = (const u64 __user *)ua;
	if (!user_read_access_begin(from, SZ_4K))
		return NULL;
	for (i = 0; i < npages; i++) {
		unsafe_get_user(entry, from + i, fault);
		to[i] = be64_to_cpu((__force __be64)entry);
	}
	user_read_access_end();
	return to;

fault:
	user_read_access_end();
	return NULL;
}

/**
 * kvmppc_h_put_tce_indirect - H_PUT_TCE_INDIRECT in virtual mode
 * @vcpu: the vCPU
 * @liobn: the table
 * @ioba: bus address of the first entry
 * @tce_list: guest physical address of a list of entries
 * @npages: how many
 *
 * Return: the result of the hcall. H_TOO_HARD: userspace handles it.
 */
long kvmppc_h_put_tce_indirect(struct kvm_vcpu *vcpu,
			       unsigned long liobn, unsigned long ioba,
			       unsigned long tce_list, unsigned long npages)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_memslots *slots;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 *copy, index;
	bool known;
	int srcu;

	kvm_tce_enter(vcpu);
	known = kvm_tce_find(kvm, liobn);
	kvm_tce_leave(vcpu);
	if (!known)
		return H_TOO_HARD;

	srcu = srcu_read_lock(&kvm->srcu);
	slots = kvm_memslots(kvm);

	/*
	 * Copy before kvm_tce_enter(), because userspace may have to provide the
	 * page. A failure counts only if the other arguments are good.
	 */
	copy = tce_copy_list(vcpu, slots, tce_list, npages);

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_indirect(tbl, ioba, tce_list, npages);
	if (ret != H_SUCCESS)
		goto leave;

	ret = H_TOO_HARD;
	if (!copy)
		goto leave;

	ret = kvm_tce_check_list(tbl, slots, copy, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (kvm_tce_has_hardware(tbl) || !kvm_tce_present(tbl, index, npages))
		ret = KVM_TCE_MORE;
	else
		kvm_tce_store_list(tbl, index, copy, npages);

leave:
	kvm_tce_leave(vcpu);
	srcu_read_unlock(&kvm->srcu, srcu);

	if (unlikely(ret == KVM_TCE_MORE))
		ret = kvm_tce_run(vcpu, &(struct kvm_tce_run){
			.liobn = liobn, .ioba = ioba, .npages = npages,
			.list = copy,
		});
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_put_tce_indirect);
