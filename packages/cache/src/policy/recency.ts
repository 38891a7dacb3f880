import { RECENCY_BINS } from './calibration.js';
import { NEXT, PREVIOUS, RECENCY, ROW, ROW_FLOATS, type TitleRows } from './title-rows.js';

const NONE = -1;

/** Titles in one queue a recency cell, the one asked for longest ago first. */
export class RecencyQueues {
  /** Rows of titles: the cell of each, and its neighbours in the queue. */
  readonly #bin: Uint8Array;
  readonly #links: Int32Array;
  readonly #slots: number;
  readonly #head = new Int32Array(RECENCY_BINS).fill(NONE);
  readonly #tail = new Int32Array(RECENCY_BINS).fill(NONE);

  constructor(rows: TitleRows) {
    this.#bin = rows.bytes;
    this.#links = rows.ints;
    this.#slots = rows.slots;
  }

  binOf(slot: number): number {
    return this.#bin[slot * ROW + RECENCY]!;
  }

  /** The title of a cell that was asked for longest ago; or -1. */
  first(bin: number): number {
    return this.#head[bin]!;
  }

  /** The next title of its queue; or -1. */
  after(slot: number): number {
    return this.#links[slot * ROW_FLOATS + NEXT]!;
  }

  enter(slot: number, bin: number): void {
    const links = this.#links;
    const tail = this.#tail[bin]!;
    this.#bin[slot * ROW + RECENCY] = bin;
    links[slot * ROW_FLOATS + PREVIOUS] = tail;
    links[slot * ROW_FLOATS + NEXT] = NONE;
    if (tail === NONE) this.#head[bin] = slot;
    else links[tail * ROW_FLOATS + NEXT] = slot;
    this.#tail[bin] = slot;
  }

  leave(slot: number): void {
    const links = this.#links;
    const bin = this.#bin[slot * ROW + RECENCY]!;
    const next = links[slot * ROW_FLOATS + NEXT]!;
    const previous = links[slot * ROW_FLOATS + PREVIOUS]!;
    if (previous === NONE) this.#head[bin] = next;
    else links[previous * ROW_FLOATS + NEXT] = next;
    if (next === NONE) this.#tail[bin] = previous;
    else links[next * ROW_FLOATS + PREVIOUS] = previous;
  }

  /**
   * Titles, the most lately asked for first, at most `limit` and none twice. The queues may change while they are walked: where the title that
   * comes next has left its cell, the rest of the cell is passed over.
   */
  *latest(limit: number): Generator<number> {
    const seen = new Uint8Array(this.#slots);
    let left = limit;
    for (let bin = 0; bin < RECENCY_BINS; bin++) {
      let slot = this.#tail[bin]!;
      while (slot !== NONE && left > 0 && this.#bin[slot * ROW + RECENCY] === bin) {
        const previous = this.#links[slot * ROW_FLOATS + PREVIOUS]!;
        if (seen[slot] === 0) {
          seen[slot] = 1;
          left -= 1;
          yield slot;
        }
        slot = previous;
      }
    }
  }
}
