/*
 * One RTP packet, read in place (RFC 3550 section 5.1):
 *
 *    0                   1                   2                   3
 *   +---+-+-+-------+-+-------------+-------------------------------+
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   +---+-+-+-------+-+-------------+-------------------------------+
 *   |                           timestamp                           |
 *   +---------------------------------------------------------------+
 *   |                             SSRC                              |
 *   +---------------------------------------------------------------+
 *   |                      CSRC, CC times                           |
 *   +---------------------------------------------------------------+
 *   |  X: defined by profile        |      length, 32-bit words     |
 *   |                        extension words                        |
 *   +---------------------------------------------------------------+
 *   |                 payload ...    | P: padding ... | pad count   |
 *
 * payloadStart() checks a packet once, where it enters; after that the field readers are offsets and nothing else.
 */

/** Bytes of the fixed header, before any CSRC. */
export const RTP_HEADER_BYTES = 12;

/** The most that fits the 16-bit length of an interleaved frame (RFC 2326 section 10.12). */
const MAX_PACKET_BYTES = 65535;

/** Why bytes are no RTP packet, by what payloadStart() returns: names fit for metric labels. */
export const PACKET_FAULTS: Readonly<Record<number, string>> = {
  /** Fewer than 12 bytes. */
  [-1]: 'short',
  /** Not version 2: STUN, DTLS, noise, other protocols. */
  [-2]: 'version',
  /** The CSRC list runs past the end. */
  [-3]: 'csrc',
  /** The header extension runs past the end. */
  [-4]: 'extension',
  /** The padding count is zero, or larger than what follows the headers. */
  [-5]: 'padding',
  /** More than 65535 bytes. */
  [-6]: 'long',
};

/**
 * Checks that bytes[start, end) is one RTP packet and finds its payload. A payload may be empty.
 * Where RTP and RTCP share a channel or port, ask isRtcp() first: both look alike here.
 *
 * Source: RFC 3550 section 5.1, 5.3.1, appendix A.1.
 * @returns offset of the payload in `bytes`, or a negative number, named in PACKET_FAULTS
 */
export function payloadStart(bytes: Buffer, start: number, end: number): number {
  const size = end - start;
  if (size < RTP_HEADER_BYTES || end > bytes.length) return -1;
  if (size > MAX_PACKET_BYTES) return -6;
  const first = bytes[start]!;
  if (first >> 6 !== 2) return -2;
  let offset = start + RTP_HEADER_BYTES + (first & 0x0f) * 4;
  if (offset > end) return -3;
  if ((first & 0x10) !== 0) {
    if (offset + 4 > end) return -4;
    offset += 4 + ((bytes[offset + 2]! << 8) | bytes[offset + 3]!) * 4;
    if (offset > end) return -4;
  }
  if ((first & 0x20) !== 0) {
    const padding = bytes[end - 1]!;
    if (padding === 0 || offset + padding > end) return -5;
  }
  return offset;
}

/** End of the payload, without padding. Only for a packet that payloadStart() accepted. */
export function payloadEnd(bytes: Buffer, start: number, end: number): number {
  return (bytes[start]! & 0x20) === 0 ? end : end - bytes[end - 1]!;
}

/** 0..127 */
export function payloadType(bytes: Buffer, start: number): number {
  return bytes[start + 1]! & 0x7f;
}

/** True where the profile says so: usually the last packet of a video picture, the first after an audio silence. */
export function marker(bytes: Buffer, start: number): boolean {
  return bytes[start + 1]! >= 0x80;
}

/** 0..65535 */
export function sequenceNumber(bytes: Buffer, start: number): number {
  return (bytes[start + 2]! << 8) | bytes[start + 3]!;
}

/** Clock ticks, 0..4294967295 */
export function timestamp(bytes: Buffer, start: number): number {
  return word(bytes, start + 4);
}

/** 0..4294967295 */
export function ssrc(bytes: Buffer, start: number): number {
  return word(bytes, start + 8);
}

function word(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
