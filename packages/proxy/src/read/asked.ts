import { RtspError, type RtspRange } from '@forebay/rtsp';
import type { LiveTime } from '../fill/live-time.js';
import type { Playable } from './playable.js';

/** A range in microseconds of the row that segments stand in; undefined where the viewer left a bound open. */
export interface Asked {
  /** `edge`: what is on now. */
  readonly startMicros: number | 'edge' | undefined;
  readonly endMicros: number | undefined;
}

const micros = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Math.round(seconds * 1e6);

/**
 * What was asked for. Clock times of a title count from the beginning of the recording.
 * @throws RtspError 501 for clock times of a presentation that has none
 */
export function askedRange(range: RtspRange | undefined, title: Playable): Asked {
  if (range === undefined) return { startMicros: undefined, endMicros: undefined };
  if (title.liveTime !== undefined) return askedOfLive(range, title.liveTime);
  if (range.unit === 'smpte')
    return { startMicros: micros(range.startSeconds), endMicros: micros(range.endSeconds) };
  if (range.unit === 'npt') {
    const start = range.start === 'now' ? undefined : range.start;
    return { startMicros: micros(start), endMicros: micros(range.end) };
  }
  const recorded = title.range;
  const zeroMs = recorded?.unit === 'clock' ? recorded.startMs : undefined;
  if (zeroMs === undefined) throw new RtspError('viewer', 'range-unit');
  const since = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : micros((ms - zeroMs) / 1000);
  return { startMicros: since(range.startMs), endMicros: since(range.endMs) };
}

/**
 * Live, a start of 0 is what FFmpeg, VLC and openRTSP say whenever they begin, whatever the description says: it means now,
 * as `now` does. Other places are those of the window, where there is one.
 */
function askedOfLive(range: RtspRange, live: LiveTime): Asked {
  const hasWindow = live.windowMicros > 0;
  if (range.unit === 'clock') {
    if (!hasWindow) throw new RtspError('viewer', 'range-unit');
    const { startMs, endMs } = range;
    return {
      startMicros: startMs === undefined ? 'edge' : startMs * 1000,
      endMicros: endMs === undefined ? undefined : endMs * 1000,
    };
  }
  const [start, end] =
    range.unit === 'npt' ? [range.start, range.end] : [range.startSeconds, range.endSeconds];
  const zeroMicros = hasWindow ? live.zeroMicros : undefined;
  if (zeroMicros === undefined) return { startMicros: 'edge', endMicros: undefined };
  const isPlace = typeof start === 'number' && start > 0;
  return {
    startMicros: isPlace ? zeroMicros + micros(start)! : 'edge',
    endMicros: end === undefined ? undefined : zeroMicros + micros(end)!,
  };
}

/** The same played backward: from its later bound to the earlier, in whichever order they stand. */
export function backward({ startMicros, endMicros }: Asked): Asked {
  return typeof startMicros === 'number' && endMicros !== undefined && endMicros > startMicros
    ? { startMicros: endMicros, endMicros: startMicros }
    : { startMicros, endMicros };
}
