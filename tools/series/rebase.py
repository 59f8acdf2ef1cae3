#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a new base asks of the series; behind tools/series/rebase.

    rebase.py --top DIR --from BUILD --to BUILD

Each BUILD is a build folder that holds a base.  The steps must apply to the first.
What is said, and how it is found:

1. steps     each change is tried on the new base.  One that does not apply is left
             out, so a later one may fail because of it.
2. hooks     the items (functions, structs, macros: see cut.py) that a step changes in
             a file of the old base, if they differ in the new one.  In a file without
             items, and between items: the lines that differ near a hook.
3. replaced  the files of the base that ours replace, if they differ.
4. calls     functions and macros of the base that the kernel files of ours call, if
             their comment, prototype or body differs: what compiles and is wrong.
             ctags finds them, so a function behind a pointer is not seen.
5. work      one line for each of these.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import cut
import overlay
import series

# Where what ours call is defined, and what of it is not the kernel
DEFINED = ('virt', 'include', 'kernel', 'lib', 'mm', 'fs', 'arch/x86', 'arch/powerpc')
NOT_KERNEL = re.compile(r'(^|/)(boot|purgatory|tools|um)/')
NEAR = 5                # lines
CONTEXT = 3


def diff(old, new):
    """The hunks of a unified diff of two lists of lines"""
    return list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=''))[2:]


def changed(hunks):
    return '+%d -%d' % tuple(sum(line[0] == c for line in hunks) for c in '+-')


def show(lines):
    print('\n'.join('    ' + line for line in lines))


def text_of(data):
    return (data or b'').decode(errors='replace')


def items(path, text):
    """The items of a file, name: lines; None if it has no items"""
    found = {}
    try:
        for piece in cut.cut(path, text):
            for name in piece.names:
                found.setdefault(name, []).extend(x.rstrip('\n') for x in piece.lines)
    except cut.CutError:
        return None
    return found


def heading(text):
    print('\n%s\n%s\n' % (text, '=' * len(text)))


class Rebase:
    def __init__(self, top, old, new):
        self.top = top
        self.old = series.Series(top, old)
        self.new = series.Series(top, new)
        self.work = []

    def todo(self, text, *more):
        self.work.append(text % more)

    def run(self):
        heading('Linux %s to %s' % (self.old.base_version(), self.new.base_version()))
        for part in self.steps, self.hooks, self.replaced, self.calls:
            part()
        heading('Work')
        for line in self.work or ['None.']:
            print('- ' + line if self.work else line)

    def steps(self):
        heading('Steps')
        new = self.new
        for step in new.steps:
            new.index = step.index
            said = []
            for where, kind, targets, body in step.changes:
                for path in targets if kind == 'cocci' else targets[:1]:
                    try:
                        if kind == 'cocci':
                            new.cocci(where, [path], body)
                        else:
                            new.edit(where, path, *body)
                    except series.Error as error:
                        said.append(str(error).splitlines()[0])
            for ours in {line[1] for line in step.files + step.lines}:
                path = new.over.lands(ours)
                new.now[path] = new.grown[ours].version(step.index)
                new.ours[path] = ours
            print('%s: %s' % (step.name, '%d changes do not apply' % len(said) if said
                              else 'applies'))
            show(said) if said else None
            for line in said:
                self.todo('%s', line)

    def hooks(self):
        """Of each file of the base: what the steps change in it"""
        heading('Hooks')
        touched = {}        # path: {item: steps}; without items, {None: steps}
        for step, changes in self.old.play(*series.SERIES):
            for path, (before, after) in changes.items():
                if self.old.pristine(path) is None or path in self.old.ours:
                    continue
                had, has = (items(path, text_of(x)) for x in (before, after))
                hooks = touched.setdefault(path, {})
                names = had and has and [n for n in had if had[n] != has.get(n)]
                # Where there are no items, or something comes between them
                for name in names or [None]:
                    hooks.setdefault(name, []).append(step.name)
        for path, hooks in sorted(touched.items()):
            if path in self.old.ours:
                continue
            old, new = self.old.pristine(path), self.new.pristine(path)
            if new is None:
                self.todo('%s: not in the new base, hooks of %s', path,
                          ', '.join(sorted(set(sum(hooks.values(), [])))))
            elif old != new:
                self.hooks_of(path, hooks, text_of(old), text_of(new))

    def hooks_of(self, path, hooks, old, new):
        had, has = items(path, old), items(path, new)
        for name, steps in sorted(hooks.items(), key=lambda x: x[0] or ''):
            if not had or not has or not name:
                hunks = self.near(path, old, new)
                name = 'near a hook'
            elif name not in had:
                continue        # an earlier step has brought it
            else:
                hunks = diff(had[name], has.get(name, []))
            if not hunks:
                continue
            gone = name in (had or {}) and name not in (has or {})
            print('%s: %s: %s, %s' % (path, name, ', '.join(steps),
                                      'gone' if gone else changed(hunks)))
            show(hunks)
            self.todo('%s: %s %s; hook of %s', path, name,
                      'is gone' if gone else 'differs, ' + changed(hunks), ', '.join(steps))

    def near(self, path, old, new):
        """The changes of the new base at lines that the steps change, or near them"""
        old, new = old.splitlines(), new.splitlines()
        ours = text_of(self.old.now[path]).splitlines()

        def places(other):
            m = difflib.SequenceMatcher(None, old, other, autojunk=False)
            return [x for x in m.get_opcodes() if x[0] != 'equal']

        mine = places(ours)
        found = []
        for _, a, b, c, d in places(new):
            if any(a - NEAR <= y and x <= b + NEAR for _, x, y, _, _ in mine):
                found += ['@@ line %d @@' % (a + 1)] + ['-' + x for x in old[a:b]] + \
                    ['+' + x for x in new[c:d]]
        return found

    def replaced(self):
        heading('Replaced files')
        for path in sorted(set(self.old.ours) | set(self.new.ours)):
            old, new = self.old.pristine(path), self.new.pristine(path)
            if old == new:
                continue
            if old is None or new is None:
                self.todo('%s: ours, and only the %s base has it', path,
                          'old' if new is None else 'new')
                continue
            hunks = diff(text_of(old).splitlines(), text_of(new).splitlines())
            print('%s: %s' % (path, changed(hunks)))
            show(hunks)
            self.todo('%s: ours replaces it, and it differs, %s', path, changed(hunks))

    def calls(self):
        heading('Calls')
        called = self.called()
        old, new = (self.definitions(x.base, called) for x in (self.old, self.new))
        for name in sorted(called):
            places, there = old.get(name, {}), new.get(name, {})
            if not places:
                continue
            by = ', '.join(called[name][:3]) + \
                (' and %d more' % (len(called[name]) - 3) if len(called[name]) > 3 else '')
            if not there:
                print('%s(): gone; called by %s' % (name, by))
                self.todo('%s(): the new base has none; called by %s', name, by)
                continue
            found = {}          # what differs: where
            for path, parts in sorted(places.items()):
                # What has moved is compared with where it is now
                now = there.get(path) or (list(there.values())[0]
                                          if len(places) == len(there) == 1 else parts)
                differ = [what for what in parts if parts[what] != now[what]]
                for what in differ:
                    found.setdefault(what, []).append(path)
                if differ:
                    print('%s: %s(): %s; called by %s' % (path, name, ', '.join(differ), by))
                    show(diff(sum(parts.values(), []), sum(now.values(), [])))
            if found:
                self.todo('%s(): %s; %s; called by %s', name, ', '.join(found),
                          ', '.join(sorted(set(sum(found.values(), [])))), by)

    def called(self):
        """Names that the kernel files of ours call and do not define: who calls them"""
        found, defined = {}, set()
        for path, ours in sorted(self.new.ours.items()):
            if not path.endswith(('.c', '.h')) or path.startswith('tools/') or \
                    path.endswith('_test.c'):
                continue
            text = text_of(self.new.grown[ours].data)
            defined |= set(items(path, text) or ())
            inside, code = False, []
            for line in text.splitlines():
                line, inside = cut.code_of(line, inside)
                code.append(line)
            for name in re.findall(r'\b([A-Za-z_]\w*)\s*\(', '\n'.join(code)):
                found.setdefault(name, [])
                if path not in found[name]:
                    found[name].append(path)
        return {n: p for n, p in found.items() if n not in defined}

    def definitions(self, base, names):
        """name: path: its comment, prototype and body in this base"""
        found = {}
        skip = set(self.new.ours) | set(self.old.ours)
        texts = {}
        for tag in tags(base, [d for d in DEFINED if os.path.isdir(os.path.join(base, d))]):
            name, kind, line, end, local, path = tag.split('|')
            # A macro that is called at file level looks like a function
            if name not in names or (kind != 'd' and name.isupper()) or \
                    NOT_KERNEL.search(path) or path in skip or \
                    (local == 'file' and path.endswith('.c')):
                continue
            if path not in texts:
                texts[path] = text_of(series.read(os.path.join(base, path))).splitlines()
            parts = found.setdefault(name, {}).setdefault(
                path, {'comment': [], 'prototype': [], 'body': []})
            for what, lines in definition(texts[path], kind, int(line), end).items():
                parts[what] += lines
        return found


def tags(base, where):
    """name|kind|line|end|scope|path of each function, prototype and macro"""
    return subprocess.run(
        ['ctags', '-R', '--languages=C', '--langmap=C:.c.h', '--kinds-C=fpd', '--sort=no',
         '-x', '--_xformat=%N|%k|%n|%e|%f|%F'] + where, check=True, cwd=base,
        stdout=subprocess.PIPE).stdout.decode().splitlines()


def definition(lines, kind, line, end):
    """The parts of what begins at this line (from 1), without their spaces"""
    first = line - 1
    while first > 0 and lines[first - 1].strip() and \
            not re.search(r'[;}]\s*$|^#|\\$', lines[first - 1]):
        first -= 1
    last = int(end) if kind == 'f' and end.isdigit() else line
    if kind == 'd':
        while last < len(lines) and lines[last - 1].endswith('\\'):
            last += 1
    elif kind == 'p':
        while last < len(lines) and ';' not in lines[last - 1]:
            last += 1
    parts = {'comment': [], 'prototype': [], 'body': []}
    what, inside = 'prototype', False
    for text in lines[first:last]:
        code, inside = cut.code_of(text, inside)
        plain = ' '.join(text.split())
        if what != 'body' and not code.strip() and plain:
            parts['comment'].append(plain)
            continue
        if kind == 'd' or text.startswith('{'):
            what = 'body'
        if plain:
            parts[what].append(plain)
    return parts


def main():
    p = argparse.ArgumentParser(prog='rebase')
    p.add_argument('--top', required=True)
    p.add_argument('--from', dest='old', required=True)
    p.add_argument('--to', dest='new', required=True)
    args = p.parse_args()
    try:
        Rebase(args.top, args.old, args.new).run()
    except (series.Error, overlay.OverlayError) as error:
        sys.exit('rebase: error: %s' % error)


if __name__ == '__main__':
    main()
