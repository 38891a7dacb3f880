import t from 'tap';
import { formatMs, formatRatio, markdownTable } from '../src/report/markdown.js';
import { stripPlot } from '../src/report/strip-plot.js';
import { medianOf, summaryOf } from '../src/report/summary.js';

t.test('a summary lies between the ranks, whatever the order', (t) => {
  t.same(summaryOf([5, 1, 4, 2, 3]), { count: 5, median: 3, p10: 1.4, p90: 4.6, least: 1, most: 5 });
  t.equal(medianOf([4, 1]), 2.5);
  t.equal(medianOf([7]), 7);
  t.throws(() => summaryOf([]), RangeError);
  t.end();
});

t.test('a table is aligned, figures to the right', (t) => {
  const columns = [{ title: 'Way' }, { title: 'ms', align: 'right' }] as const;
  const rows = [
    ['direct', '612'],
    ['a|b', '9.5'],
  ];
  t.equal(
    markdownTable(columns, rows),
    ['| Way    |  ms |', '| ------ | --: |', '| direct | 612 |', '| a\\|b   | 9.5 |'].join('\n'),
  );
  t.end();
});

t.test('figures carry the digits that mean something', (t) => {
  t.same([0.04, 9.96, 99.94, 99.96, 612.3].map(formatMs), ['0.0', '10.0', '99.9', '100', '612']);
  t.same([0.0213, 0.0994, 0.0996, 0.5, 1.234].map(formatRatio), ['0.021', '0.099', '0.10', '0.50', '1.23']);
  t.end();
});

t.test('a strip plot of nothing ends, too', (t) => {
  const svg = stripPlot({ title: 'a', subtitle: 'b', axis: 'ms', groups: [] });
  t.match(svg, /<svg[^]*<\/svg>/);
  t.notMatch(svg, /NaN|Infinity/);
  t.end();
});

t.test('a strip plot draws every value inside its axis', (t) => {
  const strip = { label: 'a <b> & c', values: [3, 30, 700], median: 30, p10: 8, p90: 600, note: '30 ms' };
  const svg = stripPlot({
    title: 'Start-up',
    subtitle: 'of three',
    axis: 'ms',
    groups: [{ title: 'TCP', strips: [{ ...strip, emphasis: 'strong' }] }],
  });
  const centres = [...svg.matchAll(/cx="([\d.]+)"/g)].map((match) => Number(match[1]));
  t.equal(centres.length, 3, 'a dot for each');
  t.same(
    centres,
    [...centres].sort((a, b) => a - b),
    'more is further right',
  );
  const grid = [...svg.matchAll(/class="grid" d="M([\d.]+)/g)].map((match) => Number(match[1]));
  t.ok(centres[0]! >= grid[0]! && centres[2]! <= grid.at(-1)!, 'between the first line and the last');
  t.match(svg, 'a &lt;b&gt; &amp; c');
  t.match(svg, />2<[\s\S]*>1000</, 'from the tick below the least to the one above the most');
  t.notMatch(svg, /NaN|undefined|Infinity/);
  t.end();
});
