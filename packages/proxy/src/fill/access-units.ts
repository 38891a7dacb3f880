import { PACKET_FLAG } from '@forebay/cache';
import { ROLE, type AccessUnitClassifier } from '@forebay/rtp';
import { keepArrival, type Arrival } from './arrival.js';
import { roleOf } from './role.js';

/** Parameter sets, delimiters and SEI that may come before the first slice of a picture. */
const MAX_PENDING_PACKETS = 64;

export interface AccessUnitSink {
  /** A new access unit begins. False: it is not wanted, its packets are dropped. */
  unitStarts(randomAccess: boolean, ticks: number, nowMs: number): boolean;
  unitPacket(p: Arrival, flags: number): void;
}

/**
 * Finds access units and random access points in the packets of the reference stream: a unit begins where the timestamp
 * changes (some cameras set the marker bit on SEI), and what it is shows at its first slice, so that parameter sets in front
 * of a key frame are held back until then.
 */
export class AccessUnits {
  readonly #sink: AccessUnitSink;
  readonly #classifier: AccessUnitClassifier | undefined;
  #ticks: number | undefined;
  #state: 'undecided' | 'wanted' | 'unwanted' = 'unwanted';
  readonly #pending: Arrival[] = [];
  /** Some cameras give parameter sets a timestamp of their own: they belong to the picture that follows. */
  #parametersOnly = false;

  constructor(sink: AccessUnitSink, classifier: AccessUnitClassifier | undefined) {
    this.#sink = sink;
    this.#classifier = classifier;
  }

  /** Goes on inside the access unit at `ticks`, the beginning of which is held already. */
  resume(ticks: number): void {
    this.#ticks = ticks;
    this.#state = 'wanted';
  }

  push(p: Arrival): void {
    if (p.ticks !== this.#ticks) {
      if (!this.#parametersOnly) this.flush(p.nowMs);
      this.#ticks = p.ticks;
      this.#state = 'undecided';
    }
    if (this.#state === 'wanted') this.#sink.unitPacket(p, 0);
    if (this.#state !== 'undecided') return;
    const role = roleOf(this.#classifier, p);
    if (role === ROLE.randomAccess || role === ROLE.picture || this.#pending.length >= MAX_PENDING_PACKETS) {
      this.#decide(role === ROLE.randomAccess, p.nowMs, p);
    } else {
      this.#parametersOnly = role === ROLE.parameter && (this.#pending.length === 0 || this.#parametersOnly);
      this.#pending.push(keepArrival(p));
    }
  }

  /** Decides for a unit that ended, or whose flight ends, without showing a slice. */
  flush(nowMs: number): void {
    if (this.#state === 'undecided' && this.#pending.length > 0) this.#decide(false, nowMs, undefined);
    this.drop();
  }

  /** Forgets packets held back: the next flight brings them again. */
  drop(): void {
    this.#parametersOnly = false;
    this.#pending.length = 0;
  }

  #decide(randomAccess: boolean, nowMs: number, current: Arrival | undefined): void {
    this.#parametersOnly = false;
    const wanted = this.#sink.unitStarts(randomAccess, this.#ticks ?? 0, nowMs);
    this.#state = wanted ? 'wanted' : 'unwanted';
    if (!wanted) {
      this.#pending.length = 0;
      return;
    }
    let flags: number = PACKET_FLAG.accessUnitStart | (randomAccess ? PACKET_FLAG.randomAccess : 0);
    for (const held of this.#pending) {
      this.#sink.unitPacket(held, flags);
      flags = 0;
    }
    this.#pending.length = 0;
    if (current !== undefined) this.#sink.unitPacket(current, flags);
  }
}
