import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { listCache } from '@forebay/cache';
import { RigOrigin, syntheticTitle, type OriginFaults } from '@forebay/rig';
import t, { type Test } from 'tap';
import { barOf, openBars } from '../src/warm/bars.js';
import { readLines } from '../src/warm/lines.js';
import { BIN, forebay, running } from './spawned.js';

t.setTimeout(120_000);
t.jobs = 4;

interface Stand {
  readonly origin: RigOrigin;
  readonly originUrl: string;
  readonly directory: string;
}

/** An origin with a title of 12 s, and a place for the cache. */
async function stand(t: Test, faults: OriginFaults = { rateControl: true }): Promise<Stand> {
  const title = syntheticTitle({ seconds: 12, videoKbps: 300 });
  const origin = await RigOrigin.start({ titles: { '/film': title, '/other': title }, faults });
  const directory = await mkdtemp(join(tmpdir(), 'forebay-warm-'));
  t.teardown(async () => {
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { origin, originUrl: `rtsp://127.0.0.1:${origin.port}/`, directory };
}

interface Result {
  readonly titles: readonly { url: string; state: string; storedSeconds: number; reason?: string }[];
}

t.test('without a proxy the cache directory itself is filled', { buffered: true }, async (t) => {
  const { origin, originUrl, directory } = await stand(t);
  const flags = ['--origin', originUrl, '--cache-dir', directory, '--json'];
  // Nobody listens at the admin address of the configuration that --origin stands for, or it is a proxy of somebody else.
  const { code, out, err } = await forebay(['warm', 'rtsp://proxy/film', ...flags, '--prefix', '6s']);
  t.equal(code, 0, err);
  t.match((JSON.parse(out) as Result).titles, [{ state: 'done', storedSeconds: 6 }]);
  t.equal(origin.counters.openSessions, 0);
  const again = await forebay(['warm', `${originUrl}film`, `${originUrl}other`, ...flags, '--all']);
  t.equal(again.code, 0, again.err);
  const { titles } = await listCache(directory);
  t.same(
    titles.map(({ segments }) => segments.at(-1)?.last),
    [true, true],
  );
});

t.test('a proxy that runs is asked, and only for what it routes', { buffered: true }, async (t) => {
  const { origin, originUrl, directory } = await stand(t);
  const listening = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--cache-dir', directory];
  const serve = running(t, ['serve', '--origin', originUrl, ...listening]);
  const { admin } = await serve.logged('forebay serves');
  const flags = ['--admin', String(admin)];
  const some = await forebay(['warm', 'rtsp://proxy/film', 'rtsp://proxy/none', '--all', ...flags]);
  t.equal(some.code, 1);
  t.match(some.err, /^\[#{24}\] rtsp:\/\/proxy\/film {2}12 s of 12 s, .*, in .* s$/m);
  t.match(some.err, /^\[\?{24}\] rtsp:\/\/proxy\/none {2}.*failed: the origin has no such presentation/m);
  t.match(some.err, /^1 title of 2 not warmed$/m);
  const url = `http://${String(admin)}/api/v1/warm`;
  const post = async (body: string, type = 'application/json'): Promise<number> =>
    (await fetch(url, { method: 'POST', headers: { 'content-type': type }, body })).status;
  t.equal(await post('{"url":"rtsp://x/film"}', 'text/plain'), 415, 'no form of a web page');
  t.equal(await post('{'), 400);
  t.equal(await post('{"url":"http://x/film"}'), 400);
  t.equal(await post('{"url":"rtsp://x/film","prefixSeconds":-1}'), 400);
  t.equal(await post('{"url":"rtsp://x/film","more":1}'), 400);
  t.equal(await post(`"${'x'.repeat(70_000)}"`), 413);
  t.equal((await fetch(url, { method: 'PUT', body: '{}' })).status, 405);
  const locked = await forebay(['warm', 'rtsp://x/film', '--origin', originUrl, '--cache-dir', directory]);
  t.match(locked.err, /another process uses the cache directory/);
  t.equal(origin.counters.openSessions, 0);
});

t.test('whoever closes the connection ends what it asked for', { buffered: true }, async (t) => {
  const { origin, originUrl, directory } = await stand(t, {});
  const listening = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--cache-dir', directory];
  const serve = running(t, ['serve', '--origin', originUrl, ...listening]);
  const { admin } = await serve.logged('forebay serves');
  const stop = new AbortController();
  const answer = await fetch(`http://${String(admin)}/api/v1/warm`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"url":"rtsp://x/film"}',
    signal: stop.signal,
  });
  t.equal(answer.headers.get('content-type'), 'application/x-ndjson');
  for await (const line of readLines(answer.body!)) {
    t.match(JSON.parse(line), { state: 'running', wishedSeconds: 12 });
    if (origin.counters.packets > 50) break;
  }
  stop.abort();
  while (origin.counters.openSessions > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.pass('the session is given back, long before the title ends');
  t.ok(origin.counters.packets < 900);
});

t.test('SIGINT ends it, and leaves no session', { buffered: true }, async (t) => {
  const { origin, originUrl, directory } = await stand(t, {});
  const args = ['warm', 'rtsp://x/film', '--all', '--origin', originUrl, '--cache-dir', directory];
  const child = spawn(process.execPath, [BIN, ...args], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const err = text(child.stderr);
  while (origin.counters.packets < 100) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  await once(child, 'close');
  t.equal(child.exitCode, 1);
  t.match(await err, /failed: ended by SIGINT/);
  t.equal(origin.counters.openSessions, 0);
});

t.test('wrong flags are refused in one line', { buffered: true }, async (t) => {
  for (const [args, complaint] of [
    [['film'], /^forebay: URL: 'film' is no RTSP URL\n$/],
    [['rtsp://x/y', '--all', '--prefix', '3s'], /^forebay: --all: give either/],
    [['rtsp://x/y', '--prefix', 'long'], /^forebay: --prefix: 'long' is not a time/],
    [['rtsp://x/y', '--prefix', '0'], /^forebay: --prefix: /],
    [['rtsp://x/y', '--admin', 'x'], /^forebay: --admin: /],
  ] as const) {
    const { code, err } = await forebay(['warm', ...args]);
    t.equal(code, 2, args.join(' '));
    t.match(err, complaint);
  }
  const nobody = await forebay(['warm', 'rtsp://x/y', '--admin', '127.0.0.1:1']);
  t.equal(nobody.code, 1);
  t.match(nobody.err, /^forebay: no proxy answers at http:\/\/127\.0\.0\.1:1; give its --admin, or .*\n$/);
});

t.test('bars on a terminal are written over, those of others stay', (t) => {
  let screen = '';
  const bars = openBars((part) => (screen += part), true);
  bars.show('a', 'a 1');
  bars.show('b', 'b 1');
  bars.finish('a', 'a done');
  t.equal(screen, '\u001b[Ja 1\n\u001b[1A\u001b[Ja 1\nb 1\n\u001b[2A\u001b[Ja done\nb 1\n');
  let log = '';
  const plain = openBars((part) => (log += part), false);
  plain.show('a', 'a 1');
  plain.finish('a', 'a done');
  t.equal(log, 'a done\n');
  t.equal(barOf(0.5), `[${'#'.repeat(12)}${'-'.repeat(12)}]`);
  t.equal(barOf(7), `[${'#'.repeat(24)}]`);
  t.end();
});

t.test('lines come whole, whatever the chunks', async (t) => {
  async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
    for (const part of parts) yield Buffer.from(part);
  }
  const lines: string[] = [];
  for await (const line of readLines(chunks('{"a', '":1}\n{"b":2}\n\n', '{"c":3}\n'))) lines.push(line);
  t.same(lines, ['{"a":1}', '{"b":2}', '{"c":3}']);
  await t.rejects(async () => {
    for await (const line of readLines(chunks('x'.repeat(70_000)))) t.fail(line);
  }, RangeError);
});
