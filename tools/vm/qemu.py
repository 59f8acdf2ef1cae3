#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot a kernel under QEMU and run one command in it.

The program behind tools/vm/vm, which sees to it that everything named on the
command line exists. The command's output and exit status are passed through;
the words of this program go to stderr, the kernel's to the log.
"""
import argparse
import os
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

# Exit statuses of our own, as timeout(1) and docker(1) have them
TIMEOUT, FAILED = 124, 125
TRIES = 3               # to boot

SPLAT = re.compile(
    r'(WARNING: |BUG: |BUG at |KASAN: |UBSAN: |KFENCE: |KCSAN: |Oops: |'
    r'INFO: (task|rcu|trying to register)|rcu: INFO: .*stall|'
    r'possible (circular|recursive|irq lock inversion)|ODEBUG: |'
    r'general protection fault|unable to handle|'
    r'scheduling while atomic|sleeping function called|'
    r'Kernel panic|soft lockup|hard LOCKUP|vm: kmemleak:|'
    r'refcount_t: |list_(add|del) corruption|Bad page state|'
    r'held lock freed|still held|suspicious RCU usage)')
OOPS = re.compile(r'BUG: |Oops: |general protection fault|Machine Check')


def say(*words):
    print('vm:', *words, file=sys.stderr, flush=True)


class Cpio:
    """An initramfs (newc), written without root and without cpio(1)."""

    def __init__(self):
        self.data = bytearray()
        self.made = set()
        self.ino = 0

    def _entry(self, name, mode, body=b'', rdev=(0, 0)):
        self.ino += 1
        n = name.encode() + b'\0'
        head = '070701' + ''.join('%08X' % v for v in (
            self.ino, mode, 0, 0, 1, 0, len(body), 0, 0, rdev[0], rdev[1],
            len(n), 0))
        self.data += head.encode() + n
        self.data += b'\0' * (-len(self.data) % 4)
        self.data += body
        self.data += b'\0' * (-len(self.data) % 4)

    def dir(self, name):
        if name and name not in self.made:
            self.dir(os.path.dirname(name))
            self.made.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, body, mode=0o644):
        self.dir(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, body)

    def link(self, name, target):
        self.dir(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def char(self, name, major, minor):
        self.dir(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def tree(self, top):
        """Everything under a folder, at the same names."""
        for root, dirs, files in os.walk(top):
            dirs.sort()
            rel = os.path.relpath(root, top)
            rel = '' if rel == '.' else rel + '/'
            for name in sorted(dirs + files):
                path = os.path.join(root, name)
                if os.path.islink(path):
                    self.link(rel + name, os.readlink(path))
                elif os.path.isdir(path):
                    self.dir(rel + name)
                elif os.path.isfile(path):
                    with open(path, 'rb') as f:
                        self.file(rel + name, f.read(),
                                  os.stat(path).st_mode & 0o777)

    def close(self):
        self._entry('TRAILER!!!', 0)
        self.data += b'\0' * (-len(self.data) % 512)
        return bytes(self.data)


def read_module(path):
    """A module as the kernel takes it: not compressed, no debug data."""
    unpack = {'.xz': ['xz', '-dc'], '.zst': ['zstd', '-dc'],
              '.gz': ['gzip', '-dc']}.get(os.path.splitext(path)[1])
    if unpack:
        return subprocess.run(unpack + [path], check=True,
                              stdout=subprocess.PIPE).stdout
    with open(path, 'rb') as f:
        return f.read()


def resolve(libmodules, names):
    """Paths of these modules and of all they need, in loading order; what is
    built into the kernel is left out."""
    def norm(path):
        base = os.path.basename(path).split('.ko')[0]
        return base.replace('-', '_')

    needs, where, builtin = {}, {}, set()
    with open(os.path.join(libmodules, 'modules.builtin')) as f:
        builtin = {norm(line.strip()) for line in f}
    with open(os.path.join(libmodules, 'modules.dep')) as f:
        for line in f:
            path, deps = line.split(':')
            where[norm(path)] = path
            needs[norm(path)] = [norm(d) for d in deps.split()]
    order = []

    def add(name):
        name = norm(name)
        if name in order or name in builtin:
            return
        if name not in where:
            sys.exit('vm: error: the kernel has no module %s' % name)
        for dep in needs[name]:
            add(dep)
        order.append(name)

    for name in names:
        add(name)
    return [os.path.join(libmodules, where[n]) for n in order]


def build_initrd(args):
    cpio = Cpio()
    for d in ('dev', 'proc', 'sys', 'tmp', 'run', 'vm', 'modules'):
        cpio.dir(d)
    cpio.char('dev/console', 5, 1)
    with open(args.init, 'rb') as f:
        cpio.file('init', f.read(), 0o755)

    # What our KVM modules need beyond each other comes from the kernel's own
    paths = []
    kvm = [os.path.basename(p).split('.ko')[0] for p in args.kvm_module]
    if args.libmodules:
        paths += [p for p in resolve(args.libmodules, args.modules + kvm)
                  if os.path.basename(p).split('.ko')[0] not in kvm]
    paths += args.module + args.kvm_module
    extra = {}
    for p in args.param:
        mod, _, setting = p.partition('.')
        if '=' in mod:
            mod, setting = 'kvm', p
        extra.setdefault(mod.replace('-', '_'), []).append(setting)
    lines = []
    for path in paths:
        name = os.path.basename(path).split('.ko')[0] + '.ko'
        cpio.file('modules/' + name, read_module(path))
        opts = extra.pop(name[:-3].replace('-', '_'), [])
        lines.append(' '.join(['/modules/' + name] + opts))
    if extra:
        sys.exit('vm: error: KVM_PARAMS names no loaded module: '
                 + ' '.join(extra))
    cpio.file('vm/modules', '\n'.join(lines).encode())
    cpio.file('vm/moddir', (args.moddir or '').encode())
    cpio.file('vm/cwd', b'/' if args.inside else os.fsencode(os.getcwd()))
    cpio.file('vm/argv', b''.join(os.fsencode(a) + b'\0' for a in args.command))
    cpio.file('vm/env', b''.join(os.fsencode(e) + b'\0' for e in args.env))
    if args.inside:
        cpio.file('vm/inside', b'')
    if args.leaks:
        cpio.file('vm/leaks', b'')
    if spare(args):
        cpio.file('vm/spare', b'')
    extra_cpio = b''
    if args.extra:
        if os.path.isdir(args.extra):
            cpio.tree(args.extra)
        else:
            with open(args.extra, 'rb') as f:
                extra_cpio = f.read()
    return cpio.close() + extra_cpio


def spare(args):
    """How many processors the machine has besides those of the command. Whatever
    emulated processor restores its FPU's state, QEMU (7.2) clears a bit in a word
    of the first one, without a lock: the word has whether that one runs a guest
    with nested paging, and whether it takes interrupts. Those that change at each
    entry of a guest get lost that way, and then the guest's page tables are taken
    for the machine's own. So the first processor must not run guests."""
    return int(args.accel != 'kvm' and not args.icount and args.smp > 1)


def qemu_command(args, initrd, fd):
    cmd = [args.qemu, '-nodefaults', '-no-user-config', '-display', 'none',
           '-no-reboot', '-machine', 'q35', '-m', str(args.mem)]
    if args.icount:
        cmd += ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off',
                '-cpu', 'max', '-smp', '1']
    elif args.accel == 'kvm':
        cmd += ['-accel', 'kvm', '-cpu', 'host', '-smp', str(args.smp)]
    else:
        cmd += ['-accel', 'tcg,thread=multi', '-cpu', 'max',
                '-smp', str(args.smp + spare(args))]
    append = ['console=ttyS0', 'panic=-1', 'oops=panic', 'mitigations=off',
              'loglevel=%d' % args.loglevel, 'printk.devkmsg=on']
    if args.accel != 'kvm':
        # At each exit of a guest the software CPU writes its word of pending
        # interrupts without its lock (seen with QEMU 7.2): one that another
        # thread of QEMU raises just then is lost. A timer that was set once
        # never rings then, and a processor without work sleeps for good; a tick
        # that comes by itself wakes it up, and what was lost with it.
        append += ['nohz=off', 'highres=off']
    cmd += ['-kernel', args.kernel, '-initrd', initrd,
            '-append', ' '.join(append + args.append),
            '-chardev', 'file,id=console,path=' + args.log.replace(',', ',,'),
            '-serial', 'chardev:console',
            '-device', 'virtio-serial-pci',
            '-chardev', 'socket,id=vm,fd=%d' % fd,
            '-device', 'virtserialport,chardev=vm,name=vm']
    if not args.inside:
        cmd += ['-fsdev', 'local,id=host,path=/,readonly=on,'
                'security_model=none,multidevs=remap',
                '-device', 'virtio-9p-pci,fsdev=host,mount_tag=host']
    return cmd + args.qemu_args


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


def serve(args, sock, qemu):
    """Pass on the records until the last one. Returns the exit status, or
    None and the reason."""
    start = time.monotonic()
    ready, buf = False, bytearray()
    while True:
        limit = args.timeout if ready else args.boot_timeout
        left = start + limit - time.monotonic()
        if left <= 0:
            return TIMEOUT, 'no %s after %d seconds' % (
                'end' if ready else 'boot', limit)
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
            if kind == 'o':
                copy(1, body)
            elif kind == 'e':
                copy(2, body)
            elif kind == 'r':
                ready = True
                args.booted = time.monotonic() - start
                start = time.monotonic()
            elif kind == 'x':
                return body[0], ''
            elif kind == 'f':
                return FAILED, body.decode(errors='replace')


def log_text(path):
    try:
        with open(path, errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def stray_breakpoint(args):
    """Whether the kernel died of a breakpoint that was gone again. It patches its
    code by way of one, and processors that are emulated in parallel may run into
    it when the patch is done: not in one with KVM, nor in one processor."""
    return (args.accel != 'kvm' and not args.icount and args.smp > 1 and
            'Oops: int3' in log_text(args.log))


def boot(args):
    """Run the VM. Returns the exit status and the reason, as serve() does."""
    initrd = args.log + '.initrd'
    mine, its = socket.socketpair()
    its.set_inheritable(True)
    qemu = None
    try:
        with open(initrd, 'wb') as f:
            f.write(build_initrd(args))
        with open(args.log + '.qemu', 'wb') as err:
            qemu = subprocess.Popen(
                qemu_command(args, initrd, its.fileno()), pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                start_new_session=True)
        its.close()
        return serve(args, mine, qemu)
    except KeyboardInterrupt:
        return 130, 'interrupted'
    finally:
        if qemu and qemu.poll() is None:
            qemu.kill()
            qemu.wait()
        if os.path.exists(initrd):
            os.unlink(initrd)


def main():
    p = argparse.ArgumentParser(prog='vm')
    p.add_argument('--qemu', required=True)
    p.add_argument('--kernel', required=True)
    p.add_argument('--init', required=True)
    p.add_argument('--libmodules')
    p.add_argument('--moddir')
    p.add_argument('--modules', action='append', default=[])
    p.add_argument('--module', action='append', default=[])
    p.add_argument('--kvm-module', action='append', default=[])
    p.add_argument('--param', action='append', default=[])
    p.add_argument('--env', action='append', default=[])
    p.add_argument('--append', action='append', default=[])
    p.add_argument('--qemu-args', action='append', default=[])
    p.add_argument('--extra')
    p.add_argument('--inside', action='store_true')
    p.add_argument('--leaks', action='store_true')
    p.add_argument('--icount', action='store_true')
    p.add_argument('--accel', choices=('tcg', 'kvm'), default='tcg')
    p.add_argument('--smp', type=int, default=2)
    p.add_argument('--mem', type=int, default=1024)
    p.add_argument('--timeout', type=int, default=3600)
    p.add_argument('--boot-timeout', type=int, default=300)
    p.add_argument('--loglevel', type=int, default=5)
    p.add_argument('--splat', choices=('fail', 'tell'), default='tell')
    p.add_argument('--known')
    p.add_argument('--log', required=True)
    p.add_argument('command', nargs='+')
    args = p.parse_args()
    args.booted = None

    def stop(signum, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    for tries in reversed(range(TRIES)):
        status, why = boot(args)
        if not tries or args.booted is not None or not stray_breakpoint(args):
            break
        say('a stray breakpoint of the software CPU ended the boot; once more')

    log = log_text(args.log)
    words = log_text(args.log + '.qemu').strip()
    if not words:
        os.unlink(args.log + '.qemu')
    lines = [line.strip() for line in log.splitlines()]
    if why is None:
        panic = [line for line in lines if 'Kernel panic' in line]
        if panic:
            # A summary of many tests has room for one line: what, and where
            first = next((i for i, line in enumerate(lines) if OOPS.search(line)), None)
            if first is not None:
                where = next((line for line in lines[first:] if 'RIP:' in line), '')
                panic += [lines[first], where]
            why = '; '.join(filter(None, (re.sub(r'^\[[^]]*\] *', '', line)
                                          for line in panic)))
        elif words:
            why = 'QEMU ended: ' + words.splitlines()[-1]
        else:
            why = 'the kernel ended before the command did'
    if why:
        say('error: %s; kernel log: %s' % (why, args.log))
    known = []
    if args.known:
        with open(args.known) as f:
            known = [re.compile('.*'.join(map(re.escape, w.strip().split('*'))) + '$')
                     for w in f if w.strip() and w[0] != '#']
    splats = [line for line in lines if SPLAT.search(line)
              and not any(w.search(line) for w in known)]
    if splats:
        for line in splats[:5]:
            say('kernel: ' + line)
        say('the kernel complained (%d lines); log: %s' % (len(splats), args.log))
        if args.splat == 'fail' and status == 0:
            status = FAILED
    return status


if __name__ == '__main__':
    sys.exit(main())
