import type { Workload } from '../workload.js';

/** A caching policy over equal-sized segments, as the replay drives it. */
export interface Rival {
  /** Segments held now. */
  readonly held: number;
  /** Segments stored so far. */
  readonly writes: number;
  /** Request number `index` of the workload. @returns whether it was held. */
  request(segment: number, index: number): boolean;
}

/** Makes a policy for a cache of `capacity` segments. */
export type RivalFactory = (workload: Workload, capacity: number) => Rival;
