#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The engine behind tools/series/apply.

There are three series.  io-bus starts from the pristine base, x86 from io-bus,
powerpc from the pristine base.  build/tree is the base with all three.

Each folder tools/series/SERIES/NNNN-name is one step, that is, one commit.  A
step that changes the base's lines must match them in each tree it is played on:
those of powerpc on the pristine base and on top of the other two.

  message   subject, empty line, body
  *.cocci   semantic patches. A line "// targets: PATH..." starts a section;
            what precedes the first one is comment. Each section is applied
            on its own, in order, to each of its targets. Every target must
            change, and every identifier in a list of the section
            ("identifier f = {a, b, c};") must be found on a removed line.
            A regex of "=~" has no group and no alternative: Debian 12 has a
            spatch with PCRE, Debian 13 one with OCaml's own.
  *.edit    changes, one to a line. The regex must match exactly one line.
            On files of the base:
              delete PATH|REGEX             that line goes
              delete PATH|REGEX|REGEX       from that line to the next that
                                            matches the second
              after PATH|REGEX|TEXT         TEXT as a new line behind it
              before PATH|REGEX|TEXT        ... before it
              replace PATH|REGEX|TEXT       TEXT instead of it
              append PATH|TEXT              TEXT as the last line
              append-file PATH              our file of that name at the end
              append-file PATH|NAME...      of a Kconfig: these configs of it
              move FROM|TO|NAME...          these items go to the end of TO
              create PATH|TEXT              a file that the base does not have
            On files of ours that an earlier step has brought (see below):
              comes PATH|REGEX              that line is not there before this
                                            step
              comes PATH|REGEX|REGEX        ... from that line to the next that
                                            matches the second
              was PATH|REGEX|TEXT           that line reads TEXT before it
            \\t in TEXT is a tab, \\n a further line, \\\\ a backslash.
  files     files of ours that land, one to a line:
              PATH                  all of it, or what no other step brings
              PATH: *               the same
              PATH: NAME...         these items of it; the line may be repeated

A file of ours may grow over several steps.  What an item is and how it is named:
tools/series/cut.py.  The first step that has some of the file brings its head
and its includes; an include that is named like an item ("x.h" or <x.h>) comes
when it is named.  The items stand in the order of the file at all times.  Each
item must be brought by exactly one step.

The file is always made from the whole one, by leaving out what comes later. So
comes and was are read backwards: the line that REGEX matches is one of the file
as it is after this step, and what they say is how the file was before.  Nothing
can be said about the end, which is our file to the byte.

*.cocci and *.edit go first, in the order of their names.  A file of ours may
take the place of one of the base's.  That ends what can be done to the base's,
and tools/series/replaced must have the checksum of what it replaces.

cover     of each series, its cover letter: the subject, an empty line, the text

A step, or a part of one, may be for some bases only, and a file of ours may read
otherwise on another base: overlay.py.
"""
import argparse
import difflib
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

import cut
import overlay

# Each line: series that are played on top of one another, from the base on
CHAINS = (('io-bus', 'x86'), ('powerpc',))
SERIES = sum(CHAINS, ())

# Where each file of ours must land
LANDS = ('virt', 'include', 'arch', 'Documentation', 'tools/kvm',
         'tools/testing/selftests/kvm')


class Error(Exception):
    pass


def sha(*parts):
    h = hashlib.sha256()
    for p in parts:
        if isinstance(p, str):
            p = p.encode()
        h.update(b'%d:' % len(p))
        h.update(p)
    return h.hexdigest()


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def write(path, data):
    """Never in place: the file may be a second name of a pristine one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    mode = None
    if os.path.lexists(path):
        mode = os.stat(path).st_mode & 0o777
    with open(path + '.new', 'wb') as f:
        f.write(data)
    if mode is not None:
        os.chmod(path + '.new', mode)
    os.replace(path + '.new', path)


def run(cmd, **kw):
    return subprocess.run(cmd, check=True, stdout=subprocess.PIPE, **kw).stdout


# What grep takes within brackets, and python does not
CLASSES = {'[:space:]': r'\s', '[:blank:]': r' \t', '[:digit:]': r'\d',
           '[:alnum:]': 'A-Za-z0-9', '[:alpha:]': 'A-Za-z',
           '[:upper:]': 'A-Z', '[:lower:]': 'a-z'}


def pattern(where, text):
    for name, chars in CLASSES.items():
        text = text.replace(name, chars)
    try:
        return re.compile(text)
    except re.error as e:
        raise Error('%s: bad regex: %s' % (where, e))


ARITY = {'delete': (2, 3), 'after': (3, 3), 'before': (3, 3),
         'replace': (3, 3), 'append': (2, 2), 'append-file': (1, 2),
         'move': (3, 3), 'create': (2, 2),
         'comes': (2, 3), 'was': (3, 3)}


def change(where, line):
    """A line of an .edit: its verb, path and other fields"""
    verb, _, rest = line.partition(' ')
    if verb not in ARITY:
        raise Error('%s: unknown change "%s"' % (where, verb))
    # The last field may hold bars of its own
    least, most = ARITY[verb]
    fields = rest.split('|', most - 1)
    if len(fields) < least:
        raise Error('%s: %s wants %d fields' % (where, verb, least))
    return verb, fields[0].strip(), fields[1:]


def unescaped(text):
    return re.sub(r'\\([\\tn])', lambda m: {'t': '\t', 'n': '\n'}.get(m[1], m[1]), text)


def edit_lines(where, path, lines, verb, fields):
    """Change the lines of a file in place"""
    def only(regex, start=0, first=False):
        compiled = pattern(where, regex)
        hits = [i for i in range(start, len(lines))
                if compiled.search(lines[i])]
        if not hits:
            raise Error('%s: nothing in %s matches %s' % (where, path, regex))
        if len(hits) > 1 and not first:
            raise Error('%s: %d lines of %s match %s' %
                        (where, len(hits), path, regex))
        return hits[0]

    text = unescaped(fields[-1]) + '\n'
    if verb == 'append':
        lines.append(text)
        return
    at = only(fields[0])
    if verb == 'delete':
        end = only(fields[1], at, True) if len(fields) > 1 else at
        del lines[at:end + 1]
    elif verb == 'after':
        lines.insert(at + 1, text)
    elif verb == 'before':
        lines.insert(at, text)
    elif verb == 'replace':
        lines[at] = text


class Step:
    def __init__(self, top, folder, over):
        self.top = top
        self.folder = folder
        self.over = over
        self.index = None       # among the steps of this base
        self.name = os.path.relpath(folder, os.path.join(top, 'tools/series'))
        self.series = os.path.dirname(self.name)
        where = self.name + '/message'
        self.message = over.prose(where, self._text('message', False)).strip() + '\n'
        self.other = not self.message.strip()   # for other bases alone
        if self.other:
            return
        if not re.match(r'[^\n]+\n(\n|$)', self.message):
            raise Error('%s/message: one line of subject, then an empty one'
                        % self.name)
        self.subject = self.message.split('\n')[0]
        self.less = False      # is some of it left out for this base?
        self.files = []     # (where, path, names or None for the rest)
        if os.path.exists(os.path.join(folder, 'files')):
            self.files = self._files()
        self.changes = []   # to files of the base
        self.lines = []     # of files of ours: (where, path, verb, fields)
        for path in sorted(glob.glob(os.path.join(folder, '*.cocci')) +
                           glob.glob(os.path.join(folder, '*.edit'))):
            if path.endswith('.cocci'):
                self.changes += self._cocci(path)
            else:
                self._edit(path)
        self.other = not self.files and not self.changes and not self.lines and \
            self.less
        if not self.other and not self.files and not self.changes and not self.lines:
            raise Error('%s: neither files nor changes' % self.name)

    def _text(self, name, part=True):
        try:
            text = read(os.path.join(self.folder, name)).decode()
        except OSError as e:
            raise Error('%s/%s: %s' % (self.name, name, e.strerror))
        return self._part('%s/%s' % (self.name, name), text) if part else text

    def _part(self, where, text):
        """What is for this base"""
        mine = self.over.part(where, text)
        self.less = self.less or mine != text
        return mine

    def _files(self):
        found = []
        for n, line in enumerate(self._text('files').splitlines(), 1):
            if not line.strip() or line.startswith('#'):
                continue
            where = '%s/files:%d' % (self.name, n)
            path, colon, names = line.partition(':')
            path = path.strip()
            names = names.split()
            if not self.over.exists(path):
                raise Error('%s: there is no %s' % (where, path))
            if colon and not names:
                raise Error('%s: names are missing' % where)
            found.append((where, path,
                          names if colon and names != ['*'] else None))
        return found

    def _cocci(self, path):
        where = '%s/%s' % (self.name, os.path.basename(path))
        sections = []
        text = read(path).decode()
        mine = self._part(where, text)
        for n, line in enumerate(mine.splitlines(True), 1):
            m = re.match(r'//\s*targets:\s*(.*)$', line)
            if m:
                targets = m.group(1).split()
                if not targets:
                    raise Error('%s:%d: no targets' % (where, n))
                sections.append((where + ':%d' % n, 'cocci', targets, []))
            elif sections:
                sections[-1][3].append(line)
        if not sections and mine == text:
            raise Error('%s: no line "// targets: PATH..."' % where)
        return [(w, k, [self.over.lands(p) for p in t],
                 self.over.spelled(t[0], ''.join(b))) for w, k, t, b in sections]

    def _edit(self, path):
        where = '%s/%s' % (self.name, os.path.basename(path))
        edits = 0
        text = read(path).decode()
        mine = self._part(where, text)
        for n, line in enumerate(mine.splitlines(), 1):
            if not line.strip() or line.startswith('#'):
                continue
            at = '%s:%d' % (where, n)
            verb, target, fields = change(at, line)
            edits += 1
            if verb in ('comes', 'was'):
                self.lines.append((at, target, verb, fields))
                continue
            fields = [self.over.spelled(target, x) for x in fields]
            targets = [self.over.lands(target)]
            if verb == 'move':
                targets.append(fields[0].strip())
            self.changes.append((at, 'edit', targets, (verb, fields)))
        if not edits and mine == text:
            raise Error('%s: empty' % where)


class Grown:
    """A file of ours, and which step brings which of its lines"""

    def __init__(self, over, path):
        self.path = path
        self.data = over.read(path, edit_lines)
        self.claims = []    # (step, where, names or None)
        self.edited = False

    def claim(self, step, where, names):
        for other, there, known in self.claims:
            if known is None or (names is None and other is step):
                raise Error('%s: %s comes with %s already' %
                            (where, self.path, there))
        self.claims.append((step, where, names))

    def settle(self):
        """Give each line the number of its step"""
        whole = len(self.claims) == 1 and self.claims[0][2] is None
        try:
            text = self.data.decode()
            self.pieces = [cut.Piece('head', [], text.splitlines(True), 0, 1)] \
                if whole else cut.cut(self.path, text)
        except UnicodeDecodeError:
            self.pieces = None      # a picture, say
            return
        except cut.CutError as e:
            raise Error('%s: %s: %s' % (self.claims[0][1], self.path, e))
        self.first = self.claims[0][0].index
        by_name = {}
        for piece in self.pieces:
            piece.since = None
            for name in piece.names:
                by_name.setdefault(name, []).append(piece)
        told = {}           # name: where
        rest = None
        for step, where, names in self.claims:
            if names is None:
                rest = step.index
                left = [p for p in self.pieces
                        if p.kind == 'item' and p.since is None]
                if not whole and not left:
                    raise Error('%s: nothing is left of %s' % (where, self.path))
                continue
            for name in names:
                if name not in by_name:
                    raise Error('%s: %s has no %s' % (where, self.path, name))
                if name in told:
                    raise Error('%s: %s comes with %s already' %
                                (where, name, told[name]))
                told[name] = where
                for piece in by_name[name]:
                    if piece.since not in (None, step.index):
                        raise Error('%s: %s is part of what has come already'
                                    % (where, name))
                    piece.since = step.index
        for piece in self.pieces:
            if piece.since is not None:
                continue
            if piece.kind == 'head':
                piece.since = self.first
            elif piece.kind == 'item':
                if rest is None:
                    raise Error('%s:%d: no step brings %s' %
                                (self.path, piece.line,
                                 ' '.join(piece.names) or 'this'))
                piece.since = rest
        for piece in self.pieces:
            if piece.kind in ('open', 'else', 'close'):
                piece.since = min([p.since for p in piece.parts
                                   if p.since is not None], default=self.first)
        # Each line: text, and the steps from the first and before the second
        # with which it is there
        for piece in self.pieces:
            piece.lines = [[x, piece.since, None] for x in piece.lines]

    @staticmethod
    def there(line, index):
        return line[1] <= index and (line[2] is None or index < line[2])

    def undo(self, step, where, verb, fields):
        """How the file was before the step; the last step's changes first"""
        if self.pieces is None:
            raise Error('%s: %s is no text' % (where, self.path))
        lines = [(p, x) for p in self.pieces for x in p.lines
                 if self.there(x, step.index)]

        def only(regex, start=0, first=False):
            compiled = pattern(where, regex)
            hits = [i for i in range(start, len(lines))
                    if compiled.search(lines[i][1][0])]
            if not hits:
                raise Error('%s: nothing in %s matches %s' %
                            (where, self.path, regex))
            if len(hits) > 1 and not first:
                raise Error('%s: %d lines of %s match %s' %
                            (where, len(hits), self.path, regex))
            return hits[0]

        begin = end = only(fields[0])
        if verb == 'comes' and len(fields) > 1:
            end = only(fields[1], begin, True)
        for piece, line in lines[begin:end + 1]:
            if line[1] == step.index:
                raise Error('%s: this line of %s comes with this step as it is'
                            % (where, self.path))
            if verb == 'was':
                text = unescaped(fields[1]) + '\n'
                at = [i for i, x in enumerate(piece.lines) if x is line][0]
                piece.lines[at:at] = [[x, line[1], step.index]
                                      for x in text.splitlines(True)]
            line[1] = step.index
        self.edited = True

    def version(self, index):
        """The file as it is after step number index"""
        if self.pieces is None:
            return self.data
        return cut.join(self.pieces,
                        lambda p: [x[0] for x in p.lines
                                   if self.there(x, index)]).encode()


def moved(where, path, text, names):
    """Cut the items out of text: what is left, and they"""
    try:
        pieces = cut.cut(path, text)
    except cut.CutError as e:
        raise Error('%s: %s: %s' % (where, path, e))
    for name in names:
        if not any(name in p.names for p in pieces):
            raise Error('%s: %s has no %s' % (where, path, name))
    gone = [p for p in pieces if set(p.names) & set(names)]
    left = cut.join(pieces, lambda p: [] if p in gone else p.lines)
    return left, cut.join([p for p in pieces if p in gone], lambda p: p.lines)


class Series:
    def __init__(self, top, build):
        self.top = top
        self.build = build
        self.base = os.path.join(build, 'base', 'linux')
        self.tree = os.path.join(build, 'tree')
        self.out = os.path.join(build, 'series')
        self.cache = os.path.join(self.out, 'cache')
        self.version = self.base_version()
        m = re.match(r'(\d+)\.(\d+)\.', self.version)
        self.over = overlay.Overlay(top, (int(m.group(1)), int(m.group(2))) if m
                                    else overlay.DEFAULT)
        self.over.edits(change)
        self.steps = [s for s in (Step(top, d, self.over) for d in self.folders())
                      if not s.other]
        for i, step in enumerate(self.steps):
            step.index = i
        if not self.steps:
            raise Error('no steps in tools/series')
        self.now = {}       # path: contents after the steps so far
        self.ours = {}      # paths that hold a file of ours: ours
        self.grown = self.files_of_ours()
        self.configs = self.appended()
        self.all_land()

    def known(self, *folders):
        """The files that git knows; all, where there is no git"""
        p = subprocess.run(['git', '-C', self.top, 'ls-files', '--'] +
                           list(folders),
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if p.returncode == 0:
            return p.stdout.decode().splitlines()
        return [os.path.relpath(os.path.join(d, f), self.top)
                for folder in folders
                for d, _, files in os.walk(os.path.join(self.top, folder))
                for f in files if not f.endswith('.pyc')]

    def folders(self):
        """A step is part of the series once it is committed."""
        steps = []
        drafts = os.environ.get('DRAFTS') == '1' or \
            not os.path.exists(os.path.join(self.top, '.git'))
        known = self.known('tools/series')
        for name in SERIES:
            for folder in sorted(glob.glob(os.path.join(
                    self.top, 'tools/series', name, '[0-9]*'))):
                path = os.path.relpath(folder, self.top)
                if drafts or path + '/message' in known:
                    steps.append(folder)
                elif os.listdir(folder):
                    print('series: leaving out %s: not committed (DRAFTS=1 '
                          'takes it)' % path, file=sys.stderr)
        return steps

    def files_of_ours(self):
        grown = {}
        for step in self.steps:
            for where, path, names in step.files:
                if path not in grown:
                    grown[path] = Grown(self.over, path)
                other = grown[path].claims and grown[path].claims[0][0]
                if other and ('powerpc' in (other.series, step.series)) and \
                        other.series != step.series:
                    raise Error('%s: %s is of %s' % (where, path, other.name))
                grown[path].claim(step, where, names)
        for g in grown.values():
            g.settle()
        for step in reversed(self.steps):
            for where, path, verb, fields in step.lines:
                if path not in grown or grown[path].first >= step.index:
                    raise Error('%s: no earlier step brings %s' % (where, path))
                grown[path].undo(step, where, verb, fields)
        return grown

    def appended(self):
        """Of each append-file: the Kconfig, and which step brings what of it"""
        configs = {}
        for step in self.steps:
            for where, kind, targets, body in step.changes:
                if kind != 'edit' or body[0] != 'append-file':
                    continue
                path = targets[0]
                if not self.over.exists(path):
                    raise Error('%s: there is no %s' % (where, path))
                if path not in configs:
                    configs[path] = Grown(self.over, path)
                names = body[1][0].split() if body[1] else None
                configs[path].claim(step, where, names)
        for g in configs.values():
            g.settle()
        return configs

    def all_land(self):
        for path in self.known(*LANDS) + self.over.own():
            if path not in self.grown and path not in self.configs and \
                    self.over.exists(path):
                raise Error('no step brings %s' % path)

    def replaced(self):
        """The files of the base that ours take the place of: path, checksum"""
        found = {}
        for path in sorted(self.over.lands(p) for p in self.grown):
            data = self.pristine(path)
            if data is not None:
                found[path] = hashlib.sha256(data).hexdigest()
        return found

    def base_version(self):
        text = (self.pristine('Makefile') or b'').decode(errors='replace')
        m = [re.search(r'^%s\s*=\s*(\S*)' % k, text, re.M)
             for k in ('VERSION', 'PATCHLEVEL', 'SUBLEVEL')]
        return '.'.join(x.group(1) for x in m) if all(m) else 'unknown'

    def pinned(self):
        """tools/series/replaced: of each base, {path: checksum}"""
        bases = {}
        try:
            text = read(os.path.join(self.top, 'tools/series/replaced')).decode()
        except FileNotFoundError:
            text = ''
        for line in text.splitlines():
            if line and line[0] != '#':
                first, _, second = line.partition(' ')
                if first == 'base':
                    last = bases.setdefault(second, {})
                else:
                    last[second] = first
        return bases

    def pinned_as(self, bases):
        """Which of these this base is, or is a point release of"""
        mine = self.version.split('.')[:2]
        return next((b for b in bases if b.split('.')[:2] == mine), None)

    def pin(self):
        bases = self.pinned()
        bases.pop(self.pinned_as(bases), None)
        bases[self.version] = self.replaced()
        out = ['# SPDX-License-Identifier: GPL-2.0-only\n',
               '# What ours replace whole, of each base: SHA-256 of the base\'s '
               'file, path.\n# Written by tools/series/apply --pin.\n']
        for base in sorted(bases, key=lambda b: [int(x) if x.isdigit() else 0
                                                 for x in b.split('.')]):
            out.append('base %s\n' % base)
            out += ['%s %s\n' % (s, p) for p, s in sorted(bases[base].items())]
        write(os.path.join(self.top, 'tools/series/replaced'),
              ''.join(out).encode())

    def check_pins(self):
        """A fix of Linux in a file that ours replaces must not be lost"""
        bases = self.pinned()
        version = self.pinned_as(bases) or 'unknown'
        pins = bases.get(version, {})
        now = self.replaced()
        words = []
        for path in sorted(set(pins) | set(now)):
            if path not in now:
                words.append('%s is pinned, but it is not a file of the base '
                             'that a step replaces' % path)
            elif path not in pins:
                words.append('%s of the base is replaced, but not pinned' % path)
            elif pins[path] != now[path]:
                words.append('%s of the base is not the one that ours '
                             'replaces:\n%s' %
                             (path, self.difference(path, pins[path], version)))
            else:
                kept = os.path.join(self.out, 'pinned', now[path])
                if not os.path.exists(kept):
                    write(kept, self.pristine(path))
        if words:
            raise Error('\n'.join(words) + '\nTake over what ours need of it, '
                        'then run tools/series/apply --pin.')

    def difference(self, path, pinned, version):
        """From the base's file as it was pinned to the one that is there"""
        for place in (os.path.join(self.out, 'pinned', pinned),
                      os.path.join(self.top, 'build/series/pinned', pinned),
                      os.path.join(self.top, 'build/base/linux', path)):
            if os.path.exists(place) and \
                    hashlib.sha256(read(place)).hexdigest() == pinned:
                old = read(place)
                break
        else:
            return 'compare it with %s of Linux %s' % (path, version)
        new = self.pristine(path)
        return ''.join(difflib.unified_diff(
            old.decode(errors='replace').splitlines(True),
            new.decode(errors='replace').splitlines(True),
            '%s/%s' % (version, path),
            '%s/%s' % (self.base_version(), path))).rstrip('\n')

    # The base's file, or None
    def pristine(self, path):
        try:
            return read(os.path.join(self.base, path))
        except FileNotFoundError:
            return None

    def get(self, path):
        if path not in self.now:
            self.now[path] = self.pristine(path)
        return self.now[path]

    def target(self, where, path):
        if path in self.ours:
            raise Error('%s: %s is ours by now, change it there' % (where, path))
        data = self.get(path)
        if data is None:
            raise Error('%s: the base has no %s' % (where, path))
        return data

    def cocci(self, where, targets, text):
        for path in targets:
            old = self.target(where, path)
            key = os.path.join(self.cache, sha(path, old, text))
            if os.path.exists(key):
                self.now[path] = read(key)
                continue
            new = self.run_spatch(where, path, old, text)
            if new == old:
                raise Error('%s: matches nothing in %s' % (where, path))
            gone = self.removed(old, new)
            for group in re.findall(r'\bidentifier\s+\w+\s*=\s*\{([^}]*)\}', text):
                for name in re.findall(r'\w+', group):
                    if not re.search(r'\b%s\b' % name, gone):
                        raise Error('%s: %s is not taken out of %s' %
                                    (where, name, path))
            write(key, new)
            self.now[path] = new

    def run_spatch(self, where, path, old, text):
        work = os.path.join(self.out, 'work.%d' % os.getpid())
        try:
            target = os.path.join(work, os.path.basename(path))
            write(target, old)
            rules = os.path.join(work, 'rules.cocci')
            write(rules, text.encode())
            p = subprocess.run(
                ['spatch', '--very-quiet', '--no-includes', '--in-place',
                 '--no-show-diff', '--sp-file', rules, target],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if p.returncode:
                words = p.stdout.decode(errors='replace').strip()
                raise Error('%s: spatch fails on %s:\n%s' % (where, path, words))
            return read(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @staticmethod
    def removed(old, new):
        """The lines of old that new does not have, as often as it has them."""
        left = {}
        for line in new.splitlines():
            left[line] = left.get(line, 0) + 1
        gone = []
        for line in old.splitlines():
            if left.get(line, 0):
                left[line] -= 1
            else:
                gone.append(line.decode(errors='replace'))
        return '\n'.join(gone)

    def edit(self, where, path, verb, fields):
        if verb == 'append-file':
            grown = self.configs[path]
            mine = cut.join(grown.pieces,
                            lambda p: [x[0] for x in p.lines
                                       if x[1] == self.index])
            # Licence and opening comment are the base's already
            mine = re.sub(r'\A(#[^\n]*\n)+\n+', '', mine)
            text = self.target(where, path).decode()
            self.now[path] = (text.rstrip('\n') + '\n\n' + mine).encode()
            return
        if verb == 'create':
            if self.get(path) is not None:
                raise Error('%s: there is a %s' % (where, path))
            self.now[path] = (unescaped(fields[0]) + '\n').encode()
            return
        if verb == 'move':
            to = fields[0].strip()
            left, mine = moved(where, path, self.target(where, path).decode(),
                               fields[1].split())
            text = self.target(where, to).decode()
            self.now[path] = left.encode()
            self.now[to] = (text.rstrip('\n') + '\n\n' + mine).encode()
            return
        lines = self.target(where, path).decode().splitlines(True)
        edit_lines(where, path, lines, verb, fields)
        self.now[path] = ''.join(lines).encode()

    def play(self, *names):
        """Run the steps of these series in memory, from the pristine base on.

        Yields each with what it changed: path: (before, after).
        """
        self.now = {}
        self.ours = {}
        for step in self.steps:
            if step.series not in names:
                continue
            self.index = step.index
            old = {}
            for where, kind, targets, body in step.changes:
                for path in targets:
                    old.setdefault(path, self.get(path))
                if kind == 'cocci':
                    self.cocci(where, targets, body)
                else:
                    self.edit(where, targets[0], *body)
            for ours in sorted({x[1] for x in step.files + step.lines}):
                path = self.over.lands(ours)
                if path in old:
                    raise Error('%s: %s is both changed and replaced' %
                                (step.name, path))
                old[path] = self.get(path)
                self.now[path] = self.grown[ours].version(step.index)
                self.ours[path] = ours
            yield step, {p: (old[p], self.now[p]) for p in sorted(old)}

    def mode(self, path):
        if path in self.ours:
            return os.stat(self.over.place(self.ours[path])).st_mode & 0o111
        there = os.path.join(self.base, path)
        return os.path.exists(there) and os.stat(there).st_mode & 0o111


def changed_since(series, say):
    """Bring build/tree up to date; True if anything changed."""
    stamp = read(os.path.join(os.path.dirname(series.base), 'source.stamp'))
    for _ in series.play(*SERIES):
        pass
    final = {p: d for p, d in series.now.items()}
    for path, ours in series.ours.items():
        if final[path] != series.grown[ours].data:
            raise Error('%s: not the same after the last step' % path)
    state = sha(stamp, *[x for p in sorted(final)
                         for x in (p, final[p], str(int(series.mode(p))))])
    state_file = os.path.join(series.out, 'state')
    if os.path.exists(state_file) and os.path.isdir(series.tree) and \
            read(state_file).decode().strip() == state:
        return False
    base_file = os.path.join(series.out, 'tree.base')
    manifest = os.path.join(series.out, 'manifest')
    if os.path.exists(state_file):
        os.unlink(state_file)
    if not os.path.isdir(series.tree) or not os.path.exists(base_file) or \
            read(base_file) != stamp:
        say('making %s from the base' % os.path.relpath(series.tree, series.top))
        shutil.rmtree(series.tree, ignore_errors=True)
        # Second names of the pristine files: quick and small. Nothing may
        # write to them in place; see write().
        src = os.path.realpath(series.base)
        if subprocess.run(['cp', '-al', src, series.tree],
                          stderr=subprocess.DEVNULL).returncode:
            shutil.rmtree(series.tree, ignore_errors=True)
            run(['cp', '-a', src, series.tree])
        write(base_file, stamp)
        if os.path.exists(manifest):
            os.unlink(manifest)
    before = []
    if os.path.exists(manifest):
        before = read(manifest).decode().split('\n')
    for path in before:
        if path and path not in final:
            data = series.pristine(path)
            if data is None:
                os.unlink(os.path.join(series.tree, path))
            else:
                write(os.path.join(series.tree, path), data)
    count = 0
    for path, data in sorted(final.items()):
        there = os.path.join(series.tree, path)
        if not os.path.exists(there) or read(there) != data:
            write(there, data)
            count += 1
        if series.mode(path):
            os.chmod(there, 0o755)
    write(manifest, ''.join(p + '\n' for p in sorted(final)).encode())
    write(state_file, (state + '\n').encode())
    say('%s: %d steps, %d files changed' %
        (os.path.relpath(series.tree, series.top), len(series.steps), count))
    return True


def identity(top):
    def config(key):
        p = subprocess.run(['git', '-C', top, 'config', key],
                           stdout=subprocess.PIPE)
        return p.stdout.decode().strip()
    return (config('user.name') or 'Unknown',
            config('user.email') or 'unknown@localhost')


def make_patches(series, say):
    """One commit per step, in a repository of the touched files for a chain"""
    name, email = identity(series.top)
    # The same tree gives the same patches, to the byte
    p = subprocess.run(['git', '-C', series.top, 'log', '-1', '--format=%cI'],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    date = p.stdout.decode().strip() or '2000-01-01T00:00:00Z'
    env = dict(os.environ, GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL=email,
               GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=email,
               GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date,
               GIT_CONFIG_GLOBAL='/dev/null', GIT_CONFIG_SYSTEM='/dev/null')
    for chain in CHAINS:
        make_chain(series, say, chain, env,
                   '\nSigned-off-by: %s <%s>\n' % (name, email))


def make_chain(series, say, chain, env, sign):
    repo = os.path.join(series.out, 'git')

    def git(*args, **kw):
        return run(['git', '-C', repo] + list(args), env=env, **kw)

    def put(path, data, mode):
        there = os.path.join(repo, path)
        write(there, data)
        os.chmod(there, 0o755 if mode else 0o644)

    for name in chain:
        shutil.rmtree(os.path.join(series.out, name), ignore_errors=True)
    if not any(step.series in chain for step in series.steps):
        return
    shutil.rmtree(repo, ignore_errors=True)
    os.makedirs(repo)
    git('init', '-q', '-b', 'base')
    git('config', 'core.fileMode', 'true')
    states = []
    for step, changed in series.play(*chain):
        states.append((step, {p: (new, series.mode(p))
                              for p, (_, new) in changed.items()}))
    series.ours = {}
    for path in sorted(series.now):
        data = series.pristine(path)
        if data is not None:
            put(path, data, series.mode(path))
    git('add', '-A', '-f')
    git('commit', '-q', '--allow-empty', '-m', 'base')
    begin = git('rev-parse', 'HEAD').decode().strip()
    for name in chain:
        out = os.path.join(series.out, name)
        mine = [x for x in states if x[0].series == name]
        if not mine:
            continue
        for step, content in mine:
            for path, (data, mode) in content.items():
                put(path, data, mode)
            git('add', '-A', '-f')
            if not git('status', '--porcelain'):
                raise Error('%s changes nothing' % step.name)
            git('commit', '-q', '-F', '-', input=(step.message + sign).encode())
        try:
            cover = series.over.prose(name + '/cover', read(os.path.join(
                series.top, 'tools/series', name, 'cover')).decode())
        except FileNotFoundError:
            raise Error('tools/series/%s has no cover' % name)
        subject, _, blurb = cover.partition('\n')
        git('format-patch', '-q', '--cover-letter', '--no-signature', '-M',
            '--stat=76', '-o', out, begin + '..HEAD')
        begin = git('rev-parse', 'HEAD').decode().strip()
        patches = sorted(glob.glob(os.path.join(out, '*.patch')))
        text = read(patches[0]).decode()
        text = text.replace('*** SUBJECT HERE ***', subject.strip())
        text = text.replace('*** BLURB HERE ***', blurb.strip())
        write(patches[0], text.encode())
        say('%s: %d patches and a cover letter' %
            (os.path.relpath(out, series.top), len(patches) - 1))


def write_hooks(series, to):
    """What each step changes in files of the base, and the lines it adds"""
    title = 'Where the base is touched'
    out = ['.. SPDX-License-Identifier: GPL-2.0-only',
           '.. Written by tools/series/apply --hooks', '',
           '=' * len(title), title, '=' * len(title), '',
           'The files of Linux that a step of this folder changes, with the '
           'number of lines',
           'added and removed, and of code each line that is added.', '']
    pins = series.replaced()
    for chain in CHAINS:
        for step, changed in series.play(*chain):
            told = []
            for path, (old, new) in changed.items():
                if series.pristine(path) is None:
                    continue
                if path in pins and path in series.ours:
                    told.append((path, 'replaced', []))
                    continue
                diff = list(difflib.unified_diff(
                    (old or b'').decode(errors='replace').splitlines(),
                    new.decode(errors='replace').splitlines(), n=0,
                    lineterm=''))[2:]
                plus = [x[1:].expandtabs(4) for x in diff if x[0] == '+']
                told.append((path, '+%d -%d' %
                             (len(plus), sum(x[0] == '-' for x in diff)),
                             [x for x in plus if x.strip() and
                              path.endswith(('.c', '.h', '.S'))]))
            if not told:
                continue
            out += [step.name, '=' * len(step.name), '', step.subject + '::', '']
            for path, count, plus in told:
                out.append('  %-56s %s' % (path, count))
                out += ['      ' + x for x in plus]
            out.append('')
    if to is True:
        other = series.over.version != overlay.DEFAULT
        to = os.path.join(series.top, 'tools/series/hooks%s.rst' %
                          ('-%d.%d' % series.over.version if other else ''))
    write(os.path.abspath(to), ('\n'.join(out).rstrip('\n') + '\n').encode())


def main():
    p = argparse.ArgumentParser(prog='series')
    p.add_argument('--top', required=True)
    p.add_argument('--build', required=True)
    p.add_argument('--patches', action='store_true')
    p.add_argument('--pin', action='store_true')
    p.add_argument('--hooks', nargs='?', const=True)
    p.add_argument('--quiet', action='store_true')
    args = p.parse_args()

    def say(words):
        print('series:', words, file=sys.stderr, flush=True)

    try:
        series = Series(args.top, args.build)
        os.makedirs(series.cache, exist_ok=True)
        if args.pin:
            series.pin()
            return 0
        series.check_pins()
        if args.hooks:
            write_hooks(series, args.hooks)
        elif args.patches:
            make_patches(series, say)
        elif not changed_since(series, say) and not args.quiet:
            say('%s: up to date' % os.path.relpath(series.tree, series.top))
    except (Error, overlay.OverlayError) as e:
        say('error: %s' % e)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
