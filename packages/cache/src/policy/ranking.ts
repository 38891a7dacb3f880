import { PAGE_BITS, PAGE_MASK, PAGE_ROWS } from './held.js';

const NONE = -1;
const STEPS_PER_OCTAVE = 8;
const OCTAVES = 96;
const BUCKETS = STEPS_PER_OCTAVE * OCTAVES;
/** No value: set aside, behind all values. */
export const ASIDE = Number.POSITIVE_INFINITY;
/** The step of those set aside. */
export const ASIDE_STEP = BUCKETS - 1;

/** Handles ordered by the last known value, in steps of 9 %: 12 bytes each, in pages as in {@link Held}; every operation in constant time. */
export class Ranking {
  readonly #next: Int32Array[] = [];
  readonly #previous: Int32Array[] = [];
  readonly #bucket: Int32Array[] = [];
  readonly #groups: number;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  /** Lowest step of each group that may be taken. */
  readonly #lowest: Int32Array;

  constructor(groups: number) {
    this.#groups = groups;
    this.#head = new Int32Array(groups * BUCKETS).fill(NONE);
    this.#tail = new Int32Array(groups * BUCKETS).fill(NONE);
    this.#lowest = new Int32Array(groups).fill(BUCKETS);
  }

  /** Puts a handle behind those of its group and of like value. @returns its step. */
  place(handle: number, group: number, value: number): number {
    while (handle >= this.#bucket.length * PAGE_ROWS) this.#turnPage();
    const to = group * BUCKETS + step(value);
    const from = this.#bucket[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
    if (from === to) return to % BUCKETS;
    if (from !== NONE) this.remove(handle);
    const tail = this.#tail[to]!;
    this.#bucket[handle >>> PAGE_BITS]![handle & PAGE_MASK] = to;
    this.#previous[handle >>> PAGE_BITS]![handle & PAGE_MASK] = tail;
    this.#next[handle >>> PAGE_BITS]![handle & PAGE_MASK] = NONE;
    if (tail === NONE) this.#head[to] = handle;
    else this.#next[tail >>> PAGE_BITS]![tail & PAGE_MASK] = handle;
    this.#tail[to] = handle;
    const at = to % BUCKETS;
    if (at < this.#lowest[group]!) this.#lowest[group] = at;
    return at;
  }

  remove(handle: number): void {
    if (handle >= this.#bucket.length * PAGE_ROWS) return;
    const bucket = this.#bucket[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
    if (bucket === NONE) return;
    const next = this.#next[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
    const previous = this.#previous[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
    if (previous === NONE) this.#head[bucket] = next;
    else this.#next[previous >>> PAGE_BITS]![previous & PAGE_MASK] = next;
    if (next === NONE) this.#tail[bucket] = previous;
    else this.#previous[next >>> PAGE_BITS]![next & PAGE_MASK] = previous;
    this.#bucket[handle >>> PAGE_BITS]![handle & PAGE_MASK] = NONE;
  }

  /** The handle of least known value, in one group or (-1) in all; or -1. */
  least(group: number): number {
    if (group !== NONE) {
      const at = this.#settle(group);
      return at === BUCKETS ? NONE : this.#head[group * BUCKETS + at]!;
    }
    let best = NONE;
    let lowest = BUCKETS;
    for (let g = 0; g < this.#groups; g++) {
      const at = this.#settle(g);
      if (at >= lowest) continue;
      lowest = at;
      best = this.#head[g * BUCKETS + at]!;
    }
    return best;
  }

  /** The step that a handle is in. */
  stepOf(handle: number): number {
    return this.#bucket[handle >>> PAGE_BITS]![handle & PAGE_MASK]! % BUCKETS;
  }

  #settle(group: number): number {
    let at = this.#lowest[group]!;
    while (at < BUCKETS && this.#head[group * BUCKETS + at] === NONE) at += 1;
    this.#lowest[group] = at;
    return at;
  }

  #turnPage(): void {
    this.#next.push(new Int32Array(PAGE_ROWS));
    this.#previous.push(new Int32Array(PAGE_ROWS));
    this.#bucket.push(new Int32Array(PAGE_ROWS).fill(NONE));
  }
}

function step(value: number): number {
  if (!(value > 0)) return 0;
  if (value === ASIDE) return ASIDE_STEP;
  const at = Math.floor((Math.log2(value) + OCTAVES) * STEPS_PER_OCTAVE);
  return at < 0 ? 0 : Math.min(at, ASIDE_STEP - 1);
}
