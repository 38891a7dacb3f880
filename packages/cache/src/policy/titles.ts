import {
  Calibration,
  countBin,
  PairFactor,
  RECENCY_BINS,
  recencyBin,
  recencyEdgeSeconds,
  SPANS,
  spanBin,
} from './calibration.js';

const HOUR = 3600;
/** Half-lives of the decayed counts, in seconds of operational time. */
export const HALF_LIVES = [4 * HOUR, 12 * HOUR, 36 * HOUR, 108 * HOUR, 324 * HOUR] as const;
export const SCALES = HALF_LIVES.length;
const FAST = 0;
const SLOW = 2;
/** Requests' worth of trust in the first guess of the time scales' weights. */
const WEIGHT_PRIOR = 200;
const FIRST_WEIGHT = 1 / SCALES;
/** Titles moved to the next recency cell per session at most: the sweep is sliced by it. */
const MOVES_PER_STEP = 256;
const NONE = -1;
/** Pair tables: (recency, age), (count, gap), (count, age). */
const PAIRS = 3;
/** Past this much exposure the fit of the weights forgets half. */
const EXPOSURE_REMEMBERED = 50_000;
/** Titles charged out of turn with every session: one that nobody asks for must weigh on what is foretold long before it leaves its cell. */
const CHARGED_PER_STEP = 32;
/** Titles looked at for one that nobody needs. */
const LOOKED_THROUGH = 64;

const AGE_CLASSES = 12;
const COUNT_CLASSES = 3;
const WEIGHT_CLASSES = AGE_CLASSES * COUNT_CLASSES;

/** Titles of like age and like count share weights: an old title is judged by its long past, a new one by its last hours. */
function weightClass(ageSpan: number, count: number): number {
  return Math.floor((ageSpan * AGE_CLASSES) / SPANS) * COUNT_CLASSES + (count < 8 ? 0 : count < 14 ? 1 : 2);
}

const EDGES = Float64Array.from({ length: RECENCY_BINS }, (_, bin) => recencyEdgeSeconds(bin));
const LN2 = Math.LN2;

/**
 * How often each title is asked for. A title is a slot: a small integer.
 *
 * The rate of a title is `G(cell) * sum_j w_j (ln2 / h_j) c_j`: decayed counts c_j on several half-lives h_j, weights w_j
 * fitted by expectation maximisation against what came, and a calibration G. Every title sits in the queue of its
 * recency cell; a cell has one width, so a queue is in order of age and a sweep touches only the titles that are due.
 */
export class Titles {
  readonly #calibration = new Calibration();
  readonly #pairs = Array.from({ length: PAIRS }, () => new PairFactor());
  /** Cells of each title in the pair tables. */
  readonly #pairCells: Uint16Array;
  readonly #factors = new Float64Array(PAIRS + 1);
  /** Between the last two requests. */
  readonly #gap: Float32Array;
  readonly #firstU: Float64Array;
  readonly #counts: Float32Array;
  /** Operational time of the last request. */
  readonly #lastU: Float64Array;
  /** Operational time that counts and exposure are brought up to. */
  readonly #chargedU: Float64Array;
  readonly #rate: Float64Array;
  readonly #rateU: Float64Array;
  readonly #cell: Uint16Array;
  /** Which weights of the time scales a title uses. */
  readonly #class: Uint8Array;
  readonly #bin: Uint8Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #head = new Int32Array(RECENCY_BINS).fill(NONE);
  readonly #tail = new Int32Array(RECENCY_BINS).fill(NONE);
  #hand = 0;
  #charged = 0;
  /** Slots that were ever taken. */
  #used = 0;
  /** Weights of the time scales by class, and what they were fitted from. */
  readonly #weight = new Float64Array(WEIGHT_CLASSES * SCALES).fill(FIRST_WEIGHT);
  readonly #credited = new Float64Array(WEIGHT_CLASSES * SCALES).fill(WEIGHT_PRIOR * FIRST_WEIGHT);
  readonly #exposed = new Float64Array(WEIGHT_CLASSES * SCALES).fill(WEIGHT_PRIOR);

  readonly #corrected: boolean;

  /** @param corrected false: decayed counts alone, for comparison. */
  constructor(slots: number, corrected = true) {
    this.#corrected = corrected;
    this.#factors.fill(1);
    this.#counts = new Float32Array(slots * SCALES);
    this.#lastU = new Float64Array(slots).fill(Number.NaN);
    this.#chargedU = new Float64Array(slots);
    this.#rate = new Float64Array(slots);
    this.#rateU = new Float64Array(slots).fill(Number.NaN);
    this.#gap = new Float32Array(slots);
    this.#firstU = new Float64Array(slots);
    this.#pairCells = new Uint16Array(slots * PAIRS);
    this.#cell = new Uint16Array(slots);
    this.#class = new Uint8Array(slots);
    this.#bin = new Uint8Array(slots);
    this.#next = new Int32Array(slots).fill(NONE);
    this.#previous = new Int32Array(slots).fill(NONE);
  }

  known(slot: number): boolean {
    return !Number.isNaN(this.#lastU[slot]!);
  }

  /** A viewer asked for the title; `weight` in 0..1 is how much of a request it counts for. */
  asked(slot: number, weight: number, u: number): void {
    const counts = this.#counts;
    const base = slot * SCALES;
    const before = counts[base + SCALES - 1]!;
    if (before > 0) {
      this.#charge(slot, u);
      this.#credit(slot, weight);
      this.#gap[slot] = Math.max(1, u - this.#lastU[slot]!);
    } else this.#firstU[slot] = u;
    if (this.known(slot)) this.#unlink(slot);
    for (let j = 0; j < SCALES; j++) counts[base + j]! += weight;
    this.#lastU[slot] = u;
    this.#chargedU[slot] = u;
    this.#enter(slot, 0);
  }

  /** Requests a second of operational time that the title will probably see. */
  rate(slot: number, u: number): number {
    const evaluated = this.#rateU[slot]!;
    const age = u - this.#lastU[slot]!;
    if (u - evaluated <= 20 + age / 32) return this.#rate[slot]!;
    if (Number.isNaN(age)) return 0;
    const rate = this.#foretoldRate(slot, u) * this.#factor(slot);
    this.#rate[slot] = rate;
    this.#rateU[slot] = u;
    return rate;
  }

  /** Moves titles whose recency changed to their next cell, and charges others; at most a slice of them. */
  advance(u: number): void {
    for (let left = CHARGED_PER_STEP; left > 0; left--) {
      this.#charged = this.#charged + 1 < this.#used ? this.#charged + 1 : 0;
      if (!this.known(this.#charged)) continue;
      this.#charge(this.#charged, u);
      this.#describe(this.#charged, this.#bin[this.#charged]!);
    }
    let moves = MOVES_PER_STEP;
    for (let bin = 0; bin < RECENCY_BINS - 1; bin++) {
      const edge = EDGES[bin]!;
      for (let slot = this.#head[bin]!; slot !== NONE; slot = this.#head[bin]!) {
        const due = this.#lastU[slot]! + edge;
        if (due > u) break;
        if (moves-- === 0) return;
        this.#charge(slot, due);
        this.#unlink(slot);
        this.#enter(slot, bin + 1);
      }
    }
    this.#calibration.age(u);
    for (const pair of this.#pairs) pair.age(u);
  }

  /** Product of all corrections; leaves each in #factors. */
  #factor(slot: number): number {
    if (!this.#corrected) return 1;
    const factors = this.#factors;
    let product = this.#calibration.factor(this.#cell[slot]!);
    factors[PAIRS] = product;
    for (let p = 0; p < PAIRS; p++) {
      const factor = this.#pairs[p]!.factor(this.#pairCells[slot * PAIRS + p]!);
      factors[p] = factor;
      product *= factor;
    }
    return product;
  }

  #foretoldRate(slot: number, u: number): number {
    const past = u - this.#chargedU[slot]!;
    const weights = this.#class[slot]! * SCALES;
    let rate = 0;
    for (let j = 0; j < SCALES; j++) {
      const h = HALF_LIVES[j]!;
      rate +=
        this.#weight[weights + j]! *
        (LN2 / h) *
        this.#counts[slot * SCALES + j]! *
        Math.exp((-LN2 / h) * past);
    }
    return rate;
  }

  /** Brings the counts up to `u` and charges what they foretold on the way. */
  #charge(slot: number, u: number): void {
    const past = u - this.#chargedU[slot]!;
    if (past <= 0) return;
    const counts = this.#counts;
    const cell = this.#cell[slot]!;
    const factor = this.#factor(slot);
    const weights = this.#class[slot]! * SCALES;
    let mass = 0;
    for (let j = 0, i = slot * SCALES; j < SCALES; j++, i++) {
      const before = counts[i]!;
      const after = before * Math.exp((-LN2 / HALF_LIVES[j]!) * past);
      counts[i] = after;
      mass += this.#weight[weights + j]! * (before - after);
      this.#exposed[weights + j]! += factor * (before - after);
    }
    this.#chargedU[slot] = u;
    const foretold = mass * factor;
    this.#calibration.expected(cell, foretold / this.#factors[PAIRS]!);
    for (let p = 0; p < PAIRS; p++) {
      this.#pairs[p]!.expected(this.#pairCells[slot * PAIRS + p]!, foretold / this.#factors[p]!);
    }
  }

  /** Shares a request among the time scales by what each had foretold, and fits their weights. */
  #credit(slot: number, weight: number): void {
    const base = slot * SCALES;
    const weights = this.#class[slot]! * SCALES;
    let sum = 0;
    for (let j = 0; j < SCALES; j++)
      sum += (this.#weight[weights + j]! / HALF_LIVES[j]!) * this.#counts[base + j]!;
    this.#calibration.arrived(this.#cell[slot]!, weight);
    for (let p = 0; p < PAIRS; p++) this.#pairs[p]!.arrived(this.#pairCells[slot * PAIRS + p]!, weight);
    if (sum <= 0) return;
    for (let j = 0; j < SCALES; j++) {
      this.#credited[weights + j]! +=
        (weight * (this.#weight[weights + j]! / HALF_LIVES[j]!) * this.#counts[base + j]!) / sum;
      if (this.#exposed[weights + j]! > EXPOSURE_REMEMBERED) {
        this.#exposed[weights + j]! /= 2;
        this.#credited[weights + j]! /= 2;
      }
      this.#weight[weights + j] = this.#credited[weights + j]! / this.#exposed[weights + j]!;
    }
  }

  /** Finds the cells of a title by its counts as they now are. */
  #describe(slot: number, bin: number): void {
    const base = slot * SCALES;
    const counts = this.#counts;
    const trend =
      (counts[base + FAST]! / HALF_LIVES[FAST]) * (HALF_LIVES[SLOW] / Math.max(counts[base + SLOW]!, 1e-9));
    this.#cell[slot] = this.#calibration.cell(bin, counts[base + SLOW]!, trend);
    const cells = this.#pairCells;
    const gap = spanBin(this.#gap[slot]!);
    const age = spanBin(this.#lastU[slot]! - this.#firstU[slot]!);
    const count = countBin(counts[base + SLOW]!);
    this.#class[slot] = weightClass(age, count);
    cells[slot * PAIRS] = bin * SPANS + age;
    cells[slot * PAIRS + 1] = count * SPANS + gap;
    cells[slot * PAIRS + 2] = count * SPANS + age;
    this.#rateU[slot] = Number.NaN;
  }

  #enter(slot: number, bin: number): void {
    if (slot >= this.#used) this.#used = slot + 1;
    this.#describe(slot, bin);
    this.#bin[slot] = bin;
    const tail = this.#tail[bin]!;
    this.#previous[slot] = tail;
    this.#next[slot] = NONE;
    if (tail === NONE) this.#head[bin] = slot;
    else this.#next[tail] = slot;
    this.#tail[bin] = slot;
  }

  #unlink(slot: number): void {
    const bin = this.#bin[slot]!;
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    if (previous === NONE) this.#head[bin] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#tail[bin] = previous;
    else this.#previous[next] = previous;
  }

  /** Of the next few slots in turn, the one asked for longest ago of which `spare` says yes; or -1. */
  oldest(spare: (slot: number) => boolean): number {
    let best = NONE;
    for (let looks = Math.min(LOOKED_THROUGH, this.#lastU.length); looks > 0; looks--) {
      this.#hand = (this.#hand + 1) % this.#lastU.length;
      const slot = this.#hand;
      if (!spare(slot)) continue;
      if (best === NONE || this.#lastU[slot]! < this.#lastU[best]!) best = slot;
    }
    return best;
  }

  /** Known titles, the most lately asked for first, at most `limit`. */
  latest(limit: number): number[] {
    const slots: number[] = [];
    for (let bin = 0; bin < RECENCY_BINS; bin++) {
      for (let slot = this.#tail[bin]!; slot !== NONE && slots.length < limit; slot = this.#previous[slot]!)
        slots.push(slot);
    }
    return slots;
  }

  forget(slot: number): void {
    if (!this.known(slot)) return;
    this.#unlink(slot);
    this.#lastU[slot] = Number.NaN;
    this.#rateU[slot] = Number.NaN;
    this.#gap[slot] = 0;
    this.#counts.fill(0, slot * SCALES, (slot + 1) * SCALES);
  }

  /** What is known of a title, at `u`. */
  history(slot: number, u: number): History {
    const past = Math.max(0, u - this.#chargedU[slot]!);
    const counts = HALF_LIVES.map((h, j) => this.#counts[slot * SCALES + j]! * Math.exp((-LN2 / h) * past));
    return {
      counts,
      lastAgeSeconds: Math.max(0, u - this.#lastU[slot]!),
      firstAgeSeconds: Math.max(0, u - this.#firstU[slot]!),
      gapSeconds: this.#gap[slot]!,
    };
  }

  /** Adds a history to what is known: counts are sums, so another node's, or an earlier life's, add up. */
  absorb(slot: number, history: History, u: number): void {
    const last = u - history.lastAgeSeconds;
    const first = u - history.firstAgeSeconds;
    const base = slot * SCALES;
    if (this.known(slot)) {
      this.#charge(slot, u);
      this.#unlink(slot);
      this.#lastU[slot] = Math.max(this.#lastU[slot]!, last);
      this.#firstU[slot] = Math.min(this.#firstU[slot]!, first);
    } else {
      this.#lastU[slot] = last;
      this.#firstU[slot] = first;
      this.#gap[slot] = history.gapSeconds;
    }
    for (let j = 0; j < SCALES; j++) this.#counts[base + j]! += history.counts[j] ?? 0;
    this.#chargedU[slot] = u;
    this.#enter(slot, recencyBin(u - this.#lastU[slot]));
  }

  /** Everything learned about all titles together, as one row of tables. */
  tables(): Float64Array[] {
    return [
      ...this.#calibration.tables(),
      ...this.#pairs.flatMap((pair) => pair.tables()),
      this.#weight,
      this.#credited,
      this.#exposed,
    ];
  }
}

/** What is known of how often a title is asked for; ages in operational seconds. */
export interface History {
  /** Decayed counts, one a half-life. */
  readonly counts: readonly number[];
  readonly lastAgeSeconds: number;
  readonly firstAgeSeconds: number;
  readonly gapSeconds: number;
}
