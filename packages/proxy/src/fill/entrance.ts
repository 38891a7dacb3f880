import { ROLE, timestampDelta } from '@forebay/rtp';
import { keepArrival, type Arrival } from './arrival.js';

const OUTLIER_SECONDS = 2;
const MAX_HELD_PACKETS = 4096;

export interface EntranceOptions {
  /** The session was asked to start inside the title: its first timestamps may be clamped. */
  readonly seek: boolean;
  readonly clockRates: readonly number[];
  readonly reference: number;
  /** RTP-Info and the packet agree. */
  confirms(p: Arrival, timestamp: number): boolean;
  role(p: Arrival): number;
}

interface Lane {
  open: boolean;
  timestamp: number;
  markers: number;
  readonly held: Arrival[];
}

/**
 * The first packets of a session that cannot be checked against held media. After a seek GStreamer repeats parameter sets,
 * and gives a whole group of pictures, or a few audio packets, one clamped timestamp; VLC sends one stale audio packet first.
 * Such packets are dropped: media begins where timestamps begin to advance.
 */
export class Entrance {
  readonly #o: EntranceOptions;
  readonly #lanes: Lane[];

  constructor(options: EntranceOptions) {
    this.#o = options;
    this.#lanes = options.clockRates.map(() => ({ open: false, timestamp: 0, markers: 0, held: [] }));
  }

  /** Packets of `stream` need no look any more. */
  opened(stream: number): boolean {
    return this.#lanes[stream]?.open ?? true;
  }

  /**
   * Takes the next packet of a stream and passes on what is fit to be placed, in order.
   * @param timestamp as the origin wrote it
   */
  admit(p: Arrival, timestamp: number, pass: (p: Arrival) => void): void {
    const lane = this.#lanes[p.stream];
    if (lane === undefined) return;
    if (lane.open) {
      pass(p);
      return;
    }
    if (lane.held.length === 0) {
      if (!this.#o.seek && this.#o.confirms(p, timestamp)) {
        lane.open = true;
        pass(p);
        return;
      }
      lane.timestamp = timestamp;
    } else if (timestamp !== lane.timestamp || !this.#o.seek) {
      this.#openLane(lane, p, timestamp, pass);
      return;
    }
    lane.markers += p.bytes[p.start + 1]! >>> 7;
    if (lane.held.length < MAX_HELD_PACKETS) lane.held.push(keepArrival(p));
  }

  #openLane(lane: Lane, p: Arrival, timestamp: number, pass: (p: Arrival) => void): void {
    lane.open = true;
    const video = p.stream === this.#o.reference && lane.markers > 0;
    const units = video ? lane.markers : lane.held.length;
    const rate = this.#o.clockRates[p.stream] ?? 90_000;
    const outlier = Math.abs(timestampDelta(lane.timestamp, timestamp)) > OUTLIER_SECONDS * rate;
    const clamped = this.#o.seek && units > 1;
    if (!clamped && !outlier) for (const held of this.#withoutRepeats(lane.held)) pass(held);
    lane.held.length = 0;
    pass(p);
  }

  /** Parameter sets that come twice in front of one picture count once, as in a play from the start. */
  #withoutRepeats(held: readonly Arrival[]): readonly Arrival[] {
    if (!this.#o.seek) return held;
    return held.filter(
      (p, i) =>
        this.#o.role(p) !== ROLE.parameter || !held.slice(i + 1).some((later) => later.hash === p.hash),
    );
  }
}
