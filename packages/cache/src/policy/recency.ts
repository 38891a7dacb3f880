import { RECENCY_BINS } from './calibration.js';
import { RECENCY, ROW, type TitleRows } from './title-rows.js';

const NONE = -1;

/** Titles in one queue a recency cell, the one asked for longest ago first. */
export class RecencyQueues {
  /** Rows of titles: the cell of each. */
  readonly #bin: Uint8Array;
  /** Next and previous title of each in its queue. */
  readonly #links: Int32Array;
  readonly #head = new Int32Array(RECENCY_BINS).fill(NONE);
  readonly #tail = new Int32Array(RECENCY_BINS).fill(NONE);

  constructor(rows: TitleRows) {
    this.#bin = rows.bytes;
    this.#links = new Int32Array(2 * rows.slots).fill(NONE);
  }

  binOf(slot: number): number {
    return this.#bin[slot * ROW + RECENCY]!;
  }

  /** The title of a cell that was asked for longest ago; or -1. */
  first(bin: number): number {
    return this.#head[bin]!;
  }

  enter(slot: number, bin: number): void {
    this.#bin[slot * ROW + RECENCY] = bin;
    const tail = this.#tail[bin]!;
    this.#links[2 * slot + 1] = tail;
    this.#links[2 * slot] = NONE;
    if (tail === NONE) this.#head[bin] = slot;
    else this.#links[2 * tail] = slot;
    this.#tail[bin] = slot;
  }

  leave(slot: number): void {
    const bin = this.#bin[slot * ROW + RECENCY]!;
    const next = this.#links[2 * slot]!;
    const previous = this.#links[2 * slot + 1]!;
    if (previous === NONE) this.#head[bin] = next;
    else this.#links[2 * previous] = next;
    if (next === NONE) this.#tail[bin] = previous;
    else this.#links[2 * next + 1] = previous;
  }

  /** Titles, the most lately asked for first, at most `limit`. */
  latest(limit: number): number[] {
    const slots: number[] = [];
    for (let bin = 0; bin < RECENCY_BINS; bin++) {
      for (
        let slot = this.#tail[bin]!;
        slot !== NONE && slots.length < limit;
        slot = this.#links[2 * slot + 1]!
      )
        slots.push(slot);
    }
    return slots;
  }
}
