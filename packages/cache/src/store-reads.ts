import { join } from 'node:path';

import type { Entry, Shelf } from './catalogue.js';
import { CacheError, isAboutTheFile, readErrorFrom, type CacheErrorCode } from './errors.js';
import { Lane, within, type Schedule } from './lane.js';
import { formatSegmentName } from './names.js';
import { readWholeFile } from './read-file.js';
import { decodeSegment } from './segment-file.js';
import type { Segment } from './segment.js';
import type { StoreParts } from './store-room.js';

/** Reads at a time: with the one write, a thread of libuv's four is left for everything else. */
const READS_AT_ONCE = 2;
/** Reads that wait for their turn; past it they are answered with a miss at once. */
const READS_WAITING_MAX = 256;
/** Trouble that is not about this one file, but after which it is not worth asking for again. */
const UNREADABLE_CODES: ReadonlySet<CacheErrorCode> = new Set(['io', 'unreadable']);

/** A read in progress, shared by all who ask for the same segment. */
interface SharedRead {
  readonly result: Promise<Segment | undefined>;
  /** Callers that still wait for it. */
  waiters: number;
  started: boolean;
  /** Set once it is overdue; to be called when it comes back. */
  cameBack: (() => void) | undefined;
}

export interface StoreReadsOptions {
  readonly limitMs: number;
  readonly schedule: Schedule;
  /** Takes a segment that cannot be served out of the index. */
  readonly lose: (entry: Entry, error: CacheError) => void;
}

/** Reads segments: whole files, verified, one read for all who want the same one, and none waits for long. */
export class StoreReads {
  readonly #parts: StoreParts;
  readonly #options: StoreReadsOptions;
  readonly #lane = new Lane(READS_AT_ONCE);
  readonly #shared = new Map<Entry, SharedRead>();

  constructor(parts: StoreParts, options: StoreReadsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @returns undefined when it cannot be had in time: the caller goes to the origin. */
  async read(shelf: Shelf, entry: Entry): Promise<Segment | undefined> {
    const { limitMs, schedule } = this.#options;
    const shared = this.#shared.get(entry) ?? this.#share(shelf, entry);
    if (shared === undefined) return undefined;
    shared.waiters++;
    try {
      return await within(shared.result, limitMs, schedule, () => this.#noteLate(shared, entry));
    } finally {
      shared.waiters--;
    }
  }

  #share(shelf: Shelf, entry: Entry): SharedRead | undefined {
    if (!this.#parts.health.may('read', READS_AT_ONCE - 1)) return undefined;
    if (this.#lane.waiting >= READS_WAITING_MAX) return undefined;
    const turn = { waiters: 0, started: false, cameBack: undefined };
    const shared: SharedRead = Object.assign(turn, {
      result: this.#lane.run(async () => {
        if (turn.waiters === 0 || entry.leaving) return undefined;
        turn.started = true;
        return this.#load(shelf, entry);
      }),
    });
    this.#shared.set(entry, shared);
    const settled = (): void => {
      this.#shared.delete(entry);
      shared.cameBack?.();
    };
    shared.result.then(settled, settled);
    return shared;
  }

  async #load(shelf: Shelf, entry: Entry): Promise<Segment | undefined> {
    const { fs, directory, health } = this.#parts;
    const { generation, startMicros, byteLength } = entry.meta;
    try {
      const path = join(directory, generation, entry.name);
      const file = await readWholeFile(fs, path, { bytes: byteLength });
      health.succeeded('read');
      const segment = decodeSegment(file, { key: shelf.key, generation, startMicros });
      if (formatSegmentName(segment.meta) !== entry.name) throw new CacheError('mismatch', 'another name');
      return segment;
    } catch (cause) {
      this.#noteFailure(entry, readErrorFrom(cause));
      return undefined;
    }
  }

  #noteFailure(entry: Entry, error: CacheError): void {
    const ofTheFile = isAboutTheFile(error.code);
    if (!ofTheFile) this.#parts.health.failed('read', error);
    if ((ofTheFile || UNREADABLE_CODES.has(error.code)) && !entry.leaving) {
      this.#parts.catalogue.setLeaving(entry, true);
      this.#options.lose(entry, error);
    }
  }

  /** One that only waits for its turn is not the disk's fault; it is not started any more. */
  #noteLate(shared: SharedRead, entry: Entry): void {
    if (!shared.started || shared.cameBack !== undefined) return;
    const error = new CacheError('hung', `reading ${entry.name}`);
    shared.cameBack = this.#parts.health.overdue('read', error);
  }
}
