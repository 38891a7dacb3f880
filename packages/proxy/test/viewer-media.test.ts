import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { formatReceiverReport, formatSenderReport, parseCompound, unixFromNtp } from '@forebay/rtp';
import type { RtcpPacket } from '@forebay/rtp';
import { parseTransport } from '@forebay/rtsp';
import {
  fakeRun,
  FIRST_TIMESTAMP,
  rig,
  sessionOf,
  setUpBoth,
  TCP,
  type FakePacket,
  type Rig,
  type TestViewer,
} from './viewer-rig.js';

async function withRig(options: Parameters<typeof rig>[0], work: (r: Rig) => Promise<void>): Promise<void> {
  const r = await rig(options);
  try {
    await work(r);
  } finally {
    await r.close();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await turn();
}

const compound = (bytes: Buffer): RtcpPacket[] => parseCompound(bytes, 0, bytes.length);

function senderReport(bytes: Buffer | undefined): Extract<RtcpPacket, { type: 'sr' }> {
  const [first] = compound(bytes ?? Buffer.alloc(0));
  if (first?.type !== 'sr') throw new Error('no sender report');
  return first;
}

async function play(viewer: TestViewer, url: string): Promise<string> {
  const Session = await setUpBoth(viewer, url);
  await viewer.request('PLAY', url, { Session });
  return Session;
}

t.test('the answer to PLAY comes before the first packet, and packets carry what it announced', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    library.onStart = [
      { stream: 0, ticks: 0 },
      { stream: 1, ticks: 0 },
      { stream: 0, ticks: 3600, lost: 3 },
    ];
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    await viewer.until(() => viewer.frames(0).length === 2 && viewer.frames(3).length === 1);
    const order = viewer.received.map((each) => (each.kind === 'response' ? each.response.status : each.channel));
    t.same(order, [200, 200, 200, 0, 2, 0, 1, 3], 'answers, then the batch, then a sender report a stream');
    const { timeline } = library.reader;
    const [first, second] = viewer.frames(0);
    t.equal(first?.readUInt16BE(2), 65530);
    t.equal(first?.readUInt32BE(4), FIRST_TIMESTAMP);
    t.equal(first?.readUInt32BE(8), timeline.ssrc(0));
    t.equal(second?.readUInt16BE(2), 65534, 'three were lost at the origin: the viewer sees the hole');
    t.equal(second?.readUInt32BE(4), 3600 - 256, 'the timestamp wraps');
    t.equal(viewer.frames(2)[0]?.readUInt32BE(8), timeline.ssrc(1));
    t.ok(second?.subarray(12).every((byte) => byte === 2), 'the payload is untouched');
  });
});

t.test('packets of streams that were not set up are left out, and channels are the viewer’s', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    const setup = await viewer.request('SETUP', url('/vod/a/trackID=1'), {
      Transport: 'RTP/AVP/TCP;unicast;interleaved=200-201',
    });
    await viewer.request('PLAY', url('/vod/a'), { Session: sessionOf(setup) });
    const packets: FakePacket[] = [{ stream: 0 }, { stream: 1, bytes: 7 }, { stream: 0 }, { stream: 1, bytes: 9 }, { stream: 0 }];
    t.equal(library.reader.emit(packets), 16 + 7 + 16 + 9);
    t.equal(library.reader.emit([{ stream: 0 }]), 0);
    await viewer.until(() => viewer.frames(200).length === 2);
    t.same(
      viewer.frames(200).map((frame) => [frame.readUInt16BE(2), frame.length, frame[12]]),
      [
        [65530, 19, 1],
        [65531, 21, 3],
      ],
    );
    const run = fakeRun(packets);
    library.reader.options.sink.send(run, 1, 2, library.reader.timeline);
    library.reader.options.sink.send(run, 2, 2, library.reader.timeline);
    await viewer.until(() => viewer.frames(200).length === 3);
    t.equal(viewer.frames(200)[2]?.length, 19, 'a part of a run');
    t.same(run, fakeRun(packets), 'the run belongs to everybody and is not written to');
  });
});

t.test('a packet of the largest size passes', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    library.reader.emit([{ stream: 0, bytes: 65535 - 12 }, { stream: 1 }]);
    await viewer.until(() => viewer.frames(2).length === 1);
    t.equal(viewer.frames(0)[0]?.length, 65535);
  });
});

t.test('sender reports tie the streams to one clock, at PLAY and every five seconds', async (t) => {
  await withRig({}, async ({ connect, url, library, clock }) => {
    const viewer = await connect();
    const Session = await play(viewer, url('/vod/a'));
    await viewer.until(() => viewer.frames(3).length === 1);
    library.reader.emit([{ stream: 0, bytes: 1000 }, { stream: 0, bytes: 200 }, { stream: 1, bytes: 50 }]);
    clock.advance(4000);
    clock.advance(1000);
    await viewer.until(() => viewer.frames(1).length === 2 && viewer.frames(3).length === 2);
    const video = senderReport(viewer.frames(1)[1]);
    const audio = senderReport(viewer.frames(3)[1]);
    t.match(video, { ssrc: library.reader.timeline.ssrc(0), packetCount: 2, octetCount: 1200 });
    t.match(audio, { packetCount: 1, octetCount: 50 });
    const videoMs = (((video.rtpTimestamp - FIRST_TIMESTAMP) >>> 0) * 1000) / 90_000;
    const audioMs = (((audio.rtpTimestamp - FIRST_TIMESTAMP) >>> 0) * 1000) / 48_000;
    t.ok(Math.abs(videoMs - 5000) < 1 && Math.abs(audioMs - 5000) < 1, `${videoMs} and ${audioMs} ms after the start`);
    const wallMs = unixFromNtp(video.ntpSeconds, video.ntpFraction);
    t.ok(Math.abs(wallMs - clock.unixMs()) < 1, 'wall clock time');
    const first = senderReport(viewer.frames(1)[0]);
    t.ok(Math.abs(wallMs - unixFromNtp(first.ntpSeconds, first.ntpFraction) - 5000) < 1);
    const names = [1, 3].map((channel) => compound(viewer.frames(channel)[0]!)[1]);
    t.equal(names[0]?.type, 'sdes');
    const cnames = names.map((name) => (name?.type === 'sdes' ? name.chunks[0]?.cname : undefined));
    t.ok(cnames[0] !== undefined && cnames[0] === cnames[1], 'one CNAME for both');
    await viewer.request('PAUSE', url('/vod/a'), { Session });
    clock.advance(20_000);
    await viewer.request('OPTIONS', '*');
    t.equal(viewer.frames(1).length, 2, 'none while paused');
  });
});

t.test('octets are counted without headers and padding', async (t) => {
  await withRig({}, async ({ connect, url, library, clock }) => {
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    const run = fakeRun([{ stream: 0, bytes: 100 }]);
    // Padding of 10 bytes, one contributing source, an extension of two words.
    run.bytes[4] = 0x80 | 0x20 | 0x10 | 1;
    run.bytes.writeUInt16BE(2, 4 + 12 + 4 + 2);
    run.bytes[run.bytes.length - 1] = 10;
    library.reader.options.sink.send(run, 0, 1, library.reader.timeline);
    clock.advance(6000);
    await viewer.until(() => viewer.frames(1).length === 2);
    t.equal(senderReport(viewer.frames(1)[1]).octetCount, 100 - 4 - 12 - 10);
  });
});

t.test('the end is said on every stream, and playing again works', async (t) => {
  await withRig({}, async ({ connect, url, library, lines, server }) => {
    const viewer = await connect();
    const Session = await play(viewer, url('/vod/a'));
    library.reader.emit([{ stream: 0 }, { stream: 1 }]);
    library.reader.options.sink.ended('end');
    library.reader.options.sink.ended('end');
    await viewer.until(() => viewer.frames(3).length === 2);
    for (const channel of [1, 3]) {
      const packets = compound(viewer.frames(channel)[1]!);
      t.same(
        packets.map((packet) => packet.type),
        ['sr', 'sdes', 'bye'],
      );
      t.match(packets[2], { ssrcs: [library.reader.timeline.ssrc((channel - 1) / 2)] });
    }
    t.equal((await viewer.request('GET_PARAMETER', url('/vod/a'), { Session })).status, 200, 'the session lives');
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=5-' })).status, 200);
    t.equal(library.reader.state, 'playing');
    t.equal(library.readers.length, 1);
    library.reader.options.sink.ended('failed');
    await viewer.until(() => viewer.frames(1).length === 4);
    t.ok(lines.some((line) => line.level === 'warn' && line.message === 'viewer session cannot go on'));
    t.equal(server.sessions, 1);
    t.equal((await viewer.request('TEARDOWN', url('/vod/a'), { Session })).status, 200);
  });
});

const frameOf = (channel: number, bytes: Buffer): Buffer => {
  const head = Buffer.from([0x24, channel, 0, 0]);
  head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
};

const report = (ssrc: number, o: { lost: number; jitterTicks: number }): Buffer =>
  formatReceiverReport({
    ssrc: 77,
    cname: 'player',
    reports: [
      {
        ssrc,
        fractionLost: 1,
        cumulativeLost: o.lost,
        highestSequence: 5,
        jitterTicks: o.jitterTicks,
        lastSr: 0,
        delaySinceLastSr: 0,
      },
    ],
  });

t.test('receiver reports are read into metrics, and never further', async (t) => {
  await withRig({}, async ({ connect, url, library, metrics, metric, server }) => {
    const viewer = await connect();
    const Session = await play(viewer, url('/vod/a'));
    const ssrc = library.reader.timeline.ssrc(0);
    viewer.socket.write(frameOf(1, report(ssrc, { lost: 5, jitterTicks: 900 })));
    viewer.socket.write(frameOf(1, report(ssrc, { lost: 7, jitterTicks: 0xffffffff })));
    viewer.socket.write(frameOf(1, report(ssrc, { lost: -3, jitterTicks: 900 })));
    viewer.socket.write(frameOf(1, report(ssrc + 1, { lost: 1000, jitterTicks: 900 })));
    viewer.socket.write(frameOf(1, Buffer.from('80c80001', 'hex')));
    const bye = formatSenderReport({
      ssrc,
      ntpSeconds: 0,
      ntpFraction: 0,
      rtpTimestamp: 0,
      packetCount: 0,
      octetCount: 0,
      cname: 'x',
      bye: true,
    });
    viewer.socket.write(frameOf(1, bye));
    t.equal((await viewer.request('OPTIONS', '*', { Session })).status, 200);
    t.equal(await metric('viewer_packets_lost_total', {}), 7);
    const jitter = (await metrics.viewerJitter.get()).values;
    t.equal(jitter.find((each) => each.metricName?.endsWith('_count'))?.value, 3);
    t.equal(jitter.find((each) => each.metricName?.endsWith('_sum'))?.value, 0.01 + 10 + 0.01, 'jitter is clamped');
    t.equal(await metric('rejects_total', { reason: 'bad-report' }), 1);
    t.equal(server.sessions, 1, 'a BYE of the viewer ends nothing');
    for (let i = 0; i < 60; i++) viewer.socket.write(frameOf(3, report(ssrc, { lost: 0, jitterTicks: 0 })));
    await viewer.request('OPTIONS', '*');
    t.ok((await metric('rejects_total', { reason: 'report-rate' })) >= 10, 'and a flood of them is not even read');
  });
});

t.test('frames that nobody awaits are dropped, and too many end the connection', async (t) => {
  await withRig({ limits: { strayFrames: 20 } }, async ({ connect, url, server, metric }) => {
    const early = await connect();
    const rtp = frameOf(0, Buffer.alloc(20));
    for (let i = 0; i < 10; i++) early.socket.write(rtp);
    t.equal((await early.request('OPTIONS', '*')).status, 200);
    early.socket.write(rtp);
    await early.closed();
    t.equal(await metric('rejects_total', { reason: 'early-frames' }), 1);

    const viewer = await connect();
    await setUpBoth(viewer, url('/vod/a'));
    for (let i = 0; i < 20; i++) viewer.socket.write(frameOf(i % 2 === 0 ? 0 : 200, Buffer.alloc(20)));
    t.equal((await viewer.request('OPTIONS', '*')).status, 200);
    viewer.socket.write(frameOf(1, Buffer.alloc(0)));
    await viewer.closed();
    await until(() => server.sessions === 0);
    t.equal(await metric('rejects_total', { reason: 'stray-frames' }), 1);
  });
});

t.test('a viewer that does not read is sent no more than fits, and is closed', async (t) => {
  await withRig({}, async ({ connect, url, library, clock, server, metric, lines }) => {
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    viewer.socket.pause();
    const { sink } = library.reader.options;
    const batch = Array.from({ length: 49 }, (_, i): FakePacket => ({ stream: i % 2, bytes: 1300 }));
    const before = process.memoryUsage().arrayBuffers;
    let sentBytes = 0;
    for (let idle = 0; idle < 50; ) {
      idle = sink.writable() ? 0 : idle + 1;
      if (sink.writable()) sentBytes += library.reader.emit(batch);
      await turn();
    }
    t.ok(sentBytes > 0 && sentBytes < 64 * 1024 * 1024, `the kernel took ${sentBytes} bytes`);
    t.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024, 'and nothing piles up here');
    for (let seconds = 0; seconds < 9; seconds++) clock.advance(1000);
    await turn();
    t.equal(server.sessions, 1);
    for (let seconds = 0; seconds < 3; seconds++) clock.advance(1000);
    await until(() => server.sessions === 0);
    t.equal(await metric('rejects_total', { reason: 'stalled' }), 1);
    t.match(lines.find((line) => line.message === 'viewer session ended')?.fields, { reason: 'stalled' });
    t.equal(library.reader.emit(batch), 0, 'a reader that comes late sends nothing');
  });
});

t.test('a viewer that reads slowly gets every byte', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    const { sink } = library.reader.options;
    const batch = Array.from({ length: 40 }, (): FakePacket => ({ stream: 0, bytes: 1400 }));
    const batches = 200;
    for (let sent = 0; sent < batches; ) {
      if (sent % 50 === 10) viewer.socket.pause();
      if (sink.writable()) {
        library.reader.emit(batch);
        sent++;
      } else viewer.socket.resume();
      await turn();
    }
    viewer.socket.resume();
    await viewer.until(() => viewer.frames(0).length === 40 * batches);
    const frames = viewer.frames(0);
    t.ok(frames.every((frame, i) => frame.readUInt16BE(2) === ((65530 + i) & 0xffff)));
    t.ok(frames.every((frame, i) => frame[12] === i % 40 && frame[frame.length - 1] === i % 40));
  });
});

/** Two UDP sockets of a player. */
class Ear {
  readonly rtp: Socket;
  readonly rtcp: Socket;
  readonly media: { bytes: Buffer; from: RemoteInfo }[] = [];
  readonly reports: { bytes: Buffer; from: RemoteInfo }[] = [];

  private constructor(rtp: Socket, rtcp: Socket) {
    this.rtp = rtp;
    this.rtcp = rtcp;
    rtp.on('message', (bytes, from) => this.media.push({ bytes, from }));
    rtcp.on('message', (bytes, from) => this.reports.push({ bytes, from }));
  }

  /** Ports next to each other, as SETUP wants them. */
  static async open(t: { teardown(fn: () => void): void }, address = '127.0.0.1'): Promise<Ear> {
    for (;;) {
      const [rtp, rtcp] = [createSocket('udp4'), createSocket('udp4')];
      try {
        rtp.bind(0, address);
        await once(rtp, 'listening');
        rtcp.bind(rtp.address().port + 1, address);
        await once(rtcp, 'listening');
        t.teardown(() => {
          rtp.close();
          rtcp.close();
        });
        return new Ear(rtp, rtcp);
      } catch {
        rtp.close();
        rtcp.close();
      }
    }
  }

  get transport(): string {
    const { port } = this.rtp.address();
    return `RTP/AVP;unicast;client_port=${port}-${port + 1}`;
  }
}

async function setUpUdp(viewer: TestViewer, url: string, ear: Ear): Promise<{ Session: string; ports: readonly [number, number] }> {
  const setup = await viewer.request('SETUP', url, { Transport: ear.transport });
  const [told] = parseTransport(setup.headers.get('Transport') ?? '', 'origin');
  if (told?.serverPort === undefined) throw new Error(`no ports: ${setup.status}`);
  return { Session: sessionOf(setup), ports: told.serverPort };
}

t.test('media and reports go to the viewer’s UDP ports, from the ports that were announced', async (t) => {
  await withRig({}, async ({ connect, url, library, server, lines }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    t.equal(ports[0] % 2, 0);
    t.equal(ports[1], ports[0] + 1);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    await until(() => ear.reports.length === 1);
    t.equal(library.reader.options.transport, 'udp');
    t.equal(library.reader.emit([{ stream: 0, bytes: 500, ticks: 10 }, { stream: 0 }, { stream: 0 }]), 512 + 112 + 112);
    await until(() => ear.media.length === 3);
    const [first] = ear.media;
    t.match(first?.from, { address: '127.0.0.1', port: ports[0] });
    t.equal(first?.bytes.length, 512);
    t.equal(first?.bytes.readUInt32BE(4), (FIRST_TIMESTAMP + 10) >>> 0);
    t.equal(first?.bytes.readUInt32BE(8), library.reader.timeline.ssrc(0));
    t.same(
      ear.media.map(({ bytes }) => bytes.readUInt16BE(2)),
      [65530, 65531, 65532],
    );
    t.equal(ear.reports[0]?.from.port, ports[1]);
    library.reader.options.sink.ended('end');
    await until(() => ear.reports.length === 2);
    t.same(
      compound(ear.reports[1]!.bytes).map((packet) => packet.type),
      ['sr', 'sdes', 'bye'],
    );
    t.equal(senderReport(ear.reports[1]?.bytes).packetCount, 3);
    await viewer.request('TEARDOWN', url('/vod/one'), { Session });
    t.equal(server.sessions, 0);
    t.match(lines.find((line) => line.message === 'viewer session ended')?.fields, { transport: 'udp' });
    const again = createSocket('udp4');
    again.bind(ports[0], '127.0.0.1');
    await once(again, 'listening');
    again.close();
    t.pass('the ports are free again');
  });
});

t.test('UDP ports are limited, given back, and never our own', async (t) => {
  // A range of two pairs that is free now: the system's choice, and its neighbours.
  const probe = createSocket('udp4');
  probe.bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const first = probe.address().port & ~3;
  probe.close();
  await once(probe, 'close');
  await withRig({ udpPorts: { first, last: first + 3 } }, async ({ connect, url, metric, server }) => {
    const viewer = await connect();
    const ear = await Ear.open(t);
    const sessions: string[] = [];
    const ports: number[] = [];
    for (;;) {
      const setup = await viewer.request('SETUP', url('/vod/one/trackID=0'), { Transport: ear.transport });
      if (setup.status === 453) break;
      t.equal(setup.status, 200);
      sessions.push(sessionOf(setup));
      ports.push(parseTransport(setup.headers.get('Transport')!, 'origin')[0]!.serverPort![0]);
    }
    t.ok(sessions.length <= 2, 'no more than the range holds');
    t.ok(ports.every((port) => port >= first && port < first + 3 && port % 2 === 0));
    t.equal(await metric('rejects_total', { reason: 'udp-ports' }), 1);
    t.equal(server.sessions, sessions.length, 'the refused one left nothing');
    if (sessions.length > 0) {
      const loop = `RTP/AVP;unicast;client_port=${ports[0]}-${ports[0]! + 1}`;
      t.equal((await viewer.request('SETUP', url('/vod/one/trackID=0'), { Transport: loop })).status, 461);
      t.equal(await metric('rejects_total', { reason: 'port' }), 1);
      await viewer.request('TEARDOWN', url('/vod/one'), { Session: sessions[0]! });
      const setup = await viewer.request('SETUP', url('/vod/one/trackID=0'), { Transport: ear.transport });
      t.equal(setup.status, 200);
    }
  });
});

t.test('what comes from another address than the viewer’s is nothing', async (t) => {
  await withRig({}, async ({ connect, url, library, metric, clock }) => {
    const ear = await Ear.open(t);
    const stranger = await Ear.open(t, '127.0.0.2');
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    stranger.rtp.send(Buffer.alloc(20), ports[0], '127.0.0.1');
    stranger.rtcp.send(report(library.reader.timeline.ssrc(0), { lost: 9, jitterTicks: 0 }), ports[1], '127.0.0.1');
    await until(async () => (await metric('rejects_total', { reason: 'foreign-address' })) === 2);
    t.equal(await metric('viewer_packets_lost_total', {}), 0);
    library.reader.emit([{ stream: 0 }]);
    await until(() => ear.media.length === 1);
    t.equal(stranger.media.length, 0, 'nobody takes a stream over');
    for (let i = 0; i < 16; i++) clock.advance(1000);
    t.equal(library.reader.state, 'paused', 'nor keeps it alive');
  });
});

t.test('the real ports of a viewer behind a translator are learned once, before its first report', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const announced = await Ear.open(t);
    const real = await Ear.open(t);
    const late = await Ear.open(t);
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), announced);
    real.rtp.send(Buffer.from('80000000', 'hex'), ports[0], '127.0.0.1');
    real.rtcp.send(report(1, { lost: 0, jitterTicks: 0 }), ports[1], '127.0.0.1');
    await viewer.request('OPTIONS', '*');
    await turn();
    await viewer.request('OPTIONS', '*');
    late.rtp.send(Buffer.from('80000000', 'hex'), ports[0], '127.0.0.1');
    late.rtcp.send(report(1, { lost: 0, jitterTicks: 0 }), ports[1], '127.0.0.1');
    await viewer.request('OPTIONS', '*');
    await turn();
    await viewer.request('PLAY', url('/vod/one'), { Session });
    library.reader.emit([{ stream: 0 }]);
    await until(() => real.media.length === 1 && real.reports.length === 1);
    t.equal(announced.media.length + late.media.length, 0);
  });
});

t.test('a UDP session outlives its connection, falls silent with its viewer and speaks when it is back', async (t) => {
  await withRig({}, async ({ connect, url, library, clock, server, metric }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    viewer.socket.end();
    await viewer.closed();
    await until(() => server.connections === 0);
    t.equal(server.sessions, 1);
    for (let i = 0; i < 16; i++) clock.advance(1000);
    t.equal(library.reader.state, 'paused', 'after 15 s of silence nothing is sent');
    t.equal(await metric('rejects_total', { reason: 'silent' }), 1);
    ear.rtcp.send(report(library.reader.timeline.ssrc(0), { lost: 0, jitterTicks: 0 }), ports[1], '127.0.0.1');
    await until(() => library.reader.state === 'playing');
    t.equal(await metric('viewer_sessions', { state: 'playing' }), 1);

    const second = await connect();
    t.equal((await second.request('PAUSE', url('/vod/one'), { Session })).status, 200);
    for (let i = 0; i < 60; i++) clock.advance(1000);
    t.equal(server.sessions, 1, 'the timeout announced is kept');
    for (let i = 0; i < 6; i++) clock.advance(1000);
    await until(() => server.sessions === 0);
    t.equal(await metric('rejects_total', { reason: 'session-timeout' }), 1);
    t.equal(library.reader.state, 'closed');
  });
});

t.test('reports keep a UDP session playing as long as they come', async (t) => {
  await withRig({}, async ({ connect, url, library, clock, server }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session, ports } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    const ssrc = library.reader.timeline.ssrc(0);
    for (let round = 0; round < 15; round++) {
      for (let i = 0; i < 10; i++) clock.advance(1000);
      const before = ear.reports.length;
      ear.rtcp.send(report(ssrc, { lost: 0, jitterTicks: 0 }), ports[1], '127.0.0.1');
      // What comes back proves that the report was read: the socket is read in order.
      await until(() => ear.reports.length >= before);
      await turn();
      await turn();
    }
    t.equal(library.reader.state, 'playing');
    t.equal(server.sessions, 1);
  });
});

t.test('a TCP session lives as long as its connection, however silent the viewer', async (t) => {
  await withRig({}, async ({ connect, url, library, clock, server }) => {
    const viewer = await connect();
    const Session = await play(viewer, url('/vod/a'));
    for (let i = 0; i < 600; i++) clock.advance(1000);
    t.equal(library.reader.state, 'playing');
    await viewer.request('PAUSE', url('/vod/a'), { Session });
    for (let i = 0; i < 600; i++) clock.advance(1000);
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session })).status, 200);
    viewer.socket.resetAndDestroy();
    await until(() => server.sessions === 0);
    t.equal(library.reader.state, 'closed', 'and ends with it at once');
  });
});

t.test('a session that is never played is freed', async (t) => {
  await withRig({}, async ({ connect, url, clock, server, metric }) => {
    const viewer = await connect();
    await setUpBoth(viewer, url('/vod/a'));
    for (let i = 0; i < 29; i++) clock.advance(1000);
    t.equal(server.sessions, 1);
    for (let i = 0; i < 3; i++) clock.advance(1000);
    t.equal(server.sessions, 0);
    t.equal(await metric('rejects_total', { reason: 'unplayed' }), 1);
    t.equal((await viewer.request('OPTIONS', '*')).status, 200);
  });
});

t.test('connections that say nothing, or never finish saying it, are closed within ten seconds', async (t) => {
  await withRig({}, async ({ connect, url, clock, server, metric }) => {
    const mute = await connect();
    const slow = await connect();
    const short = await connect();
    const frame = await connect();
    const idle = await connect();
    await until(() => server.connections === 5);
    slow.socket.write('OPTIONS * RTSP/1.0\r\n');
    short.socket.write('SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 100\r\n\r\nabc');
    frame.socket.write(Buffer.from([0x24, 0, 0xff, 0xff, 1, 2, 3]));
    await idle.request('OPTIONS', url('/'));
    for (let i = 0; i < 10; i++) {
      slow.socket.write('X');
      await idle.request('OPTIONS', '*');
      clock.advance(1000);
    }
    for (const viewer of [mute, slow, short, frame]) {
      for (let i = 0; i < 8; i++) clock.advance(500);
      await viewer.closed();
    }
    t.same(
      [mute, slow, short, frame].map((viewer) => viewer.responses.map((response) => response.status)),
      [[], [408], [408], [408]],
    );
    t.equal(await metric('rejects_total', { reason: 'unfinished-request' }), 3);
    t.equal(server.connections, 1);
    for (let i = 0; i < 61; i++) clock.advance(1000);
    await idle.closed();
    t.equal(await metric('rejects_total', { reason: 'idle' }), 2);
  });
});

t.test('a process that stood still takes nobody’s time', async (t) => {
  await withRig({}, async ({ connect, url, clock, server, library }) => {
    const ear = await Ear.open(t);
    const viewer = await connect();
    const { Session } = await setUpUdp(viewer, url('/vod/one/trackID=0'), ear);
    await viewer.request('PLAY', url('/vod/one'), { Session });
    clock.leap(600_000);
    clock.advance(1000);
    t.equal(library.reader.state, 'playing');
    t.equal(server.sessions, 1);
  });
});

t.test('a flood of requests is answered at a bounded rate and in order', async (t) => {
  const limits = { requestsPerSecond: 10, requestBurst: 5, queuedRequests: 40 };
  await withRig({ limits }, async ({ connect, clock, metric }) => {
    const viewer = await connect();
    const cseqs = Array.from({ length: 12 }, () => viewer.send('OPTIONS', '*'));
    await viewer.answer(cseqs[4]!);
    t.equal(viewer.responses.length, 5);
    for (const cseq of cseqs.slice(5)) {
      await until(() => {
        clock.advance(10);
        return viewer.responses.some((response) => response.cseq === cseq);
      });
    }
    t.same(
      viewer.responses.map((response) => response.cseq),
      cseqs,
    );
    const flood = Array.from({ length: 100 }, (_, i) => `OPTIONS * RTSP/1.0\r\nCSeq: ${i + 20}\r\n\r\n`).join('');
    viewer.socket.write(flood);
    await viewer.closed();
    t.equal(await metric('rejects_total', { reason: 'request-flood' }), 1);
  });
});
