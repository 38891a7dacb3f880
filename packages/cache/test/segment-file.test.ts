import { crc32 } from 'node:zlib';

import * as fc from 'fast-check';
import t from 'tap';

import {
  CACHE_ERRORS,
  CacheError,
  decodeSegment,
  encodeSegment,
  formatSegmentName,
  parseSegmentName,
  SEGMENT_LIMITS,
  SegmentBuilder,
  segmentMemoryBytes,
  type Segment,
} from '../src/index.js';
import { parseFolderEntry, setAsideName, temporaryName } from '../src/names.js';
import { extentsFor, GENERATION, KEY, makeSegment, rtpPacket } from './making.js';

const PLACE = { dueMicros: 0, lostBefore: 0 };

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
  const segment = makeSegment({ frames: 9, payloadBytes: 40 });
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
  const headerBytes = file.readUInt32LE(12);
  t.equal(file.length, otherFile.length);
  for (let at = 0; at < file.length; at += 64) {
    const zeroed = Buffer.from(file).fill(0, at, Math.min(at + 64, file.length));
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
});
