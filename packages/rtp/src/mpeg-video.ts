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

const HEADER_BYTES = 4;
/** Values of P. */
const INTRA = 1;
const BIDIRECTIONAL = 3;
/** Start codes. Source: ISO/IEC 13818-2 table 6-1. */
const PICTURE = 0x00;
const LAST_SLICE = 0xaf;
const SEQUENCE_HEADER = 0xb3;

/**
 * Roles of MPEG-1 and MPEG-2 video packets: a random access point is an I-picture with its sequence header in front of
 * it, since nothing but the sequence header tells a decoder size and rate. GStreamer's rtpmpvpay (1.22) leaves the MPEG
 * header empty, and cuts where a packet is full: then the start codes tell. Source: RFC 2250 section 3.
 */
export const mpegVideoClassifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: true,
  classify(bytes, start, end) {
    if (start + HEADER_BYTES > end) return ROLE.other;
    if (isHeaderEmpty(bytes, start)) return roleByStartCodes(bytes, start + HEADER_BYTES, end);
    const hasSequenceHeader = (bytes[start + 2]! & 0x20) !== 0;
    const type = bytes[start + 2]! & 0x07;
    if (type === 0 && !hasSequenceHeader) return ROLE.other;
    if (type === INTRA && hasSequenceHeader) return ROLE.randomAccess;
    return hasSequenceHeader ? ROLE.parameter : ROLE.picture;
  },
  /** B-pictures behind an I-picture may be shown before it. */
  mayLead(bytes, start, end) {
    if (start + HEADER_BYTES > end) return true;
    if (!isHeaderEmpty(bytes, start)) return (bytes[start + 2]! & 0x07) === BIDIRECTIONAL;
    const picture = pictureIn(bytes, start + HEADER_BYTES, end);
    return picture < 0 || pictureType(bytes, picture, end) === BIDIRECTIONAL;
  },
};

function isHeaderEmpty(bytes: Buffer, start: number): boolean {
  return bytes[start] === 0 && bytes[start + 1] === 0 && bytes[start + 2] === 0 && bytes[start + 3] === 0;
}

/** A packet that begins with no start code goes on with a picture. */
function roleByStartCodes(bytes: Buffer, start: number, end: number): Role {
  if (!isStartCode(bytes, start, end)) return start < end ? ROLE.picture : ROLE.other;
  const code = bytes[start + 3]!;
  if (code > PICTURE && code <= LAST_SLICE) return ROLE.picture;
  const picture = pictureIn(bytes, start, end);
  if (picture < 0) return ROLE.parameter;
  const isIntra = pictureType(bytes, picture, end) === INTRA;
  return isIntra && code === SEQUENCE_HEADER ? ROLE.randomAccess : ROLE.picture;
}

/** Where the first picture header is; -1: not among the headers that the packet begins with. */
function pictureIn(bytes: Buffer, start: number, end: number): number {
  if (!isStartCode(bytes, start, end)) return -1;
  const last = Math.min(end, start + HEADERS_BYTES);
  for (let at = start; at < last; at += 1) {
    if (isStartCode(bytes, at, end) && bytes[at + 3]! <= LAST_SLICE)
      return bytes[at + 3] === PICTURE ? at : -1;
  }
  return -1;
}

/** Behind ten bits of temporal reference. Source: ISO/IEC 13818-2 section 6.2.3. */
function pictureType(bytes: Buffer, picture: number, end: number): number {
  return picture + 5 < end ? (bytes[picture + 5]! >> 3) & 0x07 : 0;
}

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
