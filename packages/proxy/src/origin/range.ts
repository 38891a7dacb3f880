import { type Description, formatRange, parseRange, type RtspRange } from '@forebay/rtsp';
import type { RangeUnit } from './profile.js';

/** From a position in the presentation, NPT; to `endSeconds` where given. */
export interface Span {
  readonly startSeconds: number;
  readonly endSeconds?: number | undefined;
}

/**
 * The Range header for `span`: NPT, or wall-clock time (recorders).
 * @param unit the one to use where the description allows it; by default the one of the description
 */
export function formatSpan(description: Description, span: Span, unit?: RangeUnit): string {
  const epochMs = unit === 'npt' ? undefined : clockStart(description);
  const { startSeconds, endSeconds } = span;
  if (epochMs === undefined) {
    return formatRange({
      unit: 'npt',
      start: startSeconds,
      ...(endSeconds === undefined ? {} : { end: endSeconds }),
    });
  }
  const startMs = epochMs + Math.round(startSeconds * 1000);
  if (endSeconds === undefined) return formatRange({ unit: 'clock', startMs });
  return formatRange({ unit: 'clock', startMs, endMs: epochMs + Math.round(endSeconds * 1000) });
}

/**
 * The Range header of an answer, as NPT of the presentation whatever its unit. It is the origin's claim and no more;
 * one that cannot be read counts as none.
 */
export function readSpan(description: Description, header: string | undefined): RtspRange | undefined {
  if (header === undefined) return undefined;
  let range: RtspRange;
  try {
    range = parseRange(header, 'origin');
  } catch {
    return undefined;
  }
  const epochMs = clockStart(description);
  if (range.unit !== 'clock') return range;
  if (epochMs === undefined) return undefined;
  const { startMs, endMs } = range;
  return {
    unit: 'npt',
    ...(startMs === undefined ? {} : { start: Math.max(0, (startMs - epochMs) / 1000) }),
    ...(endMs === undefined ? {} : { end: (endMs - epochMs) / 1000 }),
  };
}

/** Wall-clock time of NPT 0, where the origin counts so. */
function clockStart(description: Description): number | undefined {
  return description.range?.unit === 'clock' ? description.range.startMs : undefined;
}
