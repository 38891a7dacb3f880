/** Positions within a title at which viewers are counted. Bin b begins at the share (b / BINS)^2 of the title: narrow where viewers leave most. */
export const REACH_BINS = 32;
const CLASSES = 8;
/** Viewers' worth of trust in titles of like length. */
const PRIOR_VIEWERS = 4;
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
  #reached: Float32Array;
  #viewers: Float32Array;
  #duration: Float32Array;
  #class: Uint8Array;
  readonly #classReached = new Float64Array(CLASSES * REACH_BINS);
  readonly #classViewers = new Float64Array(CLASSES);

  constructor(slots: number) {
    this.#reached = new Float32Array(slots * REACH_BINS);
    this.#viewers = new Float32Array(slots);
    this.#duration = new Float32Array(slots);
    this.#class = new Uint8Array(slots);
    for (let k = 0; k < CLASSES; k++) {
      // Until something is known: half the viewers stay for half of it.
      this.#classViewers[k] = 1;
      for (let b = 0; b < REACH_BINS; b++)
        this.#classReached[k * REACH_BINS + b] = 1 - 0.9 * (b / REACH_BINS);
    }
  }

  open(slot: number, durationSeconds: number): void {
    this.#duration[slot] = durationSeconds;
    this.#class[slot] = lengthClass(durationSeconds);
    this.#viewers[slot] = 0;
    this.#reached.fill(0, slot * REACH_BINS, (slot + 1) * REACH_BINS);
  }

  /** Where `seconds` lies on the axis of bins, 0..REACH_BINS. */
  axis(slot: number, seconds: number): number {
    const share = seconds / this.#duration[slot]!;
    return share <= 0 ? 0 : share >= 1 ? REACH_BINS : REACH_BINS * Math.sqrt(share);
  }

  /** One more viewer of the title. */
  viewer(slot: number, weight: number): void {
    const k = this.#class[slot]!;
    this.#viewers[slot]! += weight;
    this.#classViewers[k]! += weight;
    if (this.#viewers[slot]! > TITLE_VIEWERS) {
      this.#viewers[slot]! /= 2;
      for (let i = slot * REACH_BINS; i < (slot + 1) * REACH_BINS; i++) this.#reached[i]! /= 2;
    }
    if (this.#classViewers[k]! > CLASS_VIEWERS) {
      this.#classViewers[k]! /= 2;
      for (let i = k * REACH_BINS; i < (k + 1) * REACH_BINS; i++) this.#classReached[i]! /= 2;
    }
  }

  /** A viewer got from bin `from` up to but not into bin `to`. */
  passed(slot: number, from: number, to: number, weight: number): void {
    const k = this.#class[slot]! * REACH_BINS;
    const base = slot * REACH_BINS;
    for (let b = from; b < to; b++) {
      this.#reached[base + b]! += weight;
      this.#classReached[k + b]! += weight;
    }
  }

  /**
   * Share of the title's viewers who are delivered the media between two positions (in seconds).
   * Cost: a square root or two and a few reads.
   */
  share(slot: number, startSeconds: number, endSeconds: number): number {
    const start = this.axis(slot, startSeconds);
    const whole = Math.ceil(start);
    if (whole < REACH_BINS && whole < this.axis(slot, endSeconds)) return this.#at(slot, whole);
    const low = Math.min(REACH_BINS - 1, Math.floor(start));
    const high = Math.min(REACH_BINS - 1, low + 1);
    const part = Math.min(1, start - low);
    return (1 - part) * this.#at(slot, low) + part * this.#at(slot, high);
  }

  #at(slot: number, bin: number): number {
    const k = this.#class[slot]!;
    const prior = this.#classReached[k * REACH_BINS + bin]! / this.#classViewers[k]!;
    const share =
      (PRIOR_VIEWERS * prior + this.#reached[slot * REACH_BINS + bin]!) /
      (PRIOR_VIEWERS + this.#viewers[slot]!);
    return share < NOTHING ? NOTHING : share;
  }
}
