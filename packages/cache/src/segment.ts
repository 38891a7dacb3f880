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

/** Bounds of a segment, checked where one is built and again where one is read from disk. */
export const SEGMENT_LIMITS = {
  streams: 16,
  /** One hour of a 4 Mbit/s title is about 1.4 million packets; a segment is some seconds. */
  packets: 262_144,
  /** Bytes of one RTP packet: the length field of the framing has 16 bits. */
  packetBytes: 65_535,
  payloadBytes: 256 * 1024 * 1024,
  /** Payload, packet index and header. */
  fileBytes: 264 * 1024 * 1024,
  /** Canonical URL in UTF-8. */
  keyBytes: 4096,
} as const;

/**
 * Bytes of memory that a segment keeps alive: the allocations under its arrays, each counted once, whatever
 * part of them it uses.
 */
export function segmentMemoryBytes(segment: Segment): number {
  const { bytes, offsets, streams, dueMicros, flags, hashes } = segment.run;
  const allocations = new Set(
    [bytes, offsets, streams, dueMicros, flags, hashes].map((array) => array.buffer),
  );
  let total = 0;
  for (const allocation of allocations) total += allocation.byteLength;
  return total;
}
