/**
 * Shortest way from one RTP sequence number to another, in packets.
 * Positive: `to` is newer. Exactly half a turn away counts as older.
 *
 * Source: RFC 3550 section 5.1 (16 bits), RFC 1982 section 3.2 (serial number arithmetic).
 * @param from 0..65535
 * @param to 0..65535
 * @returns -32768..32767
 */
export function sequenceDelta(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/**
 * The 16 bits that go on the wire for an extended sequence number.
 * @param extended any safe integer, also negative
 * @returns 0..65535
 */
export function wrapSequence(extended: number): number {
  return extended & 0xffff;
}

/**
 * Extends 16-bit sequence numbers to integers that do not wrap. The first one is taken as it is; each later one is
 * placed by the shortest way from its predecessor, so a late packet gets a smaller number (below zero if it is older
 * than a first packet near zero).
 *
 * Source: RFC 3550 appendix A.1 (extended sequence numbers).
 */
export class SequenceUnwrapper {
  #last = -1;
  #started = false;

  /** @param sequence 0..65535 */
  unwrap(sequence: number): number {
    if (this.#started) {
      this.#last += sequenceDelta(wrapSequence(this.#last), sequence);
    } else {
      this.#started = true;
      this.#last = sequence;
    }
    return this.#last;
  }
}
