import type { RigViewer } from '@forebay/rig';

/** Milliseconds of the system's monotonic clock, the same in every process, at which `performance.now()` is 0 here. */
const ZERO_MS = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();

/** What came of one stream, packet by packet. */
export interface Row {
  /** Of the payload; who are compared have hashes of one kind. */
  readonly hashes: ArrayLike<number>;
  /** Extended: none wraps. */
  readonly sequences: ArrayLike<number>;
  /** Milliseconds of the system's monotonic clock. */
  readonly arrivalsMs: ArrayLike<number>;
}

export const rowsOf = (viewer: RigViewer): Row[] =>
  viewer.recordings.map(({ hashes, sequences, arrivalsMs }) => ({
    hashes: [...hashes],
    sequences: [...sequences],
    arrivalsMs: Array.from(arrivalsMs, (ms) => ms + ZERO_MS),
  }));

/** One viewer's stream beside that of the direct viewer. */
export interface Compared {
  /** Packets between its first and its last, and those of them that came, once, with the right payload. */
  readonly expected: number;
  readonly right: number;
  /** By packet that came: behind the direct viewer, milliseconds. */
  readonly delaysMs: readonly number[];
  /** The direct viewer had so much more when it ended, milliseconds. */
  readonly shortMs: number;
}

/** Compares by payload: the first packet whose payload is not repeated says which one each is, by its number. */
export function compare({ hashes, sequences, arrivalsMs }: Row, direct: Row): Compared {
  const places = new Map<number, number>();
  for (let i = 0; i < direct.hashes.length; i++) {
    const hash = direct.hashes[i]!;
    places.set(hash, places.has(hash) ? -1 : i);
  }
  const known = Array.from(hashes).findIndex((hash) => (places.get(hash) ?? -1) >= 0);
  if (known < 0) return { expected: hashes.length, right: 0, delaysMs: [], shortMs: Infinity };
  const base = places.get(hashes[known]!)! - sequences[known]!;
  const seen = new Set<number>();
  const delaysMs: number[] = [];
  let [first, last] = [Infinity, -Infinity];
  for (let i = 0; i < sequences.length; i++) {
    const place = base + sequences[i]!;
    const directMs = direct.arrivalsMs[place];
    // The direct viewer may have ended a moment earlier.
    if (directMs === undefined) continue;
    first = Math.min(first, place);
    last = Math.max(last, place);
    if (direct.hashes[place] !== hashes[i] || seen.has(place)) continue;
    seen.add(place);
    delaysMs.push(arrivalsMs[i]! - directMs);
  }
  const shortMs = direct.arrivalsMs[direct.arrivalsMs.length - 1]! - (direct.arrivalsMs[last] ?? 0);
  return { expected: last - first + 1, right: seen.size, delaysMs, shortMs };
}
