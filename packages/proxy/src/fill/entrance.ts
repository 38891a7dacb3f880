import { ROLE, timestampDelta, wrapTimestamp } from '@forebay/rtp';
import { keepArrival, type Arrival } from './arrival.js';

const OUTLIER_SECONDS = 2;
const MAX_HELD_PACKETS = 4096;

export interface EntranceOptions {
  /** The session was asked to start inside the title: its first timestamps may be clamped. */
  readonly seek: boolean;
  readonly clockRates: readonly number[];
  /** The stream of pictures; undefined where there is none. */
  readonly pictures: number | undefined;
  /** RTP-Info and the packet agree. */
  confirms(p: Arrival, timestamp: number): boolean;
  role(p: Arrival): number;
  /** It may belong to a picture that is shown before the key frame in front of it. */
  mayLead(p: Arrival): boolean;
  /** The origin's media begins with this packet, whatever is taken of it. */
  begins(p: Arrival, timestamp: number): void;
}

interface Lane {
  open: boolean;
  /** Of the first packet. */
  timestamp: number;
  markers: number;
  /** Of the first packet after the ones that share one timestamp; undefined until it came. */
  advancedTo: number | undefined;
  readonly held: Arrival[];
}

/**
 * The first packets of a session that cannot be checked against held media. After a seek GStreamer repeats parameter sets,
 * and gives a whole group of pictures, or a few audio packets, one clamped timestamp; VLC sends one stale audio packet first.
 * Clamped pictures and stale packets are dropped, but for the key frame of an open group of pictures, with whose timestamp go
 * those that are shown before it; clamped audio is timed back from the packets after it, and what lies before the start is
 * dropped.
 */
export class Entrance {
  readonly #o: EntranceOptions;
  readonly #lanes: Lane[];
  #isHeadless = false;

  constructor(options: EntranceOptions) {
    this.#o = options;
    this.#lanes = options.clockRates.map(() => ({
      open: false,
      timestamp: 0,
      markers: 0,
      advancedTo: undefined,
      held: [],
    }));
  }

  /** Pictures that belong behind the first key frame have been dropped. */
  get isHeadless(): boolean {
    return this.#isHeadless;
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
      if (this.#isUnitClamped(lane, p) && lane.advancedTo === undefined) lane.advancedTo = timestamp;
      else {
        this.#openLane(lane, p, timestamp, pass);
        return;
      }
    }
    if (lane.held.length >= MAX_HELD_PACKETS) {
      this.#openLane(lane, p, timestamp, pass);
      return;
    }
    lane.markers += p.bytes[p.start + 1]! >>> 7;
    lane.held.push(keepArrival(p));
  }

  /** Nothing more comes: passes on what still waits. */
  flush(pass: (p: Arrival) => void): void {
    this.#lanes.forEach((lane, stream) => {
      if (!lane.open) this.#passPictures(lane, stream, pass);
      lane.open = true;
      lane.held.length = 0;
    });
  }

  #isPictureClamped(lane: Lane, stream: number): boolean {
    return this.#o.seek && stream === this.#o.pictures && lane.markers > 1;
  }

  /** Several packets of a stream without pictures share the first timestamp: one more is needed to time them. */
  #isUnitClamped(lane: Lane, p: Arrival): boolean {
    return this.#o.seek && p.stream !== this.#o.pictures && lane.held.length > 1;
  }

  #openLane(lane: Lane, p: Arrival, timestamp: number, pass: (p: Arrival) => void): void {
    lane.open = true;
    const rate = this.#o.clockRates[p.stream] ?? 90_000;
    const apartSeconds = Math.abs(timestampDelta(lane.timestamp, timestamp)) / rate;
    const passedSeconds = (p.nowMs - (lane.held[0]?.nowMs ?? p.nowMs)) / 1000;
    const isStale = apartSeconds > OUTLIER_SECONDS + passedSeconds;
    if (lane.advancedTo !== undefined) {
      for (const held of timedBack(lane, lane.advancedTo, timestamp)) pass(held);
    } else if (!isStale) this.#passPictures(lane, p.stream, pass);
    lane.held.length = 0;
    pass(p);
  }

  #passPictures(lane: Lane, stream: number, pass: (p: Arrival) => void): void {
    const isClamped = this.#isPictureClamped(lane, stream);
    if (isClamped) this.#o.begins(lane.held[0]!, lane.timestamp);
    const kept = isClamped ? this.#keyFrame(lane.held) : lane.held;
    for (const held of this.#withoutRepeats(kept)) pass(held);
  }

  /** The first picture, where it is a key frame and the others are shown before it; else none. */
  #keyFrame(held: readonly Arrival[]): readonly Arrival[] {
    const end = held.findIndex((p) => p.bytes[p.start + 1]! >>> 7 === 1) + 1;
    const first = held.slice(0, end);
    if (!first.some((p) => this.#o.role(p) === ROLE.randomAccess)) return [];
    if (!held.slice(end).every((p) => this.#o.role(p) !== ROLE.randomAccess && this.#o.mayLead(p))) return [];
    this.#isHeadless = true;
    return first;
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

/** Packets that shared the first timestamp, timed back from the two that came after; those before the start are left out. */
function timedBack(lane: Lane, advancedTo: number, timestamp: number): Arrival[] {
  const stepTicks = timestampDelta(advancedTo, timestamp);
  const clamped = lane.held.length - 1;
  const fromStart = timestampDelta(lane.timestamp, advancedTo);
  const kept = lane.held.filter((p, i) => {
    const ticks = fromStart - (clamped - i) * stepTicks;
    if (i < clamped) p.bytes.writeUInt32BE(wrapTimestamp(lane.timestamp + ticks), p.start + 4);
    return i === clamped || (stepTicks > 0 && ticks >= -stepTicks / 2);
  });
  return kept;
}
