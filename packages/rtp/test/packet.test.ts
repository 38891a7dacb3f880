import * as fc from 'fast-check';
import { RtpPacket } from 'rtp.js/packets';
import t from 'tap';
import {
  isRtcp,
  marker,
  ntpFromUnix,
  PACKET_FAULTS,
  payloadEnd,
  payloadStart,
  payloadType,
  sequenceDelta,
  sequenceNumber,
  SequenceUnwrapper,
  ssrc,
  timestamp,
  timestampDelta,
  TimestampUnwrapper,
  unixFromNtp,
  wrapSequence,
  wrapTimestamp,
} from '../src/index.js';
import { hex, samples, skipCorpora } from './corpus.js';
import { holds } from './holds.js';

const HEADER = '8060ffff 80000001 89abcdef';
const TWO_32 = 2 ** 32;

/** Each `value` is payload start and end, or the name of a fault. */
const PACKETS: readonly { name: string; text: string; value: readonly [number, number] | string }[] = [
  { name: 'header only', text: HEADER, value: [12, 12] },
  { name: 'payload', text: `${HEADER} 010203`, value: [12, 15] },
  { name: 'nothing', text: '', value: 'short' },
  { name: 'eleven bytes', text: HEADER.slice(0, -2), value: 'short' },
  { name: 'version 0', text: HEADER.replace('80', '00'), value: 'version' },
  { name: 'version 1', text: HEADER.replace('80', '40'), value: 'version' },
  { name: 'version 3', text: HEADER.replace('80', 'c0'), value: 'version' },
  { name: 'two contributors', text: `${HEADER.replace('80', '82')} 00000001 00000002 ff`, value: [20, 21] },
  { name: 'fifteen contributors in no bytes', text: HEADER.replace('80', '8f'), value: 'csrc' },
  { name: 'a contributor cut off', text: `${HEADER.replace('80', '81')} 000000`, value: 'csrc' },
  {
    name: 'extension of one word',
    text: `${HEADER.replace('80', '90')} bede0001 10ff0000 aa`,
    value: [20, 21],
  },
  { name: 'extension of no words', text: `${HEADER.replace('80', '90')} bede0000 aa`, value: [16, 17] },
  { name: 'extension without length', text: `${HEADER.replace('80', '90')} bede`, value: 'extension' },
  { name: 'extension cut off', text: `${HEADER.replace('80', '90')} bede0002 10ff0000`, value: 'extension' },
  { name: 'extension of 65535 words', text: `${HEADER.replace('80', '90')} bedeffff aa`, value: 'extension' },
  {
    name: 'contributors and extension',
    text: `${HEADER.replace('80', '91')} 00000001 00000000 aa`,
    value: [20, 21],
  },
  { name: 'padding', text: `${HEADER.replace('80', 'a0')} aabb 000003`, value: [12, 14] },
  { name: 'nothing but padding', text: `${HEADER.replace('80', 'a0')} 000003`, value: [12, 12] },
  { name: 'padding of no bytes', text: `${HEADER.replace('80', 'a0')} aabb00`, value: 'padding' },
  { name: 'padding larger than the payload', text: `${HEADER.replace('80', 'a0')} aa 03`, value: 'padding' },
  {
    name: 'padding without a byte for its count',
    text: HEADER.replace('80', 'a0').replace('ef', '01'),
    value: 'padding',
  },
];

/** payloadStart() and payloadEnd() in the notation of PACKETS, for a packet in the middle of other bytes. */
function locate(packet: Buffer): readonly [number, number] | string {
  const before = 5;
  const bytes = Buffer.concat([Buffer.alloc(before, 0xff), packet, Buffer.alloc(300, 0xff)]);
  const end = before + packet.length;
  const payload = payloadStart(bytes, before, end);
  if (payload < 0) return PACKET_FAULTS[payload] ?? `unnamed fault ${payload}`;
  return [payload - before, payloadEnd(bytes, before, end) - before];
}

t.test('headers are checked and payloads found, wherever in a buffer the packet lies', async (t) => {
  for (const { name, text, value } of PACKETS) t.same(locate(hex(text)), value, name);
  t.equal(locate(Buffer.concat([hex(HEADER), Buffer.alloc(65523)])).length, 2, '65535 bytes');
  t.equal(locate(Buffer.concat([hex(HEADER), Buffer.alloc(65524)])), 'long', '65536 bytes');
  t.equal(PACKET_FAULTS[payloadStart(hex(HEADER), 0, 13)], 'short', 'an end behind the buffer');
});

t.test('fields are unsigned to their last bit', async (t) => {
  const packet = hex('80e0fffe fffffffd 80000000');
  t.equal(payloadType(packet, 0), 96);
  t.equal(marker(packet, 0), true);
  t.equal(sequenceNumber(packet, 0), 0xfffe);
  t.equal(timestamp(packet, 0), 0xfffffffd);
  t.equal(ssrc(packet, 0), 0x80000000);
  t.equal(marker(hex(HEADER), 0), false);
});

t.test('RTCP is told from RTP by its packet type', async (t) => {
  const kinds: readonly [string, boolean][] = [
    ['80c80006', true],
    ['80c00000', true],
    ['80df0000', true],
    ['80bf0000', false],
    ['80e00000', false],
    ['80600000', false],
    ['00c80006', false],
    ['80c800', false],
    ['', false],
  ];
  for (const [text, value] of kinds) {
    const bytes = hex(text);
    t.equal(isRtcp(bytes, 0, bytes.length), value, text);
    const around = Buffer.concat([hex('80c8000080'), bytes, hex('80c80000')]);
    t.equal(isRtcp(around, 5, 5 + bytes.length), value, `${text} in the middle`);
  }
});

const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });

const packetFields = fc.record({
  payloadType: uint(7),
  marker: fc.boolean(),
  sequence: uint(16),
  timestampTicks: uint(32),
  ssrc: uint(32),
  csrcs: fc.array(uint(32), { maxLength: 15 }),
  extension: fc.option(fc.uint8Array({ minLength: 1, maxLength: 16 })),
  payload: fc.uint8Array({ maxLength: 64 }),
  pad: fc.boolean(),
});

t.test('packets that rtp.js writes are read field by field', async (t) => {
  holds(
    t,
    fc.property(packetFields, (fields) => {
      const packet = new RtpPacket();
      packet.setPayloadType(fields.payloadType);
      packet.setMarker(fields.marker);
      packet.setSequenceNumber(fields.sequence);
      packet.setTimestamp(fields.timestampTicks);
      packet.setSsrc(fields.ssrc);
      packet.setCsrcs(fields.csrcs);
      if (fields.extension !== null) {
        packet.enableOneByteExtensions();
        packet.setExtension(3, viewOf(fields.extension));
      }
      packet.setPayload(viewOf(fields.payload));
      if (fields.pad) packet.padTo4Bytes();
      packet.serialize();
      const view = packet.getView();
      const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
      const start = payloadStart(bytes, 0, bytes.length);
      return (
        payloadType(bytes, 0) === fields.payloadType &&
        marker(bytes, 0) === fields.marker &&
        sequenceNumber(bytes, 0) === fields.sequence &&
        timestamp(bytes, 0) === fields.timestampTicks &&
        ssrc(bytes, 0) === fields.ssrc &&
        bytes.subarray(start, payloadEnd(bytes, 0, bytes.length)).equals(fields.payload)
      );
    }),
    { numRuns: 2000 },
  );
});

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What rtp.js makes of bytes, in the notation of PACKETS, every refusal being 'refused'. */
function locateByOracle(bytes: Buffer): readonly [number, number] | string {
  try {
    const payload = new RtpPacket(viewOf(bytes)).getPayload();
    const start = payload.byteOffset - bytes.byteOffset;
    return [start, start + payload.byteLength];
  } catch {
    return 'refused';
  }
}

/**
 * Where the two differ on purpose: rtp.js reads into header extensions, which pass through here unread, takes a padding
 * count of zero, and has no upper limit.
 */
function agrees(bytes: Buffer): boolean {
  const ours = locate(bytes);
  const theirs = locateByOracle(bytes);
  if (typeof theirs === 'string') return typeof ours === 'string' || (bytes[0]! & 0x10) !== 0;
  if (ours === 'long') return bytes.length > 65535;
  if (ours === 'padding') return bytes.at(-1) === 0;
  return ours[0] === theirs[0] && ours[1] === theirs[1];
}

t.test('rtp.js agrees on what is a packet, on arbitrary bytes', async (t) => {
  const first = fc.constantFrom(0x80, 0x81, 0x82, 0x90, 0x91, 0xa0, 0xb0, 0xb3, 0x40, 0xc0);
  holds(
    t,
    fc.property(first, fc.uint8Array({ maxLength: 48 }), uint(4), (byte, rest, padding) =>
      agrees(Buffer.from([byte, ...rest, padding])),
    ),
    { numRuns: 5000 },
  );
});

t.test('corpora: rtp.js agrees on what is a packet', { skip: skipCorpora }, async (t) => {
  const all = samples('rtp', 'bad-inputs/rtp', 'rtcp', 'bad-inputs/rtcp', 'rtp-payload');
  t.ok(all.length > 250, `${all.length} samples`);
  const packets = all.filter(({ bytes }) => typeof locate(bytes) !== 'string');
  t.ok(packets.length > 100, `${packets.length} of them packets`);
  for (const { name, bytes } of all) {
    for (let end = bytes.length; end >= 0; end = end > 64 ? end >> 1 : end - 1) {
      if (!agrees(bytes.subarray(0, end)))
        t.fail(`${name}, ${end} bytes`, { ours: locate(bytes.subarray(0, end)) });
    }
  }
});

const BAD_PACKETS: Readonly<Record<string, string>> = {
  'R01-01': 'short',
  'R01-03': 'short',
  'R01-05': 'version',
  'R01-07': 'csrc',
  'R01-09': 'extension',
  'R01-11': 'padding',
  'R01-13': 'padding',
  'R08-02': 'version',
};

t.test('corpora: bad packets have their faults named', { skip: skipCorpora }, async (t) => {
  const named = new Set<string>();
  for (const { name, bytes } of samples('bad-inputs/rtp')) {
    const id = /R\d\d-\d\d/.exec(name)?.[0] ?? '';
    const found = locate(bytes);
    t.equal(typeof found === 'string' ? found : undefined, BAD_PACKETS[id], name);
    named.add(id);
  }
  for (const id of Object.keys(BAD_PACKETS)) t.ok(named.has(id), id);
});

t.test('sequence numbers take the shortest way', async (t) => {
  const ways: readonly [number, number, number][] = [
    [0, 0, 0],
    [0, 1, 1],
    [65535, 0, 1],
    [0, 65535, -1],
    [65530, 5, 11],
    [5, 65530, -11],
    [0, 32767, 32767],
    [0, 32768, -32768],
    [32768, 0, -32768],
    [1, 32769, -32768],
  ];
  for (const [from, to, delta] of ways) t.equal(sequenceDelta(from, to), delta, `${from} to ${to}`);
  t.equal(wrapSequence(65536), 0);
  t.equal(wrapSequence(-1), 65535);
});

t.test('timestamps take the shortest way', async (t) => {
  const ways: readonly [number, number, number][] = [
    [0, 0, 0],
    [0xffffffff, 0, 1],
    [0, 0xffffffff, -1],
    [0xffffff00, 0x100, 0x200],
    [0x100, 0xffffff00, -0x200],
    [0, 0x7fffffff, 0x7fffffff],
    [0, 0x80000000, -0x80000000],
    [0x80000000, 0, -0x80000000],
    [5 * TWO_32 + 7, 8, 1],
  ];
  for (const [from, to, delta] of ways) t.equal(timestampDelta(from, to), delta, `${from} to ${to}`);
  const wraps: readonly [number, number][] = [
    [0, 0],
    [TWO_32 - 1, TWO_32 - 1],
    [TWO_32, 0],
    [-1, TWO_32 - 1],
    [-TWO_32 - 1, TWO_32 - 1],
    [Number.MAX_SAFE_INTEGER, TWO_32 - 1],
    [Number.MIN_SAFE_INTEGER, 1],
  ];
  for (const [ticks, wrapped] of wraps) t.equal(wrapTimestamp(ticks), wrapped, String(ticks));
});

/** A first number and steps of less than half a turn either way. */
function walk(half: number) {
  const first = fc.integer({ min: 0, max: 2 * half - 1 });
  return fc.tuple(first, fc.array(fc.integer({ min: 1 - half, max: half - 1 })));
}

t.test('unwrappers follow any walk in steps of less than half a turn', async (t) => {
  holds(
    t,
    fc.property(walk(2 ** 15), ([first, steps]) => {
      const unwrapper = new SequenceUnwrapper();
      let truth = first;
      return [0, ...steps].every((step) => {
        truth += step;
        return unwrapper.unwrap(wrapSequence(truth)) === truth;
      });
    }),
  );
  holds(
    t,
    fc.property(walk(2 ** 31), ([first, steps]) => {
      const unwrapper = new TimestampUnwrapper();
      let truth = first;
      return [0, ...steps].every((step) => {
        truth += step;
        return unwrapper.unwrap(wrapTimestamp(truth)) === truth;
      });
    }),
  );
});

t.test('fourteen hours of 90 kHz and a million packets unwrap without a jump', async (t) => {
  const sequences = new SequenceUnwrapper();
  const timestamps = new TimestampUnwrapper();
  let wrong = 0;
  for (let i = 0; i < 1_400_000; i += 1) {
    if (sequences.unwrap((65000 + i) & 0xffff) !== 65000 + i) wrong += 1;
    if (timestamps.unwrap((TWO_32 - 1800 + i * 3600) % TWO_32) !== TWO_32 - 1800 + i * 3600) wrong += 1;
  }
  t.equal(wrong, 0);
});

t.test('a stream may begin just before zero', async (t) => {
  const sequences = new SequenceUnwrapper();
  t.same(
    [1, 65535, 2].map((s) => sequences.unwrap(s)),
    [1, -1, 2],
  );
  const timestamps = new TimestampUnwrapper();
  t.same(
    [3600, TWO_32 - 3600, 7200].map((s) => timestamps.unwrap(s)),
    [3600, -3600, 7200],
  );
});

t.test('NTP and Unix time', async (t) => {
  const instants: readonly { name: string; unixMs: number; seconds: number; fraction: number }[] = [
    {
      name: 'as early as it goes',
      unixMs: Date.UTC(1968, 0, 20, 3, 14, 8),
      seconds: 0x80000000,
      fraction: 0,
    },
    {
      name: 'as late as it goes',
      unixMs: Date.UTC(2104, 1, 26, 9, 42, 23),
      seconds: 0x7fffffff,
      fraction: 0,
    },
    { name: '1970', unixMs: 0, seconds: 2208988800, fraction: 0 },
    { name: 'a quarter past', unixMs: 250, seconds: 2208988800, fraction: 0x40000000 },
    { name: '2024', unixMs: 1704067200500, seconds: 3913056000, fraction: 0x80000000 },
    { name: 'the last second of era 0', unixMs: 2085978495000, seconds: 0xffffffff, fraction: 0 },
    { name: 'era 1', unixMs: 2085978496000, seconds: 0, fraction: 0 },
  ];
  for (const { name, unixMs, seconds, fraction } of instants) {
    t.same(ntpFromUnix(unixMs), { seconds, fraction }, name);
    t.equal(unixFromNtp(seconds, fraction), unixMs, name);
  }
  t.same(ntpFromUnix(999.9999999999), { seconds: 2208988801, fraction: 0 }, 'rounds up into the next second');
  holds(
    t,
    fc.property(fc.double({ min: 0, max: 4e12, noNaN: true }), (unixMs) => {
      const { seconds, fraction } = ntpFromUnix(unixMs);
      return Math.abs(unixFromNtp(seconds, fraction) - unixMs) < 0.001;
    }),
  );
});
