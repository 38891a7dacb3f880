import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_OPTIONS, PopularityPolicy } from '@forebay/cache';
import { LRUCache } from 'lru-cache';
import t from 'tap';
import { drawChart } from '../src/chart.js';
import { Forebay } from '../src/forebay.js';
import { adviseSizes, LogError, readLog, ReportError, runCommand, UsageError } from '../src/index.js';
import { isPolicyName, POLICIES, RIVALS } from '../src/policies.js';
import { Random } from '../src/random.js';
import { replay } from '../src/replay.js';
import { simulate } from '../src/simulate.js';
import { vodWorkload } from '../src/vod.js';
import { requestSeconds, type Workload, workload } from '../src/workload.js';

/** Titles of 10 segments of 10 s, popular by rank, watched from the start for a while. */
function small(sessions: number, titles: number, seed = 1): Workload {
  const random = new Random(seed);
  const column = (draw: () => number): Float64Array => Float64Array.from({ length: sessions }, draw);
  let now = 0;
  return workload({
    name: 'small',
    segmentBytes: 1000,
    titles: {
      durationSeconds: new Float64Array(titles).fill(100),
      segmentSeconds: new Float64Array(titles).fill(10),
    },
    sessions: {
      startedSeconds: column(() => (now += random.exponential(20))),
      title: Int32Array.from({ length: sessions }, () => Math.floor(titles * random.next() ** 3)),
      fromSeconds: new Float64Array(sessions),
      watchedSeconds: column(() => 100 * random.next() ** 2),
      viewer: new Int32Array(sessions),
    },
  });
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-simulator-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

t.setTimeout(180_000);

t.test('sessions become requests in order of time, one a segment', async (t) => {
  const w = small(200, 20);
  t.equal(
    w.segment.length,
    w.segmentCount.reduce((a, b) => a + b, 0),
  );
  const next = new Map<number, number>();
  let last = 0;
  for (let i = 0; i < w.segment.length; i++) {
    const s = w.session[i]!;
    const expected = next.get(s) ?? w.offset[w.sessions.title[s]!]! + w.firstSegment[s]!;
    if (w.segment[i] !== expected) t.fail(`request ${i} is out of turn`);
    next.set(s, expected + 1);
    const second = Math.floor(requestSeconds(w, i) - w.sessions.startedSeconds[0]!);
    if (second < last) t.fail(`request ${i} goes back in time`);
    last = second;
  }
});

t.test('every policy keeps to its capacity and none beats the clairvoyant', async (t) => {
  for (const seed of [1, 2, 3]) {
    const w = small(1500, 60, seed);
    for (const capacity of [1, 7, 60]) {
      const best = replay(w, POLICIES.belady(w, capacity), capacity).byteHitRatio;
      for (const name of [...RIVALS, 'forebay', 'forebay-start', 'forebay-bytes'] as const) {
        const { byteHitRatio } = replay(w, POLICIES[name](w, capacity), capacity);
        t.ok(byteHitRatio <= best + 1e-12, `${name} at ${capacity}: ${byteHitRatio} <= ${best}`);
      }
    }
  }
});

/** The most hits that any policy can have: tries every choice. */
function bestHits(segments: readonly number[], capacity: number): number {
  const known = new Map<string, number>();
  const from = (i: number, held: readonly number[]): number => {
    if (i === segments.length) return 0;
    const key = `${i}:${held.join(',')}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const id = segments[i]!;
    let best = (held.includes(id) ? 1 : 0) + from(i + 1, held);
    if (!held.includes(id)) {
      if (held.length < capacity)
        best = Math.max(
          best,
          from(
            i + 1,
            [...held, id].sort((a, b) => a - b),
          ),
        );
      for (const out of held) {
        const without = [...held.filter((h) => h !== out), id].sort((a, b) => a - b);
        best = Math.max(best, from(i + 1, without));
      }
    }
    known.set(key, best);
    return best;
  };
  return from(0, []);
}

t.test('the clairvoyant is the best of all choices', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const w = small(8, 3, seed);
    const rival = POLICIES.belady(w, 2);
    let hits = 0;
    for (let i = 0; i < w.segment.length; i++) hits += rival.request(w.segment[i]!, i) ? 1 : 0;
    t.equal(hits, bestHits(Array.from(w.segment), 2), `seed ${seed}`);
  }
});

t.test('LRU does what lru-cache does', async (t) => {
  const w = small(2000, 80);
  const ours = POLICIES.lru(w, 50);
  const theirs = new LRUCache<number, true>({ max: 50 });
  for (let i = 0; i < w.segment.length; i++) {
    const id = w.segment[i]!;
    const hit = theirs.get(id) === true;
    if (!hit) theirs.set(id, true);
    if (ours.request(id, i) !== hit) t.fail(`request ${i} differs`);
  }
  t.equal(ours.held, theirs.size);
});

t.test('the policy that serves is the policy that is replayed', async (t) => {
  const w = small(1200, 50);
  const capacity = 40;
  const replayed = new Forebay(w, capacity, DEFAULT_OPTIONS);
  const served = new PopularityPolicy();
  const held = new Map<number, number>();
  for (let i = 0; i < w.segment.length; i++) {
    const id = w.segment[i]!;
    const s = w.session[i]!;
    const titleIndex = w.titleOf[id]!;
    const segment = id - w.offset[titleIndex]!;
    const now = requestSeconds(w, i);
    const title = `title-${titleIndex}`;
    const facts = {
      title,
      segment,
      startSeconds: segment * 10,
      durationSeconds: 10,
      bytes: 1000,
      titleDurationSeconds: 100,
    };
    if (segment === w.firstSegment[s]) {
      served.sessionStarted(s, { title, startSeconds: 0, titleDurationSeconds: 100, viewerAddress: '' }, now);
    }
    served.sessionReached(s, (segment + 1) * 10, now);
    const hit = held.has(id);
    if (!hit) {
      const decision = served.decide(facts, (capacity - held.size) * 1000, now);
      if (decision.admitted) {
        for (const victim of decision.victims) {
          for (const [other, handle] of held) if (handle === victim) held.delete(other);
          served.dropped(victim);
        }
        held.set(id, served.hold(facts, now));
      }
    }
    if (segment + 1 === w.firstSegment[s]! + w.segmentCount[s]!) served.sessionEnded(s, now);
    if (replayed.request(id, i) !== hit) t.fail(`request ${i} differs`);
  }
  t.equal(replayed.held, held.size);
});

t.test('on demand workload: the same seed gives the same requests, and ours leads', async (t) => {
  const w = vodWorkload({ scale: 0.03 });
  t.same(vodWorkload({ scale: 0.03 }).segment.subarray(0, 1000), w.segment.subarray(0, 1000));
  t.notSame(vodWorkload({ scale: 0.03, seed: 4 }).segment.subarray(0, 1000), w.segment.subarray(0, 1000));
  const rows = simulate(w, {
    sizes: [0.05],
    policies: ['belady', 'forebay', 'wtinylfu', 'lru', 's3fifo', 'arc'],
  });
  const ratio = new Map(rows.map((row) => [row.policy, row.byteHitRatio]));
  for (const rival of ['wtinylfu', 'lru', 's3fifo', 'arc'] as const) {
    t.ok(
      ratio.get('forebay')! > ratio.get(rival)!,
      `${ratio.get('forebay')} against ${rival}'s ${ratio.get(rival)}`,
    );
  }
  t.ok(w.truth!.share(0, 0, 10) > w.truth!.share(0, 1000, 1010), 'fewer reach the end');
});

t.test('reads full logs, clip logs, comments and headings; refuses the rest with the line', async (t) => {
  await inFolder(async (folder) => {
    const file = join(folder, 'log.csv');
    await writeFile(file, '# a log\n5,rtsp://o/b,60,30,40,1000000\n1.5,rtsp://o/a,100,0,25\n');
    const full = await readLog(file, { segmentBytes: 2_500_000 });
    t.equal(full.sessions.title.length, 2);
    t.same(Array.from(full.sessions.startedSeconds), [1.5, 5], 'in order of time');
    t.same(Array.from(full.segmentCount), [3, 2], '10 s at 2 Mbit/s; 20 s at 1 Mbit/s, to the end');
    await writeFile(file, 'time_s,object_id,client_id\n0,x,7\n1,y,7\n2,x,8\n');
    const clips = await readLog(file);
    t.equal(clips.titles.durationSeconds.length, 2);
    t.same(Array.from(clips.sessions.viewer), [1, 1, 2]);
    for (const bad of ['1,a\nx,b\n', '1,a\n2,\n', '', '1,a,0,0,5\n', '1,a,10,0,5\n2,b,10,-1,5\n']) {
      await writeFile(file, bad);
      await t.rejects(readLog(file), LogError, JSON.stringify(bad));
    }
  });
});

t.test('the command ends with one line of JSON', async (t) => {
  await inFolder(async (folder) => {
    const file = join(folder, 'log.csv');
    const rows = Array.from({ length: 400 }, (_, i) => `${i * 10},clip${(i * i) % 37}`);
    await writeFile(file, `time_s,object_id\n${rows.join('\n')}\n`);
    const lines: string[] = [];
    const args = [
      '--trace',
      file,
      '--sizes',
      '0.05,0.2',
      '--policies',
      'forebay,lru',
      '--json',
      '--out',
      folder,
    ];
    await runCommand(args, (line) => lines.push(line));
    const { trace, rows: out } = JSON.parse(lines.at(-1) ?? '') as {
      trace: string;
      rows: Record<string, unknown>[];
    };
    t.equal(trace, file);
    t.same(
      out.map((row) => [row['policy'], row['size']]),
      [
        ['forebay', 0.05],
        ['lru', 0.05],
        ['forebay', 0.2],
        ['lru', 0.2],
      ],
    );
    for (const key of ['byteHitRatio', 'startHitRatio', 'nsPerDecision']) t.type(out[0]?.[key], 'number');
    for (const bad of [
      [],
      ['--trace', file, '--sizes', '2'],
      ['--trace', file, '--policies', 'best'],
      ['--trace', file, '--policies', 'truth'],
      ['--trace', file, '--part', '0.5'],
      ['--trace', 'vod', '--part', '0'],
      ['--trace', 'vod', '--seed', 'x'],
      ['--trace', 'vod', '--titles', '0'],
      ['--trace', file, '--sessions', '9'],
      ['--trace', join(folder, 'absent.csv')],
      ['--trace', folder],
    ]) {
      await t.rejects(
        runCommand(bad, () => {}),
        UsageError,
      );
    }
  });
});

t.test('results are added to those of an earlier run of the same workload', async (t) => {
  await inFolder(async (folder) => {
    const log = join(folder, 'log.csv');
    const results = join(folder, 'log.json');
    const write = async (requests: number): Promise<void> => {
      const rows = Array.from({ length: requests }, (_, i) => `${i * 10},clip${(i * i) % 37}`);
      await writeFile(log, `time_s,object_id\n${rows.join('\n')}\n`);
    };
    const run = async (sizes: string, policies: string): Promise<void> => {
      await runCommand(['--trace', log, '--sizes', sizes, '--policies', policies, '--out', folder], () => {});
    };
    const rows = async (): Promise<unknown[]> =>
      (JSON.parse(await readFile(results, 'utf8')) as Record<string, unknown>[]).map((row) => [
        row['policy'],
        row['size'],
        row['shareOfBelady'] !== undefined,
      ]);
    await write(400);
    await run('0.05,0.2', 'forebay,lru');
    await run('0.2', 'belady,lru');
    t.same(await rows(), [
      ['forebay', 0.05, false],
      ['lru', 0.05, false],
      ['forebay', 0.2, true],
      ['lru', 0.2, true],
      ['belady', 0.2, true],
    ]);
    await write(500);
    await run('0.05', 'lru');
    t.same(await rows(), [['lru', 0.05, false]], 'nothing is kept of another workload');
    await writeFile(results, '[{"policy":"lru"}]');
    await t.rejects(run('0.05', 'lru'), ReportError);
    await writeFile(results, 'x');
    await t.rejects(run('0.05', 'lru'), ReportError);
    t.equal(await readFile(results, 'utf8'), 'x', 'and it is left as it was');
  });
});

t.test('recommends the size from which more brings little', async (t) => {
  const w = small(3000, 100);
  const footprint = w.footprint * w.segmentBytes;
  const advice = adviseSizes(w, [footprint, footprint / 16, footprint / 4]);
  t.same(
    advice.map((row) => row.capacityBytes),
    [footprint / 16, footprint / 4, footprint],
    'ascending',
  );
  t.equal(advice.filter((row) => row.recommended).length, 1);
  t.ok(advice[0]!.byteHitRatio < advice[2]!.byteHitRatio);
});

t.test('charts are well-formed and escape their text', async (t) => {
  const svg = drawChart({
    title: 'a < b & c',
    xLabel: 'x',
    yLabel: 'y',
    series: [
      {
        name: 's',
        points: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
  });
  t.match(svg, /^<svg [^>]+>/);
  t.match(svg, /a &lt; b &amp; c/);
  t.notMatch(svg, /NaN|undefined/);
  t.ok(isPolicyName('forebay') && !isPolicyName('toString'));
});
