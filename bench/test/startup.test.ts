import t from 'tap';
import type { Measured, Measurements } from '../src/startup/measure.js';
import { UsageError } from '../src/command.js';
import { parseOptions } from '../src/startup/options.js';
import { type Run, startupLine, startupMarkdown, startupObject, startupPlot } from '../src/startup/report.js';
import { type Way, WAYS } from '../src/startup/ways.js';

const MS: Readonly<Record<Way, number>> = {
  direct: 600,
  cold: 420,
  coldKnown: 410,
  warm: 12,
  warmRam: 6,
  near: 15,
};

function measured(startupMs: number): Measured {
  const stepMs = { connect: 1, options: 1, describe: 1, setup: 1, play: 1, keyFrame: startupMs - 5 };
  return { startupMs, stepMs, roundTrips: 6, picture: 7, originBytes: 1500 };
}

function runWith(changed: Partial<Record<Way, number>>): Run {
  const medians = { ...MS, ...changed };
  const columns = Object.fromEntries(
    WAYS.map((way) => [way, [0.5, 1, 1, 1.2, 30].map((factor) => measured(medians[way] * factor))]),
  ) as unknown as Measurements['tcp'];
  return {
    command: 'pnpm -s bench:startup',
    endedAt: '2026-01-02T03:04:05.000Z',
    clip: 'h264_g1.mp4',
    roundTripMs: 100,
    machine: {
      processor: 'a processor',
      cores: 2,
      memoryGiB: 8,
      kernel: 'Linux 6',
      node: 'v20.20.2',
      gstreamer: '1.22.0',
      commit: 'abc1234',
      load: 0.5,
    },
    loadAtEnd: 0.6,
    measurements: { tcp: columns, udp: columns },
    failures: [],
  };
}

t.test('the line for programs carries medians, not averages', (t) => {
  const line = startupLine(runWith({}));
  const each = { directMs: 600, coldMs: 420, warmMs: 12 };
  t.same(JSON.parse(line), { transport: { tcp: each, udp: each }, rttMs: 100 });
  t.notMatch(line, '\n');
  t.end();
});

t.test('the report says whether the goals are met', (t) => {
  const good = startupMarkdown(runWith({}));
  t.match(good, /\| cold \/ direct +\| +0\.70 \| +0\.70 \| at most 1\.0 \| met +\|/);
  t.match(good, /\| warm \/ direct +\| 0\.020 \| 0\.020 \| at most 0\.1 \| met +\|/);
  t.match(good, 'The first picture was the same in 60 of 60 starts.');
  const bad = startupMarkdown(runWith({ cold: 601, warm: 61 }));
  t.equal(bad.match(/MISSED/g)?.length, 2);
  t.end();
});

t.test('a start that failed is named', (t) => {
  const failure = { round: 3, transport: 'udp', way: 'cold', reason: 'PLAY: 502' } as const;
  t.match(startupMarkdown(runWith({})), 'No start failed.');
  t.match(startupMarkdown({ ...runWith({}), failures: [failure] }), '- round 3, UDP, cold: PLAY: 502');
  t.end();
});

t.test('everything measured is in the object and in the plot', (t) => {
  const run = runWith({});
  const object = JSON.parse(JSON.stringify(startupObject(run))) as {
    transport: Record<string, Record<Way, { startsMs: number[]; ofDirect: number }>>;
  };
  t.same(object.transport['udp']?.warm.startsMs, [6, 12, 12, 14.4, 360]);
  t.equal(object.transport['udp']?.warm.ofDirect, 0.02);
  t.equal(startupPlot(run).match(/class="dot"/g)?.length, 60);
  t.end();
});

t.test('options', (t) => {
  t.match(parseOptions([]), { rounds: 25, roundTripMs: 100, clip: 'h264_g1.mp4', json: false, write: false });
  t.match(parseOptions(['--quick', '--json']), {
    rounds: 5,
    json: true,
    command: 'pnpm -s bench:startup --quick --json',
  });
  t.match(parseOptions(['--quick', '--rounds', '7']), { rounds: 7 });
  t.equal(parseOptions(['-h']), 'help');
  for (const args of [
    ['--rounds', '0'],
    ['--rounds', '1e1'],
    ['--round-trip-ms', '-1'],
    ['--what'],
    ['much'],
  ])
    t.throws(() => parseOptions(args), UsageError, args.join(' '));
  t.end();
});
