// SPDX-License-Identifier: GPL-2.0-only
// Intel: finish kicks in the exit fastpath.

// targets: arch/x86/kvm/vmx/vmx.c
@@
@@
  #include "vmx_onhyperv.h"
+ #include "ioeventfd.h"
