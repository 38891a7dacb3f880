import { timestampDelta } from '@forebay/rtp';
import t from 'tap';
import { type Held, Row } from '../src/fill/row.js';
import { horizon, plan } from '../src/read/plan.js';
import { Timeline } from '../src/read/timeline.js';
import { CLOCK_RATES, makePackets, rtpPacket, VIDEO, VIDEO_RATE } from './packets.js';

const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView => new DataView(buffer, byteOffset, length);

const canonical = (ticks: number, lost = 0): Buffer => {
  const [p] = makePackets({ seconds: 1 });
  return rtpPacket(p!, lost, ticks, 0);
};

const timeline = (firstSequence: number, firstTimestamp: number): Timeline =>
  new Timeline(
    CLOCK_RATES.map((clockRate, stream) => ({
      stream,
      ssrc: 0x01020304 + stream,
      clockRate,
      firstSequence,
      firstTimestamp,
    })),
  );

t.test('one continuous timeline over ranges, with wraps at 2^16 and 2^32', async (t) => {
  for (const [firstSequence, firstTimestamp] of [
    [0, 0],
    [65_534, 2 ** 32 - 4000],
    [30_000, 2 ** 31],
  ] as const) {
    const line = timeline(firstSequence, firstTimestamp);
    let sequence = firstSequence;
    let atMicros = 0;
    for (const startSeconds of [0, 50, 10, 47_721.858]) {
      const startTicks = Math.round(startSeconds * VIDEO_RATE);
      line.lay(Math.round(startSeconds * 1e6), atMicros);
      const told = line.rtpTime(VIDEO, Math.round(startSeconds * 1e6));
      for (let i = 0; i < 3; i++) {
        const bytes = canonical((startTicks + i * 3600) % 2 ** 32);
        line.stamp(viewOf(bytes), 0, VIDEO, 40);
        t.equal(bytes.readUInt16BE(2), sequence & 0xffff);
        t.equal(
          timestampDelta(told, bytes.readUInt32BE(4)),
          i * 3600,
          'RTP-Info names the start of the range',
        );
        t.equal(
          timestampDelta(firstTimestamp, bytes.readUInt32BE(4)),
          Math.round(atMicros * 0.09) + i * 3600,
        );
        t.equal(bytes.readUInt32BE(8), 0x01020304);
        sequence++;
      }
      atMicros += 120_000;
    }
    t.equal(line.packetCount(VIDEO), 12);
    t.equal(line.octetCount(VIDEO), 480);
    t.equal(line.packetCount(1), 0);
  }
});

t.test('known losses leave holes of their size', async (t) => {
  const line = timeline(65_535, 0);
  line.lay(0, 0);
  const bytes = canonical(0, 3);
  line.stamp(viewOf(bytes), 0, VIDEO, 1);
  t.equal(bytes.readUInt16BE(2), 2);
  t.equal(line.nextSequence(VIDEO), 3);
});

t.test('sender reports map all streams to one clock, which stands still in a pause', async (t) => {
  const line = timeline(0, 1000);
  line.lay(20_000_000, 5_000_000);
  line.run(20_000_000, 100);
  t.equal(line.rtpTimestampAt(VIDEO, 1100), 1000 + 6 * 90_000);
  t.equal(line.rtpTimestampAt(1, 1100), 1000 + 6 * 48_000);
  line.halt(21_000_000);
  t.equal(line.rtpTimestampAt(VIDEO, 99_999), 1000 + 6 * 90_000);
  line.run(21_000_000, 200_000);
  t.equal(line.rtpTimestampAt(VIDEO, 200_500), 1000 + 6.5 * 90_000);
});

const held = (startSeconds: number, endSeconds: number, more: Partial<Held> = {}): Held => ({
  startMicros: startSeconds * 1e6,
  endMicros: endSeconds * 1e6,
  index: Math.floor(startSeconds / 4),
  randomAccess: true,
  anchor: 1,
  state: 'sealed',
  last: false,
  growth: undefined,
  meta: undefined,
  flying: false,
  headless: false,
  onDisk: true,
  touchedMs: 0,
  ...more,
});

t.test('rows and plans', async (t) => {
  const row = new Row();
  const parts = (from: number, to: number): [string, number, number][] =>
    plan(row, from * 1e6, to * 1e6).map((p) => [p.kind, p.startMicros / 1e6, p.endMicros / 1e6]);
  t.same(parts(0, Infinity), [['gap', 0, Infinity]], 'nothing cached');
  for (const h of [held(4, 8), held(0, 4.0), held(20, 24), held(24, 25, { state: 'open', flying: true })])
    row.insert(h);
  t.same(parts(0, 60), [
    ['stored', 0, 8],
    ['gap', 8, 20],
    ['stored', 20, 24],
    ['flying', 24, 25],
    ['gap', 25, 60],
  ]);
  t.same(parts(2, 3), [['stored', 2, 3]]);
  t.same(
    parts(10, 22),
    [
      ['gap', 10, 20],
      ['stored', 20, 22],
    ],
    'a seek into a hole',
  );
  t.equal(row.covering(7.999e6)?.startMicros, 4e6);
  t.equal(row.covering(8e6), undefined);
  t.equal(row.covering(3.999e6)?.startMicros, 4e6, 'just before the next start it is the next');
  t.equal(row.endingAt(8.003e6)?.startMicros, 4e6);
  t.equal(row.endingAt(0), undefined);
  const [first, second] = [...row];
  t.equal(row.following(first!), second);
  t.equal(row.following(second!), undefined);
  t.equal(horizon(row, first!, Infinity), second);
  t.equal(horizon(row, first!, 1e6), first, 'no further than asked');
  t.equal(row.firstFrom(8e6)?.startMicros, 20e6);
  row.insert(held(60, 62, { last: true }));
  t.same(parts(60, 90), [['stored', 60, 62]], 'nothing comes after the last segment');
  row.remove(second!);
  t.equal(horizon(row, first!, Infinity), first);
});
