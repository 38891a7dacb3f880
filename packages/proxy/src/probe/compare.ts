import { ROLE } from '@forebay/rtp';
import type { StreamTake, Take } from './take.js';

/** Parameter sets, and packets with one clamped timestamp, may stand before what a play from elsewhere has. */
const LEADING_PACKETS = 600;
/** Packets in a row that make a stream comparable. */
const LEAST_PACKETS = 8;
/** A run of packets that is long enough to be sure of its place. */
const RUN_PACKETS = 64;
/** Steps between timestamps are alike when they differ by less: live555 rounds by a tick or two. */
const STEADY_SECONDS = 0.0005;

/**
 * - `equal`: packet for packet, and the same distances between timestamps
 * - `squeezed`: the same packets, other distances
 * - `thinned`: some packets are left out
 * - `different`: nothing matches
 * - `nothing`: too little came to tell
 */
export type Likeness = 'equal' | 'squeezed' | 'thinned' | 'different' | 'nothing';

const WORST_FIRST: readonly Likeness[] = ['different', 'thinned', 'squeezed', 'nothing', 'equal'];

export interface Comparison {
  readonly likeness: Likeness;
  /** Media time over wall time, by what a normal play says of the media time; 0 where too little came. */
  readonly factor: number;
}

/** How `other` looks beside a normal play of the same media. The stream that looks worst counts. */
export function compare(normal: Take, other: Take): Comparison {
  const found = normal.streams.map((stream, i) => compareStream(stream, other.streams[i]!));
  const told = found.filter(({ likeness }) => likeness !== 'nothing');
  if (told.length === 0) return { likeness: 'nothing', factor: 0 };
  const likeness = WORST_FIRST.find((one) => told.some((each) => each.likeness === one)) ?? 'nothing';
  return { likeness, factor: Math.max(...told.map(({ factor }) => factor)) };
}

/** Where the first picture of a play lies in a normal one, by content, seconds after its beginning; undefined if nowhere. */
export function placeOf(normal: StreamTake, other: StreamTake): number | undefined {
  const match = firstMatch(normal, other);
  return match === undefined ? undefined : normal.ticks[match[0]]! / normal.clockRate;
}

function compareStream(normal: StreamTake, other: StreamTake): Comparison {
  if (normal.hashes.length < LEAST_PACKETS || other.hashes.length < LEAST_PACKETS)
    return { likeness: 'nothing', factor: 0 };
  const start = firstMatch(normal, other);
  if (start === undefined) return { likeness: 'different', factor: 0 };
  const pairs = matches(normal, other, start);
  const factor = factorOf(normal, other, pairs);
  if (pairs.length < LEAST_PACKETS) return { likeness: 'different', factor };
  const isWhole = pairs.every(([n], i) => n === start[0] + i);
  if (!isWhole) return { likeness: 'thinned', factor };
  return { likeness: isSteady(normal, other, pairs) ? 'equal' : 'squeezed', factor };
}

type Pair = readonly [normal: number, other: number];

/**
 * Where `other` begins in the normal play: at its first packet that is there at all, in the place from which the longest run
 * follows. Silence looks the same everywhere.
 */
function firstMatch(normal: StreamTake, other: StreamTake): Pair | undefined {
  for (let o = 0; o < Math.min(other.hashes.length, LEADING_PACKETS); o++) {
    if (other.roles[o] === ROLE.parameter) continue;
    let [best, longest] = [-1, 0];
    for (let n = normal.hashes.indexOf(other.hashes[o]!); n >= 0;) {
      const run = runLength(normal, other, [n, o]);
      if (run > longest) [best, longest] = [n, run];
      n = longest >= RUN_PACKETS ? -1 : normal.hashes.indexOf(other.hashes[o]!, n + 1);
    }
    if (best >= 0) return [best, o];
  }
  return undefined;
}

function runLength(normal: StreamTake, other: StreamTake, [n, o]: Pair): number {
  let length = 0;
  while (length < RUN_PACKETS && n + length < normal.hashes.length) {
    if (normal.hashes[n + length] !== other.hashes[o + length]) break;
    length++;
  }
  return length;
}

/** Pairs of packets that are the same, in the order of both, until the normal play ends or `other` shows something new. */
function matches(normal: StreamTake, other: StreamTake, [first, from]: Pair): Pair[] {
  const pairs: Pair[] = [];
  let n = first;
  for (let o = from; o < other.hashes.length && n < normal.hashes.length; o++) {
    const at = normal.hashes[n] === other.hashes[o] ? n : normal.hashes.indexOf(other.hashes[o]!, n);
    if (at < 0) break;
    pairs.push([at, o]);
    n = at + 1;
  }
  return pairs;
}

/** Media time of the matched packets, as the normal play has it, over the time in which they came. */
function factorOf(normal: StreamTake, other: StreamTake, pairs: readonly Pair[]): number {
  const [first, last] = [pairs[0], pairs.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const mediaSeconds = (normal.ticks[last[0]]! - normal.ticks[first[0]]!) / normal.clockRate;
  // What comes in one read has one arrival.
  const wallSeconds = Math.max(0.001, (other.arrivedMs[last[1]]! - other.arrivedMs[first[1]]!) / 1000);
  return Math.max(0, mediaSeconds / wallSeconds);
}

/** The same distances between timestamps, but for first ones that are clamped to the start of a range. */
function isSteady(normal: StreamTake, other: StreamTake, pairs: readonly Pair[]): boolean {
  let [steady, uneven] = [0, 0];
  for (let i = 1; i < pairs.length; i++) {
    const [n, o] = pairs[i]!;
    const step = normal.ticks[n]! - normal.ticks[pairs[i - 1]![0]]!;
    const otherStep = other.ticks[o]! - other.ticks[pairs[i - 1]![1]]!;
    const isClamped = steady === 0 && otherStep === 0;
    if (Math.abs(step - otherStep) <= STEADY_SECONDS * normal.clockRate) steady++;
    else if (!isClamped) uneven++;
  }
  // One step is where clamped timestamps end.
  return uneven <= 1 && steady > 0;
}
