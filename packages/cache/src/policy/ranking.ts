import { BUCKET, type Held, NEXT, PREVIOUS } from './held.js';

const NONE = -1;
const STEPS_PER_OCTAVE = 8;
const OCTAVES = 96;
const BUCKETS = STEPS_PER_OCTAVE * OCTAVES;
/** The step of those set aside, behind all values. */
export const ASIDE_STEP = BUCKETS - 1;
/** So many steps above the lowest, order does not matter yet. */
const FAR = 2 * STEPS_PER_OCTAVE;

/** Handles ordered by the last known value, in steps of 9 %, linked through the rows of {@link Held}; every operation in constant time. */
export class Ranking {
  readonly #held: Held;
  readonly #groups: number;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  /** Lowest step of each group that may be taken. */
  readonly #lowest: Int32Array;

  constructor(held: Held, groups: number) {
    this.#held = held;
    this.#groups = groups;
    this.#head = new Int32Array(groups * BUCKETS).fill(NONE);
    this.#tail = new Int32Array(groups * BUCKETS).fill(NONE);
    this.#lowest = new Int32Array(groups).fill(BUCKETS);
  }

  /**
   * Puts a handle behind those of its group and step; one that stays four times as valuable as the least is left where it is.
   * @param at step of its value: {@link stepOf}.
   */
  place(handle: number, group: number, at: number): void {
    const from = this.#held.get(handle, BUCKET);
    if (from === group * BUCKETS + at) return;
    const far = this.#lowest[group]! + FAR;
    if (far > FAR && at > far && from - group * BUCKETS > far) return;
    if (from !== NONE) this.remove(handle);
    this.#put(handle, group, at);
  }

  #put(handle: number, group: number, at: number): void {
    const held = this.#held;
    const base = group * BUCKETS;
    const tail = this.#tail[base + at]!;
    held.set(handle, BUCKET, base + at);
    held.set(handle, PREVIOUS, tail);
    held.set(handle, NEXT, NONE);
    if (tail === NONE) this.#head[base + at] = handle;
    else held.set(tail, NEXT, handle);
    this.#tail[base + at] = handle;
    if (at < this.#lowest[group]!) this.#lowest[group] = at;
  }

  remove(handle: number): void {
    const held = this.#held;
    const bucket = held.get(handle, BUCKET);
    if (bucket === NONE) return;
    const next = held.get(handle, NEXT);
    const previous = held.get(handle, PREVIOUS);
    if (previous === NONE) this.#head[bucket] = next;
    else held.set(previous, NEXT, next);
    if (next === NONE) this.#tail[bucket] = previous;
    else held.set(next, PREVIOUS, previous);
    held.set(handle, BUCKET, NONE);
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
  placeOf(handle: number): number {
    return this.#held.get(handle, BUCKET) % BUCKETS;
  }

  #settle(group: number): number {
    let at = this.#lowest[group]!;
    while (at < BUCKETS && this.#head[group * BUCKETS + at] === NONE) at += 1;
    this.#lowest[group] = at;
    return at;
  }
}

const FLOAT = new Float32Array(1);
const FLOAT_BITS = new Int32Array(FLOAT.buffer);
/** Of a float: exponent bias, and bits of the mantissa below those by which {@link STEPS} is indexed. */
const BIAS = 127;
const MANTISSA_BITS = 8;
const MANTISSA_REST = 23 - MANTISSA_BITS;
/** Step within the octave by the first bits of the mantissa. */
const STEPS = Uint8Array.from({ length: 1 << MANTISSA_BITS }, (_, m) =>
  Math.floor(Math.log2(1 + m / (1 << MANTISSA_BITS)) * STEPS_PER_OCTAVE),
);

/** Step of a value, by the bits of its float: a logarithm would cost as much as half a look. What is no value is the lowest. */
export function stepOf(value: number): number {
  if (!(value > 0)) return 0;
  FLOAT[0] = value;
  const bits = FLOAT_BITS[0]! >> MANTISSA_REST;
  const octave = (bits >> MANTISSA_BITS) - BIAS + OCTAVES;
  const at = octave * STEPS_PER_OCTAVE + STEPS[bits & ((1 << MANTISSA_BITS) - 1)]!;
  return at < 0 ? 0 : Math.min(at, ASIDE_STEP - 1);
}
