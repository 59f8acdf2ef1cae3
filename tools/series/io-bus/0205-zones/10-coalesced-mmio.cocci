// SPDX-License-Identifier: GPL-2.0-only
// Zones are as large as userspace says and end where the address space does.

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

