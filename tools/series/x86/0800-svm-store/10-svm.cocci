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
