import { LRUCache } from 'lru-cache';

import type { MemoryTier } from './memory-tier.js';
import { segmentMemoryBytes, type Segment } from './segment.js';

/**
 * Segments in memory, the least recently used go first. `bytes <= capacityBytes` always; counted is what a segment
 * keeps alive, not what it uses of it. What deserves memory is what is being read now, so recency is the whole policy.
 */
export class RamTier implements MemoryTier {
  readonly capacityBytes: number;
  readonly #segments: LRUCache<string, Segment> | undefined;

  /**
   * @param capacityBytes 0: nothing is kept.
   * @param onEvict told of every segment that had to make room.
   */
  constructor(capacityBytes: number, onEvict?: (segment: Segment) => void) {
    this.capacityBytes = capacityBytes;
    if (capacityBytes < 1) return;
    this.#segments = new LRUCache<string, Segment>({
      maxSize: capacityBytes,
      sizeCalculation: segmentMemoryBytes,
      disposeAfter: (segment, _name, reason) => {
        if (reason === 'evict') onEvict?.(segment);
      },
    });
  }

  get bytes(): number {
    return this.#segments?.calculatedSize ?? 0;
  }

  get segmentCount(): number {
    return this.#segments?.size ?? 0;
  }

  get(generation: string, startMicros: number): Segment | undefined {
    return this.#segments?.get(nameOf(generation, startMicros));
  }

  has(generation: string, startMicros: number): boolean {
    return this.#segments?.has(nameOf(generation, startMicros)) ?? false;
  }

  /** Keeps a segment, in place of one with the same start; one that is larger than the capacity is not kept. */
  put(segment: Segment): void {
    this.#segments?.set(nameOf(segment.meta.generation, segment.meta.startMicros), segment);
  }

  drop(generation: string, startMicros: number): void {
    this.#segments?.delete(nameOf(generation, startMicros));
  }

  /** Drops all segments of a generation. Cost: looks at every segment. */
  dropGeneration(generation: string): void {
    for (const segment of Array.from(this.#segments?.values() ?? [])) {
      if (segment.meta.generation === generation) this.drop(generation, segment.meta.startMicros);
    }
  }
}

function nameOf(generation: string, startMicros: number): string {
  return `${generation}/${startMicros}`;
}
