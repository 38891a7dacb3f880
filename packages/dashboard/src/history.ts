import type { Samples } from './samples.js';

/** Of so much the page keeps what it saw. */
export const HISTORY_MS = 10 * 60_000;

interface Look {
  readonly atMs: number;
  readonly samples: Samples;
}

/** One point of a rate: what was counted a second between two looks. */
export interface Point {
  readonly atMs: number;
  readonly perSecond: number;
}

/** What the page has seen of the metrics in the last ten minutes. */
export class History {
  #looks: Look[] = [];

  /** A proxy that was started anew counts from 0: what was seen before says nothing of it. */
  add(atMs: number, samples: Samples): void {
    const started = samples.sum('process_start_time_seconds');
    const before = this.#looks.at(-1)?.samples.sum('process_start_time_seconds');
    if (before !== undefined && before !== started) this.#looks = [];
    this.#looks.push({ atMs, samples });
    while (this.#looks[0] !== undefined && atMs - this.#looks[0].atMs > HISTORY_MS) this.#looks.shift();
  }

  get newest(): Samples | undefined {
    return this.#looks.at(-1)?.samples;
  }

  /** How fast a counter grew between any two looks, oldest first. */
  rates(name: string, labels: Readonly<Record<string, string>> = {}): Point[] {
    return this.#looks.slice(1).map(({ atMs, samples }, i) => {
      const before = this.#looks[i]!;
      const grown = samples.sum(name, labels) - before.samples.sum(name, labels);
      return { atMs, perSecond: (Math.max(0, grown) * 1000) / Math.max(1, atMs - before.atMs) };
    });
  }

  /** How much a counter grew within the last `ms`, or since the page was opened where that is shorter. */
  grown(name: string, ms: number, labels: Readonly<Record<string, string>> = {}): number {
    const last = this.#looks.at(-1);
    if (last === undefined) return 0;
    const first = this.#looks.find(({ atMs }) => last.atMs - atMs <= ms) ?? last;
    return Math.max(0, last.samples.sum(name, labels) - first.samples.sum(name, labels));
  }

  /** What lies between the newest look and the first one within `ms` of it, seconds; never 0. */
  spanSeconds(ms: number): number {
    const last = this.#looks.at(-1);
    const first = this.#looks.find(({ atMs }) => last !== undefined && last.atMs - atMs <= ms);
    return Math.max(1, (last?.atMs ?? 0) - (first?.atMs ?? 0)) / 1000;
  }

  /** The same by the values of one label, largest first; those that did not grow are left out. */
  grownBy(name: string, label: string, ms: number): [string, number][] {
    return [...(this.newest?.values(name, label) ?? [])]
      .map((value): [string, number] => [value, this.grown(name, ms, { [label]: value })])
      .filter(([, grown]) => grown > 0)
      .sort(([, a], [, b]) => b - a);
  }
}
