import { formatRange, formatRtpInfo, parseRange } from '@forebay/rtsp';
import type { RtspRange } from '@forebay/rtsp';
import type { PlayResult, Presentation } from '../read/library.js';
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
  const asked = single(request, 'Range');
  const range = asked === undefined ? undefined : parseRange(asked);
  return session.inTurn(async () => {
    const result = await session.play(range);
    const headers: HeaderField[] = [sessionField(session, host), ...actualPace(exchange)];
    if (result === undefined) return { status: 200, headers };
    headers.push(['Range', actualRange(range, result, session.presentation)]);
    headers.push(['RTP-Info', rtpInfo(session, result)]);
    return { status: 200, headers, written: () => session.start() };
  });
}

/** Everything is sent at its own pace, and the answer to another wish says so. Source: RFC 2326 section 12.34, 12.35. */
function actualPace({ request }: Exchange): HeaderField[] {
  return ['Scale', 'Speed'].filter((name) => request.headers.has(name)).map((name) => [name, '1']);
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
  if (typeof start === 'number' && asked?.unit === 'clock' && recorded?.unit === 'clock') {
    const zeroMs = recorded.startMs ?? 0;
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
