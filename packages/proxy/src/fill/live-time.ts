import type { Clock } from '../clock.js';
import { JOINT_MICROS, type Place } from './row.js';

/** Between the last media of one pull and the first of the next: nothing takes them for one piece. */
const PULL_GAP_MICROS = 5 * JOINT_MICROS;
/** Media may run ahead of the wall clock by as much. What is further ahead was placed before that clock was set back. */
const AHEAD_MICROS = 60_000_000;
/** Without a window, what is older than this is of no use: nobody starts there, and who is further behind goes on with what is on. */
const RECENT_MICROS = 30_000_000;

/**
 * The time of a live presentation is the wall clock's: microseconds since 1970. Each pull is placed where it begins, and
 * goes on by the timestamps of its packets. So what was missed between two pulls is a hole of the same length, clock times
 * need no table, and pulls of different processes fit into one row.
 */
export class LiveTime {
  /** How much is kept for viewers that pause or go back; 0: nothing. */
  readonly windowMicros: number;
  readonly #clock: Clock;
  #zeroMicros: number | undefined;

  /** @param zeroMicros where NPT begins, if that was settled earlier */
  constructor(clock: Clock, windowSeconds: number, zeroMicros: number | undefined) {
    this.#clock = clock;
    this.windowMicros = Math.round(windowSeconds * 1e6);
    this.#zeroMicros = zeroMicros;
  }

  /** Where NPT begins: at the first pull of all; undefined before it. */
  get zeroMicros(): number | undefined {
    return this.#zeroMicros;
  }

  /** Where the newest media is while a pull brings some, else where it would be. @param last of the row */
  edgeMicros(last: Place | undefined): number {
    return last?.flying === true ? last.endMicros : this.#nowMicros();
  }

  /** What ends earlier has passed. @param last of the row */
  passedMicros(last: Place | undefined): number {
    return this.edgeMicros(last) - (this.windowMicros === 0 ? RECENT_MICROS : this.windowMicros);
  }

  /** What lies behind this is of a time when the wall clock was ahead: it was set back since. */
  aheadMicros(): number {
    return this.#nowMicros() + AHEAD_MICROS;
  }

  /** Where a pull that begins now is placed. @param endMicros of what is held */
  begin(endMicros: number): number {
    const startMicros = Math.max(this.#nowMicros(), endMicros + PULL_GAP_MICROS);
    // After the wall clock was set back NPT begins anew: it is never negative.
    if (this.#zeroMicros === undefined || this.#zeroMicros > startMicros) this.#zeroMicros = startMicros;
    return startMicros;
  }

  #nowMicros(): number {
    return Math.round(this.#clock.unixMs() * 1000);
  }
}
