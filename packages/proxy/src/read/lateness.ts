/** Media that came later than this was missing: a gap. */
const GAP_MICROS = 250_000;
/**
 * What is late by less follows in a burst, and the viewer stays on its time: GStreamer leaves at the announced end by its
 * own clock, whatever is still to come. After a longer gap the clock of the reader is set back.
 */
const CATCH_UP_MICROS = 2_000_000;

/** Media that is due and not there. */
export class Lateness {
  #starvedSinceMs: number | undefined;
  /** How late media is, as far as it was counted as a gap. */
  #countedMicros = 0;

  /** Media that is due is missing. @returns for how long, milliseconds */
  starve(nowMs: number): number {
    this.#starvedSinceMs ??= nowMs;
    return nowMs - this.#starvedSinceMs;
  }

  /** Nothing is missing; with `isAhead` what comes next is not due yet. */
  satisfy(isAhead: boolean): void {
    if (isAhead) this.#countedMicros = 0;
    this.#starvedSinceMs = undefined;
  }

  /** The clock was set anew. */
  reset(): void {
    this.#countedMicros = 0;
    this.#starvedSinceMs = undefined;
  }

  /**
   * Media came that is late by `lateMicros`.
   * @returns how much of that is a gap that was not counted yet, and whether it is too much to catch up with;
   * undefined when nothing was missing
   */
  resume(lateMicros: number): { readonly gapMicros: number; readonly isTooLate: boolean } | undefined {
    if (this.#starvedSinceMs === undefined) return undefined;
    this.#starvedSinceMs = undefined;
    const moreMicros = lateMicros - this.#countedMicros;
    if (lateMicros < GAP_MICROS / 2) this.#countedMicros = 0;
    const isGap = lateMicros >= GAP_MICROS / 2 && moreMicros >= GAP_MICROS;
    if (isGap) this.#countedMicros = lateMicros;
    return { gapMicros: isGap ? moreMicros : 0, isTooLate: lateMicros >= CATCH_UP_MICROS };
  }
}
