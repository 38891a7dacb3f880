import type { Segment } from './segment.js';

/** Sealed segments in memory. `bytes <= capacityBytes` always. */
export interface MemoryTier {
  readonly capacityBytes: number;
  readonly bytes: number;
  has(generation: string, startMicros: number): boolean;
  get(generation: string, startMicros: number): Segment | undefined;
  /**
   * Keeps a segment, in place of one with the same start; one that is larger than the capacity is not kept.
   * @param key canonical URL of the title that it was sealed for
   */
  put(segment: Segment, key: string): void;
  drop(generation: string, startMicros: number): void;
}
