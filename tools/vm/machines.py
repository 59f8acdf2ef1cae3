# SPDX-License-Identifier: GPL-2.0-only
"""The machines: a row for each in MACHINES, and a class for what is special.

A class says which kernel a machine boots, how a program gets in and what it can see
(port), which words QEMU gets, and which known errors of the emulator it works around.
README.rst describes the errors.
"""
import os
import re
import subprocess


class Refused(Exception):
    """The options do not fit together."""


def one_of(name, value, *choices):
    if value not in choices:
        raise Refused('%s=%s is not one of: %s' % (name, value, ' '.join(choices)))


class Machine:
    """One that runs a static program: the program's output is on the console."""

    port = False            # a virtio port "vm", and the files of this machine
    shell = False           # the command may be a shell's
    counts_instructions = False
    threads = (1,)          # processors per core
    pci = False
    max_smp = 8
    # The command shares the console with the kernel
    append = ['quiet', 'panic=1']
    loglevel = 1

    def __init__(self, qemu, package, console, kernel, words, **more):
        self.qemu, self.package, self.console = qemu, package, console
        self.kernel, self.words = kernel, words.split()
        self.cross, self.init_packages = '', []
        self.smp, self.mem, self.min_mem, self.timeout = 2, 1024, 256, 300
        for name, value in more.items():
            setattr(self, name, value)

    def check(self, vm):
        one_of('KVM', vm.kvm, 'ours', 'stock')
        for option, given in (('--inside', vm.inside), ('--module', vm.module),
                              ('--param', vm.param), ('--initrd', vm.initrd),
                              ('--accel', vm.accel)):
            if given:
                raise Refused('%s is for ARCH=x86' % option)
        if vm.icount and not self.counts_instructions:
            raise Refused('--icount is not for this machine')
        if vm.pci and not self.pci:
            raise Refused('--pci is for bare metal of PowerPC')
        one_of('--threads', vm.threads, *self.threads)
        if vm.smp % vm.threads:
            raise Refused('SMP=%d is not a multiple of --threads %d' %
                          (vm.smp, vm.threads))

    def tool(self, *words, **env):
        """Run one of our programs; its first line of output."""
        out = subprocess.run([os.path.join(self.top, 'tools', words[0]), *words[1:]],
                             env=dict(os.environ, **env), stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, text=True, check=False)
        if out.returncode:
            raise SystemExit(out.returncode)
        return out.stdout.strip()

    def prepare(self, vm):
        """Build what is needed; fill in vm.image and what goes into the initramfs."""
        name = self.kernel
        whose = vm.kvm
        if vm.threads > 1 and name == 'powernv' and vm.arch == 'powernv8':
            if vm.kvm != 'ours':
                raise Refused('--threads on POWER8 is for KVM=ours')
            whose = 'smt'
            vm.files['vm/smt-off'] = b''
        vm.image = vm.kernel_path
        if not vm.image:
            vm.image = os.path.join(vm.build, 'kernel', name, whose, 'image')
            if not vm.no_build:
                self.tool('kernel/build', '--quiet', name, whose)
        vm.files['vm/copies'] = b'%d' % vm.copies
        vm.how = 'software CPU'

    def emulator(self, vm):
        """The command of QEMU, as words."""
        return [self.qemu]

    def command(self, vm):
        """QEMU and its words, but for kernel, initramfs and memory."""
        words = self.emulator(vm) + self.words
        if vm.icount:
            words += ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off']
        return words + ['-smp', str(vm.smp)]

    def kernel_words(self, vm):
        return ' '.join(['console=' + self.console, 'oops=panic',
                         'loglevel=%d' % vm.loglevel] + vm.append)

    def initramfs(self, vm):
        """The machine's own, as bytes, or None for that of run.py."""
        return None

    def line(self, vm, initrd):
        """The whole command of the emulator."""
        return self.command(vm) + [
            '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-m', str(vm.mem)] + self.start(vm, initrd) + [
            '-chardev', 'file,id=console,path=' + vm.log.replace(',', ',,'),
            '-serial', 'chardev:console'] + vm.qemu

    def start(self, vm, initrd):
        return ['-kernel', vm.image, '-initrd', initrd, '-append', self.kernel_words(vm)]

    def complaints(self, vm):
        """What the emulator has to complain of after the run."""
        return []


class Bare(Machine):
    """PowerPC without a hypervisor below."""

    threads = (1, 2, 4, 8)
    pci = True
    # The software CPU reads 0 where hardware takes a machine check
    ILLEGAL = re.compile(r'Invalid (read|write) at addr 0x[0-9A-Fa-f]{12,}')

    def emulator(self, vm):
        if vm.threads > 1:
            # QEMU 7.2 gives all threads of a core the same number
            return self.tool('vm/qemu', '--needed', 'ppc').split()
        if vm.smp > 1:
            # Under QEMU 7.2 a processor writes to pages that are no longer mapped
            return self.tool('vm/qemu', 'ppc').split()
        return [self.qemu]

    def command(self, vm):
        words = self.emulator(vm) + self.words + ['-smp', '%d,cores=%d,threads=%d' % (
            vm.smp, vm.smp // vm.threads, vm.threads)]
        # Without a BMC the machine never switches off
        words += ['-device', 'ipmi-bmc-sim,id=bmc0',
                  '-device', 'isa-ipmi-bt,bmc=bmc0,irq=10',
                  '-d', 'guest_errors', '-D', vm.log + '.accesses']
        if vm.pci:
            words += ['-device', 'pnv-phb,id=phb0,index=0,chip-id=0',
                      '-device', 'pnv-phb-root-port,id=port0,bus=phb0',
                      '-device', 'edu,bus=port0']
        return words

    def complaints(self, vm):
        path = vm.log + '.accesses'
        with open(path, errors='replace') as f:
            found = [line.strip() for line in f if self.ILLEGAL.search(line)]
        if not found:
            os.unlink(path)
            return []
        return ['%d accesses in real mode to what is not there, such as:' %
                len(found)] + found[:3]


class X86(Machine):
    """One with this machine's files, and with our modules in Debian's kernel or ours."""

    port = True
    shell = True
    max_smp = 254
    append = ['panic=-1', 'mitigations=off', 'printk.devkmsg=on']
    loglevel = 5
    vendor = 'amd'
    nested = None           # the vendor, if this machine can nest
    UNCHECKED = ('debian', 'minimal')   # kernels without checkers

    def check(self, vm):
        one_of('KVM', vm.kvm, 'ours', 'stock', 'none', 'uncounted', 'series')
        one_of('KERNEL', vm.kernel, 'debian', 'debug', 'kcsan', 'minimal')
        for option, given in (('--copies', vm.copies > 1), ('--file', vm.file),
                              ('--threads', vm.threads > 1), ('--pci', vm.pci),
                              ('--kernel', vm.kernel_path)):
            if given:
                raise Refused('%s is not for ARCH=x86' % option)
        if vm.icount and vm.smp_given and vm.smp > 1:
            raise Refused('--icount has one processor, not SMP=%d' % vm.smp)
        if vm.icount:
            vm.smp = 1
        self.nested = self.host_nests() if vm.accel != 'tcg' and not vm.icount else None
        if vm.accel == 'kvm' and not self.nested:
            raise Refused('this machine has no usable nested virtualisation')
        self.vendor = self.nested or 'amd'
        vm.how = ('nested virtualisation of this machine (kvm-%s)' % self.nested
                  if self.nested else 'software CPU' +
                  (', counting instructions' if vm.icount else ''))

    @staticmethod
    def host_nests():
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            return None
        with open('/proc/cpuinfo') as f:
            flags = f.read().split()
        for flag, vendor in (('svm', 'amd'), ('vmx', 'intel')):
            path = '/sys/module/kvm_%s/parameters/nested' % vendor
            if flag in flags and os.path.exists(path):
                with open(path) as f:
                    if f.read().strip() in ('Y', '1'):
                        return vendor
        return None

    def several_software_cpus(self, vm):
        return not self.nested and not vm.icount and vm.smp > 1

    def prepare(self, vm):
        if vm.kernel == 'debian':
            kver = self.tool('base', 'kver')
            self.tool('base', 'image')
            image = os.path.join(vm.build, 'base/image', kver)
            headers = os.path.join(vm.build, 'base/headers', kver, 'build')
            vm.image = '%s/boot/vmlinuz-%s' % (image, kver)
            vm.libmodules = '%s/lib/modules/%s' % (image, kver)
            vm.files['vm/moddir'] = os.fsencode(image + '/lib/modules')
            vm.own_modules = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p',
                              'overlay']
        else:
            kver = vm.kernel
            if not vm.no_build:
                self.tool('kernel/build', kver)
            out = os.path.join(vm.build, 'kernel', kver)
            headers = out + '/obj'
            vm.image = out + '/image'
        if vm.kernel not in self.UNCHECKED:
            vm.boot_timeout = 900
            vm.loglevel = 7
            vm.splat = vm.splat or 'fail'
        if vm.kernel == 'debug' and not vm.no_leaks:
            vm.files['vm/leaks'] = b''
            if vm.linux != '6.12':
                # The allocator's arrays of a processor keep pointers to what it gave
                # out, and kmemleak takes them for references. A cache that is checked
                # has no such arrays.
                vm.append.append('slab_debug=F')
        if vm.kernel == 'debug' and vm.linux != '6.12':
            # identify_cpu() clears the boot processor's features for a moment. With
            # 5-level paging KASAN reports any access of an interrupt in that moment,
            # and nothing after that. The kernel of 6.12 is configured without.
            vm.append.append('no5lvl')
        if vm.kernel == 'kcsan':
            vm.append.append('kcsan.early_enable=1')
            vm.known = os.path.join(self.top, 'tools/kernel/kcsan.known')

        moddir = ''
        vm.modules = list(vm.module)
        if vm.kvm != 'none':
            if not vm.no_build and vm.kvm != 'series':
                self.tool('modules/build', '--quiet', vm.kvm, KERNEL=vm.kernel)
            moddir = os.path.join(vm.build, 'modules', vm.kvm, kver)
            for name in ('irqbypass', 'kvm', 'kvm-' + self.vendor):
                path = '%s/%s.ko' % (moddir, name)
                if not os.path.exists(path):
                    raise Refused('no %s; make modules KVM=%s' % (path, vm.kvm))
                vm.kvm_modules.append(path)
        if self.several_software_cpus(vm):
            # The first processor must not run guests: QEMU clears a bit in a word of
            # it without a lock, and a guest's page tables may be taken for its own.
            vm.files['vm/spare'] = b''
            if vm.kernel != 'minimal':
                vm.modules.insert(0, self.stale_int3(vm, kver, headers))
        path = ':/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        vm.env[:0] = ['PATH=' + os.environ.get('PATH', '') + path, 'HOME=/tmp',
                      'USER=root', 'LOGNAME=root', 'LANG=C.UTF-8',
                      'TERM=' + os.environ.get('TERM', 'dumb'), 'KVM=' + vm.kvm,
                      'KERNEL=' + vm.kernel, 'KVM_MODULES=' + moddir,
                      'KVM_VENDOR=' + self.vendor, 'IN_VM=1']

    def stale_int3(self, vm, kver, headers):
        """The module that survives a breakpoint that is gone: see stale_int3.c."""
        if vm.kernel == 'debian':
            self.tool('base', 'headers')
        return self.tool('vm/module/build', kver, headers)

    def command(self, vm):
        # Where instructions are counted, figures stay those of one QEMU: its newer
        # processor makes the kernel choose other code.
        words = [self.qemu]
        if self.several_software_cpus(vm):
            words = self.tool('vm/qemu', 'x86').split()
        words += self.words
        if vm.icount:
            words += ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off',
                      '-cpu', 'max', '-smp', '1']
        elif self.nested:
            words += ['-accel', 'kvm', '-cpu', 'host', '-smp', str(vm.smp)]
        else:
            words += ['-accel', 'tcg,thread=multi', '-cpu', 'max',
                      '-smp', str(vm.smp + self.several_software_cpus(vm))]
        if not self.nested:
            # An interrupt may be lost at the exit of a guest. A timer that was set
            # once never rings then; a tick that comes by itself wakes the processor.
            vm.append[:0] = ['nohz=off', 'highres=off']
        if self.several_software_cpus(vm):
            # Linux 7.3 may hang while it boots: see "An error of Linux 7.3" in README.rst
            vm.append.insert(0, 'tsc=nowatchdog')
        words += ['-device', 'virtio-serial-pci',
                  '-chardev', 'socket,id=vm,fd=%d' % vm.socket,
                  '-device', 'virtserialport,chardev=vm,name=vm']
        if not vm.inside:
            words += ['-fsdev', 'local,id=host,path=/,readonly=on,'
                      'security_model=none,multidevs=remap',
                      '-device', 'virtio-9p-pci,fsdev=host,mount_tag=host']
        return words


def powerpc(kind, kernel, words, **more):
    return kind('qemu-system-ppc64', 'qemu-system-ppc', 'hvc0', kernel, words,
                cross='powerpc64le-linux-gnu-', init_packages=[
                    'gcc-powerpc64le-linux-gnu', 'libc6-dev-ppc64el-cross'], **more)


MACHINES = {
    'x86': X86('qemu-system-x86_64', 'qemu-system-x86', 'ttyS0', '', '-machine q35',
               init_packages=['gcc', 'libc6-dev'], timeout=3600, min_mem=128),
    # Authenticating pointers costs the software CPU more than all else
    'arm64': Machine('qemu-system-aarch64', 'qemu-system-arm', 'ttyAMA0', 'arm64',
                     '-M virt,virtualization=on,gic-version=3 -net none '
                     '-cpu max,pauth-impdef=on,sve=off,sme=off',
                     cross='aarch64-linux-gnu-', init_packages=[
                         'gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
                     smp=4, mem=1536, timeout=900),
    # HV KVM with hash tables and real-mode hcalls
    'powernv8': powerpc(Bare, 'powernv', '-M powernv8'),
    # HV KVM with radix tables, or hash as the guest asks
    'powernv9': powerpc(Bare, 'powernv', '-M powernv9'),
    'powernv10': powerpc(Bare, 'powernv', '-M powernv10'),
    # A guest of a hypervisor with nesting: nested HV KVM
    'pseries': powerpc(Machine, 'powernv', '-M pseries,cap-nested-hv=true -cpu POWER9 '
                       '-vga none', counts_instructions=True),
    # A POWER8 guest of a hypervisor without: PR KVM
    'pr': powerpc(Machine, 'powernv', '-M pseries -cpu POWER8 -vga none',
                  counts_instructions=True),
}
