import type { Clock, TimerHandle } from '../clock.js';

/** How often deadlines are looked at. */
export const PERIOD_MS = 500;
/** A process that was stopped or starved for longer loses no more than this of anybody's time. */
const MAX_STEP_MS = 2 * PERIOD_MS;

/**
 * One timer for all deadlines of the viewer side, and the time they are measured in. It costs nothing to read, is as coarse
 * as the sweep, and stands still while the process does: after a stop of some seconds, no viewer is late for what it
 * could not send.
 */
export class Pulse {
  readonly #clock: Clock;
  readonly #sweep: (lateMs: number) => void;
  #timer: TimerHandle | undefined;
  #lastMs: number;
  #nowMs = 0;

  /** @param sweep told how late it is called */
  constructor(clock: Clock, sweep: (lateMs: number) => void) {
    this.#clock = clock;
    this.#sweep = sweep;
    this.#lastMs = clock.nowMs();
    this.#arm();
  }

  /** Coarse milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimeout(() => {
      const nowMs = this.#clock.nowMs();
      this.#nowMs += Math.min(nowMs - this.#lastMs, MAX_STEP_MS);
      const lateMs = nowMs - this.#lastMs - PERIOD_MS;
      this.#lastMs = nowMs;
      this.#arm();
      this.#sweep(lateMs);
    }, PERIOD_MS);
  }
}
