import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adviseSizes, readLog, type Workload } from '@forebay/simulator';
import { ACCESS_LOG_HEADER } from '../access/access-line.js';
import { readingAt, type Reading } from './meter.js';
import type { Played } from './play.js';

/** Length of the proxy's segments. */
const SEGMENT_SECONDS = 4;
const WARM_UP_SHARE = 0.25;

/** The same viewings, measured at the proxy and simulated, each after the first quarter of the requests. */
export interface Comparison {
  /** Of the bytes that viewers got, the share that the origin was spared. */
  readonly measured: number;
  /** Undefined: no disk cache to simulate. */
  readonly predicted: number | undefined;
  /** Of the bytes that viewers got, the share from RAM or disk. */
  readonly held: number;
  readonly capacityBytes: number;
  /** The proxy's cache was not empty at the beginning. */
  readonly heldBefore: boolean;
  /** Media time that viewers missed, and troubles of the disk: where there are any, the proxy could not do its best. */
  readonly gapSeconds: number;
  readonly diskFaults: number;
}

/** @param readings of the proxy's metrics, from before the first viewing to after the last */
export async function compare(
  played: readonly Played[],
  readings: readonly Reading[],
): Promise<Comparison | undefined> {
  const [first, last] = [readings[0], readings.at(-1)];
  if (played.length === 0 || first === undefined || last === undefined) return undefined;
  const workload = await workloadOf(played);
  // A segment is asked for as it begins, and its bytes come while it plays.
  const from = readingAt(readings, warmSeconds(workload) + SEGMENT_SECONDS / 2) ?? first;
  const viewerBytes = last.viewerBytes - from.viewerBytes;
  if (viewerBytes <= 0) return undefined;
  const { capacityBytes } = last;
  const [advice] = capacityBytes > 0 ? adviseSizes(workload, [capacityBytes]) : [];
  return {
    measured: 1 - (last.originBytes - from.originBytes) / viewerBytes,
    predicted: advice?.byteHitRatio,
    held: (last.heldBytes - from.heldBytes) / viewerBytes,
    capacityBytes,
    heldBefore: first.cacheBytes > 0,
    gapSeconds: last.gapSeconds - first.gapSeconds,
    diskFaults: last.diskFaults - first.diskFaults,
  };
}

/** What was played as the simulator sees it, segments as long as the proxy's. */
async function workloadOf(played: readonly Played[]): Promise<Workload> {
  const bitrates = bitratesOf(played);
  const median = [...bitrates.values()].sort((a, b) => a - b)[bitrates.size >> 1] ?? 1;
  const rows = played.map(({ title, atSeconds, durationSeconds, startSeconds, seconds }) =>
    [
      atSeconds,
      title.replaceAll(',', '%2C'),
      durationSeconds,
      startSeconds,
      seconds,
      bitrates.get(title),
    ].join(','),
  );
  const folder = await mkdtemp(join(tmpdir(), 'forebay-replay-'));
  try {
    const path = join(folder, 'played.csv');
    await writeFile(path, `${ACCESS_LOG_HEADER}${rows.join('\n')}\n`);
    return await readLog(path, { segmentBytes: Math.ceil((median * SEGMENT_SECONDS) / 8) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of each title, over all that was played of it. */
function bitratesOf(played: readonly Played[]): Map<string, number> {
  const sums = new Map<string, { bytes: number; seconds: number }>();
  for (const { title, bytes, seconds } of played) {
    const sum = sums.get(title) ?? { bytes: 0, seconds: 0 };
    sum.bytes += bytes;
    sum.seconds += seconds;
    sums.set(title, sum);
  }
  return new Map(
    Array.from(sums, ([title, { bytes, seconds }]) => [
      title,
      Math.max(1, Math.round((bytes * 8) / seconds)),
    ]),
  );
}

/** When the simulator's warm-up is over. */
function warmSeconds({ segment, session, sessions, offset, firstSegment, titles }: Workload): number {
  const request = Math.floor(segment.length * WARM_UP_SHARE);
  const viewing = session[request] ?? 0;
  const title = sessions.title[viewing] ?? 0;
  const position = (segment[request] ?? 0) - (offset[title] ?? 0) - (firstSegment[viewing] ?? 0);
  return (sessions.startedSeconds[viewing] ?? 0) + position * (titles.segmentSeconds[title] ?? 0);
}
