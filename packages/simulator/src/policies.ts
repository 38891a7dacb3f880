import { DEFAULT_OPTIONS, type EngineOptions, type Term } from '@forebay/cache';
import { Forebay } from './forebay.js';
import { belady, infinite, staticOptimum } from './rivals/bounds.js';
import { gdsf, lfuAging, perfectLfu } from './rivals/frequency.js';
import { lrb } from './rivals/learned.js';
import { arc, lru, s3fifo, sieve, slru } from './rivals/recency.js';
import type { RivalFactory } from './rivals/rival.js';
import { hyperbolic, lhd } from './rivals/sampled.js';
import { groupPopularity } from './rivals/segment-groups.js';
import { exponential, lazy, partial, prefix, serverProxy, wholeLru } from './rivals/streaming.js';
import { wtinylfu, wtinylfuAdaptive } from './rivals/tinylfu.js';

function forebay(options: Partial<EngineOptions> = {}): RivalFactory {
  return (w, capacity) => new Forebay(w, capacity, { ...DEFAULT_OPTIONS, ...options });
}

/** Ours without one of its terms. */
export const ABLATIONS: Readonly<Record<string, RivalFactory>> = {
  whole: forebay(),
  ...Object.fromEntries(
    (
      [
        'corrections',
        'viewers on their way',
        'reach of the title',
        'reach',
        'operational clock',
      ] satisfies Term[]
    ).map((term) => [`without ${term}`, forebay({ without: [term] })]),
  ),
  'without the start bonus': forebay({ startShare: 0 }),
  'without a margin': forebay({ margin: 1 }),
  'margin 2': forebay({ margin: 2 }),
  '2 looks': forebay({ looks: 2 }),
  '16 looks': forebay({ looks: 16 }),
};

/** Every policy by the name that the command line knows; the bounds come last. */
export const POLICIES = {
  forebay: forebay(),
  'forebay-start': forebay({ startShare: 0.5 }),
  'forebay-bytes': forebay({ startShare: 0 }),
  lru,
  slru,
  'lfu-aging': lfuAging,
  'perfect-lfu': perfectLfu,
  gdsf,
  arc,
  sieve,
  s3fifo,
  wtinylfu,
  'wtinylfu-adaptive': wtinylfuAdaptive,
  lhd,
  lrb,
  hyperbolic,
  'whole-lru': wholeLru,
  prefix,
  exponential,
  lazy,
  partial,
  'server-proxy': serverProxy,
  group: groupPopularity,
  truth: (w, capacity) => {
    if (w.truth === undefined) throw new RangeError('only a generated workload has true rates');
    return new Forebay(
      w,
      capacity,
      { ...DEFAULT_OPTIONS, titles: w.titles.durationSeconds.length + 1 },
      { truth: w.truth },
    );
  },
  static: staticOptimum,
  belady,
  infinite,
} as const satisfies Readonly<Record<string, RivalFactory>>;

export type PolicyName = keyof typeof POLICIES;

export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(POLICIES, name);
}

/** The rivals of the comparison: neither ours nor a bound. */
export const RIVALS: readonly PolicyName[] = [
  'lru',
  'slru',
  'lfu-aging',
  'perfect-lfu',
  'gdsf',
  'arc',
  'sieve',
  's3fifo',
  'wtinylfu',
  'wtinylfu-adaptive',
  'lhd',
  'lrb',
  'hyperbolic',
  'whole-lru',
  'prefix',
  'exponential',
  'lazy',
  'partial',
  'server-proxy',
  'group',
];
