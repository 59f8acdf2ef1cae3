// SPDX-License-Identifier: GPL-2.0-only
// AMD: finish kicks in the exit fastpath.

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
