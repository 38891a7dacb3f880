import { SPANS } from './calibration.js';
import { COUNTS, ROW, ROW_FLOATS, type TitleRows, WEIGHTS } from './title-rows.js';

const HOUR = 3600;
/** Half-lives of the decayed counts, in seconds of operational time; each is three times the one before, which {@link TimeScales} counts on. */
export const HALF_LIVES = [4 * HOUR, 12 * HOUR, 36 * HOUR, 108 * HOUR, 324 * HOUR] as const;
export const SCALES = HALF_LIVES.length;
const LAST = SCALES - 1;
/** Logarithm of what a second leaves of the slowest count. */
const SLOWEST_DECAY = -Math.LN2 / HALF_LIVES[LAST]!;
const FAST = 0;
/** The scale whose count stands for a title's usual demand. */
const USUAL = 2;
const FAST_OVER_USUAL = HALF_LIVES[USUAL] / HALF_LIVES[FAST];
/** Requests a second that a count of 1 stands for. */
const HAZARDS = Float64Array.from(HALF_LIVES, (h) => Math.LN2 / h);
/** Requests' worth of trust in the first guess of all titles' weights, and in all titles' weights for a class of them. */
const FIRST_PRIOR = 20;
const CLASS_PRIOR = 50;
/** Until it shows otherwise, demand is taken to be steady. */
const FIRST_WEIGHTS = [0.002, 0.01, 0.03, 0.1, 0.858] as const;
/** Requests between two fits of all titles' weights. */
const FIT_EVERY = 32;
/** Past this much exposure the fit of the weights forgets half. */
const EXPOSURE_REMEMBERED = 50_000;

const AGE_CLASSES = 12;
const COUNT_CLASSES = 3;
const WEIGHT_CLASSES = AGE_CLASSES * COUNT_CLASSES;

/**
 * Decayed counts of the requests for each title on several half-lives, and how much each half-life says about what will come: weights, fitted by expectation
 * maximisation against what came. Titles of like age and like count share weights: an old title is judged by its long past, a new one by its last hours.
 */
export class TimeScales {
  /** Rows of titles: their counts, and the first of the weights that they use. */
  readonly #counts: Float32Array;
  readonly #weights: Uint8Array;
  readonly #weight = new Float64Array(WEIGHT_CLASSES * SCALES);
  /** What the weights are fitted from: requests shared out, and requests that each half-life alone had foretold. */
  readonly #credited = new Float64Array(WEIGHT_CLASSES * SCALES);
  readonly #exposed = new Float64Array(WEIGHT_CLASSES * SCALES);
  /** Weights of all titles together, on which those of a class lean. */
  readonly #overall = Float64Array.from(FIRST_WEIGHTS);
  #requests = 0;

  constructor(rows: TitleRows) {
    this.#counts = rows.floats;
    this.#weights = rows.bytes;
    this.#fit();
  }

  /** A title of which anything was ever counted. */
  counted(slot: number): boolean {
    return this.#counts[slot * ROW_FLOATS + COUNTS + LAST]! > 0;
  }

  add(slot: number, weight: number): void {
    const base = slot * ROW_FLOATS + COUNTS;
    for (let j = 0; j < SCALES; j++) this.#counts[base + j]! += weight;
  }

  absorb(slot: number, counts: readonly number[]): void {
    for (let j = 0; j < SCALES; j++) this.#counts[slot * ROW_FLOATS + COUNTS + j]! += counts[j] ?? 0;
  }

  forget(slot: number): void {
    this.#counts.fill(0, slot * ROW_FLOATS + COUNTS, slot * ROW_FLOATS + COUNTS + SCALES);
  }

  /** The counts as they are `past` seconds after they were last brought up to date. */
  countsAfter(slot: number, past: number): number[] {
    return HALF_LIVES.map((h, j) => this.#counts[slot * ROW_FLOATS + COUNTS + j]! * 2 ** (-past / h));
  }

  usualCount(slot: number): number {
    return this.#counts[slot * ROW_FLOATS + COUNTS + USUAL]!;
  }

  /** Present over usual rate. */
  trend(slot: number): number {
    const fast = this.#counts[slot * ROW_FLOATS + COUNTS + FAST]!;
    return (FAST_OVER_USUAL * fast) / Math.max(this.#counts[slot * ROW_FLOATS + COUNTS + USUAL]!, 1e-9);
  }

  /** Finds the weights that fit a title's age (a span cell) and its counts as they now are. */
  classify(slot: number, ageSpan: number): void {
    const count = this.#counts[slot * ROW_FLOATS + COUNTS + USUAL]!;
    const byCount = count < 8 ? 0 : count < 14 ? 1 : 2;
    const byAge = (ageSpan * AGE_CLASSES) / SPANS;
    this.#weights[slot * ROW + WEIGHTS] = ((byAge | 0) * COUNT_CLASSES + byCount) * SCALES;
  }

  /** Requests a second that the counts foretell, `past` seconds after they were brought up to date. */
  foretold(slot: number, past: number): number {
    const weights = this.#weights[slot * ROW + WEIGHTS]!;
    const base = slot * ROW_FLOATS + COUNTS;
    let kept = decayed(SLOWEST_DECAY * past);
    let rate = 0;
    for (let j = LAST; j >= 0; j--) {
      rate += this.#weight[weights + j]! * HAZARDS[j]! * this.#counts[base + j]! * kept;
      kept = kept * kept * kept;
    }
    return rate;
  }

  /** Brings the counts up to date after `past` seconds. `factor` corrects what they foretell. @returns the requests they had foretold, uncorrected. */
  decay(slot: number, past: number, factor: number): number {
    const counts = this.#counts;
    const weights = this.#weights[slot * ROW + WEIGHTS]!;
    const base = slot * ROW_FLOATS + COUNTS;
    let kept = decayed(SLOWEST_DECAY * past);
    let mass = 0;
    for (let j = LAST; j >= 0; j--) {
      const before = counts[base + j]!;
      const gone = before * (1 - kept);
      counts[base + j] = before - gone;
      mass += this.#weight[weights + j]! * gone;
      this.#exposed[weights + j]! += factor * gone;
      kept = kept * kept * kept;
    }
    return mass;
  }

  /** Shares a request among the time scales by what each had foretold, and fits their weights. */
  credit(slot: number, weight: number): void {
    const base = slot * ROW_FLOATS + COUNTS;
    const weights = this.#weights[slot * ROW + WEIGHTS]!;
    let sum = 0;
    for (let j = 0; j < SCALES; j++)
      sum += this.#weight[weights + j]! * HAZARDS[j]! * this.#counts[base + j]!;
    if (sum <= 0) return;
    for (let j = 0; j < SCALES; j++) {
      this.#credited[weights + j]! +=
        (weight * this.#weight[weights + j]! * HAZARDS[j]! * this.#counts[base + j]!) / sum;
      if (this.#exposed[weights + j]! > EXPOSURE_REMEMBERED) {
        this.#exposed[weights + j]! /= 2;
        this.#credited[weights + j]! /= 2;
      }
      this.#weight[weights + j] = this.#fitted(weights + j, j);
    }
    if (++this.#requests % FIT_EVERY === 0) this.#fit();
  }

  tables(): Float64Array[] {
    return [this.#weight, this.#credited, this.#exposed, this.#overall];
  }

  #fitted(at: number, scale: number): number {
    return (this.#credited[at]! + CLASS_PRIOR * this.#overall[scale]!) / (this.#exposed[at]! + CLASS_PRIOR);
  }

  /** Fits the weights of all titles together, and the others anew. */
  #fit(): void {
    for (let j = 0; j < SCALES; j++) {
      let credited = FIRST_PRIOR * FIRST_WEIGHTS[j]!;
      let exposed = FIRST_PRIOR;
      for (let at = j; at < this.#weight.length; at += SCALES) {
        credited += this.#credited[at]!;
        exposed += this.#exposed[at]!;
      }
      this.#overall[j] = credited / exposed;
    }
    for (let at = 0; at < this.#weight.length; at++) this.#weight[at] = this.#fitted(at, at % SCALES);
  }
}

/** `exp(x)` for x <= 0; near 0 by its series, to within 5e-10, at a fraction of the cost. */
function decayed(x: number): number {
  return x > -0.01 ? 1 + x * (1 + x * (0.5 + x / 6)) : Math.exp(x);
}
