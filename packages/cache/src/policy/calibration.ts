import type { TimeScales } from './time-scales.js';
import { AGE_SPAN, CELLS, GAP_SPAN, ROW, ROW_SHORTS, type TitleRows } from './title-rows.js';

/** Recency: two cells an octave, from half a minute to three months. */
export const RECENCY_BINS = 36;
const RECENCY_UNIT_SECONDS = 30;
const COUNT_BINS = 20;
const TREND_EDGES = [0.15, 0.4, 0.7, 1, 1.4, 2, 4] as const;
const TREND_BINS = TREND_EDGES.length + 1;
/** Spans of time: an octave each. */
export const SPANS = 24;
/** Arrivals' worth of trust in the coarser table before a cell speaks for itself. */
const PRIOR = 8;
const CELL_PRIOR = 3 * PRIOR;
/** Kinds of correction: three pairs of features, and the calibration by (recency, count, trend). */
const KINDS = 4;
const CALIBRATION = 3;
/** Evidence beyond this says nothing more: what changes its mind must be able to show it. */
const MOST_EVIDENCE = 30;
const AGE_EVERY_SECONDS = 3600;
const HALF_LIFE_SECONDS = 96 * 3600;

/** Where the tables begin: of all, by recency, by (recency, count), by (recency, count, trend); by pairs (recency, age), (count, gap) and (count, age). */
const BY_RECENCY = 2;
const BY_ROW = BY_RECENCY + 2 * RECENCY_BINS;
const BY_CELL = BY_ROW + 2 * RECENCY_BINS * COUNT_BINS;
const FIRST_PAIR = BY_CELL + 2 * RECENCY_BINS * COUNT_BINS * TREND_BINS;
const PAIR = 2 * RECENCY_BINS * SPANS;
const SECOND_PAIR = FIRST_PAIR + PAIR;
const THIRD_PAIR = SECOND_PAIR + PAIR;
const END = THIRD_PAIR + PAIR;

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

/**
 * What decayed counts get wrong, learned: the factors by which what they foretell is corrected, each the requests that came over those that were foretold.
 * For every (recency, count, trend): a cell that has seen little leans on its (recency, count) row, that on its recency, that on the whole.
 * On top of it for three pairs of features, each on top of what all the others make of the counts.
 *
 * Each kind counts for as much as it has shown to be worth: the chance that it is better than none, by the likelihood of what came (Poisson, each request foretold
 * before it is learned from; Dawid 1984). Where there is little to learn from, what is learned is chance, and is left out.
 */
export class Corrections {
  /** Requests that came and requests foretold, side by side. */
  readonly #table = new Float64Array(END);
  /** Rows of titles: where their cells are in the table; their spans. */
  readonly #cells: Uint16Array;
  readonly #spans: Uint8Array;
  readonly #enabled: boolean;
  /** Of the title that {@link factor} was last asked for: what all kinds but this one make of its counts; and what this kind would add to 1, or to the whole's correction. */
  readonly #others = new Float64Array(KINDS);
  readonly #added = new Float64Array(KINDS);
  /** Logarithm of how much likelier what came was with this kind than without. */
  readonly #evidence = new Float64Array(KINDS);
  /** Chance by that evidence that the kind is better than none. */
  readonly #trust = new Float64Array(KINDS).fill(0.5);
  /** Correction of all titles alike. */
  #whole = 1;
  #agedAt = 0;

  /** @param enabled false: the factor is always 1, for comparison. */
  constructor(rows: TitleRows, enabled: boolean) {
    this.#table.fill(1, 0, BY_RECENCY);
    this.#cells = rows.shorts;
    this.#spans = rows.bytes;
    this.#enabled = enabled;
  }

  /** Finds the cells of a title by its recency, its count, present over usual rate, and the spans in its row. */
  describe(slot: number, recency: number, scales: TimeScales): void {
    const at = slot * ROW_SHORTS + CELLS;
    const age = this.#spans[slot * ROW + AGE_SPAN]!;
    const count = countBin(scales.usualCount(slot));
    const row = recency * COUNT_BINS + count;
    this.#cells[at] = FIRST_PAIR + 2 * (recency * SPANS + age);
    this.#cells[at + 1] = SECOND_PAIR + 2 * (count * SPANS + this.#spans[slot * ROW + GAP_SPAN]!);
    this.#cells[at + 2] = THIRD_PAIR + 2 * (count * SPANS + age);
    this.#cells[at + 3] = BY_CELL + 2 * (row * TREND_BINS + trendBin(scales.trend(slot)));
  }

  /** Product of all corrections of a title: as one fraction, since divisions that wait for each other are what it would cost. */
  factor(slot: number): number {
    if (!this.#enabled) return 1;
    const t = this.#table;
    const at = slot * ROW_SHORTS + CELLS;
    const first = this.#cells[at]!;
    const second = this.#cells[at + 1]!;
    const third = this.#cells[at + 2]!;
    const cell = this.#cells[at + 3]!;
    const row = rowOf(cell);
    const recency = recencyOf(row);
    // Requests that came over requests foretold, from the whole to the cell.
    let came = t[0]!;
    let told = t[1]!;
    came = t[recency]! * told + PRIOR * came;
    told *= t[recency + 1]! + PRIOR;
    came = t[row]! * told + PRIOR * came;
    told *= t[row + 1]! + PRIOR;
    came = t[cell]! * told + CELL_PRIOR * came;
    told *= t[cell + 1]! + CELL_PRIOR;
    const calibration = came / told - this.#whole;
    came = told * (this.#whole + this.#trust[CALIBRATION]! * calibration);
    const told1 = t[first + 1]! + CELL_PRIOR;
    const told2 = t[second + 1]! + CELL_PRIOR;
    const told3 = t[third + 1]! + CELL_PRIOR;
    const added1 = t[first]! - t[first + 1]!;
    const added2 = t[second]! - t[second + 1]!;
    const added3 = t[third]! - t[third + 1]!;
    const came1 = told1 + this.#trust[0]! * added1;
    const came2 = told2 + this.#trust[1]! * added2;
    const came3 = told3 + this.#trust[2]! * added3;
    this.#added[0] = added1 / told1;
    this.#added[1] = added2 / told2;
    this.#added[2] = added3 / told3;
    this.#added[CALIBRATION] = calibration;
    const scale = 1 / (told * told1 * told2 * told3);
    const pairs = came1 * came2 * came3;
    const others = this.#others;
    others[0] = scale * came * came2 * came3 * told1;
    others[1] = scale * came * came1 * came3 * told2;
    others[2] = scale * came * came1 * came2 * told3;
    others[CALIBRATION] = scale * pairs * told;
    return scale * came * pairs;
  }

  /** A title was asked for. */
  arrived(slot: number, weight: number): void {
    this.factor(slot);
    this.#weigh(weight);
    const at = slot * ROW_SHORTS + CELLS;
    const cell = this.#cells[at + 3]!;
    const row = rowOf(cell);
    for (const i of [
      0,
      recencyOf(row),
      row,
      cell,
      this.#cells[at]!,
      this.#cells[at + 1]!,
      this.#cells[at + 2]!,
    ])
      this.#table[i]! += weight;
    this.#whole = this.#table[0]! / this.#table[1]!;
  }

  /** The counts foretold `mass` requests of the title that {@link factor} was last asked for: each table is charged for what the others make of them. */
  expected(slot: number, mass: number): void {
    const t = this.#table;
    const others = this.#others;
    const at = slot * ROW_SHORTS + CELLS;
    const cell = this.#cells[at + 3]!;
    const row = rowOf(cell);
    t[this.#cells[at]! + 1]! += mass * others[0]!;
    t[this.#cells[at + 1]! + 1]! += mass * others[1]!;
    t[this.#cells[at + 2]! + 1]! += mass * others[2]!;
    for (let kind = 0; kind < KINDS; kind++)
      this.#evidence[kind]! -= mass * others[kind]! * this.#added[kind]!;
    const whole = mass * others[CALIBRATION]!;
    t[1]! += whole;
    t[recencyOf(row) + 1]! += whole;
    t[row + 1]! += whole;
    t[cell + 1]! += whole;
  }

  /** Forgets with time: 18,000 multiplications an hour of operational time. */
  age(u: number): void {
    const seconds = u - this.#agedAt;
    if (seconds < AGE_EVERY_SECONDS) return;
    const keep = 2 ** (-seconds / HALF_LIFE_SECONDS);
    for (let i = 0; i < END; i++) this.#table[i]! *= keep;
    for (let kind = 0; kind < KINDS; kind++) this.#evidence[kind]! *= keep;
    this.#agedAt = u;
  }

  tables(): Float64Array[] {
    return [this.#table, this.#trust];
  }

  /** The tables were changed from outside. */
  settle(): void {
    if (!(this.#table[0]! > 0 && this.#table[1]! > 0)) this.#table.fill(1, 0, BY_RECENCY);
    this.#whole = this.#table[0]! / this.#table[1]!;
    for (let kind = 0; kind < KINDS; kind++) {
      const trust = this.#trust[kind]!;
      this.#believe(kind, Math.log(trust / Math.max(1 - trust, Number.MIN_VALUE)));
    }
  }

  /** Credits each kind with what it had made of the title that {@link factor} was last asked for, and that came. */
  #weigh(weight: number): void {
    for (let kind = 0; kind < KINDS; kind++) {
      const without = kind === CALIBRATION ? this.#whole : 1;
      this.#believe(kind, this.#evidence[kind]! + weight * Math.log(1 + this.#added[kind]! / without));
    }
  }

  #believe(kind: number, evidence: number): void {
    const bounded = Math.max(-MOST_EVIDENCE, Math.min(MOST_EVIDENCE, evidence));
    this.#evidence[kind] = bounded;
    this.#trust[kind] = 1 / (1 + Math.exp(-bounded));
  }
}

/** Place of the row of a cell's place. */
function rowOf(cell: number): number {
  return BY_ROW + 2 * (((cell - BY_CELL) / (2 * TREND_BINS)) | 0);
}

/** Place of the recency of a row's place. */
function recencyOf(row: number): number {
  return BY_RECENCY + 2 * (((row - BY_ROW) / (2 * COUNT_BINS)) | 0);
}
