import { PACKET_FLAG, type PacketRun } from '@forebay/cache';
import { ROLE } from '@forebay/rtp';
import { roleIn } from '../fill/role.js';
import { packetMicros, packetTicks, type Start } from './cursor.js';
import type { Playable } from './playable.js';

/** Pictures that are looked at before anything is concluded. */
const ENOUGH_PICTURES = 4;
/** Of media matched by content that a ratio is taken over. */
const ENOUGH_SECONDS = 0.3;
/** Of arrivals: less is no rhythm, but what an origin sends in one go at its start, or a network after a stall. */
const ENOUGH_ARRIVAL_SECONDS = 0.7;
/** Two ratios are the same when one is at most so many times the other: timing is rough, content is not. */
const TOLERANCE = 1.5;

/**
 * What an origin makes of a Scale:
 * - `viewer-time`: it obeys, and timestamps run with the viewer's time, as RFC 2326 section 12.34 has it
 * - `npt`: it obeys, and timestamps are those of the title, which come by so much faster
 * - `none`: it plays normally
 */
export type Scaling = 'viewer-time' | 'npt' | 'none';

/** What came of a session that was asked for a Scale. */
export interface ScalingSample {
  /** `dueMicros` is when each packet arrived, after the first. */
  readonly run: PacketRun;
  readonly reference: number;
  readonly clockRate: number;
  readonly scale: number;
  /** The reply names this Scale, or a Speed that amounts to it (GStreamer). */
  readonly isAnnounced: boolean;
  /** NPT in microseconds by packet hash, of pictures near the start that are held. */
  readonly heldMicros: ReadonlyMap<number, number>;
  /** Every picture of the title is a random access point. */
  readonly isIntraOnly: boolean;
  /** There is no time to look on. */
  readonly isLast: boolean;
}

interface Seen {
  readonly ticks: number;
  readonly arrivalMicros: number;
  readonly nptMicros: number | undefined;
  readonly isRandomAccess: boolean;
}

/**
 * Judges by what came: content first, then timestamps against arrival, then kinds of pictures; the reply comes last.
 * @returns undefined where that says nothing yet; where `isLast`, it came in too short a time to say anything
 */
export function scalingOf(sample: ScalingSample): Scaling | undefined {
  const seen = picturesOf(sample);
  if (seen.length < ENOUGH_PICTURES && !sample.isLast) return undefined;
  const byContent = contentVerdict(seen, sample);
  if (byContent !== undefined) return byContent;
  const [first, last] = [seen[0], seen.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const arrivalSeconds = (last.arrivalMicros - first.arrivalMicros) / 1e6;
  const tickSeconds = (last.ticks - first.ticks) / sample.clockRate;
  if (arrivalSeconds >= ENOUGH_ARRIVAL_SECONDS && isNear(tickSeconds / arrivalSeconds, sample.scale))
    return 'npt';
  if (isUnordered(seen)) return 'none';
  const isAllKeys = !sample.isIntraOnly && seen.every(({ isRandomAccess }) => isRandomAccess);
  if (isAllKeys && seen.length >= ENOUGH_PICTURES) return 'viewer-time';
  if (arrivalSeconds >= ENOUGH_ARRIVAL_SECONDS && sample.isAnnounced)
    return isNear(tickSeconds / arrivalSeconds, 1) ? 'viewer-time' : 'none';
  return sample.isLast && arrivalSeconds >= ENOUGH_ARRIVAL_SECONDS ? 'none' : undefined;
}

/**
 * Most timestamps step back: groups of pictures in decoding order, one behind the other, the last first. GStreamer sends them so
 * at a negative Scale, all at once; only its own players make sense of that.
 */
function isUnordered(seen: readonly Seen[]): boolean {
  const back = seen.filter(({ ticks }, i) => i > 0 && ticks < seen[i - 1]!.ticks).length;
  return back > seen.length / 2;
}

function contentVerdict(seen: readonly Seen[], { scale, clockRate }: ScalingSample): Scaling | undefined {
  const known = seen.filter(({ nptMicros }) => nptMicros !== undefined);
  const [first, last] = [known[0], known.at(-1)];
  if (first?.nptMicros === undefined || last?.nptMicros === undefined) return undefined;
  const nptSeconds = (last.nptMicros - first.nptMicros) / 1e6;
  if (Math.abs(nptSeconds) < ENOUGH_SECONDS) return undefined;
  if (scale < 0 && nptSeconds < 0 && isUnordered(seen) && last.ticks > first.ticks) return 'none';
  const perTick = nptSeconds / ((last.ticks - first.ticks) / clockRate);
  if (isNear(perTick, scale)) return 'viewer-time';
  if (Math.sign(nptSeconds) !== Math.sign(scale)) return 'none';
  const arrivalSeconds = (last.arrivalMicros - first.arrivalMicros) / 1e6;
  if (arrivalSeconds < ENOUGH_ARRIVAL_SECONDS) return undefined;
  return isNear(nptSeconds / arrivalSeconds, scale) ? 'npt' : 'none';
}

function isNear(a: number, b: number): boolean {
  const ratio = a / b;
  return ratio >= 1 / TOLERANCE && ratio <= TOLERANCE;
}

function picturesOf({ run, reference, heldMicros }: ScalingSample): Seen[] {
  const seen: Seen[] = [];
  for (let i = 0; i < run.count; i++) {
    if (run.streams[i] !== reference) continue;
    const ticks = packetTicks(run, i) | 0;
    const last = seen.at(-1);
    const isSame = last?.ticks === ticks;
    const picture = {
      ticks,
      arrivalMicros: isSame ? last.arrivalMicros : run.dueMicros[i]!,
      nptMicros: (isSame ? last.nptMicros : undefined) ?? heldMicros.get(run.hashes[i]!),
      isRandomAccess: (isSame && last.isRandomAccess) || (run.flags[i]! & PACKET_FLAG.randomAccess) !== 0,
    };
    if (isSame) seen[seen.length - 1] = picture;
    else seen.push(picture);
  }
  return seen;
}

/**
 * NPT of the pictures of a held segment by the hashes of their packets, left out what comes with other pictures as well:
 * parameter sets, and what is there twice.
 */
export function microsByHash(title: Playable, { held, run }: Start): ReadonlyMap<number, number> {
  const classifier = title.streams[title.reference]?.classifier;
  const micros = new Map<number, number>();
  const twice = new Set<number>();
  for (let i = 0; i < run.count; i++) {
    if (run.streams[i] !== title.reference || roleIn(classifier, run, i) === ROLE.parameter) continue;
    const hash = run.hashes[i]!;
    if (micros.has(hash)) twice.add(hash);
    micros.set(hash, packetMicros(title, held, run, i));
  }
  for (const hash of twice) micros.delete(hash);
  return micros;
}
