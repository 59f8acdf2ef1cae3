#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Test kvm_doorbells status and switch, where our modules and stock's are on disk.

    modules_test.py KVM_DOORBELLS RINGER FOLDER_OF_OUR_MODULES

Runs in a VM with our KVM in it.
"""
import glob
import json
import os
import shutil
import struct
import subprocess
import sys

import module_sets
from checks import Ringer, check, result

tool, ringer_path, ours = sys.argv[1:4]
HIDDEN = '/sys/firmware/efi/efivars'


def run(*words, path=None):
    """Status, output and errors of the tool."""
    env = dict(os.environ, PATH=path + ':' + os.environ['PATH']) if path else None
    p = subprocess.run([tool, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, env=env)
    return p.returncode, p.stdout, p.stderr


def status(*words):
    """The object of status, after a check of its exit status."""
    code, out, err = run('status', '--json', *words)
    if err:
        check('status has no error', False, err)
        return {}
    s = json.loads(out)
    check('status %s ends with %d' % (' '.join(words), code), code == bool(s['problems']),
          s['problems'])
    return s


def version():
    try:
        with open('/sys/module/kvm/version') as f:
            return f.read().strip()
    except FileNotFoundError:
        return ''


def loaded(whose):
    return bool(version()) == (whose == 'ours') and \
        os.path.exists('/dev/kvm') and os.path.isdir('/sys/module/kvm_amd')


def test_status():
    s = status()
    check('ours is loaded', s['loaded']['whose'] == 'ours' and
          set(s['loaded']['modules']) == {'kvm', 'kvm_amd'} and
          s['loaded']['modules']['kvm']['version'] == version(), s['loaded'])
    check('both are on disk', set(s['disk']['ours']) == {'kvm', 'kvm_amd', 'kvm_intel'} and
          set(s['disk']['stock']) == {'kvm', 'kvm_amd', 'kvm_intel', 'kvmgt'}, s['disk'])
    check('ours is not signed, stock is', not s['disk']['ours']['kvm']['signer'] and
          s['disk']['stock']['kvm']['signer'], s['disk'])
    check('the next boot has ours', s['next_boot']['whose'] == 'ours', s['next_boot'])
    check('all is well', s['problems'] == [], s['problems'])
    check('but for GVT-g', len(s['notes']) == 1 and 'kvmgt' in s['notes'][0], s['notes'])
    check('no process holds KVM', s['holders'] == [], s['holders'])
    check('the kernel', s['kernel'] == module_sets.RELEASE and
          s['kernels'] == {module_sets.RELEASE: 'ours'}, s)
    page = run('status')[1]
    check('the page says the same', any(line.split()[:2] == ['loaded', 'ours']
                                        for line in page.splitlines()) and
          any(line.split()[:3] == ['next', 'boot', 'ours,']
              for line in page.splitlines()), page)


def test_switch():
    check('ours is there already', run('switch', 'ours') ==
          (0, 'ours is loaded already\n', ''))
    said = run('switch', 'stock')
    check('to stock', said == (0, 'stock is loaded\n', '') and loaded('stock'), said)
    s = status()
    check('status: stock until the next boot', s['loaded']['whose'] == 'stock' and
          s['next_boot']['whose'] == 'ours' and
          any('switch ours' in n for n in s['notes']), s)
    r = Ringer(ringer_path)
    s = status()
    check('the VMs and their process', [(h['pid'], h['vms']) for h in s['holders']] ==
          [(r.p.pid, 2)], s['holders'])
    code, out, err = run('switch', 'ours')
    check('not while a VM runs', code == 1 and not out and
          'nothing was changed' in err and
          'KVM is in use: %d ringer: 2 VMs' % r.p.pid in err and loaded('stock'), err)
    answer = r.rounds(101)
    check('the VM goes on', answer == 'done 51 50 101\n', answer)
    r.end()
    with open('/dev/kvm') as f:
        code, out, err = run('switch', 'ours')
        check('nor while /dev/kvm is open', code == 1 and str(os.getpid()) in err and
              loaded('stock'), err)
    said = run('switch', 'ours')
    check('to ours', said == (0, 'ours is loaded\n', '') and loaded('ours'), said)
    r = Ringer(ringer_path)
    answer = r.rounds(101)
    check('a VM runs on it', answer == 'done 51 50 101\n', answer)
    r.end()


def change_checksum(path, symbol):
    """Another checksum of a symbol that a module imports."""
    with open(path, 'rb') as f:
        data = bytearray(f.read())
    at = data.index(symbol.encode() + b'\0' * (56 - len(symbol))) - 8
    crc, = struct.unpack_from('<Q', data, at)
    struct.pack_into('<Q', data, at, crc ^ 1)
    with open(path, 'wb') as f:
        f.write(data)


def test_broken():
    run('switch', 'stock')
    for symbol, of in ('kvm_io_bus_write', 'of KVM'), ('module_layout', 'of the kernel'):
        name = 'kvm-amd.ko' if of == 'of KVM' else 'kvm.ko'
        if of == 'of KVM':
            # Any symbol of kvm.ko that kvm-amd.ko imports
            symbol = 'kvm_set_msr_common'
        change_checksum(os.path.join(module_sets.UPDATES, name), symbol)
        s = status()
        check('a wrong checksum %s' % of, len(s['problems']) == 1 and
              name in s['problems'][0] and symbol in s['problems'][0], s['problems'])
        code, out, err = run('switch', 'ours')
        check('is not loaded', code == 1 and symbol in err and loaded('stock'), err)
        module_sets.install(ours)
    with open(os.path.join(module_sets.UPDATES, 'kvm.ko'), 'r+b') as f:
        f.truncate(1000)
    s = status()
    check('half a module', any('is no module' in p for p in s['problems']), s['problems'])
    check('is not loaded', run('switch', 'ours')[0] == 1 and loaded('stock'))
    module_sets.install(ours)

    # What only the kernel finds out: the first module loads, the second does not
    os.makedirs('/run/fake')
    with open('/run/fake/insmod', 'w') as f:
        f.write('#!/bin/sh\ncase $1 in */updates/kvm-amd.ko) echo no such luck >&2; exit 1;; '
                'esac\nexec /sbin/insmod "$@"\n')
    os.chmod('/run/fake/insmod', 0o755)
    code, out, err = run('switch', 'ours', path='/run/fake')
    check('a load that fails is taken back', code == 1 and 'no such luck' in err and
          'stock is loaded again' in err and loaded('stock'), err)
    shutil.rmtree('/run/fake')

    os.makedirs('/run/modprobe.d', exist_ok=True)
    with open('/run/modprobe.d/test.conf', 'w') as f:
        f.write('options kvm halt_poll_ns=4711\n')
    said = run('switch', 'ours')
    with open('/sys/module/kvm/parameters/halt_poll_ns') as f:
        value = f.read()
    check('parameters of modprobe.d are used', said[0] == 0 and value == '4711\n',
          (said, value))
    with open('/run/modprobe.d/test.conf', 'w') as f:
        f.write('install kvm_amd /bin/false\n')
    code, out, err = run('switch', 'stock')
    check('a module that modprobe must not load stays', code == 1 and
          'modprobe.d' in err and loaded('ours'), err)
    os.unlink('/run/modprobe.d/test.conf')


def test_removed():
    run('switch', 'ours')
    shutil.rmtree(module_sets.UPDATES)
    s = status()
    check('removed without depmod', s['problems'] and 'run depmod' in s['problems'][0], s)
    module_sets.depmod()
    s = status()
    check('removed: stock at the next boot', s['loaded']['whose'] == 'ours' and
          s['next_boot']['whose'] == 'stock' and not s['disk']['ours'] and
          not s['problems'], s)
    code, out, err = run('switch', 'ours')
    check('what is not on disk', code == 1 and 'not on disk' in err and loaded('ours'), err)
    said = run('switch', 'stock')
    check('to stock, from modules that are gone', said[0] == 0 and loaded('stock'), said)
    os.makedirs(module_sets.UPDATES)
    for name in module_sets.NAMES:
        shutil.copy(os.path.join(ours, name), module_sets.UPDATES)
    s = status()
    check('installed without depmod', any('run depmod' in p for p in s['problems']), s)
    module_sets.depmod()


def test_signatures():
    """What this VM does not have, in a folder of its own."""
    root = '/run/root'
    release = module_sets.RELEASE
    shutil.copytree('/lib/modules', root + '/lib/modules')
    for path, data in (('/proc/sys/kernel/osrelease', release.encode()),
                       ('/sys/kernel/security/lockdown', b'none [integrity] confidentiality'),
                       (HIDDEN + '/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
                        b'\6\0\0\0\1')):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        with open(root + path, 'wb') as f:
            f.write(data)
    s = status('--root', root)
    check('Secure Boot, and modules that are not signed',
          s['signatures'] == {'enforced': True, 'secure_boot': True} and
          len(s['problems']) == 3 and all('not signed' in p for p in s['problems']), s)
    check('nothing is loaded there', s['loaded'] == {'whose': None, 'modules': {}}, s)
    # An initramfs with stock's KVM, as lsinitramfs would list it
    os.makedirs(root + '/boot')
    open(root + '/boot/initrd.img-' + release, 'w').close()
    os.makedirs('/run/fake')
    with open('/run/fake/lsinitramfs', 'w') as f:
        f.write('#!/bin/sh\necho usr/lib/modules/%s/kernel/arch/x86/kvm/kvm.ko.xz\n' % release)
    os.chmod('/run/fake/lsinitramfs', 0o755)
    code, out, err = run('status', '--json', '--root', root, path='/run/fake')
    s = json.loads(out)
    check('an old initramfs', any('update-initramfs' in p for p in s['problems']), s)
    shutil.rmtree('/run/fake')


def test_refused():
    for words, why in ((['switch'], 'required: whose'),
                       (['switch', 'theirs'], "invalid choice: 'theirs'"),
                       (['switch', 'ours', 'stock'], 'unrecognized arguments: stock'),
                       (['status', '1'], 'unrecognized arguments: 1'),
                       (['status', '--root', '/nowhere'], 'no such folder: /nowhere')):
        code, out, err = run(*words)
        check('refused in a line: %s' % ' '.join(words),
              code == 2 and why in err and err.count('\n') == 1, err)
    code, out, err = run('status', '--root', '/proc/self')
    check('a folder that is no root', code == 1 and 'osrelease' in err, err)
    copy = shutil.copy(tool, '/run/tool')
    p = subprocess.run(['setpriv', '--reuid', '65534', '--clear-groups', copy, 'switch',
                        'ours'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check('switch: for root only', p.returncode == 1 and 'root' in p.stderr, p.stderr)
    p = subprocess.run(['setpriv', '--reuid', '65534', '--clear-groups', copy, 'status'],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check('status: for all', p.returncode == 0 and 'root only' in p.stdout,
          p.stdout + p.stderr)


module_sets.prepare(ours)
for test in (test_status, test_switch, test_broken, test_removed, test_signatures,
             test_refused):
    test()
result()
