import { crc32 } from 'node:zlib';

import t from 'tap';

import { packetHash, SegmentBuilder, segmentFileBytes, type PacketPlace } from '../src/index.js';
import { GENERATION, KEY, payload, rtpPacket, VIDEO_RATE } from './making.js';

const PLACE: PacketPlace = { stream: 0, dueMicros: 5, flags: 3, canonicalTicks: 0, lostBefore: 0 };
const META = {
  generation: GENERATION,
  index: 0,
  startMicros: 0,
  durationMicros: 6e6,
  randomAccess: true,
  last: false,
  anchor: 7,
};

function builderOf(
  options: { maxBytes?: number; maxPackets?: number; expectedBytes?: number } = {},
): SegmentBuilder {
  return new SegmentBuilder({ key: KEY, clockRates: [VIDEO_RATE], ...options });
}

t.test('a packet is copied in canonical form', async (t) => {
  const content = payload(20, 1, 1);
  const sent = {
    payload: content,
    marker: true,
    payloadType: 33,
    csrcs: [1, 2],
    extensionWords: 3,
    padding: 4,
  };
  const packet = rtpPacket(sent);
  const chunk = Buffer.concat([Buffer.from('before'), packet, Buffer.from('after')]);
  const builder = builderOf();
  const place = { ...PLACE, canonicalTicks: 90_001, lostBefore: 2 };
  t.equal(builder.append(chunk, 6, 6 + packet.length, place), 0);
  chunk.fill(0);

  const { run } = builder;
  const stored = run.bytes.subarray(0, run.offsets[1]);
  t.equal(run.count, 1);
  t.strictSame([...stored.subarray(0, 4)], [0x24, 0, 0, packet.length], 'framed on channel 0');
  t.equal(stored.readUInt16BE(6), 2, 'sequence number field: packets lost before');
  t.equal(stored.readUInt32BE(8), 90_001, 'timestamp: ticks since NPT 0');
  t.equal(stored.readUInt32BE(12), 0, 'no SSRC');
  t.strictSame(
    stored.subarray(4, 6),
    packet.subarray(0, 2),
    'version, flags, marker and payload type are kept',
  );
  t.strictSame(stored.subarray(16), packet.subarray(12), 'CSRCs, extension, payload and padding are kept');
  t.equal(run.hashes[0], crc32(Buffer.concat([Buffer.of(1), content])));
  t.strictSame([run.streams[0], run.dueMicros[0], run.flags[0]], [0, 5, 3]);
});

t.test('ticks wrap at 2^32 and lost packets are capped at 2^16 - 1', async (t) => {
  const cases = [
    { ticks: 0, field: 0 },
    { ticks: 2 ** 32 - 1, field: 0xffff_ffff },
    { ticks: 2 ** 32, field: 0 },
    { ticks: 5 * 2 ** 32 + 9, field: 9 },
    { ticks: -1, field: 0xffff_ffff },
  ];
  for (const { ticks, field } of cases) {
    const builder = builderOf();
    const packet = rtpPacket({ payload: payload(4, 1, 1) });
    builder.append(packet, 0, packet.length, { ...PLACE, canonicalTicks: ticks, lostBefore: 70_000 });
    t.equal(builder.run.bytes.readUInt32BE(8), field, `${ticks} ticks`);
    t.equal(builder.run.bytes.readUInt16BE(6), 0xffff);
  }
});

function hash(sent: Parameters<typeof rtpPacket>[0]): number {
  const packet = rtpPacket(sent);
  return packetHash(Buffer.concat([Buffer.alloc(3), packet]), 3, 3 + packet.length);
}

t.test('the hash sees marker and payload and nothing else', async (t) => {
  const base = { payload: payload(33, 3, 3), marker: false };
  const expected = hash(base);
  const same = [{ sequence: 1 }, { timestamp: 1 }, { ssrc: 1 }, { csrcs: [9] }, { extensionWords: 0 }];
  for (const change of [...same, { extensionWords: 2 }, { padding: 3 }, { payloadType: 97 }]) {
    t.equal(hash({ ...base, ...change }), expected, JSON.stringify(change));
  }
  t.not(hash({ ...base, marker: true }), expected);
  t.not(hash({ ...base, payload: payload(33, 3, 4) }), expected);
  t.type(hash({ payload: Buffer.alloc(0) }), 'number', 'no payload');
  const lying = rtpPacket(base);
  lying[0] = 0xbf;
  t.type(packetHash(lying, 0, lying.length), 'number', 'lengths that point past the end are survived');
});

t.test('a growing run can be followed, and what was read stays valid', async (t) => {
  const builder = builderOf({ expectedBytes: 64 });
  const { run } = builder;
  const firstBytes = run.bytes;
  for (let number = 0; number < 500; number++) {
    const packet = rtpPacket({ payload: payload(30, 1, number) });
    t.equal(builder.append(packet, 0, packet.length, { ...PLACE, canonicalTicks: number }), number);
    if (number === 0) t.equal(firstBytes, run.bytes);
  }
  t.equal(run.count, 500);
  t.equal(builder.byteLength, 500 * 46);
  t.equal(run.offsets[500], builder.byteLength);
  t.not(firstBytes, run.bytes, 'it has grown');
  t.strictSame(firstBytes.subarray(0, 46), run.bytes.subarray(0, 46));
  for (let number = 0; number < 500; number++) {
    const at = run.offsets[number] ?? 0;
    t.strictSame(run.bytes.subarray(at + 16, at + 46), payload(30, 1, number));
  }
});

t.test('a builder is bounded in bytes and packets', async (t) => {
  const packet = rtpPacket({ payload: payload(84, 1, 1) });
  const byBytes = builderOf({ maxBytes: 250, expectedBytes: 1 });
  t.strictSame(
    [1, 2, 3].map(() => byBytes.append(packet, 0, packet.length, PLACE)),
    [0, 1, -1],
  );
  t.equal(byBytes.run.count, 2);
  t.equal(byBytes.append(packet, 0, 46, PLACE), 2, 'a smaller one still fits, to the last byte');
  t.equal(byBytes.byteLength, 250);
  const byPackets = builderOf({ maxPackets: 2 });
  t.strictSame(
    [1, 2, 3].map(() => byPackets.append(packet, 0, packet.length, PLACE)),
    [0, 1, -1],
  );
  t.throws(() => byPackets.append(packet, 0, 11, PLACE), RangeError, 'no RTP header');
  t.throws(
    () => byPackets.append(Buffer.alloc(70_000), 0, 65_536, PLACE),
    RangeError,
    'no length field for it',
  );
  t.throws(
    () => new SegmentBuilder({ key: KEY, clockRates: Array.from({ length: 17 }, () => 1) }),
    RangeError,
  );
});

t.test('sealing sorts by due time and keeps the order of each stream', async (t) => {
  const builder = new SegmentBuilder({ key: KEY, clockRates: [90_000, 48_000] });
  const append = (stream: number, seconds: number, tag: number): void => {
    const packet = rtpPacket({ payload: Buffer.of(tag) });
    const canonicalTicks = Math.round(seconds * (stream === 0 ? 90_000 : 48_000));
    builder.append(packet, 0, packet.length, { ...PLACE, stream, canonicalTicks });
  };
  // Decoding order I P B: the P picture at 10.2 s is needed before the B picture at 10.1 s.
  append(0, 10, 1);
  append(0, 10.2, 2);
  append(0, 10.1, 3);
  append(0, 10.3, 4);
  append(1, 9.9, 5);
  append(1, 10.05, 6);
  append(1, 10.15, 7);
  const extents = [
    { packets: 4, firstTicks: 900_000, endTicks: 936_000 },
    { packets: 3, firstTicks: 475_200, endTicks: 489_600 },
  ];
  const { run, meta } = builder.seal({ ...META, startMicros: 10e6 }, extents);
  const tags = Array.from(run.offsets.subarray(0, 7), (offset) => run.bytes[offset + 16]);
  t.strictSame(tags, [1, 5, 6, 2, 3, 7, 4]);
  t.strictSame([...run.dueMicros], [0, 0, 50_000, 100_000, 100_000, 150_000, 300_000]);
  t.strictSame([...run.streams], [0, 1, 1, 0, 0, 1, 0]);
  t.equal(run.bytes.length, run.offsets[7]);
  t.equal(run.bytes.buffer.byteLength, run.bytes.length, 'no slab is kept alive');
  t.equal(run.streams.length, 7);
  t.equal(meta.byteLength, segmentFileBytes(run, extents, KEY));
  t.equal(builder.run.count, 7, 'readers of the builder are not disturbed');
});

t.test('extents that contradict the packets are our mistake', async (t) => {
  const builder = builderOf();
  const packet = rtpPacket({ payload: payload(4, 1, 1) });
  builder.append(packet, 0, packet.length, PLACE);
  const extent = { packets: 1, firstTicks: 0, endTicks: 1 };
  t.throws(() => builder.seal(META, []), RangeError);
  t.throws(() => builder.seal(META, [{ ...extent, packets: 2 }]), RangeError);
  t.throws(() => builder.seal(META, [extent, extent]), RangeError);
  t.ok(builder.seal(META, [extent]));
});
