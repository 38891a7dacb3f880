import { marker } from '@forebay/rtp';
import type { Arrival } from './arrival.js';

/** A stream that flows for so long while its timestamps do not advance has a clock that stands still, or runs backward. */
const STOPPED_MS = 2000;
/** Between two packets no more counts: a stream that pauses does not flow. */
const LONGEST_STEP_MS = 250;

interface Lane {
  /** Of the newest media. */
  newestTicks: number;
  /** Clock reading at which it came. */
  newestMs: number;
  /** Of the last packet, which came at `lastMs`. */
  lastTicks: number;
  lastMs: number;
  /** That packet was the last of its access unit. */
  isEnd: boolean;
  /** Packets have come for so long since without anything newer. */
  flowMs: number;
  isStopped: boolean;
}

export interface StoppedClocksOptions {
  readonly clockRates: readonly number[];
  /** The timestamps of a stream tell no time any more. */
  readonly onStopped: (stream: number) => void;
}

/**
 * Live media whose timestamps stand still or go back is placed by when it comes, access unit by access unit, until its
 * timestamps advance again. Pictures that are shown in another order than they are sent, pauses and rare pictures are none of that.
 */
export class StoppedClocks {
  readonly #o: StoppedClocksOptions;
  readonly #lanes: (Lane | undefined)[] = [];

  constructor(options: StoppedClocksOptions) {
    this.#o = options;
  }

  /** @param ticks media time of `p` by its timestamp @returns its media time */
  place(p: Arrival, ticks: number): number {
    const lane = this.#lanes[p.stream];
    if (lane === undefined) {
      this.#lanes[p.stream] = {
        newestTicks: ticks,
        newestMs: p.nowMs,
        lastTicks: ticks,
        lastMs: p.nowMs,
        isEnd: marker(p.bytes, p.start),
        flowMs: 0,
        isStopped: false,
      };
      return ticks;
    }
    const isBeginning = lane.isEnd || ticks !== lane.lastTicks;
    lane.flowMs += Math.min(LONGEST_STEP_MS, p.nowMs - lane.lastMs);
    const isNewer = ticks > lane.newestTicks;
    if (isNewer) lane.isStopped = false;
    const placed =
      !isNewer && isBeginning && this.#isStopped(lane, p.stream) ? this.#byArrival(lane, p) : ticks;
    if (placed > lane.newestTicks) {
      lane.newestTicks = placed;
      lane.newestMs = p.nowMs;
      lane.flowMs = 0;
    }
    lane.lastTicks = placed;
    lane.lastMs = p.nowMs;
    lane.isEnd = marker(p.bytes, p.start);
    return placed;
  }

  #isStopped(lane: Lane, stream: number): boolean {
    if (lane.isStopped) return true;
    if (lane.flowMs < STOPPED_MS) return false;
    lane.isStopped = true;
    this.#o.onStopped(stream);
    return true;
  }

  #byArrival({ newestTicks, newestMs }: Lane, { stream, nowMs }: Arrival): number {
    const rate = this.#o.clockRates[stream] ?? 90_000;
    return newestTicks + Math.max(1, Math.round(((nowMs - newestMs) * rate) / 1000));
  }
}
