import type { History } from './titles.js';

/**
 * What is left of titles that had to be forgotten: 28 bytes each, in a fixed table in which a newcomer takes the place
 * of whoever shares it. A title that comes back is not new.
 */
export class Ghosts {
  readonly #key: Uint32Array;
  readonly #count: Float32Array;
  readonly #gap: Float32Array;
  readonly #lastU: Float64Array;
  readonly #firstU: Float64Array;

  constructor(places: number) {
    this.#key = new Uint32Array(places);
    this.#count = new Float32Array(places);
    this.#gap = new Float32Array(places);
    this.#lastU = new Float64Array(places);
    this.#firstU = new Float64Array(places);
  }

  keep(key: number, history: History, u: number): void {
    const at = key % this.#key.length;
    this.#key[at] = key;
    this.#count[at] = history.counts.at(-1) ?? 0;
    this.#gap[at] = history.gapSeconds;
    this.#lastU[at] = u - history.lastAgeSeconds;
    this.#firstU[at] = u - history.firstAgeSeconds;
  }

  /** Takes a ghost out. Its counts are those of the slowest scale, decayed since its last request on the others. */
  take(key: number, u: number, halfLives: readonly number[]): History | undefined {
    const at = key % this.#key.length;
    const count = this.#count[at]!;
    if (this.#key[at] !== key || count === 0) return undefined;
    this.#count[at] = 0;
    const lastAgeSeconds = u - this.#lastU[at]!;
    return {
      counts: halfLives.map((h) => Math.min(count, count * 2 ** (-lastAgeSeconds / h))),
      lastAgeSeconds,
      firstAgeSeconds: u - this.#firstU[at]!,
      gapSeconds: this.#gap[at]!,
    };
  }
}
