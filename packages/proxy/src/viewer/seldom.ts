import type { Clock } from '../clock.js';

/** At most one log line a reason in this time. */
const LINE_EVERY_MS = 5000;
/** Reasons that are told apart; they are ours, not the peers'. */
const MOST_REASONS = 256;

/** Lets a log line of each reason through no more than once in 5 s. */
export class Seldom<Reason extends string> {
  readonly #clock: Clock;
  readonly #lines = new Map<Reason, { lastMs: number; unlogged: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns how many were not logged since the last one; undefined: nor is this one */
  pass(reason: Reason): number | undefined {
    const nowMs = this.#clock.nowMs();
    const line = this.#lines.get(reason);
    if (line !== undefined && nowMs - line.lastMs < LINE_EVERY_MS) {
      line.unlogged++;
      return undefined;
    }
    if (line === undefined && this.#lines.size >= MOST_REASONS) return undefined;
    this.#lines.set(reason, { lastMs: nowMs, unlogged: 0 });
    return line?.unlogged ?? 0;
  }
}
