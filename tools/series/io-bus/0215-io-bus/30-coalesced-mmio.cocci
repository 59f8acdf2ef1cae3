// SPDX-License-Identifier: GPL-2.0-only
// Unregistering cannot fail any more.

// targets: virt/kvm/coalesced_mmio.c
@@
identifier r;
expression E1, E2, E3;
@@
- r = kvm_io_bus_unregister_dev(E1, E2, E3);
- if (r)
-	break;
+ kvm_io_bus_unregister_dev(E1, E2, E3);

// targets: virt/kvm/coalesced_mmio.c
@@
identifier r;
@@
  kvm_vm_ioctl_unregister_coalesced_mmio(...)
  {
  ...
- int r;
  ... when != r
  }

// targets: virt/kvm/coalesced_mmio.c
@@
expression E;
@@
  kvm_vm_ioctl_unregister_coalesced_mmio(...)
  {
  ...
- mutex_unlock(E);
- return 0;
+ mutex_unlock(E);
+ return 0;
  }
