// SPDX-License-Identifier: GPL-2.0-only
// AMD: finish kicks in the exit fastpath, else in the handler of nested page
// faults.

// targets: arch/x86/kvm/svm/svm.c
@@
identifier vcpu, svm, control;
@@
  svm_exit_handlers_fastpath(struct kvm_vcpu *vcpu)
  {
	struct vcpu_svm *svm = ...;
	struct vmcb_control_area *control = ...;
+
+	if (svm_ioeventfd_fastpath(vcpu, control->exit_code))
+		return EXIT_FASTPATH_REENTER_GUEST;
	...
  }

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

// Intel: finish kicks in the exit fastpath.

// targets: arch/x86/kvm/vmx/vmx.c
@@
@@
  #include "vmx_onhyperv.h"
+ #include "ioeventfd.h"
