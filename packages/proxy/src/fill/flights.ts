import { type Need, NEEDS } from '../origin/budget.js';
import { OriginError, type OriginErrorCode } from '../origin/errors.js';
import { Flight, type FlightEnd, SAME_PLACE_MICROS } from './flight.js';
import { fillFor } from './haste.js';
import { Mender } from './mender.js';
import { JOINT_MICROS, type Place } from './row.js';
import { isNear, Setbacks } from './setbacks.js';
import { canYield, isBehindAll, isFarAhead } from './thrift.js';
import type { Title } from './title.js';

/** A flight without riders ends after this long: a pause or a seek may come back to it. Of those that one rider left, only the last is kept. */
const LINGER_MS = 2000;
/** The same for a live pull: viewers come and go. */
const LIVE_LINGER_MS = 10_000;
/** A running flight serves a rider that is at most this far ahead of it. */
const AHEAD_MICROS = 1_000_000;
/** Errors that say nothing against the origin: whoever wants to go on may ask at once. */
const NO_FAULT: ReadonlySet<OriginErrorCode> = new Set(['budget', 'aborted']);
/** A lead counts as given when the flight was asked for at least this share of it before the seam. */
const LEAD_SHARE = 0.8;
/** After so many goodbyes in a row at one place in mid-title, the next one there is believed. */
const GOODBYES = 3;
/** Flights of one title at a time; a rider beyond waits for one of them. */
const MAX_FLIGHTS = 16;

/** Someone who needs media that is not held. */
export interface Rider {
  /** NPT that it plays now. */
  readonly positionMicros: number;
  readonly need: Need;
  /** It runs ahead of all viewers, and takes what comes as fast as the disk takes it. */
  readonly isPrefetch?: boolean;
  /** It wants nothing behind this NPT; undefined: all there is. */
  readonly untilMicros?: number | undefined;
}

/**
 * What can be hoped for at some NPT: `flying`, a flight is to bring it; `waiting`, for a session of the origin; `retrying`,
 * the origin has failed and is asked again; `never`, no flight can; `none`, nobody has asked for it.
 */
export type Outlook = 'flying' | 'waiting' | 'retrying' | 'never' | 'none';

/** What flights may still bring. */
export interface Prospects {
  /** From which NPT on, Infinity for nothing more; and whether it is in line for a session of the origin. */
  readonly flights: readonly { readonly fromMicros: number; readonly isWaiting: boolean }[];
  /** NPT near which the origin has failed, and is asked again. */
  readonly setbacks: readonly number[];
  /** What there is to hope for where none of them goes, and away from those. */
  readonly otherwise: 'retrying' | 'never' | 'none';
}

/** What becomes of NPT `atMicros`. */
export function outlookAt({ flights, setbacks, otherwise }: Prospects, atMicros: number): Outlook {
  const isSetBack = otherwise === 'none' && setbacks.some((micros) => isNear(micros, atMicros));
  let outlook: Outlook = isSetBack ? 'retrying' : otherwise;
  for (const { fromMicros, isWaiting } of flights) {
    if (atMicros < fromMicros - JOINT_MICROS) continue;
    if (!isWaiting) return 'flying';
    outlook = 'waiting';
  }
  return outlook;
}

interface Leg {
  readonly flight: Flight;
  readonly riders: Set<Rider>;
  readonly bornMs: number;
  /** It was asked for as long before the seam as the lead says. */
  readonly hasLead: boolean;
  idleSinceMs: number;
  /** Who rode it last. */
  leftBy: Rider | undefined;
  throttled: boolean;
}

/** What became of a rider's wish. */
export type Boarding =
  /** `opened`: the segment that the flight fills, or the first that it will; undefined: look again. */
  | { readonly kind: 'riding'; readonly opened: Promise<Place | undefined> }
  | { readonly kind: 'later'; readonly error: OriginError | undefined };

/** The flights of one title: who fills what for whom. */
export class Flights {
  readonly #title: Title;
  readonly #legs = new Set<Leg>();
  readonly #mender: Mender;
  #isClosed = false;
  readonly #setbacks: Setbacks;
  /** Where the origin said goodbye in mid-title, when it did so last. */
  #goodbye = { micros: 0, times: 0 };

  constructor(title: Title) {
    this.#title = title;
    this.#setbacks = new Setbacks(title.live);
    this.#mender = new Mender({
      title,
      board: (atMicros, rider) => this.board(atMicros, rider),
      leave: (rider) => this.leave(rider),
    });
    title.onDamaged = (held) => this.#mender.damaged(held);
  }

  get count(): number {
    return this.#legs.size;
  }

  /** The last fault of flights, if none has come through since. */
  get lastError(): OriginError | undefined {
    return this.#setbacks.lastError;
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
    if (this.#title.standing === 'superseded') {
      return { kind: 'later', error: new OriginError('changed', 'the title has other streams now') };
    }
    const against = this.#setbacks.against(atMicros, nowMs);
    if (against !== undefined) return { kind: 'later', error: against.error };
    if (this.#legs.size >= MAX_FLIGHTS) this.#idlest(rider)?.flight.close();
    if (this.#legs.size >= MAX_FLIGHTS) return { kind: 'later', error: this.#setbacks.ofTitle };
    return this.#ride(this.#launch(atMicros, rider, nowMs), rider);
  }

  /** What the flights may bring. */
  get prospects(): Prospects {
    const isOver = this.#title.standing === 'superseded' || this.#isClosed;
    return {
      flights: Array.from(this.#legs, ({ flight }) => ({
        fromMicros: flight.bringsFromMicros,
        isWaiting: flight.state === 'waiting',
      })),
      setbacks: this.#setbacks.places,
      otherwise: isOver ? 'never' : this.#setbacks.isOfTitle ? 'retrying' : 'none',
    };
  }

  /** What becomes of NPT `atMicros`. */
  outlook(atMicros: number): Outlook {
    return outlookAt(this.prospects, atMicros);
  }

  /** The flight of `rider` is in line for a session of the origin. */
  isWaiting(rider: Rider): boolean {
    for (const leg of this.#legs) if (leg.riders.has(rider)) return leg.flight.state === 'waiting';
    return false;
  }

  /** `rider` needs no flight now. */
  leave(rider: Rider): void {
    const nowMs = this.#title.shelves.clock.nowMs();
    for (const leg of this.#legs) {
      if (!leg.riders.delete(rider) || leg.riders.size > 0) continue;
      leg.idleSinceMs = nowMs;
      leg.leftBy = rider;
    }
  }

  /** Called a few times a second. */
  tick(nowMs: number): void {
    this.#mender.tick(nowMs);
    const lingerMs = this.#title.live ? LIVE_LINGER_MS : LINGER_MS;
    const isCrowded = this.#title.client.sessions.waiting > 0;
    for (const leg of this.#legs) {
      leg.flight.tick(nowMs);
      const isIdle = leg.riders.size === 0 && nowMs - leg.idleSinceMs >= lingerMs;
      const isUnneeded = isIdle || isBehindAll(this.#title, leg) || (isCrowded && canYield(this.#title, leg));
      if (isUnneeded) leg.flight.close();
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
      const patient = this.#title.seeks === false;
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

  #launch(atMicros: number, rider: Rider, nowMs: number): Leg {
    this.#title.makeWay(atMicros);
    const leadMicros = this.#title.leadSeconds() * 1e6;
    const hasLead = atMicros - rider.positionMicros >= LEAD_SHARE * leadMicros;
    const riders = new Set<Rider>();
    const leg: Leg = {
      flight: new Flight({
        title: this.#title,
        fromMicros: atMicros,
        fill: fillFor(this.#title, atMicros, rider),
        goodbyeMicros: this.#goodbye.times >= GOODBYES ? this.#goodbye.micros : undefined,
        need: () => (riders.size === 0 ? rider.need : mostUrgent(riders)),
        onFirst: () => this.#judgeLead(leg),
        onSegment: () => this.#throttle(leg),
        onOver: (end, error) => this.#over(leg, end, error),
      }),
      riders,
      bornMs: nowMs,
      hasLead,
      idleSinceMs: nowMs,
      leftBy: undefined,
      throttled: false,
    };
    this.#legs.add(leg);
    return leg;
  }

  /** Whether a flight fills, or will fill, what lies at NPT `atMicros`, before it comes to held media. */
  isOnTheWay(atMicros: number): boolean {
    for (const { flight } of this.#legs) {
      const from = Math.max(flight.positionMicros, flight.fromMicros);
      if (flight.mayBring(atMicros) && !this.#heldBetween(from, atMicros)) return true;
    }
    return false;
  }

  /** NPT up to which each flight has filled. */
  positions(): number[] {
    return [...this.#legs].map(({ flight }) => flight.positionMicros);
  }

  /** The flight that carries `rider`, if one does. */
  flightOf(rider: Rider): Flight | undefined {
    for (const leg of this.#legs) if (leg.riders.has(rider)) return leg.flight;
    return undefined;
  }

  /** `rider` wants no more, and its flight ends now if nobody else rides it. */
  alight(rider: Rider): void {
    for (const leg of this.#legs) if (leg.riders.delete(rider) && leg.riders.size === 0) leg.flight.close();
  }

  /** A flight brings its first media: whether the lead was long enough for those who waited for it. */
  #judgeLead({ flight, riders, hasLead }: Leg): void {
    if (!hasLead || flight.hasWaited) return;
    let position = 0;
    for (const rider of riders)
      if (rider.need === 'playing') position = Math.max(position, rider.positionMicros);
    if (position > 0) this.#title.client.profile.arrived((position - flight.fromMicros) / 1e6);
  }

  #ride(leg: Leg, rider: Rider): Boarding {
    if (!leg.riders.has(rider)) {
      this.leave(rider);
      leg.riders.add(rider);
      this.#abandon(rider);
    }
    return { kind: 'riding', opened: leg.flight.frontier() };
  }

  /** Of the flights that `rider` left and nobody rides, all but the one that it left last end now. */
  #abandon(rider: Rider): void {
    const left = [...this.#legs].filter((leg) => leg.leftBy === rider && leg.riders.size === 0);
    left.sort((a, b) => a.idleSinceMs - b.idleSinceMs);
    for (const { flight } of left.slice(0, -1)) {
      flight.close();
      this.#title.forgo(flight.fromMicros, flight.positionMicros);
    }
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
    const hold = isFarAhead(this.#title, leg, leg.throttled);
    if (hold === leg.throttled) return;
    leg.throttled = hold;
    leg.flight.throttle(hold);
  }

  #over(leg: Leg, end: FlightEnd, error: OriginError | undefined): void {
    const { clock, log, metrics } = this.#title.shelves;
    const nowMs = clock.nowMs();
    const route = this.#title.client.profile.route;
    this.#legs.delete(leg);
    const { fromMicros, positionMicros, hasFilled } = leg.flight;
    if (end !== 'unneeded') this.#countGoodbye(end, positionMicros);
    const isFault = (end === 'fault' || end === 'goodbye') && !NO_FAULT.has(error?.code ?? 'internal');
    if (isFault) this.#title.isDoubted = true;
    // One that was to bring something and did not would not do so the next time.
    const isFutile = (end === 'title-end' || end === 'reached-held') && !hasFilled;
    if (isFault || isFutile) {
      const micros = hasFilled ? positionMicros : fromMicros;
      this.#setbacks.failed({ micros, error, isFault, lastedMs: nowMs - leg.bornMs, nowMs });
    } else if (hasFilled) this.#setbacks.succeeded(fromMicros, positionMicros);
    if (isFault) {
      metrics.originFaults.inc({ origin: route, reason: error?.code ?? 'unknown' });
      log.warn({ route, code: error?.code, atSeconds: fromMicros / 1e6 }, 'flight failed');
    }
    log.debug({ end, fromSeconds: fromMicros / 1e6, toSeconds: positionMicros / 1e6 }, 'flight over');
  }

  #countGoodbye(end: FlightEnd, micros: number): void {
    const isAgain = Math.abs(micros - this.#goodbye.micros) <= SAME_PLACE_MICROS;
    const before = isAgain ? this.#goodbye.times : 0;
    this.#goodbye = { micros, times: end === 'goodbye' ? before + 1 : 0 };
  }
}

function mostUrgent(riders: ReadonlySet<Rider>): Need {
  return NEEDS.find((need) => [...riders].some((rider) => rider.need === need)) ?? 'ahead';
}
