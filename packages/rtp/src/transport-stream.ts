import type { AccessUnitClassifier, Role } from './role.js';
import { combineRoles, ROLE } from './role.js';

const CELL_BYTES = 188;
const SYNC = 0x47;
const NULL_PID = 0x1fff;
const PROGRAM_MAP_TABLE = 2;

/*
 * A transport packet ("cell" here, ISO/IEC 13818-1 section 2.4.3); PUSI: a PES packet or table starts in it; AFC: 2 an
 * adaptation field, 1 a payload, 3 both. RAI: a random access point of its stream starts here.
 *
 *   | 0x47 |E|PUSI|P| PID (13) |SC|AFC| CC |  AFC & 2: length, |.|RAI|...|, ...  |  payload
 */

/**
 * Roles of MPEG transport streams: RTP packets of whole cells. A random access point is a video PES packet that is
 * marked by the random access indicator or whose first cell begins with what a key frame begins with: a sequence header
 * (MPEG-2), an SPS or IDR (H.264), parameter sets or an IRAP (H.265). Program tables are ROLE.parameter. No state is
 * kept, so the stream type comes from the PES packet itself; scrambled cells and audio are plain ROLE.picture.
 *
 * Source: RFC 2250 section 2; ISO/IEC 13818-1 sections 2.4.3.2 to 2.4.3.7.
 */
export const transportStreamClassifier: AccessUnitClassifier = {
  intraOnly: false,
  hasParameters: true,
  classify(bytes, start, end) {
    let role: Role = ROLE.other;
    for (let at = start; at + CELL_BYTES <= end && bytes[at] === SYNC; at += CELL_BYTES) {
      role = combineRoles(role, roleOfCell(bytes, at));
    }
    return role;
  },
};

function roleOfCell(bytes: Buffer, cell: number): Role {
  const pid = ((bytes[cell + 1]! & 0x1f) << 8) | bytes[cell + 2]!;
  if (pid === NULL_PID) return ROLE.other;
  const starts = (bytes[cell + 1]! & 0x40) !== 0;
  const control = bytes[cell + 3]!;
  if ((control & 0x10) === 0) return ROLE.other;
  if (!starts || (control & 0xc0) !== 0) return ROLE.picture;
  const end = cell + CELL_BYTES;
  const adaptation = (control & 0x20) === 0 ? 0 : 1 + bytes[cell + 4]!;
  const at = cell + 4 + adaptation;
  if (at + 2 > end) return ROLE.other;
  if (pid === 0 || (bytes[at] === 0 && bytes[at + 1] === PROGRAM_MAP_TABLE)) return ROLE.parameter;
  if (!isVideoPes(bytes, at, end)) return ROLE.picture;
  const marked = adaptation > 1 && (bytes[cell + 5]! & 0x40) !== 0;
  return marked || beginsKeyFrame(bytes, at + 9 + bytes[at + 8]!, end) ? ROLE.randomAccess : ROLE.picture;
}

/** Stream ids 0xe0-0xef are video. Source: ISO/IEC 13818-1 table 2-22. */
function isVideoPes(bytes: Buffer, at: number, end: number): boolean {
  return at + 9 <= end && startCodeAt(bytes, at) && bytes[at + 3]! >> 4 === 0x0e;
}

function startCodeAt(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1;
}

/**
 * Looks at the start codes in bytes[start, end), the first of which tells the codec: an H.264 or H.265 access unit
 * begins with its delimiter or parameter sets, an MPEG-2 one with a sequence, group or picture header.
 */
function beginsKeyFrame(bytes: Buffer, start: number, end: number): boolean {
  let first = true;
  let h265 = false;
  for (let at = start; at + 4 <= end; at += 1) {
    if (!startCodeAt(bytes, at)) continue;
    const code = bytes[at + 3]!;
    if (first) {
      if (code === 0xb3) return true;
      if (code === 0x00 || code >= 0x80) return false;
      h265 = at + 4 < end && bytes[at + 4] === 1 && code >> 1 >= 32;
      first = false;
    }
    const type = h265 ? code >> 1 : code & 0x1f;
    if (h265 ? (type >= 16 && type <= 23) || type === 32 || type === 33 : type === 5 || type === 7)
      return true;
  }
  return false;
}
