/** A token bucket: `perSecond` in the long run, `burst` at once. */
export class Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledMs: number;

  constructor(o: { perSecond: number; burst: number; nowMs: number }) {
    this.#perSecond = o.perSecond;
    this.#burst = o.burst;
    this.#tokens = o.burst;
    this.#filledMs = o.nowMs;
  }

  /** Takes one token. @returns false when there is none */
  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#filledMs) * this.#perSecond) / 1000);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until the next token, for an empty bucket. */
  get waitMs(): number {
    return Math.max(1, ((1 - this.#tokens) * 1000) / this.#perSecond);
  }
}
