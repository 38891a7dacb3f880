import t from 'tap';
import { formatSenderReport, unixFromNtp } from '@forebay/rtp';
import { fakeRun, FIRST_TIMESTAMP, type FakePacket } from './viewer-fakes.js';
import { compound, frameOf, play, report, senderReport, sessionOf, setUpBoth } from './viewer-player.js';
import { until, withRig } from './viewer-rig.js';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

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
    const order = viewer.received.map((each) =>
      each.kind === 'response' ? each.response.status : each.channel,
    );
    t.same(order, [200, 200, 200, 0, 2, 0, 1, 3], 'answers, then the batch, then a sender report a stream');
    const { timeline } = library.reader;
    const [first, second] = viewer.frames(0);
    t.equal(first?.readUInt16BE(2), 65530);
    t.equal(first?.readUInt32BE(4), FIRST_TIMESTAMP);
    t.equal(first?.readUInt32BE(8), timeline.ssrc(0));
    t.equal(second?.readUInt16BE(2), 65534, 'three were lost at the origin: the viewer sees the hole');
    t.equal(second?.readUInt32BE(4), 3600 - 256, 'the timestamp wraps');
    t.equal(viewer.frames(2)[0]?.readUInt32BE(8), timeline.ssrc(1));
    t.ok(
      second?.subarray(12).every((byte) => byte === 2),
      'the payload is untouched',
    );
  });
});

t.test('packets of streams that were not set up are left out, and channels are the viewer’s', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    const setup = await viewer.request('SETUP', url('/vod/a/trackID=1'), {
      Transport: 'RTP/AVP/TCP;unicast;interleaved=200-201',
    });
    await viewer.request('PLAY', url('/vod/a'), { Session: sessionOf(setup) });
    const packets: FakePacket[] = [
      { stream: 0 },
      { stream: 1, bytes: 7 },
      { stream: 0 },
      { stream: 1, bytes: 9 },
      { stream: 0 },
    ];
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
    library.reader.emit([
      { stream: 0, bytes: 1000 },
      { stream: 0, bytes: 200 },
      { stream: 1, bytes: 50 },
    ]);
    clock.advance(4000);
    clock.advance(1000);
    await viewer.until(() => viewer.frames(1).length === 2 && viewer.frames(3).length === 2);
    const video = senderReport(viewer.frames(1)[1]);
    const audio = senderReport(viewer.frames(3)[1]);
    t.match(video, { ssrc: library.reader.timeline.ssrc(0), packetCount: 2, octetCount: 1200 });
    t.match(audio, { packetCount: 1, octetCount: 50 });
    const videoMs = (((video.rtpTimestamp - FIRST_TIMESTAMP) >>> 0) * 1000) / 90_000;
    const audioMs = (((audio.rtpTimestamp - FIRST_TIMESTAMP) >>> 0) * 1000) / 48_000;
    t.ok(
      Math.abs(videoMs - 5000) < 1 && Math.abs(audioMs - 5000) < 1,
      `${videoMs} and ${audioMs} ms after the start`,
    );
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
    t.equal(
      (await viewer.request('GET_PARAMETER', url('/vod/a'), { Session })).status,
      200,
      'the session lives',
    );
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
    t.equal(
      jitter.find((each) => each.metricName?.endsWith('_sum'))?.value,
      0.01 + 10 + 0.01,
      'jitter is clamped',
    );
    t.equal(await metric('rejects_total', { reason: 'bad-report' }), 1);
    t.equal(server.sessions, 1, 'a BYE of the viewer ends nothing');
    for (let i = 0; i < 60; i++) viewer.socket.write(frameOf(3, report(ssrc, { lost: 0, jitterTicks: 0 })));
    await viewer.request('OPTIONS', '*');
    t.ok(
      (await metric('rejects_total', { reason: 'report-rate' })) >= 10,
      'and a flood of them is not even read',
    );
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
    const batch = fakeRun(Array.from({ length: 49 }, (_, i): FakePacket => ({ stream: i % 2, bytes: 1300 })));
    const send = (): number => sink.send(batch, 0, batch.count, library.reader.timeline);
    const before = process.memoryUsage().arrayBuffers;
    let sentBytes = 0;
    for (let idle = 0; idle < 50;) {
      idle = sink.writable() ? 0 : idle + 1;
      if (sink.writable()) sentBytes += send();
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
    t.equal(send(), 0, 'a reader that comes late sends nothing');
  });
});

t.test('a viewer that reads slowly gets every byte', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    await play(viewer, url('/vod/a'));
    const { sink } = library.reader.options;
    const batch = Array.from({ length: 40 }, (): FakePacket => ({ stream: 0, bytes: 1400 }));
    const batches = 200;
    for (let sent = 0; sent < batches;) {
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
