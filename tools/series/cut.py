#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Cut a file into its top-level items, and put some of them together again.

An item is a function, a struct, an enum, a variable, a macro, or a macro that
is called at file level.  The comment above it belongs to it.  Its names are:

  function, variable, typedef     its name
  struct, union, enum             its tag, and the variable behind it;
                                  without a tag: each enumerator
  #define X, #undef X             X
  #include "x.h"                  "x.h", with its quotes or brackets
  EXPORT_SYMBOL_GPL(x);           the first argument of the two first ones that
  TRACE_EVENT(x, TP_...)          are a plain word ...
  TEST_F(fixture, x)              ... or the second, where that is one, too
  TEST_HARNESS_MAIN               the macro itself, where no argument is a word

A declaration has the name of what it declares, so it goes with the definition.
The head of the file has no name: its opening comment, "struct x;", the guard.
An include is part of the head unless it is named.  #if, #else and #endif are
there when something between them is.

  cut.py FILE...       show the items of these files
"""
import re
import sys


class CutError(Exception):
    pass


class Piece:
    """Lines that come at once. kind: item, head, open, else, close"""

    def __init__(self, kind, names, lines, gap, line):
        self.kind = kind
        self.names = names
        self.lines = lines
        self.gap = gap          # blank lines before it
        self.line = line        # where it begins, for messages
        self.parts = []         # of #if: the pieces between its directives


TOKEN = re.compile(r'/\*|//.*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
                   r'|[^/"\']+|.', re.S)


def code_of(line, inside):
    """The line without comments and strings; does it end in a comment?"""
    out = []
    at = 0
    while at < len(line):
        if inside:
            end = line.find('*/', at)
            if end < 0:
                return ''.join(out), True
            at = end + 2
            inside = False
            out.append(' ')
            continue
        m = TOKEN.match(line, at)
        at = m.end()
        text = m.group()
        if text == '/*':
            inside = True
        elif text[:2] == '//':
            pass
        elif text[0] in '"\'' and len(text) > 1:
            out.append('""')
        else:
            out.append(text)
    return ''.join(out), inside


OPENING = {'(': ')', '[': ']', '{': '}'}


def nested(code):
    """Words and signs; what is in brackets is a tuple (bracket, [...])"""
    stack = [[]]
    for t in re.findall(r'\w+|""|[^\w\s]', code):
        if t in OPENING:
            group = (t, [])
            stack[-1].append(group)
            stack.append(group[1])
        elif t in ')]}':
            if len(stack) > 1:
                stack.pop()
        else:
            stack[-1].append(t)
    return stack[0]


def word(t):
    return isinstance(t, str) and re.match(r'[A-Za-z_]\w*$', t)


def bracket(tokens, i, which):
    return i < len(tokens) and not isinstance(tokens[i], str) and \
        tokens[i][0] == which


def split(tokens):
    """Arguments: what is between commas"""
    args = [[]]
    for t in tokens:
        if t == ',':
            args.append([])
        else:
            args[-1].append(t)
    return args


ATTRIBUTES = set('__attribute__ __printf __scanf __aligned __section __acquires '
                 '__releases __must_hold __alloc_size typeof __typeof__'.split())


def called(name, tokens):
    """The name that a call of a macro at file level goes by"""
    args = split(tokens)[:1 if name.startswith('module_param') else 2]
    plain = [a[0] for a in args if len(a) == 1 and word(a[0])]
    if args and not (len(args[0]) == 1 and word(args[0][0])):
        plain = []
    return [plain[-1]] if plain else [name]


def item_names(code):
    t = nested(code)
    if t and t[0] == 'typedef':
        for x in t:
            if not isinstance(x, str) and x[0] == '(' and x[1][:1] == ['*']:
                return [x[1][1]]
        return [x for x in t if word(x)][-1:]
    for i, x in enumerate(t):
        if x == '=':
            break
        if x in ('struct', 'union', 'enum') and \
                (bracket(t, i + 1, '{') or bracket(t, i + 2, '{')):
            tagged = word(t[i + 1])
            body = t[i + 2] if tagged else t[i + 1]
            names = [t[i + 1]] if tagged else []
            for y in t[i + 2 + bool(tagged):]:
                if y == '=' or not isinstance(y, str):
                    break
                if word(y) and not y.startswith('__'):
                    names.append(y)
            if not names and x == 'enum':
                names = [a[0] for a in split(body[1]) if a and word(a[0])]
            return names
        if word(x) and x not in ATTRIBUTES and bracket(t, i + 1, '('):
            inner = t[i + 1][1]
            if inner[:1] == ['*'] and len(inner) > 1 and word(inner[1]):
                return [inner[1]]
            if all(y in ('static', 'extern') for y in t[:i]):
                return called(x, inner)
            return [x]
    last = []
    for x in t:
        if x in ('=', ',', ';') or not isinstance(x, str):
            break
        if word(x):
            last = [x]
    return last


def is_forward(code):
    return re.match(r'\s*(struct|union)\s+\w+\s*;\s*$', code)


def cut_c(text):
    pieces = []
    groups = []         # the #ifs that are open: all of their directives
    lead, gap = [], 0   # comments that wait for their item
    at = 0              # the line at hand
    inside = False      # in a comment
    body = None         # lines of what has begun; begin: where
    hashed = False      # ... and that is a directive
    code, depth, saved, begin = '', 0, [], 0
    continued = False   # the line before was a directive with a backslash

    def add(kind, names, lines):
        nonlocal lead, gap
        if not pieces and lead:
            lead, gap = opening(kind, lead)
        piece = Piece(kind, names, lead + lines, gap, begin)
        for g in groups:
            g[0].parts.append(piece)
        pieces.append(piece)
        lead, gap = [], 0
        return piece

    def opening(kind, lines):
        """What of the file's first comments is its head; the rest, the gap"""
        blank = [i for i, x in enumerate(lines) if not x.strip()]
        cut = blank[-1] if blank else -1
        if kind != 'item' or not blank or cut == len(lines) - 1:
            cut = len(lines)
            if kind == 'item' and not blank:
                cut = sum('SPDX-License-Identifier' in x for x in lines)
        head = lines[:cut]
        after = 0
        while head and not head[-1].strip():
            head.pop()
            after += 1
        rest = lines[cut:]
        while rest and not rest[0].strip():
            rest.pop(0)
            after += 1
        if head:
            pieces.append(Piece('head', [], head, 0, 1))
        return rest, after

    def directive(lines):
        joined = ' '.join(x.rstrip('\n').rstrip('\\') for x in lines)
        m = re.match(r'\s*#\s*(\w+)\s*(.*)', joined, re.S)
        what, rest = m.group(1), m.group(2)
        if what in ('if', 'ifdef', 'ifndef'):
            new = add('open', [], lines)
            new.guards = rest if len([p for p in pieces if p.kind != 'head']) == 1 else ''
            groups.append([new])
        elif what in ('else', 'elif', 'endif'):
            if not groups:
                raise CutError('line %d: #%s without #if' % (begin, what))
            g = groups.pop()
            new = add('close' if what == 'endif' else 'else', [], lines)
            new.parts = g[0].parts
            g.append(new)
            if what != 'endif':
                groups.append(g)
        elif what == 'include':
            add('head', re.findall(r'["<][^">]+[">]', rest)[:1], lines)
        elif what in ('define', 'undef'):
            name = re.match(r'\w+', rest).group()
            guard = len(groups) == 1 and pieces[-1] is groups[0][0] and \
                re.search(r'\b%s\b' % name, groups[0][0].guards)
            add('head' if guard else 'item', [] if guard else [name], lines)
        else:
            add('head', [], lines)

    def finish():
        nonlocal body
        lines, body = body, None
        if hashed:
            directive(lines)
        elif is_forward(code):
            add('head', [], lines)
        else:
            add('item', item_names(code), lines)

    def ended():
        return depth <= 0 and code.rstrip()[-1:] in (';', '}') and not inside

    for at, line in enumerate(text.splitlines(True), 1):
        was = inside
        c, inside = code_of(line, inside)
        hash_here = not was and line.lstrip().startswith('#')
        goes_on = inside or c.rstrip().endswith('\\')
        within = continued or hash_here     # a directive
        continued = within and goes_on
        # A macro called without a ;
        if body is not None and not hashed and depth <= 0 and \
                not line.strip() and not was:
            finish()
        # ... and no ; comes before this #endif either
        if body is not None and not hashed and depth <= 0 and not saved and \
                hash_here and re.match(r'\s*#\s*(el|endif)', line):
            finish()
        if body is None and not line.strip() and not was:
            if lead:
                lead.append(line)
            else:
                gap += 1
            continue
        if body is None and hash_here:
            body, begin, hashed = [], at, True
        if body is not None and hashed:
            body.append(line)
            if not goes_on:
                finish()
            continue
        if body is None and not c.strip():
            lead.append(line)
            continue
        if body is None:
            body, begin, hashed = [], at, False
            code, depth, saved = '', 0, []
        body.append(line)
        if within:
            # Both branches of an #if may open the same brace
            m = re.match(r'\s*#\s*(if|el|endif)', line)
            if m and m.group(1) == 'if':
                saved.append(depth)
            elif m and m.group(1) == 'el' and saved:
                depth = saved[-1]
            elif m and saved:
                saved.pop()
            continue
        code += c
        depth += len(re.findall(r'[({\[]', c)) - len(re.findall(r'[)}\]]', c))
        if ended():
            finish()
    if body is not None:
        if depth > 0 or hashed:
            raise CutError('line %d: this does not end' % begin)
        finish()
    if groups:
        raise CutError('line %d: #if without #endif' % groups[-1][0].line)
    if lead:
        begin = at
        add('head', [], [])
    if gap:
        raise CutError('blank lines at the end')
    return pieces


def cut_kconfig(text):
    """One item for each config, and for each other word in the first column"""
    pieces, lead, gap, body = [], [], 0, None

    for at, line in enumerate(text.splitlines(True), 1):
        if line[0] == '#':
            lead.append(line)
        elif not line.strip():
            if lead:
                lead.append(line)
            else:
                gap += 1
        elif line[0].isspace():
            if body is None or lead:
                raise CutError('line %d: of which config is this?' % at)
            body.lines.extend(['\n'] * gap + [line])
            gap = 0
        else:
            if not pieces and '\n' in lead:
                cut = len(lead) - lead[::-1].index('\n')
                head, lead = lead[:cut - 1], lead[cut:]
                pieces.append(Piece('head', [], head, gap, 1))
                gap = 1
            m = re.match(r'(?:menu)?config\s+(\w+)', line)
            body = Piece('item' if m else 'head', [m.group(1)] if m else [],
                         lead + [line], gap, at)
            pieces.append(body)
            lead, gap = [], 0
    if lead or gap:
        raise CutError('comments or blank lines at the end')
    return pieces


def cut(path, text):
    if path.endswith(('.c', '.h')):
        return cut_c(text)
    if path.rsplit('/', 1)[-1].startswith('Kconfig'):
        return cut_kconfig(text)
    raise CutError('only C and Kconfig have items')


def join(pieces, lines_of):
    """The text of those pieces of which lines_of(piece) gives any lines.

    Where pieces are left out, one of the blank lines around them stays.
    """
    out = []
    gap = 0
    close_up = None     # behind an #if: as close as what stands first there
    for i, piece in enumerate(pieces):
        gap = max(gap, piece.gap)
        lines = lines_of(piece)
        if not lines:
            continue
        if piece.kind in ('else', 'close'):
            gap = piece.gap
        elif close_up is not None:
            gap = close_up
        if out:
            out += ['\n'] * gap
        out += lines
        gap = 0
        close_up = None
        if piece.kind in ('open', 'else'):
            close_up = pieces[i + 1].gap
    return ''.join(out)


def main():
    for path in sys.argv[1:]:
        with open(path) as f:
            text = f.read()
        pieces = cut(path, text)
        same = join(pieces, lambda p: p.lines) == text
        print('%s: %d pieces%s' % (path, len(pieces),
                                   '' if same else ', NOT THE SAME'))
        for p in pieces:
            print('  %4d %-5s %2d lines  %s' % (p.line, p.kind, len(p.lines),
                                               ' '.join(p.names)))


if __name__ == '__main__':
    try:
        main()
    except CutError as e:
        sys.exit('cut: %s' % e)
