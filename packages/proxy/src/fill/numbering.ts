import { sequenceDelta } from '@forebay/rtp';

/** Steps of so many packets forward, or back, begin another numbering. Source: RFC 3550 appendix A.1. */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;

/** The sequence numbers of one stream of one origin session. */
export class Numbering {
  #last: number | undefined;

  /**
   * Takes the next packet.
   * @returns how many packets were lost before it; 1 where the numbers begin anew, since nobody knows what is missing
   * there; negative: it comes late or twice
   */
  take(sequence: number): number {
    const step = this.#last === undefined ? 1 : sequenceDelta(this.#last, sequence);
    if (step <= 0 && step > -MAX_MISORDER) return -1;
    this.#last = sequence;
    return step > 0 && step <= MAX_DROPOUT ? step - 1 : 1;
  }
}
