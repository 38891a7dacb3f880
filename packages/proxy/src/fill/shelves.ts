import type { CachePolicy, RamTier, SegmentStore } from '@forebay/cache';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';

/** Where segments are kept, shared by all titles, and what everybody needs. */
export interface Shelves {
  readonly ram: RamTier;
  readonly store: SegmentStore | undefined;
  readonly policy: CachePolicy;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}
