import type { AccessUnitClassifier, Role } from './role.js';
import { ROLE } from './role.js';

/*
 * VP8 payload descriptor (RFC 7741 section 4.2), followed by the frame, whose first bit is 0 in a key frame (4.3):
 *
 *   |X|R|N|S|R| PID | X: |I|L|T|K| RSV | I: |M| PictureID ... | L: TL0PICIDX | T or K: TID,Y,KEYIDX |
 */

/** Roles of VP8 packets. A frame starts where S is set in partition 0. Source: RFC 7741. */
export const vp8Classifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: false,
  classify(bytes, start, end) {
    if (start >= end) return ROLE.other;
    const first = bytes[start]!;
    let at = start + 1;
    if ((first & 0x80) !== 0) {
      if (at >= end) return ROLE.other;
      const extension = bytes[at]!;
      at += 1;
      if ((extension & 0x80) !== 0) at += at < end && bytes[at]! >= 0x80 ? 2 : 1;
      if ((extension & 0x40) !== 0) at += 1;
      if ((extension & 0x30) !== 0) at += 1;
    }
    if (at >= end) return ROLE.other;
    const startsFrame = (first & 0x17) === 0x10;
    return startsFrame && (bytes[at]! & 0x01) === 0 ? ROLE.randomAccess : ROLE.picture;
  },
};

/**
 * Roles of VP9 packets. A random access point is the beginning (B) of a base layer frame that is not predicted from
 * others (P) and whose own header calls it a key frame: an intra-only frame has P clear too, but does not stand alone.
 *
 * Source: RFC 9628 section 4.2.
 */
export const vp9Classifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: false,
  classify(bytes, start, end) {
    if (start >= end) return ROLE.other;
    const at = vp9Frame(bytes, start, end);
    if (at >= end) return ROLE.other;
    const first = bytes[start]!;
    const startsIntra = (first & 0x48) === 0x08;
    if (!startsIntra || vp9SpatialLayer(bytes, start) !== 0) return ROLE.picture;
    return vp9FrameRole(bytes[at]!);
  },
};

/*
 * VP9 payload descriptor (RFC 9628 section 4.2), the parts in this order:
 *
 *   |I|P|L|F|B|E|V|Z|  I: |M| PictureID (7 or 15) |  L: |TID|U|SID|D| and, unless F, TL0PICIDX
 *   F and P: 1 to 3 times |P_DIFF (7)|N|  V: scalability structure
 */

/** Offset of the frame behind the descriptor; `end` or more if the descriptor is cut off. */
function vp9Frame(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start]!;
  let at = start + 1;
  if ((first & 0x80) !== 0) at += at < end && bytes[at]! >= 0x80 ? 2 : 1;
  if ((first & 0x20) !== 0) at += (first & 0x10) === 0 ? 2 : 1;
  if ((first & 0x50) === 0x50) {
    const last = at + 2;
    while (at < end && at < last && (bytes[at]! & 0x01) !== 0) at += 1;
    at += 1;
  }
  if ((first & 0x02) !== 0 && at < end) at = vp9StructureEnd(bytes, at, end);
  return at;
}

/** Source: RFC 9628 section 4.2.1: sizes of N_S+1 layers if Y, N_G picture descriptions with R references each if G. */
function vp9StructureEnd(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start]!;
  let at = start + 1;
  if ((first & 0x10) !== 0) at += ((first >> 5) + 1) * 4;
  if ((first & 0x08) === 0 || at >= end) return at;
  let pictures = bytes[at]!;
  at += 1;
  for (; pictures > 0 && at < end; pictures -= 1) at += 1 + ((bytes[at]! >> 2) & 0x03);
  return at;
}

function vp9SpatialLayer(bytes: Buffer, start: number): number {
  const first = bytes[start]!;
  if ((first & 0x20) === 0) return 0;
  const pictureIdBytes = (first & 0x80) === 0 ? 0 : bytes[start + 1]! >= 0x80 ? 2 : 1;
  return (bytes[start + 1 + pictureIdBytes]! >> 1) & 0x07;
}

/**
 * Role by the first bits of the uncompressed header: frame marker (2), profile (2, and one reserved bit in profile 3),
 * show existing frame (1), frame type (1, 0 is a key frame). Source: VP9 bitstream specification section 6.2.
 */
function vp9FrameRole(header: number): Role {
  if (header >> 6 !== 2) return ROLE.other;
  const profile3 = (header & 0x30) === 0x30;
  const flags = (profile3 ? header >> 1 : header >> 2) & 0x03;
  return flags === 0 ? ROLE.randomAccess : ROLE.picture;
}
