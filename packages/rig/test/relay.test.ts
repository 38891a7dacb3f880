import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import type { Test } from 'tap';
import { checkSynthetic, DelayRelay, playOnce, RigOrigin, RigViewer, syntheticTitle } from '../src/index.js';
import type { RelayOptions } from '../src/index.js';
import { HeadScanner } from '../src/relay/head-scanner.js';

const TIMEOUT = { timeoutMs: 20_000 };
const TITLE = syntheticTitle({ seconds: 4 });
const ONE_WAY_MS = 40;
/** Timers and sockets may be late, never early; the clock's grain aside. */
const GRAIN_MS = 1.5;

async function linked(t: Test, speed: number, options: Partial<RelayOptions> = {}) {
  const origin = await RigOrigin.start({ titles: { '/film': TITLE }, faults: { speed } });
  t.teardown(async () => await origin.close());
  const target = { targetHost: '127.0.0.1', targetPort: origin.port };
  const relay = await DelayRelay.start({ ...target, oneWayMs: ONE_WAY_MS, ...options });
  t.teardown(async () => await relay.close());
  return { origin, relay };
}

async function viewerThrough(
  t: Test,
  relay: DelayRelay,
  transport: 'tcp' | 'udp' = 'tcp',
): Promise<RigViewer> {
  const viewer = await RigViewer.open({ url: relay.url('/film'), transport, timeoutMs: 20_000 });
  t.teardown(async () => await viewer.close());
  return viewer;
}

t.test('every round trip takes the delay twice, connecting too, and media arrives whole', async (t) => {
  const { origin, relay } = await linked(t, 8);
  const direct = await playOnce({ url: origin.url('/film'), transport: 'tcp', endTimeoutMs: 20_000 });
  for (const transport of ['tcp', 'udp'] as const) {
    const options = { url: relay.url('/film'), transport, endTimeoutMs: 20_000, check: checkSynthetic() };
    const viewer = await playOnce(options);
    const { connectStartMs, playReplyMs, playSentMs, firstRtpMs } = viewer.times;
    t.ok(playReplyMs! - playSentMs! >= 2 * ONE_WAY_MS - GRAIN_MS);
    t.ok(
      playReplyMs! - connectStartMs >= 6 * 2 * ONE_WAY_MS - GRAIN_MS,
      'connect, OPTIONS, DESCRIBE, SETUP, SETUP, PLAY',
    );
    t.ok(firstRtpMs! >= playSentMs! + 2 * ONE_WAY_MS - GRAIN_MS, 'RTP has the same way to go');
    t.equal(viewer.continuity().sequenceGaps, 0);
    for (const stream of [0, 1])
      t.same(viewer.frames(stream), direct.frames(stream), `${transport} ${stream}`);
    t.equal(
      viewer.recordings.reduce((sum, recording) => sum + recording.wrongPayloads, 0),
      0,
    );
  }
  t.equal(relay.counters.datagramsToViewer, TITLE.packets.count + 4, 'media, and two reports of each stream');
  t.ok(relay.counters.bytesToViewer > 0 && relay.counters.bytesToOrigin > 0);
});

t.test('receiver reports find their way back through the relay', async (t) => {
  const { origin, relay } = await linked(t, 1, { oneWayMs: 5 });
  const viewer = await viewerThrough(t, relay, 'udp');
  await viewer.play();
  await viewer.received(20, TIMEOUT);
  viewer.sendReports();
  await viewer.until(() => origin.counters.receiverReports >= 2, { ...TIMEOUT, what: 'reports' });
  t.equal(relay.counters.datagramsToOrigin, 2);
});

t.test('datagrams are lost as asked', async (t) => {
  const { relay } = await linked(t, 8, { oneWayMs: 1, loseEvery: 10 });
  const viewer = await viewerThrough(t, relay, 'udp');
  await viewer.play();
  await viewer.until(() => relay.counters.datagramsLost >= 30, { ...TIMEOUT, what: 'losses' });
  await viewer.received(300, TIMEOUT);
  t.ok(viewer.continuity().sequenceGaps >= 25);
});

t.test('a cut ends connections at once, and new ones work', async (t) => {
  const { relay, origin } = await linked(t, 1, { oneWayMs: 1 });
  const viewer = await viewerThrough(t, relay);
  await viewer.play();
  await viewer.received(10, TIMEOUT);
  relay.cut();
  await t.rejects(viewer.ended(TIMEOUT), { code: 'closed' });
  const again = await viewerThrough(t, relay);
  t.equal(origin.counters.openSessions, 1, 'the origin heard of it too');
  await again.play();
  await again.received(10, TIMEOUT);
});

t.test('in a black hole everything waits; healed, TCP delivers all of it', async (t) => {
  const { relay, origin } = await linked(t, 4, { oneWayMs: 1 });
  const viewer = await viewerThrough(t, relay);
  await viewer.play();
  await viewer.received(50, TIMEOUT);
  relay.blackhole();
  const before = viewer.recordings.reduce((sum, recording) => sum + recording.packets, 0);
  await t.rejects(viewer.received(before + 1, { timeoutMs: 150 }), { code: 'timeout' });
  t.equal(viewer.isClosed, false);
  t.ok(origin.counters.packets > before, 'the origin goes on');
  relay.heal();
  await viewer.ended(TIMEOUT);
  t.match(viewer.continuity(), { sequenceGaps: 0, timestampGaps: 0 });
});

t.test('bytes that are no RTSP pass as they are, in both directions, and ends are passed on', async (t) => {
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('bye'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const target = { targetHost: '127.0.0.1', targetPort: (server.address() as AddressInfo).port };
  const relay = await DelayRelay.start({ ...target, oneWayMs: 2 });
  t.teardown(async () => await relay.close());
  const socket = connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true });
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3));
  socket.write(noise);
  socket.end();
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  t.ok(Buffer.concat(chunks).equals(Buffer.concat([noise, Buffer.from('bye')])));
});

t.test('heads are found wherever the stream is cut', async (t) => {
  const frame = Buffer.concat([Buffer.from([0x24, 0, 0, 5]), Buffer.from('\r\n\r\nx')]);
  const head = Buffer.from('RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 6\r\n\r\n');
  const stream = Buffer.concat([
    frame,
    head,
    Buffer.from('v=0\r\n\r'),
    frame,
    Buffer.from('PLAY x RTSP/1.0\r\n\r\n'),
    frame,
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const scanner = new HeadScanner();
    const heads: string[] = [];
    const all: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const { kind, bytes } of scanner.push(stream.subarray(at, at + size))) {
        if (kind === 'head') heads.push(bytes.toString());
        all.push(Buffer.from(bytes));
      }
    }
    if (!Buffer.concat(all).equals(stream)) t.fail(`cut every ${size} bytes, the stream changed`);
    if (heads.join('|') !== `${head.toString()}|PLAY x RTSP/1.0\r\n\r\n`)
      t.fail(`cut every ${size} bytes: ${heads.join('|')}`);
  }
  t.pass('never more, never less');
});
