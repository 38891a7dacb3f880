import t from 'tap';
import { UsageError } from '../src/command.js';
import { parseOptions } from '../src/flights/options.js';
import { flightsLine, flightsMarkdown, flightsPlots, type Run } from '../src/flights/report.js';
import { simulate } from '../src/flights/simulation.js';
import * as theory from '../src/flights/theory.js';

const HOUR = 3600;

t.test('the formulas at points where they can be told otherwise', (t) => {
  const of = (seconds: number, prefixSeconds: number, perHour: number): theory.Demand => ({
    seconds,
    prefixSeconds,
    arrivalsPerSecond: perHour / HOUR,
  });
  const busy = of(HOUR, 0, 60);
  t.equal(theory.noSharing(busy), 60);
  t.equal(theory.batching(busy), 60, 'nobody waits: without a prefix there are no batches');
  t.equal(theory.patching(busy).toFixed(6), (Math.sqrt(1 + 2 * 60) - 1).toFixed(6), 'Gao and Towsley');
  t.equal(theory.multicastBound(busy).toFixed(6), Math.log(61).toFixed(6));
  // Patching around its optimum: no other threshold is better.
  const withPrefix = of(HOUR, 300, 60);
  const best = theory.patching(withPrefix);
  const a = 60 / HOUR;
  for (const y of [1, 60, 300, 600, 1200, 3000]) {
    t.ok((3300 + (a * y * y) / 2) / (y + 300 + 1 / a) >= best - 1e-9, `a threshold of ${y} s`);
  }
  const rare = of(600, 0, 0.01);
  for (const model of [theory.batching, theory.patching, theory.multicastBound, theory.retainingBound]) {
    t.ok(
      Math.abs(model(rare) / theory.noSharing(rare) - 1) < 0.01,
      `${model.name}: whoever is alone shares nothing`,
    );
  }
  t.end();
});

t.test('simulated viewers take of the origin what the model says, and miss nothing', async (t) => {
  for (const [prefixSeconds, perHour] of [
    [0, 30],
    [60, 60],
  ] as const) {
    const demand = { seconds: 300, prefixSeconds, arrivalsPerSecond: perHour / HOUR };
    const run = await simulate({ ...demand, arrivals: 60, seed: 3 });
    const bound = theory.retainingBound(demand);
    t.ok(
      run.originStreams < 1.35 * bound && run.originStreams > 0.6 * bound,
      `${run.originStreams} by ${bound}`,
    );
    t.ok(run.originStreams < theory.patching(demand));
    t.equal(run.smoothShare, 1);
  }
  const small = { seconds: 60, prefixSeconds: 0, arrivalsPerSecond: 0.1, arrivals: 20, seed: 5 };
  t.same(await simulate(small), await simulate(small), 'the same again');
});

t.test('the report', (t) => {
  const outcome = {
    viewers: 200,
    played: 200,
    describes: 1,
    originSessions: 1,
    originBytesPerTitleByte: 1.00049,
    waitsSeconds: [0.1],
  };
  const run: Run = {
    command: 'pnpm -s bench:flights',
    endedAt: '2026-11-28T00:00:00.000Z',
    machine: {
      processor: 'x',
      cores: 2,
      memoryGiB: 8,
      kernel: '6',
      node: 'v20',
      gstreamer: '1.22',
      commit: 'abc',
      load: 0,
    },
    counted: [
      {
        origin: 'rig',
        titleSeconds: 60,
        budgetTitleSeconds: 40,
        coldCrowd: outcome,
        staggered: outcome,
        budgetOne: { ...outcome, viewers: 10, played: 10 },
      },
    ],
    grid: [],
  };
  t.equal(
    flightsLine(run),
    '{"coldCrowd":{"viewers":200,"originSessions":1,"originBytesPerTitleByte":1},"staggered":{"originBytesPerTitleByte":1},"budgetOne":{"viewers":10,"played":10}}',
  );
  t.match(flightsMarkdown(run), /one every 5 s for 60 s/);
  t.same(flightsPlots(run), []);
  t.end();
});

t.test('flags', (t) => {
  t.equal(parseOptions(['--help']), 'help');
  t.match(parseOptions(['--quick', '--json']), { quick: true, json: true, write: false });
  t.throws(() => parseOptions(['--fast']), UsageError);
  t.throws(() => parseOptions(['--quick', '--write']), UsageError);
  t.end();
});
