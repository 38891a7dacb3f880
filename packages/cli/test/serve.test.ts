import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkSynthetic,
  playOnce,
  RigOrigin,
  RigViewer,
  syntheticTitle,
  type OriginAccess,
} from '@forebay/rig';
import t, { type Test } from 'tap';
import { forebay, running, type LogLine, type Running } from './spawned.js';

const SECONDS = 3;
const END_TIMEOUT_MS = 30_000;
const CREDENTIALS = { username: 'operator', password: 'swordfish-7' };

/** An origin with a short film that checks itself, behind a login if one is given. */
async function startOrigin(test: Test, access?: OriginAccess): Promise<RigOrigin> {
  const title = syntheticTitle({ seconds: SECONDS, videoKbps: 300 });
  const faults = access === undefined ? {} : { access };
  const origin = await RigOrigin.start({ titles: { '/vod/film': title, '/vod/other': title }, faults });
  test.teardown(() => origin.close());
  return origin;
}

function serve(test: Test, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return running(test, ['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', ...args], env);
}

/** Plays to the end and checks every byte. */
async function play(url: string): Promise<RigViewer> {
  return await playOnce({ url, transport: 'tcp', check: checkSynthetic(), endTimeoutMs: END_TIMEOUT_MS });
}

async function ready(line: LogLine): Promise<unknown> {
  return await (await fetch(`http://${String(line['admin'])}/readyz`)).json();
}

t.test('played twice, the second time comes from the cache, and ls shows the title', async (t) => {
  const origin = await startOrigin(t);
  const cache = join(t.testdir(), 'cache');
  const serving = serve(t, ['--origin', origin.url('/vod'), '--cache-dir', cache]);
  const { rtsp, admin } = await serving.logged('forebay serves');
  const url = `rtsp://${String(rtsp)}/film`;
  const first = await play(url);
  const costBytes = origin.counters.mediaBytes;
  const second = await play(url);
  t.equal(origin.counters.mediaBytes, costBytes, 'the origin sent nothing the second time');
  t.ok(costBytes > 0);
  for (const stream of [0, 1]) {
    t.same(second.frames(stream), first.frames(stream), `frames of stream ${stream}`);
    t.equal(second.recording(stream).wrongPayloads, 0);
  }
  const ends = serving.lines.filter((line) => line['msg'] === 'viewer session ended');
  t.match(ends, [
    { origin: '127.0.0.1:' + origin.port, title: '/film', transport: 'tcp' },
    { bytes: { flight: 0 } },
  ]);
  const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
  t.match(metrics, /^forebay_requests_total\{method="PLAY",status="200"\} 2$/m);
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
  const { titles } = JSON.parse((await forebay(['ls', '--json', '--cache-dir', cache])).out) as {
    titles: object[];
  };
  t.match(titles, [{ key: origin.url('/vod/film'), durationSeconds: SECONDS, newest: true, stretches: 1 }]);
});

t.test('SIGTERM lets a viewer see the end, takes no new ones, and says so', async (t) => {
  const origin = await startOrigin(t);
  const serving = serve(t, ['--origin', origin.url('/vod'), '--cache-size', '0']);
  const line = await serving.logged('forebay serves');
  const url = `rtsp://${String(line['rtsp'])}/film`;
  const viewer = await RigViewer.open({ url, transport: 'tcp' });
  t.teardown(() => viewer.close());
  await viewer.play();
  t.same(await ready(line), { ready: true, reasons: [] });
  serving.child.kill('SIGTERM');
  await serving.logged('draining');
  t.same(await ready(line), { ready: false, reasons: ['draining'] });
  await t.rejects(RigViewer.connect({ url, transport: 'tcp' }), 'nobody new');
  await viewer.ended({ timeoutMs: END_TIMEOUT_MS });
  await viewer.teardown();
  t.equal(await serving.ended(), 0);
});

t.test('--udp-path chooses how datagrams leave', async (t) => {
  const serving = serve(t, ['--origin', 'rtsp://127.0.0.1:1/', '--cache-size', '0', '--udp-path', 'dgram']);
  const { admin } = await serving.logged('forebay serves');
  t.match(await serving.logged('path of UDP media is chosen'), { path: 'dgram', reason: 'asked for' });
  const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
  t.match(metrics, /^forebay_udp_path\{path="dgram"\} 1$/m);
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
});

t.test('a second signal does not wait', async (t) => {
  const origin = await startOrigin(t);
  const serving = serve(t, ['--origin', origin.url('/vod'), '--cache-size', '0']);
  const { rtsp } = await serving.logged('forebay serves');
  const viewer = await RigViewer.open({ url: `rtsp://${String(rtsp)}/film`, transport: 'tcp' });
  t.teardown(() => viewer.close());
  await viewer.play();
  serving.child.kill('SIGTERM');
  await serving.logged('draining');
  serving.child.kill('SIGINT');
  t.equal(await serving.ended(), 130);
});

t.test('a route with credentials: used, never shown', async (t) => {
  const origin = await startOrigin(t, { scheme: 'digest', algorithm: 'SHA-256', qop: true, ...CREDENTIALS });
  const directory = t.testdir();
  const config = join(directory, 'forebay.yaml');
  const secret = join(directory, 'secret');
  writeFileSync(secret, `${CREDENTIALS.username}:${CREDENTIALS.password}\n`);
  writeFileSync(
    config,
    `cache: { dir: '${join(directory, 'cache')}' }
log: { level: debug }
routes:
  - path: /cinema
    origin: ${origin.url('/vod')}
    name: cinema
    credentials: { file: '${secret}' }
  - path: /locked
    origin: ${origin.url('/vod')}
    name: locked
`,
  );
  const serving = serve(t, ['--config', config]);
  const { rtsp, admin } = await serving.logged('forebay serves');
  const viewer = await play(`rtsp://${String(rtsp)}/cinema/film`);
  for (const stream of [0, 1]) t.equal(viewer.recording(stream).wrongPayloads, 0);
  await t.rejects(
    play(`rtsp://${String(rtsp)}/locked/other`),
    { code: 'status', status: 502 },
    'that route has none',
  );
  await t.rejects(play(`rtsp://${String(rtsp)}/elsewhere/film`), { code: 'status', status: 404 }, 'no route');
  const missed = serving.lines.filter((line) => line['msg'] === 'viewer did not get what it asked for');
  t.match(missed, [
    {
      level: 'warn',
      code: 'unauthorized',
      status: 502,
      method: 'DESCRIBE',
      origin: 'locked',
      title: '/locked/other',
    },
    { level: 'warn', code: 'no-route', status: 404, title: '/elsewhere/film' },
  ]);
  const metrics = await (await fetch(`http://${String(admin)}/metrics`)).text();
  t.match(metrics, /forebay_origin_faults_total\{origin="locked",reason="unauthorized"\} \d/);
  serving.child.kill('SIGTERM');
  t.equal(await serving.ended(), 0);
  const shown = [
    metrics,
    JSON.stringify(serving.lines),
    (await forebay(['ls', '--json', '--config', config])).out,
  ];
  for (const text of shown) t.notMatch(text, CREDENTIALS.password);
});
