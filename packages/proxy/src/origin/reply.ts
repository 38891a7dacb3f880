import {
  type Description,
  parseRtpInfo,
  parseRtspUrl,
  type RtpInfoEntry,
  type RtspRange,
  type RtspResponse,
} from '@forebay/rtsp';
import { readSpan } from './range.js';

/** What an origin says of the media that it is about to send. All of it can be wrong. */
export interface PlayReply {
  /** NPT of the presentation, also where the origin counts by the clock. */
  readonly range?: RtspRange;
  /** By stream index of the description. */
  readonly rtpInfo: readonly (RtpInfoEntry | undefined)[];
  readonly scale?: number;
  readonly speed?: number;
}

/** A stream that was set up. */
export interface SetUpStream {
  /** Index in the description. */
  readonly stream: number;
  /** Its control URL. */
  readonly url: string;
}

/** @param streams in the order of their SETUP */
export function readPlayReply(
  response: RtspResponse,
  description: Description,
  streams: readonly SetUpStream[],
): PlayReply {
  const range = readSpan(description, response.headers.get('range'));
  const scale = readNumber(response.headers.get('scale'));
  const speed = readNumber(response.headers.get('speed'));
  const entries = parseRtpInfo(response.headers.get('rtp-info') ?? '');
  return {
    rtpInfo: description.streams.map((_, stream) => entryOf(stream, entries, streams)),
    ...(range === undefined ? {} : { range }),
    ...(scale === undefined ? {} : { scale }),
    ...(speed === undefined ? {} : { speed }),
  };
}

function readNumber(text: string | undefined): number | undefined {
  const match = text === undefined ? null : /^\s*(-?\d{1,6}(?:\.\d{0,20})?)\s*$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/**
 * The entry of one stream: the one with its URL, whatever the host; else the only one that ends with its last path
 * element; else the one in its place, where there are as many entries as streams.
 */
function entryOf(
  stream: number,
  entries: readonly RtpInfoEntry[],
  streams: readonly SetUpStream[],
): RtpInfoEntry | undefined {
  const place = streams.findIndex((s) => s.stream === stream);
  const url = streams[place]?.url;
  if (url === undefined) return undefined;
  const same = entries.find((entry) => targetOf(entry.url) === targetOf(url));
  if (same !== undefined) return same;
  const similar = entries.filter((entry) => lastOf(entry.url) === lastOf(url));
  const distinct = streams.filter((s) => lastOf(s.url) === lastOf(url)).length === 1;
  if (similar.length === 1 && distinct) return similar[0];
  const nothingFits = !entries.some((entry) => streams.some((s) => lastOf(s.url) === lastOf(entry.url)));
  return nothingFits && entries.length === streams.length ? entries[place] : undefined;
}

/** Path and query. */
function targetOf(url: string): string {
  try {
    const { path, query } = parseRtspUrl(url, 'origin');
    return path + query;
  } catch {
    return url;
  }
}

function lastOf(url: string): string {
  const target = targetOf(url);
  return target.slice(target.lastIndexOf('/') + 1);
}
