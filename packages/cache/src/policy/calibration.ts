/** Recency: two cells an octave, from half a minute to three months. */
export const RECENCY_BINS = 36;
const RECENCY_UNIT_SECONDS = 30;
const COUNT_BINS = 20;
const TREND_EDGES = [0.15, 0.4, 0.7, 1, 1.4, 2, 4] as const;
const TREND_BINS = TREND_EDGES.length + 1;
const ROWS = RECENCY_BINS * COUNT_BINS;
const CELLS = ROWS * TREND_BINS;
/** Arrivals' worth of trust in the coarser table before a cell speaks for itself. */
const PRIOR = 8;
const AGE_EVERY_SECONDS = 3600;
const HALF_LIFE_SECONDS = 96 * 3600;

/** Age at which a title leaves recency cell `bin`, in seconds of operational time. */
export function recencyEdgeSeconds(bin: number): number {
  return RECENCY_UNIT_SECONDS * 2 ** ((bin + 1) / 2);
}

/** Recency cell of a title last asked for `ageSeconds` of operational time ago. */
export function recencyBin(ageSeconds: number): number {
  if (ageSeconds < recencyEdgeSeconds(0)) return 0;
  return Math.min(RECENCY_BINS - 1, Math.floor(2 * Math.log2(ageSeconds / RECENCY_UNIT_SECONDS)));
}

/** Cell of a decayed count: two an octave. */
export function countBin(count: number): number {
  // A first request is counted 1 and decays at once: 0.97 keeps it out of the cell below, which nothing ever visits for long.
  const bin = Math.floor(2 * Math.log2(Math.max(0.97 * count, 0.125)) + 6);
  return bin < 0 ? 0 : bin >= COUNT_BINS ? COUNT_BINS - 1 : bin;
}

function trendBin(trend: number): number {
  let bin = 0;
  while (bin < TREND_EDGES.length && trend >= TREND_EDGES[bin]!) bin += 1;
  return bin;
}

/**
 * What decayed counts get wrong, learned: for every (recency, count, trend) the requests that came over those that the
 * counts foretold. A cell that has seen little leans on its (recency, count) row, that on its recency, that on the whole.
 */
export class Calibration {
  /** Requests by recency, by row and by cell. */
  readonly #came = [new Float64Array(RECENCY_BINS), new Float64Array(ROWS), new Float64Array(CELLS)] as const;
  readonly #foretold = [
    new Float64Array(RECENCY_BINS),
    new Float64Array(ROWS),
    new Float64Array(CELLS),
  ] as const;
  /** All that came, all that was foretold. */
  readonly #all = Float64Array.of(1, 1);
  #agedAt = 0;

  /** The cell of a title; `trend` is its present over its usual rate. */
  cell(recency: number, count: number, trend: number): number {
    return (recency * COUNT_BINS + countBin(count)) * TREND_BINS + trendBin(trend);
  }

  arrived(cell: number, weight: number): void {
    this.#add(this.#came, cell, weight);
    this.#all[0]! += weight;
  }

  /** The counts foretold `mass` requests of a title in this cell. */
  expected(cell: number, mass: number): void {
    this.#add(this.#foretold, cell, mass);
    this.#all[1]! += mass;
  }

  /** Requests per request foretold. */
  factor(cell: number): number {
    const row = Math.floor(cell / TREND_BINS);
    const recency = Math.floor(row / COUNT_BINS);
    const all = this.#all[0]! / this.#all[1]!;
    const first = (this.#came[0][recency]! + PRIOR * all) / (this.#foretold[0][recency]! + PRIOR);
    const second = (this.#came[1][row]! + PRIOR * first) / (this.#foretold[1][row]! + PRIOR);
    return (this.#came[2][cell]! + 3 * PRIOR * second) / (this.#foretold[2][cell]! + 3 * PRIOR);
  }

  /** Forgets with time: 5,796 multiplications an hour of operational time. */
  age(u: number): void {
    if (u - this.#agedAt < AGE_EVERY_SECONDS) return;
    const keep = 2 ** (-(u - this.#agedAt) / HALF_LIFE_SECONDS);
    this.#agedAt = u;
    for (const table of this.tables()) for (let i = 0; i < table.length; i++) table[i]! *= keep;
  }

  tables(): Float64Array[] {
    return [this.#all, ...this.#came, ...this.#foretold];
  }

  #add(tables: readonly [Float64Array, Float64Array, Float64Array], cell: number, amount: number): void {
    const row = Math.floor(cell / TREND_BINS);
    tables[0][Math.floor(row / COUNT_BINS)]! += amount;
    tables[1][row]! += amount;
    tables[2][cell]! += amount;
  }
}

export const SPANS = 24;

/** Span cell of a length of time, an octave each from half a minute; 0 for none. */
export function spanBin(seconds: number): number {
  if (seconds <= 0) return 0;
  const bin = Math.floor(Math.log2(Math.max(seconds, RECENCY_UNIT_SECONDS) / RECENCY_UNIT_SECONDS)) + 1;
  return bin >= SPANS ? SPANS - 1 : bin;
}

/** A further correction by a pair of features, on top of what all the others foretell. */
export class PairFactor {
  readonly #came = new Float64Array(RECENCY_BINS * SPANS);
  readonly #foretold = new Float64Array(RECENCY_BINS * SPANS);
  #agedAt = 0;

  arrived(cell: number, weight: number): void {
    this.#came[cell]! += weight;
  }

  expected(cell: number, mass: number): void {
    this.#foretold[cell]! += mass;
  }

  factor(cell: number): number {
    return (this.#came[cell]! + 3 * PRIOR) / (this.#foretold[cell]! + 3 * PRIOR);
  }

  age(u: number): void {
    if (u - this.#agedAt < AGE_EVERY_SECONDS) return;
    const keep = 2 ** (-(u - this.#agedAt) / HALF_LIFE_SECONDS);
    this.#agedAt = u;
    for (const table of this.tables()) for (let i = 0; i < table.length; i++) table[i]! *= keep;
  }

  tables(): Float64Array[] {
    return [this.#came, this.#foretold];
  }
}
