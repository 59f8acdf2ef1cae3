// SPDX-License-Identifier: GPL-2.0-only
// The sums over a VM's irqfds are made before they are read or cleared.

// targets: virt/kvm/kvm_main.c
@@
identifier kvm;
@@
  kvm_vm_stats_read(...)
  {
	struct kvm *kvm = ...;
+
+	kvm_irqfd_update_stats(kvm);
	return ...;
  }

// targets: virt/kvm/kvm_main.c
@@
identifier kvm;
statement S;
@@
  kvm_get_stat_per_vm(struct kvm *kvm, ...)
  {
+	kvm_irqfd_update_stats(kvm);
	S
	return 0;
  }

// targets: virt/kvm/kvm_main.c
@@
identifier kvm;
statement S;
@@
  kvm_clear_stat_per_vm(struct kvm *kvm, ...)
  {
+	kvm_irqfd_update_stats(kvm);
	S
	return 0;
  }
