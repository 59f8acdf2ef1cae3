# SPDX-License-Identifier: GPL-2.0-only
"""Table, bounds and JSON of the TCE benchmark.

table.py JSON LOAD DIRECTORY ARCH[:counted]...

The clock of a machine that is counted advances a nanosecond with each instruction. The
others count ticks of the guest's timebase, of 512 MHz.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from report import Report

ROWS = {
    "put": "H_PUT_TCE",
    "get": "H_GET_TCE",
    "stuff_1": "H_STUFF_TCE, 1 entry",
    "stuff_512": "H_STUFF_TCE, 512 entries",
    "stuff_16384": "H_STUFF_TCE, 16384 entries",
    "indirect_512": "H_PUT_TCE_INDIRECT, 512 entries",
    "put_user": "H_PUT_TCE for userspace",
    "refused": "H_REMOVE, refused",
    "fill_first": "16384 H_PUT_TCE, new table",
    "fill": "16384 H_PUT_TCE",
}
TICKS = 0.512    # of the timebase in a nanosecond
QUIET = 1.0      # load average below which ticks mean something by themselves


def read(columns, directory, arch, counted):
    """Put the figures of one machine into the columns; what its VM was"""
    for kvm in ("stock", "ours"):
        with open(os.path.join(directory, f"{arch}.{kvm}"), encoding="utf-8") as f:
            runs = [json.loads(line) for line in f if line.startswith("{")]
        if not runs:
            sys.exit(f"{arch}: no figures of {kvm}")
        for run in runs:
            ops = columns.setdefault(f"{kvm}, {run['mode']}", {})
            for key, text in ROWS.items():
                name = f"{arch}/{key}"
                ops[name] = {"name": name, "text": text,
                             "median": run[key] / (TICKS if counted else 1)}
    return runs[0]["vm"]


def real_mode(report, arch, load):
    """Bounds of the path in real mode"""
    put = arch + "/put"
    real = {"of": "ours, real"}
    report.at_most(1.25, put, arch + "/refused", **real)
    report.at_most(1 / 25, put, put, "ours, virtual", **real)
    # A list of 512 costs at most an eighth of 512 calls
    report.at_most(512 / 8, arch + "/indirect_512", put, **real)
    refused = report.columns["ours, real"].get(arch + "/refused", {"median": 0})["median"]
    if load < QUIET and refused <= 600:
        report.absolute(700, put, "ours, real")
    else:
        print(f"not judged: {put} <= 700 ticks; the load is {load:.2f}, and an hcall "
              f"that does nothing costs {refused:.0f}")


def main():
    path, load, directory = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    columns, families = {}, []
    machines = [a.partition(":")[::2] for a in sys.argv[4:]]
    for arch, counted in machines:
        vm = read(columns, directory, arch, counted)
        families.append((arch, f"{vm}, " + ("instructions" if counted else
                                            "ticks of the guest's timebase")))
    report = Report({c: columns[c] for c in sorted(columns, reverse=True)}, families,
                    "cost")
    report.table()
    print()
    for arch, counted in machines:
        if counted:
            for key in ROWS:
                name = f"{arch}/{key}"
                report.at_most(1.02, name, name, "stock, virtual", "ours, virtual")
        elif arch == "powernv8":
            if "ours, real" not in columns:
                sys.exit("ours has no real mode here")
            real_mode(report, arch, load)
    missed = report.judge()
    report.write_json(path, load=load)
    sys.exit(1 if missed else 0)


main()
