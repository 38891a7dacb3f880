import { sequenceDelta, timestampDelta } from '@forebay/rtp';
import type { RtpInfoEntry } from '@forebay/rtsp';

/** RTP-Info is believed when the first packet lies this close to what it announces. */
const BELIEVED_SECONDS = 2;
const BELIEVED_PACKETS = 64;
/**
 * A stream whose timestamps step further than this, beyond the time that passed, or back, has begun another clock: cameras
 * do that when they learn the time of day, encoders when they start anew.
 */
const STEP_SECONDS = 10;
const BACK_SECONDS = 3;
/** Between the last picture of one clock and the first of the next, where no step was seen yet. */
const FRAME_SECONDS = 0.04;

/** What the origin said about where the packets of one session start: all of it advisory. */
export interface StartHints {
  /** Start of the range in the PLAY reply, else the one asked for, NPT seconds. */
  readonly startSeconds: number;
  /** Live: the start is now, and this is the clock reading of it. A first packet is then placed by when it comes. */
  readonly startMs?: number | undefined;
  readonly rtpInfo: readonly (RtpInfoEntry | undefined)[];
  readonly clockRates: readonly number[];
}

interface Lane {
  lastTimestamp: number;
  /** Canonical ticks of the last packet, unwrapped. */
  lastTicks: number;
  /** Of the newest. */
  maxTicks: number;
  /** From the newest but one to the newest. */
  stepTicks: number;
  lastMs: number;
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
  /** Live: from what RTP-Info says to when the first packet of all came, seconds. */
  #liveShiftSeconds: number | undefined;

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

  /**
   * Ticks since NPT 0 of a packet, unwrapped. The first packet of a stream fixes its anchor; where its clock begins anew,
   * media time goes on as if nothing had happened.
   * @param nowMs clock reading of its arrival
   */
  place(stream: number, timestamp: number, sequence: number, nowMs = 0): number {
    const lane = this.#lanes[stream];
    if (lane === undefined) return this.#anchor(stream, timestamp, sequence, nowMs);
    let ticks = lane.lastTicks + timestampDelta(lane.lastTimestamp, timestamp);
    if (this.#isJump(stream, lane, ticks, nowMs)) ticks = lane.maxTicks + lane.stepTicks;
    const step = ticks - lane.maxTicks;
    if (step > 0) {
      if (step <= this.#rate(stream)) lane.stepTicks = step;
      lane.maxTicks = ticks;
    }
    lane.lastTimestamp = timestamp;
    lane.lastTicks = ticks;
    lane.lastMs = nowMs;
    return ticks;
  }

  /** Moves a stream by `ticks`, once content has shown where its packets belong. */
  shift(stream: number, ticks: number): void {
    const lane = this.#lanes[stream];
    if (lane === undefined) return;
    lane.lastTicks += ticks;
    lane.maxTicks += ticks;
  }

  /** The packet placed last belongs at `ticks`, and what follows goes on from there. */
  goOnFrom(stream: number, ticks: number): void {
    const lane = this.#lanes[stream];
    if (lane === undefined) return;
    lane.lastTicks = ticks;
    lane.maxTicks = ticks;
  }

  #anchor(stream: number, timestamp: number, sequence: number, nowMs: number): number {
    const rate = this.#rate(stream);
    const startTicks = Math.round(this.#hints.startSeconds * rate);
    const rtptime = this.#hints.rtpInfo[stream]?.rtptime;
    const toldTicks =
      rtptime !== undefined && this.confirms(stream, timestamp, sequence)
        ? timestampDelta(rtptime, timestamp)
        : undefined;
    const ticks = startTicks + this.#sinceStart(toldTicks, rate, nowMs);
    const stepTicks = Math.max(1, Math.round(FRAME_SECONDS * rate));
    this.#lanes[stream] = {
      lastTimestamp: timestamp,
      lastTicks: ticks,
      maxTicks: ticks,
      stepTicks,
      lastMs: nowMs,
    };
    return ticks;
  }

  /** Ticks after the start: as told, else none. Live what is told only says how streams lie to each other. */
  #sinceStart(toldTicks: number | undefined, rate: number, nowMs: number): number {
    const { startMs } = this.#hints;
    if (startMs === undefined) return toldTicks ?? 0;
    const passedSeconds = Math.max(0, nowMs - startMs) / 1000;
    if (toldTicks === undefined) return Math.round(passedSeconds * rate);
    this.#liveShiftSeconds ??= passedSeconds - toldTicks / rate;
    return toldTicks + Math.round(this.#liveShiftSeconds * rate);
  }

  /** A step that neither the time that passed nor another stream bears out. */
  #isJump(stream: number, lane: Lane, ticks: number, nowMs: number): boolean {
    const rate = this.#rate(stream);
    const aheadSeconds = (ticks - lane.maxTicks) / rate;
    if (aheadSeconds >= -BACK_SECONDS && aheadSeconds <= STEP_SECONDS) return false;
    if (aheadSeconds > 0 && aheadSeconds <= STEP_SECONDS + (nowMs - lane.lastMs) / 1000) return false;
    return !this.#lanes.some(
      (other, i) =>
        other !== undefined &&
        i !== stream &&
        Math.abs(other.lastTicks / this.#rate(i) - ticks / rate) <= STEP_SECONDS,
    );
  }

  #rate(stream: number): number {
    return this.#hints.clockRates[stream] ?? 90_000;
  }
}
