import { RtspError, type RtspRange } from '@forebay/rtsp';

/** A range in seconds of NPT; undefined where the viewer left a bound open. */
export interface Asked {
  readonly start: number | undefined;
  readonly end: number | undefined;
}

/**
 * What was asked for, in seconds of NPT. Clock times count from the beginning of the recording.
 * @throws RtspError 501 for clock times of a title that has none
 */
export function askedRange(range: RtspRange | undefined, recorded: RtspRange | undefined): Asked {
  if (range === undefined) return { start: undefined, end: undefined };
  if (range.unit === 'smpte') return { start: range.startSeconds, end: range.endSeconds };
  if (range.unit === 'npt') return { start: range.start === 'now' ? undefined : range.start, end: range.end };
  const zeroMs = recorded?.unit === 'clock' ? recorded.startMs : undefined;
  if (zeroMs === undefined) throw new RtspError('viewer', 'range-unit');
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : (ms - zeroMs) / 1000;
  return { start: seconds(range.startMs), end: seconds(range.endMs) };
}

/** The same played backward: from its later bound to the earlier, in whichever order they stand. */
export function backward({ start, end }: Asked): Asked {
  return start !== undefined && end !== undefined && end > start
    ? { start: end, end: start }
    : { start, end };
}
