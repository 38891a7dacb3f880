import type { AccessUnitClassifier, Role } from './role.js';
import { ROLE } from './role.js';

/** How far into a packet headers are looked for, in bytes: they come first, user data between them is short. */
const HEADERS_BYTES = 512;

/*
 * MPEG-1/2 video header (RFC 2250 section 3.4); T: four more bytes follow; S: a sequence header is in the packet;
 * P: picture type, 1 is I:
 *
 *   |  MBZ (5) |T|   TR (10)   |AN|N|S|B|E|  P (3)  | FBV ... |
 */

/**
 * Roles of MPEG-1 and MPEG-2 video packets: a random access point is an I-picture with its sequence header in front of
 * it, since nothing but the sequence header tells a decoder size and rate. Source: RFC 2250 section 3.
 */
export const mpegVideoClassifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: true,
  classify(bytes, start, end) {
    if (start + 4 > end) return ROLE.other;
    const hasSequenceHeader = (bytes[start + 2]! & 0x20) !== 0;
    const type = bytes[start + 2]! & 0x07;
    if (type === 0 && !hasSequenceHeader) return ROLE.other;
    if (type === 1 && hasSequenceHeader) return ROLE.randomAccess;
    return hasSequenceHeader ? ROLE.parameter : ROLE.picture;
  },
};

/** Start code of a picture (video object plane). Source: ISO/IEC 14496-2 table 6-3. */
const VOP = 0xb6;

/**
 * Roles of MPEG-4 part 2 packets, which begin with a start code or go on with a picture. Source: RFC 6416 section 5.
 */
export const mpeg4VisualClassifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: true,
  classify(bytes, start, end) {
    if (start >= end) return ROLE.other;
    if (!isStartCode(bytes, start, end)) return ROLE.picture;
    const last = Math.min(end, start + HEADERS_BYTES);
    for (let at = start; at < last; at += 1) {
      if (isStartCode(bytes, at, end) && bytes[at + 3] === VOP) return vopRole(bytes, at + 4, end);
    }
    return ROLE.parameter;
  },
};

function isStartCode(bytes: Buffer, at: number, end: number): boolean {
  return at + 4 <= end && bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1;
}

/** The first two bits of a picture are its coding type, 0 is I. Source: ISO/IEC 14496-2 section 6.2.5. */
function vopRole(bytes: Buffer, at: number, end: number): Role {
  if (at >= end) return ROLE.other;
  return bytes[at]! >> 6 === 0 ? ROLE.randomAccess : ROLE.picture;
}
