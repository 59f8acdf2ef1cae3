# SPDX-License-Identifier: GPL-2.0-only
"""A Debian that boots from its disk, with its own kernel, initramfs and systemd.

Kernel and initramfs are those that /vmlinuz and /initrd.img name on the disk. What the
command changes stays there. The command is a shell program; files of --file are under
/vm. A root that prepare() has prepared mounts /vm and runs the command when the system is
up, then switches off.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys

from machines import MACHINES, Machine, Refused, one_of

UNIT = '''[Unit]
Description=The command of the VM
After=multi-user.target

[Service]
Type=simple
TimeoutStartSec=600
# A slow boot has not loaded the modules of all devices yet, and "settle" ends too early
ExecStartPre=udevadm trigger --settle --action=add --subsystem-match=cpu --subsystem-match=virtio
ExecStartPre=mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 vm /vm
ExecStart=sh /vm/run
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
'''

# Log and taint follow the end, as those of init.c do
RUN = '''printf '\\n@VM-BEGIN\\n'
sh /vm/command
printf '\\n@VM-END %d\\n' $?
dmesg
echo "@VM-TAINT $(cat /proc/sys/kernel/tainted)"
echo @VM-DONE
sync
systemctl --no-block poweroff
'''

# Variables of the firmware are safe from the kernel only in system management mode. GRUB
# does not start with five levels of page tables.
EFI = ['-machine', 'smm=on', '-cpu', 'max,la57=off',
       '-global', 'driver=cfi.pflash01,property=secure,value=on',
       '-drive', 'if=pflash,format=raw,unit=0,readonly=on,'
       'file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd']


def prepare(root):
    """Make the root of a Debian run commands: a unit and its place."""
    units = os.path.join(root, 'etc/systemd/system')
    wants = os.path.join(units, 'multi-user.target.wants')
    os.makedirs(wants, exist_ok=True)
    os.makedirs(os.path.join(root, 'vm'), exist_ok=True)
    with open(os.path.join(units, 'vm.service'), 'w') as f:
        f.write(UNIT)
    os.symlink('../vm.service', os.path.join(wants, 'vm.service'))
    # Nothing else is on the console
    os.symlink('/dev/null', os.path.join(units, 'serial-getty@ttyS0.service'))


class Disk(Machine):
    """One processor of AMD in software: README.rst has what several of them break."""

    shell = True
    max_smp = 1
    # On a busy machine the first ticks are late, which looks like a broken timer
    append = ['root=/dev/vda', 'rw', 'quiet', 'panic=-1', 'systemd.show_status=0',
              'mitigations=off', 'nohz=off', 'highres=off', 'no_timer_check']

    def check(self, vm):
        one_of('KVM', vm.kvm, 'ours')
        if not vm.disk or not os.path.isfile(vm.disk):
            raise Refused('--disk %s does not exist' % vm.disk)
        for option, given in (('--inside', vm.inside), ('--module', vm.module),
                              ('--param', vm.param), ('--initrd', vm.initrd),
                              ('--accel', vm.accel), ('--icount', vm.icount),
                              ('--pci', vm.pci), ('--env', vm.env),
                              ('--threads', vm.threads > 1),
                              ('--copies', vm.copies > 1),
                              ('--kernel', vm.kernel_path)):
            if given:
                raise Refused('%s is not for ARCH=disk' % option)

    def debugfs(self, vm, request):
        return subprocess.run(['/sbin/debugfs', '-R', request, vm.disk], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=True).stdout

    def from_disk(self, vm, name):
        """The file that a link at the top of the disk names, as a file of ours."""
        link = re.search(r'link dest: "/?(.*)"', self.debugfs(vm, 'stat /' + name))
        if not link:
            raise Refused('%s has no /%s' % (vm.disk, name))
        path = os.path.join(self.share, '.' + name)
        self.debugfs(vm, 'dump "/%s" "%s"' % (link.group(1), path))
        if not os.path.exists(path) or not os.path.getsize(path):
            raise Refused('%s has no /%s' % (vm.disk, link.group(1)))
        return path

    def prepare(self, vm):
        vm.how = 'software CPU'
        self.share = vm.log + '.share'
        shutil.rmtree(self.share, ignore_errors=True)
        os.makedirs(self.share)
        for name, text in (('run', RUN), ('command', shlex.join(vm.command) + '\n')):
            with open(os.path.join(self.share, name), 'w') as f:
                f.write(text)
        for f in vm.file:
            name, _, source = f.partition('=')
            shutil.copy(source or name, os.path.join(self.share, os.path.basename(name)))
        vm.image = self.from_disk(vm, 'vmlinuz')

    def initramfs(self, vm):
        with open(self.from_disk(vm, 'initrd.img'), 'rb') as f:
            return f.read()

    def command(self, vm):
        return super().command(vm) + [
            '-drive', 'if=virtio,format=raw,cache=unsafe,file=' + vm.disk.replace(',', ',,'),
            '-fsdev', 'local,id=vm,security_model=none,path=' +
            self.share.replace(',', ',,'),
            '-device', 'virtio-9p-pci,fsdev=vm,mount_tag=vm']

    def start(self, vm, initrd):
        if not vm.efi:
            return super().start(vm, initrd)
        folder = os.path.join(vm.efi, 'partition/EFI/debian')
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, 'grub.cfg'), 'w') as f:
            f.write('search --set=root --file /vmlinuz\n'
                    'linux /vmlinuz %s\ninitrd /initrd.img\nboot\n' % self.kernel_words(vm))
        folder = vm.efi.replace(',', ',,')
        return EFI + [
            '-drive', 'if=pflash,format=raw,unit=1,file=%s/variables' % folder,
            '-drive', 'if=virtio,format=raw,readonly=on,file=fat:%s/partition' % folder]

    def complaints(self, vm):
        shutil.rmtree(self.share, ignore_errors=True)
        return []


MACHINES['disk'] = Disk('qemu-system-x86_64', 'qemu-system-x86', 'ttyS0', '',
                        '-machine q35 -accel tcg -cpu max', smp=1, mem=2048, timeout=1800,
                        init_packages=['e2fsprogs'])

if __name__ == '__main__':
    prepare(sys.argv[1])
