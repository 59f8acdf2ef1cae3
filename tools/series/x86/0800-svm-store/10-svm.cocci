// SPDX-License-Identifier: GPL-2.0-only
// AMD: finish stores in the handler of nested page faults.

// targets: arch/x86/kvm/svm/svm.c
@@
identifier vcpu, svm, rc;
expression E1, E2;
@@
  npf_interception(struct kvm_vcpu *vcpu)
  {
	struct vcpu_svm *svm = ...;
	int rc;
	...
	trace_kvm_page_fault(vcpu, E1, E2);
+	rc = svm_ioeventfd_fault(vcpu, &svm->ioeventfd);
+	if (rc >= 0)
+		return rc;
	...
  }

// The fast MMIO bus is not for AMD: the fault does not tell a load from a store there,
// nor the width. The decoder does.
// bases: from 7.2
// targets: arch/x86/kvm/svm/svm.c
@@
identifier vcpu, error_code;
expression E;
@@
  npf_interception(struct kvm_vcpu *vcpu)
  {
	...
- if ((error_code & PFERR_RSVD_MASK) && !is_guest_mode(vcpu)) { ... }
	...
  }
