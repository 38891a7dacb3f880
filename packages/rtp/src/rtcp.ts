import { RtpError } from './errors.js';

/*
 * An RTCP compound is packets one behind the other, each with this header (RFC 3550 section 6.4):
 *
 *    0                   1                   2                   3
 *   +---+-+---------+---------------+-------------------------------+
 *   |V=2|P|  count  |      PT       |  length, 32-bit words minus 1 |
 *   +---+-+---------+---------------+-------------------------------+
 */

export const RTCP_HEADER_BYTES = 4;
export const REPORT_BLOCK_BYTES = 24;
/** Packet types. Source: RFC 3550 section 12.1. */
export const RTCP_TYPE = { senderReport: 200, receiverReport: 201, sdes: 202, bye: 203, app: 204 } as const;
/** The CNAME item of an SDES chunk. Source: RFC 3550 section 6.5.1. */
export const SDES_CNAME = 1;

const MAX_COMPOUND_BYTES = 65535;
const MAX_PACKETS = 64;

/** What a receiver says about one source. Source: RFC 3550 section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: number;
  /** Lost since the previous report, in 1/256, 0..255. */
  readonly fractionLost: number;
  /** Lost since the beginning; duplicates make it negative. Signed 24 bits on the wire. */
  readonly cumulativeLost: number;
  /** Sequence number in the low 16 bits, cycles above. */
  readonly highestSequence: number;
  /** Interarrival jitter, in clock ticks of the stream. */
  readonly jitterTicks: number;
  /** Middle 32 bits of the NTP time of the last sender report, 0 for none. */
  readonly lastSr: number;
  /** Time since that report arrived, in 1/65536 s. */
  readonly delaySinceLastSr: number;
}

/** The sender's part of a sender report. Source: RFC 3550 section 6.4.1. */
export interface SenderFacts {
  readonly ssrc: number;
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
}

/** One packet of a compound. Numbers are as the peer sent them: advisory, unsigned unless said otherwise. */
export type RtcpPacket =
  | (SenderFacts & { readonly type: 'sr'; readonly reports: readonly ReportBlock[] })
  | { readonly type: 'rr'; readonly ssrc: number; readonly reports: readonly ReportBlock[] }
  | { readonly type: 'sdes'; readonly chunks: readonly SdesChunk[] }
  | { readonly type: 'bye'; readonly ssrcs: readonly number[]; readonly reason?: string }
  | { readonly type: 'app' | 'other'; readonly payloadType: number };

export interface SdesChunk {
  readonly ssrc: number;
  readonly cname?: string;
}

/**
 * True when bytes[start, end) is RTCP rather than RTP, where both come by the same port or channel. Says nothing about
 * whether the RTCP is well formed.
 * Source: RFC 5761 section 4: RTCP packet types 192..223 cover the RTP payload types 64..95 with the marker bit.
 */
export function isRtcp(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 4 && bytes[start]! >> 6 === 2 && bytes[start + 1]! >> 5 === 6;
}

/**
 * Reads a compound. It is accepted or refused as a whole: one malformed packet and nothing of it is believed.
 * Unknown packet types are accepted by their length alone.
 *
 * Source: RFC 3550 section 6.1, appendix A.2.
 * @returns at most 64 packets, the first a sender or receiver report
 * @throws RtpError on anything malformed
 */
export function parseCompound(bytes: Buffer, start: number, end: number): RtcpPacket[] {
  if (end - start > MAX_COMPOUND_BYTES) throw new RtpError('rtcp-long', 0);
  if (end - start < RTCP_HEADER_BYTES || end > bytes.length) throw new RtpError('rtcp-short', 0);
  const compound = bytes.subarray(start, end);
  const packets: RtcpPacket[] = [];
  let offset = 0;
  while (offset < compound.length) {
    if (packets.length === MAX_PACKETS) throw new RtpError('rtcp-packets', offset);
    const next = packetEnd(compound, offset);
    const packet = compound.subarray(offset, next - paddingBytes(compound, offset, next));
    packets.push(parsePacket(packet, offset));
    offset = next;
  }
  return packets;
}

/** End of the packet at `offset`, its header checked. */
function packetEnd(compound: Buffer, offset: number): number {
  if (offset + RTCP_HEADER_BYTES > compound.length) throw new RtpError('rtcp-short', offset);
  if (compound[offset]! >> 6 !== 2) throw new RtpError('rtcp-version', offset);
  const payloadType = compound[offset + 1]!;
  if (offset === 0 && payloadType !== RTCP_TYPE.senderReport && payloadType !== RTCP_TYPE.receiverReport) {
    throw new RtpError('rtcp-first', offset);
  }
  const next = offset + RTCP_HEADER_BYTES + compound.readUInt16BE(offset + 2) * 4;
  if (next > compound.length) throw new RtpError('rtcp-length', offset);
  return next;
}

function paddingBytes(compound: Buffer, offset: number, next: number): number {
  if ((compound[offset]! & 0x20) === 0) return 0;
  const padding = compound[next - 1]!;
  if (
    next < compound.length ||
    padding === 0 ||
    padding % 4 !== 0 ||
    padding > next - offset - RTCP_HEADER_BYTES
  ) {
    throw new RtpError('rtcp-padding', offset);
  }
  return padding;
}

/** @param offset of the packet in its compound, for errors */
function parsePacket(packet: Buffer, offset: number): RtcpPacket {
  const payloadType = packet[1]!;
  switch (payloadType) {
    case RTCP_TYPE.senderReport:
      return parseSenderReport(packet, offset);
    case RTCP_TYPE.receiverReport:
      need(packet, 8, offset);
      return { type: 'rr', ssrc: packet.readUInt32BE(4), reports: parseReports(packet, 8, offset) };
    case RTCP_TYPE.sdes:
      return { type: 'sdes', chunks: parseChunks(packet, offset) };
    case RTCP_TYPE.bye:
      return parseGoodbye(packet, offset);
    case RTCP_TYPE.app:
      need(packet, 12, offset);
      return { type: 'app', payloadType };
    default:
      return { type: 'other', payloadType };
  }
}

function need(packet: Buffer, size: number, offset: number): void {
  if (packet.length < size) throw new RtpError('rtcp-short', offset);
}

function parseSenderReport(packet: Buffer, offset: number): RtcpPacket {
  need(packet, 28, offset);
  return {
    type: 'sr',
    ssrc: packet.readUInt32BE(4),
    ntpSeconds: packet.readUInt32BE(8),
    ntpFraction: packet.readUInt32BE(12),
    rtpTimestamp: packet.readUInt32BE(16),
    packetCount: packet.readUInt32BE(20),
    octetCount: packet.readUInt32BE(24),
    reports: parseReports(packet, 28, offset),
  };
}

/** What follows the announced blocks is a profile's extension and is left alone (RFC 3550 section 6.4.3). */
function parseReports(packet: Buffer, from: number, offset: number): ReportBlock[] {
  const count = packet[0]! & 0x1f;
  if (from + count * REPORT_BLOCK_BYTES > packet.length) throw new RtpError('rtcp-count', offset);
  return Array.from({ length: count }, (_, i) => {
    const at = from + i * REPORT_BLOCK_BYTES;
    return {
      ssrc: packet.readUInt32BE(at),
      fractionLost: packet[at + 4]!,
      cumulativeLost: packet.readIntBE(at + 5, 3),
      highestSequence: packet.readUInt32BE(at + 8),
      jitterTicks: packet.readUInt32BE(at + 12),
      lastSr: packet.readUInt32BE(at + 16),
      delaySinceLastSr: packet.readUInt32BE(at + 20),
    };
  });
}

/** Source: RFC 3550 section 6.5: chunks of items, each chunk ended by a zero octet and filled up to 32 bits. */
function parseChunks(packet: Buffer, offset: number): SdesChunk[] {
  const count = packet[0]! & 0x1f;
  const chunks: SdesChunk[] = [];
  let at = RTCP_HEADER_BYTES;
  while (chunks.length < count) {
    if (at + 4 > packet.length) throw new RtpError('rtcp-count', offset);
    const ssrc = packet.readUInt32BE(at);
    let cname: string | undefined;
    at += 4;
    while (at < packet.length && packet[at] !== 0) {
      const textEnd = at + 2 + (packet[at + 1] ?? packet.length);
      if (textEnd > packet.length) throw new RtpError('rtcp-sdes', offset);
      if (packet[at] === SDES_CNAME) cname ??= packet.toString('utf8', at + 2, textEnd);
      at = textEnd;
    }
    if (at >= packet.length) throw new RtpError('rtcp-sdes', offset);
    at = (at + 4) & ~3;
    chunks.push(cname === undefined ? { ssrc } : { ssrc, cname });
  }
  return chunks;
}

function parseGoodbye(packet: Buffer, offset: number): RtcpPacket {
  const count = packet[0]! & 0x1f;
  const reasonAt = RTCP_HEADER_BYTES + count * 4;
  if (reasonAt > packet.length) throw new RtpError('rtcp-count', offset);
  const ssrcs = Array.from({ length: count }, (_, i) => packet.readUInt32BE(RTCP_HEADER_BYTES + i * 4));
  if (reasonAt === packet.length) return { type: 'bye', ssrcs };
  const reasonEnd = reasonAt + 1 + packet[reasonAt]!;
  if (reasonEnd > packet.length) throw new RtpError('rtcp-bye', offset);
  return { type: 'bye', ssrcs, reason: packet.toString('utf8', reasonAt + 1, reasonEnd) };
}
