# SPDX-License-Identifier: GPL-2.0-only
"""Boot a machine of machines.py and run one command in it: see the head of vm.

The command's output and exit status are passed through. The words of this program go
to stderr, the kernel's to the log.
"""
import contextlib
import getopt
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

from initramfs import Cpio, read_module, resolve
from machines import MACHINES, Refused, one_of
import bochs  # noqa: F401, more machines
import disk  # noqa: F401

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Exit statuses of our own, as timeout(1) and docker(1) have them
TIMEOUT, FAILED, COMPLAINT = 124, 125, 126
TRIES = 3               # to boot
AROUND = 6              # lines that are told after the kernel's first complaint

USAGE = "usage: vm [OPTION]... [--] COMMAND [ARGUMENT]... | vm [OPTION]... -c 'SHELL COMMAND'"
FLAGS = ['icount', 'inside', 'no-leaks', 'no-build', 'pci']
WORDS = ['timeout', 'splat', 'accel', 'threads', 'copies', 'kernel', 'initrd', 'disk',
         'efi', 'log']
LISTS = ['param', 'module', 'file', 'env', 'append', 'qemu']

# What is wrong with a kernel, in its own words, whatever the machine
SPLAT = re.compile(
    r'(WARNING: |BUG: |BUG at |KASAN: |UBSAN: |KFENCE: |KCSAN: |Oops: |'
    r'INFO: (task|rcu|trying to register)|rcu: INFO: .*stall|'
    r'possible (circular|recursive|irq lock inversion)|ODEBUG: |'
    r'general protection fault|unable to handle|=====.*BUG|'
    r'scheduling while atomic|sleeping function called|pagealloc: |'
    r'Kernel panic|soft lockup|hard LOCKUP|vm: kmemleak:|'
    r'refcount_t: |list_(add|del) corruption|Bad page state|'
    r'held lock freed|still held|suspicious RCU usage)')
OOPS = re.compile(r'BUG: |Oops: |general protection fault|Machine Check')
TAINTS = 1 << 9 | 1 << 7 | 1 << 5       # a warning, an oops, a bad page

# What only an error of the emulator leaves behind. tools/test/run looks for MARK.
MARK = "the emulator's own error: "
ASSERTION = re.compile(r'Assertion .* failed|assertion failed|:ERROR:')
NO_TIMER = "kthread timer wakeup didn't happen"


def say(*words):
    print('vm:', *words, file=sys.stderr, flush=True)


def number(name, text, least, most):
    if not re.fullmatch(r'[0-9]{1,9}', str(text)):
        raise Refused("%s must be a number, not '%s'" % (name, text))
    if not least <= int(text) <= most:
        raise Refused('%s must be %d to %d, not %s' % (name, least, most, text))
    return int(text)


class Vm:
    """What was asked for, and what came of it."""

    def __init__(self, argv):
        try:
            given, command = getopt.getopt(
                argv, 'c:', FLAGS + [w + '=' for w in WORDS + LISTS])
        except getopt.GetoptError as e:
            raise Refused('%s (%s)' % (e, USAGE)) from e
        for name in FLAGS:
            setattr(self, name.replace('-', '_'), False)
        for name in WORDS:
            setattr(self, name, None)
        for name in LISTS:
            setattr(self, name, [])
        shell = None
        for option, value in given:
            name = option.lstrip('-').replace('-', '_')
            if option == '-c':
                shell = value
            elif name in LISTS:
                getattr(self, name).append(value)
            else:
                setattr(self, name, value if name in WORDS else True)
        if (shell is None) == (not command):
            raise Refused(USAGE)

        self.kernel_path = self.kernel
        self.arch = os.environ.get('ARCH') or os.environ.get('CPU') or 'x86'
        if not os.environ.get('ARCH') and os.environ.get('CPU'):
            one_of('CPU', self.arch, 'intel', 'amd')
        one_of('ARCH', self.arch, *MACHINES)
        self.machine = m = MACHINES[self.arch]
        m.top = TOP
        self.kvm = os.environ.get('KVM') or 'ours'
        self.kernel = os.environ.get('KERNEL') or 'debian'
        self.smp_given = bool(os.environ.get('SMP'))
        self.smp = number('SMP', os.environ.get('SMP') or m.smp, 1, m.max_smp)
        self.mem = number('MEM', os.environ.get('MEM') or m.mem, m.min_mem, 1 << 20)
        self.timeout = number('--timeout', self.timeout or m.timeout, 1, 1000000)
        self.threads = number('--threads', self.threads or 1, 1, 8)
        self.copies = number('--copies', self.copies or 1, 1, 4)
        one_of('--splat', self.splat or 'tell', 'fail', 'tell')
        one_of('--accel', self.accel or 'tcg', 'tcg', 'kvm')
        if (self.disk or self.efi) and self.arch != 'disk':
            raise Refused('--disk and --efi are for ARCH=disk')
        if self.initrd and not os.path.exists(self.initrd):
            raise Refused('--initrd %s does not exist' % self.initrd)

        self.build = os.environ['VM_BUILD']
        self.linux = os.environ['VM_LINUX']
        self.files = {}         # of the initramfs: bytes by name
        self.modules, self.kvm_modules, self.own_modules = [], [], []
        self.libmodules = self.known = None
        self.boot_timeout, self.loglevel = 300, m.loglevel
        self.append[:0] = m.append
        m.check(self)
        if m.shell:
            self.command = ['/bin/sh', '-c', shell] if shell is not None else command
        else:
            self.command = self.program(shell.split() if shell is not None else command)
        self.log = self.log_path(self.log or os.environ.get('VM_LOG'))
        self.booted = False
        self.text = ''          # what the kernel said
        self.said = ''          # what QEMU said
        self.output = None      # of a command on the console

    def program(self, command):
        """A program that the VM gets as a file: its own path in the VM."""
        name, _, source = command[0].partition('=')
        source = source or name
        if not os.path.isfile(source):
            raise Refused('%s: no such program (%s)' % (source, USAGE))
        if source == name:
            name = os.path.abspath(name)
        self.file.insert(0, '%s=%s' % (name, source))
        return [name] + command[1:]

    def log_path(self, given):
        folder = os.path.join(self.build, 'vm')
        if given:
            os.makedirs(os.path.dirname(os.path.abspath(given)), exist_ok=True)
            return os.path.abspath(given)
        os.makedirs(folder, exist_ok=True)
        name = '%s-%d.log' % (time.strftime('%m%d-%H%M%S'), os.getpid())
        last = os.path.join(folder, 'last.log')
        # In one step: another VM may begin at the same time
        os.symlink(name, os.path.join(folder, name + '.link'))
        os.replace(os.path.join(folder, name + '.link'), last)
        # Keep the last hundred
        logs = [os.path.join(folder, n) for n in os.listdir(folder) if n.endswith('.log')]
        with contextlib.suppress(FileNotFoundError):
            logs = sorted((p for p in logs if os.path.isfile(p) and not os.path.islink(p)),
                          key=os.path.getmtime)
            for path in logs[:-99]:
                os.unlink(path)
        return os.path.join(folder, name)


def shell(words):
    """What tools/lib.sh has, such as need PACKAGE..."""
    done = subprocess.run(['bash', '-c', '. "$0"; me=vm; ' + words,
                           os.path.join(TOP, 'tools/lib.sh')], check=False)
    if done.returncode:
        sys.exit(FAILED)


def init_program(vm):
    """The first program, compiled for the machine."""
    out = os.path.join(vm.build, 'vm', 'init-' + (vm.machine.cross or 'x86'))
    source = os.path.join(TOP, 'tools/vm/init.c')
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        new = '%s.%d' % (out, os.getpid())
        if subprocess.run([vm.machine.cross + 'gcc', '-O2', '-Wall', '-Wextra',
                           '-Wno-unused-result', '-static', '-o', new, source],
                          check=False).returncode:
            sys.exit(FAILED)
        os.rename(new, out)
    with open(out, 'rb') as f:
        return f.read()


def module_files(vm, cpio):
    """Modules in loading order, each with its parameters, as lines of /vm/modules."""
    def plain(path):
        return os.path.basename(path).split('.ko')[0]

    # What our KVM modules need beyond each other comes from the kernel's own
    kvm = [plain(p) for p in vm.kvm_modules]
    paths = []
    if vm.libmodules:
        paths = [p for p in resolve(vm.libmodules, vm.own_modules + kvm)
                 if plain(p) not in kvm]
    extra = {}
    for p in vm.param:
        mod, _, setting = p.partition('.')
        if '=' in mod:
            mod, setting = 'kvm', p
        extra.setdefault(mod.replace('-', '_'), []).append(setting)
    lines = []
    for path in paths + vm.modules + vm.kvm_modules:
        name = plain(path)
        cpio.file('modules/%s.ko' % name, read_module(path))
        lines.append(' '.join(['/modules/%s.ko' % name] +
                              extra.pop(name.replace('-', '_'), [])))
    if extra:
        raise Refused('--param names no loaded module: ' + ' '.join(extra))
    return '\n'.join(lines).encode()


def build_initrd(vm):
    cpio = Cpio()
    for d in ('dev', 'proc', 'sys', 'tmp', 'run', 'vm', 'modules'):
        cpio.dir(d)
    cpio.char('dev/console', 5, 1)
    cpio.file('init', init_program(vm), 0o755)
    inside = vm.inside or not vm.machine.port
    cpio.file('vm/modules', module_files(vm, cpio))
    cpio.file('vm/cwd', b'/' if inside else os.fsencode(os.getcwd()))
    cpio.file('vm/argv', b''.join(os.fsencode(a) + b'\0' for a in vm.command))
    cpio.file('vm/env', b''.join(os.fsencode(e) + b'\0' for e in vm.env))
    if inside:
        cpio.file('vm/inside', b'')
    if vm.machine.port:
        cpio.file('vm/port', b'')
    for name, body in vm.files.items():
        cpio.file(name, body)
    for f in vm.file:
        name, _, source = f.partition('=')
        with open(source or name, 'rb') as body:
            cpio.file(os.path.abspath(name)[1:], body.read(), 0o755)
    if vm.initrd and os.path.isdir(vm.initrd):
        cpio.tree(vm.initrd)
    elif vm.initrd:
        with open(vm.initrd, 'rb') as f:
            return cpio.close() + f.read()
    return cpio.close()


def copy(fd, data):
    """All of it, also to a pipe that is full; a reader that is gone is no
    reason to end the command."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BlockingIOError:
            select.select([], [fd], [])
        except BrokenPipeError:
            return


def serve_port(vm, sock, qemu):
    """Pass on the records of init.c until the last one. Returns the exit status and
    the reason: '' if the command ended, None if the VM did."""
    start = time.monotonic()
    buf = bytearray()
    while True:
        limit = vm.timeout if vm.booted else vm.boot_timeout
        left = start + limit - time.monotonic()
        if left <= 0:
            return TIMEOUT, 'no %s after %d seconds' % (
                'end' if vm.booted else 'boot', limit)
        if not select.select([sock], [], [], left)[0]:
            continue
        try:
            data = sock.recv(1 << 18)
        except ConnectionResetError:
            data = b''
        if not data:
            qemu.wait()
            return FAILED, None
        buf += data
        while len(buf) >= 5:
            size = struct.unpack_from('<I', buf, 1)[0]
            if len(buf) < 5 + size:
                break
            kind, body = chr(buf[0]), bytes(buf[5:5 + size])
            del buf[:5 + size]
            if kind in 'oe':
                copy(1 if kind == 'o' else 2, body)
            elif kind == 'r':
                vm.booted = True
                start = time.monotonic()
            elif kind == 'x':
                return body[0], ''
            elif kind == 'f':
                return FAILED, body.decode(errors='replace')


def serve_console(vm, qemu):
    """Wait for the end of QEMU, then find the command's output between the marks."""
    status, why = TIMEOUT, ''
    try:
        qemu.wait(vm.timeout)
    except subprocess.TimeoutExpired:
        why = 'no end after %d seconds' % vm.timeout
    except KeyboardInterrupt:
        # What the command has said so far is passed on all the same
        status, why = 130, 'interrupted'
    if why:
        qemu.kill()
    with open(vm.log, 'rb') as f:
        console = f.read().replace(b'\r', b'')
    before, begun, rest = console.partition(b'\n@VM-BEGIN\n')
    vm.booted = bool(begun)
    # The line break before the end is not the command's
    body, ended, rest = rest.partition(b'\n@VM-END ')
    copy(1, body)
    vm.output = body
    if why:
        return status, why
    told = re.search(rb'@VM-FAILED (.*)', console)
    if told:
        return FAILED, told.group(1).decode(errors='replace')
    if not ended or b'@VM-DONE' not in rest:
        for line in console.decode(errors='replace').splitlines()[-30:]:
            say(line)
        return FAILED, None
    return int(rest.split(None, 1)[0]), ''


def read_text(path):
    try:
        with open(path, errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def boot(vm):
    """Run the VM. Returns the exit status and the reason, as serve_port() does."""
    m = vm.machine
    initrd = vm.log + '.initrd'
    mine, its = socket.socketpair()
    its.set_inheritable(True)
    vm.socket = its.fileno()
    qemu = None
    append = list(vm.append)
    try:
        with open(initrd, 'wb') as f:
            f.write(m.initramfs(vm) or build_initrd(vm))
        words = m.line(vm, initrd)
        with open(vm.log + '.qemu', 'wb') as err:
            qemu = subprocess.Popen(words, pass_fds=[vm.socket],
                                    stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                    start_new_session=True)
        its.close()
        return serve_port(vm, mine, qemu) if m.port else serve_console(vm, qemu)
    except KeyboardInterrupt:
        return 130, 'interrupted'
    finally:
        vm.append = append
        if qemu and qemu.poll() is None:
            qemu.kill()
        if qemu:
            vm.died_of = -qemu.wait()
        if os.path.exists(initrd):
            os.unlink(initrd)
        vm.text = read_text(vm.log)
        vm.said = read_text(vm.log + '.qemu').strip()


def emulator_error(vm, why):
    """The mark of an error of the emulator that ended the VM, or None."""
    if vm.machine.port and vm.machine.nested:
        return None
    # RCU says so of a timer that was set and never came. Without KVM it is not KVM's
    # fault; init.c names each module before it loads it.
    if why and why.startswith('no boot') and NO_TIMER in vm.text and \
            not re.search(r'vm: module /modules/kvm', vm.text):
        return "a processor's timer stopped"
    if why is not None:
        return None
    assertion = [line for line in vm.said.splitlines() if ASSERTION.search(line)]
    if assertion:
        return assertion[-1]
    if vm.died_of == signal.SIGSEGV:
        return 'QEMU died of a segmentation fault'
    # The kernel patches its code by way of a breakpoint. Processors that are emulated
    # in parallel may run into it when the patch is done.
    if vm.machine.port and vm.machine.several_software_cpus(vm) and 'Oops: int3' in vm.text:
        return 'a stale breakpoint (Oops: int3)'
    return None


def reason(vm, lines):
    """Why the VM ended before the command did."""
    panic = [line for line in lines if 'Kernel panic' in line]
    if panic:
        # A summary of many tests has room for one line: what, and where
        first = next((i for i, line in enumerate(lines) if OOPS.search(line)), None)
        if first is not None:
            where = next((line for line in lines[first:] if 'RIP:' in line), '')
            panic += [lines[first], where]
        return '; '.join(filter(None, (re.sub(r'^\[[^]]*\] *', '', line)
                                       for line in panic)))
    if vm.said:
        return 'QEMU ended: ' + vm.said.splitlines()[-1]
    return 'the kernel ended before the command did'


def complaints(vm):
    """The kernel's, but for those that are known, and the emulator's."""
    text = vm.text
    if vm.output is not None:
        # The command shares the console with the kernel, which writes its log there
        # when the command has ended
        before, _, after = text.replace('\r', '').partition('\n@VM-END ')
        text = after or before
    known = []
    if vm.known:
        known = [re.compile('.*'.join(map(re.escape, w.strip().split('*'))) + '$')
                 for w in read_text(vm.known).splitlines() if w.strip() and w[0] != '#']
    lines = [line.strip() for line in text.splitlines()]
    splats = [line for line in lines if SPLAT.search(line)
              and not any(w.search(line) for w in known)]
    taint = re.search(r'@VM-TAINT (\d+)', text)
    if taint and int(taint.group(1)) & TAINTS:
        splats.append('tainted: ' + taint.group(1))
    for line in splats[:5]:
        say('kernel: ' + line)
    if splats and splats[0] in lines:
        at = lines.index(splats[0])
        for line in filter(None, lines[at + 1:at + 1 + AROUND]):
            say('kernel, after the first: ' + line)
    if splats:
        say('the kernel complained (%d lines); log: %s' % (len(splats), vm.log))
    others = vm.machine.complaints(vm)
    for line in others:
        say(line)
    return bool(splats or others)


def main():
    try:
        vm = Vm(sys.argv[1:])
    except Refused as e:
        print('vm: error: %s' % e, file=sys.stderr)
        return 2

    def stop(signum, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    m = vm.machine
    try:
        shell('need ' + ' '.join([m.package] + m.init_packages))
        m.prepare(vm)
        vm.splat = vm.splat or ('tell' if m.port else 'fail')
        if m.port:
            say('%s kernel, KVM=%s, %s' % (vm.kernel, vm.kvm, vm.how))
        for left in reversed(range(TRIES)):
            status, why = boot(vm)
            error = emulator_error(vm, why)
            if not left or vm.booted or not error:
                break
            say(error + ' ended the boot; once more')
    except Refused as e:
        say('error: %s' % e)
        return FAILED

    if not vm.said and os.path.exists(vm.log + '.qemu'):
        os.unlink(vm.log + '.qemu')
    if error:
        why = MARK + error
    elif why is None:
        why = reason(vm, [line.strip() for line in vm.text.splitlines()])
    if why:
        say('error: %s; kernel log: %s' % (why, vm.log))
    if complaints(vm) and vm.splat == 'fail' and status == 0:
        status = FAILED if m.port else COMPLAINT
    return status


if __name__ == '__main__':
    sys.exit(main())
