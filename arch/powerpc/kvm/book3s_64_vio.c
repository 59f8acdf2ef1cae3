// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables of PAPR guests: H_PUT_TCE, H_STUFF_TCE and H_GET_TCE in virtual mode.
 *
 * An hcall that takes one short step is done here. kvm_tce_run() does the others.
 */

#include <linux/export.h>
#include <linux/kvm_host.h>

#include <asm/kvm_ppc.h>

#include "book3s_64_vio.h"

/**
 * kvmppc_h_put_tce - H_PUT_TCE in virtual mode
 * @vcpu: the vCPU
 * @liobn: the table
 * @ioba: bus address
 * @tce: the entry
 *
 * Return: the result of the hcall. H_TOO_HARD: userspace handles it.
 */
long kvmppc_h_put_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
		      unsigned long ioba, unsigned long tce)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index, entry;
	int srcu;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(kvm, liobn);
	if (!tbl)
		goto leave;

	srcu = srcu_read_lock(&kvm->srcu);
	ret = kvm_tce_check_put(tbl, kvm_memslots(kvm), ioba, tce);
	if (ret != H_SUCCESS)
		goto unlock;

	index = kvm_tce_index(tbl, ioba);
	if (kvm_tce_has_hardware(tbl) || (tce && !kvm_tce_page(tbl, index)))
		ret = KVM_TCE_MORE;
	else
		kvm_tce_store(tbl, index, tce);

unlock:
	srcu_read_unlock(&kvm->srcu, srcu);
leave:
	kvm_tce_leave(vcpu);

	/* An unmap is done like an H_STUFF_TCE of one entry */
	if (unlikely(ret == KVM_TCE_MORE)) {
		entry = tce;
		ret = kvm_tce_run(vcpu, &(struct kvm_tce_run){
			.liobn = liobn, .ioba = ioba, .npages = 1,
			.list = tce & KVM_TCE_PERM ? &entry : NULL, .tce = tce,
		});
	}
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_put_tce);

/**
 * kvmppc_h_stuff_tce - H_STUFF_TCE in virtual mode
 * @vcpu: the vCPU
 * @liobn: the table
 * @ioba: bus address of the first entry
 * @tce_value: the entry
 * @npages: how many
 *
 * Return: the result of the hcall. H_TOO_HARD: userspace handles it.
 */
long kvmppc_h_stuff_tce(struct kvm_vcpu *vcpu,
			unsigned long liobn, unsigned long ioba,
			unsigned long tce_value, unsigned long npages)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;
	u64 index;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(vcpu->kvm, liobn);
	if (!tbl)
		goto leave;

	ret = kvm_tce_check_stuff(tbl, ioba, tce_value, npages);
	if (ret != H_SUCCESS)
		goto leave;

	index = kvm_tce_index(tbl, ioba);
	if (kvm_tce_has_hardware(tbl) || npages > KVM_TCE_STEP ||
	    (tce_value && !kvm_tce_present(tbl, index, npages)))
		ret = KVM_TCE_MORE;
	else
		kvm_tce_fill(tbl, index, tce_value, npages);

leave:
	kvm_tce_leave(vcpu);

	if (unlikely(ret == KVM_TCE_MORE))
		ret = kvm_tce_run(vcpu, &(struct kvm_tce_run){
			.liobn = liobn, .ioba = ioba, .npages = npages,
			.tce = tce_value,
		});
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_stuff_tce);

/**
 * kvmppc_h_get_tce - H_GET_TCE in virtual mode
 * @vcpu: the vCPU
 * @liobn: the table
 * @ioba: bus address
 *
 * Return: the result of the hcall. On H_SUCCESS, r4 has the entry. H_TOO_HARD:
 * userspace handles it.
 */
long kvmppc_h_get_tce(struct kvm_vcpu *vcpu, unsigned long liobn,
		      unsigned long ioba)
{
	struct kvm_tce_table *tbl;
	long ret = H_TOO_HARD;

	kvm_tce_enter(vcpu);

	tbl = kvm_tce_find(vcpu->kvm, liobn);
	if (tbl) {
		ret = kvm_tce_check_get(tbl, ioba);
		if (ret == H_SUCCESS)
			kvmppc_set_gpr(vcpu, 4,
				       kvm_tce_load(tbl, kvm_tce_index(tbl, ioba)));
	}

	kvm_tce_leave(vcpu);
	return ret;
}
EXPORT_SYMBOL_GPL(kvmppc_h_get_tce);
