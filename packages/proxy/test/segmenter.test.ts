import { packetHash } from '@forebay/cache';
import { classifierFor } from '@forebay/rtp';
import t from 'tap';
import type { Arrival } from '../src/fill/arrival.js';
import { Followers } from '../src/fill/followers.js';
import { type Held, Row } from '../src/fill/row.js';
import { Segmenter } from '../src/fill/segmenter.js';
import { AUDIO, CLOCK_RATES, type MadePacket, makePackets, rtpPacket, VIDEO, VIDEO_RATE } from './packets.js';

interface Bench {
  readonly row: Row;
  readonly complete: Held[];
  readonly segmenter: Segmenter;
  feed(packets: readonly MadePacket[], atMs?: number): void;
}

function bench(o: { startMicros?: number; row?: Row; reference?: number; isLive?: boolean } = {}): Bench {
  const row = o.row ?? new Row();
  const complete: Held[] = [];
  const segmenter = new Segmenter({
    key: 'rtsp://origin/a',
    streams: [
      { clockRate: CLOCK_RATES[0]!, classifier: classifierFor('H264', 'video') },
      { clockRate: CLOCK_RATES[1]!, classifier: classifierFor('MPEG4-GENERIC', 'audio') },
    ],
    reference: o.reference ?? VIDEO,
    row,
    followers: new Followers(),
    anchor: 1,
    isLive: o.isLive === true,
    startMicros: o.startMicros,
    onOpen: () => undefined,
    onHeld: () => undefined,
    onFull: () => undefined,
    onComplete: (held) => {
      held.state = 'sealed';
      complete.push(held);
    },
  });
  let nowMs = 0;
  const feed = (packets: readonly MadePacket[], atMs?: number): void => {
    for (const p of packets) {
      const bytes = rtpPacket(p, 0, p.ticks);
      nowMs = Math.max(nowMs, atMs ?? (p.ticks * 1000) / CLOCK_RATES[p.stream]!);
      const arrival: Arrival = {
        stream: p.stream,
        bytes,
        start: 0,
        end: bytes.length,
        ticks: p.ticks,
        lost: 0,
        hash: packetHash(bytes, 0, bytes.length),
        nowMs,
      };
      segmenter.packet(arrival);
    }
  };
  return { row, complete, segmenter, feed };
}

const hashesOf = (held: Held, stream: number): number[] => {
  const run = held.growth!.builder.run;
  const out: number[] = [];
  for (let i = 0; i < run.count; i++) if (run.streams[i] === stream) out.push(run.hashes[i]!);
  return out;
};

const lateAudio = (b: Bench): number[][] =>
  b.complete.filter((h) => h.startMicros >= 8e6).map((h) => hashesOf(h, AUDIO));

const hashes = (packets: readonly MadePacket[], stream: number): number[] =>
  packets
    .filter((p) => p.stream === stream)
    .map((p) => {
      const bytes = rtpPacket(p, 0, 0);
      return packetHash(bytes, 0, bytes.length);
    });

t.test('cuts at the first random access point of each cell and loses nothing', async (t) => {
  for (const bFrames of [0, 2]) {
    const packets = makePackets({ seconds: 14, bFrames });
    const b = bench({ startMicros: 0 });
    b.feed(packets);
    b.segmenter.finish(20_000, true);
    t.same(
      b.complete.map((h) => h.startMicros),
      [0, 4_000_000, 8_000_000, 12_000_000],
      'starts',
    );
    t.same(
      b.complete.map((h) => h.index),
      [0, 1, 2, 3],
    );
    t.same(
      b.complete.map((h) => h.last),
      [false, false, false, true],
    );
    for (const stream of [VIDEO, AUDIO]) {
      t.same(
        b.complete.flatMap((h) => hashesOf(h, stream)),
        hashes(packets, stream),
        `stream ${stream}, ${bFrames} B pictures`,
      );
    }
    for (const held of b.complete) {
      const extent = held.growth!.extents[AUDIO]!;
      t.ok((extent.firstTicks * 1e6) / 48_000 >= held.startMicros, 'audio goes by time');
      t.ok((extent.firstTicks * 1e6) / 48_000 < held.startMicros + 22_000);
    }
  }
});

t.test('sound ahead of the picture that may cut waits for it, but not live', async (t) => {
  const packets = makePackets({ seconds: 6, gopSeconds: 2 });
  const isAhead = (p: MadePacket): boolean => p.stream === AUDIO && p.ticks >= 4.01 * CLOCK_RATES[AUDIO]!;
  for (const isLive of [false, true]) {
    const b = bench({ startMicros: 0, isLive });
    b.feed(packets.filter((p) => (p.ticks * 1e6) / CLOCK_RATES[p.stream]! < 4_000_000));
    const early = packets.filter(isAhead).slice(0, 2);
    b.feed(early, 4000);
    const [open] = b.row;
    const count = hashesOf(open!, AUDIO).length;
    t.equal(count, packets.filter((p) => p.stream === AUDIO && p.ticks < 192_000).length + (isLive ? 2 : 0));
    b.feed(packets.filter((p) => p.stream === VIDEO && p.ticks >= 4 * VIDEO_RATE));
    b.segmenter.finish(20_000, false);
    const audio = b.complete.flatMap((h) => hashesOf(h, AUDIO));
    t.same(audio.slice(-2), hashes(early, AUDIO), 'nothing is lost');
  }
});

t.test('a start anywhere cuts as a start from the beginning', async (t) => {
  const packets = makePackets({ seconds: 20, gopSeconds: 2 });
  const whole = bench({ startMicros: 0 });
  whole.feed(packets);
  whole.segmenter.finish(20_000, true);
  const part = bench();
  part.feed(packets.filter((p) => (p.ticks * 1e6) / CLOCK_RATES[p.stream]! >= 6_000_000));
  part.segmenter.finish(20_000, true);
  t.same(
    part.complete.map((h) => h.startMicros),
    [6_000_000, 8_000_000, 12_000_000, 16_000_000],
  );
  t.same(lateAudio(part), lateAudio(whole));
});

t.test('groups of pictures longer than a segment make longer segments', async (t) => {
  const b = bench({ startMicros: 0 });
  b.feed(makePackets({ seconds: 16, gopSeconds: 5 }));
  b.segmenter.finish(20_000, true);
  t.same(
    b.complete.map((h) => h.startMicros / 1e6),
    [0, 5, 10, 15],
  );
});

t.test('an endless group of pictures is cut, and its continuation is marked', async (t) => {
  const b = bench({ startMicros: 0 });
  b.feed(makePackets({ seconds: 45, gopSeconds: 45 }));
  b.segmenter.finish(50_000, true);
  t.same(
    b.complete.map((h) => h.randomAccess),
    [true, false, false],
  );
  t.ok(b.complete.every((h) => h.endMicros - h.startMicros <= 20_100_000));
});

t.test('audio alone is cut by time', async (t) => {
  const packets = makePackets({ seconds: 10, video: false });
  const b = bench({ startMicros: 0, reference: AUDIO });
  b.feed(packets);
  b.segmenter.finish(20_000, true);
  t.equal(b.complete.length, 3);
  t.same(
    b.complete.flatMap((h) => hashesOf(h, AUDIO)),
    hashes(packets, AUDIO),
  );
});

t.test('pictures before the first random access point are left out', async (t) => {
  const b = bench();
  b.feed(makePackets({ seconds: 6 }).filter((p) => p.stream === VIDEO && p.ticks >= 1.5 * VIDEO_RATE));
  t.equal(b.row.length, 2);
  t.equal([...b.row][0]!.startMicros, 2_000_000);
});

t.test('a session that stops leaves its segment open, and the next one goes on in it', async (t) => {
  const packets = makePackets({ seconds: 12 });
  const first = bench({ startMicros: 0 });
  const stop = Math.floor(packets.length * 0.55);
  first.feed(packets.slice(0, stop));
  const sent = [...first.row].at(-1)!;
  first.segmenter.suspend();
  t.equal(sent.state, 'open');
  t.notOk(sent.flying);
  const second = bench({ row: first.row });
  second.segmenter.resume(sent);
  second.feed(packets.slice(stop));
  second.segmenter.finish(20_000, true);
  const all = [...first.complete, ...second.complete];
  t.same(
    all.map((h) => h.startMicros),
    [0, 4_000_000, 8_000_000],
  );
  for (const stream of [VIDEO, AUDIO])
    t.same(
      all.flatMap((h) => hashesOf(h, stream)),
      hashes(packets, stream),
    );
});

t.test('held media in front ends the segment, and stragglers still come', async (t) => {
  const packets = makePackets({ seconds: 8 });
  const b = bench({ startMicros: 0 });
  const late = packets.filter((p) => p.stream === AUDIO && p.ticks > 5.8 * 48_000 && p.ticks < 6 * 48_000);
  b.feed(packets.filter((p) => (p.ticks * 1e6) / CLOCK_RATES[p.stream]! < 6e6 && !late.includes(p)));
  b.segmenter.closeAt(6_000_000, 6000);
  t.ok(b.segmenter.draining);
  b.feed(late);
  b.segmenter.tick(9000);
  t.notOk(b.segmenter.draining);
  t.same(
    b.complete.map((h) => [h.startMicros, h.endMicros]),
    [
      [0, 4_000_000],
      [4_000_000, 6_000_000],
    ],
  );
  const audio = packets.filter((p) => p.stream === AUDIO && p.ticks < 6 * 48_000);
  t.same(
    b.complete.flatMap((h) => hashesOf(h, AUDIO)),
    hashes(audio, AUDIO),
  );
});

t.test('a session that stood still has silenced no stream', async (t) => {
  const packets = makePackets({ seconds: 9 });
  const between = (stream: number, from: number, to: number): MadePacket[] =>
    packets.filter(
      (p) =>
        p.stream === stream && p.ticks >= from * CLOCK_RATES[stream]! && p.ticks < to * CLOCK_RATES[stream]!,
    );
  for (const [from, name] of [
    [3.2, 'before a cut'],
    [4.1, 'behind a cut'],
  ] as const) {
    const b = bench({ startMicros: 0 });
    b.feed(packets.filter((p) => p.ticks < 3.2 * CLOCK_RATES[p.stream]!));
    b.feed(between(VIDEO, 3.2, from));
    // Then everything at once, picture first.
    b.feed(between(VIDEO, from, 5.7), 5700);
    b.feed(between(AUDIO, 3.2, 5.7), 5700);
    b.feed(packets.filter((p) => p.ticks >= 5.7 * CLOCK_RATES[p.stream]!));
    b.segmenter.finish(12_000, true);
    for (const stream of [VIDEO, AUDIO])
      t.same(
        b.complete.flatMap((h) => hashesOf(h, stream)),
        hashes(packets, stream),
        `${name}: stream ${stream}`,
      );
  }
});

t.test('lost packets mark the segment as damaged', async (t) => {
  const b = bench({ startMicros: 0 });
  const [first] = makePackets({ seconds: 1 });
  const bytes = rtpPacket(first!, 0, 0);
  const at: Arrival = {
    stream: VIDEO,
    bytes,
    start: 0,
    end: bytes.length,
    ticks: 0,
    lost: 0,
    hash: 0,
    nowMs: 0,
  };
  b.segmenter.packet(at);
  const slice = rtpPacket(makePackets({ seconds: 1 })[3]!, 0, 0);
  b.segmenter.packet({ ...at, bytes: slice, end: slice.length, lost: 2 });
  t.ok([...b.row][0]?.growth?.damaged);
});
