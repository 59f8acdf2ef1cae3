# SPDX-License-Identifier: GPL-2.0-only
"""What differs from base to base: parts of steps, and how a file of ours reads.

In each file of a step, in a cover letter, and in names and ours.edit, a line

  # bases: from X.Y         (in a .cocci: // bases: ...)
  # bases: before X.Y
  # bases: all

begins a part that is for these bases only, up to the next such line.  A step of
which nothing is left is no step of that base.

Files of ours read as for the default base.  What reads otherwise on a later one is
in tools/series/bases/X.Y; a base takes the newest of these folders that is not
newer than itself:

  names       what is called otherwise, one to a line:
                word OURS THEIRS [PATH...]   a word, in files of ours and in changes
                                             of the steps; only below these paths
                path OURS THEIRS             a file, or a folder (with a slash at the
                                             end)
  ours.edit   changes of lines of ours, by the verbs of an .edit: delete, after,
              before, replace
  PATH        a file that stands in the place of ours at PATH, or that only this
              base has

The order is as here, from the bottom: the file, its changes, its names.
"""
import glob
import os
import re

DEFAULT = (6, 12)


class OverlayError(Exception):
    pass


def number(text):
    """'7.3' as (7, 3)"""
    return tuple(int(x) for x in text.split('.'))


class Overlay:
    def __init__(self, top, version):
        self.top = top
        self.version = version
        self.folder = None
        self.words = []         # (regex, theirs, paths)
        self.renamed = []       # (ours, theirs)
        found = sorted((number(os.path.basename(p)), p) for p in
                       glob.glob(os.path.join(top, 'tools/series/bases/[0-9]*')))
        for first, folder in found:
            if first <= version:
                self.folder = folder
        self.changes = {}       # path: [(where, verb, fields)]
        if self.folder:
            self._names()

    def _lines(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            return
        with open(path, encoding='utf-8') as f:
            text = self.part(os.path.relpath(path, self.top), f.read())
            for n, line in enumerate(text.splitlines(), 1):
                if line.strip() and not line.startswith('#'):
                    yield '%s:%d' % (os.path.relpath(path, self.top), n), line

    def _names(self):
        for where, line in self._lines('names'):
            kind, *words = line.split()
            if kind == 'path' and len(words) == 2:
                self.renamed.append(words)
            elif kind == 'word' and len(words) >= 2:
                self.words.append((re.compile(r'(?<!\w)%s%s' % (
                    re.escape(words[0]), '' if words[0].endswith('/') else r'\b')),
                    words[1], tuple(words[2:])))
            else:
                raise OverlayError('%s: "word OURS THEIRS [PATH...]" or '
                                   '"path OURS THEIRS"' % where)

    def edits(self, parse):
        """Take the changes of ours.edit; parse is the one of a step's .edit"""
        if not self.folder:
            return
        for where, line in self._lines('ours.edit'):
            verb, path, fields = parse(where, line)
            if verb not in ('delete', 'after', 'before', 'replace'):
                raise OverlayError('%s: %s is not for files of ours' % (where, verb))
            if not self.exists(path):
                raise OverlayError('%s: there is no %s' % (where, path))
            self.changes.setdefault(path, []).append((where, verb, fields))

    def part(self, where, text, gap=('',)):
        """The text of a step for this base; the lines keep their numbers"""
        out, on = [], True
        for n, line in enumerate(text.split('\n'), 1):
            m = re.match(r'(?:#|//) bases: *(.*)$', line)
            if m:
                on = self._meant('%s:%d' % (where, n), m.group(1).split())
            out += gap if m or not on else [line]
        return '\n'.join(out)

    def prose(self, where, text):
        """The same of a message, in which nothing tells of what is left out"""
        return self.part(where, text, ())

    def _meant(self, where, words):
        if words == ['all']:
            return True
        if len(words) == 2 and words[0] in ('from', 'before') and \
                re.match(r'\d+\.\d+$', words[1]):
            return (self.version >= number(words[1])) == (words[0] == 'from')
        raise OverlayError('%s: "from X.Y", "before X.Y" or "all"' % where)

    def own(self):
        """The files that this base has of its own, by where ours are"""
        found = []
        if self.folder:
            for folder, _, files in os.walk(self.folder):
                found += [os.path.relpath(os.path.join(folder, f), self.folder)
                          for f in files]
        return [p for p in found if p not in ('names', 'ours.edit')]

    def place(self, path):
        """Where the file is kept that lands as ours at path"""
        if self.folder and os.path.isfile(os.path.join(self.folder, path)):
            return os.path.join(self.folder, path)
        return os.path.join(self.top, path)

    def exists(self, path):
        return os.path.isfile(self.place(path))

    def lands(self, path):
        for ours, theirs in self.renamed:
            if path == ours or (ours.endswith('/') and path.startswith(ours)):
                return theirs + path[len(ours):]
        return path

    def spelled(self, path, text):
        """Our text for or in the file at path, with the base's words"""
        for word, theirs, below in self.words:
            if not below or path.startswith(below):
                text = word.sub(theirs, text)
        return text

    def read(self, path, edit):
        """What lands; edit(where, path, lines, verb, fields) changes lines"""
        with open(self.place(path), 'rb') as f:
            data = f.read()
        if not self.folder:
            return data
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return data         # a picture, say
        if path in self.changes:
            lines = text.splitlines(True)
            for where, verb, fields in self.changes[path]:
                edit(where, path, lines, verb, fields)
            text = ''.join(lines)
        return self.spelled(path, text).encode()
