import { Held } from './held.js';
import { OperationalClock } from './operational-clock.js';
import { REACH_BINS, Reach } from './reach.js';
import { Titles } from './titles.js';
import { Viewers, type IndexQuestion } from './viewers.js';

/** Candidates for eviction that are remembered from draw to draw. */
const POOL = 32;
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
  /** Segments drawn at random for every eviction, and for every candidate that is turned away. */
  readonly draws: number;
  readonly glances: number;
  readonly seed: number;
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
  readonly #poolHandle = new Int32Array(POOL).fill(NONE);
  readonly #poolValue = new Float64Array(POOL);
  #poolCount = 0;
  #refresh = 0;
  #random: number;
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
    this.#random = options.seed | 1;
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

  /** The segment that is worth least, of those drawn; NONE when all drawn are pinned. */
  victim(nowSeconds: number, draws: number): number {
    this.#draw(draws, nowSeconds);
    return this.#least(nowSeconds);
  }

  /** The handle to drop for a candidate of this value a byte, or NONE when it is worth less than what would leave. */
  admit(value: number, nowSeconds: number): number {
    this.#draw(this.#options.glances, nowSeconds);
    let least = this.#least(nowSeconds);
    if (least === NONE || value <= this.#options.margin * this.#leastValue) return NONE;
    this.#draw(this.#options.draws, nowSeconds);
    least = this.#least(nowSeconds);
    return value > this.#options.margin * this.#leastValue ? least : NONE;
  }

  drop(handle: number): void {
    this.held.drop(handle);
    for (let i = 0; i < this.#poolCount; i++) if (this.#poolHandle[i] === handle) this.#removeFromPool(i);
  }

  #leastValue = 0;

  /** The least of the pool by its present value. */
  #least(nowSeconds: number): number {
    for (let tries = 0; tries < POOL; tries++) {
      let at = NONE;
      let value = Number.POSITIVE_INFINITY;
      for (let i = 0; i < this.#poolCount; i++) {
        if (this.#poolValue[i]! < value) {
          value = this.#poolValue[i]!;
          at = i;
        }
      }
      if (at === NONE) return NONE;
      const handle = this.#poolHandle[at]!;
      if (this.held.pinned(handle)) {
        this.#removeFromPool(at);
        continue;
      }
      const now = this.valueOf(handle, nowSeconds);
      this.#poolValue[at] = now;
      if (now <= value * 1.02) {
        this.#leastValue = now;
        return handle;
      }
    }
    let at = 0;
    for (let i = 1; i < this.#poolCount; i++) if (this.#poolValue[i]! < this.#poolValue[at]!) at = i;
    this.#leastValue = this.#poolValue[at]!;
    return this.#poolHandle[at]!;
  }

  #removeFromPool(at: number): void {
    const last = --this.#poolCount;
    this.#poolHandle[at] = this.#poolHandle[last]!;
    this.#poolValue[at] = this.#poolValue[last]!;
  }

  #draw(draws: number, nowSeconds: number): void {
    if (this.held.count === 0) return;
    if (this.#poolCount > 0) {
      this.#refresh = (this.#refresh + 1) % this.#poolCount;
      this.#poolValue[this.#refresh] = this.valueOf(this.#poolHandle[this.#refresh]!, nowSeconds);
    }
    for (let i = 0; i < draws; i++) {
      const handle = this.held.nth(this.#below(this.held.count));
      if (this.held.pinned(handle)) continue;
      this.#remember(handle, this.valueOf(handle, nowSeconds));
    }
  }

  #remember(handle: number, value: number): void {
    let most = 0;
    let mostValue = -1;
    for (let i = 0; i < this.#poolCount; i++) {
      if (this.#poolHandle[i] === handle) {
        this.#poolValue[i] = value;
        return;
      }
      if (this.#poolValue[i]! > mostValue) {
        mostValue = this.#poolValue[i]!;
        most = i;
      }
    }
    if (this.#poolCount < POOL) most = this.#poolCount++;
    else if (value >= mostValue) return;
    this.#poolHandle[most] = handle;
    this.#poolValue[most] = value;
  }

  /** Xorshift: seeded, so that a replay decides the same. */
  #below(limit: number): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (((x >>> 0) * limit) / 4294967296) | 0;
  }
}
