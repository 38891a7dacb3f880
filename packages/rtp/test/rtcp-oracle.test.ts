import * as fc from 'fast-check';
import {
  ByePacket,
  CompoundPacket,
  ReceiverReportPacket,
  ReceptionReport,
  SdesChunk,
  SdesPacket,
  SenderReportPacket,
} from 'rtp.js/packets';
import type { RtcpPacket as OraclePacket, SdesItemType } from 'rtp.js/packets';
import t from 'tap';
import { formatReceiverReport, formatSenderReport, parseCompound } from '../src/index.js';
import type { ReportBlock, RtcpPacket } from '../src/index.js';
import { samples, skipCorpora } from './corpus.js';
import { holds } from './holds.js';

/* oxlint-disable typescript/no-unsafe-enum-assignment -- rtp.js declares this enumeration and has none at run time */
/** Source: RFC 3550 section 6.5. */
const CNAME = 1 as SdesItemType;
const TOOL = 6 as SdesItemType;
/* oxlint-enable typescript/no-unsafe-enum-assignment */
const APPLICATION = 204;

function parse(bytes: Buffer): RtcpPacket[] {
  return parseCompound(bytes, 0, bytes.length);
}

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const senderFacts = fc.record({
  ssrc: uint32,
  ntpSeconds: uint32,
  ntpFraction: uint32,
  rtpTimestamp: uint32,
  packetCount: uint32,
  octetCount: uint32,
});

/**
 * Losses from 0 to 4095 only: rtp.js 0.15 reads 12 bits of the 24 and writes negative ones as sign and magnitude, where
 * RFC 3550 appendix A.3 has two's complement.
 */
const reportBlock = fc.record({
  ssrc: uint32,
  fractionLost: fc.integer({ min: 0, max: 255 }),
  cumulativeLost: fc.integer({ min: 0, max: 4095 }),
  highestSequence: uint32,
  jitterTicks: uint32,
  lastSr: uint32,
  delaySinceLastSr: uint32,
});

const cname = fc.string({ maxLength: 60, unit: 'grapheme' }).filter((text) => Buffer.byteLength(text) <= 255);

t.test('what is written is read again, and rtp.js reads the same', async (t) => {
  holds(
    t,
    fc.property(senderFacts, cname, fc.boolean(), (facts, name, bye) => {
      const bytes = formatSenderReport({ ...facts, cname: name, bye });
      const packets = parse(bytes);
      const expected: RtcpPacket[] = [
        { type: 'sr', ...facts, reports: [] },
        { type: 'sdes', chunks: [{ ssrc: facts.ssrc, cname: name }] },
        ...(bye ? [{ type: 'bye' as const, ssrcs: [facts.ssrc] }] : []),
      ];
      return same(packets, expected) && same(readByOracle(bytes), expected);
    }),
  );
  holds(
    t,
    fc.property(
      uint32,
      fc.array(reportBlock, { maxLength: 31 }),
      cname,
      fc.boolean(),
      (ssrc, reports, name, bye) => {
        const bytes = formatReceiverReport({ ssrc, reports, cname: name, bye });
        const expected: RtcpPacket[] = [
          { type: 'rr', ssrc, reports },
          { type: 'sdes', chunks: [{ ssrc, cname: name }] },
          ...(bye ? [{ type: 'bye' as const, ssrcs: [ssrc] }] : []),
        ];
        return same(parse(bytes), expected) && same(readByOracle(bytes), expected);
      },
    ),
  );
});

function same(one: unknown, another: unknown): boolean {
  return JSON.stringify(one, sortKeys) === JSON.stringify(another, sortKeys);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A compound as rtp.js reads it, in our terms. */
function readByOracle(bytes: Buffer): RtcpPacket[] {
  return new CompoundPacket(viewOf(bytes)).getPackets().map(translate);
}

function translate(packet: OraclePacket): RtcpPacket {
  if (packet instanceof SenderReportPacket) {
    return {
      type: 'sr',
      ssrc: packet.getSsrc(),
      ntpSeconds: packet.getNtpSeconds(),
      ntpFraction: packet.getNtpFraction(),
      rtpTimestamp: packet.getRtpTimestamp(),
      packetCount: packet.getPacketCount(),
      octetCount: packet.getOctetCount(),
      reports: packet.getReports().map(translateBlock),
    };
  }
  if (packet instanceof ReceiverReportPacket) {
    return { type: 'rr', ssrc: packet.getSsrc(), reports: packet.getReports().map(translateBlock) };
  }
  if (packet instanceof SdesPacket) {
    return { type: 'sdes', chunks: packet.getChunks().map(translateChunk) };
  }
  if (packet instanceof ByePacket) {
    const reason = packet.getReason();
    return { type: 'bye', ssrcs: packet.getSsrcs(), ...(reason === undefined ? {} : { reason }) };
  }
  const payloadType: number = packet.getPacketType();
  return { type: payloadType === APPLICATION ? 'app' : 'other', payloadType };
}

function translateChunk(chunk: SdesChunk): { ssrc: number; cname?: string } {
  const text = chunk.getItems().find((item) => item.type === CNAME)?.text;
  return { ssrc: chunk.getSsrc(), ...(text === undefined ? {} : { cname: text }) };
}

function translateBlock(report: ReceptionReport): ReportBlock {
  return {
    ssrc: report.getSsrc(),
    fractionLost: report.getFractionLost(),
    cumulativeLost: report.getTotalLost(),
    highestSequence: report.getHighestSeqNumber(),
    jitterTicks: report.getJitter(),
    lastSr: report.getLastSRTimestamp(),
    delaySinceLastSr: report.getDelaySinceLastSR(),
  };
}

const compoundParts = fc.record({
  facts: senderFacts,
  reports: fc.array(reportBlock, { maxLength: 31 }),
  chunks: fc.array(fc.tuple(uint32, cname), { maxLength: 5 }),
  leaving: fc.array(uint32, { maxLength: 31 }),
  reason: fc.option(fc.string({ minLength: 1, maxLength: 40 })),
});

t.test('compounds that rtp.js writes are read', async (t) => {
  holds(
    t,
    fc.property(compoundParts, ({ facts, reports, chunks, leaving, reason }) => {
      const sender = new SenderReportPacket();
      sender.setSsrc(facts.ssrc);
      sender.setNtpSeconds(facts.ntpSeconds);
      sender.setNtpFraction(facts.ntpFraction);
      sender.setRtpTimestamp(facts.rtpTimestamp);
      sender.setPacketCount(facts.packetCount);
      sender.setOctetCount(facts.octetCount);
      sender.setReports(reports.map(oracleBlock));
      const description = new SdesPacket();
      for (const [ssrc, name] of chunks) {
        const chunk = new SdesChunk();
        chunk.setSsrc(ssrc);
        chunk.addItem(TOOL, 'tool');
        chunk.addItem(CNAME, name);
        description.addChunk(chunk);
      }
      const goodbye = new ByePacket();
      goodbye.setSsrcs(leaving);
      if (reason !== null) goodbye.setReason(reason);
      const compound = new CompoundPacket();
      compound.setPackets([sender, description, goodbye]);
      compound.serialize();
      const view = compound.getView();
      return same(parse(Buffer.from(view.buffer, view.byteOffset, view.byteLength)), [
        { type: 'sr', ...facts, reports },
        { type: 'sdes', chunks: chunks.map(([ssrc, name]) => ({ ssrc, cname: name })) },
        { type: 'bye', ssrcs: leaving, ...(reason === null ? {} : { reason }) },
      ]);
    }),
  );
});

function oracleBlock(block: ReportBlock): ReceptionReport {
  const report = new ReceptionReport();
  report.setSsrc(block.ssrc);
  report.setFractionLost(block.fractionLost);
  report.setTotalLost(block.cumulativeLost);
  report.setHighestSeqNumber(block.highestSequence);
  report.setJitter(block.jitterTicks);
  report.setLastSRTimestamp(block.lastSr);
  report.setDelaySinceLastSR(block.delaySinceLastSr);
  return report;
}

/** What a reader makes of a compound as text to compare, 'refused' if it throws. */
function outcome(read: (bytes: Buffer) => RtcpPacket[], bytes: Buffer): string {
  try {
    return JSON.stringify(read(bytes), sortKeys).replaceAll(/"cumulativeLost":-?\d+/g, '"cumulativeLost":0');
  } catch {
    return 'refused';
  }
}

/**
 * Where the two differ on purpose: rtp.js takes padding of zero bytes and of no multiple of four, looks into feedback, refuses packet
 * types below 192 and the profile extension of a report.
 */
function differsOnPurpose(packet: Buffer, ours: string): boolean {
  const type = packet[1]!;
  if (ours === 'refused') {
    const padding = packet.at(-1)!;
    return (packet[0]! & 0x20) !== 0 && (padding === 0 || padding % 4 !== 0);
  }
  const extensionBytes = type === 201 ? packet.length - 8 - (packet[0]! & 0x1f) * 24 : 0;
  return type === 205 || type === 206 || type < 192 || extensionBytes > 0;
}

t.test('corpora: behind a report, rtp.js agrees on what is read', { skip: skipCorpora }, async (t) => {
  const report = Buffer.from('80c9000100000002', 'hex');
  let read = 0;
  for (const { name, bytes } of samples('rtcp', 'bad-inputs/rtcp')) {
    const compound = Buffer.concat([report, bytes]);
    const ours = outcome(parse, compound);
    if (ours !== 'refused') read += 1;
    const theirs = outcome(readByOracle, compound);
    if (!differsOnPurpose(bytes, ours)) t.equal(ours, theirs, name);
  }
  t.ok(read > 90, `${read} compounds read`);
});
