import { createConnection, type Socket } from 'node:net';
import type { RigViewer } from '@forebay/rig';
import t, { type Test } from 'tap';
import { assertSound, directFrames, film, sameFrames, scene, type Scene } from './scene.js';

t.jobs = 6;
t.setTimeout(180_000);

/** Resolves when `check` holds; looks again a hundred times a second. */
async function until(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const pidsOf = (s: Scene): readonly number[] => s.proxy.workerPids ?? [];

/** What answers say, line by line, on a connection from `localAddress`. */
async function dialogue(
  t: Test,
  s: Scene,
  localAddress: string,
): Promise<(request: string) => Promise<string>> {
  const { hostname, port } = new URL(s.url().replace('rtsp:', 'http:'));
  const socket = createConnection({ host: hostname, port: Number(port), localAddress });
  t.teardown(() => socket.destroy());
  let cseq = 0;
  return async (request) => {
    const [line, ...headers] = request.split('\n');
    socket.write([`${line} RTSP/1.0`, `CSeq: ${++cseq}`, ...headers, '', ''].join('\r\n'));
    return answerOn(socket);
  };
}

function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      done();
    };
    const done = (): void => {
      socket.off('data', read).off('close', done).off('error', done);
      resolve(text);
    };
    socket.on('data', read).on('close', done).on('error', done);
  });
}

t.test(
  'a worker that is killed takes its own viewers with it and nobody else',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(10), workers: 2 });
    const direct = await directFrames(s.origin);
    const pids = pidsOf(s);
    t.equal(pids.length, 2);
    const viewers = [
      await s.viewer('tcp'),
      await s.viewer('tcp'),
      await s.viewer('udp'),
      await s.viewer('udp'),
    ];
    for (const viewer of viewers) await viewer.play({ range: 'npt=0-' });
    await Promise.all(viewers.map((viewer) => viewer.received(60, { timeoutMs: 60_000 })));
    t.equal(await s.metric('forebay_viewer_sessions', { state: 'playing' }), 4);
    const requests = await s.metric('forebay_requests_total');
    // Counters of a dead worker are as its last sign of life told them.
    await until(async () => (await s.metric('forebay_worker_cpu_seconds_total')) > 0, 'a sign of life');
    process.kill(pids[0]!, 'SIGKILL');
    await until(() => viewers.filter((viewer) => viewer.isClosed).length === 2, 'the end of half of them');
    const alive = viewers.filter((viewer) => !viewer.isClosed);
    await Promise.all(alive.map((viewer) => viewer.ended({ timeoutMs: 60_000 })));
    for (const viewer of alive) {
      sameFrames(t, viewer, direct, 'one that was elsewhere');
      assertSound(t, viewer, 'one that was elsewhere');
    }
    await until(() => pidsOf(s).length === 2 && !pidsOf(s).includes(pids[0]!), 'a new worker');
    t.equal(await s.metric('forebay_worker_restarts_total', { reason: 'signal' }), 1);
    t.equal(await s.metric('forebay_workers'), 2);
    t.ok((await s.metric('forebay_requests_total')) >= requests, 'counters do not go back');
    t.equal(await s.metric('forebay_origin_sessions'), 0, 'nothing is held for those who are gone');
    const again = [await s.viewer(), await s.viewer()];
    for (const viewer of again) await viewer.play({ range: 'npt=0-' });
    await Promise.all(again.map((viewer) => viewer.ended({ timeoutMs: 60_000 })));
    for (const viewer of again) sameFrames(t, viewer, direct, 'one that comes later');
    t.equal(s.origin.counters.plays, 2, 'directly, and once for everybody');
  },
);

t.test('viewers in different workers ride one flight, live', { buffered: true }, async (t) => {
  const s = await scene(t, { titles: { '/film': { title: film(30), live: true } }, workers: 2 });
  const viewers = [
    await s.viewer('tcp'),
    await s.viewer('udp'),
    await s.viewer('tcp'),
    await s.viewer('udp'),
  ];
  for (const viewer of viewers) await viewer.play();
  await Promise.all(viewers.map((viewer) => viewer.received(300, { timeoutMs: 60_000 })));
  t.equal(s.origin.counters.plays, 1);
  for (const viewer of viewers) assertSound(t, viewer, 'live');
});

t.test(
  'an address is with one worker: limits hold, and sessions are found again',
  { buffered: true },
  async (t) => {
    const s = await scene(t, {
      title: film(20),
      workers: 2,
      proxy: { viewerLimits: { connectionsPerAddress: 2 } },
    });
    const url = s.url();
    const first = await dialogue(t, s, '127.0.0.77');
    t.match(await first(`DESCRIBE ${url}`), /^RTSP\/1.0 200/);
    const transport = 'Transport: RTP/AVP;unicast;client_port=45678-45679';
    const setup = await first(`SETUP ${url}/trackID=0\n${transport}`);
    const session = /^Session: (\w+)/im.exec(setup)?.[1] ?? '';
    t.match(setup, /^RTSP\/1.0 200/);
    const second = await dialogue(t, s, '127.0.0.77');
    t.match(await second(`OPTIONS ${url}\nSession: ${session}`), /^RTSP\/1.0 200/, 'from another connection');
    const third = await dialogue(t, s, '127.0.0.77');
    t.equal(await third(`OPTIONS ${url}`), '', 'one connection too many');
    const other = await dialogue(t, s, '127.0.0.78');
    t.match(await other(`OPTIONS ${url}\nSession: ${session}`), /^RTSP\/1.0 454/, 'from another address');
    t.match(await second(`TEARDOWN ${url}\nSession: ${session}`), /^RTSP\/1.0 200/);
  },
);

for (const ramBytes of [0, 300_000]) {
  t.test(`with ${ramBytes} bytes of memory for segments`, { buffered: true }, async (t) => {
    const s = await scene(t, { title: film(9), workers: 2, proxy: { ramBytes }, faults: { speed: 6 } });
    const direct = await directFrames(s.origin);
    const cold = await s.viewer();
    await cold.play({ range: 'npt=0-' });
    await cold.ended({ timeoutMs: 60_000 });
    sameFrames(t, cold, direct, 'cold');
    await s.restart();
    const warm: RigViewer[] = [await s.viewer('tcp'), await s.viewer('udp')];
    for (const viewer of warm) await viewer.play({ range: 'npt=0-' });
    await Promise.all(warm.map((viewer) => viewer.ended({ timeoutMs: 60_000 })));
    for (const viewer of warm) {
      sameFrames(t, viewer, direct, 'warm');
      assertSound(t, viewer, 'warm');
    }
    const held = await s.metric('forebay_cache_bytes', { tier: 'ram' });
    t.ok(held <= ramBytes, `${held} bytes are held`);
    t.ok((await s.metric('forebay_viewer_bytes_total', { source: 'disk' })) > 0);
  });
}

t.test(
  'draining lets viewers of all workers see the end, and closes the port',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(5), workers: 2 });
    const direct = await directFrames(s.origin);
    const viewers = [await s.viewer(), await s.viewer()];
    for (const viewer of viewers) await viewer.play({ range: 'npt=0-' });
    const drained = s.proxy.drain(60_000);
    await t.rejects(s.viewer(), 'nobody new');
    await Promise.all(viewers.map((viewer) => viewer.ended({ timeoutMs: 60_000 })));
    for (const viewer of viewers) sameFrames(t, viewer, direct);
    await Promise.all(viewers.map((viewer) => viewer.teardown()));
    await drained;
    t.same(s.proxy.workerPids, []);
  },
);

t.test('a title that nobody can have is refused as by one process', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(5), workers: 2 });
  const ask = await dialogue(t, s, '127.0.0.90');
  t.match(await ask(`DESCRIBE ${s.url('/none')}`), /^RTSP\/1.0 404/);
  await s.origin.close();
  t.match(await ask(`DESCRIBE ${s.url('/other')}`), /^RTSP\/1.0 502/);
});
