import { createHash } from 'node:crypto';
import { parse } from 'sdp-transform';
import type { MediaDescription } from 'sdp-transform';
import { RtspError } from './errors.js';
import type { RtspErrorCode } from './errors.js';
import { LIMITS } from './limits.js';
import { naturalClockRate, STATIC_PAYLOAD_TYPES } from './payload-types.js';
import { formatRange, parseRange } from './range.js';
import type { RtspRange } from './range.js';
import { attribute, attributes, readSections } from './sdp-lines.js';
import type { Section } from './sdp-lines.js';

/** One `m=` line and what belongs to it. */
export interface StreamDescription {
  /** Position of the `m=` line, from 0. */
  readonly index: number;
  /** `video`, `audio`, `application` ... */
  readonly media: string;
  /** The first one offered, 0 to 127; -1 where none can be read (`m=application/TP-LINK/90000 0 RTP/AVP smart/1`). */
  readonly payloadType: number;
  /** Upper case; resolved for static payload types; `''` when unknown. */
  readonly encoding: string;
  /** Ticks a second, always above 0: where the origin gives none that is usable, what the encoding implies. */
  readonly clockRate: number;
  /** What stands behind `a=fmtp:<payload type>`, byte for byte. */
  readonly fmtp?: string;
  /** `a=control` as sent; for `resolveControl`. */
  readonly control?: string;
  /** `b=AS`. */
  readonly bandwidthKbps?: number;
}

/** A session description as an origin gave it, with what the proxy needs of it. */
export interface Description {
  /** As received. */
  readonly text: string;
  readonly streams: readonly StreamDescription[];
  /** Aggregate control as sent; for `resolveControl`. */
  readonly control?: string;
  /** `a=range` of the session, else the longest of the streams'; absent when there is none that can be read. */
  readonly range?: RtspRange;
  /** The range has a finite end: a recording, not a live stream. */
  readonly onDemand: boolean;
  /** End of an NPT range, or end minus start of a clock range. Only on demand. */
  readonly durationSeconds?: number;
  /**
   * SHA-256, hexadecimal, of what makes media interchangeable: `m=` lines without port, rtpmap, fmtp, control, range
   * end. Not `o=`, `s=`, `t=`, tool and SSRC, which many origins change with every answer.
   */
  readonly fingerprint: string;
}

/**
 * Reads a session description tolerantly: LF or CRLF, missing `v=`, `o=`, `s=` or `t=`, unknown media and attributes.
 * @throws {RtspError} (origin, 502) `description-too-large` above 256 KiB, 1024 lines or 16 streams; `description`
 * when it holds a NUL or no stream
 */
export function parseDescription(text: string): Description {
  if (text.length > LIMITS.bodyBytes) throw fault('description-too-large', 'bytes');
  if (text.includes('\0')) throw fault('description', 'NUL');
  const sections = readSections(text);
  if (sections === undefined) throw fault('description-too-large', 'lines');
  const [session, ...media] = sections;
  if (media.length === 0) throw fault('description', 'no stream');
  if (media.length > LIMITS.streams) throw fault('description-too-large', 'streams');
  const parsed = parse(text.replace(/^\uFEFF/, '')).media;
  const streams = media.map((section, index) => describeStream(section, index, parsed[index]));
  const control = attribute(session, 'control');
  const range = rangeOf(session, media);
  const duration = range === undefined ? undefined : durationOf(range);
  return {
    text,
    streams,
    ...(control === undefined ? {} : { control }),
    ...(range === undefined ? {} : { range }),
    onDemand: duration !== undefined,
    ...(duration === undefined ? {} : { durationSeconds: duration }),
    fingerprint: fingerprintOf(session, media, extentOf(range)),
  };
}

function fault(code: RtspErrorCode, detail: string): RtspError {
  return new RtspError('origin', code, { detail });
}

function describeStream(
  section: Section,
  index: number,
  parsed: MediaDescription | undefined,
): StreamDescription {
  const mediaLine = /^m=([^\s/]*)\S*\s+\S+\s+\S+\s+(\S+)/.exec(section.lines[0] ?? '');
  const media = (mediaLine?.[1] ?? '').toLowerCase();
  const offered = mediaLine?.[2] ?? '';
  const payloadType = /^\d{1,3}$/.test(offered) && Number(offered) <= 127 ? Number(offered) : -1;
  const control = attribute(section, 'control');
  const fmtp = fmtpOf(section, payloadType);
  const bandwidth = parsed?.bandwidth?.find(({ type }) => type === 'AS')?.limit;
  const bandwidthKbps = Number(bandwidth);
  return {
    index,
    media,
    payloadType,
    ...codecOf(parsed, payloadType, media),
    ...(fmtp === undefined ? {} : { fmtp }),
    ...(control === undefined ? {} : { control }),
    ...(Number.isSafeInteger(bandwidthKbps) && bandwidthKbps > 0 ? { bandwidthKbps } : {}),
  };
}

/** sdp-transform turns whatever looks like a number into one, names of codecs too. */
interface RtpMap {
  readonly payload: number;
  readonly codec: string | number;
  readonly rate?: string | number;
}

/** Name and clock of a payload type: its `a=rtpmap`, else the static assignment. */
function codecOf(
  parsed: MediaDescription | undefined,
  payloadType: number,
  media: string,
): Pick<StreamDescription, 'encoding' | 'clockRate'> {
  const maps: readonly RtpMap[] = parsed?.rtp ?? [];
  const fixed = STATIC_PAYLOAD_TYPES.get(payloadType);
  const map = maps.find(({ payload }) => payload === payloadType);
  const encoding = (map === undefined ? fixed?.encoding : String(map.codec))?.toUpperCase() ?? '';
  const rate = Number(map === undefined ? fixed?.clockRate : map.rate);
  const usable = Number.isSafeInteger(rate) && rate > 0 && rate <= 0xffff_ffff;
  return { encoding, clockRate: usable ? rate : naturalClockRate(encoding, media) };
}

function fmtpOf(section: Section, payloadType: number): string | undefined {
  for (const value of attributes(section, 'fmtp')) {
    const match = /^\s*(\d{1,3})\s+(.*)$/s.exec(value);
    if (match !== null && Number(match[1]) === payloadType) return match[2];
  }
  return undefined;
}

function rangeOf(session: Section, media: readonly Section[]): RtspRange | undefined {
  const own = readRange(attribute(session, 'range'));
  if (own !== undefined) return own;
  const ranges = media
    .map((section) => readRange(attribute(section, 'range')))
    .filter((range) => range !== undefined);
  return ranges.length === 0 ? undefined : ranges.reduce(longer);
}

/** An `a=range` that cannot be read counts as none: the presentation is then live. */
function readRange(value: string | undefined): RtspRange | undefined {
  if (value === undefined) return undefined;
  try {
    return parseRange(value, 'origin');
  } catch (error) {
    if (error instanceof RtspError) return undefined;
    throw error;
  }
}

/** Seconds, or undefined where the end is open. */
function durationOf(range: RtspRange): number | undefined {
  if (range.unit === 'npt') return range.end;
  if (range.unit === 'smpte') return range.endSeconds;
  if (range.startMs === undefined || range.endMs === undefined) return undefined;
  return (range.endMs - range.startMs) / 1000;
}

/** Of two ranges the longer; an open end is the longest. */
function longer(a: RtspRange, b: RtspRange): RtspRange {
  const [first, second] = [durationOf(a), durationOf(b)];
  return second === undefined || (first !== undefined && second > first) ? b : a;
}

/** What tells one recording from another: the end of NPT, both bounds of wall-clock time; nothing of a live range. */
function extentOf(range: RtspRange | undefined): string {
  if (range === undefined || durationOf(range) === undefined) return 'open';
  return range.unit === 'clock' ? formatRange(range) : String(durationOf(range));
}

function fingerprintOf(session: Section, media: readonly Section[], extent: string): string {
  const hash = createHash('sha256');
  const add = (text: string): unknown => hash.update(`${text}\n`);
  add(`range ${extent}`);
  add(`control ${attribute(session, 'control') ?? ''}`);
  for (const section of media) {
    add((section.lines[0] ?? '').replace(/^(m=\S+\s+)\S+/, '$1-'));
    for (const name of ['rtpmap', 'fmtp', 'control']) {
      for (const value of attributes(section, name)) add(`${name} ${value}`);
    }
  }
  return hash.digest('hex');
}

/**
 * The description for viewers: the original lines, byte for byte and in order, except that
 * `c=` names no address and `m=` no port, the session's control is `*`, the control of stream N is `trackID=N`,
 * attributes that name transport addresses (`a=rtcp`, `a=source-filter`) are left out, and `a=range` is
 * `npt=0-<end>` where an end is given. A range by the wall clock stays, behind that one: FFmpeg and VLC know a length by
 * NPT only, and GStreamer 1.22 goes by the first range, and writes the time of day as NPT. Lines end with CRLF.
 * Source: RFC 2326 section 13 (a cache strips transport references), appendix C.1
 * @param options.rangeEndSeconds end of the title, once it is known better than the origin's description says
 */
export function rewriteDescription(
  description: Description,
  options: { readonly rangeEndSeconds?: number } = {},
): string {
  const sections = readSections(description.text) ?? [];
  const end = options.rangeEndSeconds;
  const range = end === undefined ? undefined : `a=range:${formatRange({ unit: 'npt', start: 0, end })}`;
  const keepsClock = description.range?.unit === 'clock';
  const lines = sections.flatMap((section, i) => {
    const control = i === 0 ? 'a=control:*' : `a=control:trackID=${i - 1}`;
    return rewriteSection(section, control, { range, keepsClock, isSession: i === 0 });
  });
  return `${lines.join('\r\n')}\r\n`;
}

interface Replacement {
  readonly range: string | undefined;
  /** Whether ranges by the wall clock stay. */
  readonly keepsClock: boolean;
  readonly isSession: boolean;
}

/** Control and range stand where the original's first stood, else at the end of the section. */
function rewriteSection(section: Section, control: string, replacement: Replacement): string[] {
  const { range, keepsClock, isSession } = replacement;
  const lines: string[] = [];
  const missing = new Set([control, ...(range !== undefined && isSession ? [range] : [])]);
  const placeOnce = (line: string): void => {
    if (missing.delete(line)) lines.push(line);
  };
  for (const line of section.lines) {
    if (/^a=control(?::|\s*$)/i.test(line)) placeOnce(control);
    else if (/^a=range:/i.test(line) && range !== undefined) {
      placeOnce(range);
      if (keepsClock && /^a=range:\s*clock\s*=/i.test(line)) lines.push(line);
    } else if (!/^a=(?:rtcp|source-filter):/i.test(line)) lines.push(neutral(line));
  }
  return [...lines, ...missing];
}

/** A `c=` or `m=` line without its address or port. */
function neutral(line: string): string {
  if (line.startsWith('c=')) return /\bIP6\b/.test(line) ? 'c=IN IP6 ::' : 'c=IN IP4 0.0.0.0';
  return line.replace(/^(?<start>m=\S+\s+)\S+/, '$<start>0');
}
