import { formatBytes } from '../quantity.js';
import { formatTable, type Column } from '../table.js';
import type { Viewing } from './play.js';

/** How the title was played: straight from the origin, through an empty proxy, through one that holds it. */
export type Way = 'direct' | 'cold' | 'warm';

export interface Measured extends Viewing {
  readonly way: Way;
  /** Media that the origin sent for it. */
  readonly originBytes: number;
  /** Of what the viewer was sent, 0 to 1; undefined without a proxy. */
  readonly diskShare: number | undefined;
}

export interface Result {
  readonly roundTripMs: number;
  readonly titleSeconds: number;
  readonly viewings: Readonly<Record<Way, Measured>>;
}

/** Warm start-up must beat direct by this factor. */
const WANTED_FACTOR = 5;

/** Whether every frame came through unchanged, and how much faster the warm start was than the direct one. */
export function verdictOf(result: Result): {
  readonly identical: boolean;
  readonly factor: number;
  readonly good: boolean;
} {
  const { direct, cold, warm } = result.viewings;
  const identical = sameFrames(cold, direct) && sameFrames(warm, direct);
  const factor = direct.startupMs / warm.startupMs;
  return { identical, factor, good: identical && factor >= WANTED_FACTOR };
}

const COLUMNS: readonly Column[] = [
  { title: '' },
  { title: 'START-UP', align: 'right' },
  { title: 'IN ROUND TRIPS', align: 'right' },
  { title: 'FROM THE ORIGIN', align: 'right' },
  { title: 'FROM DISK', align: 'right' },
  { title: 'FRAMES IDENTICAL', align: 'right' },
];

/** The table and a line that says what it means. Start-up is also told in round trips to the origin. */
export function reportText(result: Result): string {
  const { direct, cold, warm } = result.viewings;
  const rows = [direct, cold, warm].map((measured) => [
    measured.way,
    `${measured.startupMs.toFixed(measured.startupMs < 100 ? 1 : 0)} ms`,
    (measured.startupMs / result.roundTripMs).toFixed(1),
    formatBytes(measured.originBytes),
    measured.diskShare === undefined ? '-' : `${Math.round(measured.diskShare * 100)} %`,
    measured === direct ? '-' : sameFrames(measured, direct) ? 'yes' : 'NO',
  ]);
  const { identical, factor, good } = verdictOf(result);
  const frames = countsOf(direct);
  const verdict = good
    ? `Warm starts ${factor.toFixed(0)} times as fast as direct; ${frames} frames came through unchanged, both times.`
    : identical
      ? `Warm starts only ${factor.toFixed(1)} times as fast as direct; ${WANTED_FACTOR} were expected.`
      : `Frames were lost or changed on the way: direct ${frames}, cold ${countsOf(cold)}, warm ${countsOf(warm)}.`;
  return `${formatTable(COLUMNS, rows)}\n${verdict}\n`;
}

/** The same for programs: one JSON object. */
export function reportObject(result: Result): object {
  const { direct, cold, warm } = result.viewings;
  const { identical, factor, good } = verdictOf(result);
  return {
    roundTripMs: result.roundTripMs,
    titleSeconds: result.titleSeconds,
    ...Object.fromEntries(
      [direct, cold, warm].map((measured) => [
        measured.way,
        {
          startupMs: Number(measured.startupMs.toFixed(2)),
          startupRoundTrips: Number((measured.startupMs / result.roundTripMs).toFixed(2)),
          originBytes: measured.originBytes,
          diskShare: measured.diskShare ?? null,
          frames: measured.frames.map((list) => list.length),
        },
      ]),
    ),
    framesIdentical: identical,
    warmFactor: Number(factor.toFixed(1)),
    good,
  };
}

/** `300 + 562`: frames by stream. */
function countsOf(viewing: Viewing): string {
  return viewing.frames.map((list) => list.length).join(' + ');
}

function sameFrames(left: Viewing, right: Viewing): boolean {
  if (left.frames.length !== right.frames.length) return false;
  return left.frames.every((list, stream) => list.length > 0 && sameList(list, right.frames[stream] ?? []));
}

function sameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((hash, index) => hash === right[index]);
}
