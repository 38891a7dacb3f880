import { CLASS, DURATION, REACHED, ROW, ROW_FLOATS, type TitleRows, VIEWERS } from './title-rows.js';

/** Positions within a title at which viewers are counted. Bin b begins at the share (b / BINS)^2 of the title: narrow where viewers leave most. */
export const REACH_BINS = 32;
const CLASSES = 8;
/** Viewers' worth of trust in titles of like length: what is tried. */
const PRIORS = [2, 4, 8, 16, 32, 64] as const;
const PRIOR_LOGS = PRIORS.map(Math.log2);
/** None of them is given up for good. */
const LEAST_CHANCE = 1e-9;
/** From one bin to the next by which viewers are judged; has no divisor in common with {@link REACH_BINS}. */
const JUDGED_STEP = 13;
const ALL_PRIOR_VIEWERS = 1e9;
const TITLE_VIEWERS = 256;
const CLASS_VIEWERS = 16_384;
const NOTHING = 1e-6;

/** Length class: an octave each, from two minutes to four hours. */
function lengthClass(durationSeconds: number): number {
  const bin = Math.floor(Math.log2(Math.max(durationSeconds, 1) / 120)) + 1;
  return bin < 0 ? 0 : bin >= CLASSES ? CLASSES - 1 : bin;
}

/**
 * How likely a viewer of a title reaches a position: per title, leaning on titles of like length. Counted, not modelled: a
 * viewer who seeks counts where it was. Old viewers fade as new ones come, not with time.
 */
export class Reach {
  /** Rows of titles: viewers, those that reached each bin, and duration; length class. */
  readonly #rows: Float32Array;
  readonly #bytes: Uint8Array;
  readonly #classReached = new Float64Array(CLASSES * REACH_BINS);
  readonly #classViewers = new Float64Array(CLASSES);
  /** Chance of each of {@link PRIORS} to be the one that foretells best, by class; the prior that follows. */
  readonly #chance = new Float64Array(CLASSES * PRIORS.length).fill(1 / PRIORS.length);
  readonly #prior = new Float64Array(CLASSES).fill(PRIORS[1]);
  /** What a viewer of a class counts for in the share of a title: prior viewers over those of the class. */
  readonly #classWeight = new Float64Array(CLASSES);
  /** Shares of titles that the viewers of a class watched, summed. */
  readonly #classWatched = new Float64Array(CLASSES);

  readonly #ofTitles: boolean;
  /** Bin by which the next viewer that leaves is judged. */
  #judged = 0;

  /** @param ofTitles false: all titles of like length share one curve, for comparison. */
  constructor(rows: TitleRows, ofTitles = true) {
    this.#ofTitles = ofTitles;
    this.#rows = rows.floats;
    this.#bytes = rows.bytes;
    for (let k = 0; k < CLASSES; k++) {
      // Until something is known: half the viewers stay for half of it.
      this.#classViewers[k] = 1;
      for (let b = 0; b < REACH_BINS; b++)
        this.#classReached[k * REACH_BINS + b] = 1 - 0.9 * (b / REACH_BINS);
    }
    this.settle();
  }

  open(slot: number, durationSeconds: number): void {
    const row = slot * ROW_FLOATS;
    this.#rows[row + DURATION] = durationSeconds;
    this.#bytes[slot * ROW + CLASS] = lengthClass(durationSeconds);
    this.#rows[row + VIEWERS] = 0;
    this.#rows.fill(0, row + REACHED, row + REACHED + REACH_BINS);
  }

  /** Where `seconds` lies on the axis of bins, 0..REACH_BINS. */
  axis(slot: number, seconds: number): number {
    const share = seconds / this.durationSeconds(slot);
    return share <= 0 ? 0 : share >= 1 ? REACH_BINS : REACH_BINS * Math.sqrt(share);
  }

  /** One more viewer of the title. */
  viewer(slot: number, weight: number): void {
    const k = this.#classOf(slot);
    const row = slot * ROW_FLOATS;
    this.#rows[row + VIEWERS]! += weight;
    this.#classViewers[k]! += weight;
    if (this.#rows[row + VIEWERS]! > TITLE_VIEWERS) {
      this.#rows[row + VIEWERS]! /= 2;
      for (let b = 0; b < REACH_BINS; b++) this.#rows[row + REACHED + b]! /= 2;
    }
    if (this.#classViewers[k]! > CLASS_VIEWERS) {
      this.#classViewers[k]! /= 2;
      this.#classWatched[k]! /= 2;
      for (let i = k * REACH_BINS; i < (k + 1) * REACH_BINS; i++) this.#classReached[i]! /= 2;
    }
    this.#classWeight[k] = this.#prior[k]! / this.#classViewers[k]!;
  }

  /** A viewer was delivered bins `from` up to but not including `to`. */
  passed(slot: number, bins: { readonly from: number; readonly to: number }, weight: number): void {
    const k = this.#classOf(slot);
    const row = slot * ROW_FLOATS + REACHED;
    for (let b = bins.from; b < bins.to; b++) {
      this.#rows[row + b]! += weight;
      this.#classReached[k * REACH_BINS + b]! += weight;
      this.#classWatched[k]! += weight * binShare(b);
    }
  }

  /**
   * A viewer who was delivered these bins has left: how well would each prior have foretold whether it is delivered one of all bins, which goes round?
   * Source: empirical Bayes, by the likelihood of what came after the estimate (Dawid 1984).
   */
  left(slot: number, bins: { readonly from: number; readonly to: number }, weight: number): void {
    const k = this.#classOf(slot);
    const row = slot * ROW_FLOATS;
    this.#judged = (this.#judged + JUDGED_STEP) % REACH_BINS;
    const b = this.#judged;
    const was = bins.from <= b && b < bins.to;
    const alike = this.#classReached[k * REACH_BINS + b]! / this.#classViewers[k]!;
    const others = Math.max(0, this.#rows[row + VIEWERS]! - weight);
    const reached = Math.min(others, Math.max(0, this.#rows[row + REACHED + b]! - (was ? weight : 0)));
    let sum = 0;
    for (let i = 0; i < PRIORS.length; i++) {
      const prior = PRIORS[i]!;
      const share = (prior * Math.min(1, alike) + reached) / (prior + others);
      const likely = Math.max(NOTHING, was ? share : 1 - share);
      this.#chance[k * PRIORS.length + i]! *= weight === 1 ? likely : likely ** weight;
      sum += this.#chance[k * PRIORS.length + i]!;
    }
    for (let i = k * PRIORS.length; i < (k + 1) * PRIORS.length; i++)
      this.#chance[i] = Math.max(LEAST_CHANCE, this.#chance[i]! / sum);
    // One round of the bins changes little.
    if (b === 0) this.settle();
  }

  /**
   * Where on the axis of bins a segment's viewers are best counted: at a bin's edge within it if there is one, which is exact, else at its start.
   */
  point(slot: number, startSeconds: number, endSeconds: number): number {
    const start = this.axis(slot, startSeconds);
    const whole = Math.ceil(start);
    return whole < REACH_BINS && whole < this.axis(slot, endSeconds) ? whole : start;
  }

  /** Share of the title's viewers who are delivered the media at a {@link point}; between bins, in proportion. */
  share(slot: number, point: number): number {
    const low = point < REACH_BINS - 1 ? point | 0 : REACH_BINS - 1;
    const high = low < REACH_BINS - 1 ? low + 1 : low;
    const part = point - low;
    const k = this.#classOf(slot);
    const ofClass = this.#classReached;
    const alike = ofClass[k * REACH_BINS + low]!;
    const rows = this.#rows;
    const row = slot * ROW_FLOATS;
    const own = rows[row + REACHED + low]!;
    const share =
      (this.#classWeight[k]! * (alike + part * (ofClass[k * REACH_BINS + high]! - alike)) +
        (own + part * (rows[row + REACHED + high]! - own))) /
      (this.#prior[k]! + rows[row + VIEWERS]!);
    return share < NOTHING ? NOTHING : share;
  }

  /** Seconds of the title that a viewer watches on average, by titles of like length. */
  watchedSeconds(slot: number): number {
    const k = this.#classOf(slot);
    return (this.durationSeconds(slot) * this.#classWatched[k]!) / this.#classViewers[k]!;
  }

  durationSeconds(slot: number): number {
    return this.#rows[slot * ROW_FLOATS + DURATION]!;
  }

  /** The title's own viewers, and those of them that reached each bin. */
  watched(slot: number): Watched {
    const row = slot * ROW_FLOATS;
    return {
      viewers: this.#rows[row + VIEWERS]!,
      reached: this.#rows.subarray(row + REACHED, row + REACHED + REACH_BINS),
    };
  }

  /** Adds viewers counted elsewhere. */
  absorb(slot: number, watched: Watched): void {
    const row = slot * ROW_FLOATS;
    this.#rows[row + VIEWERS]! += watched.viewers;
    for (let b = 0; b < REACH_BINS; b++) this.#rows[row + REACHED + b]! += watched.reached[b] ?? 0;
  }

  /** The tables were changed from outside. */
  settle(): void {
    for (let k = 0; k < CLASSES; k++) this.#settleClass(k);
  }

  tables(): Float64Array[] {
    return [this.#classReached, this.#classViewers, this.#classWatched, this.#chance];
  }

  /** The prior of a class, by what has become of each. */
  #settleClass(k: number): void {
    let sum = 0;
    let logs = 0;
    for (let i = 0; i < PRIORS.length; i++) {
      const chance = this.#chance[k * PRIORS.length + i]!;
      sum += chance;
      logs += chance * PRIOR_LOGS[i]!;
    }
    if (sum > 0) this.#prior[k] = this.#ofTitles ? 2 ** (logs / sum) : ALL_PRIOR_VIEWERS;
    this.#classWeight[k] = this.#prior[k]! / this.#classViewers[k]!;
  }

  #classOf(slot: number): number {
    return this.#bytes[slot * ROW + CLASS]!;
  }
}

/** How far a title's viewers got. */
export interface Watched {
  readonly viewers: number;
  readonly reached: Float32Array;
}

/** Share of a title that lies in bin `b`. */
function binShare(b: number): number {
  return (2 * b + 1) / (REACH_BINS * REACH_BINS);
}
