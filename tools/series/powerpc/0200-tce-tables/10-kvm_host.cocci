// SPDX-License-Identifier: GPL-2.0-only
// targets: arch/powerpc/include/asm/kvm_host.h
// The tables' structures are private to the code that implements them.

@@ @@
- struct kvmppc_spapr_tce_iommu_table { ... };

@@ @@
- struct kvmppc_spapr_tce_table { ... };
