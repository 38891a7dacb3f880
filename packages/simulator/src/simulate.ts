import { type PolicyName, POLICIES } from './policies.js';
import { type Outcome, replay } from './replay.js';
import type { Workload } from './workload.js';

/** One policy at one size. */
export interface Row extends Outcome {
  readonly policy: PolicyName;
  /** Share of the footprint. */
  readonly size: number;
  readonly capacityBytes: number;
  /** Byte hit ratio over the clairvoyant's, where that was run too. */
  readonly shareOfBelady: number | undefined;
}

export interface SimulateOptions {
  /** Sizes as shares of the bytes that the log touches. */
  readonly sizes: readonly number[];
  readonly policies: readonly PolicyName[];
  readonly onRow?: (row: Row) => void;
}

/** Replays a workload over policies and sizes; the first quarter of the requests is warm-up. */
export function simulate(w: Workload, options: SimulateOptions): Row[] {
  const rows: Row[] = [];
  for (const size of options.sizes) {
    const capacity = Math.max(1, Math.floor(size * w.footprint));
    const order = options.policies.toSorted((a, b) => Number(b === 'belady') - Number(a === 'belady'));
    let best: number | undefined;
    for (const policy of order) {
      const room = policy === 'infinite' ? Number.MAX_SAFE_INTEGER : capacity;
      const outcome = replay(w, POLICIES[policy](w, room), room);
      if (policy === 'belady') best = outcome.byteHitRatio;
      const row: Row = {
        ...outcome,
        policy,
        size,
        capacityBytes: capacity * w.segmentBytes,
        shareOfBelady: best === undefined ? undefined : outcome.byteHitRatio / best,
      };
      rows.push(row);
      options.onRow?.(row);
    }
  }
  return rows;
}

/** One size of cache, as an operator sees it. */
export interface SizeAdvice {
  readonly capacityBytes: number;
  readonly byteHitRatio: number;
  readonly startHitRatio: number;
  readonly writesPerRequest: number;
  readonly peakRatio: number;
  readonly recommended: boolean;
}

/** A larger cache is recommended while doubling it saves this share of all bytes. */
const WORTH_DOUBLING = 0.05;

/**
 * What caches of these sizes would have done with a log, under the serving policy. Recommended is the smallest size from which the next
 * saves less than five points of bytes per doubling.
 */
export function adviseSizes(w: Workload, capacitiesBytes: readonly number[]): SizeAdvice[] {
  const footprintBytes = w.footprint * w.segmentBytes;
  const ascending = capacitiesBytes.toSorted((a, b) => a - b);
  const rows = simulate(w, {
    sizes: ascending.map((bytes) => bytes / footprintBytes),
    policies: ['forebay'],
  });
  const enough = rows.findIndex((row, i) => {
    const next = rows[i + 1];
    if (next === undefined) return true;
    const doublings = Math.max(1e-9, Math.log2(next.capacityBytes / row.capacityBytes));
    return (next.byteHitRatio - row.byteHitRatio) / doublings < WORTH_DOUBLING;
  });
  return rows.map((row, i) => ({
    capacityBytes: ascending[i]!,
    byteHitRatio: row.byteHitRatio,
    startHitRatio: row.startHitRatio,
    writesPerRequest: row.writesPerRequest,
    peakRatio: row.peakRatio,
    recommended: i === enough,
  }));
}
