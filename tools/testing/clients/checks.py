# SPDX-License-Identifier: GPL-2.0-only
"""Checks that are counted, and the guest of ringer.c."""
import subprocess
import sys

passed = failed = 0


def check(what, ok, saw=''):
    global passed, failed
    if ok:
        passed += 1
        print('ok   ', what, flush=True)
    else:
        failed += 1
        print('FAIL ', what, '' if saw == '' else '\n      saw: %s' % (saw,),
              flush=True)


def result():
    """The last line, and the exit status."""
    print('%d passed, %d failed' % (passed, failed))
    sys.exit(failed != 0)


class Ringer:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        assert self.p.stdout.readline() == 'ready\n'
        self.pid = str(self.p.pid)

    def tell(self, line):
        self.p.stdin.write(line + '\n')
        self.p.stdin.flush()

    def rounds(self, n):
        self.tell(str(n))
        return self.p.stdout.readline()

    def end(self):
        self.p.stdin.close()
        return self.p.wait()
