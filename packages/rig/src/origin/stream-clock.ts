import { randomInt } from 'node:crypto';
import { wrapTimestamp } from '@forebay/rtp';

const TWO_32 = 2 ** 32;

/** Sequence numbers and timestamps of one stream of one session; all three bases are random (RFC 3550 section 5.1). */
export class StreamClock {
  readonly clockRate: number;
  readonly ssrc = randomInt(1, TWO_32);
  /** Of the next packet, 0 to 65535. */
  sequence = randomInt(2 ** 16);
  packetCount = 0;
  octetCount = 0;
  /** Audio packets that still get the timestamp of the start. */
  clampedLeft = 0;
  readonly #baseTicks = randomInt(TWO_32);
  /** Timestamp of NPT 0. */
  #offsetTicks = this.#baseTicks;

  constructor(clockRate: number) {
    this.clockRate = clockRate;
  }

  /** Timestamp of a moment of the title, 0 to 2^32 - 1. @param ticks after NPT 0 */
  timestamp(ticks: number): number {
    return wrapTimestamp(this.#offsetTicks + Math.round(ticks));
  }

  timestampAt(seconds: number): number {
    return this.timestamp(seconds * this.clockRate);
  }

  /** What comes next begins at `toSeconds` and follows `fromSeconds` without a jump of timestamps. */
  jump(fromSeconds: number, toSeconds: number): void {
    this.#offsetTicks += Math.round((fromSeconds - toSeconds) * this.clockRate);
  }

  /** What comes next begins at `toSeconds` with the session's first timestamp. */
  reset(toSeconds: number): void {
    this.#offsetTicks = this.#baseTicks - Math.round(toSeconds * this.clockRate);
  }

  /** Takes the next sequence number. */
  next(): number {
    const { sequence } = this;
    this.sequence = (sequence + 1) & 0xffff;
    return sequence;
  }
}
