import { CELLS as ROW_CELLS, ROW_SHORTS, type TitleRows } from './title-rows.js';

/** Recency: two cells an octave, from half a minute to three months. */
export const RECENCY_BINS = 36;
const RECENCY_UNIT_SECONDS = 30;
const COUNT_BINS = 20;
const TREND_EDGES = [0.15, 0.4, 0.7, 1, 1.4, 2, 4] as const;
const TREND_BINS = TREND_EDGES.length + 1;
const ROWS = RECENCY_BINS * COUNT_BINS;
const CELLS = ROWS * TREND_BINS;
/** Spans of time: an octave each. */
export const SPANS = 24;
/** Arrivals' worth of trust in the coarser table before a cell speaks for itself. */
const PRIOR = 8;
const AGE_EVERY_SECONDS = 3600;
const HALF_LIFE_SECONDS = 96 * 3600;
/** Pair tables: (recency, age), (count, gap), (count, age). */
const PAIRS = 3;

/** Age at which a title leaves recency cell `bin`, in seconds of operational time. */
export function recencyEdgeSeconds(bin: number): number {
  return RECENCY_UNIT_SECONDS * 2 ** ((bin + 1) / 2);
}

/** Recency cell of a title last asked for `ageSeconds` of operational time ago. */
export function recencyBin(ageSeconds: number): number {
  if (ageSeconds < recencyEdgeSeconds(0)) return 0;
  return Math.min(RECENCY_BINS - 1, Math.floor(2 * Math.log2(ageSeconds / RECENCY_UNIT_SECONDS)));
}

/** Span cell of a length of time, an octave each from half a minute; 0 for none. */
export function spanBin(seconds: number): number {
  if (seconds <= 0) return 0;
  const bin = octaves(seconds / RECENCY_UNIT_SECONDS) + 1;
  return bin >= SPANS ? SPANS - 1 : bin;
}

/** Cell of a decayed count: two an octave, from an eighth. */
function countBin(count: number): number {
  // A first request is counted 1 and decays at once: 0.97 keeps it out of the cell below, which nothing ever visits for long.
  const eighths = (0.97 / 0.125) * count;
  const bin = octaves(eighths * eighths);
  return bin >= COUNT_BINS ? COUNT_BINS - 1 : bin;
}

/** Whole octaves of `x` above 1; 0 below. Much cheaper than a logarithm. */
function octaves(x: number): number {
  return x >= 2 ** 31 ? 31 : x > 1 ? 31 - Math.clz32(x) : 0;
}

function trendBin(trend: number): number {
  let bin = 0;
  while (bin < TREND_EDGES.length && trend >= TREND_EDGES[bin]!) bin += 1;
  return bin;
}

/** What the corrections go by: cells of recency and spans, a decayed count, present over usual rate. */
export interface Description {
  readonly recency: number;
  readonly count: number;
  readonly trend: number;
  /** Span between the last two requests. */
  readonly gap: number;
  /** Span between the first and the last request. */
  readonly age: number;
}

/** The factors by which what the decayed counts foretell is corrected: a {@link Calibration}, and on top of it pairs of features. */
export class Corrections {
  readonly #calibration = new Calibration();
  readonly #pairs = [new PairFactor(), new PairFactor(), new PairFactor()] as const;
  /** Rows of titles: their cells in the pair tables and in the calibration. */
  readonly #cells: Uint16Array;
  readonly #enabled: boolean;
  /** The factors that {@link factor} multiplied: of the three pairs, and of the calibration. */
  #first = 1;
  #second = 1;
  #third = 1;
  #main = 1;
  #agedAt = 0;

  /** @param enabled false: the factor is always 1, for comparison. */
  constructor(rows: TitleRows, enabled: boolean) {
    this.#cells = rows.shorts;
    this.#enabled = enabled;
  }

  /** Finds the cells of a title. */
  describe(slot: number, by: Description): void {
    const count = countBin(by.count);
    const at = slot * ROW_SHORTS + ROW_CELLS;
    this.#cells[at] = by.recency * SPANS + by.age;
    this.#cells[at + 1] = count * SPANS + by.gap;
    this.#cells[at + 2] = count * SPANS + by.age;
    this.#cells[at + PAIRS] = (by.recency * COUNT_BINS + count) * TREND_BINS + trendBin(by.trend);
  }

  /** Product of all corrections of a title. */
  factor(slot: number): number {
    if (!this.#enabled) return 1;
    const at = slot * ROW_SHORTS + ROW_CELLS;
    this.#first = this.#pairs[0].factor(this.#cells[at]!);
    this.#second = this.#pairs[1].factor(this.#cells[at + 1]!);
    this.#third = this.#pairs[2].factor(this.#cells[at + 2]!);
    this.#main = this.#calibration.factor(this.#cells[at + PAIRS]!);
    return this.#first * this.#second * this.#third * this.#main;
  }

  /** A title was asked for. */
  arrived(slot: number, weight: number): void {
    const at = slot * ROW_SHORTS + ROW_CELLS;
    for (let p = 0; p < PAIRS; p++) this.#pairs[p]!.arrived(this.#cells[at + p]!, weight);
    this.#calibration.arrived(this.#cells[at + PAIRS]!, weight);
  }

  /** The counts foretold `mass` requests of the title that {@link factor} was last asked for: each table is charged for what the others make of them. */
  expected(slot: number, mass: number): void {
    const at = slot * ROW_SHORTS + ROW_CELLS;
    const two = this.#first * this.#second;
    const others = this.#third * this.#main;
    this.#pairs[0].expected(this.#cells[at]!, mass * this.#second * others);
    this.#pairs[1].expected(this.#cells[at + 1]!, mass * this.#first * others);
    this.#pairs[2].expected(this.#cells[at + 2]!, mass * two * this.#main);
    this.#calibration.expected(this.#cells[at + PAIRS]!, mass * two * this.#third);
  }

  /** Forgets with time: 15,000 multiplications an hour of operational time. */
  age(u: number): void {
    const seconds = u - this.#agedAt;
    if (seconds < AGE_EVERY_SECONDS) return;
    const keep = 2 ** (-seconds / HALF_LIFE_SECONDS);
    for (const table of this.tables()) for (let i = 0; i < table.length; i++) table[i]! *= keep;
    this.#agedAt = u;
  }

  tables(): Float64Array[] {
    return [...this.#calibration.tables(), ...this.#pairs.flatMap((pair) => pair.tables())];
  }
}

/**
 * What decayed counts get wrong, learned: for every (recency, count, trend) the requests that came over those that the
 * counts foretold. A cell that has seen little leans on its (recency, count) row, that on its recency, that on the whole.
 */
class Calibration {
  /** Requests that came and requests foretold, side by side: of all, by recency, by row and by cell. */
  readonly #all = Float64Array.of(1, 1);
  readonly #recency = new Float64Array(2 * RECENCY_BINS);
  readonly #row = new Float64Array(2 * ROWS);
  readonly #cell = new Float64Array(2 * CELLS);

  arrived(cell: number, weight: number): void {
    this.#add(cell, 0, weight);
  }

  /** `mass` requests of a title in this cell were foretold. */
  expected(cell: number, mass: number): void {
    this.#add(cell, 1, mass);
  }

  /** Requests per request foretold. */
  factor(cell: number): number {
    const row = (cell / TREND_BINS) | 0;
    const recency = (row / COUNT_BINS) | 0;
    const all = this.#all[0]! / this.#all[1]!;
    const first = (this.#recency[2 * recency]! + PRIOR * all) / (this.#recency[2 * recency + 1]! + PRIOR);
    const second = (this.#row[2 * row]! + PRIOR * first) / (this.#row[2 * row + 1]! + PRIOR);
    return (this.#cell[2 * cell]! + 3 * PRIOR * second) / (this.#cell[2 * cell + 1]! + 3 * PRIOR);
  }

  tables(): Float64Array[] {
    return [this.#all, this.#recency, this.#row, this.#cell];
  }

  #add(cell: number, side: 0 | 1, amount: number): void {
    const row = (cell / TREND_BINS) | 0;
    const recency = (row / COUNT_BINS) | 0;
    this.#all[side]! += amount;
    this.#recency[2 * recency + side]! += amount;
    this.#row[2 * row + side]! += amount;
    this.#cell[2 * cell + side]! += amount;
  }
}

/** A further correction by a pair of features, on top of what all the others foretell. */
class PairFactor {
  /** Requests that came and requests foretold, side by side. */
  readonly #table = new Float64Array(2 * RECENCY_BINS * SPANS);

  arrived(cell: number, weight: number): void {
    this.#table[2 * cell]! += weight;
  }

  expected(cell: number, mass: number): void {
    this.#table[2 * cell + 1]! += mass;
  }

  factor(cell: number): number {
    return (this.#table[2 * cell]! + 3 * PRIOR) / (this.#table[2 * cell + 1]! + 3 * PRIOR);
  }

  tables(): Float64Array[] {
    return [this.#table];
  }
}
