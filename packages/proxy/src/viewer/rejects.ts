import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { RejectReason } from './limits.js';

/** At most one log line a reason in this time. */
const LINE_EVERY_MS = 5000;

/** Counts what is refused, and logs of it no more than one line a reason every 5 s. */
export class Rejects {
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #lines = new Map<RejectReason, { lastMs: number; unlogged: number }>();

  constructor(o: { metrics: Metrics; log: Log; clock: Clock }) {
    this.#metrics = o.metrics;
    this.#log = o.log;
    this.#clock = o.clock;
  }

  count(reason: RejectReason, fields: object): void {
    this.#metrics.rejects.inc({ reason });
    const nowMs = this.#clock.nowMs();
    const line = this.#lines.get(reason);
    if (line !== undefined && nowMs - line.lastMs < LINE_EVERY_MS) {
      line.unlogged++;
      return;
    }
    this.#lines.set(reason, { lastMs: nowMs, unlogged: 0 });
    this.#log.warn({ reason, alsoSince: line?.unlogged ?? 0, ...fields }, 'viewer input refused');
  }
}
