# SPDX-License-Identifier: GPL-2.0-only
"""The machines that Bochs emulates: x86 processors with VMX or with SVM.

With one processor each tick of the TSC is one instruction, and runs repeat exactly.
Bochs has no virtio. So the program is alone in the VM, and the initramfs is on a CD with
the kernel, which is tools/kernel/build minimal.
"""
import os
import shutil
import subprocess

from machines import MACHINES, Machine, Refused, one_of

RC = '''config_interface: textconfig
display_library: nogui
cpu: model=%(model)s, count=%(smp)d, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=%(mem)d, host=%(mem)d
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
pci: enabled=1, chipset=i440fx
vga: extension=vbe, update_freq=5, realtime=0
clock: sync=none, rtc_sync=0, time0=1000000000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=%(cd)s, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=%(log)s
log: %(log)s.bochs
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
'''

BOOT = '''default vm
label vm
kernel /kernel
append initrd=/initrd %s
'''


class Bochs(Machine):
    """One with our modules in a small kernel, and a static program."""

    # RDRAND is seeded by the time of day. A panic is a triple fault, which ends Bochs.
    append = ['quiet', 'panic=-1', 'reboot=t', 'nokaslr', 'clearcpuid=rdrand,rdseed']

    def __init__(self, vendor, model):
        super().__init__('', 'xorriso', 'ttyS0,115200', 'minimal', '', smp=1, mem=512,
                         min_mem=128, timeout=3600, init_packages=[
                             'gcc', 'libc6-dev', 'bochsbios', 'vgabios', 'isolinux',
                             'syslinux-common'])
        self.vendor, self.model = vendor, model

    def check(self, vm):
        one_of('KVM', vm.kvm, 'ours', 'stock', 'series')
        for option, given in (('--inside', vm.inside), ('--accel', vm.accel),
                              ('--icount', vm.icount), ('--pci', vm.pci),
                              ('--threads', vm.threads > 1), ('--qemu', vm.qemu),
                              ('--kernel', vm.kernel_path)):
            if given:
                raise Refused('%s is not for CPU=%s' % (option, self.vendor))
        if vm.mem > 2048:
            raise Refused('MEM=%d is more than 2048' % vm.mem)

    def prepare(self, vm):
        vm.how = 'Bochs, ' + self.model
        self.emulator = self.tool('vm/bochs')
        if not vm.no_build and vm.kvm != 'series':
            self.tool('modules/build', '--quiet', vm.kvm, KERNEL='minimal')
        vm.image = os.path.join(vm.build, 'kernel/minimal/image')
        vm.modules = list(vm.module)
        for name in ('irqbypass', 'kvm', 'kvm-' + self.vendor):
            vm.kvm_modules.append(os.path.join(vm.build, 'modules', vm.kvm, 'minimal',
                                               name + '.ko'))
        for path in [vm.image] + vm.kvm_modules:
            if not os.path.exists(path):
                raise Refused('no ' + path)
        vm.files['vm/copies'] = b'%d' % vm.copies

    def line(self, vm, initrd):
        folder = vm.log + '.cd'
        os.makedirs(folder + '/cd', exist_ok=True)
        for path, name in (('/usr/lib/ISOLINUX/isolinux.bin', 'isolinux.bin'),
                           ('/usr/lib/syslinux/modules/bios/ldlinux.c32', 'ldlinux.c32'),
                           (vm.image, 'kernel'), (initrd, 'initrd')):
            shutil.copyfile(path, '%s/cd/%s' % (folder, name))
        with open(folder + '/cd/isolinux.cfg', 'w') as f:
            f.write(BOOT % self.kernel_words(vm))
        subprocess.run(['xorriso', '-report_about', 'WARNING', '-as', 'mkisofs', '-quiet',
                        '-o', folder + '/cd.iso', '-b', 'isolinux.bin', '-c', 'boot.cat',
                        '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table',
                        folder + '/cd'], check=True, stderr=subprocess.DEVNULL)
        with open(folder + '/bochsrc', 'w') as f:
            f.write(RC % {'model': self.model, 'smp': vm.smp, 'mem': vm.mem,
                          'cd': folder + '/cd.iso', 'log': vm.log})
        return [self.emulator, '-q', '-f', folder + '/bochsrc']

    def complaints(self, vm):
        shutil.rmtree(vm.log + '.cd', ignore_errors=True)
        # It says a panic when the VM switches itself off, which is how each run ends
        for name in (vm.log + '.bochs', vm.log + '.qemu'):
            if os.path.exists(name) and '@VM-DONE' in vm.text:
                os.unlink(name)
        return []


MACHINES['intel'] = Bochs('intel', 'corei7_haswell_4770')
MACHINES['amd'] = Bochs('amd', 'ryzen')
