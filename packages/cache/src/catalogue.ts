import { formatSegmentName } from './names.js';
import type { SegmentFacts } from './policy/index.js';
import type { SegmentMeta } from './segment.js';
import type { TitleFile } from './title-file.js';

/** A segment on disk. */
export interface Entry {
  readonly meta: SegmentMeta;
  readonly name: string;
  /** The policy's; negative: it belongs to a live window, of which the policy knows nothing. */
  readonly handle: number;
  /** Readers that are about to read it. */
  pins: number;
  /** About to be deleted or set aside: no longer offered to anyone. */
  leaving: boolean;
}

/** A title as the store knows it. */
export interface TitleRecord {
  /** Canonical URL of the title at its origin. */
  readonly key: string;
  readonly generation: string;
  /** The proxy's own JSON; empty when only its segments were found. */
  readonly description: string;
  readonly durationSeconds: number | undefined;
  /** Live: so much of it is kept. */
  readonly windowSeconds?: number | undefined;
  /** False: a newer generation of the same key is known; its segments are the first to go. */
  readonly newest: boolean;
  /** Ascending start. */
  readonly segments: readonly SegmentMeta[];
  /** Of the segments. */
  readonly bytes: number;
}

/** One presentation generation: a title and its segments. */
export class Shelf {
  readonly generation: string;
  readonly key: string;
  readonly entries = new Map<number, Entry>();
  description = '';
  durationSeconds: number | undefined;
  /** Its segments are a live window, not judged by popularity. */
  windowSeconds: number | undefined;
  serial = 0;
  /** How often this process has saved it; if ever, it is newer than whatever is found on disk. */
  saves = 0;
  /** Size of its title record on disk; 0: there is none. */
  titleBytes = 0;
  /** The record on disk says what this shelf says. */
  titleSaved = false;
  bytes = 0;
  #metas: readonly SegmentMeta[] | undefined;

  constructor(key: string, generation: string) {
    this.key = key;
    this.generation = generation;
  }

  /** Ascending start; a snapshot. */
  get metas(): readonly SegmentMeta[] {
    this.#metas ??= Array.from(this.entries.values())
      .filter((entry) => !entry.leaving)
      .map((entry) => entry.meta)
      .sort((left, right) => left.startMicros - right.startMicros);
    return this.#metas;
  }

  /** To be called whenever `entries`, or whether one is leaving, has changed. */
  changed(): void {
    this.#metas = undefined;
  }

  facts(meta: SegmentMeta): SegmentFacts {
    return {
      title: this.key,
      segment: meta.index,
      startSeconds: meta.startMicros / 1e6,
      durationSeconds: meta.durationMicros / 1e6,
      bytes: meta.byteLength,
      titleDurationSeconds: this.durationSeconds,
    };
  }

  file(): TitleFile {
    const { key, generation, description, durationSeconds, windowSeconds, serial } = this;
    return { key, generation, description, durationSeconds, windowSeconds, serial };
  }

  record(newest: boolean): TitleRecord {
    const { key, generation, description, durationSeconds, windowSeconds, bytes } = this;
    const lengths = { durationSeconds, windowSeconds };
    return { key, generation, description, ...lengths, newest, segments: this.metas, bytes };
  }
}

/** What is held, in memory: generations, their segments, and which generation of a key is the newest. No I/O. */
export class Catalogue {
  readonly #shelves = new Map<string, Shelf>();
  readonly #newest = new Map<string, Shelf>();
  readonly #superseded = new Set<Shelf>();
  /** Without segments, in the order of last use. */
  readonly #empty = new Set<Shelf>();
  readonly #byHandle = new Map<number, Entry>();
  /** With segments of a live window. */
  readonly #windows = new Set<Shelf>();
  #windowBytes = 0;
  #windowHandles = 0;
  #segmentBytes = 0;
  #titleBytes = 0;
  #serial = 0;

  /** Of segments and title records on disk. */
  get bytes(): number {
    return this.#segmentBytes + this.#titleBytes;
  }

  get segmentCount(): number {
    return this.#byHandle.size;
  }

  get titleCount(): number {
    return this.#newest.size;
  }

  shelf(generation: string): Shelf | undefined {
    return this.#shelves.get(generation);
  }

  shelves(): Iterable<Shelf> {
    return this.#shelves.values();
  }

  /** Shelves that hold segments of a live window. */
  windows(): Iterable<Shelf> {
    return this.#windows;
  }

  /** Of the segments of all live windows. */
  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** The segment that will have passed first. Cost: looks at every window. */
  oldestInWindows(): Entry | undefined {
    let oldest: SegmentMeta | undefined;
    for (const { metas } of this.#windows) {
      if (metas[0] !== undefined && metas[0].startMicros < (oldest?.startMicros ?? Infinity))
        oldest = metas[0];
    }
    return oldest === undefined ? undefined : this.entry(oldest.generation, oldest.startMicros);
  }

  /** The longest unused of the shelves without segments, once there are more than `max`. */
  surplusEmpty(max: number): Shelf | undefined {
    if (this.#empty.size <= max) return undefined;
    const [longestUnused] = this.#empty;
    return longestUnused;
  }

  superseded(): Iterable<Shelf> {
    return this.#superseded;
  }

  newest(key: string): Shelf | undefined {
    return this.#newest.get(key);
  }

  isNewest(shelf: Shelf): boolean {
    return this.#newest.get(shelf.key) === shelf;
  }

  entry(generation: string, startMicros: number): Entry | undefined {
    return this.#shelves.get(generation)?.entries.get(startMicros);
  }

  byHandle(handle: number): Entry | undefined {
    return this.#byHandle.get(handle);
  }

  /** Cost: looks at every segment until one is found. */
  findEntry(isWanted: (entry: Entry) => boolean): Entry | undefined {
    for (const entry of this.#byHandle.values()) if (isWanted(entry)) return entry;
    return undefined;
  }

  nextSerial(): number {
    return ++this.#serial;
  }

  /** Notes that a shelf is in use. */
  touch(shelf: Shelf): void {
    if (this.#empty.delete(shelf)) this.#empty.add(shelf);
  }

  /** The shelf of a title that is being saved: the newest of its key from now on. */
  save(key: string, generation: string): Shelf {
    const shelf = this.#shelves.get(generation) ?? this.#add(new Shelf(key, generation));
    shelf.saves++;
    this.touch(shelf);
    this.#makeNewest(shelf);
    return shelf;
  }

  /** The shelf of a generation found on disk; `title` is undefined when only its key is known. */
  find(key: string, generation: string, title: TitleFile | undefined): Shelf {
    const known = this.#shelves.get(generation);
    if (known !== undefined) return known;
    const shelf = this.#add(new Shelf(key, generation));
    shelf.description = title?.description ?? '';
    shelf.durationSeconds = title?.durationSeconds;
    shelf.windowSeconds = title?.windowSeconds;
    shelf.serial = title?.serial ?? 0;
    this.#serial = Math.max(this.#serial, shelf.serial);
    const rival = this.#newest.get(key);
    if (rival === undefined || (rival.saves === 0 && rival.serial < shelf.serial)) this.#makeNewest(shelf);
    else this.#superseded.add(shelf);
    return shelf;
  }

  setTitleBytes(shelf: Shelf, bytes: number): void {
    this.#titleBytes += bytes - shelf.titleBytes;
    shelf.titleBytes = bytes;
  }

  /** @param handle the policy's; undefined: it belongs to a live window */
  hold(shelf: Shelf, meta: SegmentMeta, handle = --this.#windowHandles): Entry {
    const entry: Entry = { meta, name: formatSegmentName(meta), handle, pins: 0, leaving: false };
    if (handle < 0) {
      this.#windows.add(shelf);
      this.#windowBytes += meta.byteLength;
    }
    shelf.entries.set(meta.startMicros, entry);
    this.#empty.delete(shelf);
    shelf.bytes += meta.byteLength;
    shelf.changed();
    this.#byHandle.set(handle, entry);
    this.#segmentBytes += meta.byteLength;
    return entry;
  }

  setLeaving(entry: Entry, leaving: boolean): void {
    entry.leaving = leaving;
    this.#shelves.get(entry.meta.generation)?.changed();
  }

  drop(entry: Entry): void {
    const shelf = this.#shelves.get(entry.meta.generation);
    if (shelf?.entries.get(entry.meta.startMicros) !== entry) return;
    shelf.entries.delete(entry.meta.startMicros);
    if (entry.handle < 0) this.#windowBytes -= entry.meta.byteLength;
    if (shelf.entries.size === 0) {
      this.#empty.add(shelf);
      this.#windows.delete(shelf);
    }
    shelf.bytes -= entry.meta.byteLength;
    shelf.changed();
    this.#byHandle.delete(entry.handle);
    this.#segmentBytes -= entry.meta.byteLength;
  }

  /** Forgets a generation that holds no segments and has no title record on disk. */
  forget(shelf: Shelf): void {
    this.#shelves.delete(shelf.generation);
    this.#superseded.delete(shelf);
    this.#empty.delete(shelf);
    if (this.#newest.get(shelf.key) === shelf) this.#newest.delete(shelf.key);
  }

  #add(shelf: Shelf): Shelf {
    this.#shelves.set(shelf.generation, shelf);
    this.#empty.add(shelf);
    return shelf;
  }

  #makeNewest(shelf: Shelf): void {
    const rival = this.#newest.get(shelf.key);
    if (rival === shelf) return;
    if (rival !== undefined) this.#superseded.add(rival);
    this.#superseded.delete(shelf);
    this.#newest.set(shelf.key, shelf);
  }
}
