import { cpuUsage } from 'node:process';
import type { Rival } from './rivals/rival.js';
import { requestSeconds, type Workload } from './workload.js';

const WARM_UP_SHARE = 0.25;
/** Width of the bins over time. */
export const BIN_SECONDS = 900;
const PEAK_QUANTILE = 0.95;

/** What one policy did at one size, after the warm-up. */
export interface Outcome {
  readonly requests: number;
  readonly byteHitRatio: number;
  /** Of sessions that begin at the start of a title: the first segment was held. */
  readonly startHitRatio: number;
  /** Of all sessions: the first segment was not held. */
  readonly delayedStartRatio: number;
  /** 95th percentile of the origin's load over quarters of an hour, as a share of that of the viewers'. */
  readonly peakRatio: number;
  readonly writesPerRequest: number;
  /** Processor time of the whole replay over its requests, in nanoseconds. */
  readonly nsPerDecision: number;
  /** Hit ratio of every quarter of an hour from the beginning of the trace. */
  readonly hitsByBin: Float64Array;
  readonly requestsByBin: Float64Array;
}

/** Which sessions are measured; the others are only replayed. Default: all. */
export type Measured = (session: number) => boolean;

/** Replays a workload over a policy. @throws Error when the policy ever holds more than `capacity`. */
export function replay(
  w: Workload,
  rival: Rival,
  capacity: number,
  measured: Measured = () => true,
): Outcome {
  const total = w.segment.length;
  const warm = Math.floor(total * WARM_UP_SHARE);
  const hits = new Uint8Array(total);
  let writesBefore = 0;
  const begun = cpuUsage();
  for (let i = 0; i < total; i++) {
    if (i === warm) writesBefore = rival.writes;
    if (rival.request(w.segment[i]!, i)) hits[i] = 1;
    if (rival.held > capacity) throw new Error(`${rival.held} segments are held where ${capacity} fit`);
  }
  const spent = cpuUsage(begun);
  return {
    ...measure(w, hits, warm, measured),
    writesPerRequest: (rival.writes - writesBefore) / (total - warm),
    nsPerDecision: ((spent.user + spent.system) * 1e3) / total,
  };
}

function measure(
  w: Workload,
  hits: Uint8Array,
  warm: number,
  measured: Measured,
): Omit<Outcome, 'writesPerRequest' | 'nsPerDecision'> {
  const total = w.segment.length;
  const begin = w.sessions.startedSeconds[0] ?? 0;
  const bins = Math.floor((requestSeconds(w, total - 1) - begin) / BIN_SECONDS) + 2;
  const requestsByBin = new Float64Array(bins);
  const hitsByBin = new Float64Array(bins);
  let hit = 0;
  let requests = 0;
  let starts = 0;
  let startHits = 0;
  let sessions = 0;
  let delayed = 0;
  let firstBin = 0;
  for (let i = 0; i < total; i++) {
    const s = w.session[i]!;
    if (!measured(s)) continue;
    const bin = Math.floor((requestSeconds(w, i) - begin) / BIN_SECONDS);
    requestsByBin[bin]! += 1;
    hitsByBin[bin]! += hits[i]!;
    if (i < warm) continue;
    if (requests === 0) firstBin = bin;
    requests += 1;
    hit += hits[i]!;
    const position = w.segment[i]! - w.offset[w.sessions.title[s]!]!;
    if (position !== w.firstSegment[s]!) continue;
    sessions += 1;
    delayed += 1 - hits[i]!;
    if (position > 0) continue;
    starts += 1;
    startHits += hits[i]!;
  }
  const asked = Array.from(requestsByBin.subarray(firstBin));
  const missed = asked.map((n, i) => n - hitsByBin[firstBin + i]!);
  return {
    requests,
    byteHitRatio: hit / Math.max(1, requests),
    startHitRatio: startHits / Math.max(1, starts),
    delayedStartRatio: delayed / Math.max(1, sessions),
    peakRatio: quantile(missed, PEAK_QUANTILE) / Math.max(1, quantile(asked, PEAK_QUANTILE)),
    hitsByBin,
    requestsByBin,
  };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}
