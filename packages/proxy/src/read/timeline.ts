import { randomInt } from 'node:crypto';
import { wrapTimestamp } from '@forebay/rtp';

/** One stream as the viewer sees it. */
export interface TimelineStream {
  readonly stream: number;
  readonly ssrc: number;
  readonly clockRate: number;
  /** Random in the field, fixed in tests. */
  readonly firstSequence: number;
  readonly firstTimestamp: number;
}

interface Lane {
  readonly ssrc: number;
  readonly clockRate: number;
  /** Wire timestamp of the viewer's time 0. */
  readonly zeroTicks: number;
  nextSequence: number;
  /** Wire ticks minus canonical ticks, modulo 2^32. */
  shiftTicks: number;
  packets: number;
  octets: number;
}

/** A timeline for the streams that a viewer set up, of those that there are. Source: RFC 3550 section 5.1 (random beginnings). */
export function newTimeline(
  streams: readonly { readonly clockRate: number }[],
  setUp: readonly { readonly stream: number; readonly ssrc: number }[],
): Timeline {
  return new Timeline(
    setUp.map(({ stream, ssrc }) => ({
      stream,
      ssrc,
      clockRate: streams[stream]?.clockRate ?? 90_000,
      firstSequence: randomInt(0x1_0000),
      firstTimestamp: randomInt(0x1_0000_0000),
    })),
  );
}

/**
 * The proxy is an RTP source towards each viewer: own SSRC, own first sequence number and timestamp, and one continuous
 * timeline whatever is played in whatever order. Source: RFC 2326 Appendix B.
 *
 * The viewer's time runs on the media that was paced out: it stands still in a pause and does not jump on a seek. A range
 * that starts at NPT `s` is laid at the viewer's time where the last one stopped, so that for canonical ticks `c` the wire
 * carries `zero + at * clockRate + (c - s * clockRate)`.
 */
export class Timeline {
  readonly #lanes: (Lane | undefined)[] = [];
  /** Viewer's time at which the running range was laid, microseconds. */
  #atMicros = 0;
  #startMicros = 0;
  /** NPT over viewer's time. */
  #scale = 1;
  /** While running: NPT `#runMicros` is due at clock reading `#runMs`. */
  #runMs: number | undefined;
  #runMicros = 0;
  /** NPT over the clock. */
  #runRate = 1;

  constructor(streams: readonly TimelineStream[]) {
    for (const s of streams) {
      this.#lanes[s.stream] = {
        ssrc: s.ssrc,
        clockRate: s.clockRate,
        zeroTicks: s.firstTimestamp,
        nextSequence: s.firstSequence & 0xffff,
        shiftTicks: s.firstTimestamp,
        packets: 0,
        octets: 0,
      };
    }
  }

  /**
   * Lays the range that starts at NPT `startMicros` at the viewer's time `atMicros`. At another `scale` than 1 each access
   * unit needs to be {@link Timeline.place}d.
   */
  lay(startMicros: number, atMicros: number, scale = 1): void {
    this.#startMicros = startMicros;
    this.#scale = scale;
    this.#atMicros = atMicros;
    this.#runMicros = startMicros;
    for (const lane of this.#lanes) {
      if (lane === undefined) continue;
      const ticks =
        Math.round((atMicros * lane.clockRate) / 1e6) - Math.round((startMicros * lane.clockRate) / 1e6);
      lane.shiftTicks = wrapTimestamp(lane.zeroTicks + ticks);
    }
  }

  /** Packets of `stream` with the canonical timestamp `ticks`, which is NPT `nptMicros`, follow. */
  place(stream: number, ticks: number, nptMicros: number): void {
    const lane = this.#lanes[stream];
    if (lane === undefined) return;
    const atTicks = Math.round((this.viewerMicros(nptMicros) * lane.clockRate) / 1e6);
    lane.shiftTicks = wrapTimestamp(lane.zeroTicks + atTicks - ticks);
  }

  /** Time runs at `rate` times the clock: NPT `nptMicros` of the laid range is due at clock reading `nowMs`. */
  run(nptMicros: number, nowMs: number, rate = 1): void {
    this.#runMicros = nptMicros;
    this.#runRate = rate;
    this.#runMs = nowMs;
  }

  /** Time stands still at NPT `nptMicros` until the next {@link Timeline.run}. */
  halt(nptMicros: number): void {
    this.#runMicros = nptMicros;
    this.#runMs = undefined;
  }

  /** The viewer's time of NPT `nptMicros` in the laid range, microseconds. */
  viewerMicros(nptMicros: number): number {
    return this.#atMicros + (nptMicros - this.#startMicros) / this.#scale;
  }

  /**
   * Rewrites sequence number, timestamp and SSRC of the canonical RTP header at `offset` and counts the packet. Packets known
   * lost before it leave a hole of their size. Costs a few nanoseconds.
   */
  stamp(header: DataView, offset: number, stream: number, payloadBytes: number): void {
    const lane = this.#lanes[stream];
    if (lane === undefined) return;
    const sequence = (lane.nextSequence + header.getUint16(offset + 2)) & 0xffff;
    lane.nextSequence = (sequence + 1) & 0xffff;
    header.setUint16(offset + 2, sequence);
    header.setInt32(offset + 4, (header.getInt32(offset + 4) + lane.shiftTicks) | 0);
    header.setUint32(offset + 8, lane.ssrc);
    lane.packets++;
    lane.octets += payloadBytes;
  }

  has(stream: number): boolean {
    return this.#lanes[stream] !== undefined;
  }

  ssrc(stream: number): number {
    return this.#lane(stream).ssrc;
  }

  /** Sequence number of the next packet of `stream`. */
  nextSequence(stream: number): number {
    return this.#lane(stream).nextSequence;
  }

  /** RTP timestamp of NPT `nptMicros` in the laid range: what RTP-Info announces. Source: RFC 2326 section 12.33. */
  rtpTime(stream: number, nptMicros: number): number {
    const lane = this.#lane(stream);
    return wrapTimestamp(lane.zeroTicks + Math.round((this.viewerMicros(nptMicros) * lane.clockRate) / 1e6));
  }

  /** Packets sent so far, modulo 2^32 as sender reports want it. */
  packetCount(stream: number): number {
    return this.#lane(stream).packets >>> 0;
  }

  /** Payload octets sent so far, modulo 2^32. */
  octetCount(stream: number): number {
    return this.#lane(stream).octets % 2 ** 32;
  }

  /** RTP timestamp that corresponds to clock reading `nowMs`: one mapping for all streams. Source: RFC 3550 section 6.4.1. */
  rtpTimestampAt(stream: number, nowMs: number): number {
    const lane = this.#lane(stream);
    const elapsedMicros = this.#runMs === undefined ? 0 : (nowMs - this.#runMs) * 1000 * this.#runRate;
    const micros = this.viewerMicros(this.#runMicros + elapsedMicros);
    return wrapTimestamp(lane.zeroTicks + Math.round((micros * lane.clockRate) / 1e6));
  }

  #lane(stream: number): Lane {
    const lane = this.#lanes[stream];
    if (lane === undefined) throw new RangeError(`stream ${stream} was not set up`);
    return lane;
  }
}
