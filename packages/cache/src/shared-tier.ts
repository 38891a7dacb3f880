import { readFileSync, rmSync, writeFileSync } from 'node:fs';

import { LRUCache } from 'lru-cache';

import type { MemoryTier } from './memory-tier.js';
import { decodeSegment, encodeSegment } from './segment-file.js';
import type { Segment, SegmentMeta } from './segment.js';
import type { SharedFolder } from './shared-folder.js';

/** A segment as a file that other processes of this user can read. */
export interface SharedFile {
  readonly path: string;
  /** Canonical URL of its title. */
  readonly key: string;
  readonly meta: SegmentMeta;
}

export interface SharedTierOptions {
  readonly folder: SharedFolder;
  /** 0: nothing is kept. */
  readonly capacityBytes: number;
  /** Told of every segment that had to make room. */
  readonly onEvict: (meta: SegmentMeta) => void;
  /** A file could not be written. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Segments in memory that all processes of a proxy share: files as on the disk, in a folder in memory, the least recently used
 * go first. A file that was removed is still there for who has it open: nothing is ever taken away from a reader.
 */
export class SharedTier implements MemoryTier {
  readonly capacityBytes: number;
  readonly #options: SharedTierOptions;
  readonly #files: LRUCache<string, SharedFile> | undefined;

  constructor(options: SharedTierOptions) {
    this.#options = options;
    this.capacityBytes = options.capacityBytes;
    if (options.capacityBytes < 1) return;
    this.#files = new LRUCache<string, SharedFile>({
      maxSize: options.capacityBytes,
      sizeCalculation: ({ meta }) => meta.byteLength,
      disposeAfter: ({ path, meta }, _name, reason) => {
        rmSync(path, { force: true });
        if (reason === 'evict') options.onEvict(meta);
      },
    });
  }

  get bytes(): number {
    return this.#files?.calculatedSize ?? 0;
  }

  has(generation: string, startMicros: number): boolean {
    return this.#files?.has(nameOf(generation, startMicros)) ?? false;
  }

  /** Cost: reads and verifies the file, about 0.4 ms per MB. */
  get(generation: string, startMicros: number): Segment | undefined {
    const file = this.file(generation, startMicros);
    if (file === undefined) return undefined;
    try {
      return decodeSegment(readFileSync(file.path), { key: file.key, generation, startMicros });
    } catch (error) {
      this.#options.onFault(error);
      this.#files?.delete(nameOf(generation, startMicros));
      return undefined;
    }
  }

  /** Where others find the segment; they may be too late: then it is asked for again. */
  file(generation: string, startMicros: number): SharedFile | undefined {
    return this.#files?.get(nameOf(generation, startMicros));
  }

  put(segment: Segment, key: string): void {
    const { generation, startMicros, byteLength } = segment.meta;
    if (byteLength > this.capacityBytes) return;
    const file = this.lend(segment, key);
    if (file !== undefined) this.#files?.set(nameOf(generation, startMicros), file);
  }

  drop(generation: string, startMicros: number): void {
    this.#files?.delete(nameOf(generation, startMicros));
  }

  /** Writes a segment that is not kept here; whoever reads it removes the file. Undefined where that fails. */
  lend(segment: Segment, key: string): SharedFile | undefined {
    const path = this.#options.folder.newPath();
    try {
      writeFileSync(path, encodeSegment(segment, key), { flag: 'wx', mode: 0o600 });
      return { path, key, meta: segment.meta };
    } catch (error) {
      rmSync(path, { force: true });
      this.#options.onFault(error);
      return undefined;
    }
  }
}

function nameOf(generation: string, startMicros: number): string {
  return `${generation}/${startMicros}`;
}
