import { PACKET_FLAG, type PacketRun } from '@forebay/cache';
import { timestampDelta, wrapTimestamp } from '@forebay/rtp';
import { JOINT_MICROS, type Place } from '../fill/row.js';
import type { Source } from '../metrics.js';
import type { Playable } from './playable.js';

/** Packets of other streams are looked for this far before the picture that a range starts with. */
const LOOK_BACK_PACKETS = 512;

/** Times in two clocks of a title may differ by so much. */
const ROUNDING_MICROS = 1000;

/** Where a range begins or ends inside a segment. */
export interface Bounds {
  /** By stream: packets before this one of the run are left out; where it is open none are. */
  readonly fromPackets: readonly (number | undefined)[];
  /** Packets of other streams before this NPT are left out. */
  readonly fromMicros: number;
  /**
   * NPT of the first picture: those behind it that are shown before it are left out. They refer to pictures before the range,
   * and their times may have been those of the range before.
   */
  readonly pictureMicros: number;
  /** Packets of this NPT or later are left out, but for pictures that earlier ones refer to. */
  readonly toMicros: number;
}

/** Nothing is left out. */
export const UNBOUNDED: Bounds = {
  fromPackets: [],
  fromMicros: -Infinity,
  pictureMicros: -Infinity,
  toMicros: Infinity,
};

/** A reader's place in one segment. */
export interface Cursor {
  readonly held: Place;
  readonly run: PacketRun;
  readonly source: Source;
  next: number;
  bounds: Bounds | undefined;
}

/** A random access point to start from. */
export interface StartPoint {
  readonly packet: number;
  readonly micros: number;
}

/** Canonical ticks of packet `i`, modulo 2^32. */
export function packetTicks(run: PacketRun, i: number): number {
  return run.bytes.readUInt32BE(run.offsets[i]! + 8);
}

/** NPT of packet `i`. */
export function packetMicros(title: Playable, held: Place, run: PacketRun, i: number): number {
  const rate = title.streams[run.streams[i]!]?.clockRate ?? 90_000;
  const startTicks = Math.round((held.startMicros * rate) / 1e6);
  const ticks = startTicks + timestampDelta(wrapTimestamp(startTicks), packetTicks(run, i));
  return Math.round((ticks * 1e6) / rate);
}

/** The last random access point of the segment at or before NPT `micros`; its beginning counts where that is one. */
export function startPointAt(
  title: Playable,
  held: Place,
  run: PacketRun,
  micros: number,
): StartPoint | undefined {
  let found: StartPoint | undefined;
  for (let i = 0; i < run.count; i++) {
    if ((run.flags[i]! & PACKET_FLAG.randomAccess) === 0) continue;
    if (found === undefined && held.randomAccess) {
      found = { packet: i, micros: held.startMicros };
      continue;
    }
    const at = packetMicros(title, held, run, i);
    if (at <= micros + JOINT_MICROS && (found === undefined || at > found.micros))
      found = { packet: i, micros: at };
  }
  return found;
}

/** Where a range really starts: at a random access point of a segment. */
export interface Start {
  readonly held: Place;
  readonly run: PacketRun;
  readonly source: Source;
  readonly point: StartPoint;
  readonly startMicros: number;
}

/** A cursor at `start`, that also finds the packets of other streams that were stored before its picture. */
export function cursorAt(title: Playable, { held, run, source, point }: Start): Cursor {
  let next = point.packet;
  for (let i = point.packet - 1; i >= Math.max(0, point.packet - LOOK_BACK_PACKETS); i--) {
    if (run.streams[i] !== title.reference && packetMicros(title, held, run, i) >= point.micros) next = i;
  }
  const fromPackets: number[] = [];
  fromPackets[title.reference] = point.packet;
  const pictureMicros = Math.min(point.micros, packetMicros(title, held, run, point.packet));
  const bounds = { fromPackets, fromMicros: point.micros, pictureMicros, toMicros: Infinity };
  return { held, run, source, next, bounds };
}

/** Whether packet `i` lies in the cursor's bounds. */
export function inBounds(title: Playable, cursor: Cursor, i: number): boolean {
  const bounds = cursor.bounds;
  if (bounds === undefined) return true;
  const { held, run } = cursor;
  if (i < (bounds.fromPackets[run.streams[i]!] ?? 0)) return false;
  const micros = packetMicros(title, held, run, i);
  if (run.streams[i] !== title.reference)
    return micros >= bounds.fromMicros - ROUNDING_MICROS && micros < bounds.toMicros;
  // A picture is due before those that refer to it, whatever its own time is.
  const isBeforeEnd = held.startMicros + run.dueMicros[i]! < bounds.toMicros;
  return isBeforeEnd && micros >= bounds.pictureMicros - ROUNDING_MICROS;
}

/** Forgets the bounds once everything from the cursor's place on lies inside: held segments are in the order of due times. */
export function dropBounds(title: Playable, cursor: Cursor): void {
  const { source, next, bounds } = cursor;
  if (bounds === undefined || source === 'flight' || bounds.toMicros !== Infinity) return;
  const isInside = bounds.fromPackets.every((from) => from === undefined || next > from);
  if (!isInside || nextDue(cursor) < bounds.fromMicros) return;
  if (newestPicture(title, cursor) > bounds.pictureMicros + ROUNDING_MICROS) cursor.bounds = undefined;
}

/** NPT of the newest packet of the reference stream before the cursor's place: pictures come in decoding order. */
function newestPicture(title: Playable, { held, run, next }: Cursor): number {
  let i = next - 1;
  while (i >= 0 && run.streams[i] !== title.reference) i--;
  return i < 0 ? -Infinity : packetMicros(title, held, run, i);
}

/** Of sealed segments as a whole: all viewers that come to the end of one ask for it. */
const ends = new WeakMap<PacketRun, number>();

/** NPT at which the packets before the cursor's place end: no later packet of the same range has been sent. */
export function sentEndMicros(title: Playable, cursor: Cursor): number {
  const { run, held, next } = cursor;
  if (held.state !== 'sealed' || next < run.count) return endBefore(title, cursor);
  let end = ends.get(run);
  if (end === undefined) {
    end = endBefore(title, cursor);
    ends.set(run, end);
  }
  return end;
}

function endBefore(title: Playable, cursor: Cursor): number {
  let end = -Infinity;
  const { run, held } = cursor;
  for (let i = cursor.next - 1; i >= Math.max(0, cursor.next - LOOK_BACK_PACKETS); i--) {
    end = Math.max(end, packetMicros(title, held, run, i));
  }
  return end;
}

/** NPT at which the next packet is due; Infinity when there is none. */
export function nextDue({ run, held, next }: Cursor): number {
  return next < run.count ? held.startMicros + run.dueMicros[next]! : Infinity;
}

/** NPT of the newest packet of a growing segment. */
export function newestDue({ run, held }: Cursor): number {
  return held.startMicros + (run.count === 0 ? 0 : run.dueMicros[run.count - 1]!);
}

/** NPT before which a growing segment has every picture. */
export function grownTo(title: Playable, { run, held }: Cursor): number {
  let i = run.count - 1;
  while (i >= 0 && run.streams[i] !== title.reference) i--;
  return i < 0 ? held.startMicros : held.startMicros + run.dueMicros[i]!;
}

/** A reader's place in a segment whose packets it does not keep. */
export interface Mark {
  readonly startMicros: number;
  /** By stream: how many packets were passed. */
  readonly passed: readonly number[];
  readonly bounds: Bounds | undefined;
}

/** Where `cursor` stands. Cost: looks at every packet before it. */
export function markOf(title: Playable, { held, run, next, bounds }: Cursor): Mark {
  const passed = title.streams.map((_, stream) => {
    const end = Math.min(run.count, Math.max(next, bounds?.fromPackets[stream] ?? 0));
    let count = 0;
    for (let i = 0; i < end; i++) if (run.streams[i] === stream) count++;
    return count;
  });
  return { startMicros: held.startMicros, passed, bounds };
}

/** The place again, in the same segment: packets may stand in another order since, but not those of one stream. */
export function cursorAtMark(mark: Mark, held: Place, media: { run: PacketRun; source: Source }): Cursor {
  const { run } = media;
  const left = [...mark.passed];
  const fromPackets = left.map(() => run.count);
  for (let i = 0; i < run.count; i++) {
    const stream = run.streams[i]!;
    if (left[stream]! > 0) left[stream]!--;
    else fromPackets[stream] = Math.min(fromPackets[stream]!, i);
  }
  const bounds = { ...(mark.bounds ?? UNBOUNDED), fromPackets };
  return { held, ...media, next: Math.min(...fromPackets), bounds };
}
