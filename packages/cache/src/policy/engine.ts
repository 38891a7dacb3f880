import { Ghosts } from './ghosts.js';
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
import { OperationalClock } from './operational-clock.js';
import { ASIDE_STEP, Ranking, stepOf } from './ranking.js';
import { REACH_BINS, Reach } from './reach.js';
import { HALF_LIVES } from './time-scales.js';
import { GROUP, KEY, REACHED, ROW, ROW_FLOATS, SEGMENTS, TitleRows, VIEWERS } from './title-rows.js';
import { Titles } from './titles.js';
import { type IndexQuestion, Viewers } from './viewers.js';

/** Slot of the titles for which there is no slot. */
export const OTHERS = 0;
const OTHERS_DURATION_SECONDS = 7200;
/** Segments that rose since they were last valued and are passed over in the search for a victim, at most. */
const TRIES = 16;
/** Pinned segments that are set aside in that search, at most. */
const MOST_SET_ASIDE = 4096;
const NONE = -1;

/** The terms of a segment's value, each of which can be left out. */
export type Term =
  'corrections' | 'viewers on their way' | 'reach of the title' | 'reach' | 'operational clock';

export interface EngineOptions {
  /** Titles that are remembered at most, 312 bytes each beside their names. */
  readonly titles: number;
  /** Groups of titles that have a quota each; group 0 has none. */
  readonly groups: number;
  /** What a start without delay is worth, as a share of what its session will be delivered. */
  readonly startShare: number;
  /** Segments that begin within so many seconds of a title are its start. */
  readonly startSeconds: number;
  /** A candidate must be worth so many times what leaves: what is read once is not worth a write. */
  readonly margin: number;
  /** Held segments that are valued anew with every decision. */
  readonly looks: number;
  /** Terms left out, to measure what they are worth. */
  readonly without?: readonly Term[];
  readonly truth?: Truth;
}

/** Rates and reach known from elsewhere, for the causal bound of a generated workload. */
interface Truth {
  /** Sessions a wall second. */
  rate(title: number, nowSeconds: number): number;
  share(title: number, startSeconds: number, endSeconds: number): number;
}

/** The scorer on small integers: titles, viewers and handles are slots. {@link PopularityPolicy} gives them names. */
export class PopularityEngine {
  readonly clock: OperationalClock;
  readonly titles: Titles;
  readonly reach: Reach;
  readonly held = new Held();
  /** Value a byte of the segment that {@link least} found. */
  leastValue = 0;
  readonly #truth: Truth | undefined;
  readonly #hasViewers: boolean;
  readonly #hasReach: boolean;
  readonly #viewers: Viewers;
  readonly #ghosts: Ghosts;
  readonly #options: EngineOptions;
  readonly #forgotten: (slot: number) => void;
  readonly #ranking: Ranking;
  readonly #rows: TitleRows;
  #slotsUsed = 1;
  /** Bin that a viewer's reach is counted up to; -1 before anything was delivered. */
  readonly #bin: number[] = [];
  readonly #weight: number[] = [];
  #hand = 0;
  /** Sum of what was touched ahead, lest the reading of it is left out as useless. */
  fetched = 0;
  readonly #question: IndexQuestion = {
    title: 0,
    startSeconds: 0,
    durationSeconds: 0,
    share: 0,
    rate: 0,
    delaySeconds: 0,
    nowSeconds: 0,
    speed: 1,
  };

  /** @param forgotten is told of every slot that is given up for another title. */
  constructor(options: EngineOptions, forgotten: (slot: number) => void) {
    this.#options = options;
    this.#forgotten = forgotten;
    const has = (term: Term): boolean => options.without?.includes(term) !== true;
    this.#truth = options.truth;
    this.#hasViewers = has('viewers on their way');
    this.#hasReach = has('reach');
    this.clock = new OperationalClock(has('operational clock'));
    const rows = new TitleRows(options.titles);
    this.#rows = rows;
    this.titles = new Titles(rows, has('corrections'));
    this.reach = new Reach(rows, has('reach of the title'));
    this.#viewers = new Viewers(rows, this.reach);
    this.#ghosts = new Ghosts(2 * options.titles);
    this.#ranking = new Ranking(this.held, options.groups);
    this.titles.open(OTHERS);
    this.reach.open(OTHERS, OTHERS_DURATION_SECONDS);
  }

  /**
   * A slot for a title. When all are taken, one asked for long ago that has neither segments nor viewers is forgotten; when
   * none of those looked at is so, the title shares slot {@link OTHERS} with its likes.
   * @param key hash of its name, by which a forgotten title is known again.
   */
  open(key: number, durationSeconds: number, group: number): number {
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
    this.clock.session(nowSeconds);
    this.titles.advance(this.clock.u);
    const viewer = this.#viewers.start(title, startSeconds, nowSeconds);
    this.#bin[viewer] = NONE;
    this.#weight[viewer] = weight;
    return viewer;
  }

  /** Media up to `positionSeconds` was delivered. */
  reached(viewer: number, positionSeconds: number, nowSeconds: number): void {
    const title = this.#viewers.titleOf(viewer);
    const weight = this.#weight[viewer]!;
    let bin = this.#bin[viewer]!;
    if (bin === NONE) {
      bin = Math.min(
        REACH_BINS - 1,
        Math.floor(this.reach.axis(title, this.#viewers.positionSeconds(viewer))),
      );
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
    this.#viewers.end(viewer);
  }

  /** Expected demand for a segment, per second of operational time. */
  value(title: number, startSeconds: number, durationSeconds: number, nowSeconds: number): number {
    const question = this.#question;
    question.title = title;
    question.startSeconds = startSeconds;
    question.durationSeconds = durationSeconds;
    question.nowSeconds = nowSeconds;
    return this.#answer(this.reach.point(title, startSeconds, startSeconds + durationSeconds));
  }

  /** Takes a segment into the held set. @returns its handle. */
  hold(title: number, extent: Omit<Extent, 'point'>, nowSeconds: number): number {
    const { startSeconds, durationSeconds, bytes } = extent;
    const point = this.reach.point(title, startSeconds, startSeconds + durationSeconds);
    const handle = this.held.hold(title, { startSeconds, durationSeconds, bytes, point });
    this.#rows.ints[title * ROW_FLOATS + SEGMENTS]! += 1;
    this.#ranking.place(handle, this.#groupOf(title), stepOf(this.#valueOf(handle, nowSeconds)));
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
      const of = this.#groupOf(this.held.title(handle));
      const value = this.#valueOf(handle, nowSeconds);
      const before = ranking.placeOf(handle);
      const after = stepOf(value);
      ranking.place(handle, of, after);
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

  /** Value a byte of a held segment. */
  #valueOf(handle: number, nowSeconds: number): number {
    const held = this.held;
    const page = handle >>> PAGE_BITS;
    const floats = held.floats[page]!;
    const at = handle & PAGE_MASK;
    const question = this.#question;
    question.title = held.ints[page]![at * HELD_INTS + TITLE]!;
    question.startSeconds = floats[at * HELD_INTS + START]!;
    question.durationSeconds = floats[at * HELD_INTS + DURATION]!;
    question.nowSeconds = nowSeconds;
    return this.#answer(floats[at * HELD_INTS + POINT]!) / held.doubles[page]![at * HELD_DOUBLES + BYTES]!;
  }

  /** Expected demand for what the question is about, whose viewers are counted at `point`. */
  #answer(point: number): number {
    const question = this.#question;
    const { title, startSeconds } = question;
    const speed = this.clock.speed;
    const share = this.#hasReach ? this.reach.share(title, point) : 1;
    const rate = share * this.titles.rate(title, this.clock.u);
    question.share = share;
    question.rate = rate;
    question.delaySeconds = startSeconds * speed;
    question.speed = speed;
    if (this.#truth !== undefined) this.#beTold(this.#truth);
    const index = this.#hasViewers ? this.#viewers.index(question) : rate;
    return startSeconds < this.#options.startSeconds ? index + this.#startBonus() : index;
  }

  /** What a start of the title without delay is worth, for one segment. */
  #startBonus(): number {
    const { title, rate, durationSeconds } = this.#question;
    return (rate * this.#options.startShare * this.reach.watchedSeconds(title)) / durationSeconds;
  }

  #beTold(truth: Truth): void {
    const question = this.#question;
    const { title, startSeconds, durationSeconds, nowSeconds, speed } = question;
    question.share = truth.share(title, startSeconds, startSeconds + durationSeconds);
    question.rate = (question.share * truth.rate(title, nowSeconds)) / speed;
  }

  /** Values the next few held segments anew: a sweep over all rows in slices, in which a free row counts as a look. */
  sweep(limit: number, nowSeconds: number): void {
    const held = this.held;
    const looks = Math.min(limit, held.rows);
    this.#fetch(looks);
    for (let left = looks; left > 0; left--) {
      this.#hand = this.#hand + 1 < held.rows ? this.#hand + 1 : 0;
      if (held.get(this.#hand, PINS) === 0) this.#look(this.#hand, nowSeconds);
    }
  }

  #look(handle: number, nowSeconds: number): void {
    const at = stepOf(this.#valueOf(handle, nowSeconds));
    this.#ranking.place(handle, this.#groupOf(this.#question.title), at);
  }

  /** Touches what the next looks will read of their titles, so that memory answers for all of them at once. */
  #fetch(looks: number): void {
    const { ints, floats } = this.held;
    const rows = this.#rows.floats;
    const end = Math.min(this.#hand + looks, this.held.rows - 1);
    let sum = 0;
    for (let handle = this.#hand + 1; handle <= end; handle++) {
      const page = handle >>> PAGE_BITS;
      const at = (handle & PAGE_MASK) * HELD_INTS;
      if (ints[page]![at + PINS]! !== 0) continue;
      const row = ints[page]![at + TITLE]! * ROW_FLOATS;
      sum += rows[row]! + rows[row + VIEWERS]! + rows[row + REACHED + (floats[page]![at + POINT]! | 0)]!;
    }
    this.fetched = sum;
  }

  #groupOf(title: number): number {
    return this.#rows.bytes[title * ROW + GROUP]!;
  }

  #slot(): number {
    if (this.#slotsUsed < this.#options.titles) return this.#slotsUsed++;
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
