/** One RTP packet on its way from an origin into a segment. The flight reuses one object for all packets. */
export interface Arrival {
  stream: number;
  /** bytes[start, end) is the packet as the origin sent it. */
  bytes: Buffer;
  start: number;
  end: number;
  /** Media time since NPT 0, clock ticks, unwrapped. */
  ticks: number;
  /** Packets known lost before it in its stream. */
  lost: number;
  /** Fingerprint; 0 where nobody compares it. */
  hash: number;
  nowMs: number;
}

/** A copy that outlives the read buffer. */
export function keepArrival(p: Arrival): Arrival {
  const bytes = Buffer.from(p.bytes.subarray(p.start, p.end));
  return { ...p, bytes, start: 0, end: bytes.length };
}
