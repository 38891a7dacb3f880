import type { Workload } from '../workload.js';
import type { RivalFactory } from './rival.js';
import { Sampled } from './sampled.js';
import { Trees } from './trees.js';

const GAPS = 6;
const COUNTS = 4;
const FEATURES = 1 + GAPS + COUNTS;
const BATCH = 32_768;
const MOST_FITS = 24;
const FREE = -1;

/**
 * Learned relaxed Belady: boosted trees foretell the logarithm of the time to the next request from the age, the last gaps and decayed
 * counts; of 32 samples the one foretold farthest leaves. Source: Song, Berger, Li, Lloyd, NSDI 2020; memory window of eight capacities, our own
 * trees; a held segment is foretold again when a sixteenth of its foretold time has passed.
 */
class LearnedBelady extends Sampled {
  readonly #w: Workload;
  readonly #trees = new Trees(FEATURES);
  readonly #last: Int32Array;
  readonly #gaps: Uint8Array;
  readonly #counts: Float32Array;
  readonly #foretoldAt: Int32Array;
  readonly #foretold: Float32Array;
  /** Sample that waits for the segment's next request. */
  readonly #waiting: Int32Array;
  readonly #rows = new Uint8Array(BATCH * FEATURES);
  readonly #targets = new Float32Array(BATCH);
  readonly #takenAt = new Int32Array(BATCH);
  readonly #sampleOf = new Int32Array(BATCH);
  readonly #row = new Uint8Array(FEATURES);
  readonly #window: number;
  readonly #every: number;
  #taken = 0;

  constructor(w: Workload, capacity: number) {
    super(w.titleOf.length, capacity, 32);
    const ids = w.titleOf.length;
    this.#w = w;
    this.#window = 8 * capacity;
    this.#every = Math.max(1, Math.floor(w.segment.length / (BATCH * MOST_FITS)));
    this.#last = new Int32Array(ids).fill(FREE);
    this.#gaps = new Uint8Array(ids * GAPS);
    this.#counts = new Float32Array(ids * COUNTS);
    this.#foretoldAt = new Int32Array(ids);
    this.#foretold = new Float32Array(ids);
    this.#waiting = new Int32Array(ids).fill(FREE);
  }

  protected used(id: number, index: number): void {
    const sample = this.#waiting[id]!;
    if (sample !== FREE) {
      this.#targets[sample] = Math.log2(1 + index - this.#takenAt[sample]!);
      this.#waiting[id] = FREE;
    }
    const last = this.#last[id]!;
    if (last !== FREE) {
      this.#gaps.copyWithin(id * GAPS + 1, id * GAPS, id * GAPS + GAPS - 1);
      this.#gaps[id * GAPS] = logBin(index - last);
    }
    for (let j = 0; j < COUNTS; j++) {
      const kept = last === FREE ? 0 : this.#counts[id * COUNTS + j]! * this.#decay(j, index - last);
      this.#counts[id * COUNTS + j] = kept + 1;
    }
    this.#last[id] = index;
    this.#foretell(id, index);
    if (index % this.#every === 0) this.#sample(index);
  }

  protected worth(id: number, index: number): number {
    const passed = index - this.#foretoldAt[id]!;
    if (passed > this.#foretold[id]! / 16) this.#foretell(id, index);
    return -(this.#foretoldAt[id]! + this.#foretold[id]!);
  }

  #decay(scale: number, gap: number): number {
    return 2 ** (-gap / (this.#window / 4 ** scale));
  }

  #foretell(id: number, index: number): void {
    this.#foretoldAt[id] = index;
    if (!this.#trees.ready) {
      this.#foretold[id] = 0;
      return;
    }
    this.#describe(id, index, this.#row, 0);
    this.#foretold[id] = 2 ** this.#trees.predict(this.#row, 0);
  }

  #describe(id: number, index: number, rows: Uint8Array, at: number): void {
    const age = index - this.#last[id]!;
    rows[at] = logBin(age);
    for (let g = 0; g < GAPS; g++) rows[at + 1 + g] = this.#gaps[id * GAPS + g]!;
    for (let j = 0; j < COUNTS; j++) {
      rows[at + 1 + GAPS + j] = Math.min(
        63,
        Math.floor(6 * Math.log2(1 + this.#counts[id * COUNTS + j]! * this.#decay(j, age))),
      );
    }
  }

  /** Takes a segment asked for within the window, at whatever age it now has, as an example. */
  #sample(index: number): void {
    const id = this.#w.segment[index - this.random.below(Math.min(index + 1, this.#window))]!;
    if (this.#waiting[id] !== FREE || this.#last[id] === FREE) return;
    if (this.#taken === BATCH) this.#fit(index);
    const sample = this.#taken++;
    this.#describe(id, index, this.#rows, sample * FEATURES);
    this.#takenAt[sample] = index;
    this.#sampleOf[sample] = id;
    this.#targets[sample] = -1;
    this.#waiting[id] = sample;
  }

  #fit(index: number): void {
    for (let s = 0; s < BATCH; s++) {
      if (this.#targets[s]! >= 0) continue;
      this.#targets[s] = Math.log2(2 * this.#window + index - this.#takenAt[s]!);
      this.#waiting[this.#sampleOf[s]!] = FREE;
    }
    this.#trees.fit(this.#rows, this.#targets, BATCH);
    this.#taken = 0;
  }
}

function logBin(gap: number): number {
  return Math.min(63, Math.floor(2.5 * Math.log2(1 + gap)));
}

export const lrb: RivalFactory = (w, capacity) => new LearnedBelady(w, capacity);
