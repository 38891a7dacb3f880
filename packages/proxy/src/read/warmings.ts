import type { Clock } from '../clock.js';
import { Warming, type WarmingOptions, type WarmProgress } from '../fill/warming.js';
import { OriginError } from '../origin/errors.js';
import type { Entry } from './entries.js';

/** Titles that are warmed at a time, and titles that wait. */
const MOST_RUNNING = 2;
const MOST_WAITING = 256;
const REPORT_MS = 250;

export type { WarmProgress } from '../fill/warming.js';

export type WarmWish = Pick<WarmingOptions, 'prefixSeconds' | 'keepSeconds' | 'need'>;

interface Job {
  readonly entry: Entry;
  readonly wish: WarmWish;
  readonly report: (progress: WarmProgress) => void;
  readonly end: () => void;
  warming: Warming | undefined;
  reportedMs: number;
}

/** What became of a wish that cannot be fulfilled. */
export function failedWarming(reason: string): WarmProgress {
  const nothing = { storedSeconds: 0, wishedSeconds: undefined, storedBytes: 0, sessions: 0 };
  return { state: 'failed', ...nothing, fill: 'real-time', reason };
}

/**
 * Titles that are fetched ahead of viewers, a few at a time, in the order in which they were wished for; of one title one
 * wish at a time.
 */
export class Warmings {
  readonly #clock: Clock;
  readonly #jobs = new Set<Job>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves with how it ended; `report` is told how far it is until then.
   * @throws OriginError `budget` when too many titles wait; why `signal` aborted
   */
  async run(
    entry: Entry,
    wish: WarmWish,
    { signal, report }: { signal: AbortSignal; report: (progress: WarmProgress) => void },
  ): Promise<WarmProgress> {
    if (this.#jobs.size >= MOST_RUNNING + MOST_WAITING)
      throw new OriginError('budget', 'too many titles wait');
    signal.throwIfAborted();
    entry.readers++;
    let job!: Job;
    const stop = (): void => job.end();
    try {
      await new Promise<void>((resolve) => {
        job = { entry, wish, report, end: resolve, warming: undefined, reportedMs: -Infinity };
        this.#jobs.add(job);
        signal.addEventListener('abort', stop, { once: true });
      });
      signal.throwIfAborted();
      const progress = job.warming?.progress;
      if (progress === undefined) throw new OriginError('aborted', 'the proxy is closing');
      return progress;
    } finally {
      signal.removeEventListener('abort', stop);
      job.warming?.close();
      this.#jobs.delete(job);
      entry.readers--;
    }
  }

  /** Called a few times a second. */
  tick(nowMs: number): void {
    const running = new Set<Entry>();
    for (const job of this.#jobs) {
      if (running.size === MOST_RUNNING) return;
      if (running.has(job.entry)) continue;
      running.add(job.entry);
      this.#tickJob(job, nowMs);
    }
  }

  close(): void {
    for (const job of this.#jobs) job.end();
  }

  #tickJob(job: Job, nowMs: number): void {
    const { title, flights } = job.entry;
    job.warming ??= new Warming({ title, flights, ...job.wish });
    job.warming.tick(nowMs);
    const { progress } = job.warming;
    if (progress.state === 'running' && nowMs - job.reportedMs < REPORT_MS) return;
    job.reportedMs = this.#clock.nowMs();
    job.report(progress);
    if (progress.state !== 'running') job.end();
  }
}
