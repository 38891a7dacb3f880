import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import type { Shelf } from './catalogue.js';
import { CacheError, cacheErrorFrom, systemCode } from './errors.js';
import { formatKeptState, KEPT_BYTES_MAX, KEPT_HEADER_BYTES } from './kept-state.js';
import { formatSegmentName, NOTES_NAME, STATE_NAME, temporaryName, TITLE_NAME } from './names.js';
import type { AdmitReason, Decision, RejectReason, SegmentFacts } from './policy/index.js';
import { encodeSegment } from './segment-file.js';
import type { Segment, SegmentMeta } from './segment.js';
import { Wishes } from './wishes.js';
import type { StoreFile } from './store-fs.js';
import { EMPTY_TITLES_MAX, type StoreParts, type StoreRoom } from './store-room.js';
import { formatTitleFile } from './title-file.js';

/** A file with what was learned may take this part of the capacity; where it would be larger, it is not saved. */
const STATE_SHARE_MAX = 1 / 16;

/**
 * What the store writes, and in which order (docs/segment-format.md, steps W1 to W7). Only the store's writing
 * lane calls it: one write at a time. Disk trouble goes to the health and into the result; it is never thrown.
 */
export class StoreWrites {
  readonly #parts: StoreParts;
  readonly #room: StoreRoom;
  readonly #wishes: Wishes;
  /** Header of each state file as it was last written: it has a checksum of the rest. */
  readonly #kept = new Map<string, Buffer>();

  constructor(parts: StoreParts, room: StoreRoom) {
    this.#parts = parts;
    this.#room = room;
    this.#wishes = new Wishes(parts.catalogue, parts.policy);
  }

  /**
   * Asks the policy, makes room and writes.
   * @param wishedUntilSeconds somebody wishes that it is kept until then
   */
  async storeSegment(
    segment: Segment,
    facts: SegmentFacts,
    wishedUntilSeconds: number | undefined,
  ): Promise<Decision> {
    const { catalogue, health } = this.#parts;
    const shelf = catalogue.shelf(segment.meta.generation);
    if (!health.may('write', 0)) return rejected('disk-error');
    if (shelf === undefined || !catalogue.isNewest(shelf)) return rejected('incomplete');
    if (shelf.entries.has(segment.meta.startMicros)) {
      this.wish(segment.meta, wishedUntilSeconds);
      return rejected('held');
    }
    if (facts.bytes > this.#room.capacityBytes) return rejected('too-large');
    if (facts.titleDurationSeconds !== undefined && facts.titleDurationSeconds !== shelf.durationSeconds) {
      shelf.durationSeconds = facts.titleDurationSeconds;
      shelf.titleSaved = false;
    }
    let decision = rejected('disk-error');
    await this.attempt(async () => {
      decision = await this.#admit(shelf, segment, { facts, isWished: wishedUntilSeconds !== undefined });
    });
    if (decision.admitted) this.wish(segment.meta, wishedUntilSeconds);
    return decision;
  }

  /** Writes the title record of a shelf. It stays in memory only while the disk refuses, or has no room for it. */
  async saveTitle(shelf: Shelf): Promise<void> {
    const { catalogue, health } = this.#parts;
    if (!health.may('write', 0)) return;
    await this.attempt(async () => {
      if (catalogue.shelf(shelf.generation) === shelf && !shelf.titleSaved) await this.#writeTitle(shelf);
      const surplus = catalogue.surplusEmpty(EMPTY_TITLES_MAX);
      if (surplus !== undefined) await this.#room.removeTitle(surplus);
    });
  }

  /** Keeps what the policy has learned for the next process. */
  async savePolicy(): Promise<void> {
    const { policy } = this.#parts;
    await this.#saveState(STATE_NAME, async () => {
      const slices = policy.saving();
      let slice = slices.next();
      for (; slice.done !== true; slice = slices.next()) await setImmediate();
      return formatKeptState('popularity', slice.value);
    });
  }

  /** Keeps what the proxy has learned of its origins. */
  async saveNotes(notes: Uint8Array): Promise<void> {
    if (notes.length > KEPT_BYTES_MAX.origins / 2) return;
    await this.#saveState(NOTES_NAME, () => Promise.resolve(formatKeptState('origins', notes)));
  }

  async #saveState(name: string, format: () => Promise<Buffer>): Promise<void> {
    const { directory, health } = this.#parts;
    if (!health.may('write', 0)) return;
    await this.attempt(async () => {
      const bytes = await format();
      if (this.#kept.get(name)?.equals(bytes.subarray(0, KEPT_HEADER_BYTES)) === true) return;
      if (bytes.length > STATE_SHARE_MAX * this.#room.capacityBytes) return;
      if (!(await this.#room.makeRoom(bytes.length, 'room'))) return;
      const giveBack = this.#room.reserve(bytes.length);
      await this.#writeFile(join(directory, name), bytes).finally(giveBack);
      this.#room.setStateBytes(name, bytes.length);
      this.#kept.set(name, Buffer.from(bytes.subarray(0, KEPT_HEADER_BYTES)));
    });
  }

  /** Runs `work` and turns disk trouble into a word to the health. @returns false when there was some. */
  async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (cause) {
      const error = cacheErrorFrom(cause);
      if (error.code === 'disk-full') this.#room.noteFull();
      this.#parts.health.failed('write', error);
      return false;
    }
  }

  /**
   * Keeps a held segment until then, whatever the policy thinks of it, as long as no more than half of the capacity is kept so.
   * @returns false when it is not held, or there is no room for wishes
   */
  wish(meta: SegmentMeta, untilSeconds: number | undefined): boolean {
    const { catalogue, nowSeconds } = this.#parts;
    this.#wishes.expire(nowSeconds());
    const entry = catalogue.entry(meta.generation, meta.startMicros);
    if (entry === undefined || entry.leaving || untilSeconds === undefined || entry.handle < 0) return false;
    if (!this.#wishes.has(entry) && !this.#wishes.hasRoom(meta.byteLength, this.#room.capacityBytes))
      return false;
    this.#wishes.keep(entry, untilSeconds);
    return true;
  }

  async #admit(
    shelf: Shelf,
    segment: Segment,
    { facts, isWished }: { facts: SegmentFacts; isWished: boolean },
  ): Promise<Decision> {
    const { policy, nowSeconds } = this.#parts;
    this.#wishes.expire(nowSeconds());
    await this.#room.makeEasyRoom(facts.bytes);
    if (shelf.windowSeconds !== undefined) return this.#takeIntoWindow(shelf, segment);
    const judged = policy.decide(facts, this.#room.freeBytes, nowSeconds());
    const decision = isWished ? this.#wished(judged, facts.bytes) : judged;
    if (!decision.admitted) return decision;
    await this.#room.evictHandles(decision.victims, 'room');
    if (!shelf.titleSaved) await this.#writeTitle(shelf);
    if (!shelf.titleSaved || this.#room.freeBytes < facts.bytes) return rejected('pinned-full');
    await this.#writeSegment(shelf, segment, decision.reason);
    return decision;
  }

  /** A wish outweighs what is worth more, but neither what is being read nor the capacity. */
  #wished(judged: Decision, bytes: number): Decision {
    const { policy, nowSeconds } = this.#parts;
    if (judged.admitted || judged.reason !== 'worth-less') return judged;
    if (!this.#wishes.hasRoom(bytes, this.#room.capacityBytes)) return judged;
    const victims = policy.victims(bytes - this.#room.freeBytes, nowSeconds());
    return { admitted: true, reason: 'wished', victims };
  }

  /** What is live is not judged: it has its share of the capacity, and leaves when its window has passed. */
  async #takeIntoWindow(shelf: Shelf, segment: Segment): Promise<Decision> {
    const bytes = segment.meta.byteLength;
    if (!(await this.#room.makeWindowRoom(bytes))) return rejected('too-large');
    if (!shelf.titleSaved) await this.#writeTitle(shelf);
    if (!shelf.titleSaved || this.#room.freeBytes < bytes) return rejected('pinned-full');
    await this.#writeSegment(shelf, segment, 'window');
    return { admitted: true, reason: 'window', victims: [] };
  }

  async #writeSegment(shelf: Shelf, segment: Segment, reason: AdmitReason): Promise<void> {
    const { catalogue, policy, nowSeconds, emit } = this.#parts;
    const { meta } = segment;
    const path = join(this.#parts.directory, meta.generation, formatSegmentName(meta));
    const bytes = encodeSegment(segment, shelf.key);
    const giveBack = this.#room.reserve(bytes.length);
    try {
      await this.#writeFile(path, bytes);
    } catch (error) {
      giveBack();
      await this.#room.discard(path, bytes.length);
      throw this.#noteFolderGone(shelf, error);
    }
    giveBack();
    const isJudged = shelf.windowSeconds === undefined;
    catalogue.hold(shelf, meta, isJudged ? policy.hold(shelf.facts(meta), nowSeconds()) : undefined);
    emit({ type: 'stored', meta, reason });
  }

  async #writeTitle(shelf: Shelf): Promise<void> {
    const { catalogue, directory, fs } = this.#parts;
    const folder = join(directory, shelf.generation);
    shelf.serial = catalogue.nextSerial();
    const bytes = formatTitleFile(shelf.file());
    if (!(await this.#room.makeRoom(bytes.length, 'room'))) return;
    const giveBack = this.#room.reserve(bytes.length);
    try {
      await fs.makeDirectory(folder);
      await this.#writeFile(join(folder, TITLE_NAME), bytes);
    } finally {
      giveBack();
    }
    catalogue.setTitleBytes(shelf, bytes.length);
    shelf.titleSaved = true;
  }

  /** Steps W3 to W6: whatever fails, nothing but the complete file ever has the name `path`. */
  async #writeFile(path: string, bytes: Buffer): Promise<void> {
    const { fs, health } = this.#parts;
    const temporary = temporaryName(path);
    try {
      const file = await this.#create(temporary);
      try {
        await file.write(bytes);
      } finally {
        await file.close();
      }
      await fs.rename(temporary, path);
    } catch (error) {
      await this.#room.discard(temporary, bytes.length);
      throw error;
    }
    health.succeeded('write');
  }

  /** One that a failed write has left in the way is deleted. */
  async #create(temporary: string): Promise<StoreFile> {
    const { fs } = this.#parts;
    try {
      return await fs.create(temporary);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    await fs.remove(temporary);
    return fs.create(temporary);
  }

  /** Somebody has deleted the folder of a title: it is made again with the next segment. */
  #noteFolderGone(shelf: Shelf, cause: unknown): CacheError {
    const error = cacheErrorFrom(cause);
    if (error.code === 'vanished') {
      this.#parts.catalogue.setTitleBytes(shelf, 0);
      shelf.titleSaved = false;
    }
    return error;
  }
}

export function rejected(reason: RejectReason): Decision {
  return { admitted: false, reason };
}
