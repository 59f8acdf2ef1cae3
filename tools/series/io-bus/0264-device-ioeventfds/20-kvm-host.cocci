// SPDX-License-Identifier: GPL-2.0-only
// What was for ioeventfds that are devices.

// targets: include/linux/kvm_host.h
@@
identifier f = { kvm_get_bus };
type T;
parameter list P;
@@
- T f(P) { ... }

// targets: include/linux/kvm_host.h
@@
@@
struct kvm {
...
- struct list_head ioeventfds;
...
};

