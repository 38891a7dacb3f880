import {
  formatRange,
  formatRtpInfo,
  formatSession,
  formatTransport,
  nextState,
  parseRange,
  parseTransport,
  RtspError,
  VIEWER_METHODS,
} from '@forebay/rtsp';
import type { RtpInfoEntry, RtspRange, RtspRequest, TransportSpec } from '@forebay/rtsp';
import type { Answer } from './connection.js';
import { clockRange } from './description.js';
import type { OriginFaults, PaceManner } from './faults.js';
import type { Mount, OriginSession, PlayOptions } from './session.js';

/** Fast enough that only the viewer's reading holds it back. */
const UNPACED = 1e6;
const DEFAULT_TIMEOUT_SECONDS = 60;
const STREAM = /\/?stream=(\d+)\/?$/;

/** The mount's path and the stream that a URL or path names, its query left aside. */
export function targetOf(url: string): { path: string; stream: number | undefined; base: string } {
  const stream = STREAM.exec(url)?.[1];
  const base = url.replace(STREAM, '').replace(/\/$/, '');
  const path = base
    .replace(/^rtsps?:\/\/[^/]*/i, '')
    .replace(/\?.*$/s, '')
    .replace(/\/$/, '');
  return { path, stream: stream === undefined ? undefined : Number(stream), base };
}

export function answerOptions(): Answer {
  return { status: 200, headers: [['Public', VIEWER_METHODS.join(', ')]] };
}

/** @throws RtspError 455 unless the session's state allows the method */
export function checkState(session: OriginSession, method: string): void {
  nextState(session.state === 'ended' ? 'playing' : session.state, method);
}

export function sessionHeader(session: OriginSession, faults: OriginFaults): readonly [string, string] {
  return ['Session', formatSession(session.id, faults.sessionTimeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS)];
}

/** The first transport offered that this origin has. @throws RtspError 461 */
export function chooseTransport(request: RtspRequest, stream: number, faults: OriginFaults): TransportSpec {
  const allowed = faults.transports ?? ['tcp', 'udp'];
  const specs = parseTransport(request.headers.get('Transport') ?? '');
  const spec = specs.find(({ lower, delivery }) => allowed.includes(lower) && delivery === 'unicast');
  if (spec === undefined) throw new RtspError('viewer', 'transport-unsupported');
  if (spec.lower === 'udp') return spec;
  const [rtp, rtcp] = spec.interleaved ?? [2 * stream, 2 * stream + 1];
  const shift = faults.otherChannels === true ? 100 : 0;
  return { ...spec, interleaved: [rtp + shift, rtcp + shift] };
}

export function formatChosen(
  spec: TransportSpec,
  serverPort: readonly [number, number],
  ssrc: number,
): string {
  return formatTransport({ ...spec, ...(spec.lower === 'udp' ? { serverPort } : {}), ssrc, mode: 'PLAY' });
}

/** What a PLAY asks for. @throws RtspError 457, 400, 501 */
export function playOptions(request: RtspRequest, mount: Mount, faults: OriginFaults): PlayOptions {
  const range = request.headers.get('Range');
  const { start, end } = range === undefined ? {} : secondsOf(parseRange(range), faults.clockStartMs);
  if (!mount.live && start !== undefined && start >= mount.title.durationSeconds) {
    throw new RtspError('viewer', 'range-invalid');
  }
  const speed = obeyed(request, 'Speed', faults.speedHeader);
  const scale = obeyed(request, 'Scale', faults.scaleHeader);
  const factor = speed * scale;
  const isUnpaced =
    faults.rateControl === true && request.headers.get('Rate-Control')?.toLowerCase() === 'no';
  return {
    startSeconds: start,
    endSeconds: end,
    speed: isUnpaced ? UNPACED : factor * (faults.speed ?? 1),
    squeezed:
      (speed !== 1 && faults.speedHeader === 'squeezed') ||
      (scale !== 1 && faults.scaleHeader === 'squeezed'),
    thinned:
      (speed !== 1 && faults.speedHeader === 'thinned') || (scale !== 1 && faults.scaleHeader === 'thinned'),
    faults,
  };
}

function obeyed(request: RtspRequest, header: string, manner: PaceManner | undefined): number {
  const asked = Number(request.headers.get(header) ?? 1);
  return manner === undefined || manner === 'echoed' || !(asked > 0) ? 1 : asked;
}

/** What the answer to PLAY says of Speed, where the origin knows that, and of Scale, where it only says something. */
export function paceHeaders(request: RtspRequest, faults: OriginFaults): (readonly [string, string])[] {
  const asked = (name: string): readonly [string, string] => [name, request.headers.get(name) ?? '1.000'];
  return [
    ...(faults.speedHeader === undefined ? [] : [asked('Speed')]),
    ...(faults.scaleHeader === 'echoed' ? [asked('Scale')] : []),
  ];
}

/** Seconds of NPT; of 'now' and open ends undefined. */
function secondsOf(range: RtspRange, clockStartMs: number | undefined): { start?: number; end?: number } {
  if (range.unit !== (clockStartMs === undefined ? 'npt' : 'clock'))
    throw new RtspError('viewer', 'range-unit');
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : (ms - clockStartMs!) / 1000;
  const [start, end] =
    range.unit === 'clock'
      ? [seconds(range.startMs), seconds(range.endMs)]
      : range.unit === 'npt'
        ? [range.start ?? 0, range.end]
        : [];
  return {
    ...(typeof start === 'number' ? { start: Math.max(0, start) } : {}),
    ...(end === undefined ? {} : { end }),
  };
}

/** Where a play begins, as the answer to PLAY tells it: truthfully, or as the script has it. */
export function playHeaders(
  session: OriginSession,
  options: PlayOptions,
  cued: { startSeconds: number; endSeconds: number },
  base: string,
): (readonly [string, string])[] {
  const { faults } = options;
  const headers: (readonly [string, string])[] = [];
  if (faults.range !== 'missing') headers.push(['Range', rangeText(session.mount, options, cued)]);
  const entries = session.clocks.flatMap((clock, stream): RtpInfoEntry[] => {
    if (clock === undefined) return [];
    const url = `${base}/stream=${stream}`;
    if (faults.rtpInfo === 'no-rtptime') return [{ url, seq: clock.sequence }];
    const isWrong = faults.rtpInfo === 'wrong';
    const isOff = isWrong && session.mount.title.streams[stream]!.media === 'video';
    const rtptime = clock.timestampAt(isOff ? 0 : cued.startSeconds);
    return [{ url, seq: isWrong ? (clock.sequence + 3) & 0xffff : clock.sequence, rtptime }];
  });
  if (faults.rtpInfo !== 'missing') headers.push(['RTP-Info', formatRtpInfo(entries)]);
  return headers;
}

function rangeText(
  mount: Mount,
  { startSeconds, endSeconds, faults }: PlayOptions,
  cued: { startSeconds: number; endSeconds: number },
): string {
  if (mount.live) return 'npt=now-';
  const isAsked = faults.range === 'asked' || faults.seek === 'pretends';
  const start = isAsked ? (startSeconds ?? 0) : cued.startSeconds;
  const end = isAsked ? (endSeconds ?? mount.title.durationSeconds) : cued.endSeconds;
  if (faults.clockStartMs !== undefined) return clockRange(faults.clockStartMs, start, end);
  return formatRange({ unit: 'npt', start, end });
}
