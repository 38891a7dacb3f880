import type { PacketRun } from '@forebay/cache';
import type { Rider } from '../fill/flights.js';
import type { LiveTime } from '../fill/live-time.js';
import type { Place } from '../fill/row.js';
import type { Source } from '../metrics.js';
import { OriginError } from '../origin/errors.js';
import { type Start, startPointAt } from './cursor.js';
import type { Boarder, Playable } from './playable.js';

/** An origin is given this long to deliver the first packet of a range. */
const OPEN_WAIT_MS = 15_000;
/** One that cannot seek is waited for only so long: the nearest held position is offered instead. */
const NO_SEEK_WAIT_MS = 3000;
/** Without a flight, or while one is on its way: somebody else may bring the media meanwhile. */
const POLL_MS = 50;
const RIDING_POLL_MS = 250;

export interface StartRequest {
  readonly title: Playable;
  readonly flights: Boarder;
  readonly rider: Rider;
  /** `edge`: what is on now, of a live presentation. */
  readonly targetMicros: number | 'edge';
  readonly signal: AbortSignal;
}

/**
 * Finds the random access point that a range starts from: the last held one at or before the target, else where a flight
 * to the target begins. Looks again a few times a second, for 15 s at most; the line for a session of the origin has a limit
 * of its own.
 * @throws OriginError when the media is not held and cannot be had
 */
export async function findStart(request: StartRequest): Promise<Start> {
  const { title, signal } = request;
  const { clock } = title.shelves;
  const target = request.targetMicros === 'edge' ? 'edge' : withinTitle(title, request.targetMicros);
  const isPatient = title.live || target === 0 || title.seeks !== false;
  const waitMs = isPatient ? OPEN_WAIT_MS : NO_SEEK_WAIT_MS;
  let deadlineMs = clock.nowMs() + waitMs;
  for (;;) {
    const start = (await heldStart(title, target)) ?? (await flownStart(request, target));
    if (start !== undefined) return start;
    if (signal.aborted) throw new OriginError('aborted', 'the viewer went away');
    if (request.flights.isWaiting(request.rider)) deadlineMs = clock.nowMs() + waitMs;
    if (clock.nowMs() < deadlineMs) continue;
    const nearest = target === 'edge' ? undefined : await nearestBefore(title, target);
    if (nearest !== undefined) return nearest;
    throw new OriginError('timeout', 'the origin did not deliver in time');
  }
}

/** Behind the last picture of a title there is nothing, whatever length was announced. */
function withinTitle(title: Playable, targetMicros: number): number {
  const last = title.row.last;
  return last?.last === true && targetMicros >= last.endMicros ? last.endMicros - 1 : targetMicros;
}

/** The random access point at or before the target, if it is held. */
export async function findHeldStart(title: Playable, targetMicros: number): Promise<Start | undefined> {
  return heldStart(title, withinTitle(title, targetMicros));
}

async function heldStart(title: Playable, target: number | 'edge'): Promise<Start | undefined> {
  const { liveTime } = title;
  if (target !== 'edge' && liveTime === undefined) {
    const held = title.row.covering(target);
    return held === undefined ? undefined : startIn(title, held, target);
  }
  const start =
    target === 'edge' || liveTime === undefined ? undefined : await windowStart(title, liveTime, target);
  if (start !== undefined) return start;
  const newest = newestOpen(title);
  return newest === undefined ? undefined : startIn(title, newest, Infinity);
}

/**
 * The same in the window of a live presentation: for what has passed its beginning, for a hole what comes behind it, and
 * nothing for what is still to come. A segment that cannot be read leaves a hole.
 */
async function windowStart(
  title: Playable,
  live: LiveTime,
  targetMicros: number,
): Promise<Start | undefined> {
  const { row } = title;
  for (;;) {
    const place = Math.max(targetMicros, live.passedMicros(row.last));
    const held =
      place < live.edgeMicros(row.last) ? (row.covering(place) ?? row.firstFrom(place)) : undefined;
    if (held === undefined) return undefined;
    const start = await startIn(title, held, place);
    if (start !== undefined || row.has(held)) return start;
  }
}

/**
 * Boards a flight, and waits a moment for it.
 * @throws OriginError when none can be had, or it failed
 */
async function flownStart(request: StartRequest, target: number | 'edge'): Promise<Start | undefined> {
  const { title, flights, rider, signal } = request;
  if (signal.aborted) return undefined;
  const targetMicros = target === 'edge' ? (title.liveTime?.edgeMicros(title.row.last) ?? 0) : target;
  const boarding = flights.board(targetMicros, rider);
  if (boarding.kind === 'later') {
    if (boarding.error !== undefined) throw boarding.error;
    await pause(request, POLL_MS);
    return undefined;
  }
  let opened: Place | undefined;
  try {
    opened = await Promise.race([boarding.opened, pause(request, RIDING_POLL_MS)]);
  } catch (error) {
    if (title.row.covering(targetMicros) === undefined) throw error;
    await pause(request, POLL_MS);
    return undefined;
  }
  if (opened === undefined) return undefined;
  // A flight that has gone on since is not where its first segment is.
  const isThere = opened.state === 'open' || opened.startMicros >= targetMicros;
  const latestMicros = title.live ? Infinity : Math.max(targetMicros, opened.startMicros);
  const start = isThere ? await startIn(title, opened, latestMicros) : undefined;
  if (start === undefined) await pause(request, POLL_MS);
  return start;
}

/** The newest growing segment of a live title. */
function newestOpen(title: Playable): Place | undefined {
  const { last } = title.row;
  return last?.growth !== undefined && last.flying ? last : undefined;
}

/** The newest random access point of a live title, if a pull brings it now. */
export function newestStart(title: Playable): Start | undefined {
  const held = newestOpen(title);
  const run = held?.growth?.run;
  if (held === undefined || run === undefined) return undefined;
  const point = startPointAt(title, held, run, Infinity);
  return point === undefined ? undefined : { held, run, source: 'flight', point, startMicros: point.micros };
}

async function startIn(title: Playable, held: Place, targetMicros: number): Promise<Start | undefined> {
  for (let at: Place | undefined = held; at !== undefined; at = title.row.endingAt(at.startMicros)) {
    const media = await mediaOf(title, at);
    if (media === undefined) return undefined;
    const point = startPointAt(title, at, media.run, targetMicros);
    if (point !== undefined) return { held: at, ...media, point, startMicros: point.micros };
    if (at.randomAccess) return undefined;
  }
  return undefined;
}

export async function mediaOf(
  title: Playable,
  held: Place,
): Promise<{ run: PacketRun; source: Source } | undefined> {
  if (held.growth !== undefined) return { run: held.growth.run, source: 'flight' };
  const loaded = await title.load(held);
  return loaded === undefined ? undefined : { run: loaded.segment.run, source: loaded.source };
}

async function nearestBefore(title: Playable, targetMicros: number): Promise<Start | undefined> {
  const nearest = title.row.before(targetMicros);
  return nearest === undefined ? undefined : startIn(title, nearest, targetMicros);
}

/** Resolves after `ms`, or when the viewer goes away. */
function pause({ title, signal }: StartRequest, ms: number): Promise<undefined> {
  const { clock } = title.shelves;
  return new Promise((resolve) => {
    const done = (): void => {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve(undefined);
    };
    const timer = clock.setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
