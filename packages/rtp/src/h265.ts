import type { AccessUnitClassifier, Role } from './role.js';
import { combineRoles, ROLE, roleOfContinuation } from './role.js';

const AGGREGATION_PACKET = 48;
const FRAGMENTATION_UNIT = 49;

/**
 * Role of a NAL unit by its type and layer. 16-23 IRAP: BLA, IDR, CRA and two reserved; other types below 32 slices;
 * 32 VPS, 33 SPS, 34 PPS, 35 delimiter, 39 SEI before its picture. The rest (end of sequence, filler, 40 SEI after its
 * picture) and all layers but the base say nothing. Source: ITU-T H.265 table 7-1.
 */
function roleOf(type: number, layer: number): Role {
  if (layer !== 0) return ROLE.other;
  if (type < 32) return type >= 16 && type <= 23 ? ROLE.randomAccess : ROLE.picture;
  return type <= 35 || type === 39 ? ROLE.parameter : ROLE.other;
}

/*
 * NAL unit header, also in front of aggregates and fragments:
 *
 *   |F|   type (6)  |  layer (6)  | TID (3) |
 */

function unitType(bytes: Buffer, at: number): number {
  return (bytes[at]! >> 1) & 0x3f;
}

function unitLayer(bytes: Buffer, at: number): number {
  return ((bytes[at]! & 1) << 5) | (bytes[at + 1]! >> 3);
}

/** Slices of types 6-9 are of leading pictures. Aggregates do not tell. Source: ITU-T H.265 table 7-1. */
function mayLead(bytes: Buffer, start: number, end: number): boolean {
  if (start + 3 > end) return true;
  const outer = unitType(bytes, start);
  const type = outer === FRAGMENTATION_UNIT ? bytes[start + 2]! & 0x3f : outer;
  return type >= 32 || (type >= 6 && type <= 9);
}

/**
 * Roles of H.265 packets. Decisive are only packets in which a slice starts: single NAL units, aggregates that contain
 * one, and the first fragments of one; a later fragment of an IRAP slice is ROLE.picture. In an aggregate whose sizes do
 * not add up nothing is believed; a size of zero ends it.
 *
 * Source: RFC 7798 section 4.4.1 (single), 4.4.2 (AP), 4.4.3 (FU).
 * @param hasDecodingOrder true if decoding order numbers are in the packets: sprop-max-don-diff is above 0 (section 7.1)
 */
export function h265Classifier(hasDecodingOrder: boolean): AccessUnitClassifier {
  const firstGap = hasDecodingOrder ? 2 : 0;
  const nextGap = hasDecodingOrder ? 1 : 0;

  const roleOfAggregate = (bytes: Buffer, start: number, end: number): Role => {
    let role: Role = ROLE.other;
    let at = start;
    let gap = firstGap;
    while (at < end) {
      if (at + gap + 2 > end) return ROLE.other;
      const size = (bytes[at + gap]! << 8) | bytes[at + gap + 1]!;
      if (size === 0) return role;
      const unit = at + gap + 2;
      at = unit + size;
      if (size < 2 || at > end) return ROLE.other;
      role = combineRoles(role, roleOf(unitType(bytes, unit), unitLayer(bytes, unit)));
      gap = nextGap;
    }
    return role;
  };

  return {
    mayLead,
    intraOnly: false,
    hasParameters: true,
    classify(bytes, start, end) {
      if (start + 2 > end) return ROLE.other;
      const type = unitType(bytes, start);
      if (type === AGGREGATION_PACKET) return roleOfAggregate(bytes, start + 2, end);
      const layer = unitLayer(bytes, start);
      if (type !== FRAGMENTATION_UNIT) return roleOf(type, layer);
      if (start + 3 > end) return ROLE.other;
      const fuHeader = bytes[start + 2]!;
      const role = roleOf(fuHeader & 0x3f, layer);
      return (fuHeader & 0x80) === 0 ? roleOfContinuation(role) : role;
    },
  };
}
