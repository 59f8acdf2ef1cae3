# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks share: results side by side, bounds, JSON, charts.

A column is one KVM: its operations by name.  An operation is a dict with name, text and
either median (and what else was measured), failure or skipped.  The part of a name
before the first slash is its family.
"""
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Missing(Exception):
    pass


def family_of(name):
    return 'qemu' if name.startswith('qemu-') else name.split('/')[0]


def write_whole(path, text):
    """A reader sees the old file or the new one."""
    with open(path + '.new', 'w', encoding='utf-8') as f:
        f.write(text)
    os.rename(path + '.new', path)


class Report:
    def __init__(self, columns, families, unit='instructions', titles=(), known=(),
                 digits=0):
        """columns: name: {operation's name: operation}, in the order of the table
        families: (name, text), in the order of the table
        titles: column: what it is called in charts and documents
        known: column: {operation's name: word}, failures that are no failure of ours
        """
        self.columns = columns
        self.families = dict(families)
        self.unit = unit
        self.titles = dict(titles)
        self.known = dict(known)
        self.digits = digits
        self.bounds = []
        names = list(dict.fromkeys(n for ops in columns.values() for n in ops))
        places = {f: i for i, f in enumerate(self.families)}
        self.names = sorted(names, key=lambda n: places.get(family_of(n), len(places)))

    def title(self, column):
        return self.titles.get(column, column)

    def figure(self, name, column, which='median'):
        op = self.columns[column].get(name, {})
        if which not in op:
            raise Missing('%s has no figure for %s' % (column, name))
        return op[which]

    def at_most(self, limit, name, than, column=None, of='plain', which='median'):
        """A bound: one figure at most so many times another one.

        than's figure may be of another column, and not its median.
        """
        column = column or of
        if column not in self.columns or of not in self.columns:
            return
        what = than if column == of else '%s on %s' % (than, column)
        if which != 'median':
            what += ' (%s)' % which
        line = {'what': '%s: %s <= %g x %s' % (of, name, limit, what), 'limit': limit}
        try:
            value, base = self.figure(name, of), self.figure(than, column, which)
            line.update(value=value, base=base, ratio=round(value / base, 4),
                        ok=value <= limit * base)
        except Missing as error:
            line.update(missing=str(error), ok=False)
        self.bounds.append(line)

    def absolute(self, limit, name, column):
        """A bound: one figure at most so much."""
        if column not in self.columns:
            return
        line = {'what': '%s: %s <= %s' % (column, name, '{:,}'.format(limit)),
                'limit': limit}
        try:
            value = self.figure(name, column)
            line.update(value=value, ok=value <= limit)
        except Missing as error:
            line.update(missing=str(error), ok=False)
        self.bounds.append(line)

    def cell(self, column, name):
        op = self.columns[column].get(name, {})
        if 'median' in op:
            return '{:,.{}f}'.format(op['median'], self.digits)
        if 'failure' in op:
            return self.known.get(column, {}).get(name, 'FAILED')
        return 'skipped' if 'skipped' in op else '-'

    def ratio(self, column, name):
        """To the first column"""
        try:
            return self.figure(name, column) / self.figure(name, list(self.columns)[0])
        except (Missing, ZeroDivisionError):
            return None

    def per_second(self, name):
        """Of the last column, where a unit is a nanosecond"""
        op = list(self.columns.values())[-1].get(name, {})
        return '{:,.0f}'.format(op['per_second']) if 'per_second' in op else ''

    def table(self):
        others = list(self.columns)[1:]
        width = max([25] + [len(n) + 1 for n in self.names])
        cells = [max(13, len(c) + 2) for c in self.columns]
        print('Median %s per operation\n' % self.unit)
        print('operation'.ljust(width) +
              ''.join(c.rjust(w) for c, w in zip(self.columns, cells)) +
              ''.join('{:>9}'.format('ratio') for _ in others) + '   per second')
        for column in self.columns:
            if column in self.titles:
                print('%s: %s' % (column, self.titles[column]))
        family = None
        for name in self.names:
            if family != family_of(name):
                family = family_of(name)
                print('\n%s: %s' % (family, self.families.get(family, '')))
            ratios = [self.ratio(c, name) for c in others]
            line = name.ljust(width)
            line += ''.join(self.cell(c, name).rjust(w)
                            for c, w in zip(self.columns, cells))
            line += ''.join('{:>9}'.format('' if r is None else '%.3f' % r)
                            for r in ratios)
            print((line + '{:>13}'.format(self.per_second(name))).rstrip())

    def judge(self, partial=False):
        """Print each bound; the number of those that are missed.

        partial: not everything was measured, and need not be.
        """
        if partial:
            self.bounds = [b for b in self.bounds if 'missing' not in b]
        if not self.bounds:
            return 0
        print()
        for b in self.bounds:
            said = b.get('missing')
            if not said:
                said = '{:,.{}f}'.format(b['value'], self.digits)
                if 'base' in b:
                    said = '%.4g (%s against %s)' % (
                        b['ratio'], said, '{:,.{}f}'.format(b['base'], self.digits))
            print('%-7s %s: %s' % ('ok' if b['ok'] else 'MISSED', b['what'], said))
        missed = sum(not b['ok'] for b in self.bounds)
        print('\n%d bounds met, %d missed' % (len(self.bounds) - missed, missed))
        return missed

    def write_json(self, path, **more):
        """The result, for tools/figures and for programs; more: further members"""
        measured = subprocess.check_output([os.path.join(TOP, 'tools/measured')])
        data = {'version': 1, 'unit': self.unit, 'measured': json.loads(measured),
                'digits': self.digits,
                'titles': {c: self.title(c) for c in self.columns},
                'families': {f: t for f, t in self.families.items()
                             if f in map(family_of, self.names)}}
        data.update(more)
        data['operations'] = []
        for name in self.names:
            ops = {c: ops[name] for c, ops in self.columns.items() if name in ops}
            entry = {'name': name,
                     'text': next((op['text'] for op in ops.values() if 'text' in op), name)}
            for c, op in ops.items():
                entry[c] = {k: v for k, v in op.items() if k not in ('name', 'text')}
            ratios = {c: self.ratio(c, name) for c in list(self.columns)[1:]}
            entry['ratio'] = {c: round(r, 4) for c, r in ratios.items() if r is not None}
            data['operations'].append(entry)
        data['bounds'] = self.bounds
        write_whole(path, json.dumps(data, indent=1) + '\n')


class Chart:
    """Panels side by side in one SVG, drawn by gnuplot."""

    def __init__(self, title, columns, rows, across, size, titles):
        self.columns = columns
        self.titles = titles
        self.blocks = 0
        self.script = [
            'set terminal svg size %d,%d dynamic noenhanced font "sans,13" '
            'background "white"' % size, 'set output OUT',
            'set multiplot layout %d,%d title "%s"' % (rows, across, title),
            'set grid xtics ytics lt 1 lc rgb "#dddddd"', 'set border 3',
            'set key left top Left reverse', 'set xtics nomirror', 'set ytics nomirror',
            'set format y "%.0f"']

    def _block(self, rows):
        name = '$d%d' % self.blocks
        self.blocks += 1
        self.script += [name + ' << EOD'] + rows + ['EOD']
        return name

    def _plot(self, what):
        self.script.append('plot ' + ', '.join(what) if what else
                           'set label 1 "not measured" at graph 0.5,0.5 center\n'
                           'plot [0:1][0:1] NaN notitle\nunset label 1')

    def lines(self, title, xlabel, curves):
        """curves: lists of (column, [(x, y)]); those of a list are drawn alike"""
        plot = []
        for dash, curve in enumerate(curves):
            for column, points in curve:
                if not points:
                    continue
                # One entry of the key for each colour
                key = 'notitle' if dash else 'title "%s"' % self.titles(column)
                plot.append('%s using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc %d dt %d %s'
                            % (self._block(['%s %s' % p for p in points]),
                               self.columns.index(column) + 1, dash + 1, key))
        self.script += ['set title "%s"' % title, 'set xlabel "%s"' % xlabel]
        self.script.append('set logscale xy' if plot else '')
        self._plot(plot)
        self.script.append('unset logscale\nunset xlabel')

    def bars(self, title, those, rows, decimals=0):
        """A group of bars per row (label, figures), a bar per column of those"""
        self.script += ['set style data histograms', 'set style fill solid 0.8 noborder',
                        'set boxwidth 0.9', 'set xtics nomirror rotate by -30',
                        'set yrange [0:*]', 'set key horizontal above',
                        'set title "%s"' % title, 'set format y "%%.%df"' % decimals]
        rows = ['"%s" %s' % (label, ' '.join(map(str, figures)))
                for label, figures in rows if None not in figures]
        if not rows or not those:
            self._plot([])
            return
        block = self._block(rows)
        self._plot(['%s using %d%s lc %d title "%s"' %
                    (block, i + 2, '' if i else ':xtic(1)', self.columns.index(c) + 1,
                     self.titles(c)) for i, c in enumerate(those)])

    def write(self, path):
        new = path + '.new'
        script = '\n'.join(self.script + ['unset multiplot', '']).replace('OUT', '"%s"' % new)
        result = subprocess.run(['gnuplot'], input=script, text=True, check=False,
                                stderr=subprocess.PIPE)
        if result.returncode or not os.path.getsize(new):
            sys.exit('gnuplot: error: ' + (result.stderr.strip() or 'no chart'))
        os.rename(new, path)
