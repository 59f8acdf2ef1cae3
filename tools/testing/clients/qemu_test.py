#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Debian's QEMU on our KVM: small Linux guests copy data, and KVM tells what
served their kicks. Runs in a VM with KVM in it.

    qemu_test.py KERNEL INITRD [--short] [NAME...]
    qemu_test.py KERNEL INITRD --requests
    qemu_test.py KERNEL INITRD --boot
    qemu_test.py --list

With --requests: what a request of virtio-blk costs, in nanoseconds, or in
instructions with a clock that counts those; two transports. With --boot: the same of
KVM's ioctls while a guest boots, with a disk of one queue and of 64.
"""
import fnmatch
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

from qemu_guest import Failed, Guest, Ioctls, Kicks, Silent, Stuck, digest, doorbells_tool

MIB = 1 << 20
BLOCK = 16 << 10
PORT = 8000             # of the web server
TAP, TAP_HOST, TAP_GUEST = 'tap0', '192.168.77.1', '192.168.77.2'
VSOCK_PORT, VSOCK_CID = 1234, 42
ROUNDS, TRIES = 5, 4    # to learn what a request costs
NOBODY = 65534          # a user that may nothing
BOOT_IOCTLS = {'ioeventfd': 0x4040ae79, 'memory': 0x4020ae46, 'routing': 0x4008ae6a}
BOOTS = 3               # of each kind, where one differs from the next
LIMIT = 150             # seconds without a word from a guest

# What a doorbell of each kind of device looks like: bus, length, has a value
SHAPES = {'modern': ('mmio', None, False),
          'legacy': ('pio', 2, True),
          'mmio': ('mmio', 4, True)}


boots = []              # seconds each took


class Machine:
    """One kind of machine and its devices, put together for QEMU."""

    def __init__(self, kind, irqchip='on', cpus=1):
        self.kind = kind
        self.folder = '/tmp/guest'
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        # Without a clock chip the guest waits a second for it, again and again, by
        # counting loops: minutes, if it was busy elsewhere when it learned to count
        board = 'microvm,rtc=on' if kind == 'mmio' else 'q35'
        # The second IOAPIC is always QEMU's own, and learns of no EOI if all APICs
        # are in the kernel: each of its interrupts would be the last
        if kind == 'mmio' and irqchip == 'on':
            board += ',ioapic2=off'
        self.args = ['-machine', '%s,accel=kvm,kernel-irqchip=%s' % (board, irqchip),
                     '-smp', str(cpus)]
        self.disks = 0

    def props(self, what):
        """A device's name and what makes it of this machine's kind."""
        return what + {'modern': '-pci,disable-legacy=on,disable-modern=off',
                       'legacy': '-pci,disable-legacy=off,disable-modern=on',
                       'mmio': '-device'}[self.kind]

    def add(self, what, *more):
        self.args += ['-device', ','.join((self.props(what),) + more)]

    def file(self, name, body):
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as f:
            f.write(body)
        return path

    def blockdev(self, name, body, form='raw'):
        path = self.file(name, body)
        if form != 'raw':
            subprocess.run(['qemu-img', 'convert', '-O', form, path, path + '.' + form],
                           check=True)
            path += '.' + form
        self.args += ['-blockdev', 'driver=%s,node-name=%s,file.driver=file,'
                      'file.filename=%s' % (form, name, path)]

    def disk(self, name, body, *more, form='raw'):
        self.blockdev(name, body, form)
        self.add('virtio-blk', 'drive=' + name, *more)

    def scsi(self, name, body, queues):
        self.blockdev(name, body)
        self.add('virtio-scsi', 'id=scsi', 'num_queues=%d' % queues)
        self.args += ['-device', 'scsi-hd,bus=scsi.0,drive=' + name]

    def start(self, kernel, initrd, limit=LIMIT, user=0):
        begin = time.monotonic()
        self.guest = Guest(self.folder, kernel, initrd, self.args, limit, user)
        self.guest.booted()
        boots.append(time.monotonic() - begin)
        return self.guest


def need(what, ok, saw=None):
    """A check; what was seen goes into the failure."""
    if not ok:
        raise Failed('%s%s' % (what, '' if saw is None else '; saw: %s' % (saw,)))


def shapes(guest, kind, least):
    """All doorbells are of the machine's kind, and there are enough."""
    found = guest.doorbells()
    bus, length, valued = SHAPES[kind]
    need('at least %d doorbells' % least, len(found) >= least, found)
    for (b, _, n, v), _ in found:
        need('each doorbell is on %s, length %s' % (bus, length or 'any'),
             b == bus and n == length and (v is not None) == valued, found)
    if valued:
        # Several queues on one register
        where = {key[1] for key, _ in found}
        need('registers with several doorbells', len(where) < len(found) or
             kind == 'mmio', found)
    return len(found)


def served(kicks, least):
    """The kicks were served in the kernel, and this many at least."""
    need('at least %d rings' % least, kicks.rings >= least, kicks.rings)
    need('no kick left for userspace', not kicks.left, kicks.left)
    told = [kicks.stats.get(name) for name in
            ('ioeventfd_rings', 'ioeventfd_unmatched', 'irqfd_atomic', 'irqfd_deferred')]
    need('statistics of KVM', None not in told, kicks.stats)
    need('query-stats tells as many rings', kicks.rings <= told[0] <= kicks.rings + 16,
         (kicks.rings, told))
    need('query-stats tells of no kick without a doorbell', told[1] == 0, told)
    need('query-stats tells as many injections',
         kicks.injected <= told[2] + told[3] <= kicks.injected + 16, (kicks.injected, told))
    return '%d rings' % kicks.rings


def copy(guest, source, target, blocks, cpu=None):
    """Copy a disk block by block past the guest's cache, and compare."""
    pin = '' if cpu is None else 'taskset %d ' % (1 << cpu)
    with Kicks(guest) as kicks:
        guest.run('%sdd if=%s of=%s bs=%d count=%d iflag=direct oflag=direct '
                  '2>/dev/null' % (pin, source, target, BLOCK, blocks),
                  kicks.tracer)
    # One request, one kick: what is read and what is written, one after another
    said = served(kicks, 2 * blocks)
    guest.run('echo 3 >/proc/sys/vm/drop_caches; cmp %s %s' % (source, target))
    return said, kicks


def rng(guest):
    with Kicks(guest) as kicks:
        guest.run('dd if=/dev/hwrng of=/tmp/r bs=16 count=8 2>/dev/null && '
                  '[ $(wc -c </tmp/r) = 128 ]', kicks.tracer)
    return 'rng ' + served(kicks, 1)


def net_up(guest, address):
    guest.run('ip link set eth0 up && ip addr add %s/24 dev eth0' % address)


def fetch(guest, host, body_digest, tracer=None):
    said = guest.run('wget -q -O /tmp/f http://%s:%d/body && sha256sum /tmp/f'
                     % (host, PORT), tracer)
    need('the same bytes over the network', said.split()[:1] == [body_digest], said)


def net(guest, host, address, body_digest, least):
    net_up(guest, address)
    with Kicks(guest) as kicks:
        fetch(guest, host, body_digest, kicks.tracer)
    return 'net ' + served(kicks, least), kicks


class Web:
    """A web server with one file."""

    def __init__(self, folder, size):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, 'body')
        with open(path, 'wb') as f:
            f.write(os.urandom(size))
        self.digest = digest(path)
        self.p = subprocess.Popen(['busybox', 'httpd', '-f', '-p',
                                   '0.0.0.0:%d' % PORT, '-h', folder])

    def end(self):
        self.p.kill()
        self.p.wait()


def basic(machine, kernel, initrd, blocks=32, queues=None, with_net=True, user=0):
    """Two disks, a source of random numbers, a network: all of them used."""
    queue = [] if queues is None or machine.kind == 'mmio' else \
        ['num-queues=%d' % queues]
    machine.disk('a', os.urandom(blocks * BLOCK), *queue)
    machine.disk('b', bytes(blocks * BLOCK), *queue)
    machine.add('virtio-rng')
    web = Web('/tmp/web', 256 << 10) if with_net else None
    if with_net:
        machine.args += ['-netdev', 'user,id=n']
        machine.add('virtio-net', 'netdev=n')
    try:
        guest = machine.start(kernel, initrd, user=user)
        n = shapes(guest, machine.kind, 3 + (2 if with_net else 0))
        said = ['%d doorbells' % n]
        said.append('blk ' + copy(guest, '/dev/vda', '/dev/vdb', blocks)[0])
        said.append(rng(guest))
        if with_net:
            said.append(net(guest, '10.0.2.2', '10.0.2.15', web.digest, 16)[0])
    finally:
        if web:
            web.end()
    return guest, said


def disks_equal(machine, one='a', two='b'):
    machine.guest.end()
    need('the same bytes in both files', digest(os.path.join(machine.folder, one)) ==
         digest(os.path.join(machine.folder, two)))


def q35_modern(kernel, initrd):
    """virtio-pci 1.0: one address per queue, any length; irqfds; replug"""
    m = Machine('modern', cpus=2)
    m.args += ['-object', 'iothread,id=io',
               '-device', 'pcie-root-port,id=rp0,chassis=1']
    m.blockdev('h', os.urandom(8 * BLOCK))
    m.disk('s', os.urandom(32 * BLOCK), 'num-queues=2', 'iothread=io')
    m.disk('t', bytes(32 * BLOCK), 'num-queues=2', 'iothread=io')
    try:
        g, said = basic(m, kernel, initrd, queues=2)
        # vda and vdb have a thread of their own: kick by doorbell, call by irqfd
        rung = []
        for cpu, source in (1, '/dev/vdc'), (0, '/dev/vda'):
            before = dict(g.doorbells())
            text, kicks = copy(g, source, '/dev/vdb', 32, cpu)
            need('interrupts by irqfd', kicks.injected >= 32, kicks.injected)
            rung.append({key for key, n in g.doorbells() if n - before[key] >= 32})
        said.append('iothread %s, %d injected' % (text, kicks.injected))
        need('each processor rings doorbells of its own',
             len(rung[0]) == 2 and len(rung[1]) == 2 and not rung[0] & rung[1], rung)

        # Plug in a disk, pull it, plug it in again
        n = len(g.doorbells())
        counts = []
        for _ in range(2):
            g.qmp('device_add', driver='virtio-blk-pci', drive='h', bus='rp0',
                  id='plug', **{'num-queues': 2, 'disable-legacy': 'on'})
            g.run('for i in $(seq 300); do [ -b /dev/vde ] && break; sleep 0.1; done;'
                  ' [ -b /dev/vde ]')
            with Kicks(g) as kicks:
                g.run('dd if=/dev/vde of=/tmp/h bs=%d iflag=direct 2>/dev/null' %
                      BLOCK, kicks.tracer)
            counts.append(served(kicks, 8))
            said_digest = g.run('sha256sum /tmp/h').split()[0]
            need('the plugged disk reads right', said_digest == digest(m.folder + '/h'))
            need('two more doorbells', len(g.doorbells()) == n + 2, g.doorbells())
            g.qmp('device_del', id='plug')
            g.event('DEVICE_DELETED')
            # QEMU tells before the last of its threads has let go
            for _ in range(100):
                if len(g.doorbells()) == n:
                    break
                time.sleep(0.1)
            need('as many doorbells as before', len(g.doorbells()) == n,
                 (n, g.doorbells()))
        said.append('replugged, %s' % ', '.join(counts))
        disks_equal(m, 's', 't')
    finally:
        m.guest.end()
    return said


def q35_legacy(kernel, initrd):
    """virtio-pci 0.9: one port per device, told apart by data; reboot"""
    m = Machine('legacy', irqchip='split')
    try:
        g, said = basic(m, kernel, initrd)
        n = len(g.doorbells())
        g.send('reboot -f')
        g.booted()
        need('as many doorbells after a reboot', len(g.doorbells()) == n,
             g.doorbells())
        g.run('dd if=/dev/zero of=/dev/vdb bs=%d count=32 oflag=direct 2>/dev/null'
              % BLOCK)
        said.append('rebooted, ' + copy(g, '/dev/vda', '/dev/vdb', 32)[0])
        disks_equal(m)
    finally:
        m.guest.end()
    return said


def microvm(kernel, initrd, irqchip='split'):
    """virtio-mmio: one register per device, told apart by data; split irqchip; no root"""
    m = Machine('mmio', irqchip=irqchip)
    try:
        said = basic(m, kernel, initrd, user=NOBODY)[1]
        disks_equal(m)
    finally:
        m.guest.end()
    return said


def microvm_full(kernel, initrd):
    """the same with all irqchips in the kernel"""
    return microvm(kernel, initrd, 'on')


def q35_scsi(kernel, initrd):
    """virtio-scsi with 16 queues, modern; split irqchip"""
    m = Machine('modern', irqchip='split', cpus=2)
    m.scsi('sd', os.urandom(32 * BLOCK), 16)
    try:
        g, said = basic(m, kernel, initrd, queues=2, with_net=False)
        need('a doorbell for each of 16 + 2 queues', len(g.doorbells()) >= 18 + 5,
             g.doorbells())
        g.run('[ "$(cat /sys/block/sda/mq/*/nr_tags | wc -l)" -ge 1 ]')
        for cpu in 0, 1:
            said.append('scsi ' + copy(g, '/dev/sda', '/dev/vdb', 32, cpu)[0])
        need('what came from the scsi disk', digest(m.folder + '/sd') ==
             digest(m.folder + '/b'))
    finally:
        m.guest.end()
    return said


def q35_legacy_scsi(kernel, initrd):
    """virtio-scsi with 16 queues on one port; all irqchips in the kernel"""
    m = Machine('legacy')
    m.scsi('sd', os.urandom(32 * BLOCK), 16)
    try:
        g, said = basic(m, kernel, initrd, with_net=False)
        ports = {}
        for (_, address, _, value), _ in g.doorbells():
            ports.setdefault(address, set()).add(value)
        need('18 doorbells on one port', max(len(v) for v in ports.values()) == 18,
             ports)
        said.append('scsi ' + copy(g, '/dev/sda', '/dev/vdb', 32)[0])
        need('what came from the scsi disk', digest(m.folder + '/sd') ==
             digest(m.folder + '/b'))
    finally:
        m.guest.end()
    return said


def q35_snapshot(kernel, initrd):
    """save, go on, load: doorbells and data as they were"""
    m = Machine('modern')
    body = os.urandom(32 * BLOCK)
    m.disk('a', body, form='qcow2')
    m.disk('b', bytes(32 * BLOCK), form='qcow2')
    m.add('virtio-rng')
    try:
        g = m.start(kernel, initrd)
        n = shapes(g, 'modern', 3)
        said = ['%d doorbells' % n, copy(g, '/dev/vda', '/dev/vdb', 32)[0]]
        keys = sorted(key for key, _ in g.doorbells())
        g.run('echo before >/tmp/state; sync')
        g.monitor('savevm one')
        g.run('echo after >/tmp/state; '
              'dd if=/dev/zero of=/dev/vdb bs=%d count=32 oflag=direct 2>/dev/null'
              % BLOCK)
        g.monitor('loadvm one')
        need('the guest is where it was', g.run('cat /tmp/state') == 'before')
        need('so are its doorbells', sorted(key for key, _ in g.doorbells()) == keys,
             (keys, g.doorbells()))
        said.append('loaded, ' + copy(g, '/dev/vda', '/dev/vdb', 32)[0])
        with open(m.folder + '/x', 'wb') as f:
            f.write(body)
        need('the right bytes', g.run('sha256sum /dev/vdb').split()[0] ==
             digest(m.folder + '/x'))
    finally:
        m.guest.end()
    return said


def vhost_workers(guest):
    """The threads of the kernel that serve this QEMU's queues."""
    names = []
    for tid in os.listdir('/proc/%d/task' % guest.p.pid):
        with open('/proc/%d/task/%s/comm' % (guest.p.pid, tid)) as f:
            names.append(f.read().strip())
    return [n for n in names if n.startswith('vhost-')]


def post_back(guest, host):
    """What the guest has got goes back, as text: a stream of full frames."""
    got = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            got.append(hashlib.sha256(body).hexdigest())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer((host, PORT + 1), Sink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with Kicks(guest) as kicks:
                said = guest.run('base64 /tmp/f >/tmp/b && wget -q -O /dev/null '
                                 '--post-file=/tmp/b http://%s:%d/ && sha256sum /tmp/b'
                                 % (host, PORT + 1), kicks.tracer)
        finally:
            server.shutdown()
    need('the same bytes at the host', said.split()[:1] == got, (said, got))
    return 'back ' + served(kicks, 16)


def tap_up(machine):
    """A network device by a tap of this VM and a vhost worker."""
    for command in (['modprobe', '-a', 'tun', 'vhost_net'],
                    ['ip', 'tuntap', 'add', TAP, 'mode', 'tap'],
                    ['ip', 'addr', 'add', TAP_HOST + '/24', 'dev', TAP],
                    ['ip', 'link', 'set', TAP, 'up']):
        subprocess.run(command, check=True)
    machine.args += ['-netdev', 'tap,id=n,ifname=%s,script=no,downscript=no,vhost=on'
                     % TAP]
    machine.add('virtio-net', 'netdev=n')


def vhost_net(kernel, initrd):
    """frames through a vhost worker: kick by doorbell, call by irqfd"""
    m = Machine('modern')
    tap_up(m)
    web = Web('/tmp/web', MIB)
    try:
        g = m.start(kernel, initrd)
        n = shapes(g, 'modern', 2)
        text, kicks = net(g, TAP_HOST, TAP_GUEST, web.digest, 16)
        need('interrupts by irqfd', kicks.injected >= 16, kicks.injected)
        need('a vhost worker', vhost_workers(g))
        # Frames both ways
        with Kicks(g) as both:
            g.run('ping -q -c 20 -i 0.02 %s >/dev/null' % TAP_HOST, both.tracer)
        need('20 echoes: 20 kicks', both.rings >= 20 and not both.left,
             (both.rings, both.left))
        need('20 echoes: 20 calls', both.injected >= 20, both.injected)
        return ['%d doorbells' % n, '%s, %d injected' % (text, kicks.injected),
                post_back(g, TAP_HOST),
                'ping %d rings, %d injected' % (both.rings, both.injected)]
    finally:
        web.end()
        m.guest.end()
        subprocess.run(['ip', 'link', 'del', TAP])


def vhost_vsock(kernel, initrd):
    """a stream through a vhost worker, and back"""
    subprocess.run(['modprobe', 'vhost_vsock'], check=True)
    server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    server.bind((socket.VMADDR_CID_ANY, VSOCK_PORT))
    server.listen(1)

    def echo():
        try:
            peer = server.accept()[0]
            while True:
                data = peer.recv(65536)
                if not data:
                    break
                peer.sendall(data)
        except OSError:
            pass

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    m = Machine('modern')
    m.args += ['-device', 'vhost-vsock-pci,disable-legacy=on,guest-cid=%d' %
               VSOCK_CID]
    try:
        g = m.start(kernel, initrd)
        n = shapes(g, 'modern', 2)
        with Kicks(g) as kicks:
            said = g.run('vsock_echo %d 64' % VSOCK_PORT, kicks.tracer)
        need('64 KiB there and back', said == 'echoed 64 KiB', said)
        text = served(kicks, 64)
        need('interrupts by irqfd', kicks.injected >= 64, kicks.injected)
        need('a vhost worker', vhost_workers(g))
        return ['%d doorbells' % n, '%s, %d injected' % (text, kicks.injected)]
    finally:
        server.close()
        m.guest.end()


def requests(kernel, initrd):
    """One sector after the other, read past the guest's cache: what each takes,
    without what starting a program takes. Two transports, in one guest."""
    few, many = 100, 600
    left = ['modern', 'legacy']
    tries = 0
    while left:
        m = Machine('modern')
        for m.kind in left:
            m.disk(m.kind, bytes(MIB))
        # Where the clock counts instructions a guest stops short now and then,
        # on stock's KVM, too: another one, then
        try:
            g = m.start(kernel, initrd, 60)
            g.limit = 2
            told = any(vm.doorbells is not None
                       for vm in doorbells_tool.vms([str(g.p.pid)]))
            for kind, disk in zip(list(left), ('/dev/vda', '/dev/vdb')):
                request_cost(g, kind, disk, few, many, told)
                left.remove(kind)
        except Silent as e:
            tries += 1
            print('# try %d: %s' % (tries, str(e).splitlines()[0]), flush=True)
            if tries == TRIES:
                # What there is of figures counts; none at all is a failure
                if len(left) == 2:
                    raise
                return
        finally:
            m.guest.end()


def request_cost(g, kind, disk, few, many, told):
    samples = []
    for _ in range(ROUNDS):
        spent = []
        for count in few, many:
            rings = g.rings()
            start = time.monotonic_ns()
            g.run('read_sectors %s %d' % (disk, count))
            spent.append(time.monotonic_ns() - start)
            need('a ring for each of %d requests' % count,
                 not told or g.rings() - rings == count, g.rings() - rings)
        samples.append((spent[1] - spent[0]) // (many - few))
    print('# cost blk-request %s %s' % (kind, ' '.join(map(str, samples))),
          flush=True)


def boot(kernel, initrd):
    """What QEMU waits for KVM while microvm boots, whose disk has so many queues: all
    ioctls but KVM_RUN. QEMU assigns an ioeventfd for each queue, whatever the guest
    uses. The boot itself takes seconds, and now and then twice as long.

    Each call counts as the shortest of its place in BOOTS boots. A caller of
    synchronize_srcu_expedited() is a reader itself while it starts the grace period.
    SRCU's worker preempts it there in about one of 1,000 calls, finds a reader that
    cannot go on, and sleeps for some ticks. That happens on stock as on ours."""
    for queues in 1, 64:
        calls = []
        for _ in range(BOOTS):
            m = Machine('mmio', irqchip='split')
            m.disk('a', bytes(MIB), 'num-queues=%d' % queues)
            with Ioctls() as ioctls:
                m.start(kernel, initrd)
            m.guest.end()
            need('an ioeventfd for each queue',
                 len(ioctls.ns[BOOT_IOCTLS['ioeventfd']]) >= queues, ioctls.ns)
            calls.append(ioctls.ns)
        for name, number in BOOT_IOCTLS.items():
            counts = [len(c[number]) for c in calls]
            need('the same number of calls in each boot: ' + name,
                 len(set(counts)) == 1, counts)
        # Some boots have more calls of other kinds
        least = {number: sum(map(min, zip(*(c.get(number, ()) for c in calls))))
                 for number in calls[0]}
        for name, number in BOOT_IOCTLS.items():
            print('# cost boot %s-%d %d' % (name, queues, least[number]))
        print('# cost boot all-%d %d' % (queues, sum(least.values())), flush=True)


TESTS = [
    # function, is it in the short set
    (q35_modern, True),
    (q35_legacy, True),
    (microvm, True),
    (vhost_net, True),
    (microvm_full, False),
    (vhost_vsock, False),
    (q35_scsi, False),
    (q35_legacy_scsi, False),
    (q35_snapshot, False),
]


def attempt(test, kernel, initrd):
    """Run a test; once more if a guest spins with its interrupts off, for that
    is not about kicks: the software CPU does it to guests of stock's KVM, too."""
    for tries in range(TRIES):
        boots.clear()
        try:
            said = list(test(kernel, initrd))
            break
        except Stuck as e:
            print('# %s: %s' % (test.__name__, str(e).splitlines()[0]), flush=True)
            if tries == TRIES - 1:
                raise
    said.append('booted in %s s' % ', '.join('%.0f' % b for b in boots))
    return said


def main():
    words = sys.argv[1:]
    if words == ['--list']:
        for test, short in TESTS:
            print('%-16s %-5s %s' % (test.__name__, 'short' if short else '',
                                     test.__doc__))
        return 0
    kernel, initrd, *words = words
    if words == ['--requests']:
        requests(kernel, initrd)
        return 0
    if words == ['--boot']:
        boot(kernel, initrd)
        return 0
    short = '--short' in words
    names = [w for w in words if w != '--short']
    left = [t for t, s in TESTS if (s or not short) and
            (not names or any(fnmatch.fnmatch(t.__name__, n) for n in names))]
    if not left:
        print('no such test: %s' % ' '.join(names))
        return 2
    passed = 0
    for test in left:
        start = time.monotonic()
        try:
            said = '; '.join(attempt(test, kernel, initrd))
            word = 'ok  '
            passed += 1
        except (Failed, OSError, ValueError, subprocess.CalledProcessError,
                doorbells_tool.Failure) as e:
            word, said = 'FAIL', '%s: %s' % (type(e).__name__, e)
        print('%s %-16s %3d s  %s' % (word, test.__name__,
                                      time.monotonic() - start, said), flush=True)
    print('%d passed, %d failed' % (passed, len(left) - passed))
    return passed != len(left)


if __name__ == '__main__':
    sys.exit(main())
