import { packetHash } from '@forebay/cache';
import { ROLE } from '@forebay/rtp';
import type { Arrival } from './arrival.js';
import { type Held, JOINT_MICROS } from './row.js';
import { type Head, headOf, isDistinct } from './seam.js';
import type { Title } from './title.js';

/** The head of held media is looked at when a flight comes this close. */
const APPROACH_MICROS = 3_000_000;
/** After this much media a head that was not told, or not all of it, is asked for again. */
const ASK_AGAIN_MICROS = 100_000;
/** Content is compared with the head of held media only this close to it. */
const WINDOW_MICROS = 400_000;
/**
 * Of other streams: after a seek GStreamer counts audio from where it was asked to seek to, which lies within a frame, so two
 * sessions may place one packet up to a frame apart, and the one that is early would repeat it.
 */
const FRAME_MICROS = 100_000;
/** Where there are no pictures, the packet that begins this close before held media is the one that it begins with. */
const HALF_FRAME_SHARE = 0.5;

/** `parameter`: it belongs to a picture that may be held, the next packets show. */
export type Arrived = 'no' | 'parameter' | 'yes';

/** How a flight comes to the held media in front of it. */
export class Approach {
  readonly #title: Title;
  #ahead: Held | undefined;
  #head: Head | undefined;
  /** At this NPT the head is asked for (again). */
  #askMicros = -Infinity;
  /** NPT of the newest packet of the reference stream, and from the one before to it. */
  #newestMicros = Infinity;
  #stepMicros = 0;

  constructor(title: Title) {
    this.#title = title;
  }

  /** Held media that is near. */
  get ahead(): Held | undefined {
    return this.#ahead;
  }

  /** A picture of NPT `micros` goes into `current`: looks whether held media is near. */
  look(current: Held, micros: number): void {
    const { row } = this.#title;
    const next = row.firstFrom(current.startMicros + 1, current);
    if (next !== this.#ahead) {
      this.forget();
      if (next === undefined || next.startMicros - micros > APPROACH_MICROS) return;
      this.#ahead = next;
    }
    if (next !== undefined && micros >= this.#askMicros) this.#ask(next, micros);
  }

  /** What grows may not yet tell enough of its head, and the disk not in time: both are asked again. */
  #ask(ahead: Held, micros: number): void {
    this.#askMicros = Infinity;
    const isGrowing = ahead.growth !== undefined;
    const answered = (head: Head | undefined): void => {
      if (this.#ahead !== ahead) return;
      this.#head = head ?? this.#head;
      const isWhole = head !== undefined && (!isGrowing || isDistinct(head));
      if (!isWhole) this.#askMicros = micros + ASK_AGAIN_MICROS;
    };
    headOf(this.#title, ahead).then(answered, () => answered(undefined));
  }

  forget(): void {
    this.#ahead = undefined;
    this.#head = undefined;
    this.#askMicros = -Infinity;
  }

  /**
   * Whether a packet of the reference stream at NPT `micros` is where held media begins: by content, else by time. Of sound
   * many packets in a row may be alike: time alone tells, to the nearest packet.
   */
  reference(p: Arrival, micros: number, role: (p: Arrival) => number): Arrived {
    const ahead = this.#ahead;
    if (!this.#title.isVideo) return ahead !== undefined && this.#isNearest(micros, ahead) ? 'yes' : 'no';
    if (ahead === undefined) return 'no';
    const isNear = Math.abs(micros - ahead.startMicros) <= WINDOW_MICROS;
    const hash = isNear ? this.#head?.hash : undefined;
    if (hash !== undefined && packetHash(p.bytes, p.start, p.end) === hash) return 'yes';
    if (micros < ahead.startMicros - JOINT_MICROS) return 'no';
    return isNear && role(p) === ROLE.parameter ? 'parameter' : 'yes';
  }

  #isNearest(micros: number, ahead: Held): boolean {
    const step = micros - this.#newestMicros;
    if (step > 0) this.#stepMicros = Math.min(step, FRAME_MICROS);
    this.#newestMicros = micros;
    const halfMicros = this.#stepMicros > 0 ? HALF_FRAME_SHARE * this.#stepMicros : JOINT_MICROS;
    return micros >= ahead.startMicros - halfMicros;
  }

  /** Whether a packet of another stream at NPT `micros` is held already: by time, or by content right before that. */
  other(p: Arrival, micros: number): boolean {
    const ahead = this.#ahead;
    if (ahead === undefined) return false;
    const first = this.#head?.firstTicks[p.stream];
    if (first === undefined) return micros >= ahead.startMicros;
    if (p.ticks >= first - 1) return true;
    const isNear = first - p.ticks <= (FRAME_MICROS * this.#title.streams[p.stream]!.clockRate) / 1e6;
    return isNear && this.#head?.firstHashes[p.stream]?.has(packetHash(p.bytes, p.start, p.end)) === true;
  }
}
