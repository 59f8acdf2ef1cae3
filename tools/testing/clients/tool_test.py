#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Test tools/kvm/kvm_doorbells against a guest whose doings are known.

    tool_test.py KVM_DOORBELLS RINGER

Runs in a VM with KVM in it; the guest is described in ringer.c.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from checks import Ringer, check, result

tool, ringer_path = sys.argv[1:3]
stock = os.environ.get('KVM') == 'stock'


def run(*words, status=0):
    p = subprocess.run([tool, *words], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode != status:
        check('kvm_doorbells %s' % ' '.join(words), False,
              'status %d\n%s%s' % (p.returncode, p.stdout, p.stderr))
    return p.stdout + p.stderr if status else p.stdout


def doorbells(vm):
    return {(d['bus'], d['address'], d['length'], d['value']): d['rings']
            for d in vm['doorbells']}


PIO1, PIO2 = ('pio', 0x510, 2, 1), ('pio', 0x510, 2, 2)
MMIO = ('mmio', 0xd0000, None, None)
# Not rung: some bits of a value, and a range
MASKED, RANGE = ('mmio', 0xd1000, 4, 5), ('mmio', 0xd2000, 4, None)


def test_list():
    check('no VM, no lines', run('list') == 'no VM\n', run('list'))
    r = Ringer(ringer_path)
    found = json.loads(run('--json', r.pid))['vms']
    check('both VMs of the process are found', len(found) == 2, found)
    vm = [v for v in found if v['doorbells']][0]
    check('five doorbells, none has rung', doorbells(vm) ==
          {PIO1: 0, PIO2: 0, MMIO: 0, MASKED: 0, RANGE: 0}, vm)
    posting = {d['address']: (d['mask'], d['size'], d['stride'])
               for d in vm['doorbells'] if d['posts_at']}
    check('two of them post values', posting ==
          {0xd1000: (0xffff, None, None), 0xd2000: (None, 256, 8)}, vm)
    check('and no irqfd there', vm['irqfds'] == [], vm)
    answer = r.rounds(101)
    check('the guest rang 101 times', answer == 'done 51 50 101\n', answer)
    found = json.loads(run('list', '--json'))['vms']
    vm = [v for v in found if v['doorbells']][0]
    check('as many rings are shown', doorbells(vm) ==
          {PIO1: 51, PIO2: 50, MMIO: 101, MASKED: 0, RANGE: 0}, vm)
    other = [v for v in found if not v['doorbells']][0]
    i = other['irqfds']
    check('the irqfd of the other VM', len(i) == 1 and i[0]['gsi'] == 24 and
          i[0]['trigger'] == 'edge' and
          i[0]['route'] == 'msi:0x00000000fee00000:0x30', i)
    check('the devices inside the kernel of the other VM',
          any(b['bus'] == 'pio' and b['start'] == 0x20 for b in other['bus']),
          other['bus'])
    page = run('list', '-i', '-b', r.pid)
    check('the table names address, length, value, rings',
          any(l.split() == ['pio', '0x510', '2', '0x2', '50', '-']
              for l in page.splitlines()), page)
    check('any is said where anything rings',
          any(l.split() == ['mmio', '0xd0000', 'any', 'any', '101', '-']
              for l in page.splitlines()), page)
    lines = [l.split()[:5] for l in page.splitlines()]
    check('a mask and a range are in the table',
          ['mmio', '0xd1000', '4', '0x5/0xffff', '0'] in lines and
          ['mmio', '0xd2000+0x100/8', '4', 'any', '0'] in lines, page)
    check('one VM by its folder', run('list', other['vm']).count('\n') == 2)
    for command in 'list', 'watch', 'exits':
        said = run(command, '1', status=1)
        check('%s: none of a process that has none' % command,
              said == 'kvm_doorbells: no VM of 1\n', said)
    r.end()
    check('gone with the VM', run('list') == 'no VM\n')


def test_exits():
    r = Ringer(ringer_path)
    quiet = json.loads(run('exits', '--json', '-t', '0.5'))
    check('a guest that does nothing has no exits', quiet['exits'] == [], quiet)
    r.tell('run')
    seen = json.loads(run('exits', '--json', '-t', '3'))
    page = run('exits', '-t', '1.5', r.pid)
    least = json.loads(run('exits', '--json', '-t', '1', '--least', '1000000'))
    r.tell('0')
    exits = {(e['bus'], e['address']): e for e in seen['exits']}
    check('four addresses, and no doorbell among them', set(exits) ==
          {('pio', 0x518), ('mmio', 0xd0010), ('pio', 0x520), ('pio', 0x528)},
          sorted(exits))
    if len(exits) == 4:
        counts = [e['writes'] for e in exits.values()]
        check('each as often as the others', min(counts) > 100 and
              max(counts) - min(counts) <= 2 and seen['lost'] == 0,
              (counts, seen['lost']))
        e = exits['pio', 0x518]
        check('few values: one doorbell for each', e['deserves_doorbell'] and
              e['values'] == [0, 1] and e['why'].endswith('one per value') and
              e['length'] == 1, e)
        e = exits['mmio', 0xd0010]
        check('one value: a doorbell', e['deserves_doorbell'] and
              e['values'] == [7] and e['length'] == 4, e)
        e = exits['pio', 0x520]
        check('many values: data', not e['deserves_doorbell'] and
              e['more_values'], e)
        e = exits['pio', 0x528]
        check('read, too: no doorbell', not e['deserves_doorbell'] and
              'read' in e['why'], e)
        check('by the process that runs the guest',
              {str(e['pid']) for e in exits.values()} == {r.pid})
    check('the table says so', 'yes: length 1, one per value' in page and
          'no: it is read, too' in page and '0x0 0x1' in page, page)
    check('rare writes deserve none', least['exits'] and
          not any(e['deserves_doorbell'] for e in least['exits']), least)
    r.end()


def test_watch():
    r = Ringer(ringer_path)
    r.tell('run')
    lines = run('watch', '--json', '-n', '1', '-c', '3').splitlines()
    page = run('watch', '-n', '1', '-c', '2', r.pid)
    with open(os.environ.get('TOOL_SAMPLE', '/dev/null'), 'w') as f:
        f.write(page)
    r.tell('0')
    looks = [json.loads(line) for line in lines]
    check('three looks, three lines', len(looks) == 3, lines)
    rates = [{(d['bus'], d['value']): d['rings_per_second']
              for d in look['doorbells'] if d['address'] < MASKED[1]} for look in looks]
    check('every doorbell rings in every look', all(len(x) == 3 and
          min(x.values()) > 10 for x in rates), rates)
    # A round rings the MMIO one once and one of the two on the port
    check('rates fit together', all(
        abs(x['mmio', None] - x['pio', 1] - x['pio', 2]) <
        0.02 * x['mmio', None] + 5 for x in rates), rates)
    for look in looks:
        rung = sum(d['rings_per_second'] * look['seconds']
                   for d in look['doorbells'])
        vcpus = look['vcpus']
        if len(vcpus) != 1 or abs(vcpus[0]['rings'] - rung) > 0.2 * rung + 20:
            check('the thread that rings', False, look)
            break
    else:
        check('the thread that rings', str(vcpus[0]['tid']) == r.pid, vcpus)
    check('exits are told, too', all(len(look['exits']) == 4
                                     for look in looks), looks)
    check('the page has doorbells, threads, exits', 'rings/s' in page and
          'vcpu thread' in page and 'a doorbell?' in page, page)
    r.end()


def test_ends():
    before = glob.glob('/sys/kernel/tracing/instances/*')
    p = subprocess.Popen([tool, 'watch', '-n', '100'], stdout=subprocess.PIPE)
    for _ in range(100):
        if glob.glob('/sys/kernel/tracing/instances/kvm_doorbells.*/trace_pipe'):
            break
        time.sleep(0.1)
    during = glob.glob('/sys/kernel/tracing/instances/*')
    time.sleep(1)
    p.send_signal(signal.SIGTERM)
    p.communicate()
    check('watch has an instance of its own', len(during) == len(before) + 1,
          during)
    check('and leaves none behind when it is killed', p.returncode == 130 and
          glob.glob('/sys/kernel/tracing/instances/*') == before,
          (p.returncode, glob.glob('/sys/kernel/tracing/instances/*')))
    for words, why in ((['list', 'x'], 'no command and no VM: x'),
                       (['x'], 'no command and no VM: x'),
                       (['watch', '-n', '0'], 'not a number above 0: 0'),
                       (['exits', '-t', 'x'], 'not a number above 0: x'),
                       (['exits', '-t'], 'expected one argument'),
                       (['--nonsense'], 'unrecognized arguments: --nonsense')):
        said = run(*words, status=2)
        check('refused in a line: %s' % ' '.join(words),
              why in said and said.count('\n') == 1, said)
    # One that was killed leaves its trace instance; the next removes it
    p = subprocess.Popen([tool, 'watch', '-n', '100'], stdout=subprocess.PIPE)
    for _ in range(100):
        if glob.glob('/sys/kernel/tracing/instances/kvm_doorbells.*/trace_pipe'):
            break
        time.sleep(0.1)
    time.sleep(1)
    p.kill()
    p.communicate()
    left = glob.glob('/sys/kernel/tracing/instances/*')
    run('exits', '-t', '0.1')
    check('what a killed one left is removed', len(left) == len(before) + 1 and
          glob.glob('/sys/kernel/tracing/instances/*') == before,
          (left, glob.glob('/sys/kernel/tracing/instances/*')))
    # debugfs has a tracefs of its own
    for hide, words in (['/sys/kernel/debug'], 'is debugfs mounted'), \
                       (['/sys/kernel/tracing', '/sys/kernel/debug/tracing'],
                        'is tracefs mounted'):
        script = ''.join('mount -t tmpfs none %s && ' % h for h in hide)
        p = subprocess.run(['unshare', '-m', 'sh', '-c',
                            script + 'exec %s exits -t 0.1' % tool],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        check('without it: %s' % words, p.returncode == 1 and words in p.stderr and
              p.stderr.count('\n') == 1, (p.returncode, p.stderr))
    # A copy: the tree may be where only root can read
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(tool, folder)
        p = subprocess.run(['setpriv', '--reuid', '65534', '--clear-groups', copy],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check('for root only', p.returncode == 1 and 'root' in p.stderr,
          (p.returncode, p.stderr))
    # A VM that ends and begins while the tool looks
    end = time.monotonic() + 6
    looker = subprocess.Popen([tool, 'watch', '--json', '-n', '0.2'],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    n = 0
    while time.monotonic() < end:
        r = Ringer(ringer_path)
        r.rounds(5)
        r.end()
        n += 1
    alive = looker.poll() is None
    looker.send_signal(signal.SIGTERM)
    out, err = looker.communicate()
    check('VMs come and go (%d) while it looks' % n, alive and not err and
          all(json.loads(l) for l in out.splitlines()), err)


def test_stock():
    r = Ringer(ringer_path)
    r.tell('run')
    page = run('list', r.pid)
    check('stock: the tool says that doorbells are not told',
          page.count('this KVM does not tell of doorbells') == 2, page)
    seen = json.loads(run('exits', '--json', '-t', '3', r.pid))
    check('stock: exits are', len(seen['exits']) == 4, seen)
    r.tell('0')
    r.end()


for test in [test_stock] if stock else [test_list, test_exits, test_watch,
                                        test_ends]:
    test()
result()
