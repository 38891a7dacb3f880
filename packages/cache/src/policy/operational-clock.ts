/** A silence longer than this counts as this long in the mean rate: a clock jump or an outage is not a quiet year. */
const LONGEST_SILENCE_SECONDS = 3600;
const MEAN_RATE_SECONDS = 7 * 86_400;
/** Sessions over which the present rate is averaged. */
const PRESENT_SESSIONS = 200;
const FASTEST = 20;
const SLOWEST = 0.05;

/**
 * Time measured in demand: it advances by `1 / mean session rate` with every session. An hour of it holds as many sessions as
 * a mean hour, at noon and at night alike, so that "recent" never comes to mean "in the evening", and a clock that jumps ages nothing.
 */
export class OperationalClock {
  /** Operational time, in seconds. */
  u = 0;
  /** Present session rate over mean session rate: how fast operational time runs against the wall. */
  speed = 1;
  #sessions = 1;
  #seconds = 60;
  #gapSeconds = 60;
  #seen = 0;
  #nowSeconds = Number.NaN;
  readonly #operational: boolean;

  /** @param operational false: the wall clock, for comparison. */
  constructor(operational = true) {
    this.#operational = operational;
  }

  /** A session began. A clock that goes back counts as one that stands. */
  session(nowSeconds: number): void {
    const elapsed = nowSeconds - this.#nowSeconds;
    const gap = elapsed > 0 ? Math.min(elapsed, LONGEST_SILENCE_SECONDS) : 0;
    this.#nowSeconds = nowSeconds;
    const keep = Math.exp(-gap / MEAN_RATE_SECONDS);
    this.#sessions = this.#sessions * keep + 1;
    this.#seconds = this.#seconds * keep + gap;
    this.#seen += 1;
    this.#gapSeconds += (gap - this.#gapSeconds) / Math.min(this.#seen + 1, PRESENT_SESSIONS);
    const meanGap = this.#seconds / this.#sessions;
    this.u += this.#operational ? meanGap : gap;
    if (!this.#operational) return;
    this.speed = Math.min(FASTEST, Math.max(SLOWEST, meanGap / Math.max(this.#gapSeconds, 1e-6)));
  }

  /** The numbers that make the clock, for a saved state. */
  save(): number[] {
    return [this.u, this.speed, this.#sessions, this.#seconds, this.#gapSeconds, this.#seen];
  }

  restore(saved: readonly number[]): void {
    const [u = 0, speed = 1, sessions = 1, seconds = 60, gapSeconds = 60, seen = 0] = saved;
    this.u = u;
    this.speed = speed;
    this.#sessions = sessions;
    this.#seconds = seconds;
    this.#gapSeconds = gapSeconds;
    this.#seen = seen;
    this.#nowSeconds = Number.NaN;
  }
}
