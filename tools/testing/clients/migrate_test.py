#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A guest of Debian's QEMU moves from stock's KVM to ours and back, with its disk and
its network (vhost-net) in use.

    migrate_test.py KERNEL INITRD KVM_DOORBELLS FOLDER_OF_OUR_MODULES

Runs in a VM with our KVM in it. The state of the guest goes to a file. Between the
two halves of a move, kvm_doorbells changes the modules.
"""
import os
import subprocess
import sys
import time

import module_sets
from checks import check, result
from qemu_guest import Failed, Guest, Kicks, digest
from qemu_test import (BLOCK, MIB, TAP, TAP_GUEST, TAP_HOST, Machine, Web, fetch,
                       net_up, served, tap_up)

kernel, initrd, tool, ours = sys.argv[1:5]
STATE = '/tmp/state'
LIMIT = 600             # seconds without a word; the clock of a busy VM may run fast
# Reads the disk past the cache all the time, and notes each time and each error
READER = (': >/tmp/rounds; (while :; do dd if=/dev/vda bs=%d count=32 iflag=direct 2>/dev/null | '
          'cmp -s - /tmp/a || echo >>/tmp/errors; echo >>/tmp/rounds; done) &' % BLOCK)


def switch(whose):
    p = subprocess.run([tool, 'switch', whose], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    check('%s is loaded' % whose, p.returncode == 0 and
          os.path.exists('/sys/module/kvm/version') == (whose == 'ours'), p.stdout)


def until(guest, what, wanted):
    """Wait for a status."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        status = guest.qmp(what).get('status')
        if status in wanted:
            return status
        time.sleep(0.2)
    raise Failed('%s: %s' % (what, status))


def leave(guest):
    guest.qmp('migrate', uri='exec:cat >%s' % STATE)
    check('the guest is saved', until(guest, 'query-migrate', ('completed', 'failed')) ==
          'completed')
    guest.end()


def arrive(machine):
    guest = Guest(machine.folder, kernel, initrd,
                  machine.args + ['-incoming', 'exec:cat %s' % STATE], LIMIT)
    machine.guest = guest
    check('the guest goes on', until(guest, 'query-status', ('running', 'internal-error'))
          == 'running')
    return guest


def rounds(guest):
    return int(guest.run('wc -l </tmp/rounds'))


def uses(guest, web, where):
    """Disk and network work, on the KVM that is loaded."""
    before = rounds(guest)
    guest.run('for i in $(seq 3000); do [ $(wc -l </tmp/rounds) -ge %d ] && break; '
              'sleep 0.1; done' % (before + 3))
    check('%s: the disk is read' % where, rounds(guest) >= before + 3)
    guest.run('dd if=/tmp/a of=/dev/vdb bs=%d oflag=direct 2>/dev/null && '
              'echo 3 >/proc/sys/vm/drop_caches && cmp /dev/vdb /tmp/a' % BLOCK)
    fetch(guest, TAP_HOST, web.digest)
    check('%s: no error of the disk' % where, guest.run('[ ! -e /tmp/errors ] && echo no')
          == 'no')


def main():
    module_sets.prepare(ours, ('tun', 'vhost_net'))
    m = Machine('modern')
    body = os.urandom(32 * BLOCK)
    m.disk('a', body)
    m.disk('b', bytes(32 * BLOCK))
    tap_up(m)
    web = Web('/tmp/web', MIB)
    try:
        switch('stock')
        g = m.start(kernel, initrd, LIMIT)
        g.run('dd if=/dev/vda of=/tmp/a bs=%d count=32 2>/dev/null' % BLOCK)
        net_up(g, TAP_GUEST)
        g.run(READER)
        uses(g, web, 'stock')
        leave(g)

        switch('ours')
        g = arrive(m)
        uses(g, web, 'ours')
        with Kicks(g) as kicks:
            fetch(g, TAP_HOST, web.digest, kicks.tracer)
        check('ours: ' + served(kicks, 32), kicks.injected >= 16, kicks.injected)
        leave(g)

        switch('stock')
        g = arrive(m)
        uses(g, web, 'stock again')
        check('the disk has what the guest wrote', digest(m.folder + '/a') ==
              digest(m.folder + '/b'))
    except (Failed, OSError, subprocess.CalledProcessError) as e:
        check('the guest moves', False, e)
    finally:
        web.end()
        m.guest.end()
        subprocess.run(['ip', 'link', 'del', TAP])
    result()


main()
