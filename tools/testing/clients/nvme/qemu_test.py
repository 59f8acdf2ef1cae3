#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A guest of QEMU copies one NVMe disk to another, with posted doorbells and without.
Runs in a VM with KVM in it; the QEMU in the path has qemu.diff.

    qemu_test.py KERNEL INITRD
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from qemu_guest import Failed, Kicks
from qemu_test import BLOCK, Machine, copy, disks_equal, need

BLOCKS = 32
LIMIT = 600             # seconds without a word from a guest


def machine(ioeventfd):
    m = Machine('modern')
    # The firmware is Debian's
    m.args += ['-L', '/usr/share/qemu', '-L', '/usr/share/seabios']
    for name, body in (('a', os.urandom(BLOCKS * BLOCK)), ('b', bytes(BLOCKS * BLOCK))):
        m.blockdev(name, body)
        m.args += ['-device', 'nvme,serial=%s,drive=%s,ioeventfd=%s' % (name, name, ioeventfd)]
    return m


def posted(kernel, initrd):
    """Each doorbell of a queue for data is posted, before and after a reset"""
    m = machine('on')
    try:
        g = m.start(kernel, initrd, LIMIT)
        found = g.doorbells()
        need('a tail and a head for each disk, of 4 bytes',
             len(found) == 4 and all(key[2] == 4 for key, _ in found), found)
        said = [copy(g, '/dev/nvme0n1', '/dev/nvme1n1', BLOCKS)[0]]
        g.run('for i in 0 1; do echo 1 >/sys/class/nvme/nvme$i/reset_controller; done')
        need('as many doorbells after a reset', len(g.doorbells()) == 4, g.doorbells())
        g.run('dd if=/dev/zero of=/dev/nvme1n1 bs=%d count=%d oflag=direct 2>/dev/null' %
              (BLOCK, BLOCKS))
        said.append('reset, ' + copy(g, '/dev/nvme0n1', '/dev/nvme1n1', BLOCKS)[0])
        disks_equal(m)
    finally:
        m.guest.end()
    return said


def exits(kernel, initrd):
    """The same without: nothing rings, and the copy is right as well"""
    m = machine('off')
    try:
        g = m.start(kernel, initrd, LIMIT)
        with Kicks(g) as kicks:
            g.run('dd if=/dev/nvme0n1 of=/dev/nvme1n1 bs=%d count=%d iflag=direct '
                  'oflag=direct 2>/dev/null' % (BLOCK, BLOCKS), kicks.tracer)
        need('no doorbells', not g.doorbells() and not kicks.rings, g.doorbells())
        need('writes leave for userspace', any(e['bus'] == 'mmio' for e in kicks.exits),
             kicks.exits)
        disks_equal(m)
    finally:
        m.guest.end()
    return ['exits']


def main():
    passed = 0
    tests = posted, exits
    for test in tests:
        try:
            print('ok   %s  %s' % (test.__name__, '; '.join(test(*sys.argv[1:]))), flush=True)
            passed += 1
        except Failed as e:
            print('FAIL %s  %s' % (test.__name__, e), flush=True)
    print('%d passed, %d failed' % (passed, len(tests) - passed))
    return passed != len(tests)


sys.exit(main())
