import type { PacketRun, Segment } from '@forebay/cache';
import { ROLE } from '@forebay/rtp';
import { roleIn } from './role.js';
import { StreamJoin, tailOf } from './join.js';
import type { Held } from './row.js';
import type { Title } from './title.js';

/** A stream with fewer packets than this in the last segment is matched against the one before it, too. */
const SHORT_TAIL_PACKETS = 16;

/** Packets of a stream that tell where it begins in held media. */
const HEAD_PACKETS = 8;

/** Where held media begins again in front of a flight. */
export interface Head {
  readonly held: Held;
  /** Fingerprint of the packet with the first slice of its first picture; undefined where there is none to tell. */
  readonly hash: number | undefined;
  /** By stream: ticks of its first packet; undefined where the stream has none in it. */
  readonly firstTicks: readonly (number | undefined)[];
  /** By stream: fingerprints of its first packets; undefined where they are few or alike, such as silence. */
  readonly firstHashes: readonly (ReadonlySet<number> | undefined)[];
}

/** What is compared with a session that must prove itself is at least this long, where so much is held. */
const TRIAL_TAIL_MICROS = 2_500_000;

/** One join per stream behind the held media that ends with `held`; undefined when its packets are gone. */
export async function joinsBehind(
  title: Title,
  held: Held,
  isTrial: boolean,
): Promise<StreamJoin[] | undefined> {
  const last = await part(title, held);
  if (last === undefined) return undefined;
  const isBrief = isTrial && held.endMicros - held.startMicros < TRIAL_TAIL_MICROS;
  const short = isBrief || title.streams.some((_, i) => (last.packets[i] ?? 0) < SHORT_TAIL_PACKETS);
  const before = short ? title.row.endingAt(held.startMicros) : undefined;
  const previous = before === undefined ? undefined : await part(title, before);
  return title.streams.map((stream, i) => {
    const runs = previous === undefined ? [last.run] : [previous.run, last.run];
    const endTicks = (last.packets[i] ?? 0) > 0 ? last.endTicks[i] : previous?.endTicks[i];
    const fallback = Math.round((held.endMicros * stream.clockRate) / 1e6);
    return new StreamJoin(tailOf(runs, i, stream.clockRate, endTicks ?? fallback));
  });
}

/** What tells that a flight has reached `held`. */
export async function headOf(title: Title, held: Held): Promise<Head | undefined> {
  const first = await part(title, held);
  if (first === undefined) return undefined;
  return {
    held,
    hash: firstPictureHash(title, first.run),
    firstTicks: title.streams.map((_, i) => ((first.packets[i] ?? 0) > 0 ? first.firstTicks[i] : undefined)),
    firstHashes: title.streams.map((_, i) => firstHashes(first.run, i)),
  };
}

/** Whether the first packets of every stream are there to be known again. */
export function isDistinct(head: Head): boolean {
  return head.firstHashes.every((hashes) => hashes !== undefined);
}

function firstHashes({ count, streams, hashes }: PacketRun, stream: number): Set<number> | undefined {
  const found = new Set<number>();
  for (let i = 0; i < count && found.size < HEAD_PACKETS; i++) {
    if (streams[i] !== stream) continue;
    if (found.has(hashes[i]!)) return undefined;
    found.add(hashes[i]!);
  }
  return found.size === HEAD_PACKETS ? found : undefined;
}

interface Part {
  readonly run: PacketRun;
  readonly packets: readonly number[];
  readonly firstTicks: readonly number[];
  readonly endTicks: readonly number[];
}

async function part(title: Title, held: Held): Promise<Part | undefined> {
  if (held.growth !== undefined) return describe(held.growth.builder.run, held.growth.extents);
  const loaded = await title.load(held);
  return loaded === undefined ? undefined : describe(loaded.segment.run, loaded.segment.extents);
}

function describe(run: PacketRun, extents: Segment['extents']): Part {
  return {
    run,
    packets: extents.map((e) => e.packets),
    firstTicks: extents.map((e) => e.firstTicks),
    endTicks: extents.map((e) => e.endTicks),
  };
}

function firstPictureHash(title: Title, run: PacketRun): number | undefined {
  const classifier = title.slices;
  if (classifier === undefined) return undefined;
  for (let i = 0; i < run.count; i++) {
    if (run.streams[i] !== title.reference) continue;
    const role = roleIn(classifier, run, i);
    if (role === ROLE.randomAccess || role === ROLE.picture) return run.hashes[i];
  }
  return undefined;
}
