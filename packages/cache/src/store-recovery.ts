import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Shelf } from './catalogue.js';
import { readErrorFrom, type CacheError } from './errors.js';
import { KEPT_BYTES_MAX, parseKeptState, type KeptKind } from './kept-state.js';
import { formatSegmentName, NOTES_NAME, STATE_NAME, TITLE_NAME } from './names.js';
import { readWholeFile } from './read-file.js';
import { keyFromSegments, scanFolder, scanRoot, type FoundFolder } from './scan.js';
import type { SegmentMeta } from './segment.js';
import { EMPTY_TITLES_MAX, type StoreParts, type StoreRoom } from './store-room.js';

/** Segments taken into the index before the event loop gets a turn. */
const SLICE_SEGMENTS = 512;

/**
 * Builds the index from what is on disk (docs/segment-format.md, steps R2 to R6). Runs in the store's writing
 * lane, in slices: other work of the process goes on, and what has been found can be read already.
 */
export class StoreRecovery {
  readonly #parts: StoreParts;
  readonly #room: StoreRoom;
  /** Set to stop early: the store is being closed. */
  stopped = false;
  /** What {@link StoreWrites.saveNotes} wrote in an earlier process; undefined where there is none, or it is damaged. */
  notes: Uint8Array | undefined;

  constructor(parts: StoreParts, room: StoreRoom) {
    this.#parts = parts;
    this.#room = room;
  }

  /** Steps R2 to R5. @throws CacheError when the disk fails; what was found until then is held. */
  async index(): Promise<void> {
    const { fs, directory } = this.#parts;
    await this.#restorePolicy();
    await this.#restoreNotes();
    const root = await scanRoot(fs, directory).catch((cause: unknown) => {
      throw readErrorFrom(cause);
    });
    for (const name of root.temporaries) await this.#room.discard(join(directory, name), 0);
    for (const generation of root.generations) {
      if (this.stopped) return;
      await this.#takeFolder(generation);
    }
  }

  /** Step R6: what is held fits into the capacity. @throws CacheError when the disk refuses. */
  async fit(): Promise<void> {
    const { catalogue } = this.#parts;
    for (const shelf of Array.from(catalogue.superseded())) await this.#room.dropShelf(shelf, 'superseded');
    for (;;) {
      const surplus = catalogue.surplusEmpty(EMPTY_TITLES_MAX);
      if (surplus === undefined) break;
      await this.#room.removeTitle(surplus);
    }
    await this.#room.makeRoom(0, 'capacity');
  }

  async #takeFolder(generation: string): Promise<void> {
    const folder = join(this.#parts.directory, generation);
    const found = await this.#tryScan(generation);
    if (found === undefined) return;
    for (const { name, bytes } of found.temporaries) await this.#room.discard(join(folder, name), bytes);
    for (const { name, bytes } of found.setAside) this.#room.addDebris(join(folder, name), bytes);
    try {
      const shelf = await this.#shelfOf(found, folder);
      if (shelf === undefined) await this.#clearFolder(found, folder);
      else await this.#holdAll(shelf, found.metas, folder);
    } catch (cause) {
      this.#report(generation, readErrorFrom(cause));
      for (const meta of found.metas)
        this.#room.addDebris(join(folder, formatSegmentName(meta)), meta.byteLength);
    }
  }

  /** A folder that cannot be read is left out; its name says that it is ours, so nothing else uses it. */
  async #tryScan(generation: string): Promise<FoundFolder | undefined> {
    const { fs, directory } = this.#parts;
    try {
      return await scanFolder(fs, directory, generation);
    } catch (cause) {
      const error = readErrorFrom(cause);
      if (error.code !== 'vanished') this.#report(generation, error);
      return undefined;
    }
  }

  /** Its shelf; undefined when nothing in the folder can be served. @throws CacheError when the disk fails. */
  async #shelfOf(found: FoundFolder, folder: string): Promise<Shelf | undefined> {
    const { catalogue, fs } = this.#parts;
    const { generation, title, titleError } = found;
    if (titleError !== undefined && titleError.code !== 'vanished') {
      this.#report(join(generation, TITLE_NAME), titleError);
    }
    const key = title?.key ?? (await keyFromSegments(fs, folder, found.metas));
    if (key === undefined) return undefined;
    const shelf = catalogue.find(key, generation, title);
    catalogue.setTitleBytes(shelf, Math.max(shelf.titleBytes, found.titleBytes));
    shelf.titleSaved ||= title !== undefined && shelf.saves === 0;
    return shelf;
  }

  /** Of two segments with the same start, which no write leaves, one is deleted. */
  async #holdAll(shelf: Shelf, metas: readonly SegmentMeta[], folder: string): Promise<void> {
    const { catalogue, policy, nowSeconds } = this.#parts;
    for (const [number, meta] of metas.entries()) {
      if (shelf.entries.has(meta.startMicros)) {
        await this.#room.discard(join(folder, formatSegmentName(meta)), meta.byteLength);
      } else {
        const isJudged = shelf.windowSeconds === undefined;
        catalogue.hold(shelf, meta, isJudged ? policy.hold(shelf.facts(meta), nowSeconds()) : undefined);
      }
      if (number % SLICE_SEGMENTS === SLICE_SEGMENTS - 1) await nextTurn();
    }
  }

  async #clearFolder(found: FoundFolder, folder: string): Promise<void> {
    for (const meta of found.metas) {
      await this.#room.discard(join(folder, formatSegmentName(meta)), meta.byteLength);
    }
    await this.#room.discard(join(folder, TITLE_NAME), 0);
    await this.#parts.fs.removeDirectory(folder).catch(() => undefined);
  }

  async #restorePolicy(): Promise<void> {
    const { policy } = this.#parts;
    await this.#restore(STATE_NAME, 'popularity', (state) => policy.restore(state));
  }

  async #restoreNotes(): Promise<void> {
    await this.#restore(NOTES_NAME, 'origins', (state) => {
      this.notes = state;
    });
  }

  async #restore(name: string, kind: KeptKind, take: (state: Uint8Array) => void): Promise<void> {
    const { fs, directory } = this.#parts;
    try {
      const file = await readWholeFile(fs, join(directory, name), { maxBytes: KEPT_BYTES_MAX[kind] });
      this.#room.setStateBytes(name, file.length);
      take(parseKeptState(kind, file));
    } catch (cause) {
      const error = readErrorFrom(cause);
      if (error.code === 'vanished') return;
      this.#report(name, error);
    }
  }

  #report(file: string, error: CacheError): void {
    this.#parts.emit({ type: error.code === 'unreadable' ? 'unreadable' : 'damaged', file, error });
  }
}
