import { Ghosts } from './ghosts.js';
import { OperationalClock } from './operational-clock.js';
import { REACH_BINS, Reach } from './reach.js';
import { Shelf, type ShelfOptions } from './shelf.js';
import { HALF_LIVES } from './time-scales.js';
import { GROUP, KEY, ROW, ROW_FLOATS, SEGMENTS, TitleRows } from './title-rows.js';
import { Titles } from './titles.js';
import { Viewers } from './viewers.js';
import { type Term, Worth, type WorthOptions } from './worth.js';

/** Slot of the titles for which there is no slot. */
export const OTHERS = 0;
const OTHERS_DURATION_SECONDS = 7200;
const NONE = -1;

export interface EngineOptions extends ShelfOptions, WorthOptions {
  /** Titles that are remembered at most, 312 bytes each beside their names. */
  readonly titles: number;
}

/** The scorer on small integers: titles, viewers and handles are slots. {@link PopularityPolicy} gives them names. */
export class PopularityEngine {
  readonly clock: OperationalClock;
  readonly titles: Titles;
  readonly reach: Reach;
  readonly shelf: Shelf;
  readonly #worth: Worth;
  readonly #viewers: Viewers;
  readonly #ghosts: Ghosts;
  readonly #mostTitles: number;
  readonly #forgotten: (slot: number) => void;
  readonly #rows: TitleRows;
  #slotsUsed = 1;
  /** Bin that a viewer's reach is counted up to; -1 before anything was delivered. */
  readonly #bin: number[] = [];
  readonly #weight: number[] = [];

  /** @param forgotten is told of every slot that is given up for another title. */
  constructor(options: EngineOptions, forgotten: (slot: number) => void) {
    this.#mostTitles = options.titles;
    this.#forgotten = forgotten;
    const has = (term: Term): boolean => options.without?.includes(term) !== true;
    const rows = new TitleRows(options.titles);
    this.#rows = rows;
    this.clock = new OperationalClock(has('operational clock'));
    this.titles = new Titles(rows, has('corrections'));
    this.reach = new Reach(rows, has('reach of the title'));
    this.#viewers = new Viewers(rows, this.reach);
    this.#worth = new Worth(
      { clock: this.clock, titles: this.titles, reach: this.reach, viewers: this.#viewers },
      options,
    );
    this.shelf = new Shelf(rows, this.#worth, options);
    this.#ghosts = new Ghosts(2 * options.titles);
    this.titles.open(OTHERS);
    this.reach.open(OTHERS, OTHERS_DURATION_SECONDS);
  }

  /**
   * A slot for a title. When all are taken, one asked for long ago that has neither segments nor viewers is forgotten; when
   * none of those looked at is so, the title shares slot {@link OTHERS} with its likes.
   * @param key hash of its name, by which a forgotten title is known again.
   */
  open(key: number, durationSeconds: number, group: number): number {
    this.#worth.changed();
    const slot = this.#slot();
    if (slot === OTHERS) return OTHERS;
    this.#rows.ints[slot * ROW_FLOATS + KEY] = key;
    this.#rows.bytes[slot * ROW + GROUP] = group;
    this.titles.open(slot);
    this.reach.open(slot, durationSeconds);
    const ghost = this.#ghosts.take(key, this.clock.u, HALF_LIVES);
    if (ghost !== undefined) this.titles.absorb(slot, ghost, this.clock.u);
    return slot;
  }

  /** A viewer asked to play from `startSeconds`. Demand counts when something is delivered. @returns the viewer. */
  start(title: number, startSeconds: number, weight: number, nowSeconds: number): number {
    this.#worth.changed();
    this.clock.session(nowSeconds);
    this.titles.advance(this.clock.u);
    const viewer = this.#viewers.start(title, startSeconds, nowSeconds);
    this.#bin[viewer] = NONE;
    this.#weight[viewer] = weight;
    return viewer;
  }

  /** Media up to `positionSeconds` was delivered. */
  reached(viewer: number, positionSeconds: number, nowSeconds: number): void {
    this.#worth.changed();
    const title = this.#viewers.titleOf(viewer);
    const weight = this.#weight[viewer]!;
    let bin = this.#bin[viewer]!;
    if (bin === NONE) {
      bin = this.#firstBin(title, this.#viewers.startSeconds(viewer));
      this.titles.asked(title, weight, this.clock.u);
      this.reach.viewer(title, weight);
    }
    const to = Math.min(REACH_BINS, Math.ceil(this.reach.axis(title, positionSeconds) - 1e-6));
    if (to > bin) {
      this.reach.passed(title, { from: bin, to }, weight);
      bin = to;
    }
    this.#bin[viewer] = bin;
    this.#viewers.reached(viewer, positionSeconds, nowSeconds);
  }

  end(viewer: number): void {
    this.#worth.changed();
    const to = this.#bin[viewer]!;
    if (to !== NONE) {
      const title = this.#viewers.titleOf(viewer);
      const from = this.#firstBin(title, this.#viewers.startSeconds(viewer));
      this.reach.left(title, { from, to }, this.#weight[viewer]!);
    }
    this.#viewers.end(viewer);
  }

  /** Expected demand for a segment, per second of operational time. */
  value(title: number, startSeconds: number, durationSeconds: number, nowSeconds: number): number {
    return this.#worth.value(title, startSeconds, durationSeconds, nowSeconds);
  }

  #firstBin(title: number, startSeconds: number): number {
    return Math.min(REACH_BINS - 1, Math.floor(this.reach.axis(title, startSeconds)));
  }

  #slot(): number {
    if (this.#slotsUsed < this.#mostTitles) return this.#slotsUsed++;
    const slot = this.titles.oldest(
      (at) =>
        at !== OTHERS && this.#rows.ints[at * ROW_FLOATS + SEGMENTS] === 0 && !this.#viewers.watching(at),
    );
    if (slot === NONE) return OTHERS;
    if (this.titles.known(slot)) {
      const key = this.#rows.ints[slot * ROW_FLOATS + KEY]! >>> 0;
      this.#ghosts.keep(key, this.titles.history(slot, this.clock.u), this.clock.u);
    }
    this.titles.forget(slot);
    this.#forgotten(slot);
    return slot;
  }
}
