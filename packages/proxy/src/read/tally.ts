import type { Metrics, Source } from '../metrics.js';
import type { ReaderStats } from './library.js';

/** What one reader did, for its session's log line and for the metrics. */
export class ReaderTally implements ReaderStats {
  readonly bytes: Record<Source, number> = { ram: 0, disk: 0, flight: 0, sibling: 0, pass: 0 };
  startupMs: number | undefined;
  seams = 0;
  gapSeconds = 0;
  readonly #metrics: Metrics;
  /** When the first PLAY was received. */
  #askedMs: number | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  asked(nowMs: number): void {
    this.#askedMs ??= nowMs;
  }

  sent(source: Source, bytes: number, nowMs: number): void {
    if (bytes === 0) return;
    this.bytes[source] += bytes;
    this.#metrics.viewerBytes[source] += bytes;
    if (this.startupMs !== undefined || this.#askedMs === undefined) return;
    this.startupMs = nowMs - this.#askedMs;
    this.#metrics.startup.observe({ source }, this.startupMs / 1000);
  }

  /** Media was missing when it was due. */
  missed(gapMicros: number): void {
    if (gapMicros <= 0) return;
    this.gapSeconds += gapMicros / 1e6;
    this.#metrics.gapSeconds.inc(gapMicros / 1e6);
  }
}
