#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The engine behind tools/series/apply.

Each folder tools/series/NNNN-name is one step, that is, one commit:

  message   subject, empty line, body
  *.cocci   semantic patches. A line "// targets: PATH..." starts a section;
            what precedes the first one is comment. Each section is applied
            on its own, in order, to each of its targets. Every target must
            change, and every identifier in a list of the section
            ("identifier f = {a, b, c};") must be found on a removed line.
  *.edit    changes to what is not C, one to a line; the regex must match
            exactly one line:
              delete PATH|REGEX             that line goes
              delete PATH|REGEX|REGEX       from that line to the next that
                                            matches the second
              after PATH|REGEX|TEXT         TEXT as a new line behind it
              before PATH|REGEX|TEXT        ... before it
              replace PATH|REGEX|TEXT       TEXT instead of it
              append PATH|TEXT              TEXT as the last line
              append-file PATH              our file of that name at the end
            \\t in TEXT is a tab, \\n a further line.
  files     files of ours that land, as they are: paths or patterns, one to
            a line

*.cocci and *.edit go first, in the order of their names. They change the
base's files only; a file of ours that takes the place of one of the base's
ends what can be done to that one.
"""
import argparse
import fnmatch
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys


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


class Step:
    def __init__(self, top, folder):
        self.top = top
        self.folder = folder
        self.name = os.path.basename(folder)
        self.message = self._text('message').strip() + '\n'
        if not re.match(r'[^\n]+\n(\n|$)', self.message):
            raise Error('%s/message: one line of subject, then an empty one'
                        % self.name)
        self.files = []
        if os.path.exists(os.path.join(folder, 'files')):
            self.files = self._files()
        self.changes = []
        for path in sorted(glob.glob(os.path.join(folder, '*.cocci')) +
                           glob.glob(os.path.join(folder, '*.edit'))):
            parse = self._cocci if path.endswith('.cocci') else self._edit
            self.changes += parse(path)
        if not self.files and not self.changes:
            raise Error('%s: neither files nor changes' % self.name)

    def _text(self, name):
        try:
            return read(os.path.join(self.folder, name)).decode()
        except OSError as e:
            raise Error('%s/%s: %s' % (self.name, name, e.strerror))

    def _files(self):
        found = []
        for n, line in enumerate(self._text('files').splitlines(), 1):
            line = line.split('#')[0].strip()
            if not line:
                continue
            paths = sorted(glob.glob(os.path.join(self.top, line),
                                     recursive=True))
            paths = [os.path.relpath(p, self.top) for p in paths
                     if os.path.isfile(p)]
            paths = [p for p in paths if not fnmatch.fnmatch(p, '*/__pycache__/*')]
            if not paths:
                raise Error('%s/files:%d: there is no %s' % (self.name, n, line))
            found += [p for p in paths if p not in found]
        return found

    def _cocci(self, path):
        where = '%s/%s' % (self.name, os.path.basename(path))
        sections = []
        for n, line in enumerate(read(path).decode().splitlines(True), 1):
            m = re.match(r'//\s*targets:\s*(.*)$', line)
            if m:
                targets = m.group(1).split()
                if not targets:
                    raise Error('%s:%d: no targets' % (where, n))
                sections.append((where + ':%d' % n, 'cocci', targets, []))
            elif sections:
                sections[-1][3].append(line)
        if not sections:
            raise Error('%s: no line "// targets: PATH..."' % where)
        return [(w, k, t, ''.join(b)) for w, k, t, b in sections]

    def _edit(self, path):
        where = '%s/%s' % (self.name, os.path.basename(path))
        edits = []
        arity = {'delete': (2, 3), 'after': (3, 3), 'before': (3, 3),
                 'replace': (3, 3), 'append': (2, 2), 'append-file': (1, 1)}
        for n, line in enumerate(read(path).decode().splitlines(), 1):
            if not line.strip() or line.startswith('#'):
                continue
            verb, _, rest = line.partition(' ')
            if verb not in arity:
                raise Error('%s:%d: unknown change "%s"' % (where, n, verb))
            # The last field may hold bars of its own
            most = arity[verb][1]
            fields = rest.split('|', most - 1)
            if len(fields) < arity[verb][0]:
                raise Error('%s:%d: %s wants %d fields' %
                            (where, n, verb, arity[verb][0]))
            edits.append(('%s:%d' % (where, n), 'edit', [fields[0].strip()],
                          (verb, fields[1:])))
        if not edits:
            raise Error('%s: empty' % where)
        return edits


class Series:
    def __init__(self, top, build):
        self.top = top
        self.base = os.path.join(build, 'base', 'linux')
        self.tree = os.path.join(build, 'tree')
        self.out = os.path.join(build, 'series')
        self.cache = os.path.join(self.out, 'cache')
        self.steps = [Step(top, d) for d in self.folders()]
        if not self.steps:
            raise Error('no steps in tools/series')
        self.now = {}       # path: contents after the steps so far
        self.ours = set()   # paths that hold a file of ours
        self.spatch = None

    def folders(self):
        """A step is part of the series once it is committed."""
        found = sorted(glob.glob(os.path.join(self.top, 'tools/series/[0-9]*')))
        p = subprocess.run(['git', '-C', self.top, 'ls-files', 'tools/series'],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        known = p.stdout.decode().split('\n')
        if p.returncode or os.environ.get('DRAFTS') == '1':
            return found
        steps = []
        for folder in found:
            if os.path.relpath(folder, self.top) + '/message' in known:
                steps.append(folder)
            else:
                print('series: leaving out %s: not committed (DRAFTS=1 takes '
                      'it)' % os.path.basename(folder), file=sys.stderr)
        return steps

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
            mine = read(os.path.join(self.top, path)).decode()
            # Licence and opening comment are the base's already
            mine = re.sub(r'\A(#[^\n]*\n)+\n*', '', mine)
            text = self.target(where, path).decode()
            self.now[path] = (text.rstrip('\n') + '\n\n' + mine).encode()
            return
        lines = self.target(where, path).decode().splitlines(True)

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

        text = fields[-1].replace('\\t', '\t').replace('\\n', '\n') + '\n'
        if verb == 'append':
            lines.append(text)
        else:
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
        self.now[path] = ''.join(lines).encode()

    def play(self):
        """Run all steps in memory; yields each with the paths it changed."""
        for step in self.steps:
            touched = set()
            for where, kind, targets, body in step.changes:
                if kind == 'cocci':
                    self.cocci(where, targets, body)
                else:
                    self.edit(where, targets[0], *body)
                touched.update(targets)
            for path in step.files:
                if path in touched:
                    raise Error('%s: %s is both changed and replaced' %
                                (step.name, path))
                self.get(path)
                self.now[path] = read(os.path.join(self.top, path))
                self.ours.add(path)
                touched.add(path)
            yield step, sorted(touched)

    def mode(self, path):
        if path in self.ours:
            return os.stat(os.path.join(self.top, path)).st_mode & 0o111
        return os.stat(os.path.join(self.base, path)).st_mode & 0o111


def changed_since(series, say):
    """Bring build/tree up to date; True if anything changed."""
    stamp = read(os.path.join(os.path.dirname(series.base), 'source.stamp'))
    for _ in series.play():
        pass
    final = {p: d for p, d in series.now.items()}
    state = sha(stamp, *[x for p in sorted(final)
                         for x in (p, final[p], str(series.mode(p)))])
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
        say('making build/tree from the base')
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
    say('build/tree: %d steps, %d files changed' % (len(series.steps), count))
    return True


def identity(top):
    def config(key):
        p = subprocess.run(['git', '-C', top, 'config', key],
                           stdout=subprocess.PIPE)
        return p.stdout.decode().strip()
    return (config('user.name') or 'Unknown',
            config('user.email') or 'unknown@localhost')


def make_patches(series, say):
    """One commit per step in a repository of the touched files alone."""
    name, email = identity(series.top)
    repo = os.path.join(series.out, 'git')
    shutil.rmtree(repo, ignore_errors=True)
    os.makedirs(repo)
    # The same tree gives the same patches, to the byte
    p = subprocess.run(['git', '-C', series.top, 'log', '-1', '--format=%cI'],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    date = p.stdout.decode().strip() or '2000-01-01T00:00:00Z'
    env = dict(os.environ, GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL=email,
               GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=email,
               GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date,
               GIT_CONFIG_GLOBAL='/dev/null', GIT_CONFIG_SYSTEM='/dev/null')

    def git(*args, **kw):
        return run(['git', '-C', repo] + list(args), env=env, **kw)

    git('init', '-q', '-b', 'base')
    git('config', 'core.fileMode', 'true')
    states = []
    for step, touched in series.play():
        states.append((step, {p: series.now[p] for p in touched},
                       {p: series.mode(p) for p in touched}))
    for path in sorted(series.now):
        data = series.pristine(path)
        if data is not None:
            there = os.path.join(repo, path)
            write(there, data)
            if os.stat(os.path.join(series.base, path)).st_mode & 0o111:
                os.chmod(there, 0o755)
    git('add', '-A')
    git('commit', '-q', '--allow-empty', '-m', 'base')
    for step, content, modes in states:
        for path, data in content.items():
            there = os.path.join(repo, path)
            write(there, data)
            if modes[path]:
                os.chmod(there, 0o755)
        git('add', '-A', '-f')
        text = step.message + '\nSigned-off-by: %s <%s>\n' % (name, email)
        if not git('status', '--porcelain'):
            raise Error('%s changes nothing' % step.name)
        git('commit', '-q', '-F', '-', input=text.encode())

    for old in glob.glob(os.path.join(series.out, '*.patch')):
        os.unlink(old)
    root = git('rev-list', '--max-parents=0', 'HEAD').decode().strip()
    cover = read(os.path.join(series.top, 'tools/series/cover')).decode()
    subject, _, blurb = cover.partition('\n')
    git('format-patch', '-q', '--cover-letter', '--no-signature', '-M',
        '--stat=76', '-o', series.out, root + '..HEAD')
    patches = sorted(glob.glob(os.path.join(series.out, '*.patch')))
    text = read(patches[0]).decode()
    text = text.replace('*** SUBJECT HERE ***', subject.strip())
    text = text.replace('*** BLURB HERE ***', blurb.strip())
    write(patches[0], text.encode())
    say('%d patches and a cover letter in build/series' % (len(patches) - 1))


def main():
    p = argparse.ArgumentParser(prog='series')
    p.add_argument('--top', required=True)
    p.add_argument('--build', required=True)
    p.add_argument('--patches', action='store_true')
    p.add_argument('--quiet', action='store_true')
    args = p.parse_args()

    def say(words):
        print('series:', words, file=sys.stderr, flush=True)

    try:
        series = Series(args.top, args.build)
        os.makedirs(series.cache, exist_ok=True)
        if args.patches:
            make_patches(series, say)
        elif not changed_since(series, say) and not args.quiet:
            say('build/tree: up to date')
    except Error as e:
        say('error: %s' % e)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
