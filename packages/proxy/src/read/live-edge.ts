import { PACKET_FLAG, type PacketRun } from '@forebay/cache';
import { type Cursor, packetMicros, type Start, UNBOUNDED } from './cursor.js';
import type { Playable } from './playable.js';
import { newestStart } from './start.js';

/**
 * What a viewer of what is on is sent at once when it begins: so much nearer it is to what is on, and no player takes it for
 * a burst (docs/decisions/0005).
 */
const AT_ONCE_MICROS = 300_000;

/** NPT that is due when a viewer begins, with media of NPT `fromMicros`. */
export function nearEdge({ row }: Playable, fromMicros: number): number {
  return Math.max(fromMicros, Math.min(row.last?.endMicros ?? 0, fromMicros + AT_ONCE_MICROS));
}

/**
 * Of the time that passes: by so much a viewer of what is on comes nearer to it. To a player that looks like a queue in the
 * network that empties.
 */
const CATCH_UP_SHARE = 0.05;
/** Of a longer time without a turn only so much counts: nothing leaves in a burst. */
const MOST_MS = 100;

/**
 * A viewer of what is on that began late, or whose origin's clock runs faster than ours, is behind. Its packets then leave a
 * little faster than they are due, until none is there that it may not have yet; timestamps are what they are.
 */
export class CatchUp {
  #lastMs = -Infinity;

  /** @param micros what is there that is not due yet. @returns what the viewer's time is to be moved on by */
  step(micros: number, nowMs: number): number {
    const passedMs = Math.min(nowMs - this.#lastMs, MOST_MS);
    this.#lastMs = nowMs;
    return Math.max(0, Math.min(micros, passedMs * 1000 * CATCH_UP_SHARE));
  }
}

/** Whether packet `i` begins a group of pictures: where the reference stream can be entered. */
function beginsGroup(title: Playable, run: PacketRun, i: number): boolean {
  return run.streams[i] === title.reference && (run.flags[i]! & PACKET_FLAG.randomAccess) !== 0;
}

/** The first packet of the next group of pictures behind packet `from`, or `to` where that comes first. */
export function groupAfter(
  title: Playable,
  run: PacketRun,
  { from, to }: { from: number; to: number },
): number {
  for (let i = from + 1; i < to; i++) if (beginsGroup(title, run, i)) return i;
  return to;
}

/**
 * Where a group of pictures begins, a viewer that is behind goes on with the newest one instead: it loses whole groups.
 * The cursor keeps what the other streams have up to there.
 * @returns where it goes on; undefined where no group begins, or none is newer
 */
export function leaveOut(title: Playable, cursor: Cursor): Start | undefined {
  const { run, held, next } = cursor;
  if (!beginsGroup(title, run, next)) return undefined;
  const newest = newestStart(title);
  const micros = packetMicros(title, held, run, next);
  if (newest === undefined || newest.startMicros <= micros) return undefined;
  const fromPackets: number[] = [];
  fromPackets[title.reference] = Infinity;
  cursor.bounds = { ...UNBOUNDED, fromPackets, toMicros: micros };
  return newest;
}
