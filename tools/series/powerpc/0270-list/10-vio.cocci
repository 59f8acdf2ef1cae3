// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_put_tce_indirect, kvmppc_h_put_tce_indirect };
type T;
@@
- T f(...) { ... }

// targets: arch/powerpc/kvm/book3s.c
@@ @@
#include "book3s.h"
+#include "book3s_64_vio.h"

@@
identifier vcpu;
@@
void kvmppc_core_vcpu_free(struct kvm_vcpu *vcpu)
{
	...
+	kvmppc_tce_vcpu_free(vcpu);
}
