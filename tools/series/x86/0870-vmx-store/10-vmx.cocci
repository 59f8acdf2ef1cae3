// SPDX-License-Identifier: GPL-2.0-only
// Intel: finish stores in the handler of EPT misconfigurations.

// targets: arch/x86/kvm/vmx/vmx.c
@@
identifier vcpu, gpa;
@@
  handle_ept_misconfig(struct kvm_vcpu *vcpu)
  {
	gpa_t gpa;
+	int rc = vmx_ioeventfd_fault(vcpu);
+
+	if (rc >= 0)
+		return rc;
	...
  }
