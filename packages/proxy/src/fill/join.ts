import type { PacketRun } from '@forebay/cache';
import { timestampDelta } from '@forebay/rtp';

/** Matches in a row that make a join certain; fewer count where the held tail is shorter. */
const CERTAIN_MATCHES = 3;
/** A single packet matches only this close to where the origin's own words put it: silence looks the same everywhere. */
const SEARCH_SECONDS = 3;
/** Two clocks advance alike when a step differs by less: live555 rounds by a tick or two. */
const STEADY_SECONDS = 0.0005;
/** A run of matches proves that a session plays as others did when it is as long as this, or as this share of a short tail. */
const PROOF_SECONDS = 1;
const PROOF_SHARE = 0.8;
/** So many packets that lie in the held tail by time, and not one of which is in it, are of another title. */
const STRANGE_PACKETS = 8;
/** Only this much of the held tail can be matched: longer than any usual GOP. */
const MAX_TAIL_PACKETS = 16_384;

/** The newest packets of one stream that are held before a seam, in order. */
export interface Tail {
  readonly clockRate: number;
  /** Fingerprints: crc32 of marker bit and payload. */
  readonly hashes: readonly number[];
  /** Media time, ticks since NPT 0, unwrapped. */
  readonly ticks: readonly number[];
  /** Where the packet after the tail is expected, ticks. */
  readonly endTicks: number;
}

/** The tail of `stream` in consecutive runs. `endTicks` is where the stream goes on after them. */
export function tailOf(
  runs: readonly PacketRun[],
  stream: number,
  clockRate: number,
  endTicks: number,
): Tail {
  const hashes: number[] = [];
  const ticks: number[] = [];
  let last = endTicks;
  for (const run of runs.toReversed()) {
    for (let i = run.count - 1; i >= 0 && hashes.length < MAX_TAIL_PACKETS; i--) {
      if (run.streams[i] !== stream) continue;
      last += timestampDelta(last % 2 ** 32, run.bytes.readUInt32BE(run.offsets[i]! + 8));
      hashes.push(run.hashes[i]!);
      ticks.push(last);
    }
  }
  return { clockRate, hashes: hashes.toReversed(), ticks: ticks.toReversed(), endTicks };
}

/** What a packet is to a join: still before the seam, or the first beyond it, found by content or only by time. */
export type JoinVerdict = 'before' | 'content' | 'time';

/**
 * Joins one stream of a new origin session to the held media before it, by content: two plays of one title give the same
 * payloads, so the packets of the overlap are found in the held tail, and the one after its last packet is the first to keep.
 * Where nothing matches, time decides.
 */
export class StreamJoin {
  readonly #tail: Tail;
  readonly #positions = new Map<number, number[]>();
  #at = -1;
  #matches = 0;
  #offsetTicks = 0;
  #steady = false;
  #lastHeldTicks = 0;
  #lastTicks = 0;
  /** Held time over which the last matches advanced as the held packets do, without one left out. */
  #evenTicks = 0;
  #strangers = 0;

  constructor(tail: Tail) {
    this.#tail = tail;
    tail.hashes.forEach((hash, i) => {
      const list = this.#positions.get(hash);
      if (list === undefined) this.#positions.set(hash, [i]);
      else list.push(i);
    });
  }

  /** Ticks to add to a packet's own time to get the held media's time; 0 until something matched. */
  get offsetTicks(): number {
    return this.#offsetTicks;
  }

  /**
   * What came before the seam was, packet for packet, what is held there, at the same distances of time: over a second at
   * least, or over all that is held.
   */
  get isProven(): boolean {
    const { ticks, clockRate } = this.#tail;
    const heldTicks = (ticks.at(-1) ?? 0) - (ticks[0] ?? 0);
    const least = Math.min(PROOF_SECONDS * clockRate, PROOF_SHARE * heldTicks);
    return this.#at === ticks.length - 1 && this.#evenTicks >= least && this.#sure();
  }

  /** Nothing of what came before the seam is what is held there. */
  get isStrange(): boolean {
    return this.#at < 0 && this.#strangers >= STRANGE_PACKETS;
  }

  /** A packet like this is in the held tail. */
  holds(hash: number): boolean {
    return this.#positions.has(hash);
  }

  /**
   * Judges the next packet of the stream.
   * @param hash crc32 of marker bit and payload
   * @param ticks its media time as the origin's words have it, ticks since NPT 0
   * @param randomAccessOnly a join by time must wait for a random access point, and this packet begins none
   */
  judge(hash: number, ticks: number, randomAccessOnly: boolean): JoinVerdict {
    const tail = this.#tail;
    const lastIndex = tail.hashes.length - 1;
    if (this.#at === lastIndex && lastIndex >= 0 && this.#sure()) return 'content';
    if (this.#at >= 0 && tail.hashes[this.#at + 1] === hash) {
      this.#match(this.#at + 1, ticks);
      return 'before';
    }
    const found = this.#search(hash, ticks);
    if (found >= 0) {
      this.#matches = 0;
      this.#match(found, ticks);
      return 'before';
    }
    if (this.#at === lastIndex && lastIndex >= 0) return 'content';
    const beyond = ticks + this.#offsetTicks >= tail.endTicks - 1;
    if (!beyond && ticks >= (tail.ticks[0] ?? Infinity) && !this.#positions.has(hash)) this.#strangers++;
    return beyond && !randomAccessOnly ? 'time' : 'before';
  }

  #sure(): boolean {
    return this.#matches >= Math.min(CERTAIN_MATCHES, this.#tail.hashes.length);
  }

  /**
   * The offset is taken where held time and the packets' time advance alike from one access unit to the next: after a seek
   * GStreamer gives the first packets one clamped timestamp, from which nothing can be learned.
   */
  #match(index: number, ticks: number): void {
    const held = this.#tail.ticks[index]!;
    const heldStep = held - this.#lastHeldTicks;
    const isEven = Math.abs(heldStep - (ticks - this.#lastTicks)) <= STEADY_SECONDS * this.#tail.clockRate;
    this.#evenTicks = this.#matches > 0 && isEven ? this.#evenTicks + Math.max(0, heldStep) : 0;
    if (this.#matches === 0) {
      if (!this.#steady) this.#offsetTicks = held - ticks;
    } else if (heldStep !== 0 && isEven) {
      this.#steady = true;
      this.#offsetTicks = held - ticks;
    } else if (!this.#steady) {
      this.#offsetTicks = held - ticks;
    }
    this.#lastHeldTicks = held;
    this.#lastTicks = ticks;
    this.#at = index;
    this.#matches++;
  }

  /** The held packet with this fingerprint nearest to `ticks`. */
  #search(hash: number, ticks: number): number {
    let best = -1;
    let bestDistance = SEARCH_SECONDS * this.#tail.clockRate;
    for (const i of this.#positions.get(hash) ?? []) {
      const distance = Math.abs(this.#tail.ticks[i]! - ticks);
      if (distance <= bestDistance) {
        best = i;
        bestDistance = distance;
      }
    }
    return best;
  }
}
