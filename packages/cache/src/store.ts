import { resolve } from 'node:path';

import { Catalogue, type Entry, type Shelf, type TitleRecord } from './catalogue.js';
import { DiskHealth } from './disk-health.js';
import { CacheError, cacheErrorFrom } from './errors.js';
import { systemSchedule, within, type Schedule } from './lane.js';
import { DirectoryLock } from './lock.js';
import { formatSegmentName, isGeneration } from './names.js';
import type { CachePolicy, Decision, RejectReason, SegmentFacts } from './policy/index.js';
import { SEGMENT_LIMITS, type Segment, type SegmentMeta } from './segment.js';
import type { StoreEvent } from './store-events.js';
import { nodeStoreFs, type StoreFs } from './store-fs.js';
import { StoreLane } from './store-lane.js';
import { StoreReads } from './store-reads.js';
import { StoreRecovery } from './store-recovery.js';
import { StoreRoom, type StoreParts } from './store-room.js';
import { rejected, StoreWrites } from './store-writes.js';
import { DESCRIPTION_BYTES_MAX } from './title-file.js';

export interface SegmentStoreOptions {
  /** Created where it is missing; one process at a time. */
  readonly directory: string;
  readonly capacityBytes: number;
  readonly policy: CachePolicy;
  /** The policy's clock; also measures the back-off after disk trouble. */
  readonly nowSeconds: () => number;
  readonly onEvent?: (event: StoreEvent) => void;
  readonly fs?: StoreFs;
  readonly schedule?: Schedule;
}

/** After so long a read is a miss, and opening goes on in the background. */
const LIMIT_MS = { read: 500, open: 1500 } as const;
/** Segments that wait to be written stay in memory: as many, and as many bytes, and no more. */
const OFFERS_MAX = 64;
const OFFERED_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Segments on disk. The directory is the database (docs/segment-format.md); the index of it is in memory.
 *
 * - `bytes <= capacityBytes` after every step, unless the disk refuses to delete; then nothing is written.
 * - A segment is served only after everything in its file has been verified.
 * - No disk trouble is thrown at the callers: a read is a miss, an offer is rejected, an event says why.
 */
export class SegmentStore {
  readonly #parts: StoreParts;
  readonly #room: StoreRoom;
  readonly #writes: StoreWrites;
  readonly #reads: StoreReads;
  readonly #recovery: StoreRecovery;
  readonly #lock: DirectoryLock;
  readonly #lane: StoreLane;
  readonly #offered = new Set<string>();
  #offeredBytes = 0;
  /** Live windows of which segments are being dropped. */
  readonly #passing = new Set<Shelf>();
  /** What the policy has learned is being written. */
  #keeping = false;
  #state: 'indexing' | 'open' | 'closed' = 'indexing';

  private constructor(options: SegmentStoreOptions, lock: DirectoryLock) {
    const { fs = nodeStoreFs, schedule = systemSchedule, onEvent, policy, nowSeconds } = options;
    const emit = (event: StoreEvent): void => onEvent?.(event);
    const health = new DiskHealth(nowSeconds, (error, retrySeconds) =>
      emit(error === undefined ? { type: 'recovered' } : { type: 'degraded', error, retrySeconds }),
    );
    const directory = resolve(options.directory);
    this.#parts = { fs, directory, policy, catalogue: new Catalogue(), health, nowSeconds, emit };
    this.#lane = new StoreLane({ schedule, health, emit });
    this.#room = new StoreRoom(this.#parts, options.capacityBytes);
    this.#writes = new StoreWrites(this.#parts, this.#room);
    this.#reads = new StoreReads(this.#parts, {
      limitMs: LIMIT_MS.read,
      schedule,
      lose: (entry, error) => this.#lane.inBackground(() => this.#room.setAside(entry, error), 'always'),
    });
    this.#recovery = new StoreRecovery(this.#parts, this.#room);
    this.#lock = lock;
  }

  /**
   * Opens the cache directory and reads its index from file names. Resolves when that is done, or after 1.5 s: a very
   * large directory is indexed on in the background, `indexed` says when it is done; until then what has been found is
   * served and offers are rejected as `disabled`.
   * @throws CacheError `locked` when another process uses it, `bad-directory` or another code when it cannot be used.
   */
  static async open(options: SegmentStoreOptions): Promise<SegmentStore> {
    const { fs = nodeStoreFs, schedule = systemSchedule } = options;
    const directory = resolve(options.directory);
    try {
      await fs.makeDirectory(directory);
    } catch (cause) {
      throw new CacheError('bad-directory', directory, { cause: cacheErrorFrom(cause) });
    }
    const lock = await DirectoryLock.acquire(fs, directory);
    try {
      const store = new SegmentStore(options, lock);
      let isLate = false;
      const indexing = store.#index().catch((error: unknown) => {
        if (!isLate) throw error;
        store.#parts.emit({ type: 'failed', error });
      });
      await within(indexing, LIMIT_MS.open, schedule, () => {
        isLate = true;
      });
      return store;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Everything that the store has put on the disk: segments, title records, what is being written or set aside. */
  get bytes(): number {
    return this.#room.bytes;
  }

  get capacityBytes(): number {
    return this.#room.capacityBytes;
  }

  get segmentCount(): number {
    return this.#parts.catalogue.segmentCount;
  }

  /** The disk is in trouble: it has failed or hangs, and has not done well since. */
  get degraded(): boolean {
    return this.#parts.health.degraded;
  }

  /** The directory is still being read. */
  get indexing(): boolean {
    return this.#state === 'indexing';
  }

  /** What {@link SegmentStore.keepNotes} kept, of an earlier process; known once the directory has been read. */
  get notes(): Uint8Array | undefined {
    return this.#recovery.notes;
  }

  /**
   * Keeps bytes for the next process, in place of those kept before: at most 2 MiB, and a sixteenth of the capacity; more
   * is not kept. Resolves when they are written or cannot be, after 5 s at the latest.
   */
  async keepNotes(notes: Uint8Array): Promise<void> {
    if (this.#state !== 'open' || this.#lane.isFull) return;
    await this.#lane.run(() => this.#writes.saveNotes(notes), 'in-time');
  }

  /** Keeps what the policy has learned for the next process, in the background; nothing is written where nothing was learned since. */
  keepLearned(): void {
    if (this.#state !== 'open' || this.#keeping || this.#lane.isFull) return;
    this.#keeping = true;
    this.#lane.inBackground(
      () => this.#writes.savePolicy(),
      'in-time',
      () => {
        this.#keeping = false;
      },
    );
  }

  /** All generations of all titles. */
  *titles(): Generator<TitleRecord> {
    const { catalogue } = this.#parts;
    for (const shelf of catalogue.shelves()) yield shelf.record(catalogue.isNewest(shelf));
  }

  /** Newest generation of this key; undefined also where segments were found but their description is lost. */
  title(key: string): TitleRecord | undefined {
    const shelf = this.#parts.catalogue.newest(key);
    if (shelf === undefined || shelf.description === '') return undefined;
    this.#parts.catalogue.touch(shelf);
    return shelf.record(true);
  }

  /** Held segments, ascending `startMicros`; a snapshot. */
  segments(generation: string): readonly SegmentMeta[] {
    return this.#parts.catalogue.shelf(generation)?.metas ?? [];
  }

  /**
   * Makes this the newest generation of its key, at once in memory and then on disk; of older generations nothing is
   * stored any more, and their segments are the first to go. Segments are only taken for titles that were saved.
   * @param title description at most 1 MiB; with windowSeconds it is live, and its segments are not judged by the policy:
   * they have a share of the capacity, and stay until {@link SegmentStore.keepWindow} drops them.
   */
  async saveTitle(title: {
    key: string;
    generation: string;
    description: string;
    durationSeconds?: number | undefined;
    windowSeconds?: number | undefined;
  }): Promise<void> {
    checkTitle(title);
    const shelf = this.#shelfFor(title);
    if (shelf.titleSaved || this.#state === 'closed' || this.#lane.isFull) return;
    const saved = this.#lane.run(() => this.#writes.saveTitle(shelf), 'in-time');
    if (this.#state !== 'indexing') await saved;
  }

  /**
   * Offers a sealed segment. The policy decides; victims are deleted before it is written. Resolves when it is stored
   * or rejected, after 5 s at the latest; a write that takes longer may still succeed later.
   * @param wishedUntilSeconds somebody wishes that it is kept until then, on the policy's clock: it is stored although what
   * must leave for it is worth more, and no victim until then. No more than half of the capacity is kept so.
   * @throws RangeError when `facts` are not those of this segment.
   */
  async offer(segment: Segment, facts: SegmentFacts, wishedUntilSeconds?: number): Promise<Decision> {
    const { meta } = segment;
    if (facts.bytes !== meta.byteLength) throw new RangeError('facts of another segment');
    const name = `${meta.generation}/${meta.startMicros}`;
    const refusal = this.#refusal(meta, name);
    if (refusal !== undefined) return rejected(refusal);
    this.#offered.add(name);
    this.#offeredBytes += meta.byteLength;
    const store = (): Promise<Decision> => this.#writes.storeSegment(segment, facts, wishedUntilSeconds);
    const decision = await this.#lane.run(store, 'in-time', () => {
      this.#offered.delete(name);
      this.#offeredBytes -= meta.byteLength;
    });
    return decision ?? rejected('disk-error');
  }

  /**
   * A held segment, verified. Concurrent reads of one segment share one. Undefined after 500 ms, when the disk fails,
   * and when the file is not what it should be: such a file is taken out of the index and kept under another name.
   */
  async read(meta: SegmentMeta): Promise<Segment | undefined> {
    const shelf = this.#parts.catalogue.shelf(meta.generation);
    const entry = this.#entry(meta);
    if (shelf === undefined || entry === undefined || entry.leaving || this.#state === 'closed')
      return undefined;
    return this.#reads.read(shelf, entry);
  }

  /** Keeps a held segment until then, as {@link SegmentStore.offer} does. @returns false when it is not held, or no room is left for wishes */
  wish(meta: SegmentMeta, untilSeconds: number): boolean {
    return this.#writes.wish(meta, untilSeconds);
  }

  /** About to be read: no victim until as many calls of `unpin`. */
  pin(meta: SegmentMeta): void {
    const entry = this.#entry(meta);
    if (entry === undefined || entry.leaving) return;
    if (entry.pins++ === 0 && entry.handle >= 0) this.#parts.policy.pin(entry.handle);
  }

  unpin(meta: SegmentMeta): void {
    const entry = this.#entry(meta);
    if (entry === undefined || entry.pins === 0) return;
    if (--entry.pins > 0) return;
    if (entry.handle >= 0) this.#parts.policy.unpin(entry.handle);
    if (this.#room.bytes > this.#room.capacityBytes) this.#lane.inBackground(() => this.#fit(), 'always');
  }

  /** Titles that hold a live window. */
  *windows(): Generator<{ readonly generation: string; readonly windowSeconds: number }> {
    for (const { generation, windowSeconds } of this.#parts.catalogue.windows())
      if (windowSeconds !== undefined) yield { generation, windowSeconds };
  }

  /** Drops, in the background, what of a live window does not lie in [fromMicros, toMicros) of NPT, but what is being read. */
  keepWindow(generation: string, fromMicros: number, toMicros: number): void {
    const shelf = this.#parts.catalogue.shelf(generation);
    const [first, last] = [shelf?.metas[0], shelf?.metas.at(-1)];
    if (shelf?.windowSeconds === undefined || first === undefined || last === undefined) return;
    const isOver = first.startMicros + first.durationMicros <= fromMicros || last.startMicros >= toMicros;
    if (!isOver || this.#state === 'closed' || this.#passing.has(shelf)) return;
    this.#passing.add(shelf);
    const pass = (): Promise<void> => this.#attempt(() => this.#room.keepWindow(shelf, fromMicros, toMicros));
    this.#lane.inBackground(pass, 'in-time', () => this.#passing.delete(shelf));
  }

  /** Deletes titles with all their segments, also those being read: their readers get a clean miss. */
  async purge(match: (title: TitleRecord) => boolean): Promise<{ segments: number; bytes: number }> {
    const { catalogue } = this.#parts;
    const isWanted = (shelf: Shelf): boolean => match(shelf.record(catalogue.isNewest(shelf)));
    const purged = { segments: 0, bytes: 0 };
    for (const shelf of Array.from(catalogue.shelves()).filter(isWanted)) {
      const before = { segments: shelf.entries.size, bytes: shelf.bytes };
      await this.#lane.run(() => this.#attempt(() => this.#room.dropShelf(shelf, 'purged')), 'always');
      purged.segments += before.segments - shelf.entries.size;
      purged.bytes += before.bytes - shelf.bytes;
    }
    return purged;
  }

  /** Changes the capacity. Resolves when what is held fits, but for segments that are being read, or after 5 s. */
  async resize(capacityBytes: number): Promise<void> {
    this.#room.setCapacity(capacityBytes);
    await this.#lane.run(() => this.#fit(), 'always');
  }

  /** Resolves when the directory has been read. */
  async indexed(): Promise<void> {
    await this.#lane.unlimited(() => Promise.resolve());
  }

  /** Finishes what is being written, keeps what the policy has learned, and gives the directory back. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#recovery.stopped = true;
    await this.#lane.last(async () => {
      try {
        await this.#writes.savePolicy();
      } finally {
        await this.#lock.release();
      }
    });
  }

  async #index(): Promise<void> {
    await this.#lane.unlimited(async () => {
      await this.#attempt(() => this.#recovery.index());
      await this.#attempt(() => this.#recovery.fit());
    });
    if (this.#state !== 'indexing') return;
    this.#state = 'open';
    const { titleCount: titles, segmentCount: segments } = this.#parts.catalogue;
    this.#parts.emit({ type: 'indexed', titles, segments, bytes: this.#room.bytes });
  }

  /** The shelf of a title that is being saved, brought up to date. */
  #shelfFor(title: Parameters<SegmentStore['saveTitle']>[0]): Shelf {
    const { catalogue } = this.#parts;
    const known = catalogue.shelf(title.generation);
    if (known !== undefined && known.key !== title.key) throw new RangeError('a generation of another title');
    const wasNewest = known !== undefined && catalogue.isNewest(known);
    const shelf = catalogue.save(title.key, title.generation);
    const durationSeconds = title.durationSeconds ?? shelf.durationSeconds;
    const windowSeconds = title.windowSeconds ?? shelf.windowSeconds;
    const isSame =
      shelf.description === title.description &&
      shelf.durationSeconds === durationSeconds &&
      shelf.windowSeconds === windowSeconds;
    if (!isSame || !wasNewest) shelf.titleSaved = false;
    shelf.description = title.description;
    shelf.durationSeconds = durationSeconds;
    shelf.windowSeconds = windowSeconds;
    return shelf;
  }

  #refusal(meta: SegmentMeta, name: string): RejectReason | undefined {
    if (this.#state !== 'open') return 'disabled';
    if (this.#offered.has(name) || this.#parts.catalogue.entry(meta.generation, meta.startMicros))
      return 'held';
    if (!this.#parts.health.may('write', 0)) return 'disk-error';
    const isFull =
      this.#offered.size >= OFFERS_MAX || this.#offeredBytes + meta.byteLength > OFFERED_BYTES_MAX;
    return isFull ? 'write-budget' : undefined;
  }

  #entry(meta: SegmentMeta): Entry | undefined {
    const entry = this.#parts.catalogue.entry(meta.generation, meta.startMicros);
    return entry?.name === formatSegmentName(meta) ? entry : undefined;
  }

  async #fit(): Promise<void> {
    await this.#attempt(async () => void (await this.#room.makeRoom(0, 'capacity')));
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    await this.#writes.attempt(work);
  }
}

function checkTitle(title: { key: string; generation: string; description: string }): void {
  const fits =
    isGeneration(title.generation) &&
    Buffer.byteLength(title.key) <= SEGMENT_LIMITS.keyBytes &&
    Buffer.byteLength(title.description) <= DESCRIPTION_BYTES_MAX;
  if (!fits) throw new RangeError('a title that exceeds the limits of the store');
}
