import { sequenceDelta, timestampDelta } from '@forebay/rtp';
import type { RtpInfoEntry } from '@forebay/rtsp';

/** RTP-Info is believed when the first packet lies this close to what it announces. */
const BELIEVED_SECONDS = 2;
const BELIEVED_PACKETS = 64;

/** What the origin said about where the packets of one session start: all of it advisory. */
export interface StartHints {
  /** Start of the range in the PLAY reply, else the one asked for, NPT seconds. */
  readonly startSeconds: number;
  readonly rtpInfo: readonly (RtpInfoEntry | undefined)[];
  readonly clockRates: readonly number[];
}

interface Lane {
  lastTimestamp: number;
  /** Canonical ticks of the last packet, unwrapped. */
  lastTicks: number;
}

/**
 * Media time of an origin's packets by what the origin says: NPT = start + (timestamp - T) / clockRate, with T the `rtptime`
 * of RTP-Info where the first packet bears it out, else the first packet's own timestamp. GStreamer 1.22 announces an
 * `rtptime` that is off by the whole range start when the first PLAY of a session seeks, VLC one that is off by up to 12 s.
 * Source: RFC 2326 section 12.33 for the formula.
 */
export class TimeAnchor {
  readonly #hints: StartHints;
  readonly #lanes: (Lane | undefined)[] = [];

  constructor(hints: StartHints) {
    this.#hints = hints;
  }

  /** True when RTP-Info and the packet agree, so that a first packet can be placed without a second one to check it. */
  confirms(stream: number, timestamp: number, sequence: number): boolean {
    const info = this.#hints.rtpInfo[stream];
    if (info?.rtptime === undefined) return false;
    const rate = this.#rate(stream);
    if (Math.abs(timestampDelta(info.rtptime, timestamp)) > BELIEVED_SECONDS * rate) return false;
    return info.seq === undefined || Math.abs(sequenceDelta(info.seq, sequence)) <= BELIEVED_PACKETS;
  }

  /** Ticks since NPT 0 of a packet, unwrapped. The first packet of a stream fixes its anchor. */
  place(stream: number, timestamp: number, sequence: number): number {
    const lane = this.#lanes[stream];
    if (lane !== undefined) {
      lane.lastTicks += timestampDelta(lane.lastTimestamp, timestamp);
      lane.lastTimestamp = timestamp;
      return lane.lastTicks;
    }
    const startTicks = Math.round(this.#hints.startSeconds * this.#rate(stream));
    const rtptime = this.#hints.rtpInfo[stream]?.rtptime;
    const ticks =
      rtptime !== undefined && this.confirms(stream, timestamp, sequence)
        ? startTicks + timestampDelta(rtptime, timestamp)
        : startTicks;
    this.#lanes[stream] = { lastTimestamp: timestamp, lastTicks: ticks };
    return ticks;
  }

  /** Moves a stream by `ticks`, once content has shown where its packets belong. */
  shift(stream: number, ticks: number): void {
    const lane = this.#lanes[stream];
    if (lane !== undefined) lane.lastTicks += ticks;
  }

  #rate(stream: number): number {
    return this.#hints.clockRates[stream] ?? 90_000;
  }
}
