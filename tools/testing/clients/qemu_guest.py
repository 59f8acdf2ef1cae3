# SPDX-License-Identifier: GPL-2.0-only
"""A small guest under QEMU, and KVM's counts of what served its kicks."""
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, '../../..'))


def load_tool():
    """tools/kvm/kvm_doorbells as a module."""
    path = os.path.join(TOP, 'tools/kvm/kvm_doorbells')
    loader = importlib.machinery.SourceFileLoader('kvm_doorbells', path)
    spec = importlib.util.spec_from_loader('kvm_doorbells', loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


# Of each processor, as QEMU's monitor prints them
REGISTERS = re.compile(r'([RE]AX=.*?)[RE]IP=([0-9a-f]+) [RE]FL=([0-9a-f]+) [^\n]*HLT=([01])',
                       re.DOTALL)
IF = 1 << 9             # of the flags: interrupts are on

sys.dont_write_bytecode = True
doorbells_tool = load_tool()


class Failed(Exception):
    pass


class Silent(Failed):
    """The guest said nothing for too long."""


class Stuck(Silent):
    """A processor of the guest spins with its interrupts off: that is no kick
    and no interrupt that got lost, with which it would halt."""


class Timeline:
    """So many seconds from now."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return self.end - time.monotonic()


class Guest:
    """QEMU with a guest that takes commands on its serial port."""

    def __init__(self, folder, kernel, initrd, args, limit, user=0):
        self.folder = folder
        self.limit = limit
        self.text = b''
        self.last = None
        self.qmp_path = os.path.join(folder, 'qmp')
        if os.path.exists(self.qmp_path):
            os.unlink(self.qmp_path)
        self.log = open(os.path.join(folder, 'qemu.log'), 'w+')
        self.command = ['qemu-system-x86_64', '-nodefaults', '-no-user-config',
                        '-display', 'none', '-cpu', 'host', '-m', '256',
                        '-kernel', kernel, '-initrd', initrd,
                        '-append', 'console=ttyS0 quiet panic=-1 '
                        'mitigations=off nohz=off tsc=unstable nokaslr '
                        'random.trust_cpu=on',
                        '-serial', 'stdio',
                        '-qmp', 'unix:%s,server=on,wait=off' % self.qmp_path,
                        *args]
        if user:
            # No other user may reach the files
            for i in self.command.index('-kernel') + 1, self.command.index('-initrd') + 1:
                self.command[i] = shutil.copy(self.command[i], folder)
            for path in [folder] + [os.path.join(folder, f) for f in os.listdir(folder)]:
                os.chown(path, user, user)
            os.chmod('/dev/kvm', 0o666)
        self.p = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=self.log,
                                  user=user, group=user, extra_groups=[user])
        os.set_blocking(self.p.stdout.fileno(), False)
        self.qmp_sock = None

    def words(self):
        self.log.seek(0)
        return self.log.read().strip()

    def wait_for(self, mark, tracer=None):
        """What comes up to a line that begins with mark, and the rest of that
        line; trace events are counted meanwhile."""
        line = Timeline(self.limit)
        mark = b'\n' + mark.encode()
        look = Timeline(self.limit / 10)
        while True:
            at = self.text.find(mark)
            if at >= 0:
                end = self.text.find(b'\n', at + len(mark))
                if end >= 0:
                    before = self.text[:at]
                    rest = self.text[at + len(mark):end]
                    self.text = self.text[end:]
                    return (before.decode(errors='replace').replace('\r', ''),
                            rest.decode(errors='replace').strip())
            if b'Kernel panic' in self.text:
                raise Failed('the guest panicked:\n%s' %
                             self.text[-3000:].decode(errors='replace'))
            if line.left() <= 0:
                raise Silent('the guest said nothing more for %d s after %s:\n%s' %
                             (self.limit, self.last or 'power on',
                              self.text[-2000:].decode(errors='replace')))
            if look.left() <= 0:
                if self.spins():
                    raise Stuck('the guest spins with its interrupts off, after %s:\n%s' %
                                (self.last or 'power on',
                                 self.text[-2000:].decode(errors='replace')))
                look = Timeline(self.limit / 10)
            if tracer:
                tracer.collect(0.05)
            if select.select([self.p.stdout], [], [], 0 if tracer else 1)[0]:
                data = os.read(self.p.stdout.fileno(), 1 << 16)
                if not data:
                    raise Failed('QEMU ended: %s\n%s' %
                                 (self.words(),
                                  self.text[-2000:].decode(errors='replace')))
                self.text += data
                look = Timeline(self.limit / 10)

    def locked_out(self):
        """The processors that run with interrupts off: registers, about where."""
        said = self.qmp('human-monitor-command',
                        **{'command-line': 'info registers -a'})
        return {(cpu, registers, int(ip, 16) >> 8) for
                cpu, (registers, ip, flags, halted) in
                enumerate(REGISTERS.findall(said))
                if halted == '0' and not int(flags, 16) & IF}

    def spins(self):
        """Whether a processor loops with its interrupts off. A processor that makes
        progress, even slowly, changes its registers."""
        where = self.locked_out()
        for _ in range(4):
            if not where:
                return False
            time.sleep(self.limit / 1000)
            where &= self.locked_out()
        return bool(where)

    def booted(self):
        self.wait_for('@@ready')

    def send(self, command):
        self.last = command
        self.p.stdin.write(command.encode() + b'\n')
        self.p.stdin.flush()

    def run(self, command, tracer=None):
        """Run a command in the guest; what it printed."""
        self.send(command)
        out, status = self.wait_for('@@', tracer)
        if status != '0':
            raise Failed('in the guest: %s: status %s\n%s' % (command, status, out))
        return out.strip()

    def qmp(self, execute, **arguments):
        if not self.qmp_sock:
            line = Timeline(60)
            while True:
                try:
                    self.qmp_sock = socket.socket(socket.AF_UNIX)
                    self.qmp_sock.connect(self.qmp_path)
                    break
                except OSError:
                    if line.left() <= 0:
                        raise
                    time.sleep(0.1)
            self.qmp_sock.settimeout(self.limit)
            self.qmp_file = self.qmp_sock.makefile('r')
            self.qmp_file.readline()
            self.events = []
            self.qmp('qmp_capabilities')
        self.qmp_sock.sendall(json.dumps(
            {'execute': execute, 'arguments': arguments}).encode())
        while True:
            answer = json.loads(self.qmp_file.readline())
            if 'event' in answer:
                self.events.append(answer)
            elif 'error' in answer:
                raise Failed('%s: %s' % (execute, answer['error']['desc']))
            else:
                return answer['return']

    def monitor(self, line):
        """A command of the human monitor; anything it says is a failure."""
        said = self.qmp('human-monitor-command', **{'command-line': line})
        if said.strip():
            raise Failed('%s: %s' % (line, said.strip()))

    def event(self, name):
        """Wait for an event of QEMU."""
        self.qmp('query-status')
        line = Timeline(self.limit)
        while line.left() > 0:
            for e in self.events:
                if e['event'] == name:
                    self.events.remove(e)
                    return e
            answer = json.loads(self.qmp_file.readline())
            if 'event' in answer:
                self.events.append(answer)
        raise Failed('no event %s' % name)

    def doorbells(self):
        """All doorbells: (bus, address, length, value) and rings."""
        found = []
        for vm in doorbells_tool.vms([str(self.p.pid)]):
            found += [((d['bus'], d['address'], d['length'], d['value']),
                       d['rings']) for d in vm.doorbells or []]
        return found

    def stats(self):
        """What QEMU tells of KVM's statistics, summed up over the vCPUs."""
        found = {}
        for target in 'vm', 'vcpu':
            for part in self.qmp('query-stats', target=target,
                                 providers=[{'provider': 'kvm'}]):
                for s in part['stats']:
                    if isinstance(s['value'], int):
                        found[s['name']] = found.get(s['name'], 0) + s['value']
        return found

    def rings(self):
        return sum(n for _, n in self.doorbells())

    def irqfds(self):
        found = []
        for vm in doorbells_tool.vms([str(self.p.pid)]):
            found += vm.irqfds or []
        return found

    def injected(self):
        return sum(i['injected_at_once'] + i['injected_by_work']
                   for i in self.irqfds())

    def end(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        if self.qmp_sock:
            self.qmp_sock.close()
        self.p.stdout.close()
        self.p.stdin.close()
        self.log.close()


class Ioctls:
    """The ioctls of KVM but KVM_RUN that this process's children make, by tracefs:

        with Ioctls() as ioctls:
            ...

    Afterwards: ns, how long each took, by its number.
    """
    KVM, RUN = 0xae, 0xae80
    ENTRY = re.compile(r'-(\d+) .* (\d+)\.(\d+): sys_ioctl(?:\(.*cmd: (\w+),.*| -> .*)$')

    def __init__(self):
        self.folder = '/sys/kernel/tracing/instances/ioctls'
        self.ns = {}

    def set(self, name, value):
        with open(os.path.join(self.folder, name), 'w') as f:
            f.write(str(value))

    def __enter__(self):
        os.mkdir(self.folder)
        self.set('buffer_size_kb', 1 << 15)
        self.set('options/event-fork', 1)
        self.set('set_event_pid', os.getpid())
        for event in 'enter', 'exit':
            self.set('events/syscalls/sys_%s_ioctl/enable' % event, 1)
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.set('tracing_on', 0)
            if not kind:
                with open(os.path.join(self.folder, 'trace')) as f:
                    self.collect(f)
        finally:
            os.rmdir(self.folder)
        return False

    def collect(self, lines):
        begun = {}          # thread: ioctl, when
        for line in lines:
            m = re.search(r'entries-in-buffer/entries-written: (\d+)/(\d+)', line)
            if m and m.group(1) != m.group(2):
                raise Failed('the trace is not whole: ' + line)
            m = self.ENTRY.search(line)
            if not m:
                continue
            thread, seconds, fraction, number = m.groups()
            now = int(seconds) * 10**9 + int(fraction.ljust(9, '0'))
            if number:
                begun[thread] = int(number, 16), now
            elif thread in begun:
                number, since = begun.pop(thread)
                if number >> 8 & 0xff == self.KVM and number != self.RUN:
                    self.ns.setdefault(number, []).append(now - since)


class Kicks:
    """What became of the kicks while something was done:

        with Kicks(guest) as kicks:
            guest.run(command, kicks.tracer)

    Afterwards: rings, how often doorbells have rung; left, writes to addresses
    of doorbells that left for userspace; injected, interrupts by irqfd; stats, how
    much KVM's statistics have grown, as QEMU tells.
    """

    def __init__(self, guest):
        self.guest = guest

    def __enter__(self):
        self.tracer = doorbells_tool.Tracer([str(self.guest.p.pid)])
        # More than the tracer counts, for it is read before and after
        self.stats = self.guest.stats()
        self.rings = -self.guest.rings()
        self.injected = -self.guest.injected()
        self.tracer.begin()
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind:
                return False
            now = self.guest.doorbells()
            self.rings += sum(n for _, n in now)
            self.injected += self.guest.injected()
            self.stats = {name: n - self.stats.get(name, 0)
                          for name, n in self.guest.stats().items()}
            self.tracer.collect(0.2)
            self.exits, self.seconds = self.tracer.found(10)
            where = {(key[0], key[1]) for key, _ in now}
            self.left = [(e['bus'], hex(e['address']), e['writes'])
                         for e in self.exits
                         if (e['bus'], e['address']) in where]
            self.lost = self.tracer.lost
        finally:
            self.tracer.close()
        return False


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()
