import type { OriginError, OriginErrorCode } from '../origin/errors.js';

/** Back-off between tries after a fault, milliseconds. Live viewers are back soon after their origin. */
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 8000;
const LIVE_RETRY_FIRST_MS = 250;
const LIVE_RETRY_MAX_MS = 500;
/** A flight that lasted this long resets the back-off. */
const HEALTHY_MS = 5000;
/** Errors that say something about the place that was asked for, and nothing about others (RFC 2326 section 11.3.8: 457). */
const OF_A_PLACE: ReadonlySet<OriginErrorCode | undefined> = new Set(['range']);
/** Errors that may be about the place, or about the title: of the title once another place fails like that. */
const OF_A_PLACE_AT_FIRST: ReadonlySet<OriginErrorCode | undefined> = new Set(['refused', 'not-found']);
/** What fails so near to another place fails for the same reason. */
const NEAR_MICROS = 4_000_000;
/** Places that are remembered, and for how long after the next try was due. */
const MOST_PLACES = 32;
const REMEMBERED_MS = 60_000;

interface Setback {
  readonly micros: number;
  faults: number;
  retryAtMs: number;
  error: OriginError | undefined;
}

/** A flight that brought nothing, or failed. */
export interface Failure {
  /** NPT from which it was to bring what it did not. */
  readonly micros: number;
  readonly error: OriginError | undefined;
  /** False: it ended as it should, but brought nothing. */
  readonly isFault: boolean;
  readonly lastedMs: number;
  readonly nowMs: number;
}

/**
 * When the origin may be asked again for a title, or for a place of it, after flights have failed: one viewer who seeks where nothing can be had
 * must not keep all others waiting.
 */
export class Setbacks {
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #title: Setback = { micros: 0, faults: 0, retryAtMs: 0, error: undefined };
  #places: Setback[] = [];

  constructor(isLive: boolean) {
    this.#firstMs = isLive ? LIVE_RETRY_FIRST_MS : RETRY_FIRST_MS;
    this.#mostMs = isLive ? LIVE_RETRY_MAX_MS : RETRY_MAX_MS;
  }

  /** The last fault of the title as a whole, or of a place of it; undefined when all goes well. */
  get lastError(): OriginError | undefined {
    return this.ofTitle ?? this.#places.findLast(({ error }) => error !== undefined)?.error;
  }

  /** The fault for which no place of the title can be had. */
  get ofTitle(): OriginError | undefined {
    return this.#title.faults > 0 ? this.#title.error : undefined;
  }

  /** The title as a whole is to be asked for again. */
  get isOfTitle(): boolean {
    return this.#title.faults > 0;
  }

  /** NPT of the places that are to be asked for again. */
  get places(): readonly number[] {
    return this.#places.map(({ micros }) => micros);
  }

  /** Why the origin is not asked for NPT `micros` now; undefined: it may be. */
  against(micros: number, nowMs: number): { readonly error: OriginError | undefined } | undefined {
    const place = this.#placeAt(micros);
    const setback = nowMs < this.#title.retryAtMs ? this.#title : place;
    return setback !== undefined && nowMs < setback.retryAtMs ? { error: setback.error } : undefined;
  }

  failed(failure: Failure): void {
    const { micros, error, isFault, nowMs } = failure;
    this.#forget(nowMs);
    const known = this.#placeAt(micros);
    const isOfPlace =
      !isFault ||
      OF_A_PLACE.has(error?.code) ||
      (OF_A_PLACE_AT_FIRST.has(error?.code) &&
        !this.#places.some((place) => place !== known && place.error?.code === error?.code));
    this.#push(isOfPlace ? (known ?? this.#newPlace(micros)) : this.#title, failure);
  }

  /** A flight brought media from NPT `fromMicros` to `toMicros`: what is held has changed, and whoever found nothing to bring may find it now. */
  succeeded(fromMicros: number, toMicros: number): void {
    this.#title.faults = 0;
    this.#places = this.#places.filter(
      ({ micros, error }) =>
        error !== undefined && (micros < fromMicros - NEAR_MICROS || micros > toMicros + NEAR_MICROS),
    );
  }

  #push(setback: Setback, { error, lastedMs, nowMs }: Failure): void {
    if (lastedMs > HEALTHY_MS) setback.faults = 0;
    setback.faults++;
    setback.error = error;
    setback.retryAtMs = nowMs + Math.min(this.#mostMs, this.#firstMs * 2 ** (setback.faults - 1));
  }

  /** What the title as a whole has gone through counts here too. */
  #newPlace(micros: number): Setback {
    const place: Setback = { micros, faults: this.#title.faults, retryAtMs: 0, error: undefined };
    this.#places.push(place);
    if (this.#places.length > MOST_PLACES) this.#places.shift();
    return place;
  }

  #placeAt(micros: number): Setback | undefined {
    return this.#places.find((place) => isNear(place.micros, micros));
  }

  #forget(nowMs: number): void {
    this.#places = this.#places.filter(({ retryAtMs }) => nowMs < retryAtMs + REMEMBERED_MS);
  }
}

/** Whether what failed at one NPT, in microseconds, says something about another. */
export function isNear(aMicros: number, bMicros: number): boolean {
  return Math.abs(aMicros - bMicros) <= NEAR_MICROS;
}
