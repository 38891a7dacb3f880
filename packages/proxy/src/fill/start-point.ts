import type { RtspRange } from '@forebay/rtsp';
import type { Title } from './title.js';

/** The origin is asked for this much before a seam, so that it starts at the key frame before it and the join finds overlap. */
const OVERLAP_MICROS = 200_000;
/** The same where media is asked for faster than it plays, and must prove to be the same. */
const TRIAL_MICROS = 2_000_000;
/** A start this close to the beginning asks for the beginning. */
const BEGINNING_MICROS = 300_000;
/**
 * A key frame this close to the beginning is the first: GStreamer says 0 for it when it plays from the beginning, and its own
 * time, that of a few frames, after a seek.
 */
const FIRST_MICROS = 100_000;
/** A flight whose origin answered a start this much earlier than asked shows that the origin cannot seek. */
const NO_SEEK_MICROS = 15_000_000;
/** Announced lengths are rounded: a start this far behind the end is still believed. */
const END_SLACK_MICROS = 2_000_000;

/**
 * NPT that an origin is asked for, to fill from NPT `fromMicros`.
 * @param isTrial what it sends is compared with more of what is held
 */
export function askFor(title: Title, fromMicros: number, isTrial = false): number {
  const isTouching = title.row.endingAt(fromMicros) !== undefined;
  const overlapMicros = isTrial ? TRIAL_MICROS : OVERLAP_MICROS;
  const askMicros = isTouching ? fromMicros - overlapMicros : fromMicros;
  return askMicros < BEGINNING_MICROS || title.seeks === false ? 0 : askMicros;
}

/** Where media begins that starts at NPT `micros`: there is nothing before the first key frame of a title. */
export function beginningOf(micros: number): number {
  return micros <= FIRST_MICROS ? 0 : micros;
}

/** The origin says where it starts. */
export function isTold(range: RtspRange | undefined): boolean {
  return range?.unit === 'npt' && typeof range.start === 'number';
}

/** NPT where the origin says that it starts; it may be wrong, and is not believed where it cannot be right. */
export function startOf(title: Title, range: RtspRange | undefined, askMicros: number): number {
  if (range?.unit !== 'npt') return askMicros;
  if (range.end !== undefined) title.findings.learnDuration(range.end);
  if (typeof range.start !== 'number') return askMicros;
  const told = Math.round(range.start * 1e6);
  const most = Math.max(askMicros, (title.durationSeconds ?? 0) * 1e6) + END_SLACK_MICROS;
  if (!(told >= 0 && told <= most)) return askMicros;
  if (told < askMicros - NO_SEEK_MICROS) title.findings.sought(false);
  return told;
}
