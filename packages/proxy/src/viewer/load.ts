import { performance } from 'node:perf_hooks';

/** Looks that are judged together: ten seconds, at two a second. A crowd that comes at once is through by then. */
const LOOKS = 20;
/**
 * Of the event loop's time, what is spent at work. Up to 87 % everybody was on time, at 95 % nobody was (bench/results/relay.md).
 */
const FULL_SHARE = 0.93;
/** On average: more than what others on the machine cost it. */
const LATE_MS = 30;

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

/** Whether this process has more to do than it can: it has been at work without a pause, and late, for ten seconds. One more viewer would be at the cost of all. */
export class Load {
  readonly #utilization: Utilization;
  readonly #shares: number[] = [];
  readonly #latenesses: number[] = [];

  constructor(utilization: Utilization) {
    this.#utilization = utilization;
  }

  /** @param lateMs how late this look is */
  look(lateMs: number): void {
    this.#shares.push(this.#utilization());
    this.#latenesses.push(lateMs);
    if (this.#shares.length <= LOOKS) return;
    this.#shares.shift();
    this.#latenesses.shift();
  }

  get isFull(): boolean {
    if (this.#shares.length < LOOKS) return false;
    return mean(this.#shares) >= FULL_SHARE && mean(this.#latenesses) >= LATE_MS;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
