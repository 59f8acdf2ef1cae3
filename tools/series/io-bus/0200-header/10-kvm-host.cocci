// SPDX-License-Identifier: GPL-2.0-only
// The names of the buses move to kvm_io_bus.h.

// targets: include/linux/kvm_host.h
@@
identifier s = { kvm_bus };
@@
- enum s { ... };


// targets: include/linux/kvm_host.h
@@
@@
  #include <linux/kvm_dirty_ring.h>
+ #include <linux/kvm_io_bus.h>
