# SPDX-License-Identifier: GPL-2.0-only
"""Table and JSON of the TCE benchmark, and whether ours keeps its promises.

table.py JSON LOAD DIRECTORY ARCH[:counted]...

The clock of a machine that is counted advances a nanosecond with each instruction.
"""

import json
import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

ROWS = (
    ("put", "H_PUT_TCE"),
    ("get", "H_GET_TCE"),
    ("stuff_1", "H_STUFF_TCE, 1 entry"),
    ("stuff_512", "H_STUFF_TCE, 512 entries"),
    ("stuff_16384", "H_STUFF_TCE, 16384 entries"),
    ("indirect_512", "H_PUT_TCE_INDIRECT, 512 entries"),
    ("put_user", "H_PUT_TCE for userspace"),
    ("refused", "H_REMOVE, refused"),
    ("fill_first", "16384 H_PUT_TCE, new table"),
    ("fill", "16384 H_PUT_TCE"),
)

TICKS = 0.512    # of the timebase in a nanosecond
BOUND = 1.02     # of stock's instructions, for each row
QUIET = 1.0     # load average below which ticks mean something by themselves


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.startswith("{")]


def columns(directory, arch):
    """The columns of one machine: (heading, figures)"""
    out = []
    for kvm in ("stock", "ours"):
        for run in read(os.path.join(directory, f"{arch}.{kvm}")):
            out.append((f"{kvm}, {run['mode']}", kvm, run))
    return out


def show(arch, unit, cols):
    vm = cols[0][2]["vm"]
    print(f"{arch} ({vm}), {unit}")
    width = max(len(label) for _, label in ROWS)
    print(" " * width + "".join(f"{head:>16}" for head, _, _ in cols))
    for key, label in ROWS:
        print(f"{label:<{width}}" +
              "".join(f"{run[key]:16,.0f}" for _, _, run in cols))
    print()


def judge(cols, load):
    """Promises of the path in real mode: (text, kept or None)"""
    real = [run for _, kvm, run in cols if kvm == "ours" and run["mode"] == "real"]
    virtual = [run for _, kvm, run in cols
               if kvm == "ours" and run["mode"] == "virtual"]
    if not real:
        return [("ours has no real mode here", False)]
    real, virtual = real[0], virtual[0]
    put, ratio = real["put"], virtual["put"] / real["put"]
    calls = 512 * real["put"]
    floor = real["refused"]
    slow = load >= QUIET or floor > 600
    return [
        (f"H_PUT_TCE in real mode: {put:.0f} ticks (at most 700 on a quiet "
         f"machine where an hcall that does nothing costs 600 at most; here "
         f"load {load:.2f} and {floor:.0f})",
         put <= 700 or (None if slow else False)),
        (f"H_PUT_TCE in real mode costs {put / floor:.2f} times an hcall that "
         "does nothing (at most 1.25)", put <= 1.25 * floor),
        (f"virtual mode costs {ratio:.1f} times real mode (at least 25)",
         ratio >= 25),
        (f"a list of 512 costs 1/{calls / real['indirect_512']:.1f} of 512 "
         "calls (at most 1/8)", calls >= 8 * real["indirect_512"]),
    ]


def judge_counted(cols):
    """In virtual mode nothing costs more than stock: (text, kept)"""
    stock = next(run for _, kvm, run in cols if kvm == "stock")
    ours = next(run for _, kvm, run in cols if kvm == "ours")
    out = []
    for key, label in ROWS:
        ratio = ours[key] / stock[key]
        out.append((f"{label}: {ratio:.3f} of stock's instructions "
                    f"(at most {BOUND})", ratio <= BOUND))
    return out


def main():
    path, load, directory, archs = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:]
    measured = subprocess.check_output([HERE + "/../../measured"])
    result = {"load": load, "measured": json.loads(measured),
              "host": platform.processor() or platform.machine(), "runs": []}
    bad = False

    result["promises"] = []
    for arch in archs:
        arch, _, counted = arch.partition(":")
        cols = columns(directory, arch)
        if len({kvm for _, kvm, _ in cols}) != 2:
            sys.exit(f"{arch}: no figures")
        unit = "ticks of the guest's timebase, 512 MHz"
        if counted:
            unit = "instructions"
            for _, _, run in cols:
                for key, _ in ROWS:
                    run[key] /= TICKS
        show(arch, unit, cols)
        for _, kvm, run in cols:
            result["runs"].append({"machine": arch, "unit": unit, "kvm": kvm, **run})
        promises = []
        if counted:
            promises = judge_counted(cols)
        elif arch == "powernv8":
            promises = judge(cols, load)
        for text, kept in promises:
            word = {True: "kept", False: "BROKEN", None: "not judged"}[kept]
            print(f"{word}: {text}")
            result["promises"].append({"machine": arch, "text": text, "kept": kept})
            bad |= kept is False
        print()

    with open(path, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
