import type { AccessUnitClassifier, Role } from './role.js';
import { combineRoles, ROLE } from './role.js';

/** OBU types. Source: AV1 bitstream specification section 6.2.2. */
const OBU = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  metadata: 5,
  frame: 6,
  padding: 15,
} as const;
/** More bytes than this are no LEB128 of an OBU size. Source: AV1 bitstream specification section 4.10.5. */
const LEB128_BYTES = 8;

/*
 * Aggregation header (RTP payload format for AV1, section 4.4): Z, Y: the first, last element is a fragment; W: number
 * of elements, the last without a length, or 0: each has one; N: a coded video sequence starts. Lengths are LEB128.
 *
 *   |Z|Y| W |N|-|-|-|  length?  element  length?  element ...
 */

/**
 * Roles of AV1 packets. A random access point is a packet with the N bit, or, from senders that leave it clear, one in
 * which a shown key frame starts. A sequence header alone is ROLE.parameter.
 *
 * Source: RTP payload format for AV1 (AOMedia, v1.0.0) section 4; AV1 bitstream specification sections 5.3, 5.9.2, 7.6.
 */
export const av1Classifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: true,
  classify(bytes, start, end) {
    if (start + 1 >= end) return ROLE.other;
    const header = bytes[start]!;
    const continues = (header & 0x80) !== 0;
    if (!continues && (header & 0x08) !== 0) return ROLE.randomAccess;
    const count = (header >> 4) & 0x03;
    let role: Role = ROLE.other;
    let at = start + 1;
    for (let element = 1; at < end; element += 1) {
      let next = end;
      if (element !== count) {
        const lengthBytes = leb128Bytes(bytes, at, end);
        next = at + lengthBytes + leb128(bytes, at, lengthBytes);
        if (lengthBytes === 0 || next > end) return ROLE.other;
        at += lengthBytes;
      }
      const continuation = element === 1 && continues;
      role = combineRoles(role, continuation ? ROLE.picture : roleOfObu(bytes, at, next));
      at = next;
    }
    return role;
  },
};

/** Role of the OBU of which at least the beginning is bytes[start, end). */
function roleOfObu(bytes: Buffer, start: number, end: number): Role {
  if (start >= end) return ROLE.other;
  const header = bytes[start]!;
  const hasExtension = (header & 0x04) !== 0;
  if (hasExtension && start + 1 < end && ((bytes[start + 1]! >> 3) & 0x03) !== 0) return ROLE.other;
  switch ((header >> 3) & 0x0f) {
    case OBU.sequenceHeader:
    case OBU.temporalDelimiter:
    case OBU.metadata:
      return ROLE.parameter;
    case OBU.frameHeader:
    case OBU.frame: {
      let at = start + (hasExtension ? 2 : 1);
      if ((header & 0x02) !== 0) at += leb128Bytes(bytes, at, end);
      return at < end ? frameRole(bytes[at]!) : ROLE.other;
    }
    case OBU.padding:
      return ROLE.other;
    default:
      return ROLE.picture;
  }
}

/**
 * Role by the first bits of a frame header: show existing frame (1), frame type (2, 0 is a key frame), show frame (1).
 * Source: AV1 bitstream specification section 5.9.2.
 */
function frameRole(header: number): Role {
  return (header & 0xf0) === 0x10 ? ROLE.randomAccess : ROLE.picture;
}

/** Bytes of the LEB128 at `at`; 0 if it has no end. */
function leb128Bytes(bytes: Buffer, at: number, end: number): number {
  const limit = Math.min(end, at + LEB128_BYTES);
  for (let i = at; i < limit; i += 1) {
    if (bytes[i]! < 0x80) return i + 1 - at;
  }
  return 0;
}

function leb128(bytes: Buffer, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i -= 1) value = value * 128 + (bytes[at + i]! & 0x7f);
  return value;
}
