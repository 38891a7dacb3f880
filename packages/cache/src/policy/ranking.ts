import { widened } from './viewers.js';

const NONE = -1;
/** As in {@link Held}. */
const GROWTH = 1.25;
const STEPS_PER_OCTAVE = 8;
const OCTAVES = 96;
const BUCKETS = STEPS_PER_OCTAVE * OCTAVES;

/** Handles ordered by the last known value, in steps of 9 %: 12 bytes each, every operation in constant time. */
export class Ranking {
  #next = new Int32Array(1024);
  #previous = new Int32Array(1024);
  #bucket = new Int32Array(1024).fill(NONE);
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
    if (handle >= this.#bucket.length) this.#widen(handle);
    const to = group * BUCKETS + step(value);
    const from = this.#bucket[handle]!;
    if (from === to) return to % BUCKETS;
    if (from !== NONE) this.remove(handle);
    const tail = this.#tail[to]!;
    this.#bucket[handle] = to;
    this.#previous[handle] = tail;
    this.#next[handle] = NONE;
    if (tail === NONE) this.#head[to] = handle;
    else this.#next[tail] = handle;
    this.#tail[to] = handle;
    const at = to % BUCKETS;
    if (at < this.#lowest[group]!) this.#lowest[group] = at;
    return at;
  }

  remove(handle: number): void {
    if (handle >= this.#bucket.length) return;
    const bucket = this.#bucket[handle]!;
    if (bucket === NONE) return;
    const next = this.#next[handle]!;
    const previous = this.#previous[handle]!;
    if (previous === NONE) this.#head[bucket] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#tail[bucket] = previous;
    else this.#previous[next] = previous;
    this.#bucket[handle] = NONE;
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
    return this.#bucket[handle]! % BUCKETS;
  }

  #settle(group: number): number {
    let at = this.#lowest[group]!;
    while (at < BUCKETS && this.#head[group * BUCKETS + at] === NONE) at += 1;
    this.#lowest[group] = at;
    return at;
  }

  #widen(handle: number): void {
    const size = Math.max(Math.ceil(this.#bucket.length * GROWTH), handle + 1);
    this.#next = widened(this.#next, new Int32Array(size));
    this.#previous = widened(this.#previous, new Int32Array(size));
    this.#bucket = widened(this.#bucket, new Int32Array(size).fill(NONE));
  }
}

function step(value: number): number {
  if (!(value > 0)) return 0;
  const at = Math.floor((Math.log2(value) + OCTAVES) * STEPS_PER_OCTAVE);
  return at < 0 ? 0 : at >= BUCKETS ? BUCKETS - 1 : at;
}
