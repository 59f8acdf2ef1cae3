// SPDX-License-Identifier: GPL-2.0-only
// The bus's types and prototypes leave kvm_host.h for kvm_io_bus.h.

// targets: include/linux/kvm_host.h
@@
identifier s = { kvm_io_range, kvm_io_bus };
@@
- struct s { ... };

// targets: include/linux/kvm_host.h
@@
type T;
identifier f = { kvm_io_bus_write, kvm_io_bus_write_cookie, kvm_io_bus_read, kvm_io_bus_register_dev, kvm_io_bus_unregister_dev, kvm_io_bus_get_dev };
parameter list P;
@@
- T f(P);

// targets: include/linux/kvm_host.h
@@
@@
- #define NR_IOBUS_DEVS 1000


// targets: include/linux/kvm_host.h
@@
identifier kvm, idx;
@@
  kvm_get_bus(struct kvm *kvm, enum kvm_bus idx)
  {
- return \(srcu_dereference_check\|rcu_dereference_protected\)(...);
+ return &kvm->buses[idx];
  }
