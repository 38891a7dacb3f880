import type { OriginError } from '../origin/errors.js';
import { Flight, type FlightEnd } from './flight.js';
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
  | { readonly kind: 'riding'; readonly opened: Promise<Held> }
  | { readonly kind: 'later'; readonly error: OriginError | undefined };

/** The flights of one title: who fills what for whom. */
export class Flights {
  readonly #title: Title;
  readonly #legs = new Set<Leg>();
  #faults = 0;
  #retryAtMs = 0;
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
    const present = this.#covering(atMicros, rider);
    if (present !== undefined) {
      this.#ride(present, rider);
      return { kind: 'riding', opened: present.flight.opened };
    }
    if (nowMs < this.#retryAtMs || this.#legs.size >= MAX_FLIGHTS)
      return { kind: 'later', error: this.lastError };
    const leg = this.#launch(atMicros, nowMs);
    this.#ride(leg, rider);
    return { kind: 'riding', opened: leg.flight.opened };
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

  close(): void {
    for (const leg of this.#legs) leg.flight.close();
  }

  #covering(atMicros: number, rider: Rider): Leg | undefined {
    const needMicros = Math.min(atMicros, rider.positionMicros);
    for (const leg of this.#legs) {
      const flight = leg.flight;
      if (flight.state === 'closing' || flight.state === 'over') continue;
      const from = Math.max(flight.positionMicros, flight.fromMicros);
      const patient = this.#title.live || this.#title.client.profile.seeks === false;
      const inTime = patient || from + AHEAD_MICROS >= needMicros;
      if (inTime && flight.fromMicros <= atMicros + JOINT_MICROS && !this.#heldBetween(from, atMicros))
        return leg;
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
      flight: new Flight(this.#title, atMicros, (end, error) => this.#over(leg, end, error)),
      riders: new Set(),
      bornMs: nowMs,
      idleSinceMs: nowMs,
      throttled: false,
    };
    this.#legs.add(leg);
    return leg;
  }

  #ride(leg: Leg, rider: Rider): void {
    if (leg.riders.has(rider)) return;
    this.leave(rider);
    leg.riders.add(rider);
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
    this.#legs.delete(leg);
    if (end === 'fault') {
      if (nowMs - leg.bornMs > HEALTHY_MS) this.#faults = 0;
      this.#faults++;
      this.#lastError = error;
      this.#retryAtMs = nowMs + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (this.#faults - 1));
      metrics.originFaults.inc({
        origin: this.#title.client.profile.route,
        reason: error?.code ?? 'unknown',
      });
      log.warn(
        { route: this.#title.client.profile.route, code: error?.code, tries: this.#faults },
        'flight failed',
      );
    } else {
      this.#faults = 0;
    }
    log.debug(
      { end, fromSeconds: leg.flight.fromMicros / 1e6, toSeconds: leg.flight.positionMicros / 1e6 },
      'flight over',
    );
  }
}
