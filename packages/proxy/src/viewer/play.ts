import { formatRange, formatRatio, formatRtpInfo, parseRange, parseRatio } from '@forebay/rtsp';
import type { RtspRange, RtspRequest } from '@forebay/rtsp';
import type { PlayResult, Presentation } from '../read/library.js';
import type { Pace } from '../read/pace.js';
import {
  aggregateOnly,
  requiredSession,
  sessionField,
  single,
  type Answer,
  type Exchange,
  type HeaderField,
} from './exchange.js';
import type { ViewerSession } from './session.js';

/**
 * Plays from the start, the pause point or the range asked for. The answer names the range really sent, and the first
 * packet of each stream, before any of them is sent. Source: RFC 2326 section 10.5, 12.29, 12.33.
 */
export async function play(exchange: Exchange): Promise<Answer> {
  const { request, host } = exchange;
  const { session, stream } = requiredSession(exchange);
  aggregateOnly(session, stream, request.method);
  const pace = askedPace(request);
  const asked = single(request, 'Range');
  const range = asked === undefined ? undefined : parseRange(asked, 'viewer', directionOf(pace));
  return session.inTurn(async () => {
    const result = await session.play(range, pace);
    const headers: HeaderField[] = [sessionField(session, host)];
    if (result === undefined) return { status: 200, headers };
    headers.push(...actualPace(request, result.pace));
    headers.push(['Range', actualRange(range, result, session.presentation)]);
    headers.push(['RTP-Info', rtpInfo(session, result)]);
    return { status: 200, headers, written: () => session.start(result) };
  });
}

/** Scale and Speed as asked for; undefined where neither is. @throws RtspError 400. Source: RFC 2326 section 12.34, 12.35 */
function askedPace(request: RtspRequest): Pace | undefined {
  const [scale, speed] = [single(request, 'Scale'), single(request, 'Speed')];
  if (scale === undefined && speed === undefined) return undefined;
  return {
    scale: scale === undefined ? 1 : parseRatio('scale', scale),
    speed: speed === undefined ? 1 : parseRatio('speed', speed),
  };
}

function directionOf(pace: Pace | undefined): 'forward' | 'backward' {
  return pace !== undefined && pace.scale < 0 ? 'backward' : 'forward';
}

/** What was asked about is always answered with what the viewer gets. */
function actualPace({ headers }: RtspRequest, { scale, speed }: Pace): HeaderField[] {
  const fields: HeaderField[] = [];
  if (headers.has('Scale') || scale !== 1) fields.push(['Scale', formatRatio(scale)]);
  if (headers.has('Speed') || speed !== 1) fields.push(['Speed', formatRatio(speed)]);
  return fields;
}

/** The range in the unit asked for, where the presentation has a way to tell. */
function actualRange(asked: RtspRange | undefined, result: PlayResult, presentation: Presentation): string {
  const { startSeconds: start, endSeconds: end } = result;
  if (typeof start === 'number' && asked?.unit === 'smpte') {
    return formatRange({
      unit: 'smpte',
      format: asked.format,
      startSeconds: start,
      ...optional('endSeconds', end),
    });
  }
  const recorded = presentation.description.range;
  const recordedMs = recorded?.unit === 'clock' ? (recorded.startMs ?? 0) : undefined;
  const zeroMs = result.zeroUnixMs ?? recordedMs;
  if (typeof start === 'number' && asked?.unit === 'clock' && zeroMs !== undefined) {
    const endMs = end === undefined ? undefined : zeroMs + end * 1000;
    return formatRange({ unit: 'clock', startMs: zeroMs + start * 1000, ...optional('endMs', endMs) });
  }
  return formatRange({ unit: 'npt', start, ...optional('end', end) });
}

function optional<K extends string>(name: K, value: number | undefined): { [name in K]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { [name in K]: number });
}

function rtpInfo(session: ViewerSession, result: PlayResult): string {
  return formatRtpInfo(
    session.streams.flatMap(({ stream, url }) => {
      const first = result.streams.find((each) => each.stream === stream);
      return first === undefined ? [] : [{ url, seq: first.sequence, rtptime: first.rtpTime }];
    }),
  );
}
