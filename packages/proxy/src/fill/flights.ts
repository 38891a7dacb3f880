import { OriginError } from '../origin/errors.js';
import { Flight, type FlightEnd, SAME_PLACE_MICROS } from './flight.js';
import { type Held, JOINT_MICROS } from './row.js';
import type { Title } from './title.js';

/** A flight without riders ends after this long: a pause or a seek may come back to it. */
const LINGER_MS = 2000;
/** The same for a live pull: viewers come and go. */
const LIVE_LINGER_MS = 10_000;
/** A running flight serves a rider that is at most this far ahead of it. */
const AHEAD_MICROS = 1_000_000;
/** How far a flight may fill ahead of the rider that is furthest. */
const FAR_MICROS = 120_000_000;
const FAR_RESUME_MICROS = 60_000_000;
/** Back-off between tries after a fault, milliseconds. */
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 8000;
/** A flight that lasted this long resets the back-off. */
const HEALTHY_MS = 5000;
/** After so many goodbyes in a row at one place in mid-title, the next one there is believed. */
const GOODBYES = 3;
/** Flights of one title at a time; a rider beyond waits for one of them. */
const MAX_FLIGHTS = 16;

/** Someone who needs media that is not held. */
export interface Rider {
  /** NPT that it plays now. */
  readonly positionMicros: number;
}

interface Leg {
  readonly flight: Flight;
  readonly riders: Set<Rider>;
  readonly bornMs: number;
  idleSinceMs: number;
  throttled: boolean;
}

/** What became of a rider's wish. */
export type Boarding =
  /** `opened`: the segment that the flight fills, or the first that it will. */
  | { readonly kind: 'riding'; readonly opened: Promise<Held> }
  | { readonly kind: 'later'; readonly error: OriginError | undefined };

/** The flights of one title: who fills what for whom. */
export class Flights {
  readonly #title: Title;
  readonly #legs = new Set<Leg>();
  #isClosed = false;
  #faults = 0;
  #retryAtMs = 0;
  /** Where the origin said goodbye in mid-title, when it did so last. */
  #goodbye = { micros: 0, times: 0 };
  #lastError: OriginError | undefined;

  constructor(title: Title) {
    this.#title = title;
  }

  get count(): number {
    return this.#legs.size;
  }

  /** The fault that keeps flights from starting, if the last one failed. */
  get lastError(): OriginError | undefined {
    return this.#faults > 0 ? this.#lastError : undefined;
  }

  /**
   * Sees to it that media from NPT `atMicros`, where held media ends, is fetched for `rider`: by the flight that will be
   * there in time, else by a new one.
   */
  board(atMicros: number, rider: Rider): Boarding {
    const nowMs = this.#title.shelves.clock.nowMs();
    if (this.#isClosed) return { kind: 'later', error: new OriginError('aborted', 'the proxy is closing') };
    const present = this.#covering(atMicros, rider);
    if (present !== undefined) return this.#ride(present, rider);
    if (this.#title.superseded) {
      return { kind: 'later', error: new OriginError('changed', 'the title has other streams now') };
    }
    if (nowMs < this.#retryAtMs) return { kind: 'later', error: this.lastError };
    if (this.#legs.size >= MAX_FLIGHTS) this.#idlest(rider)?.flight.close();
    if (this.#legs.size >= MAX_FLIGHTS) return { kind: 'later', error: this.lastError };
    return this.#ride(this.#launch(atMicros, nowMs), rider);
  }

  /** Whether a flight is on its way that will bring media from NPT `atMicros`, or tries. */
  mayBring(atMicros: number): boolean {
    for (const { flight } of this.#legs) if (flight.mayBring(atMicros)) return true;
    return false;
  }

  /** `rider` needs no flight now. */
  leave(rider: Rider): void {
    const nowMs = this.#title.shelves.clock.nowMs();
    for (const leg of this.#legs) {
      if (leg.riders.delete(rider) && leg.riders.size === 0) leg.idleSinceMs = nowMs;
    }
  }

  /** Called a few times a second. */
  tick(nowMs: number): void {
    const lingerMs = this.#title.live ? LIVE_LINGER_MS : LINGER_MS;
    for (const leg of this.#legs) {
      leg.flight.tick(nowMs);
      if (leg.riders.size === 0 && nowMs - leg.idleSinceMs >= lingerMs) leg.flight.close();
      else this.#throttle(leg);
    }
  }

  /** Ends all flights, for good. */
  close(): void {
    this.#isClosed = true;
    for (const leg of this.#legs) leg.flight.close();
  }

  #covering(atMicros: number, rider: Rider): Leg | undefined {
    const needMicros = Math.min(atMicros, rider.positionMicros);
    for (const leg of this.#legs) {
      const flight = leg.flight;
      if (this.#title.live && flight.state !== 'over') return leg;
      if (!flight.mayBring(atMicros)) continue;
      const from = Math.max(flight.positionMicros, flight.fromMicros);
      const patient = this.#title.client.profile.seeks === false;
      const inTime = patient || from + AHEAD_MICROS >= needMicros;
      if (inTime && !this.#heldBetween(from, atMicros)) return leg;
    }
    return undefined;
  }

  /** A flight at `from` would end at held media before it comes to `at`. */
  #heldBetween(from: number, at: number): boolean {
    const next = this.#title.row.firstFrom(from + JOINT_MICROS);
    return next !== undefined && !next.flying && next.startMicros < at - JOINT_MICROS;
  }

  #launch(atMicros: number, nowMs: number): Leg {
    const leg: Leg = {
      flight: new Flight({
        title: this.#title,
        fromMicros: atMicros,
        goodbyeMicros: this.#goodbye.times >= GOODBYES ? this.#goodbye.micros : undefined,
        onOver: (end, error) => this.#over(leg, end, error),
      }),
      riders: new Set(),
      bornMs: nowMs,
      idleSinceMs: nowMs,
      throttled: false,
    };
    this.#legs.add(leg);
    return leg;
  }

  #ride(leg: Leg, rider: Rider): Boarding {
    if (!leg.riders.has(rider)) {
      this.leave(rider);
      leg.riders.add(rider);
    }
    return { kind: 'riding', opened: leg.flight.frontier() };
  }

  /** The flight that was left longest ago; one that carries only `rider`, who is about to change, counts as left now. */
  #idlest(rider: Rider): Leg | undefined {
    let idlest: Leg | undefined;
    for (const leg of this.#legs) {
      if (leg.riders.size > 1 || (leg.riders.size === 1 && !leg.riders.has(rider))) continue;
      const isIdler = idlest === undefined || leg.riders.size < idlest.riders.size;
      if (isIdler || (leg.riders.size === idlest!.riders.size && leg.idleSinceMs < idlest!.idleSinceMs))
        idlest = leg;
    }
    return idlest;
  }

  #throttle(leg: Leg): void {
    if (this.#title.live || leg.riders.size === 0) return;
    let furthest = 0;
    for (const rider of leg.riders) furthest = Math.max(furthest, rider.positionMicros);
    const ahead = leg.flight.positionMicros - furthest;
    const hold = leg.throttled ? ahead > FAR_RESUME_MICROS : ahead > FAR_MICROS;
    if (hold === leg.throttled) return;
    leg.throttled = hold;
    leg.flight.throttle(hold);
  }

  #over(leg: Leg, end: FlightEnd, error: OriginError | undefined): void {
    const { clock, log, metrics } = this.#title.shelves;
    const nowMs = clock.nowMs();
    const route = this.#title.client.profile.route;
    this.#legs.delete(leg);
    if (end !== 'unneeded') this.#countGoodbye(end, leg.flight.positionMicros);
    const isFault = end === 'fault' || end === 'goodbye';
    // One that brought nothing would bring nothing again.
    if (isFault || (end !== 'unneeded' && !leg.flight.hasFilled)) this.#backOff(leg, error, nowMs);
    else this.#faults = 0;
    if (isFault) {
      metrics.originFaults.inc({ origin: route, reason: error?.code ?? 'unknown' });
      log.warn({ route, code: error?.code, tries: this.#faults }, 'flight failed');
    }
    log.debug(
      { end, fromSeconds: leg.flight.fromMicros / 1e6, toSeconds: leg.flight.positionMicros / 1e6 },
      'flight over',
    );
  }

  #countGoodbye(end: FlightEnd, micros: number): void {
    const isAgain = Math.abs(micros - this.#goodbye.micros) <= SAME_PLACE_MICROS;
    const before = isAgain ? this.#goodbye.times : 0;
    this.#goodbye = { micros, times: end === 'goodbye' ? before + 1 : 0 };
  }

  #backOff(leg: Leg, error: OriginError | undefined, nowMs: number): void {
    if (nowMs - leg.bornMs > HEALTHY_MS) this.#faults = 0;
    this.#faults++;
    this.#lastError = error;
    this.#retryAtMs = nowMs + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (this.#faults - 1));
  }
}
