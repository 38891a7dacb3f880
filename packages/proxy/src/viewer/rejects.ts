import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { RejectReason } from './limits.js';
import { Seldom } from './seldom.js';

/** Counts what is refused, and logs of it no more than one line a reason every 5 s. */
export class Rejects {
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #seldom: Seldom<RejectReason>;

  constructor(o: { metrics: Metrics; log: Log; clock: Clock }) {
    this.#metrics = o.metrics;
    this.#log = o.log;
    this.#seldom = new Seldom(o.clock);
  }

  count(reason: RejectReason, fields: object): void {
    this.#metrics.rejects.inc({ reason });
    const alsoSince = this.#seldom.pass(reason);
    if (alsoSince !== undefined) this.#log.warn({ reason, alsoSince, ...fields }, 'viewer input refused');
  }
}
