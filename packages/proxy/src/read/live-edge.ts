import { PACKET_FLAG, type PacketRun } from '@forebay/cache';
import { type Cursor, packetMicros, type Start } from './cursor.js';
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

/** What a viewer may be further behind what is on than it once was, before its time is moved on. */
const DRIFT_MICROS = 150_000;
/** By so much at a time, once a segment: half a hundredth of the pace, and less than packets may leave early. */
const STEP_MICROS = 20_000;

/** How far a viewer of what is on falls behind because the origin's clock and ours are not the same. */
export class Drift {
  #leastMicros = Infinity;

  /** Another place: it is as far behind as it is. */
  begin(): void {
    this.#leastMicros = Infinity;
  }

  /** @param aheadMicros of the newest media before the viewer's place. @returns what its time is to be moved on by */
  step(aheadMicros: number): number {
    this.#leastMicros = Math.min(this.#leastMicros, aheadMicros);
    return aheadMicros - this.#leastMicros > DRIFT_MICROS ? STEP_MICROS : 0;
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
  cursor.bounds = { fromPackets, fromMicros: -Infinity, toMicros: micros };
  return newest;
}
