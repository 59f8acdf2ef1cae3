// SPDX-License-Identifier: GPL-2.0-only
// Zones are as large as userspace says and end where the address space does:
// the bus's own comparison. Unregistering cannot fail any more.

// targets: virt/kvm/coalesced_mmio.c
@@
identifier f = { coalesced_mmio_in_range };
type T;
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/coalesced_mmio.c
@@
expression d, a, l;
@@
- coalesced_mmio_in_range(d, a, l)
+ kvm_io_range_holds(d->zone.addr, d->zone.size, a, l)

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
