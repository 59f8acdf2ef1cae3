// SPDX-License-Identifier: GPL-2.0-only
// The files are made where the VM's folder is.

// targets: virt/kvm/kvm_main.c
@@
expression kvm;
@@
  kvm_create_vm_debugfs(...)
  {
  ...
  kvm_arch_create_vm_debugfs(kvm);
+ kvm_io_bus_debugfs_init(kvm);
  ...
  }
