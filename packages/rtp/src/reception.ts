import type { ReportBlock } from './rtcp.js';
import { sequenceDelta, wrapSequence } from './sequence.js';
import { timestampDelta } from './timestamp.js';

/** Forward jumps of this many packets or more are not loss but another sequence. Source: RFC 3550 appendix A.1. */
const MAX_DROPOUT = 3000;
/** Packets this late or later are not reordering but another sequence. Source: RFC 3550 appendix A.1. */
const MAX_MISORDER = 100;
/** Share of a new difference in the jitter. Source: RFC 3550 section 6.4.1. */
const JITTER_GAIN = 1 / 16;
const NONE = -1;

/**
 * Reception statistics of one source: loss, jitter, and the report block that tells the sender.
 *
 * A sequence begins with the second of two packets in order. A jump of 3000 packets or more forward, or of 100 or more
 * back, is a restart only when the number after it comes too; a stray packet changes nothing. The totals go on over
 * restarts.
 *
 * Source: RFC 3550 section 6.4.1, appendix A.1 (sequence), A.3 (loss), A.8 (jitter).
 */
export class Reception {
  readonly #ssrc: number;
  readonly #ticksPerMs: number;
  /** The number that would begin another sequence; NONE while nothing has pointed to one. */
  #candidate = NONE;
  /** First and highest extended number of the present sequence; NONE before there is one. */
  #base = NONE;
  #highest = NONE;
  #expectedBefore = 0;
  #received = 0;
  #expectedReported = 0;
  #receivedReported = 0;
  #jitterTicks = 0;
  #lastTimestampTicks = 0;
  /** NaN before the first packet of a sequence: a field that is always a number is updated without allocation. */
  #lastArrivalMs = Number.NaN;
  #lastSr = 0;
  #lastSrArrivalMs = 0;

  /**
   * @param source.clockRate ticks per second of the stream's timestamps
   * @throws RangeError if the clock rate is not a positive number
   */
  constructor(source: { ssrc: number; clockRate: number }) {
    if (!(source.clockRate > 0 && Number.isFinite(source.clockRate))) {
      throw new RangeError(`clock rate ${source.clockRate}`);
    }
    this.#ssrc = source.ssrc;
    this.#ticksPerMs = source.clockRate / 1000;
  }

  /** Packets that counted. Duplicates count, as RFC 3550 has it. */
  get received(): number {
    return this.#received;
  }

  /** Packets missing so far, at least 0. Falls again when a late one arrives. */
  get lost(): number {
    return Math.max(0, this.#expected - this.#received);
  }

  get #expected(): number {
    return this.#base === NONE ? 0 : this.#expectedBefore + this.#highest - this.#base + 1;
  }

  /**
   * Counts one packet. Costs no allocation.
   * @param sequence 0..65535
   * @param timestampTicks 0..4294967295
   * @param arrivalMs any clock that does not step
   * @returns false if the packet does not count: nothing is known of the source yet, or it is far from its sequence
   */
  packet(sequence: number, timestampTicks: number, arrivalMs: number): boolean {
    if (!this.#place(sequence)) return false;
    this.#received += 1;
    if (!Number.isNaN(this.#lastArrivalMs)) {
      const elapsedTicks = (arrivalMs - this.#lastArrivalMs) * this.#ticksPerMs;
      const difference = Math.abs(elapsedTicks - timestampDelta(this.#lastTimestampTicks, timestampTicks));
      this.#jitterTicks += (difference - this.#jitterTicks) * JITTER_GAIN;
    }
    this.#lastTimestampTicks = timestampTicks;
    this.#lastArrivalMs = arrivalMs;
    return true;
  }

  /** True if the packet belongs to the present sequence, or makes the candidate the present one. */
  #place(sequence: number): boolean {
    if (this.#base !== NONE) {
      const delta = sequenceDelta(wrapSequence(this.#highest), sequence);
      if (delta > -MAX_MISORDER && delta < MAX_DROPOUT) {
        if (delta > 0) this.#highest += delta;
        return true;
      }
    }
    if (sequence !== this.#candidate) {
      this.#candidate = wrapSequence(sequence + 1);
      return false;
    }
    this.#expectedBefore = this.#expected;
    this.#base = sequence;
    this.#highest = sequence;
    this.#candidate = NONE;
    this.#lastArrivalMs = Number.NaN;
    return true;
  }

  /** Notes a sender report, so that the next report can tell the sender the round trip. */
  senderReport(ntpSeconds: number, ntpFraction: number, arrivalMs: number): void {
    this.#lastSr = (((ntpSeconds & 0xffff) << 16) | (ntpFraction >>> 16)) >>> 0;
    this.#lastSrArrivalMs = arrivalMs;
  }

  /** The report block as of now; formatReceiverReport() fits it to its fields. The next fraction lost counts from here. */
  report(nowMs: number): ReportBlock {
    const expected = this.#expected;
    const expectedSince = expected - this.#expectedReported;
    const lostSince = expectedSince - (this.#received - this.#receivedReported);
    this.#expectedReported = expected;
    this.#receivedReported = this.#received;
    return {
      ssrc: this.#ssrc,
      fractionLost: lostSince > 0 ? Math.floor((lostSince * 256) / expectedSince) : 0,
      cumulativeLost: expected - this.#received,
      highestSequence: this.#base === NONE ? 0 : this.#highest >>> 0,
      jitterTicks: Math.floor(this.#jitterTicks),
      lastSr: this.#lastSr,
      delaySinceLastSr: this.#lastSr === 0 ? 0 : Math.round((nowMs - this.#lastSrArrivalMs) * 65.536),
    };
  }
}
