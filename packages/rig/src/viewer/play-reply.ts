import { parseRange, parseRtpInfo } from '@forebay/rtsp';
import type { RtpInfoEntry, RtspRange, RtspResponse } from '@forebay/rtsp';
import type { StreamSeat } from './seat.js';

export interface PlayReply {
  readonly response: RtspResponse;
  /** Undefined where the peer sent none that can be read. */
  readonly range: RtspRange | undefined;
  /** Start of the range in seconds, where it is NPT and a number. */
  readonly startSeconds: number | undefined;
  /** By stream index. */
  readonly rtpInfo: readonly (RtpInfoEntry | undefined)[];
}

/** Reads Range and RTP-Info of an answer to PLAY. */
export function readPlayReply(response: RtspResponse, seats: readonly StreamSeat[]): PlayReply {
  const isBackward = response.headers.get('Scale')?.trim().startsWith('-') === true;
  const range = readRange(response.headers.get('Range'), isBackward ? 'backward' : 'forward');
  const entries = parseRtpInfo(response.headers.get('RTP-Info') ?? '');
  const rtpInfo: (RtpInfoEntry | undefined)[] = [];
  for (const { url, recording } of seats) {
    rtpInfo[recording.stream.index] = entries.find(
      (entry) => url === entry.url || url.endsWith(`/${entry.url}`),
    );
  }
  const start = range?.unit === 'npt' ? range.start : undefined;
  return { response, range, startSeconds: typeof start === 'number' ? start : undefined, rtpInfo };
}

function readRange(value: string | undefined, direction: 'forward' | 'backward'): RtspRange | undefined {
  if (value === undefined) return undefined;
  try {
    return parseRange(value, 'origin', direction);
  } catch {
    return undefined;
  }
}
