import * as fc from 'fast-check';
import t from 'tap';
import {
  formatReceiverReport,
  formatSenderReport,
  isRtcp,
  parseCompound,
  RTP_ERRORS,
  RtpError,
} from '../src/index.js';
import type { ReportBlock, RtcpPacket, RtpErrorCode } from '../src/index.js';
import { hex, samples, skipCorpora } from './corpus.js';
import { holds } from './holds.js';

const SENDER = {
  ssrc: 0xdeadbeef,
  ntpSeconds: 0xe93c7b00,
  ntpFraction: 0x80000000,
  rtpTimestamp: 0xfffffff0,
  packetCount: 0xffffffff,
  octetCount: 0x12345678,
};
const SENDER_TEXT = '80c80006 deadbeef e93c7b00 80000000 fffffff0 ffffffff 12345678';

const BLOCK: ReportBlock = {
  ssrc: 1,
  fractionLost: 255,
  cumulativeLost: -1,
  highestSequence: 0x0001ffff,
  jitterTicks: 0xffffffff,
  lastSr: 0x7b008000,
  delaySinceLastSr: 0x00010000,
};
const BLOCK_TEXT = '00000001 ff ffffff 0001ffff ffffffff 7b008000 00010000';

/** An empty receiver report, with which a compound may begin. */
const RR = '80c90001 00000002';

/** Compounds that are read as `value` and, where that is what we write, written as `text`. */
const COMPOUNDS: readonly { name: string; text: string; value: readonly RtcpPacket[]; written?: Buffer }[] = [
  {
    name: 'sender report, CNAME of 3 bytes',
    text: `${SENDER_TEXT} 81ca0003 deadbeef 01 03 616263 000000`,
    value: [
      { type: 'sr', ...SENDER, reports: [] },
      { type: 'sdes', chunks: [{ ssrc: SENDER.ssrc, cname: 'abc' }] },
    ],
    written: formatSenderReport({ ...SENDER, cname: 'abc' }),
  },
  {
    name: 'sender report, CNAME that leaves one zero, goodbye',
    text: `${SENDER_TEXT} 81ca0003 deadbeef 01 05 6162636465 00 81cb0001 deadbeef`,
    value: [
      { type: 'sr', ...SENDER, reports: [] },
      { type: 'sdes', chunks: [{ ssrc: SENDER.ssrc, cname: 'abcde' }] },
      { type: 'bye', ssrcs: [SENDER.ssrc] },
    ],
    written: formatSenderReport({ ...SENDER, cname: 'abcde', bye: true }),
  },
  {
    name: 'receiver report of two blocks, CNAME that needs a word of zeros, goodbye',
    text: `82c9000d 00000002 ${BLOCK_TEXT} ${BLOCK_TEXT} 81ca0004 00000002 01 06 61c3a462c3b6 00000000 81cb0001 00000002`,
    value: [
      { type: 'rr', ssrc: 2, reports: [BLOCK, BLOCK] },
      { type: 'sdes', chunks: [{ ssrc: 2, cname: 'aäbö' }] },
      { type: 'bye', ssrcs: [2] },
    ],
    written: formatReceiverReport({ ssrc: 2, cname: 'aäbö', reports: [BLOCK, BLOCK], bye: true }),
  },
  {
    name: 'receiver report of nobody, empty CNAME',
    text: `${RR} 81ca0002 00000002 01 00 0000`,
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'sdes', chunks: [{ ssrc: 2, cname: '' }] },
    ],
    written: formatReceiverReport({ ssrc: 2, cname: '', reports: [] }),
  },
  {
    name: 'sender report with a block and a profile extension',
    text: `81c8000d deadbeef e93c7b00 80000000 fffffff0 ffffffff 12345678 ${BLOCK_TEXT} cafebabe`,
    value: [{ type: 'sr', ...SENDER, reports: [BLOCK] }],
  },
  {
    name: 'several chunks, several items, no CNAME',
    text: `${RR} 82ca0006 00000003 0602 6162 0101 63 00 00000004 0203 616263 00 0000`.replace(
      '82ca0006',
      '82ca0006',
    ),
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'sdes', chunks: [{ ssrc: 3, cname: 'c' }, { ssrc: 4 }] },
    ],
  },
  {
    name: 'goodbye of several with a reason',
    text: `${RR} 82cb0004 00000003 00000004 06 627965627965 00`,
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'bye', ssrcs: [3, 4], reason: 'byebye' },
    ],
  },
  {
    name: 'goodbye with a reason that needs no filling',
    text: `${RR} 81cb0002 00000003 03 627965`,
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'bye', ssrcs: [3], reason: 'bye' },
    ],
  },
  {
    name: 'goodbye of nobody',
    text: `${RR} 80cb0000`,
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'bye', ssrcs: [] },
    ],
  },
  {
    name: 'application packet, feedback, and one of a type yet to come',
    text: `${RR} 80cc0002 00000003 6e616d65 81ce0002 00000003 00000004 80d20000`,
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'app', payloadType: 204 },
      { type: 'other', payloadType: 206 },
      { type: 'other', payloadType: 210 },
    ],
  },
  {
    name: 'padding at the end of the last packet',
    text: `${RR} a1cb0002 00000003 00000004`,
    value: [
      { type: 'rr', ssrc: 2, reports: [] },
      { type: 'bye', ssrcs: [3] },
    ],
  },
  {
    name: 'padding of a lone packet',
    text: 'a0c90002 00000002 00000004',
    value: [{ type: 'rr', ssrc: 2, reports: [] }],
  },
];

/** Reads a compound that lies in the middle of other bytes. */
function parse(compound: Buffer): RtcpPacket[] {
  const bytes = Buffer.concat([Buffer.alloc(3, 0xff), compound, Buffer.alloc(300, 0xff)]);
  return parseCompound(bytes, 3, 3 + compound.length);
}

t.test('compounds are read and written', async (t) => {
  for (const { name, text, value, written } of COMPOUNDS) {
    const bytes = hex(text);
    t.same(parse(bytes), value, name);
    t.ok(isRtcp(bytes, 0, bytes.length), name);
    if (written !== undefined) t.equal(written.toString('hex'), bytes.toString('hex'), `writes ${name}`);
  }
});

const MALFORMED: readonly { name: string; text: string; code: RtpErrorCode }[] = [
  { name: 'nothing', text: '', code: 'rtcp-short' },
  { name: 'three bytes', text: '80c900', code: 'rtcp-short' },
  { name: 'sender report of a header only', text: '80c80000', code: 'rtcp-short' },
  {
    name: 'sender report without its counts',
    text: SENDER_TEXT.slice(0, -18).replace('0006', '0004'),
    code: 'rtcp-short',
  },
  { name: 'receiver report of a header only', text: '80c90000', code: 'rtcp-short' },
  { name: 'application packet without its name', text: `${RR} 80cc0001 00000003`, code: 'rtcp-short' },
  { name: 'half a header behind', text: `${RR} 80cb`, code: 'rtcp-short' },
  { name: 'version 1', text: RR.replace('80', '40'), code: 'rtcp-version' },
  { name: 'version 3 behind', text: `${RR} c0cb0000`, code: 'rtcp-version' },
  { name: 'length past the end', text: RR.replace('0001', '0002'), code: 'rtcp-length' },
  { name: 'length of 256 KiB', text: RR.replace('0001', 'ffff'), code: 'rtcp-length' },
  { name: 'goodbye first', text: '81cb0001 00000003', code: 'rtcp-first' },
  { name: 'source description first', text: '81ca0002 00000002 01000000', code: 'rtcp-first' },
  { name: 'RTP', text: '80600001 00000001 00000001', code: 'rtcp-first' },
  { name: 'padding in the middle', text: `a0c90002 00000002 00000004 80cb0000`, code: 'rtcp-padding' },
  { name: 'padding of nothing', text: 'a0c90002 00000002 00000000', code: 'rtcp-padding' },
  { name: 'padding of three bytes', text: 'a0c90002 00000002 00000003', code: 'rtcp-padding' },
  { name: 'padding larger than the packet', text: 'a0c90002 00000002 0000000c', code: 'rtcp-padding' },
  {
    name: 'padding larger than the last packet',
    text: `${RR} a1cb0002 00000003 0000000c`,
    code: 'rtcp-padding',
  },
  { name: 'padding into the report', text: 'a0c90001 00000004', code: 'rtcp-short' },
  { name: 'report block missing', text: '81c90001 00000002', code: 'rtcp-count' },
  { name: '31 report blocks in one', text: `9fc90007 00000002 ${BLOCK_TEXT}`, code: 'rtcp-count' },
  { name: 'chunk missing', text: `${RR} 81ca0000`, code: 'rtcp-count' },
  { name: 'second chunk missing', text: `${RR} 82ca0002 00000002 01000000`, code: 'rtcp-count' },
  { name: 'goodbye source missing', text: `${RR} 82cb0001 00000003`, code: 'rtcp-count' },
  { name: 'item past the end', text: `${RR} 81ca0003 00000002 01ff6162 63646566`, code: 'rtcp-sdes' },
  { name: 'item without length', text: `${RR} 81ca0002 00000002 01016101`, code: 'rtcp-sdes' },
  { name: 'chunk without end', text: `${RR} 81ca0002 00000002 01026162`, code: 'rtcp-sdes' },
  { name: 'chunk without items or end', text: `${RR} 81ca0001 00000002`, code: 'rtcp-sdes' },
  { name: 'reason past the end', text: `${RR} 81cb0002 00000003 04616263`, code: 'rtcp-bye' },
  { name: '65 packets', text: RR.repeat(65), code: 'rtcp-packets' },
  { name: '65536 bytes', text: `${RR} 80cc3ffd ${'00'.repeat(65524)}`, code: 'rtcp-long' },
];

/** The code that a compound is refused with, or undefined. Anything but an RtpError is thrown on. */
function refusal(compound: Buffer): RtpErrorCode | undefined {
  try {
    parse(compound);
  } catch (error) {
    if (error instanceof RtpError) return error.code;
    throw error;
  }
  return undefined;
}

t.test('one malformed packet condemns the compound', async (t) => {
  for (const { name, text, code } of MALFORMED) t.equal(refusal(hex(text)), code, name);
  t.same(
    new Set(MALFORMED.map(({ code }) => code)),
    new Set(Object.keys(RTP_ERRORS)),
    'every code has a case',
  );
  t.equal(parse(hex(RR.repeat(64))).length, 64, '64 packets are accepted');
  t.equal(parse(hex(`${RR} 80cc3ffc ${'00'.repeat(65520)}`)).length, 2, '65532 bytes are accepted');
  t.throws(() => parseCompound(hex(RR), 0, 12), { code: 'rtcp-short' }, 'an end behind the buffer');
  t.throws(() => parse(hex(`${RR} c0cb0000`)), { name: 'RtpError', message: /not version 2 \(at byte 8\)/ });
});

t.test('what cannot be written', async (t) => {
  t.doesNotThrow(() => formatSenderReport({ ...SENDER, cname: 'x'.repeat(255) }));
  t.throws(() => formatSenderReport({ ...SENDER, cname: 'x'.repeat(256) }), RangeError);
  t.throws(() => formatSenderReport({ ...SENDER, cname: 'ä'.repeat(128) }), RangeError);
  const reports = Array.from({ length: 32 }, () => BLOCK);
  t.equal(parse(formatReceiverReport({ ssrc: 2, cname: 'a', reports: reports.slice(1) })).length, 2);
  t.throws(() => formatReceiverReport({ ssrc: 2, cname: 'a', reports }), RangeError);
});

t.test('counts wrap, losses and jitter are clamped', async (t) => {
  const [sender] = parse(
    formatSenderReport({
      ...SENDER,
      rtpTimestamp: -1,
      packetCount: 2 ** 32 + 5,
      octetCount: 2 ** 40,
      cname: '',
    }),
  );
  t.match(sender, { type: 'sr', rtpTimestamp: 2 ** 32 - 1, packetCount: 5, octetCount: 0 });
  const most = {
    ...BLOCK,
    fractionLost: 256,
    cumulativeLost: 2 ** 23,
    jitterTicks: 2 ** 33,
    delaySinceLastSr: 2 ** 33,
  };
  const least = {
    ...BLOCK,
    fractionLost: -1,
    cumulativeLost: -(2 ** 24),
    jitterTicks: -1,
    delaySinceLastSr: -0.5,
  };
  const [receiver] = parse(formatReceiverReport({ ssrc: 2, cname: '', reports: [most, least] }));
  t.match(receiver, {
    reports: [
      {
        fractionLost: 255,
        cumulativeLost: 2 ** 23 - 1,
        jitterTicks: 2 ** 32 - 1,
        delaySinceLastSr: 2 ** 32 - 1,
      },
      { fractionLost: 0, cumulativeLost: -(2 ** 23), jitterTicks: 0, delaySinceLastSr: 0 },
    ],
  });
});

t.test('arbitrary bytes are read or refused', async (t) => {
  const types = fc.constantFrom(200, 201, 202, 203, 204, 205, 207);
  const packet = fc
    .tuple(
      fc.integer({ min: 0, max: 63 }),
      types,
      fc.integer({ min: 0, max: 12 }),
      fc.uint8Array({ maxLength: 48 }),
    )
    .map(([count, type, words, body]) => Buffer.from([0x80 | count, type, 0, words, ...body]));
  holds(
    t,
    fc.property(fc.array(packet, { maxLength: 4 }), fc.uint8Array({ maxLength: 8 }), (packets, rest) => {
      refusal(Buffer.concat([...packets, rest]));
      refusal(Buffer.concat([hex(RR), ...packets, rest]));
    }),
    { numRuns: 5000 },
  );
});

const BAD_COMPOUNDS: Readonly<Record<string, RtpErrorCode>> = {
  'R09-01': 'rtcp-short',
  'R09-03': 'rtcp-length',
  'R09-05': 'rtcp-first',
  'R09-07': 'rtcp-first',
  'R09-09': 'rtcp-padding',
  'R09-11': 'rtcp-first',
  'R09-13': 'rtcp-first',
};

t.test('corpora: bad compounds are refused for what is wrong', { skip: skipCorpora }, async (t) => {
  const named = new Set<string>();
  for (const { name, bytes } of samples('bad-inputs/rtcp')) {
    const id = /R\d\d-\d\d/.exec(name)?.[0] ?? '';
    t.equal(refusal(bytes), BAD_COMPOUNDS[id], name);
    named.add(id);
  }
  for (const id of Object.keys(BAD_COMPOUNDS)) t.ok(named.has(id), id);
});

t.test(
  'corpora: whole, cut off and behind a report, compounds are read or refused',
  { skip: skipCorpora },
  async (t) => {
    const report = hex(RR);
    let read = 0;
    for (const { bytes } of samples('rtcp', 'bad-inputs/rtcp', 'rtp', 'bad-inputs/rtp', 'rtp-payload')) {
      for (let end = bytes.length; end >= 0; end = end > 256 ? end >> 1 : end - 1) {
        const cut = bytes.subarray(0, end);
        if (refusal(cut) === undefined) read += 1;
        if (refusal(Buffer.concat([report, cut])) === undefined) read += 1;
      }
    }
    t.ok(read > 200, `${read} compounds read`);
  },
);
