/**
 * Shortest way from one RTP timestamp to another, in clock ticks. Positive: `toTicks` is later. Exactly half a turn
 * away counts as earlier. Either argument may also be an unwrapped one.
 *
 * Source: RFC 3550 section 5.1 (32 bits).
 * @returns -2147483648..2147483647
 */
export function timestampDelta(fromTicks: number, toTicks: number): number {
  return (toTicks - fromTicks) | 0;
}

/**
 * The 32 bits that go on the wire for an unwrapped timestamp.
 * @param ticks any safe integer, also negative
 * @returns 0..4294967295
 */
export function wrapTimestamp(ticks: number): number {
  return ticks >>> 0;
}

/**
 * Extends 32-bit timestamps to integers that do not wrap. The first one is taken as it is; each later one is placed by
 * the shortest way from its predecessor, so B-frames step back and a timestamp before a first one near zero is negative.
 */
export class TimestampUnwrapper {
  #lastTicks = 0;
  #started = false;

  /** @param timestampTicks 0..4294967295 */
  unwrap(timestampTicks: number): number {
    if (this.#started) {
      this.#lastTicks += timestampDelta(this.#lastTicks, timestampTicks);
    } else {
      this.#started = true;
      this.#lastTicks = timestampTicks;
    }
    return this.#lastTicks;
  }
}
