import { randomInt } from 'node:crypto';
import { formatRange } from '@forebay/rtsp';
import type { Title } from '../title/title.js';
import type { OriginFaults } from './faults.js';

/** The SDP of a title. Session id and version differ from one answer to the next, as with real origins. */
export function describeTitle(
  title: Title,
  options: { live: boolean; name: string; faults: OriginFaults },
): string {
  const { live, name, faults } = options;
  const range = rangeOf(title.durationSeconds, live, faults);
  const version = randomInt(2 ** 40);
  const lines = [
    'v=0',
    `o=- ${version} ${version} IN IP4 127.0.0.1`,
    `s=${name}`,
    'c=IN IP4 0.0.0.0',
    't=0 0',
    'a=tool:forebay-rig',
    'a=type:broadcast',
    'a=control:*',
    ...(range === undefined ? [] : [`a=range:${range}`]),
  ];
  title.streams.forEach((stream, index) => {
    lines.push(
      `m=${stream.media} 0 RTP/AVP ${stream.payloadType}`,
      `a=rtpmap:${stream.payloadType} ${stream.rtpmap}`,
      ...(stream.fmtp === undefined ? [] : [`a=fmtp:${stream.payloadType} ${stream.fmtp}`]),
      `a=control:stream=${index}`,
    );
  });
  return `${lines.join('\r\n')}\r\n`;
}

function rangeOf(durationSeconds: number, live: boolean, faults: OriginFaults): string | undefined {
  const { sdpRange, clockStartMs } = faults;
  if (sdpRange === 'missing') return undefined;
  if (sdpRange === 'now-end') return `npt=now-${durationSeconds}`;
  if (clockStartMs !== undefined && sdpRange === undefined)
    return clockRange(clockStartMs, 0, durationSeconds);
  return sdpRange ?? (live ? 'npt=now-' : `npt=0-${durationSeconds}`);
}

/** A range of a title as wall clock times. Source: RFC 2326 section 3.7 */
export function clockRange(clockStartMs: number, startSeconds: number, endSeconds: number): string {
  const startMs = clockStartMs + startSeconds * 1000;
  return formatRange({ unit: 'clock', startMs, endMs: clockStartMs + endSeconds * 1000 });
}
