import type { Flight } from './flight.js';
import type { Rider } from './flights.js';
import { bytesBetween } from './row.js';
import type { Title } from './title.js';

/** How far a flight may fill ahead of the rider that is furthest, in time and in bytes; it goes on at half of that. */
const FAR_MICROS = 120_000_000;
const FAR_BYTES = 64e6;
/** Of the RAM tier, one flight fills no more than this share ahead: what is fetched must be there when it is read. */
const FAR_RAM_SHARE = 0.25;
const FAR_LEAST_BYTES = 8e6;
/** While others wait for a session, a flight this far ahead of its riders, beyond the lead, gives its own back. */
const YIELD_MICROS = 8_000_000;
/** What is fetched ahead of all viewers stops while so much of the title waits for the disk, and goes on at half of that. */
const PENDING_BYTES = 24e6;
/** The last segment that is wished for is filled to its end: the longest that there is. */
const BEYOND_MICROS = 20_000_000;
/** Streams differ in how far they are: this far behind what is wanted a flight has brought all of it. */
const PAST_MICROS = 1_000_000;

/** A flight, and those for whom it fills. */
interface Manned {
  readonly flight: Pick<Flight, 'positionMicros' | 'state' | 'hasFilled'>;
  readonly riders: ReadonlySet<Rider>;
}

/**
 * A flight that is far ahead of its riders is held back, because what it fills must be kept until they come; for those that run
 * ahead of all viewers, where the disk does not keep up or all that is wished for is there. It goes on while any of them wants more.
 */
export function isFarAhead(title: Title, manned: Manned, wasFarAhead: boolean): boolean {
  const share = wasFarAhead ? 0.5 : 1;
  return isFarAheadOfViewers(title, manned, share) && isBeyondWishes(title, manned, share);
}

/** It is far ahead of the viewer who is furthest, or none rides it. */
function isFarAheadOfViewers({ row, shelves }: Title, { flight, riders }: Manned, share: number): boolean {
  let furthest = -1;
  for (const rider of riders)
    if (rider.isPrefetch !== true) furthest = Math.max(furthest, rider.positionMicros);
  if (furthest < 0) return true;
  const ramBytes = FAR_RAM_SHARE * shelves.ram.capacityBytes;
  const farBytes = Math.max(FAR_LEAST_BYTES, Math.min(FAR_BYTES, ramBytes));
  return (
    flight.positionMicros - furthest > share * FAR_MICROS ||
    bytesBetween(row, furthest, flight.positionMicros) > share * farBytes
  );
}

/** The disk does not keep up, or what is wished for is there, or nobody wishes for anything. */
function isBeyondWishes({ offeredBytes }: Title, { flight, riders }: Manned, share: number): boolean {
  let until = -Infinity;
  for (const rider of riders)
    if (rider.isPrefetch === true) until = Math.max(until, rider.untilMicros ?? Infinity);
  return flight.positionMicros > until + BEYOND_MICROS || offeredBytes > share * PENDING_BYTES;
}

/** Somebody runs ahead of all viewers. */
function hasPrefetch(riders: ReadonlySet<Rider>): boolean {
  return [...riders].some((rider) => rider.isPrefetch === true);
}

/** While others wait: nobody rides it, or all who do have media for a while, and will ask again in time. */
export function canYield(title: Title, { flight, riders }: Manned): boolean {
  if ([...riders].every((rider) => rider.isPrefetch === true)) return true;
  if (title.live || title.seeks === false || flight.state !== 'flying') return false;
  const enough = title.leadSeconds() * 1e6 + YIELD_MICROS;
  for (const rider of riders) if (flight.positionMicros - rider.positionMicros < enough) return false;
  return true;
}

/** It has brought everything that its riders want. */
export function isBehindAll({ live }: Title, { flight, riders }: Manned): boolean {
  if (live || riders.size === 0 || !flight.hasFilled || hasPrefetch(riders)) return false;
  for (const { untilMicros } of riders) {
    if (untilMicros === undefined || flight.positionMicros < untilMicros + PAST_MICROS) return false;
  }
  return true;
}
