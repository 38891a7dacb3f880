import type { CachePolicy, MemoryTier, SegmentStore } from '@forebay/cache';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';

/** What titles need of a disk. */
export interface Disk extends Pick<
  SegmentStore,
  'title' | 'segments' | 'saveTitle' | 'offer' | 'wish' | 'read' | 'keepWindow' | 'indexing'
> {
  windows(): Iterable<{ readonly generation: string; readonly windowSeconds: number }>;
}

/** Where segments are kept, shared by all titles, and what everybody needs. */
export interface Shelves {
  readonly ram: MemoryTier;
  readonly store: Disk | undefined;
  readonly policy: CachePolicy;
  readonly clock: Clock;
  /** The policy's time: runs like the clock, and goes on from where an earlier process left it. */
  readonly policySeconds: () => number;
  readonly metrics: Metrics;
  readonly log: Log;
}
