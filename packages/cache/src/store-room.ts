import { join } from 'node:path';

import type { Catalogue, Entry, Shelf } from './catalogue.js';
import type { DiskHealth } from './disk-health.js';
import { cacheErrorFrom, type CacheError } from './errors.js';
import { setAsideName, TITLE_NAME } from './names.js';
import type { CachePolicy } from './policy/index.js';
import type { EvictReason, StoreEvent } from './store-events.js';
import type { StoreFs } from './store-fs.js';

/** What the parts of a store share. */
export interface StoreParts {
  readonly fs: StoreFs;
  /** Absolute. */
  readonly directory: string;
  readonly policy: CachePolicy;
  readonly catalogue: Catalogue;
  readonly health: DiskHealth;
  readonly nowSeconds: () => number;
  readonly emit: (event: StoreEvent) => void;
}

/** A file of ours that serves nothing: set aside, or one that would not be deleted. First to go when room is needed. */
interface Debris {
  readonly path: string;
  readonly bytes: number;
}

/** Titles without a segment that are remembered; past it the longest unused one is forgotten. */
export const EMPTY_TITLES_MAX = 4096;
/** So many segments with wrong content are kept, for the operator to look at. */
const SET_ASIDE_MAX = 8;
/** So much of the capacity the windows of live presentations may take, all together. */
const WINDOW_SHARE = 1 / 2;
/** How long the disk is taken to be no larger than what it held when it was full. */
const FULL_SECONDS = 8;

/**
 * The bytes of a store, and how they are deleted. Counted are segments, title records, the saved
 * popularity, what was learned of origins, files being written and debris: everything that the store has put on the disk. Only the store's writing lane calls it.
 */
export class StoreRoom {
  readonly #parts: StoreParts;
  readonly #debris: Debris[] = [];
  #capacityBytes: number;
  #debrisBytes = 0;
  #reservedBytes = 0;
  readonly #stateBytes = new Map<string, number>();
  #fullAtBytes = Infinity;
  #fullUntilSeconds = 0;

  constructor(parts: StoreParts, capacityBytes: number) {
    this.#parts = parts;
    this.#capacityBytes = capacityBytes;
  }

  get bytes(): number {
    let stateBytes = 0;
    for (const bytes of this.#stateBytes.values()) stateBytes += bytes;
    return this.#parts.catalogue.bytes + this.#debrisBytes + stateBytes + this.#reservedBytes;
  }

  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  /** Bytes that may be written now; less than the capacity leaves for a while after the disk was full. */
  get freeBytes(): number {
    const waitSeconds = this.#fullUntilSeconds - this.#parts.nowSeconds();
    const isFull = waitSeconds > 0 && waitSeconds <= FULL_SECONDS;
    return Math.min(this.#capacityBytes, isFull ? this.#fullAtBytes : Infinity) - this.bytes;
  }

  /** Size of a file with what was learned. */
  setStateBytes(name: string, bytes: number): void {
    this.#stateBytes.set(name, bytes);
  }

  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
  }

  /** The disk is full below the capacity: until it may have changed, what comes in must replace something. */
  noteFull(): void {
    this.#fullAtBytes = this.bytes;
    this.#fullUntilSeconds = this.#parts.nowSeconds() + FULL_SECONDS;
  }

  /** Counts `bytes` as held, before they are written. @returns gives them back. */
  reserve(bytes: number): () => void {
    this.#reservedBytes += bytes;
    return () => {
      this.#reservedBytes -= bytes;
    };
  }

  addDebris(path: string, bytes: number): void {
    const known = this.#debris.findIndex((debris) => debris.path === path);
    if (known >= 0) this.#forgetDebris(known);
    this.#debris.push({ path, bytes });
    this.#debrisBytes += bytes;
  }

  /** Deletes what nobody misses, debris and superseded segments, until `bytes` are free or nothing is left. */
  async makeEasyRoom(bytes: number): Promise<void> {
    while (this.freeBytes < bytes && (await this.#removeOldestDebris()));
    for (const shelf of Array.from(this.#parts.catalogue.superseded())) {
      if (this.freeBytes >= bytes) return;
      await this.dropShelf(shelf, 'superseded', bytes);
    }
  }

  /**
   * Makes room for what needs no admission. Where the policy names no victims, anything goes that nobody reads.
   * @returns false when too much of what is held is being read.
   */
  async makeRoom(bytes: number, reason: EvictReason): Promise<boolean> {
    await this.makeEasyRoom(bytes);
    const { policy, nowSeconds } = this.#parts;
    while (this.freeBytes < bytes) {
      const before = this.freeBytes;
      await this.evictHandles(policy.victims(bytes - before, nowSeconds()), reason);
      if (this.freeBytes > before) continue;
      const entry = this.#parts.catalogue.findEntry(isEvictable);
      if (entry === undefined) return false;
      await this.evict(entry, reason);
    }
    return true;
  }

  /** Makes room for a segment of a live window in the share that all windows have. @returns false when it is too small */
  async makeWindowRoom(bytes: number): Promise<boolean> {
    const shareBytes = WINDOW_SHARE * this.#capacityBytes;
    const { catalogue } = this.#parts;
    while (catalogue.windowBytes + bytes > shareBytes) {
      const oldest = catalogue.oldestInWindows();
      if (oldest === undefined || !isEvictable(oldest)) return false;
      await this.evict(oldest, 'window-room');
    }
    return this.makeRoom(bytes, 'room');
  }

  /** Deletes the segments of a live window that do not lie in [fromMicros, toMicros). */
  async keepWindow(shelf: Shelf, fromMicros: number, toMicros: number): Promise<void> {
    for (const entry of Array.from(shelf.entries.values())) {
      const { startMicros, durationMicros } = entry.meta;
      const isOver = startMicros + durationMicros <= fromMicros || startMicros >= toMicros;
      if (isOver && isEvictable(entry)) await this.evict(entry, 'passed');
    }
  }

  async evictHandles(handles: readonly number[], reason: EvictReason): Promise<void> {
    for (const handle of handles) {
      const entry = this.#parts.catalogue.byHandle(handle);
      if (entry !== undefined && isEvictable(entry)) await this.evict(entry, reason);
    }
  }

  /**
   * Deletes a segment (docs/segment-format.md, steps D1 to D3).
   * @throws CacheError when the disk refuses; the segment is held as before then.
   */
  async evict(entry: Entry, reason: EvictReason): Promise<void> {
    const { catalogue, emit } = this.#parts;
    catalogue.setLeaving(entry, true);
    try {
      await this.#remove(this.pathOf(entry));
    } catch (error) {
      catalogue.setLeaving(entry, false);
      throw error;
    }
    this.#drop(entry);
    emit({ type: 'evicted', meta: entry.meta, reason });
  }

  /**
   * Takes a segment that was not what its name says out of the index, and keeps the file for the operator under
   * another name; a few such files are kept. A vanished one is only forgotten.
   */
  async setAside(entry: Entry, error: CacheError): Promise<void> {
    const { catalogue, fs, emit } = this.#parts;
    if (catalogue.byHandle(entry.handle) !== entry) return;
    const path = this.pathOf(entry);
    this.#drop(entry);
    if (error.code !== 'vanished') {
      try {
        await fs.rename(path, setAsideName(path));
        this.addDebris(setAsideName(path), entry.meta.byteLength);
      } catch {
        await this.discard(path, entry.meta.byteLength);
      }
    }
    emit({ type: 'lost', meta: entry.meta, error });
    while (this.#debris.length > SET_ASIDE_MAX && (await this.#removeOldestDebris()));
  }

  /** Deletes a file that serves nothing; where that fails it is debris, and stays counted. Never throws. */
  async discard(path: string, bytes: number): Promise<void> {
    try {
      await this.#remove(path);
    } catch {
      this.addDebris(path, bytes);
    }
  }

  /**
   * Deletes the segments of a title until `untilFree` bytes are free, and the title itself once it has none. Segments
   * that are being read stay, unless they are purged: then their readers get a clean miss. A title that is saved
   * meanwhile stays, and is superseded no more.
   */
  async dropShelf(shelf: Shelf, reason: EvictReason, untilFree = Infinity): Promise<void> {
    const { saves } = shelf;
    if (this.#parts.catalogue.shelf(shelf.generation) !== shelf) return;
    for (const entry of Array.from(shelf.entries.values())) {
      if (this.freeBytes >= untilFree) return;
      if (reason === 'superseded' && shelf.saves !== saves) return;
      const spared = entry.leaving || (entry.pins > 0 && reason !== 'purged');
      if (!spared) await this.evict(entry, reason);
    }
    if (shelf.entries.size === 0) await this.removeTitle(shelf, saves);
  }

  /** Deletes the record and the folder of a title without segments, and forgets it unless it is saved meanwhile. */
  async removeTitle(shelf: Shelf, saves = shelf.saves): Promise<void> {
    const { catalogue, directory, fs } = this.#parts;
    const folder = join(directory, shelf.generation);
    await this.#remove(join(folder, TITLE_NAME));
    catalogue.setTitleBytes(shelf, 0);
    shelf.titleSaved = false;
    if (shelf.saves === saves) catalogue.forget(shelf);
    await fs.removeDirectory(folder).catch(() => undefined);
  }

  pathOf(entry: Entry): string {
    return join(this.#parts.directory, entry.meta.generation, entry.name);
  }

  #drop(entry: Entry): void {
    const { catalogue, policy } = this.#parts;
    catalogue.drop(entry);
    if (entry.handle < 0) return;
    if (entry.pins > 0) policy.unpin(entry.handle);
    policy.dropped(entry.handle);
  }

  /** @returns false when there is none, or the disk refuses: it is debris still then. */
  async #removeOldestDebris(): Promise<boolean> {
    const [oldest] = this.#debris;
    if (oldest === undefined) return false;
    try {
      await this.#remove(oldest.path);
    } catch {
      return false;
    }
    this.#forgetDebris(this.#debris.indexOf(oldest));
    return true;
  }

  #forgetDebris(index: number): void {
    const [debris] = index < 0 ? [] : this.#debris.splice(index, 1);
    this.#debrisBytes -= debris?.bytes ?? 0;
  }

  /** @throws CacheError; that the file is gone already, or something else has its place, is no error. */
  async #remove(path: string): Promise<void> {
    try {
      await this.#parts.fs.remove(path);
    } catch (cause) {
      const error = cacheErrorFrom(cause);
      if (error.code !== 'vanished' && error.code !== 'not-a-file') throw error;
    }
  }
}

function isEvictable(entry: Entry): boolean {
  return entry.pins === 0 && !entry.leaving;
}
