import { Held } from './held.js';
import { OperationalClock } from './operational-clock.js';
import { Ranking } from './ranking.js';
import { REACH_BINS, Reach } from './reach.js';
import { Titles } from './titles.js';
import { Viewers, type IndexQuestion } from './viewers.js';

/** Segments that rose since they were last valued and are passed over in the search for a victim, at most. */
const TRIES = 16;
const NONE = -1;

export interface EngineOptions {
  /** Titles that are remembered at most. */
  readonly titles: number;
  /** What a fast start is worth, as a share of the bytes that the session will be delivered. */
  readonly startShare: number;
  /** How many seconds of a title make its start. */
  readonly startSeconds: number;
  /** A candidate must be worth this many times what leaves. */
  readonly margin: number;
  /** Held segments that are valued anew with every decision. */
  readonly looks: number;
  /** Newcomers' rates and reach known from elsewhere, for the causal bound of a generated workload. */
  readonly truth?: {
    rate(title: number, nowSeconds: number): number;
    share(title: number, startSeconds: number, endSeconds: number): number;
  };
}

/** The scorer, on small integers: titles, viewers and handles are slots. {@link PopularityPolicy} gives them names. */
export class PopularityEngine {
  readonly clock = new OperationalClock();
  readonly titles: Titles;
  readonly reach: Reach;
  readonly viewers: Viewers;
  readonly held = new Held();
  readonly #options: EngineOptions;
  readonly #bin: number[] = [];
  readonly #weight: number[] = [];
  readonly #ranking = new Ranking();
  leastValue = 0;
  #hand = 0;
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

  constructor(options: EngineOptions) {
    this.#options = options;
    this.titles = new Titles(options.titles);
    this.reach = new Reach(options.titles);
    this.viewers = new Viewers(options.titles, this.reach);
  }

  start(title: number, startSeconds: number, weight: number, nowSeconds: number): number {
    this.clock.session(nowSeconds);
    this.titles.advance(this.clock.u);
    const viewer = this.viewers.start(title, startSeconds, nowSeconds);
    this.#bin[viewer] = -1;
    this.#weight[viewer] = weight;
    return viewer;
  }

  reached(viewer: number, positionSeconds: number, nowSeconds: number): void {
    const title = this.viewers.titleOf(viewer);
    const weight = this.#weight[viewer]!;
    let bin = this.#bin[viewer]!;
    if (bin < 0) {
      bin = Math.floor(this.reach.axis(title, this.viewers.positionSeconds(viewer)));
      this.titles.asked(title, weight, this.clock.u);
      this.reach.viewer(title, weight);
    }
    const to = Math.min(REACH_BINS, Math.ceil(this.reach.axis(title, positionSeconds) - 1e-6));
    if (to > bin) {
      this.reach.passed(title, bin, to, weight);
      bin = to;
    }
    this.#bin[viewer] = bin;
    this.viewers.reached(viewer, positionSeconds, nowSeconds);
  }

  end(viewer: number): void {
    this.viewers.end(viewer);
  }

  /** Expected demand for a segment per byte and second of operational time. */
  value(title: number, startSeconds: number, durationSeconds: number, nowSeconds: number): number {
    const question = this.#question;
    const truth = this.#options.truth;
    const share =
      truth?.share(title, startSeconds, startSeconds + durationSeconds) ??
      this.reach.share(title, startSeconds, startSeconds + durationSeconds);
    const rate =
      truth === undefined
        ? this.titles.rate(title, this.clock.u)
        : truth.rate(title, nowSeconds) / this.clock.speed;
    question.title = title;
    question.startSeconds = startSeconds;
    question.durationSeconds = durationSeconds;
    question.share = share;
    question.rate = rate * share;
    question.speed = this.clock.speed;
    question.delaySeconds = startSeconds * this.clock.speed;
    question.nowSeconds = nowSeconds;
    const index = this.viewers.index(question);
    return startSeconds < this.#options.startSeconds
      ? index + rate * share * this.#options.startShare
      : index;
  }

  valueOf(handle: number, nowSeconds: number): number {
    const held = this.held;
    return (
      this.value(held.title(handle), held.startSeconds(handle), held.durationSeconds(handle), nowSeconds) /
      held.bytesOf(handle)
    );
  }

  /** Takes a segment into the held set. @returns its handle. */
  hold(title: number, extent: { startSeconds: number; durationSeconds: number; bytes: number }, nowSeconds: number): number {
    const handle = this.held.hold(title, extent.startSeconds, extent.durationSeconds, extent.bytes);
    this.#ranking.place(handle, this.valueOf(handle, nowSeconds));
    return handle;
  }

  drop(handle: number): void {
    this.#ranking.remove(handle);
    this.held.drop(handle);
  }

  /** The held segment of least value, or NONE when all that were looked at are pinned. Leaves its value in `leastValue`. */
  least(nowSeconds: number, looks: number): number {
    this.#look(looks, nowSeconds);
    const ranking = this.#ranking;
    let best = NONE;
    this.leastValue = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES; tries++) {
      const handle = ranking.least();
      if (handle === NONE) break;
      const value = this.valueOf(handle, nowSeconds);
      const before = ranking.stepOf(handle);
      if (this.held.pinned(handle)) {
        ranking.place(handle, Number.MAX_VALUE);
        continue;
      }
      const after = ranking.place(handle, value);
      if (value < this.leastValue) {
        this.leastValue = value;
        best = handle;
      }
      if (after <= before) break;
    }
    return best;
  }

  /** The handle to drop for a candidate of this value a byte, or NONE when it is worth less than what would leave. */
  admit(value: number, nowSeconds: number): number {
    const handle = this.least(nowSeconds, this.#options.looks);
    return handle !== NONE && value > this.#options.margin * this.leastValue ? handle : NONE;
  }

  /** Values the next few held segments anew: a sweep over all of them, in slices. */
  #look(looks: number, nowSeconds: number): void {
    const held = this.held;
    for (let i = Math.min(looks, held.count); i > 0; i--) {
      this.#hand = this.#hand === 0 || this.#hand > held.count ? held.count - 1 : this.#hand - 1;
      const handle = held.nth(this.#hand);
      if (!held.pinned(handle)) this.#ranking.place(handle, this.valueOf(handle, nowSeconds));
    }
  }
}
