import type { RigViewer, StreamRecording } from '@forebay/rig';

/** Milliseconds of the system's monotonic clock, the same in every process, at which `performance.now()` is 0 here. */
export const ZERO_MS = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();

/** What came of one stream, packet by packet. */
export interface Row {
  /** CRC-32 of the payload. */
  readonly hashes: readonly number[];
  /** Milliseconds of the system's monotonic clock. */
  readonly arrivalsMs: readonly number[];
}

export const rowsOf = (viewer: RigViewer): Row[] =>
  viewer.recordings.map(({ hashes, arrivalsMs }) => ({
    hashes: [...hashes],
    arrivalsMs: Array.from(arrivalsMs, (ms) => ms + ZERO_MS),
  }));

/** One viewer's stream beside that of the direct viewer. */
export interface Compared {
  /** Packets between its first and its last, and those of them that came, once, with the right payload. */
  readonly expected: number;
  readonly right: number;
  /** By packet that came, and late enough to count: behind the direct viewer, milliseconds. */
  readonly delaysMs: readonly number[];
  /** The direct viewer had so much more when it ended, milliseconds. */
  readonly shortMs: number;
}

/**
 * Compares by payload: the first packet whose payload is not repeated says which one each is, by its number.
 * @param fromMs delays of what came earlier are left out, milliseconds of the system's monotonic clock
 */
export function compare(recording: StreamRecording, direct: Row, fromMs = -Infinity): Compared {
  const { hashes, sequences, arrivalsMs } = recording;
  const places = new Map<number, number>();
  for (const [i, hash] of direct.hashes.entries()) places.set(hash, places.has(hash) ? -1 : i);
  const known = hashes.findIndex((hash) => (places.get(hash) ?? -1) >= 0);
  if (known < 0) return { expected: recording.packets, right: 0, delaysMs: [], shortMs: Infinity };
  const base = places.get(hashes[known]!)! - sequences[known]!;
  const seen = new Set<number>();
  const delaysMs: number[] = [];
  let [first, last] = [Infinity, -Infinity];
  for (const [i, sequence] of sequences.entries()) {
    const place = base + sequence;
    const directMs = direct.arrivalsMs[place];
    // The direct viewer may have ended a moment earlier.
    if (directMs === undefined) continue;
    first = Math.min(first, place);
    last = Math.max(last, place);
    if (direct.hashes[place] !== hashes[i] || seen.has(place)) continue;
    seen.add(place);
    const atMs = arrivalsMs[i]! + ZERO_MS;
    if (atMs >= fromMs) delaysMs.push(atMs - directMs);
  }
  const shortMs = direct.arrivalsMs.at(-1)! - (direct.arrivalsMs[last] ?? 0);
  return { expected: last - first + 1, right: seen.size, delaysMs, shortMs };
}
