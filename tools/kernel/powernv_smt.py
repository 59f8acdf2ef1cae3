#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Edit copies of three KVM files for a POWER8 of QEMU with several threads per core.

    powernv_smt.py DIRECTORY

On a real POWER8 some registers exist once per core or subcore, and KVM-HV relies
on it. QEMU 10 has them once per thread, or does nothing when they are written. The
result is for the kernel that tools/vm boots with --threads, and for nothing
else. It changes none of our files.

- LPIDR and SDR1 (helper_store_lpidr() and helper_store_sdr1() in QEMU's
  target/ppc/misc_helper.c): KVM lets the primary thread write them for all
  threads. Here each thread writes them, on the way in and on the way out.
- HDEC: KVM sets it on the primary thread, and all threads leave the guest when it
  expires. Here each thread sets it, and the thread on which it expires interrupts
  the others.
- msgsnd: p8_next_unmasked_interrupt() in target/ppc/excp_helper.c holds a
  hypervisor doorbell back while MSR[EE] is 0, in a guest, too. A guest with EE=0
  then never leaves. Here an interrupt by XICS takes its place, as on POWER7.
- HID0: the bits that split a core do nothing, and the status bits that KVM waits
  for never change. Here KVM writes the status bits itself, and says so once.
- Time: a thread may get no time of the host for many ms. KVM waits 10 ms for a
  thread that Linux has put offline, and does not wait for a thread that it has
  woken from its nap after a split. Here it waits for both.
"""

import re
import sys

HV = "book3s_hv.c"
BUILTIN = "book3s_hv_builtin.c"
REAL_MODE = "book3s_hv_rmhandlers.S"

# File, what to find (once), what to put there
EDITS = [
    (REAL_MODE, r"(thread switches to guest partition\..*?)\tbne\t10f\n", r"\1"),
    (REAL_MODE, r"(\nkvmhv_switch_to_host:.*?\n\tb\t)16f", r"\g<1>14f"),
    (REAL_MODE, r"\n\tlwz\tr7,KVM_HOST_LPID\(r4\)", r"\n14:\g<0>"),
    (REAL_MODE, r"(set HDEC to max .*?)\tbne\t63f\n", r"\1"),
    (BUILTIN, r"\tif \(trap != BOOK3S_INTERRUPT_HV_DECREMENTER\)\n", ""),
    (BUILTIN, r"if \(cpu_has_feature\(CPU_FTR_ARCH_207S\) &&", "if (0 &&"),
    (HV, r"(\t+)hid0 \|= cmd_bit",
     r'\1pr_info_once("KVM: a core is split\\n");\n\g<0> | stat_bit'),
    (HV, r"hid0 &= ~HID0_POWER8_DYNLPARDIS",
     "hid0 &= ~(HID0_POWER8_DYNLPARDIS | cmd_bit | HID0_POWER8_2LPARMODE |"
     " HID0_POWER8_4LPARMODE)"),
    (HV, r"(sip->napped\[i\]\))\n(\t+kvmppc_ipi_thread\(pcpu \+ i\);)",
     r"\1 {\n\2\nwhile (READ_ONCE(paca_ptrs[pcpu + i]->kvm_hstate.napping))\n"
     r"\tcpu_relax();\n}"),
    (HV, r"(kvmppc_grab_hwthread\(int cpu\)\n.*?timeout = )\d+", r"\g<1>10000000"),
]


def main():
    for name, pattern, new in EDITS:
        path = f"{sys.argv[1]}/{name}"
        with open(path, encoding="utf-8") as f:
            text = f.read()
        text, n = re.subn(pattern, new, text, flags=re.DOTALL)
        if n != 1:
            sys.exit(f"{name}: {n} times instead of once: {pattern}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


main()
