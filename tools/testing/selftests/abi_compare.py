#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare two lists of answers that eventfd_abi_test has written.

abi_compare.py STOCK OURS EXPECTED README

Every difference has to match a line of EXPECTED, every line of EXPECTED a
difference, and the sentence that it names has to be in README.
"""

import itertools
import re
import sys

MEANING = {
    ".": "0", "I": "EINVAL", "B": "EBADF", "X": "EEXIST", "N": "ENOENT",
    "U": "EBUSY", "A": "EAGAIN", "F": "EFAULT", "S": "ENOSPC",
}


class Group:
    """The answers of one group: lines by key, and what their letters are."""

    def __init__(self, head):
        words = head.split()
        self.name, self.width = words[0], int(words[1])
        names, values = [], []
        for axis in words[2:]:
            name, _, text = axis.partition("=")
            names.append(name)
            values.append(text.split(","))
        self.cells = [" ".join(f"{n}={v}" for n, v in zip(names, point))
                      for point in itertools.product(*values)]
        self.lines = {}


def read_list(path):
    """All groups of a list; a group that several cases write is one."""
    groups = {}
    group = None
    with open(path, encoding="ascii") as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("= "):
                new = Group(line[2:])
                group = groups.setdefault(new.name, new)
                if (group.width, group.cells) != (new.width, new.cells):
                    raise ValueError(f"{path}: two kinds of {new.name}")
                continue
            key, tab, letters = line.partition("\t")
            if not tab or group is None or key in group.lines:
                raise ValueError(f"{path}: bad line: {line[:80]}")
            if len(letters) != group.width * len(group.cells):
                raise ValueError(f"{path}: {group.name}: {key}: {len(letters)} letters")
            group.lines[key] = letters
    if not groups:
        raise ValueError(f"{path}: no answers")
    return groups


def read_expected(path):
    """The rules: [group, pattern, sentence, matches]."""
    rules = []
    with open(path, encoding="utf-8") as f:
        for nr, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = line.split(" | ")
            if len(parts) != 3:
                raise ValueError(f"{path}:{nr}: not 'group | difference | sentence'")
            rules.append([parts[0], re.compile(parts[1]), parts[2], 0])
    return rules


def differences(name, stock, ours):
    """Yield each answer of a group that differs, as 'KEY: STOCK -> OURS'."""
    for key, left in stock.lines.items():
        right = ours.lines[key]
        if left == right:
            continue
        w = stock.width
        for i, cell in enumerate(stock.cells):
            a, b = left[i * w:i * w + w], right[i * w:i * w + w]
            if a != b:
                yield f"{key} {cell}: {a} -> {b}"


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: abi_compare.py STOCK OURS EXPECTED README")
    try:
        stock, ours = read_list(sys.argv[1]), read_list(sys.argv[2])
        rules = read_expected(sys.argv[3])
    except (OSError, ValueError, re.error) as e:
        sys.exit(f"abi_compare: error: {e}")
    with open(sys.argv[4], encoding="utf-8") as f:
        readme = " ".join(f.read().replace("*", "").split())

    bad = total = known = 0
    if stock.keys() != ours.keys():
        print(f"only one has: {' '.join(sorted(stock.keys() ^ ours.keys()))}")
        bad += 1
    for name in sorted(stock.keys() & ours.keys()):
        left, right = stock[name], ours[name]
        if left.cells != right.cells or left.lines.keys() != right.lines.keys():
            print(f"{name}: the two lists are not of the same calls")
            bad += 1
            continue
        nr = len(left.lines) * len(left.cells) * left.width
        total += nr
        other = 0
        differ = 0
        for text in differences(name, left, right):
            differ += 1
            match = [r for r in rules if r[0] == name and r[1].fullmatch(text)]
            for r in match:
                r[3] += 1
            if match:
                known += 1
                continue
            other += 1
            if other <= 10:
                print(f"{name}: {text}")
        print(f"{name:<22} {nr:8} answers, {differ:5} differ, {other} of them unexpectedly")
        bad += other
    for group, pattern, sentence, matches in rules:
        if not matches:
            print(f"expected, but not seen: {group} | {pattern.pattern}")
            bad += 1
        if sentence not in readme:
            print(f"README does not say: {sentence}")
            bad += 1
    letters = ", ".join(f"{k} {v}" for k, v in MEANING.items())
    print(f"({letters})")
    print(f"{total} answers, {known} differ as README says, {bad} wrong")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
