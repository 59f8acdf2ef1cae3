# SPDX-License-Identifier: GPL-2.0-only
"""Both KVMs below /lib/modules of a VM, as on a host with the package.

Only what KVM needs is there, so that depmod takes a second.
"""
import glob
import os
import shutil
import subprocess

TOP = '/run/modules'
RELEASE = os.uname().release
FOLDER = '/lib/modules/' + RELEASE
UPDATES = FOLDER + '/updates'
NAMES = ('kvm.ko', 'kvm-amd.ko', 'kvm-intel.ko')


def depmod():
    subprocess.run(['/sbin/depmod', RELEASE], check=True, stderr=subprocess.DEVNULL)


def install(ours):
    """Put our modules where the package has them."""
    os.makedirs(UPDATES, exist_ok=True)
    for name in NAMES:
        shutil.copy(os.path.join(ours, name), UPDATES)
    depmod()


def prepare(ours, more=()):
    """Replace /lib/modules by one with stock's KVM, these modules, and ours."""
    top = os.path.join(TOP, RELEASE)
    os.makedirs(top)
    for path in glob.glob(FOLDER + '/modules.builtin*') + [FOLDER + '/modules.order']:
        shutil.copy(path, top)
    out = subprocess.run(['/sbin/modprobe', '-aD', 'kvm_amd', 'kvm_intel', *more],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    paths = {line.split()[1] for line in out.splitlines() if line.startswith('insmod ')}
    paths.update(glob.glob(FOLDER + '/kernel/drivers/gpu/drm/i915/kvmgt.ko*'))
    for path in paths:
        copy = top + os.path.realpath(path)[len(os.path.realpath(FOLDER)):]
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy(path, copy)
    subprocess.run(['mount', '--bind', TOP, '/lib/modules'], check=True)
    install(ours)
