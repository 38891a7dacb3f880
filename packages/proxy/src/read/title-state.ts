import type { Held, Row } from '../fill/row.js';
import { JOINT_MICROS } from '../fill/row.js';
import type { Entry } from './entries.js';

/** Stretches of one title that are told. */
const SPANS_MAX = 256;

/** Where media is: on disk (and perhaps in RAM, too), in RAM alone, or being fetched. */
export type Whereabouts = 'disk' | 'ram' | 'filling';

/** A stretch of a title that is held. NPT. */
export interface HeldSpan {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly where: Whereabouts;
}

/** A title as the proxy knows it. */
export interface TitleState {
  /** Path and query by which viewers ask for it: may hold secrets. */
  readonly path: string;
  readonly route: string;
  readonly live: boolean;
  /** Undefined: live, or not yet known. */
  readonly durationSeconds: number | undefined;
  readonly viewers: number;
  /** What came of asking the origin last. */
  readonly standing: Entry['standing'];
  /** Of origin sessions that fill it: where they are, NPT. */
  readonly flightsAtSeconds: readonly number[];
  /** In play order; what lies behind the 256th stretch is left out. */
  readonly held: readonly HeldSpan[];
}

/** Those that most viewers play, `most` of them at most; of as many viewers, what was asked for last comes first. */
export function topTitles(entries: Iterable<Entry>, most: number): TitleState[] {
  return [...entries]
    .toReversed()
    .sort((a, b) => b.readers - a.readers)
    .slice(0, most)
    .map(titleState);
}

function titleState({ title, path, flights, readers, standing }: Entry): TitleState {
  const zeroMicros = title.liveTime?.zeroMicros ?? 0;
  return {
    path,
    route: title.client.profile.route,
    live: title.live,
    durationSeconds: title.live ? undefined : title.durationSeconds,
    viewers: readers,
    standing,
    flightsAtSeconds: flights.positions().map((micros) => (micros - zeroMicros) / 1e6),
    held: heldSpans(title.row, zeroMicros),
  };
}

function heldSpans(row: Row, zeroMicros: number): HeldSpan[] {
  const spans: { fromSeconds: number; toSeconds: number; where: Whereabouts }[] = [];
  for (const held of row) {
    const where = whereaboutsOf(held);
    const fromSeconds = (held.startMicros - zeroMicros) / 1e6;
    const toSeconds = (held.endMicros - zeroMicros) / 1e6;
    const last = spans.at(-1);
    const isNext = last?.where === where && fromSeconds - last.toSeconds <= JOINT_MICROS / 1e6;
    if (last !== undefined && isNext) last.toSeconds = toSeconds;
    else if (spans.length < SPANS_MAX) spans.push({ fromSeconds, toSeconds, where });
    else break;
  }
  return spans;
}

function whereaboutsOf({ state, onDisk }: Held): Whereabouts {
  if (state !== 'sealed') return 'filling';
  return onDisk ? 'disk' : 'ram';
}
