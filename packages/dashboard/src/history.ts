import type { Samples } from './samples.js';

/** Of so much the page keeps what it saw. */
export const HISTORY_MS = 10 * 60_000;

/** What the page tells of what went on lately is about so much, where it has seen it. */
export const RECENT_MS = 5 * 60_000;

/** Two looks lie so much apart at most while somebody sees the page; less than this is not missed. */
const SLACK_MS = 10_000;

/** Since when the page has watched: it was opened, the proxy was started anew, or nobody had seen the page for a while. */
export type Beginning = 'opened' | 'restarted' | 'unseen';

/** What the page has seen of a stretch of time up to now. */
export interface Seen {
  readonly seconds: number;
  /** Undefined: all of it. */
  readonly since: Beginning | undefined;
}

/** A counter by one of its labels. */
export interface Counted {
  readonly value: string;
  readonly grown: number;
  /** Since the proxy was started. */
  readonly total: number;
}

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
  #beginning: Beginning = 'opened';

  /** A proxy that was started anew counts from 0: what was seen before says nothing of it. */
  add(atMs: number, samples: Samples): void {
    const started = samples.sum('process_start_time_seconds');
    const before = this.#looks.at(-1)?.samples.sum('process_start_time_seconds');
    const isAnother = before !== undefined && before !== started;
    if (isAnother) this.#looks = [];
    this.#looks.push({ atMs, samples });
    while (this.#looks[0] !== undefined && atMs - this.#looks[0].atMs > HISTORY_MS) this.#looks.shift();
    if (isAnother) this.#beginning = 'restarted';
    else if (before !== undefined && this.#looks.length === 1) this.#beginning = 'unseen';
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

  /** How much of the last `ms` `grown` is about. */
  seen(ms: number): Seen {
    const last = this.#looks.at(-1);
    const first = this.#looks.find(({ atMs }) => last !== undefined && last.atMs - atMs <= ms);
    const seenMs = (last?.atMs ?? 0) - (first?.atMs ?? 0);
    const since = first === this.#looks[0] ? this.#beginning : 'unseen';
    return { seconds: seenMs / 1000, since: seenMs >= ms - SLACK_MS ? undefined : since };
  }

  /** How much a counter grew within the last `ms`, or within what was `seen` of it. */
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

  /** A counter by the values of one label: those that grew most within the last `ms` first, then those that counted most. */
  countedBy(name: string, label: string, ms: number): Counted[] {
    return [...(this.newest?.values(name, label) ?? [])]
      .map((value) => ({
        value,
        grown: this.grown(name, ms, { [label]: value }),
        total: this.newest?.sum(name, { [label]: value }) ?? 0,
      }))
      .sort((a, b) => b.grown - a.grown || b.total - a.total);
  }
}
