// SPDX-License-Identifier: GPL-2.0-only
// The base's bus leaves kvm_main.c; making and destroying a VM call ours.

// targets: virt/kvm/kvm_main.c
@@
type T;
identifier f = {
	kvm_iodevice_destructor,
	kvm_io_bus_destroy,
	kvm_io_bus_cmp,
	kvm_io_bus_sort_cmp,
	kvm_io_bus_get_first_dev,
	__kvm_io_bus_write,
	kvm_io_bus_write,
	kvm_io_bus_write_cookie,
	__kvm_io_bus_read,
	kvm_io_bus_read,
	kvm_io_bus_register_dev,
	kvm_io_bus_unregister_dev,
	kvm_io_bus_get_dev
};
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/kvm_main.c
@@
declarer name EXPORT_SYMBOL_GPL;
identifier f = { kvm_io_bus_write, kvm_io_bus_get_dev };
@@
- EXPORT_SYMBOL_GPL(f);

// targets: virt/kvm/kvm_main.c
@@
identifier kvm, i, r;
statement S;
@@
- r = -ENOMEM;
- for (i = 0; i < KVM_NR_BUSES; i++) {
-	rcu_assign_pointer(kvm->buses[i], ...);
-	S
- }
+ kvm_io_bus_init(kvm);

// targets: virt/kvm/kvm_main.c
@@
identifier kvm, i;
@@
- for (i = 0; i < KVM_NR_BUSES; i++)
-	kfree(\(kvm_get_bus\|kvm_get_bus_for_destruction\)(kvm, i));
+ kvm_io_bus_destroy(kvm);

// targets: virt/kvm/kvm_main.c
@@
identifier kvm, i, bus;
@@
- for (i = 0; i < KVM_NR_BUSES; i++) {
-	struct kvm_io_bus *bus = \(kvm_get_bus\|kvm_get_bus_for_destruction\)(kvm, i);
-	if (bus)
-		kvm_io_bus_destroy(bus);
-	kvm->buses[i] = NULL;
- }
+ kvm_io_bus_destroy(kvm);

// bases: from 7.2
// targets: virt/kvm/kvm_main.c
@@
type T;
identifier f = {
	kvm_get_bus_srcu,
	kvm_get_bus_for_destruction,
	__free_bus
};
parameter list P;
@@
- T f(P) { ... }

// targets: virt/kvm/kvm_main.c
@@
declarer name EXPORT_SYMBOL_GPL;
identifier f = { kvm_io_bus_read };
@@
- EXPORT_SYMBOL_GPL(f);
