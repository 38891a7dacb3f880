import { Corrections, RECENCY_BINS, recencyBin, recencyEdgeSeconds, spanBin } from './calibration.js';
import { RecencyQueues } from './recency.js';
import { TimeScales } from './time-scales.js';
import {
  AGE_SPAN,
  CHARGED_U,
  FIRST_U,
  GAP,
  GAP_SPAN,
  LAST_U,
  RATE,
  RATE_U,
  ROW,
  ROW_DOUBLES,
  ROW_FLOATS,
  type TitleRows,
} from './title-rows.js';

/** Titles moved to the next recency cell per session at most: the sweep is sliced by it. */
const MOVES_PER_STEP = 256;
const NONE = -1;
/** Titles looked at out of turn with every session: one that nobody asks for must weigh on what is foretold long before it leaves its cell. */
const CHARGED_PER_STEP = 16;
/** A title asked for so long ago is charged for a share of that at a time. */
const CHARGED_SHARE = 1 / 8;
/** Titles looked at for one that nobody needs. */
const LOOKED_THROUGH = 64;

const EDGES = Float64Array.from({ length: RECENCY_BINS }, (_, bin) => recencyEdgeSeconds(bin));

/**
 * How often each title is asked for. A title is a slot: a small integer.
 *
 * The rate of a title is `G * sum_j w_j (ln2 / h_j) c_j`: decayed counts ({@link TimeScales}) and {@link Corrections} G. Every title sits in the queue of its
 * recency cell; a cell has one width, so a queue is in order of age and a sweep touches only the titles that are due.
 */
export class Titles {
  readonly #scales: TimeScales;
  readonly #corrections: Corrections;
  readonly #queues: RecencyQueues;
  readonly #slots: number;
  /** Rows of titles: times and rates; the last gap; spans. */
  readonly #rows: Float64Array;
  readonly #floats: Float32Array;
  readonly #spans: Uint8Array;
  /** Nobody in a queue is due before; the first in it may be gone since. */
  readonly #dueU = new Float64Array(RECENCY_BINS);
  #hand = 0;
  #charged = 0;
  /** Sum of what was touched ahead, lest the reading of it is left out as useless. */
  fetched = 0;
  /** Slots that were ever taken. */
  #used = 0;

  /** @param corrected false: decayed counts alone, for comparison. */
  constructor(rows: TitleRows, corrected = true) {
    this.#slots = rows.slots;
    this.#scales = new TimeScales(rows);
    this.#corrections = new Corrections(rows, corrected);
    this.#queues = new RecencyQueues(rows);
    this.#rows = rows.doubles;
    this.#floats = rows.floats;
    this.#spans = rows.bytes;
  }

  /** Takes a slot for a title of which nothing is known. */
  open(slot: number): void {
    const row = slot * ROW_DOUBLES;
    this.#rows[row + LAST_U] = Number.NaN;
    this.#rows[row + CHARGED_U] = 0;
    this.#rows[row + RATE] = 0;
    this.#rows[row + RATE_U] = Number.NaN;
    this.#floats[slot * ROW_FLOATS + GAP] = 0;
    this.#scales.forget(slot);
  }

  known(slot: number): boolean {
    return !Number.isNaN(this.#lastU(slot));
  }

  /** A viewer asked for the title; `weight` in 0..1 is how much of a request it counts for. */
  asked(slot: number, weight: number, u: number): void {
    if (this.#scales.counted(slot)) {
      this.#charge(slot, u);
      this.#corrections.arrived(slot, weight);
      this.#scales.credit(slot, weight);
      this.#floats[slot * ROW_FLOATS + GAP] = Math.max(1, u - this.#lastU(slot));
    } else this.#rows[slot * ROW_DOUBLES + FIRST_U] = u;
    if (this.known(slot)) this.#queues.leave(slot);
    this.#scales.add(slot, weight);
    this.#asked(slot, u);
    this.#rows[slot * ROW_DOUBLES + CHARGED_U] = u;
    this.#enter(slot, 0);
  }

  /** Requests a second of operational time that the title will probably see. */
  rate(slot: number, u: number): number {
    const rows = this.#rows;
    const row = slot * ROW_DOUBLES;
    if (!(u - rows[row + RATE_U]! <= 20 + (u - rows[row + LAST_U]!) / 32)) this.#workOut(slot, u);
    return rows[row + RATE]!;
  }

  /** Moves titles whose recency changed to their next cell, and charges others; at most a slice of them. */
  advance(u: number): void {
    this.#chargeInTurn(u);
    this.#fetch(u);
    let moves = MOVES_PER_STEP;
    for (let bin = 0; bin < RECENCY_BINS - 1; bin++) {
      if (this.#dueU[bin]! > u) continue;
      let due = Number.POSITIVE_INFINITY;
      for (let slot = this.#queues.first(bin); slot !== NONE; slot = this.#queues.first(bin)) {
        due = this.#lastU(slot) + EDGES[bin]!;
        if (due > u) break;
        if (moves-- === 0) return;
        this.#move(slot, bin);
        due = Number.POSITIVE_INFINITY;
      }
      this.#dueU[bin] = due;
    }
    this.#corrections.age(u);
  }

  /** Of the next few slots in turn, the one asked for longest ago of which `spare` says yes; or -1. */
  oldest(spare: (slot: number) => boolean): number {
    let best = NONE;
    for (let looks = Math.min(LOOKED_THROUGH, this.#slots); looks > 0; looks--) {
      this.#hand = (this.#hand + 1) % this.#slots;
      const slot = this.#hand;
      if (!spare(slot)) continue;
      if (best === NONE || this.#lastU(slot) < this.#lastU(best)) best = slot;
    }
    return best;
  }

  /** Known titles, the most lately asked for first, at most `limit`; others may be asked for meanwhile. */
  *latest(limit: number): Generator<number> {
    for (const slot of this.#queues.latest(limit)) if (this.known(slot)) yield slot;
  }

  forget(slot: number): void {
    if (this.known(slot)) this.#queues.leave(slot);
    this.open(slot);
  }

  /** What is known of a title, at `u`. */
  history(slot: number, u: number): History {
    return {
      counts: this.#scales.countsAfter(slot, Math.max(0, u - this.#rows[slot * ROW_DOUBLES + CHARGED_U]!)),
      lastAgeSeconds: Math.max(0, u - this.#lastU(slot)),
      firstAgeSeconds: Math.max(0, u - this.#rows[slot * ROW_DOUBLES + FIRST_U]!),
      gapSeconds: this.#floats[slot * ROW_FLOATS + GAP]!,
    };
  }

  /** Adds a history to what is known: counts are sums, so another node's, or an earlier life's, add up. */
  absorb(slot: number, history: History, u: number): void {
    const last = u - history.lastAgeSeconds;
    const first = u - history.firstAgeSeconds;
    if (this.known(slot)) {
      this.#charge(slot, u);
      this.#queues.leave(slot);
      this.#rows[slot * ROW_DOUBLES + FIRST_U] = Math.min(this.#rows[slot * ROW_DOUBLES + FIRST_U]!, first);
      this.#asked(slot, Math.max(this.#lastU(slot), last));
    } else {
      this.#rows[slot * ROW_DOUBLES + FIRST_U] = first;
      this.#floats[slot * ROW_FLOATS + GAP] = history.gapSeconds;
      this.#asked(slot, last);
    }
    this.#scales.absorb(slot, history.counts);
    this.#rows[slot * ROW_DOUBLES + CHARGED_U] = u;
    this.#enter(slot, recencyBin(u - this.#lastU(slot)));
  }

  /** Everything learned about all titles together, as one row of tables. */
  tables(): Float64Array[] {
    return [...this.#corrections.tables(), ...this.#scales.tables()];
  }

  /** The tables were changed from outside. */
  settle(): void {
    this.#corrections.settle();
  }

  #lastU(slot: number): number {
    return this.#rows[slot * ROW_DOUBLES + LAST_U]!;
  }

  #workOut(slot: number, u: number): void {
    const row = slot * ROW_DOUBLES;
    if (!this.known(slot)) return;
    const past = u - this.#rows[row + CHARGED_U]!;
    this.#rows[row + RATE] = this.#scales.foretold(slot, past) * this.#corrections.factor(slot);
    this.#rows[row + RATE_U] = u;
  }

  /** Sets the time of the last request. */
  #asked(slot: number, u: number): void {
    const row = slot * ROW_DOUBLES;
    this.#rows[row + LAST_U] = u;
    this.#spans[slot * ROW + GAP_SPAN] = spanBin(this.#floats[slot * ROW_FLOATS + GAP]!);
    this.#spans[slot * ROW + AGE_SPAN] = spanBin(u - this.#rows[row + FIRST_U]!);
  }

  /** Touches the first two titles of every queue in which one may be due, so that memory answers for all of them at once. */
  #fetch(u: number): void {
    const rows = this.#floats;
    let sum = 0;
    for (let bin = 0; bin < RECENCY_BINS - 1; bin++) {
      if (this.#dueU[bin]! > u) continue;
      const first = this.#queues.first(bin);
      if (first === NONE) continue;
      const next = this.#queues.after(first);
      sum += rows[first * ROW_FLOATS]! + (next === NONE ? 0 : rows[next * ROW_FLOATS]!);
    }
    this.fetched = sum;
  }

  /** Moves a title that is due from its recency cell to the next. */
  #move(slot: number, bin: number): void {
    this.#charge(slot, this.#lastU(slot) + EDGES[bin]!);
    this.#queues.leave(slot);
    this.#enter(slot, bin + 1);
  }

  #chargeInTurn(u: number): void {
    const rows = this.#rows;
    for (let left = CHARGED_PER_STEP; left > 0; left--) {
      const slot = this.#charged + 1 < this.#used ? this.#charged + 1 : 0;
      this.#charged = slot;
      const age = u - rows[slot * ROW_DOUBLES + LAST_U]!;
      // Never so when the title is not known.
      if (u - rows[slot * ROW_DOUBLES + CHARGED_U]! >= CHARGED_SHARE * age) this.#charge(slot, u);
    }
  }

  /** Brings the counts up to `u` and charges what they foretold on the way. */
  #charge(slot: number, u: number): void {
    const past = u - this.#rows[slot * ROW_DOUBLES + CHARGED_U]!;
    if (past <= 0) return;
    const mass = this.#scales.decay(slot, past, this.#corrections.factor(slot));
    this.#rows[slot * ROW_DOUBLES + CHARGED_U] = u;
    this.#corrections.expected(slot, mass);
  }

  /** Finds the cells of a title by its counts as they now are. */
  #describe(slot: number, recency: number): void {
    this.#scales.classify(slot, this.#spans[slot * ROW + AGE_SPAN]!);
    this.#corrections.describe(slot, recency, this.#scales);
    this.#rows[slot * ROW_DOUBLES + RATE_U] = Number.NaN;
  }

  #enter(slot: number, bin: number): void {
    if (slot >= this.#used) this.#used = slot + 1;
    this.#describe(slot, bin);
    if (this.#queues.first(bin) === NONE) this.#dueU[bin] = 0;
    this.#queues.enter(slot, bin);
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
