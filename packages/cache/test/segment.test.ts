import { crc32 } from 'node:zlib';

import fc from 'fast-check';
import t from 'tap';

import {
  CACHE_ERRORS,
  CacheError,
  PACKET_FLAG,
  SEGMENT_LIMITS,
  SegmentBuilder,
  decodeSegment,
  encodeSegment,
  formatSegmentName,
  packetHash,
  parseSegmentName,
  segmentFileBytes,
  segmentMemoryBytes,
  type PacketPlace,
  type Segment,
} from '../src/index.js';
import { parseFolderEntry, setAsideName, temporaryName } from '../src/names.js';
import { extentsFor, GENERATION, KEY, makeSegment, payload, rtpPacket, VIDEO_RATE } from './making.js';

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

function expectOf(segment: Segment): { key: string; generation: string; startMicros: number } {
  return { key: KEY, generation: segment.meta.generation, startMicros: segment.meta.startMicros };
}

/** Code of the CacheError that a call throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CacheError) return error.code;
    throw error;
  }
  return 'nothing thrown';
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

t.test('the hash sees marker and payload and nothing else', async (t) => {
  const base = { payload: payload(33, 3, 3), marker: false };
  const hash = (sent: Parameters<typeof rtpPacket>[0]): number => {
    const packet = rtpPacket(sent);
    return packetHash(Buffer.concat([Buffer.alloc(3), packet]), 3, 3 + packet.length);
  };
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

t.test('segments survive the way to the file and back', async (t) => {
  const arrays = fc.record({
    packets: fc.array(
      fc.record({
        stream: fc.nat({ max: 2 }),
        ticks: fc.integer({ min: -1000, max: 2 ** 40 }),
        payload: fc.uint8Array({ maxLength: 60 }),
        flags: fc.nat({ max: 3 }),
        marker: fc.boolean(),
      }),
      { maxLength: 30 },
    ),
    startMicros: fc.nat({ max: 2 ** 50 }),
    durationMicros: fc.nat({ max: 2 ** 40 }),
    anchor: fc.nat({ max: 2 ** 32 - 1 }),
    index: fc.nat({ max: 2 ** 32 - 1 }),
    randomAccess: fc.boolean(),
    last: fc.boolean(),
    key: fc.string({ unit: 'grapheme', maxLength: 40 }),
  });
  const property = fc.property(arrays, ({ packets, key, ...rest }) => {
    const builder = new SegmentBuilder({ key, clockRates: [90_000, 48_000, 1000] });
    for (const { stream, ticks, flags, ...sent } of packets) {
      const packet = rtpPacket(sent);
      builder.append(packet, 0, packet.length, { ...PLACE, stream, canonicalTicks: ticks, flags });
    }
    const extents = [0, 1, 2].map((stream) => ({
      packets: packets.filter((packet) => packet.stream === stream).length,
      firstTicks: -stream,
      endTicks: 2 ** 40,
    }));
    const segment = builder.seal({ ...rest, generation: GENERATION }, extents);
    const file = encodeSegment(segment, key);
    const decoded = decodeSegment(file, { key, generation: GENERATION, startMicros: rest.startMicros });
    t.equal(file.length, segment.meta.byteLength);
    t.strictSame(plain(decoded), plain(segment));
    t.equal(segmentMemoryBytes(decoded), file.length, 'a read segment is its file and nothing else');
    const unaligned = Buffer.concat([Buffer.of(0), file]).subarray(1);
    t.strictSame(plain(decodeSegment(unaligned, { key, ...segment.meta })), plain(segment));
  });
  fc.assert(property, { numRuns: 60 });
});

function plain({ meta, run, extents }: Segment): object {
  const { bytes, count, offsets, streams, dueMicros, flags, hashes } = run;
  const lists = [offsets, streams, dueMicros, flags, hashes].map((array) => [...array]);
  return { meta, extents, count, bytes: bytes.toString('hex'), lists };
}

t.test('every truncation and every flipped bit of a file is detected', async (t) => {
  const segment = makeSegment({ frames: 3, payloadBytes: 16 });
  const file = encodeSegment(segment, KEY);
  const expect = expectOf(segment);
  const intact = Buffer.from(file);
  let undetected = 0;
  for (let length = 0; length < file.length; length++) {
    if (codeOf(() => decodeSegment(intact.subarray(0, length), expect)) === 'nothing thrown') undetected++;
  }
  const longer = codeOf(() => decodeSegment(Buffer.concat([intact, Buffer.of(0)]), expect));
  t.equal(undetected, 0, `${file.length} truncations`);
  t.equal(longer, 'truncated', 'a file that goes on');
  for (let bit = 0; bit < 8 * file.length; bit++) {
    const at = bit >> 3;
    const flipped = Buffer.from(intact);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
    if (codeOf(() => decodeSegment(flipped, expect)) === 'nothing thrown') undetected++;
  }
  t.equal(undetected, 0, `${8 * file.length} bit flips`);
  t.ok(decodeSegment(intact, expect), 'and the file itself is fine');
});

t.test('zeroed blocks, and parts of another valid segment, are detected', async (t) => {
  const [one, other] = [makeSegment({ frames: 40 }), makeSegment({ frames: 40, seed: 2 })];
  const [file, otherFile] = [encodeSegment(one, KEY), encodeSegment(other, KEY)];
  const { headerBytes } = { headerBytes: file.readUInt32LE(12) };
  t.equal(file.length, otherFile.length);
  for (let at = 0; at < file.length; at += 64) {
    const zeroed = Buffer.from(file).fill(0, at, at + 64);
    if (zeroed.equals(file)) continue;
    t.not(
      codeOf(() => decodeSegment(zeroed, expectOf(one))),
      'nothing thrown',
      `zeroes at ${at}`,
    );
  }
  const headerOfOther = Buffer.concat([otherFile.subarray(0, headerBytes), file.subarray(headerBytes)]);
  t.equal(
    codeOf(() => decodeSegment(headerOfOther, expectOf(one))),
    'corrupt',
    'a valid header of another segment',
  );
});

t.test('a valid file that is not the one asked for is refused', async (t) => {
  const segment = makeSegment();
  const decode = (change: object): string => {
    const file = encodeSegment(segment, KEY);
    return codeOf(() => decodeSegment(file, { ...expectOf(segment), ...change }));
  };
  t.equal(decode({}), 'nothing thrown');
  t.equal(decode({ key: `${KEY}&x` }), 'mismatch');
  t.equal(decode({ generation: 'f'.repeat(32) }), 'mismatch');
  t.equal(decode({ startMicros: 6e6 }), 'mismatch');
});

t.test('a file whose checksums are right but whose content contradicts itself is refused', async (t) => {
  const segment = makeSegment({ frames: 3 });
  const file = encodeSegment(segment, KEY);
  const headerBytes = file.readUInt32LE(12);
  const count = segment.run.count;
  const offsetsAt = headerBytes + 4 * count;
  const streamsAt = offsetsAt + 4 * (count + 1) + 4 * count;
  const payloadAt = streamsAt + 2 * count;
  /** Changes the file and makes its checksums right again. */
  const forge = (change: (bytes: Buffer) => void): string => {
    const forged = Buffer.from(file);
    change(forged);
    const headerCrc = crc32(forged.subarray(0, headerBytes - 4));
    forged.writeUInt32LE(headerCrc, headerBytes - 4);
    const footerAt = forged.length - 8;
    forged.writeUInt32LE(crc32(forged.subarray(headerBytes, footerAt), headerCrc), footerAt);
    return codeOf(() => decodeSegment(forged, expectOf(segment)));
  };
  const expected: Readonly<Record<string, [string, (bytes: Buffer) => void]>> = {
    'nothing changed': ['nothing thrown', () => undefined],
    'another version': ['unknown-version', (bytes) => bytes.writeUInt16LE(2, 8)],
    'unknown flags': ['malformed', (bytes) => bytes.writeUInt16LE(4, 10)],
    'more packets': ['malformed', (bytes) => bytes.writeUInt32LE(count + 1, 20)],
    'endless packets': ['malformed', (bytes) => bytes.writeUInt32LE(0xffff_ffff, 20)],
    'endless payload': ['malformed', (bytes) => bytes.writeUInt32LE(0xffff_ffff, 24)],
    'other streams': ['malformed', (bytes) => bytes.writeUInt16LE(3, 28)],
    'many streams': ['malformed', (bytes) => bytes.writeUInt16LE(600, 28)],
    'longer key': ['malformed', (bytes) => bytes.writeUInt16LE(5000, 30)],
    'header padding': ['malformed', (bytes) => (bytes[headerBytes - 5] = 1)],
    'start out of range': ['malformed', (bytes) => bytes.writeBigUInt64LE(2n ** 60n, 48)],
    'stream table': ['malformed', (bytes) => bytes.writeUInt32LE(1, 76)],
    'packets of a stream': ['malformed', (bytes) => bytes.writeUInt32LE(count, 72)],
    'due time falls': ['malformed', (bytes) => bytes.writeUInt32LE(9e6, headerBytes)],
    'first offset': ['malformed', (bytes) => bytes.writeUInt32LE(4, offsetsAt)],
    'an offset': ['malformed', (bytes) => bytes.writeUInt32LE(17, offsetsAt + 4)],
    'last offset': ['malformed', (bytes) => bytes.writeUInt32LE(17, offsetsAt + 4 * count)],
    'endless offset': ['malformed', (bytes) => bytes.writeUInt32LE(0xffff_fff0, offsetsAt + 4)],
    'unknown stream': ['malformed', (bytes) => (bytes[streamsAt] = 2)],
    'streams swapped': ['malformed', (bytes) => (bytes[streamsAt] = 1)],
    'unknown packet flag': ['malformed', (bytes) => (bytes[streamsAt + count] = 4)],
    'no dollar': ['malformed', (bytes) => (bytes[payloadAt] = 0)],
    channel: ['malformed', (bytes) => (bytes[payloadAt + 1] = 1)],
    length: ['malformed', (bytes) => (bytes[payloadAt + 3] = 0)],
    'RTP version': ['malformed', (bytes) => (bytes[payloadAt + 4] = 0)],
  };
  for (const [name, [code, change]] of Object.entries(expected)) t.equal(forge(change), code, name);
});

t.test('what exceeds the format is not written', async (t) => {
  const segment = makeSegment();
  t.throws(() => encodeSegment(segment, `${KEY}12345678`), RangeError, 'sealed for another key');
  t.throws(() => encodeSegment(makeSegment({ key: 'k'.repeat(5000) }), 'k'.repeat(5000)), RangeError);
  t.throws(() => encodeSegment({ ...segment, meta: { ...segment.meta, generation: 'no' } }, KEY), RangeError);
  const extents = Array.from({ length: SEGMENT_LIMITS.streams + 1 }, () => extentsFor(0, 0, 0)[0]);
  t.throws(
    () => encodeSegment({ ...segment, extents: extents.flatMap((extent) => extent ?? []) }, KEY),
    RangeError,
  );
});

t.test('a segment has one name, and a name one segment', async (t) => {
  const base = makeSegment().meta;
  const table = [
    {
      name: '0-0-0-0-k-00000000.seg',
      meta: { index: 0, startMicros: 0, durationMicros: 0, byteLength: 0, anchor: 0 },
    },
    {
      name: '12-72000000-6006000-1048576-ce-deadbeef.seg',
      meta: {
        index: 12,
        startMicros: 72_000_000,
        durationMicros: 6_006_000,
        byteLength: 1_048_576,
        randomAccess: false,
        last: true,
        anchor: 0xdeadbeef,
      },
    },
  ];
  for (const { name, meta } of table) {
    t.equal(formatSegmentName({ ...base, ...meta }), name);
    t.strictSame(parseSegmentName(name, GENERATION), { ...base, ...meta });
  }
  const refused = [
    '',
    '0-0-0-0-k-0000000.seg',
    '00-0-0-0-k-00000000.seg',
    '+1-0-0-0-k-00000000.seg',
    '0-0-0-0-ek-00000000.seg',
    '0-0-0-0-k-DEADBEEF.seg',
    '0-0-0-0-k-00000000.seg ',
    '0-0-0-0-k-00000000.seg\n',
    '0-0-0-99999999999-k-00000000.seg',
    '4294967296-0-0-0-k-00000000.seg',
    '0-9007199254740992-0-0-k-00000000.seg',
    '0-9007199254740991-1-0-k-00000000.seg',
    '../0-0-0-0-k-00000000.seg',
  ];
  for (const name of refused) t.equal(parseSegmentName(name, GENERATION), undefined, JSON.stringify(name));
  const property = fc.property(
    fc.nat(),
    fc.nat({ max: 2 ** 50 }),
    fc.nat({ max: 1e6 }),
    fc.boolean(),
    (a, b, c, d) => {
      const meta = {
        ...base,
        index: a,
        startMicros: b,
        durationMicros: b,
        byteLength: c,
        last: d,
        randomAccess: !d,
      };
      t.strictSame(parseSegmentName(formatSegmentName(meta), GENERATION), meta);
    },
  );
  fc.assert(property, { numRuns: 100 });
});

t.test('files of ours are told from foreign ones', async (t) => {
  const name = formatSegmentName(makeSegment().meta);
  const kinds = [
    [name, 'segment'],
    ['title.json', 'title'],
    [temporaryName(name), 'temporary'],
    [temporaryName('title.json'), 'temporary'],
    [setAsideName(name), 'set-aside'],
    [setAsideName('title.json'), 'foreign'],
    [temporaryName(temporaryName(name)), 'foreign'],
    [temporaryName('notes.txt'), 'foreign'],
    ['notes.txt', 'foreign'],
    ['.tmp', 'foreign'],
  ] as const;
  for (const [file, kind] of kinds) t.equal(parseFolderEntry(file, GENERATION).kind, kind, file);
});

t.test('every error says what happened and what to do', async (t) => {
  for (const [code, { text, act }] of Object.entries(CACHE_ERRORS)) {
    t.ok(text.length > 10 && act.length > 3, code);
  }
  const error = new CacheError('corrupt', 'header', { cause: new Error('why') });
  t.match(error, { name: 'CacheError', code: 'corrupt', message: `${CACHE_ERRORS.corrupt.text}: header` });
  t.match(error.cause, { message: 'why' });
  t.equal(PACKET_FLAG.randomAccess & PACKET_FLAG.accessUnitStart, 0);
});
