/** Bits of `PacketRun.flags`. */
export const PACKET_FLAG = {
  /** First packet of an access unit. */
  accessUnitStart: 1,
  /** First packet of an access unit from which decoding can start. */
  randomAccess: 2,
} as const;

/**
 * Packets of some seconds of media, all streams together, in interleaved framing (RFC 2326 section 10.12):
 *
 *     '$' | channel u8 = 2 * stream | length u16 | RTP packet | '$' | ...
 *
 * RTP headers are canonical: the timestamp is the media time in clock ticks since NPT 0 mod 2^32, the
 * sequence number field is the number of packets known to be lost before this one in its stream
 * (normally 0), the SSRC is 0. Marker, payload type, CSRC list, extension and payload are as the origin sent them.
 *
 * A run that still grows replaces its arrays when they are full; the old ones stay valid. Read the fields
 * anew each turn, and trust only the first `count` packets.
 */
export interface PacketRun {
  readonly bytes: Buffer;
  readonly count: number;
  /** `offsets[i]` is where the `$` of packet i stands in `bytes`; `offsets[count]` is the end of the last one. */
  readonly offsets: Uint32Array;
  /** Stream index of packet i. */
  readonly streams: Uint8Array;
  /** When packet i is due, microseconds after the segment's start; never falls in a sealed segment. */
  readonly dueMicros: Uint32Array;
  /** `PACKET_FLAG` bits of packet i. */
  readonly flags: Uint8Array;
  /** CRC-32 of one byte 0 or 1 (the marker bit) and the payload without padding: the join's fingerprint. */
  readonly hashes: Uint32Array;
}

/** One stream's part of a segment, in ticks of its clock since NPT 0, not wrapped. */
export interface StreamExtent {
  readonly packets: number;
  readonly firstTicks: number;
  /** Where the next packet of this stream is expected. */
  readonly endTicks: number;
}

export interface SegmentMeta {
  /** 32 hexadecimal digits: the presentation generation. Names the folder on disk. */
  readonly generation: string;
  /** Grid cell: floor(startSeconds / segmentSeconds). */
  readonly index: number;
  /** NPT. */
  readonly startMicros: number;
  readonly durationMicros: number;
  /** Size of the file on disk. */
  readonly byteLength: number;
  /** It starts at a random access point; false: it continues an over-long group of pictures. */
  readonly randomAccess: boolean;
  /** Nothing comes after it: the title ends here. */
  readonly last: boolean;
  /** Segments with equal anchors share one exact time base; 32 bits. */
  readonly anchor: number;
}

/** Sealed: exact-sized and never changed again. */
export interface Segment {
  readonly meta: SegmentMeta;
  readonly run: PacketRun;
  /** By stream index. */
  readonly extents: readonly StreamExtent[];
}
