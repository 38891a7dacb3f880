import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RigOrigin, syntheticTitle, type Title } from '@forebay/rig';
import t, { type Test } from 'tap';
import { readingAt, type Reading } from '../src/replay/meter.js';
import { planReplay } from '../src/replay/plan.js';
import { compare } from '../src/replay/prediction.js';
import type { SmallProxy } from './small-proxy.js';
import { BIN, forebay, runningScript } from './spawned.js';

// Media takes its time, and may take more on a busy machine.
t.jobs = 2;
t.setTimeout(300_000);

const SMALL_PROXY = fileURLToPath(new URL('small-proxy.js', import.meta.url));
const TITLES = 40;
const TITLE_SECONDS = 12;
const SPEED = 10;
const SEGMENT_SECONDS = 4;
const VIDEO_KBPS = 60;
/** On disk: with headers. */
const SEGMENT_BYTES = 32_500;

/** In memory where there is such a place: how long other work keeps the disk busy is not what is measured. */
function cacheFolder(test: Test): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'forebay-replay-test-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An origin of forty films and a proxy with a disk cache for `segments`, and nothing to speak of in RAM. */
async function stage(
  test: Test,
  segments: number,
): Promise<{ rtsp: string; admin: string; origin: RigOrigin }> {
  const titles: Record<string, Title> = {};
  for (let i = 0; i < TITLES; i++)
    titles[`/vod/film-${i}`] = syntheticTitle({
      seconds: TITLE_SECONDS,
      videoKbps: VIDEO_KBPS,
      fps: 5,
      audio: false,
      seed: i + 1,
    });
  const origin = await RigOrigin.start({ titles });
  test.teardown(() => origin.close());
  const small: SmallProxy = {
    flags: {
      origin: origin.url('/vod'),
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      cacheDir: cacheFolder(test),
      workers: process.env['FOREBAY_TEST_WORKERS'],
      udpPath: process.env['FOREBAY_TEST_UDP'],
    },
    cacheBytes: segments * SEGMENT_BYTES,
    ramBytes: 1,
  };
  const serving = runningScript(test, [SMALL_PROXY, JSON.stringify(small)]);
  const { rtsp, admin } = await serving.logged('forebay serves');
  return { rtsp: `rtsp://${String(rtsp)}`, admin: `http://${String(admin)}`, origin };
}

/** Viewings of films, the first more often, of one to three segments from the start; numbers from a fixed rule. */
function sampleLog(viewings: number, everySeconds: number): string {
  let state = 12345;
  const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff) / 0x8000_0000;
  const lines = Array.from({ length: viewings }, (_, i) => {
    const title = Math.floor(TITLES ** random()) - 1;
    const segments = 1 + Math.floor(random() * 3);
    const watched = segments * SEGMENT_SECONDS * SPEED;
    return `${1000 + i * everySeconds},/film-${title},${TITLE_SECONDS * SPEED},0,${watched},${VIDEO_KBPS * 1000}`;
  });
  return `${lines.join('\n')}\n`;
}

interface Output {
  readonly viewings: number;
  readonly played: number;
  readonly unplayed: Record<string, number>;
  readonly measuredByteHitRatio: number;
  readonly predictedByteHitRatio: number;
  readonly gapSeconds: number;
  readonly diskFaults: number;
}

/** A busy machine that starves the proxy for a moment makes it fetch what it holds. */
const TRIES = 3;
const VIEWINGS = 200;
/** Of some hundred that the log asks for. */
const HELD_SEGMENTS = 60;

t.test('what a replay measures is what the simulator says, within two points', async (t) => {
  const path = join(t.testdir(), 'log.csv');
  writeFileSync(path, sampleLog(VIEWINGS, 1.2));
  for (let tries = 1; ; tries++) {
    const { rtsp, admin } = await stage(t, HELD_SEGMENTS);
    const where = ['--origin', rtsp, '--admin', admin, '--viewers', '300'];
    const args = ['replay', path, ...where, '--speed', String(SPEED), '--json'];
    const { code, out, err } = await forebay(args);
    t.equal(code, 0, err);
    const found = JSON.parse(out) as Output;
    t.match(found, { viewings: VIEWINGS, played: VIEWINGS, unplayed: {}, cacheWasEmpty: true, speed: SPEED });
    const points = 100 * (found.measuredByteHitRatio - found.predictedByteHitRatio);
    const said = `${points.toFixed(2)} points apart at ${(100 * found.predictedByteHitRatio).toFixed(1)} %`;
    const isTroubled = found.gapSeconds > 0 || found.diskFaults > 0;
    if (Math.abs(points) > 2 && tries < TRIES) {
      t.comment(`${said}, ${found.gapSeconds.toFixed(1)} s of gaps: once more`);
      continue;
    }
    if (Math.abs(points) > 2 && isTroubled)
      t.pass('compared', { skip: `this machine is too busy for the proxy to keep up: ${said}` });
    else t.ok(Math.abs(points) <= 2, said);
    return;
  }
});

t.test('a replay over UDP, of titles that are there and others', async (t) => {
  const { rtsp, admin } = await stage(t, 28);
  const path = join(t.testdir(), 'log.csv');
  const rows = [
    '1,/film-0,20,0,10',
    '1,/film-1,20,5,5,1',
    '2,/missing,20,0,10',
    '3,/film-2,200,150,10',
    'bad',
    '40,/film-3,60,0,60',
  ];
  writeFileSync(path, rows.join('\n'));
  const args = [
    'replay',
    path,
    '--origin',
    `${rtsp}/`,
    '--admin',
    `${admin}/`,
    '--speed',
    '10',
    '--viewers',
    '2',
  ];
  const { code, out, err } = await forebay([...args, '--transport', 'udp']);
  t.equal(code, 0, err);
  t.match(err, /log\.csv: line 5: 1 of at least 5 columns/);
  t.match(out, /log\.csv: 3 of 5 viewings played in .*, .* kB\n/);
  t.match(out, /^start-up: \d+ ms, the middle one$/m);
  t.match(out, /^not played: 1, status 404$/m);
  t.match(out, /^not played: 1, the title is shorter than in the log$/m);
  t.match(out, /^saved the origin, measured .* %/m);
  t.match(out, /^saved the origin, simulated .* % with 910 kB on disk: .* points$/m);
});

t.test('a replay that is interrupted ends with what there is, and 1', async (t) => {
  const { rtsp, origin } = await stage(t, 28);
  const path = join(t.testdir(), 'log.csv');
  writeFileSync(path, '1,/film-0,12,0,12\n90000,/film-0,12,0,12\n');
  const child = spawn(process.execPath, [BIN, 'replay', path, '--origin', rtsp, '--admin', 'off', '--json']);
  t.teardown(() => child.kill('SIGKILL'));
  const out = text(child.stdout);
  while (origin.counters.plays === 0) await delay(20);
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  t.equal(code, 1);
  t.match(JSON.parse(await out), {
    viewings: 2,
    played: 0,
    unplayed: { interrupted: 1 },
    measuredByteHitRatio: null,
  });
});

t.test('replay: what cannot be', async (t) => {
  const directory = t.testdir({
    'log.csv': '1,/film,10,0,10\n',
    'hashed.csv': '1,0123456789abcdef,10,0,10\n',
    'short.csv': '1,7\n2,8\n',
  });
  const log = join(directory, 'log.csv');
  const proxy = ['--origin', 'rtsp://127.0.0.1:9'];
  const table: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[log], 2, /--origin/],
    [[log, '--origin', 'http://x'], 2, /^forebay: --origin: 'http:\/\/x' is no RTSP URL/],
    [[log, ...proxy, '--speed', '0'], 2, /^forebay: --speed: '0' is not a number from 1 to/],
    [[log, ...proxy, '--viewers', 'all'], 2, /^forebay: --viewers: 'all' is not/],
    [[log, ...proxy, '--transport', 'quic'], 2, /^forebay: --transport: must be tcp or udp/],
    [
      [log, ...proxy, '--admin', 'http://127.0.0.1:9/'],
      1,
      /http:\/\/127\.0\.0\.1:9\/metrics cannot be read .*--admin host:port/,
    ],
    [
      [log, ...proxy, '--admin', '127.0.0.1:9'],
      1,
      /http:\/\/127\.0\.0\.1:9\/metrics cannot be read .*--admin host:port/,
    ],
    [[log, ...proxy, '--admin', 'nonsense'], 2, /^forebay: --admin: 'nonsense' is not host:port/],
    [[log, ...proxy, '--admin', 'http://'], 2, /^forebay: --admin: 'http:\/\/' is no URL; write 127/],
    [[join(directory, 'hashed.csv'), ...proxy], 1, /hashed titles can be simulated, not replayed/],
    [[join(directory, 'short.csv'), ...proxy], 1, /tells no lengths: it can be simulated, not replayed/],
    [[log, ...proxy, '--admin', 'off'], 1, /^$/],
  ];
  await Promise.all(
    table.map(async ([args, code, line]) => {
      const ended = await forebay(['replay', ...args]);
      t.equal(ended.code, code, args.join(' '));
      t.match(ended.err, line);
      t.notMatch(ended.err, '    at ');
    }),
  );
});

t.test('a plan is the log on a smaller scale', async (t) => {
  const path = join(t.testdir({ 'log.csv': '100,/b?x,60,10,20\n40,/a,60,0,30,1000\n' }), 'log.csv');
  const { viewings, seconds } = await planReplay(path, 'rtsp://proxy/base/', 10);
  t.same(viewings, [
    { atSeconds: 0, title: '/a', url: 'rtsp://proxy/base/a', startSeconds: 0, seconds: 3 },
    { atSeconds: 6, title: '/b?x', url: 'rtsp://proxy/base/b?x', startSeconds: 1, seconds: 2 },
  ]);
  t.equal(seconds, 8);
});

function reading(atSeconds: number, viewerBytes: number, originBytes: number): Reading {
  const rest = {
    heldBytes: viewerBytes / 2,
    cacheBytes: 0,
    capacityBytes: 1e9,
    gapSeconds: 0,
    diskFaults: 0,
  };
  return { atSeconds, viewerBytes, originBytes, ...rest };
}

t.test('the counters between two readings', (t) => {
  const readings = [reading(0, 0, 0), reading(10, 100, 40), reading(20, 300, 50)];
  const at = (seconds: number): unknown => {
    const found = readingAt(readings, seconds);
    return [found?.viewerBytes, found?.originBytes, found?.heldBytes];
  };
  t.same(at(-1), [0, 0, 0]);
  t.same(at(5), [50, 20, 25]);
  t.same(at(10), [100, 40, 50]);
  t.same(at(15), [200, 45, 100]);
  t.same(at(99), [300, 50, 150]);
  t.equal(readingAt([], 1), undefined);
  t.end();
});

t.test('measured and simulated begin after the same request', async (t) => {
  // Four viewings of one segment each, of one title: one miss, then hits. The first request is the warm-up.
  const played = [0, 100, 200, 300].map((atSeconds) => {
    const range = { durationSeconds: 4, startSeconds: 0, seconds: 4 };
    return { title: '/a,b', atSeconds, ...range, bytes: 1000, startupMs: 5 };
  });
  const readings = [0, 100, 102, 200, 300, 304].map((at, i) =>
    reading(at, [0, 1000, 1500, 2000, 3000, 4000][i]!, at > 0 ? 1000 : 0),
  );
  t.match(await compare(played, readings), { measured: 1, predicted: 1, held: 0.5, heldBefore: false });
  t.match(await compare(played.slice(0, 1), readings.slice(0, 2)), { predicted: 0 });
  t.equal(await compare([], readings), undefined);
  t.equal(await compare(played, []), undefined);
});
