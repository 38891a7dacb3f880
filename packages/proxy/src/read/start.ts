import type { PacketRun } from '@forebay/cache';
import type { Flights, Rider } from '../fill/flights.js';
import type { Held } from '../fill/row.js';
import type { Title } from '../fill/title.js';
import type { Source } from '../metrics.js';
import { OriginError } from '../origin/errors.js';
import { type Start, startPointAt } from './cursor.js';

/** An origin is given this long to deliver the first packet of a range. */
const OPEN_WAIT_MS = 15_000;
/** One that cannot seek is waited for only so long: the nearest held position is offered instead. */
const NO_SEEK_WAIT_MS = 3000;
const RETRY_POLL_MS = 50;

export interface StartRequest {
  readonly title: Title;
  readonly flights: Flights;
  readonly rider: Rider;
  readonly targetMicros: number;
  readonly signal: AbortSignal;
}

/**
 * Finds the random access point that a range starts from: the last held one at or before the target, else where a flight
 * to the target begins.
 * @throws OriginError when the media is not held and cannot be had
 */
export async function findStart(request: StartRequest): Promise<Start> {
  const { title, flights, rider, targetMicros, signal } = request;
  const { clock } = title.shelves;
  const waitMs = title.client.profile.seeks === false && targetMicros > 0 ? NO_SEEK_WAIT_MS : OPEN_WAIT_MS;
  const deadlineMs = clock.nowMs() + waitMs;
  for (;;) {
    const held = title.live ? newestOpen(title) : title.row.covering(targetMicros);
    const start = held === undefined ? undefined : await startIn(title, held, targetMicros);
    if (start !== undefined) return start;
    if (signal.aborted) throw new OriginError('aborted', 'the viewer went away');
    const boarding = flights.board(title.live ? liveEnd(title) : targetMicros, rider);
    if (boarding.kind === 'later' && boarding.error !== undefined) throw boarding.error;
    const remainingMs = deadlineMs - clock.nowMs();
    const opened = await patience(
      request,
      boarding.kind === 'riding' ? boarding.opened : undefined,
      remainingMs,
    );
    if (opened !== undefined) {
      const begun = await startIn(title, opened, Math.max(targetMicros, opened.startMicros));
      if (begun !== undefined) return begun;
      await patience(request, undefined, remainingMs);
    }
    if (clock.nowMs() < deadlineMs) continue;
    const nearest = await nearestBefore(title, targetMicros);
    if (nearest !== undefined) return nearest;
    throw new OriginError('timeout', 'the origin did not deliver in time');
  }
}

/** The newest growing segment of a live title. */
function newestOpen(title: Title): Held | undefined {
  let newest: Held | undefined;
  for (const held of title.row) if (held.growth !== undefined && held.flying) newest = held;
  return newest;
}

/** The newest random access point of a live title, if a pull brings it now. */
export function newestStart(title: Title): Start | undefined {
  const held = newestOpen(title);
  const run = held?.growth?.builder.run;
  if (held === undefined || run === undefined) return undefined;
  const point = startPointAt(title, held, run, Infinity);
  return point === undefined ? undefined : { held, run, source: 'flight', point, startMicros: point.micros };
}

/** Where the next pull of a live title goes on. */
function liveEnd(title: Title): number {
  let end = 0;
  for (const held of title.row) end = Math.max(end, held.endMicros);
  return end;
}

async function startIn(title: Title, held: Held, targetMicros: number): Promise<Start | undefined> {
  for (let at: Held | undefined = held; at !== undefined; at = title.row.endingAt(at.startMicros)) {
    const media = await mediaOf(title, at);
    if (media === undefined) return undefined;
    const point = startPointAt(title, at, media.run, title.live ? Infinity : targetMicros);
    if (point !== undefined) return { held: at, ...media, point, startMicros: point.micros };
    if (at.randomAccess) return undefined;
  }
  return undefined;
}

async function mediaOf(title: Title, held: Held): Promise<{ run: PacketRun; source: Source } | undefined> {
  if (held.growth !== undefined) return { run: held.growth.builder.run, source: 'flight' };
  const loaded = await title.load(held);
  return loaded === undefined ? undefined : { run: loaded.segment.run, source: loaded.source };
}

async function nearestBefore(title: Title, targetMicros: number): Promise<Start | undefined> {
  let nearest: Held | undefined;
  for (const held of title.row) if (held.startMicros <= targetMicros) nearest = held;
  return nearest === undefined ? undefined : startIn(title, nearest, targetMicros);
}

/** Waits for a flight to open, or a moment when there is none, but not beyond `limitMs` or the viewer's patience. */
function patience(
  { title, signal }: StartRequest,
  opened: Promise<Held> | undefined,
  limitMs: number,
): Promise<Held | undefined> {
  const { clock } = title.shelves;
  return new Promise((resolve, reject) => {
    const waitMs = Math.max(0, opened === undefined ? Math.min(RETRY_POLL_MS, limitMs) : limitMs);
    const timer = clock.setTimeout(() => done(undefined), waitMs);
    const onAbort = (): void => done(undefined);
    const finish = (): void => {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const done = (held: Held | undefined): void => {
      finish();
      resolve(held);
    };
    signal.addEventListener('abort', onAbort);
    opened?.then(done, (error: Error) => {
      finish();
      reject(error);
    });
  });
}
