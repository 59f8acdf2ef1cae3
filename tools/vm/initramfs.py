# SPDX-License-Identifier: GPL-2.0-only
"""Initramfs files, and the modules that go into them."""
import os
import stat
import subprocess
import sys


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
