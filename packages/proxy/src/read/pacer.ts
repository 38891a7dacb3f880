import type { Clock, TimerHandle } from '../clock.js';
import type { Latency } from './tempo.js';

/** Width of a slot of the wheel: how exact turns are. */
const SLOT_MS = 2;
const SLOTS = 128;
/** A turn that is wanted later than a round from now comes after a round. */
const HORIZON_SLOTS = SLOTS - 1;
/** With more viewers than this their turns come together in every fourth slot: what one has brought near is near for all. */
const MANY_VIEWERS = 200;
const SLOTS_TOGETHER = 4;

/** Someone who works in turns. */
export interface Paced {
  /** @returns clock reading of the next turn; undefined: there is none */
  turn(nowMs: number): number | undefined;
}

interface Place {
  readonly member: Paced;
  /** A member that was removed leaves its place in its slot until that comes. */
  isTaken: boolean;
  /** Where it lies. In other slots that hold it still it counts for nothing; nor while its member has its turn. */
  slot: number;
}

const NOWHERE = -1;

/**
 * One timer for everybody: half the cost of a timer each, and a tenth of the lateness. Members lie in the slots of a wheel
 * that turns with the clock; the timer is set for the next slot that has one.
 */
export class Pacer {
  readonly latency: Latency;
  readonly #clock: Clock;
  readonly #places = new Map<Paced, Place>();
  readonly #slots: Place[][] = Array.from({ length: SLOTS }, () => []);
  readonly #due: Place[] = [];
  /** Turns come when what is being done now is done. */
  #isCalled = false;
  /** The last slot that was worked on; slot n is due at n * SLOT_MS. */
  #slot = 0;
  #timer: TimerHandle | undefined;
  /** The slot that the timer is set for. */
  #timerSlot = Infinity;
  /** Worst lateness of a turn since it was last read, milliseconds. */
  #worstMs = 0;

  /** @param latency of live media */
  constructor(clock: Clock, latency: Latency = 'usual') {
    this.#clock = clock;
    this.latency = latency;
  }

  /** @param atMs clock reading of the first turn */
  add(member: Paced, atMs: number): void {
    this.remove(member);
    if (this.#places.size === 0) this.#slot = Math.floor(this.#clock.nowMs() / SLOT_MS);
    const place = { member, isTaken: true, slot: NOWHERE };
    this.#places.set(member, place);
    this.#put(place, this.#slotAt(atMs));
    if (place.slot < this.#timerSlot) this.#arm(place.slot);
  }

  /** A turn that would come later comes at clock reading `atMs`; where that is now and latency is to be low, at once. */
  hasten(member: Paced, atMs: number): void {
    const place = this.#places.get(member);
    if (place === undefined) return;
    if (this.latency === 'low' && atMs <= this.#clock.nowMs()) {
      this.#call(place);
      return;
    }
    const slot = this.#slotAt(atMs);
    if (slot >= place.slot) return;
    this.#put(place, slot);
    if (slot < this.#timerSlot) this.#arm(slot);
  }

  remove(member: Paced): void {
    const place = this.#places.get(member);
    if (place === undefined) return;
    place.isTaken = false;
    this.#places.delete(member);
  }

  /** Viewers that play. */
  get viewers(): number {
    return this.#places.size;
  }

  /** Worst lateness of a turn since the last call, milliseconds. */
  takeWorstMs(): number {
    const worst = this.#worstMs;
    this.#worstMs = 0;
    return worst;
  }

  close(): void {
    for (const place of this.#places.values()) place.isTaken = false;
    this.#places.clear();
    this.#disarm();
  }

  #put(place: Place, slot: number): void {
    place.slot = slot;
    this.#slots[slot % SLOTS]!.push(place);
  }

  #slotAt(atMs: number): number {
    const wanted = Math.max(Math.ceil(atMs / SLOT_MS), this.#slot + 1);
    const step = this.#places.size > MANY_VIEWERS && this.latency === 'usual' ? SLOTS_TOGETHER : 1;
    return Math.min(Math.ceil(wanted / step) * step, this.#slot + HORIZON_SLOTS);
  }

  #arm(slot: number): void {
    this.#disarm();
    this.#timerSlot = slot;
    this.#timer = this.#clock.setTimeout(this.#tick, Math.max(0, slot * SLOT_MS - this.#clock.nowMs()));
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerSlot = Infinity;
  }

  readonly #tick = (): void => {
    const nowMs = this.#clock.nowMs();
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#timerSlot * SLOT_MS);
    this.#timer = undefined;
    this.#timerSlot = Infinity;
    this.#gather(Math.max(this.#slot, Math.floor(nowMs / SLOT_MS)));
    this.#giveTurns(nowMs);
  };

  /** No timer is as fast as the end of the task that brought something. */
  #call(place: Place): void {
    if (place.slot === NOWHERE) return;
    place.slot = NOWHERE;
    this.#due.push(place);
    if (this.#isCalled) return;
    this.#isCalled = true;
    queueMicrotask(() => {
      this.#isCalled = false;
      this.#giveTurns(this.#clock.nowMs());
    });
  }

  #giveTurns(nowMs: number): void {
    for (const place of this.#due) {
      if (!place.isTaken) continue;
      const atMs = place.member.turn(nowMs);
      if (!this.#isTaken(place)) continue;
      if (atMs === undefined) this.remove(place.member);
      else this.#put(place, this.#slotAt(atMs));
    }
    this.#due.length = 0;
    this.#armNext();
  }

  /** Takes everybody out of the slots up to `slot`. */
  #gather(slot: number): void {
    for (let at = Math.max(this.#slot + 1, slot - SLOTS + 1); at <= slot; at++) {
      const places = this.#slots[at % SLOTS]!;
      for (const place of places) {
        if (place.slot === NOWHERE || place.slot > slot) continue;
        place.slot = NOWHERE;
        this.#due.push(place);
      }
      places.length = 0;
    }
    this.#slot = slot;
  }

  #armNext(): void {
    if (this.#places.size === 0) return;
    for (let slot = this.#slot + 1; slot <= this.#slot + HORIZON_SLOTS; slot++) {
      if (this.#slots[slot % SLOTS]!.length === 0) continue;
      if (slot !== this.#timerSlot) this.#arm(slot);
      return;
    }
  }

  /** A turn may remove its own member. */
  #isTaken(place: Place): boolean {
    return place.isTaken;
  }
}
