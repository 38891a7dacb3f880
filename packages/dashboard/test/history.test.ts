import t from 'tap';
import { chartPaths, niceAbove } from '../src/chart.js';
import { bitRate, bytes, clock, elapsed, milliseconds, percent } from '../src/format.js';
import { History, HISTORY_MS, RECENT_MS } from '../src/history.js';
import { Samples } from '../src/samples.js';

const at = (grown: { ram: number; disk?: number }, startedSeconds = 1): Samples =>
  new Samples(
    [
      `process_start_time_seconds ${startedSeconds}`,
      `a_total{source="ram"} ${grown.ram}`,
      `a_total{source="disk"} ${grown.disk ?? 0}`,
    ].join('\n'),
  );

t.test('what counters grew', async (t) => {
  const history = new History();
  t.equal(history.grown('a_total', 1000), 0);
  t.same(history.rates('a_total'), []);
  history.add(10_000, at({ ram: 100 }));
  t.equal(history.grown('a_total', 1000), 0, 'one look tells nothing of growth');
  history.add(12_000, at({ ram: 300, disk: 50 }));
  history.add(14_000, at({ ram: 300, disk: 90 }));
  t.same(history.rates('a_total', { source: 'ram' }), [
    { atMs: 12_000, perSecond: 100 },
    { atMs: 14_000, perSecond: 0 },
  ]);
  t.equal(history.grown('a_total', 60_000), 290);
  t.equal(history.grown('a_total', 2000), 40);
  t.equal(history.spanSeconds(2000), 2);
  t.same(history.countedBy('a_total', 'source', 60_000), [
    { value: 'ram', grown: 200, total: 300 },
    { value: 'disk', grown: 90, total: 90 },
  ]);
  t.same(history.countedBy('a_total', 'source', 2000), [
    { value: 'disk', grown: 40, total: 90 },
    { value: 'ram', grown: 0, total: 300 },
  ]);
});

t.test('how much of the last minutes was seen, and why no more', async (t) => {
  const history = new History();
  const look = (atMs: number, startedSeconds = 1): void => history.add(atMs, at({ ram: 0 }, startedSeconds));
  t.same(history.seen(RECENT_MS), { seconds: 0, since: 'opened' });
  look(0);
  t.same(history.seen(RECENT_MS), { seconds: 0, since: 'opened' });
  look(12_000);
  t.same(history.seen(RECENT_MS), { seconds: 12, since: 'opened' });
  for (let ms = 14_000; ms <= RECENT_MS; ms += 2000) look(ms);
  t.same(history.seen(RECENT_MS), { seconds: 300, since: undefined });
  look(RECENT_MS + 2000);
  t.match(history.seen(RECENT_MS), { since: undefined });
  look(2 * RECENT_MS + 60_000);
  look(2 * RECENT_MS + 62_000);
  t.same(
    history.seen(RECENT_MS),
    { seconds: 2, since: 'unseen' },
    'nobody looked for more than five minutes',
  );
  look(10 * RECENT_MS);
  look(10 * RECENT_MS + 4000);
  t.same(history.seen(RECENT_MS), { seconds: 4, since: 'unseen' }, 'nor for as long as the page remembers');
  look(10 * RECENT_MS + 6000, 2);
  look(10 * RECENT_MS + 9000, 2);
  t.same(history.seen(RECENT_MS), { seconds: 3, since: 'restarted' });
});

t.test('a proxy that was started anew, and a page that is open for long', async (t) => {
  const history = new History();
  history.add(0, at({ ram: 5000 }, 1));
  history.add(2000, at({ ram: 10 }, 2));
  t.equal(history.rates('a_total').length, 0);
  history.add(4000, at({ ram: 30 }, 2));
  t.equal(history.grown('a_total', HISTORY_MS), 20);
  for (let ms = 6000; ms <= 2 * HISTORY_MS; ms += 2000) history.add(ms, at({ ram: ms }, 2));
  t.equal(history.rates('a_total').length, HISTORY_MS / 2000);
});

t.test('areas stand on each other below the line', async (t) => {
  const box = { width: 100, height: 10, nowMs: 10_000, spanMs: 10_000 };
  const two = (a: number, b: number) => [
    { atMs: 0, perSecond: a },
    { atMs: 10_000, perSecond: b },
  ];
  const drawn = chartPaths({ areas: [two(0, 500), two(125, 125)], line: two(1250, 0) }, box);
  t.equal(drawn.top, 1250, 'ten kilobits');
  t.same(drawn.areas, ['M0.0,10.0L100.0,6.0L100.0,10.0L0.0,10.0Z', 'M0.0,9.0L100.0,5.0L100.0,6.0L0.0,10.0Z']);
  t.equal(drawn.line, 'M0.0,0.0L100.0,10.0');
  t.same(chartPaths({ areas: [[]], line: [] }, box), { areas: [''], line: '', top: 125 });
  t.same([0, 126, 1e6, 1.3e6].map(niceAbove), [125, 250, 1.25e6, 2.5e6]);
});

t.test('figures as people read them', async (t) => {
  t.same([0, 999, 1536, 12_345, 123_456, 9.9996e5].map(bytes), [
    '0 B',
    '999 B',
    '1.54 kB',
    '12.3 kB',
    '123 kB',
    '1.00 MB',
  ]);
  t.equal(bitRate(500_000), '4 Mbit/s');
  t.same([undefined, 2.83, 61.4, 1234].map(milliseconds), ['\u2013', '2.8 ms', '61 ms', '1.23 s']);
  t.same([0, 0.012, 0.5, 1].map(percent), ['0 %', '1.2 %', '50 %', '100 %']);
  t.same([12, 61, 3723].map(clock), ['0:12', '1:01', '1:02:03']);
  t.same([-1, 30, 600, 7200, 200_000].map(elapsed), ['0 s', '30 s', '10 min', '2 h', '2 d 8 h']);
});
