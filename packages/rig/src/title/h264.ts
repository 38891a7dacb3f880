import type { TitlePacket } from './title.js';
import { TITLE_FLAG } from './title.js';

/** NAL unit types. Source: ITU-T H.264 table 7-1, RFC 6184 section 5.2. */
export const NAL = { slice: 1, idr: 5, sei: 6, sps: 7, pps: 8, delimiter: 9, fuA: 28 } as const;

/** Bytes that an FU-A puts before its piece of the NAL unit: FU indicator and FU header. */
export const FU_HEADER_BYTES = 2;
const START_BIT = 0x80;
const END_BIT = 0x40;

/** A NAL unit without start code: its bytes, or where only sizes are wanted, its size. */
export interface NalPlan {
  /** First byte: forbidden bit, nal_ref_idc, nal_unit_type. */
  readonly header: number;
  /** With the header. */
  readonly bytes: number;
}

/** One payload to send: a NAL unit, or a piece of it. */
export interface Piece {
  /** Which NAL unit of its access unit. */
  readonly nal: number;
  /** Where in the NAL unit it starts; 0 for a single NAL unit packet. */
  readonly offset: number;
  /** Bytes of payload, FU headers included. */
  readonly payloadBytes: number;
  /** FU indicator and header; undefined for a single NAL unit packet. */
  readonly fu: readonly [indicator: number, header: number] | undefined;
}

/**
 * Cuts the NAL units of an access unit into payloads of at most `packetBytes`: one that fits goes alone, another as FU-A,
 * whose pieces leave out the NAL header that the FU header carries.
 *
 *     FU indicator: F NRI type=28      FU header: S E R type      piece
 *
 * Source: RFC 6184 section 5.6, 5.8
 */
export function piecesOf(nals: readonly NalPlan[], packetBytes: number): Piece[] {
  return nals.flatMap((plan, nal) =>
    Array.from({ length: pieceCount(plan, packetBytes) }, (_, i) => pieceAt(plan, { nal, packetBytes, i })),
  );
}

function pieceCount({ bytes }: NalPlan, packetBytes: number): number {
  return bytes <= packetBytes ? 1 : Math.ceil((bytes - 1) / (packetBytes - FU_HEADER_BYTES));
}

/** Piece `at.i` of NAL unit `at.nal`. */
export function pieceAt(plan: NalPlan, at: { nal: number; packetBytes: number; i: number }): Piece {
  const { header, bytes } = plan;
  const { nal, packetBytes, i } = at;
  if (bytes <= packetBytes) return { nal, offset: 0, payloadBytes: bytes, fu: undefined };
  const room = packetBytes - FU_HEADER_BYTES;
  const offset = 1 + i * room;
  const size = Math.min(room, bytes - offset);
  const ends = (i === 0 ? START_BIT : 0) | (offset + size === bytes ? END_BIT : 0);
  const fu = [(header & 0xe0) | NAL.fuA, ends | (header & 0x1f)] as const;
  return { nal, offset, payloadBytes: FU_HEADER_BYTES + size, fu };
}

/** Where an access unit stands. */
export type AccessUnitPlace = Pick<TitlePacket, 'stream' | 'dueMicros' | 'ticks' | 'frame'>;

/** The packets of one access unit. @param nals in order */
export function* packetsOf(
  place: AccessUnitPlace,
  nals: readonly NalPlan[],
  pieces: readonly Piece[],
): Generator<TitlePacket> {
  const isKeyFrame = nals.some(({ header }) => (header & 0x1f) === NAL.idr);
  for (const [part, { nal, payloadBytes }] of pieces.entries()) {
    const type = nals[nal]!.header & 0x1f;
    let flags = 0;
    if (part === 0) flags |= TITLE_FLAG.accessUnitStart | (isKeyFrame ? TITLE_FLAG.randomAccess : 0);
    if (part === pieces.length - 1) flags |= TITLE_FLAG.marker;
    if (type >= NAL.sei && type <= NAL.delimiter) flags |= TITLE_FLAG.parameter;
    yield { ...place, flags, payloadBytes, part };
  }
}

/** The NAL units of an Annex B byte stream. Source: ITU-T H.264 annex B */
export function splitAnnexB(stream: Buffer): Buffer[] {
  const code = Buffer.from([0, 0, 1]);
  const nals: Buffer[] = [];
  let start = stream.indexOf(code);
  while (start >= 0) {
    const next = stream.indexOf(code, start + code.length);
    let end = next < 0 ? stream.length : next;
    while (end > start && stream[end - 1] === 0) end -= 1;
    nals.push(stream.subarray(start + code.length, end));
    start = next;
  }
  return nals.filter((nal) => nal.length > 0);
}

/**
 * Access units of a stream with one slice a picture or more: a new one begins at the first slice of a picture
 * (first_mb_in_slice = 0, which is the bit 1) or with what stands before it.
 * Source: ITU-T H.264 section 7.4.1.2.3, 7.3.3
 */
export function accessUnitsOfNals(nals: readonly Buffer[]): Buffer[][] {
  const units: Buffer[][] = [];
  let open: Buffer[] | undefined;
  let hasPicture = false;
  for (const nal of nals) {
    const type = nal[0]! & 0x1f;
    const isPicture = type >= NAL.slice && type <= NAL.idr;
    const begins = isPicture ? nal[1]! >= 0x80 : type >= NAL.sei && type <= NAL.delimiter;
    if (open === undefined || (begins && hasPicture)) {
      open = [];
      units.push(open);
      hasPicture = false;
    }
    open.push(nal);
    hasPicture ||= isPicture;
  }
  return units;
}

/** Parameters of a=fmtp for packetization mode 1. Source: RFC 6184 section 8.1 */
export function h264Fmtp(sps: Buffer, pps: Buffer): string {
  const sets = [sps, pps].map((set) => set.toString('base64')).join(',');
  return `packetization-mode=1;profile-level-id=${sps.toString('hex', 1, 4)};sprop-parameter-sets=${sets}`;
}
