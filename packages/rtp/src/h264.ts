import type { AccessUnitClassifier, Role } from './role.js';
import { combineRoles, ROLE, roleOfContinuation } from './role.js';

/** NAL unit types. Source: ITU-T H.264 table 7-1; from 24 on RFC 6184 table 1. */
const NAL = { sei: 6, stapA: 24, stapB: 25, mtap16: 26, mtap24: 27, fuA: 28, fuB: 29 } as const;
/** SEI payload type of a recovery point. Source: ITU-T H.264 annex D.1. */
const RECOVERY_POINT = 6;

/**
 * Roles of H.264 packets, in all packetization modes.
 *
 * Decisive are only packets in which a NAL unit of a picture starts: single NAL units, aggregates that contain one, and
 * the first fragments of one. A later fragment of an IDR slice is ROLE.picture, so an access unit whose beginning is
 * lost is no random access point. The forbidden bit is ignored. In an aggregate whose sizes do not add up nothing is
 * believed; a size of zero ends it (some senders fill up with zeros).
 *
 * Source: RFC 6184 section 5.6 (single), 5.7.1 (STAP), 5.7.2 (MTAP), 5.8 (FU).
 * @param recoveryPoint true also takes the SEI message of that name for a random access point
 */
export function h264Classifier(recoveryPoint: boolean): AccessUnitClassifier {
  /** Role of the NAL unit of this type, whose bytes behind the header are bytes[at, end) as far as they are here. */
  const roleOf = (type: number, bytes: Buffer, at: number, end: number): Role => {
    if (recoveryPoint && type === NAL.sei && hasRecoveryPoint(bytes, at, end)) return ROLE.randomAccess;
    return roleOfType(type);
  };

  /** @param gap bytes between the size and the NAL unit: none in a STAP, DOND and timestamp offset in an MTAP */
  const roleOfAggregate = (bytes: Buffer, start: number, end: number, gap: number): Role => {
    let role: Role = ROLE.other;
    let at = start;
    while (at < end) {
      if (at + 2 > end) return ROLE.other;
      const size = (bytes[at]! << 8) | bytes[at + 1]!;
      if (size === 0) return role;
      const unit = at + 2 + gap;
      at = unit + size;
      if (at > end) return ROLE.other;
      role = combineRoles(role, roleOf(bytes[unit]! & 0x1f, bytes, unit + 1, at));
    }
    return role;
  };

  /** @param header bytes before the fragment: indicator and FU header, and a DON in an FU-B */
  const roleOfFragment = (bytes: Buffer, start: number, end: number, header: number): Role => {
    if (start + header > end) return ROLE.other;
    const fuHeader = bytes[start + 1]!;
    const type = fuHeader & 0x1f;
    const starts = (fuHeader & 0x80) !== 0;
    return starts ? roleOf(type, bytes, start + header, end) : roleOfContinuation(roleOfType(type));
  };

  return {
    mayLead,
    intraOnly: false,
    hasParameters: true,
    classify(bytes, start, end) {
      if (start >= end) return ROLE.other;
      const type = bytes[start]! & 0x1f;
      switch (type) {
        case NAL.stapA:
          return roleOfAggregate(bytes, start + 1, end, 0);
        case NAL.stapB:
          return roleOfAggregate(bytes, start + 3, end, 0);
        case NAL.mtap16:
          return roleOfAggregate(bytes, start + 3, end, 3);
        case NAL.mtap24:
          return roleOfAggregate(bytes, start + 3, end, 4);
        case NAL.fuA:
          return roleOfFragment(bytes, start, end, 2);
        case NAL.fuB:
          return roleOfFragment(bytes, start, end, 4);
        default:
          return roleOf(type, bytes, start + 1, end);
      }
    },
  };
}

/**
 * B slices of pictures that are no random access points; aggregates and later fragments do not tell. A slice header begins
 * with two Exp-Golomb codes: the first macroblock, and the type, 1 or 6 for B. Source: ITU-T H.264 section 7.3.3, 9.1.
 */
function mayLead(bytes: Buffer, start: number, end: number): boolean {
  if (start >= end) return true;
  let type = bytes[start]! & 0x1f;
  let at = start + 1;
  if (type === NAL.fuA || type === NAL.fuB) {
    if (at >= end || (bytes[at]! & 0x80) === 0) return true;
    at = start + (type === NAL.fuA ? 2 : 4);
    type = bytes[start + 1]! & 0x1f;
  }
  if (type !== 1) return type !== 2 && type !== 5;
  const afterFirst = skipGolomb(bytes, 8 * at, 8 * end);
  const length = golombBits(bytes, afterFirst, 8 * end);
  if (length === undefined) return false;
  const sliceType = readBits(bytes, afterFirst + (length >>> 1), (length >>> 1) + 1) - 1;
  return sliceType === 1 || sliceType === 6;
}

function bitAt(bytes: Buffer, bit: number): number {
  return (bytes[bit >>> 3]! >>> (7 - (bit & 7))) & 1;
}

/** Length of the Exp-Golomb code at `bit`: at most 31 bits are believed. */
function golombBits(bytes: Buffer, bit: number, end: number): number | undefined {
  let zeros = 0;
  while (bit + zeros < end && zeros < 16 && bitAt(bytes, bit + zeros) === 0) zeros++;
  return zeros === 16 || bit + 2 * zeros >= end ? undefined : 2 * zeros + 1;
}

function skipGolomb(bytes: Buffer, bit: number, end: number): number {
  return bit + (golombBits(bytes, bit, end) ?? end);
}

function readBits(bytes: Buffer, bit: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value = (value << 1) | bitAt(bytes, bit + i);
  return value;
}

/**
 * 1-4 slices and their partitions, 5 IDR, 6 SEI, 7 SPS, 8 PPS, 9 delimiter, 13 SPS extension, 14 prefix of a base layer
 * slice, 15 subset SPS. The others (end of sequence, filler, auxiliary and enhancement layer slices) say nothing.
 * Source: ITU-T H.264 table 7-1.
 */
function roleOfType(type: number): Role {
  if (type === 5) return ROLE.randomAccess;
  if (type >= 1 && type <= 4) return ROLE.picture;
  return (type >= 6 && type <= 9) || (type >= 13 && type <= 15) ? ROLE.parameter : ROLE.other;
}

/**
 * Looks through the messages of an SEI for a recovery point. Type and size of a message are sums of bytes, 255 meaning
 * that another follows. Source: ITU-T H.264 section 7.3.2.3.1.
 */
function hasRecoveryPoint(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    let type = 0;
    for (; at < end && bytes[at] === 0xff; at = nextRbsp(bytes, at)) type += 255;
    type += bytes[at] ?? 0;
    at = nextRbsp(bytes, at);
    let size = 0;
    for (; at < end && bytes[at] === 0xff; at = nextRbsp(bytes, at)) size += 255;
    if (at >= end) return false;
    if (type === RECOVERY_POINT) return true;
    size += bytes[at]!;
    for (; size >= 0 && at < end; size -= 1) at = nextRbsp(bytes, at);
  }
  return false;
}

/** Offset of the byte after `at`, without the 3 that keeps two zeros from looking like a start code. */
function nextRbsp(bytes: Buffer, at: number): number {
  return bytes[at + 1] === 3 && bytes[at] === 0 && bytes[at - 1] === 0 ? at + 2 : at + 1;
}
