import { performance } from 'node:perf_hooks';

/**
 * Of the event loop's time, what is spent at work. Up to 87 % everybody was on time, at 95 % nobody was (bench/results/relay.md).
 */
const FULL_SHARE = 0.93;
/** On average: more than what others on the machine cost it. */
const LATE_MS = 30;
/** No look counts as later: one long pause, as of a machine that slept, is no ten seconds of being late. */
const MOST_LATE_MS = 100;

/** Share of the time since it was asked last that the event loop was at work, 0..1. */
export type Utilization = () => number;

export function eventLoopUtilization(): Utilization {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

/** Whether this process has more to do than it can: it has been at work without a pause, and late, for a while. One more viewer would be at the cost of all. */
export class Load {
  readonly #utilization: Utilization;
  readonly #looks: number;
  readonly #shares: number[] = [];
  readonly #latenesses: number[] = [];

  /** @param looks that are judged together: a crowd that comes at once must be through by then */
  constructor(utilization: Utilization, looks: number) {
    this.#utilization = utilization;
    this.#looks = looks;
  }

  /** @param lateMs how late this look is */
  look(lateMs: number): void {
    this.#shares.push(this.#utilization());
    this.#latenesses.push(Math.min(lateMs, MOST_LATE_MS));
    if (this.#shares.length <= this.#looks) return;
    this.#shares.shift();
    this.#latenesses.shift();
  }

  get isFull(): boolean {
    if (this.#shares.length < this.#looks) return false;
    return mean(this.#shares) >= FULL_SHARE && mean(this.#latenesses) >= LATE_MS;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
