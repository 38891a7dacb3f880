import type { DiskHealth } from './disk-health.js';
import { CacheError } from './errors.js';
import { Lane, type Schedule, within } from './lane.js';
import type { StoreEvent } from './store-events.js';

/** A job is waited for no longer. */
const LIMIT_MS = 5000;
/** Jobs of any kind that wait for the disk. */
const JOBS_WAITING_MAX = 1024;

/** `in-time`: a job that has not started within the limit is left out. */
export type When = 'always' | 'in-time';

export interface StoreLaneParts {
  readonly schedule: Schedule;
  readonly health: DiskHealth;
  readonly emit: (event: StoreEvent) => void;
}

/** What a store writes, one job at a time. While one that has started hangs, nothing more is asked of the disk. */
export class StoreLane {
  readonly #p: StoreLaneParts;
  readonly #lane = new Lane(1);

  constructor(parts: StoreLaneParts) {
    this.#p = parts;
  }

  /** So many jobs wait that no more should come. */
  get isFull(): boolean {
    return this.#lane.waiting >= JOBS_WAITING_MAX;
  }

  /** Resolves when `job` and all before it are done, however long that takes. */
  unlimited<T>(job: () => Promise<T>): Promise<T> {
    return this.#lane.run(job);
  }

  /** The last job: waited for no longer than the limit, and the disk is not judged by it. */
  async last(job: () => Promise<void>): Promise<void> {
    await within(this.#lane.run(job), LIMIT_MS, this.#p.schedule, () => undefined);
  }

  /**
   * Runs a job, and waits for it no longer than the limit.
   * @param ended called when the job has ended or was left out
   */
  async run<T>(job: () => Promise<T>, when: When, ended?: () => void): Promise<T | undefined> {
    let state: 'waiting' | 'running' | 'late' = 'waiting';
    let cameBack: (() => void) | undefined;
    const work = this.#lane.run(async () => {
      try {
        if (state === 'late' && when === 'in-time') return undefined;
        state = 'running';
        return await job();
      } finally {
        ended?.();
        cameBack?.();
      }
    });
    return within(work, LIMIT_MS, this.#p.schedule, () => {
      if (state === 'running') {
        cameBack = this.#p.health.overdue('write', new CacheError('hung', 'writing'));
      }
      state = 'late';
    });
  }

  /** Runs a job that nobody waits for. */
  inBackground(job: () => Promise<void>, when: When, ended?: () => void): void {
    this.run(job, when, ended).catch((error: unknown) => this.#p.emit({ type: 'failed', error }));
  }
}
