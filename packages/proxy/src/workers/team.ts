import { SharedFolder, type SegmentMeta, SharedTier } from '@forebay/cache';
import type { Registry } from 'prom-client';
import type { Viewing } from '../access.js';
import type { Shelves } from '../fill/shelves.js';
import type { Log } from '../log.js';
import type { Catalogue } from '../read/catalogue.js';
import type { Terms } from '../viewer/server.js';
import { Desk } from './desk.js';
import { WorkerPool } from './pool.js';
import { GLANCE_MS, type OwnerLine, type WorkerOptions } from './protocol.js';
import { Publications } from './publications.js';

/** Of the bytes for segments in memory, what the processes share; the rest is for what each worker plays. */
const SHARED_PART = 0.5;

/** Memory that the workers of one proxy share. */
export class SharedMemory {
  readonly folder: SharedFolder;
  readonly tier: SharedTier;
  /** For each worker's own copies. */
  readonly bytesPerWorker: number;

  private constructor(folder: SharedFolder, tier: SharedTier, bytesPerWorker: number) {
    this.folder = folder;
    this.tier = tier;
    this.bytesPerWorker = bytesPerWorker;
  }

  /**
   * @param o `ramBytes`: for all processes together
   * @throws CacheError `bad-directory` where no folder can be made
   */
  static async open(o: {
    readonly ramBytes: number;
    readonly workers: number;
    readonly log: Log;
    readonly onEvict: (meta: SegmentMeta) => void;
  }): Promise<SharedMemory> {
    const capacityBytes = Math.floor(o.ramBytes * SHARED_PART);
    const folder = await SharedFolder.open(capacityBytes);
    const tier = new SharedTier({
      folder,
      capacityBytes,
      onEvict: o.onEvict,
      onFault: (error) => o.log.error({ error }, 'a segment could not be shared between workers'),
    });
    return new SharedMemory(folder, tier, Math.floor((o.ramBytes - capacityBytes) / o.workers));
  }

  async close(): Promise<void> {
    await this.folder.close();
  }
}

export interface TeamParts {
  readonly count: number;
  readonly worker: Omit<WorkerOptions, 'number' | 'ramBytes'>;
  readonly memory: SharedMemory;
  readonly catalogue: Catalogue;
  readonly shelves: Shelves;
  readonly onViewing: ((viewing: Viewing) => void) | undefined;
  /** Aborted: the start is given up. */
  readonly giveUp: AbortSignal | undefined;
}

/** The viewer side of a proxy in several processes, and what they are shown of the rest. */
export class WorkerTeam {
  readonly #publications: Publications;
  readonly #pool: WorkerPool;

  private constructor(publications: Publications, pool: WorkerPool) {
    this.#publications = publications;
    this.#pool = pool;
  }

  /** @throws WorkerStartError when a worker cannot serve; why `giveUp` aborted */
  static async start(o: TeamParts): Promise<WorkerTeam> {
    const { memory, catalogue, onViewing } = o;
    const { clock, metrics, log } = o.shelves;
    const publications = new Publications(clock, memory.folder, GLANCE_MS[o.worker.latency]);
    try {
      const parts = {
        count: o.count,
        worker: { ...o.worker, ramBytes: memory.bytesPerWorker },
        desk: (tell: (line: OwnerLine) => void) =>
          new Desk({ catalogue, publications, tier: memory.tier, tell, onViewing }),
        clock,
        metrics,
        log,
      };
      const pool = await WorkerPool.start(parts, o.giveUp);
      return new WorkerTeam(publications, pool);
    } catch (error) {
      publications.close();
      throw error;
    }
  }

  /** Process ids of the workers that serve. */
  get pids(): number[] {
    return this.#pool.pids;
  }

  /** May be called for several addresses. @param port 0 takes any @param isSecure over TLS */
  listen(host: string, port: number, isSecure = false): Promise<{ host: string; port: number }> {
    return this.#pool.listen(host, port, isSecure);
  }

  setTerms(terms: Terms): void {
    this.#pool.setTerms(terms);
  }

  /** Takes nobody new, lets those who play play on for at most `timeoutMs`, then closes. */
  async drain(timeoutMs: number): Promise<void> {
    await this.#pool.drain(timeoutMs);
  }

  /** Ends every session and every worker. */
  async close(): Promise<void> {
    await this.#pool.close();
    this.#publications.close();
  }

  /** The metrics of all workers and those given, as one. */
  collect(own: Registry): Promise<Registry> {
    return this.#pool.collect(own);
  }
}
