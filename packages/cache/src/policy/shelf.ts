import {
  BYTES,
  DURATION,
  type Extent,
  Held,
  PAGE_BITS,
  PAGE_MASK,
  PINS,
  POINT,
  ROW_DOUBLES as HELD_DOUBLES,
  ROW_INTS as HELD_INTS,
  START,
  TITLE,
} from './held.js';
import { ASIDE_STEP, Ranking, stepOf } from './ranking.js';
import { GROUP, REACHED, ROW, ROW_FLOATS, SEGMENTS, type TitleRows, VIEWERS } from './title-rows.js';
import type { Worth } from './worth.js';

/** Segments that rose since they were last valued and are passed over in the search for a victim, at most. */
const TRIES = 16;
/** Pinned segments that are set aside in that search, at most. */
const MOST_SET_ASIDE = 4096;
/** Held segments that are valued anew at a time, at most. */
const MOST_PICKED = 64;
/** Rows gone through for each segment that is valued anew, at most: others are free, or pinned. */
const ROWS_PER_LOOK = 2;
const NONE = -1;

export interface ShelfOptions {
  /** Groups of titles that have a quota each; group 0 has none. */
  readonly groups: number;
  /** A candidate must be worth so many times what leaves: what is read once is not worth a write. */
  readonly margin: number;
  /** Held segments that are valued anew with every decision. */
  readonly looks: number;
}

/** The held segments, and which of them is worth least. */
export class Shelf {
  readonly held = new Held();
  /** Value a byte of the segment that {@link least} found. */
  leastValue = 0;
  readonly #rows: TitleRows;
  readonly #worth: Worth;
  readonly #ranking: Ranking;
  readonly #options: ShelfOptions;
  #hand = 0;
  readonly #picked = new Int32Array(MOST_PICKED);
  /** Sum of what was touched ahead, lest the reading of it is left out as useless. */
  fetched = 0;

  constructor(rows: TitleRows, worth: Worth, options: ShelfOptions) {
    this.#rows = rows;
    this.#worth = worth;
    this.#options = options;
    this.#ranking = new Ranking(this.held, options.groups);
  }

  /** Takes a segment into the held set. @returns its handle. */
  hold(title: number, extent: Omit<Extent, 'point'>, nowSeconds: number): number {
    const { startSeconds, durationSeconds, bytes } = extent;
    const value = this.#worth.value(title, startSeconds, durationSeconds, nowSeconds);
    const handle = this.held.hold(title, { startSeconds, durationSeconds, bytes, point: this.#worth.point });
    this.#rows.ints[title * ROW_FLOATS + SEGMENTS]! += 1;
    this.#ranking.place(handle, this.#groupOf(title), stepOf(value / bytes));
    return handle;
  }

  drop(handle: number): void {
    if (!this.held.has(handle)) return;
    this.#rows.ints[this.held.title(handle) * ROW_FLOATS + SEGMENTS]! -= 1;
    this.#ranking.remove(handle);
    this.held.drop(handle);
  }

  /**
   * The held segment of least value a byte, in one group or (-1) in all; -1 when all that were looked at are pinned.
   * Cost: the values of segments found to have risen, 16 at most, and a step for each that is pinned and was not when last looked at.
   */
  least(group: number, nowSeconds: number): number {
    this.#worth.nowSeconds = nowSeconds;
    const ranking = this.#ranking;
    let best = NONE;
    this.leastValue = Number.POSITIVE_INFINITY;
    let setAside = 0;
    for (let tries = 0; tries < TRIES; tries++) {
      let handle = ranking.least(group);
      while (handle !== NONE && this.held.pinned(handle) && setAside++ < MOST_SET_ASIDE) {
        if (ranking.placeOf(handle) === ASIDE_STEP) return best;
        ranking.place(handle, this.#groupOf(this.held.title(handle)), ASIDE_STEP);
        handle = ranking.least(group);
      }
      if (handle === NONE || this.held.pinned(handle)) break;
      const value = this.#valueOf(handle);
      const before = ranking.placeOf(handle);
      const after = stepOf(value);
      ranking.place(handle, this.#groupOf(this.held.title(handle)), after);
      if (value < this.leastValue) {
        this.leastValue = value;
        best = handle;
      }
      if (after <= before) break;
    }
    return best;
  }

  /** The handle to drop for a candidate of this value a byte, or -1 when it is not worth more than what would leave. */
  admit(value: number, group: number, nowSeconds: number): number {
    // A candidate that is far from what left last is turned away anyway: a short look will do.
    const close = value > this.#options.margin * 0.5 * this.leastValue;
    this.sweep(close ? this.#options.looks : Math.ceil(this.#options.looks / 4), nowSeconds);
    const handle = this.least(group, nowSeconds);
    return handle !== NONE && value > this.#options.margin * this.leastValue ? handle : NONE;
  }

  /** A segment that was set aside as pinned is back in line once nobody reads it: it counts as least until it is valued again. */
  unpin(handle: number): void {
    this.held.unpin(handle);
    if (!this.held.has(handle) || this.held.pinned(handle)) return;
    if (this.#ranking.placeOf(handle) === ASIDE_STEP)
      this.#ranking.place(handle, this.#groupOf(this.held.title(handle)), 0);
  }

  /** Values the next few held segments anew: a sweep over all rows, in slices. */
  sweep(limit: number, nowSeconds: number): void {
    this.#worth.nowSeconds = nowSeconds;
    const picked = this.#pick(Math.min(limit, MOST_PICKED));
    for (let i = 0; i < picked; i++) {
      const handle = this.#picked[i]!;
      const at = stepOf(this.#valueOf(handle));
      this.#ranking.place(handle, this.#groupOf(this.held.title(handle)), at);
    }
  }

  /** Picks the segments that are valued next, and touches what will be read of their titles, so that memory answers for all of them at once. */
  #pick(limit: number): number {
    const { held } = this;
    const titles = this.#rows.floats;
    let picked = 0;
    let sum = 0;
    let title = NONE;
    for (let left = Math.min(ROWS_PER_LOOK * limit, held.rows); left > 0 && picked < limit; left--) {
      this.#hand = this.#hand + 1 < held.rows ? this.#hand + 1 : 0;
      const page = this.#hand >>> PAGE_BITS;
      const ints = held.ints[page]!;
      const at = (this.#hand & PAGE_MASK) * HELD_INTS;
      if (ints[at + PINS]! !== 0) continue;
      this.#picked[picked++] = this.#hand;
      if (ints[at + TITLE]! === title) continue;
      title = ints[at + TITLE]!;
      const row = title * ROW_FLOATS;
      const point = held.floats[page]![at + POINT]! | 0;
      sum += titles[row]! + titles[row + VIEWERS]! + titles[row + REACHED + point]!;
    }
    this.fetched = sum;
    return picked;
  }

  /** Value a byte of a held segment. */
  #valueOf(handle: number): number {
    const { held } = this;
    const page = handle >>> PAGE_BITS;
    const floats = held.floats[page]!;
    const row = handle & PAGE_MASK;
    const at = row * HELD_INTS;
    return (
      this.#worth.valueAt(
        held.ints[page]![at + TITLE]!,
        floats[at + START]!,
        floats[at + DURATION]!,
        floats[at + POINT]!,
      ) / held.doubles[page]![row * HELD_DOUBLES + BYTES]!
    );
  }

  #groupOf(title: number): number {
    return this.#rows.bytes[title * ROW + GROUP]!;
  }
}
