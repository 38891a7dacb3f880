/** Positions within a title at which viewers are counted. Bin b begins at the share (b / BINS)^2 of the title: narrow where viewers leave most. */
export const REACH_BINS = 32;
const CLASSES = 8;
/** Viewers' worth of trust in titles of like length. */
const PRIOR_VIEWERS = 4;
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
  readonly #reached: Float32Array;
  readonly #viewers: Float32Array;
  readonly #duration: Float32Array;
  readonly #class: Uint8Array;
  readonly #classReached = new Float64Array(CLASSES * REACH_BINS);
  readonly #classViewers = new Float64Array(CLASSES);
  /** Shares of titles that the viewers of a class watched, summed. */
  readonly #classWatched = new Float64Array(CLASSES);

  readonly #priorViewers: number;

  /** @param ofTitles false: all titles of like length share one curve, for comparison. */
  constructor(slots: number, ofTitles = true) {
    this.#priorViewers = ofTitles ? PRIOR_VIEWERS : ALL_PRIOR_VIEWERS;
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
      this.#classWatched[k]! /= 2;
      for (let i = k * REACH_BINS; i < (k + 1) * REACH_BINS; i++) this.#classReached[i]! /= 2;
    }
  }

  /** A viewer was delivered bins `from` up to but not including `to`. */
  passed(slot: number, bins: { readonly from: number; readonly to: number }, weight: number): void {
    const k = this.#class[slot]! * REACH_BINS;
    const base = slot * REACH_BINS;
    for (let b = bins.from; b < bins.to; b++) {
      this.#reached[base + b]! += weight;
      this.#classReached[k + b]! += weight;
      this.#classWatched[this.#class[slot]!]! += weight * binShare(b);
    }
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
    const low = Math.min(REACH_BINS - 1, Math.floor(point));
    const part = low === REACH_BINS - 1 ? 0 : point - low;
    const k = this.#class[slot]!;
    const alike = between(this.#classReached, k * REACH_BINS + low, part) / this.#classViewers[k]!;
    const share =
      (this.#priorViewers * alike + between(this.#reached, slot * REACH_BINS + low, part)) /
      (this.#priorViewers + this.#viewers[slot]!);
    return share < NOTHING ? NOTHING : share;
  }

  /** Seconds of the title that a viewer watches on average, by titles of like length. */
  watchedSeconds(slot: number): number {
    const k = this.#class[slot]!;
    return (this.#duration[slot]! * this.#classWatched[k]!) / this.#classViewers[k]!;
  }

  durationSeconds(slot: number): number {
    return this.#duration[slot]!;
  }

  /** The title's own viewers, and those of them that reached each bin. */
  watched(slot: number): Watched {
    return {
      viewers: this.#viewers[slot]!,
      reached: this.#reached.subarray(slot * REACH_BINS, (slot + 1) * REACH_BINS),
    };
  }

  /** Adds viewers counted elsewhere. */
  absorb(slot: number, watched: Watched): void {
    this.#viewers[slot]! += watched.viewers;
    for (let b = 0; b < REACH_BINS; b++) this.#reached[slot * REACH_BINS + b]! += watched.reached[b] ?? 0;
  }

  tables(): Float64Array[] {
    return [this.#classReached, this.#classViewers, this.#classWatched];
  }
}

function between(column: Float32Array | Float64Array, at: number, part: number): number {
  return part === 0 ? column[at]! : (1 - part) * column[at]! + part * column[at + 1]!;
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
