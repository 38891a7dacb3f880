import { counted } from '../ls.js';
import { formatBytes, formatSpan } from '../quantity.js';
import { printable } from '../table.js';
import type { CrowdReport } from './crowd.js';
import type { Comparison } from './prediction.js';

/** Later than this, the log was not replayed as it was. */
const LATE_SECONDS = 1;
const MOST_REASONS = 10;

/** What came of a replay. */
export interface Replay {
  readonly path: string;
  readonly speed: number;
  /** Viewings of the log. */
  readonly planned: number;
  /** It took. */
  readonly seconds: number;
  readonly report: CrowdReport;
  /** Undefined: nothing was played, or nobody asked the proxy. */
  readonly comparison: Comparison | undefined;
}

export function replayText(replay: Replay): string {
  const { path, planned, report, seconds } = replay;
  const bytes = bytesOf(report);
  const startup = median(report.played.map((played) => played.startupMs));
  const lines = [
    `${printable(path)}: ${report.played.length} of ${counted(planned, 'viewing')} played in ${formatSpan(seconds)}, ${formatBytes(bytes)}`,
  ];
  if (startup !== undefined) lines.push(`start-up: ${startup.toFixed(0)} ms, the middle one`);
  const reasons = [...report.unplayed].sort((a, b) => b[1] - a[1]).slice(0, MOST_REASONS);
  for (const [reason, count] of reasons) lines.push(`not played: ${count}, ${printable(reason)}`);
  if (report.latestSeconds > LATE_SECONDS) {
    lines.push(
      `viewings began up to ${formatSpan(report.latestSeconds)} late: more --viewers, or less --speed, keep to the log`,
    );
  }
  return `${[...lines, ...comparisonLines(replay.comparison)].join('\n')}\n`;
}

function comparisonLines(comparison: Comparison | undefined): string[] {
  if (comparison === undefined) return [];
  const { measured, predicted, held, capacityBytes, heldBefore, gapSeconds, diskFaults } = comparison;
  const lines = ['', `saved the origin, measured   ${percent(measured)} of the bytes that viewers got`];
  if (predicted !== undefined) {
    const points = ((measured - predicted) * 100).toFixed(1).replace(/^(?=\d)/, '+');
    lines.push(
      `saved the origin, simulated  ${percent(predicted)} with ${formatBytes(capacityBytes)} on disk: ${points} points`,
    );
  }
  lines.push(`from RAM or disk             ${percent(held)}`);
  lines.push('(after the first quarter of the requests, which is warm-up)');
  if (gapSeconds > 0 || diskFaults > 0) {
    lines.push(
      `the proxy could not keep up: media was missing for ${formatSpan(gapSeconds)}, the disk failed ${diskFaults} times; it saves more at ease`,
    );
  }
  if (heldBefore) lines.push('the cache was not empty at the beginning; the simulator begins with nothing');
  return lines;
}

/** For programs. Ratios are shares of 1. */
export function replayObject({ path, speed, planned, seconds, report, comparison }: Replay): object {
  return {
    log: path,
    speed,
    viewings: planned,
    played: report.played.length,
    unplayed: Object.fromEntries(report.unplayed),
    latestSeconds: report.latestSeconds,
    seconds,
    bytes: bytesOf(report),
    startupMs: median(report.played.map((played) => played.startupMs)) ?? null,
    measuredByteHitRatio: comparison?.measured ?? null,
    predictedByteHitRatio: comparison?.predicted ?? null,
    heldByteRatio: comparison?.held ?? null,
    capacityBytes: comparison?.capacityBytes ?? null,
    gapSeconds: comparison?.gapSeconds ?? null,
    diskFaults: comparison?.diskFaults ?? null,
    cacheWasEmpty: comparison === undefined ? null : !comparison.heldBefore,
  };
}

function bytesOf(report: CrowdReport): number {
  return report.played.reduce((sum, played) => sum + played.bytes, 0);
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(1)} %`.padStart(7);
}
