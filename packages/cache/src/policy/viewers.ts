import type { Reach } from './reach.js';
import { FIRST_VIEWER, ROW_FLOATS, type TitleRows } from './title-rows.js';

const NONE = -1;
/** Viewers nearest to a segment that are looked at. */
const NEAREST = 16;
/** Viewers of one title that are looked through to find them. */
const LOOKED_THROUGH = 64;
const SOONEST_SECONDS = 0.25;

/**
 * Who is watching what, and where: the titles' present viewers, in one list each.
 * A viewer is a slot: a small integer.
 */
export class Viewers {
  readonly #reach: Reach;
  /** Rows of titles: the first viewer of each. */
  readonly #rows: Int32Array;
  #title = new Int32Array(64);
  #position = new Float64Array(64);
  #startSeconds = new Float64Array(64);
  #atSeconds = new Float64Array(64);
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  readonly #free: number[] = [];
  #used = 0;
  readonly #distance = new Float64Array(NEAREST);
  readonly #chance = new Float64Array(NEAREST);

  constructor(rows: TitleRows, reach: Reach) {
    this.#reach = reach;
    this.#rows = rows.ints;
  }

  get count(): number {
    return this.#used - this.#free.length;
  }

  watching(title: number): boolean {
    return this.#firstOf(title) !== NONE;
  }

  start(title: number, startSeconds: number, nowSeconds: number): number {
    const viewer = this.#free.pop() ?? this.#grown();
    this.#title[viewer] = title;
    this.#startSeconds[viewer] = startSeconds;
    this.#position[viewer] = startSeconds;
    this.#atSeconds[viewer] = nowSeconds;
    const first = this.#firstOf(title);
    this.#next[viewer] = first;
    this.#previous[viewer] = NONE;
    if (first !== NONE) this.#previous[first] = viewer;
    this.#rows[title * ROW_FLOATS + FIRST_VIEWER] = viewer + 1;
    return viewer;
  }

  reached(viewer: number, positionSeconds: number, nowSeconds: number): void {
    this.#position[viewer] = positionSeconds;
    this.#atSeconds[viewer] = nowSeconds;
  }

  end(viewer: number): void {
    const next = this.#next[viewer]!;
    const previous = this.#previous[viewer]!;
    if (previous === NONE) this.#rows[this.#title[viewer]! * ROW_FLOATS + FIRST_VIEWER] = next + 1;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#free.push(viewer);
  }

  titleOf(viewer: number): number {
    return this.#title[viewer]!;
  }

  startSeconds(viewer: number): number {
    return this.#startSeconds[viewer]!;
  }

  /**
   * Demand a second for a segment until its next request: the best ratio, over horizons, of the chance that somebody asks
   * within the horizon to the time the segment has to be held for it. Viewers on their way come at known times with the chance
   * `share / share of where they are`; newcomers come at `rate`, but none that starts at the beginning can be here before
   * `delaySeconds`. All times are operational: wall seconds times `speed`.
   * Source: the index of a project with one reward and uncertain duration (Gittins 1979), on interval caching's setting
   * (Dan, Sitaram 1996).
   */
  index(ask: IndexQuestion): number {
    const { rate, delaySeconds } = ask;
    return this.watching(ask.title) ? this.#best(ask) : rate / (delaySeconds * rate + 1);
  }

  #best(ask: IndexQuestion): number {
    const { rate, delaySeconds } = ask;
    const found = this.#approaching(ask);
    let missing = 1;
    let held = 0;
    let before = 0;
    let best = 0;
    let newcomers = false;
    for (let i = 0; i < found; i++) {
      const at = this.#distance[i]!;
      if (!newcomers && at > delaySeconds) {
        held += missing * (delaySeconds - before);
        before = delaySeconds;
        newcomers = true;
      }
      held += missing * (at - before);
      if (newcomers) missing *= Math.exp(-rate * (at - before));
      before = at;
      missing *= 1 - this.#chance[i]!;
      const ratio = (1 - missing) / held;
      if (ratio > best) best = ratio;
    }
    if (!newcomers) held += missing * Math.max(0, delaySeconds - before);
    const forever = 1 / (held + missing / rate);
    return forever > best ? forever : best;
  }

  /** Fills the nearest viewers that come towards the segment, in order. */
  #approaching(ask: IndexQuestion): number {
    let found = 0;
    let looked = 0;
    for (
      let viewer = this.#firstOf(ask.title);
      viewer !== NONE && looked < LOOKED_THROUGH;
      viewer = this.#next[viewer]!
    ) {
      looked += 1;
      const position = this.#position[viewer]!;
      if (position > ask.startSeconds + 1e-3) continue;
      const since = Math.min(ask.durationSeconds, Math.max(0, ask.nowSeconds - this.#atSeconds[viewer]!));
      const seconds = ask.startSeconds + ask.durationSeconds - position - since;
      const distance = Math.max(seconds, SOONEST_SECONDS) * ask.speed;
      if (found === NEAREST && distance >= this.#distance[found - 1]!) continue;
      const chance = this.#chanceOf(viewer, ask);
      let at = found < NEAREST ? found++ : NEAREST - 1;
      for (; at > 0 && this.#distance[at - 1]! > distance; at--) {
        this.#distance[at] = this.#distance[at - 1]!;
        this.#chance[at] = this.#chance[at - 1]!;
      }
      this.#distance[at] = distance;
      this.#chance[at] = chance;
    }
    return found;
  }

  #chanceOf(viewer: number, ask: IndexQuestion): number {
    const position = this.#position[viewer]!;
    // A viewer that has had nothing yet will have its first segment.
    if (position <= this.#startSeconds[viewer]!) return Math.min(1, ask.share);
    const back = Math.max(0, position - ask.durationSeconds);
    return Math.min(
      1,
      ask.share / this.#reach.share(ask.title, this.#reach.point(ask.title, back, position)),
    );
  }

  #firstOf(title: number): number {
    return this.#rows[title * ROW_FLOATS + FIRST_VIEWER]! - 1;
  }

  #grown(): number {
    const viewer = this.#used++;
    if (viewer >= this.#title.length) {
      const size = this.#title.length * 2;
      this.#title = widened(this.#title, new Int32Array(size));
      this.#next = widened(this.#next, new Int32Array(size));
      this.#previous = widened(this.#previous, new Int32Array(size));
      this.#position = widened(this.#position, new Float64Array(size));
      this.#startSeconds = widened(this.#startSeconds, new Float64Array(size));
      this.#atSeconds = widened(this.#atSeconds, new Float64Array(size));
    }
    return viewer;
  }
}

/** What is asked of {@link Viewers.index}. One object is reused. */
export interface IndexQuestion {
  title: number;
  startSeconds: number;
  durationSeconds: number;
  /** Share of viewers that get to the segment. */
  share: number;
  /** Newcomers' requests for the segment a second of operational time. */
  rate: number;
  /** Operational seconds from the start of the title to the segment. */
  delaySeconds: number;
  nowSeconds: number;
  speed: number;
}

/** The contents of `from`, in `to`. */
function widened<T extends Int32Array | Float64Array | Float32Array | Uint8Array | Uint16Array>(
  from: T,
  to: T,
): T {
  to.set(from);
  return to;
}
