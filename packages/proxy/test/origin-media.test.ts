import { parseDescription } from '@forebay/rtsp';
import * as fc from 'fast-check';
import t from 'tap';
import { Metrics } from '../src/metrics.js';
import { Intake } from '../src/origin/intake.js';
import { corpus, skipCorpora } from './origin-corpora.js';
import {
  Peer,
  bench,
  frame,
  frames,
  packet,
  pass,
  senderReport,
  until,
  vod,
  Recorder,
  SDP,
} from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

t.test('what is no packet of the stream is dropped and counted', async (t) => {
  const { open, origin, sink, metric } = await bench(t, vod());
  const session = await open();
  session.start();
  const rejected = (reason: string): Promise<number> =>
    metric('forebay_rejects_total', { reason: `origin-${reason}` });
  origin.peer.send(
    Buffer.concat([
      frames(0, packet(1)),
      frames(9, packet(2)),
      frames(0, packet(3, { pt: 97 })),
      frames(0, Buffer.alloc(5)),
      frames(1, senderReport(0x1234, 1).subarray(0, 9)),
      frames(0, packet(4)),
    ]),
  );
  await until(() => sink.packets.length === 2, 'the good ones');
  t.strictSame(sink.sequences(), [1, 4]);
  t.strictSame(
    await Promise.all(['channel', 'payload-type', 'rtp-short', 'rtcp-length'].map(rejected)),
    [1, 1, 1, 1],
  );
  await session.close();
});

t.test('RTP on the RTCP channel, RTCP on the RTP channel', async (t) => {
  const { open, origin, sink } = await bench(t, vod());
  const session = await open();
  session.start();
  origin.peer.send(
    Buffer.concat([
      frames(1, packet(1)),
      frame(0, senderReport(0x1234, 1)),
      frame(0, senderReport(0x1234, 1, true)),
    ]),
  );
  await until(() => sink.byes.length === 1, 'all of it');
  t.strictSame(sink.sequences(), [1]);
  t.equal(sink.reports.length, 2);
  await session.close();
});

t.test('reports and goodbyes of a source that nobody hears are left out', async (t) => {
  const { open, origin, sink } = await bench(t, vod());
  const session = await open();
  session.start();
  origin.peer.send(
    Buffer.concat([
      frame(1, senderReport(5, 1)),
      frames(0, packet(1)),
      frame(1, senderReport(6, 1, true)),
      frames(0, packet(2)),
    ]),
  );
  await until(() => sink.packets.length === 2, 'packets');
  t.equal(sink.reports.length, 1, 'the first came before any packet could tell');
  t.strictSame(sink.byes, []);
  await session.close();
});

t.test('sources: the first packet decides; another takes over by two in order, later never', async (t) => {
  const early = await bench(t, vod());
  const session = await early.open();
  session.start();
  early.origin.peer.send(
    frames(0, packet(900, { ssrc: 7 }), packet(1), packet(901, { ssrc: 7 }), packet(2), packet(3), packet(4)),
  );
  await until(() => early.sink.packets.length >= 5, 'packets');
  t.strictSame(
    early.sink.sequences(),
    [900, 901, 2, 3, 4],
    'nothing of the new source is lost but what came alone',
  );
  await session.close();

  const late = await bench(t, vod());
  const other = await late.open();
  other.start();
  const flow = Array.from({ length: 20 }, (_, i) => packet(i));
  late.origin.peer.send(
    frames(0, ...flow, packet(70, { ssrc: 7 }), packet(20), packet(71, { ssrc: 7 }), packet(21)),
  );
  await until(() => late.sink.packets.length === 22, 'two sources by turns: the first one stays');
  late.origin.peer.send(frames(0, packet(500, { ssrc: 8 }), packet(501, { ssrc: 8 })));
  await until(() => late.sink.ends.length === 1, 'over');
  t.match(late.sink.ends[0], { code: 'source-changed' });
  t.equal(late.sink.packets.length, 22);
  await until(() => late.origin.methods.includes('TEARDOWN'), 'the origin is told');
});

/** Sends packets without end, as fast as they are taken. */
class Flood {
  sent = 0;
  #running = true;

  constructor(peer: Peer) {
    const more = (): void => {
      while (this.#running && peer.socket.writableLength < 1_000_000) {
        peer.send(frame(0, packet(this.sent++, { bytes: 1300 })));
      }
      if (this.#running) setImmediate(more);
    };
    more();
  }

  stop(): void {
    this.#running = false;
  }
}

t.test('an origin that is too fast is held back, and nothing is lost', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink } = await bench(t, vod(), { clock });
  const session = await open();
  session.start();
  session.pauseReading();
  const source = new Flood(origin.peer);
  await until(() => origin.peer.socket.writableLength > 900_000, 'the origin is stuck');
  const held = sink.packets.length;
  t.ok(held < 200, `${held} packets came through`);
  await pass(clock, 30);
  await pass(clock, 12);
  t.strictSame(sink.ends, [], 'a keep-alive whose answer is stuck proves nothing');
  source.stop();
  session.resumeReading();
  await until(() => sink.packets.length === source.sent, 'everything');
  t.ok(sink.packets.every((p, i) => p.sequence === (i & 0xffff)));
  session.pauseReading();
  await session.close();
  await until(() => origin.open === 0, 'a session that is held back can be closed');
});

t.test('bytes are counted by the read, and published once a second', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink, metric } = await bench(t, vod(), { clock });
  const session = await open();
  session.start();
  const bytes = (): Promise<number> => metric('forebay_origin_bytes_total', { origin: 'origin' });
  origin.peer.send(frames(0, packet(1, { bytes: 1000 })));
  await until(() => sink.packets.length === 1, 'a packet');
  t.ok(session.bytesReceived >= 1016);
  t.equal(await bytes(), 0);
  clock.advance(1000);
  t.equal(await bytes(), session.bytesReceived);
  origin.peer.send(frames(0, packet(2, { bytes: 1000 })));
  await until(() => sink.packets.length === 2, 'another');
  const received = session.bytesReceived;
  const closing = session.close();
  t.equal(await bytes(), received, 'the rest at the end');
  await closing;
});

t.test(
  'hostile packets are dropped, and the good ones behind them are not',
  { skip: skipCorpora },
  async (t) => {
    const files = [...corpus('bad-inputs/rtp', 'R'), ...corpus('bad-inputs/rtcp', 'R')];
    t.ok(files.length > 10);
    for (const [name, bytes] of files) {
      const { open, origin, sink } = await bench(t, vod());
      const session = await open();
      session.start();
      const both = bytes.length > 65_535 ? [] : [frame(0, bytes), frame(1, bytes), frame(0, bytes)];
      origin.peer.send(Buffer.concat([frames(0, packet(1)), ...both, frames(0, packet(2), packet(3))]));
      await until(() => sink.ends.length > 0 || [2, 3].every((n) => sink.sequences().includes(n)), name);
      t.strictSame(sink.ends, [], name);
      t.ok(
        sink.packets.every((p) => (p.bytes[1]! & 0x7f) === 96 && p.bytes.length >= 12),
        name,
      );
      await session.close();
    }
  },
);

const nothing = (): void => undefined;

t.test('an intake takes anything', (t) => {
  const { streams } = parseDescription(SDP);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 80 }))),
      (input) => {
        const sink = new Recorder();
        const calls = { onFirst: nothing, onFull: nothing, onSourceChanged: nothing };
        const intake = new Intake({ streams, sink, metrics: new Metrics(), ssrc: 1, ...calls });
        intake.bind(0, [0, 1]);
        intake.bind(1, [2, 3]);
        intake.ask();
        intake.answered();
        intake.start();
        for (const [channel, bytes] of input) {
          // Most of it looks like RTP or RTCP.
          if (bytes.length > 1 && bytes[0]! > 20) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
          if (bytes.length > 1 && bytes[1]! > 40)
            bytes[1] = bytes[1]! > 128 ? 200 + (bytes[1]! % 5) : 96 + (channel >> 1);
          intake.frame(channel, Buffer.from(bytes), 0, bytes.length);
        }
        return sink.packets.every((p) => p.bytes.length >= 12);
      },
    ),
  );
  t.end();
});
