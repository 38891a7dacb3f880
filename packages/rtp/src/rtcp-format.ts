import { RTCP_HEADER_BYTES, RTCP_TYPE, REPORT_BLOCK_BYTES, SDES_CNAME } from './rtcp.js';
import type { ReportBlock, SenderFacts } from './rtcp.js';
import { wrapTimestamp } from './timestamp.js';

/** As many as the 5-bit count of one report holds. */
const MAX_REPORTS = 31;
/** As long as the 8-bit length of one SDES item allows. */
const MAX_CNAME_BYTES = 255;
const SENDER_REPORT_BYTES = 28;
const RECEIVER_REPORT_BYTES = 8;

/** How every compound of ours goes on after the report. */
export interface CompoundTail {
  /** At most 255 bytes of UTF-8; the same for all streams of a session, telling nothing about the host. */
  readonly cname: string;
  /** True adds a BYE: the stream ends here. */
  readonly bye?: boolean;
}

/** What a sender reports: times and counts are taken modulo 2^32. */
export type SenderReport = SenderFacts & CompoundTail;

/** What a receiver reports. */
export interface ReceiverReport extends CompoundTail {
  readonly ssrc: number;
  /** At most 31. */
  readonly reports: readonly ReportBlock[];
}

/**
 * A sender's compound: SR without report blocks, SDES with the CNAME, BYE if asked for.
 *
 * Source: RFC 3550 section 6.1, 6.4.1, 6.5, 6.6.
 * @throws RangeError if the CNAME is too long
 */
export function formatSenderReport(report: SenderReport): Buffer {
  const bytes = packetOf(SENDER_REPORT_BYTES, RTCP_TYPE.senderReport, 0);
  bytes.writeUInt32BE(report.ssrc, 4);
  bytes.writeUInt32BE(report.ntpSeconds >>> 0, 8);
  bytes.writeUInt32BE(report.ntpFraction >>> 0, 12);
  bytes.writeUInt32BE(wrapTimestamp(report.rtpTimestamp), 16);
  bytes.writeUInt32BE(report.packetCount >>> 0, 20);
  bytes.writeUInt32BE(report.octetCount >>> 0, 24);
  return compound(bytes, report.ssrc, report);
}

/**
 * A receiver's compound: RR with its report blocks, SDES with the CNAME, BYE if asked for. Losses, jitter and
 * delay are clamped to what their fields hold.
 *
 * Source: RFC 3550 section 6.1, 6.4.2, 6.5, 6.6.
 * @throws RangeError if there are more than 31 report blocks, or the CNAME is too long
 */
export function formatReceiverReport(report: ReceiverReport): Buffer {
  const { reports, ssrc } = report;
  if (reports.length > MAX_REPORTS) throw new RangeError(`more than ${MAX_REPORTS} report blocks`);
  const size = RECEIVER_REPORT_BYTES + reports.length * REPORT_BLOCK_BYTES;
  const bytes = packetOf(size, RTCP_TYPE.receiverReport, reports.length);
  bytes.writeUInt32BE(ssrc, 4);
  reports.forEach((block, i) => {
    writeBlock(bytes, RECEIVER_REPORT_BYTES + i * REPORT_BLOCK_BYTES, block);
  });
  return compound(bytes, ssrc, report);
}

/** An RTCP packet of `size` bytes, a multiple of four, with its header written and the rest zero. */
function packetOf(size: number, payloadType: number, count: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes[0] = 0x80 | count;
  bytes[1] = payloadType;
  bytes.writeUInt16BE(size / 4 - 1, 2);
  return bytes;
}

function writeBlock(bytes: Buffer, at: number, block: ReportBlock): void {
  bytes.writeUInt32BE(block.ssrc, at);
  bytes.writeUInt8(clamp(block.fractionLost, 0, 0xff), at + 4);
  bytes.writeIntBE(clamp(block.cumulativeLost, -0x800000, 0x7fffff), at + 5, 3);
  bytes.writeUInt32BE(block.highestSequence >>> 0, at + 8);
  bytes.writeUInt32BE(clamp(block.jitterTicks, 0, 0xffffffff), at + 12);
  bytes.writeUInt32BE(block.lastSr >>> 0, at + 16);
  bytes.writeUInt32BE(clamp(block.delaySinceLastSr, 0, 0xffffffff), at + 20);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.trunc(value)));
}

function compound(report: Buffer, ssrc: number, tail: CompoundTail): Buffer {
  const packets = [report, formatCname(ssrc, tail.cname)];
  if (tail.bye === true) {
    const bye = packetOf(RTCP_HEADER_BYTES + 4, RTCP_TYPE.bye, 1);
    bye.writeUInt32BE(ssrc, 4);
    packets.push(bye);
  }
  return Buffer.concat(packets);
}

/** SDES of one chunk with one item; at least one zero octet ends the chunk and fills it to 32 bits. */
function formatCname(ssrc: number, cname: string): Buffer {
  const nameBytes = Buffer.byteLength(cname);
  if (nameBytes > MAX_CNAME_BYTES) throw new RangeError(`CNAME longer than ${MAX_CNAME_BYTES} bytes`);
  const itemAt = RTCP_HEADER_BYTES + 4;
  const bytes = packetOf((itemAt + 2 + nameBytes + 4) & ~3, RTCP_TYPE.sdes, 1);
  bytes.writeUInt32BE(ssrc, 4);
  bytes[itemAt] = SDES_CNAME;
  bytes[itemAt + 1] = nameBytes;
  bytes.write(cname, itemAt + 2);
  return bytes;
}
