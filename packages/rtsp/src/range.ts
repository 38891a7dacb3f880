import { RtspError } from './errors.js';
import type { RtspErrorCode, RtspParty } from './errors.js';
import { LIMITS } from './limits.js';
import { formatSmpte, parseSmpte } from './smpte.js';
import type { SmpteFormat } from './smpte.js';

/** A half-open interval [start, end) of a presentation (RFC 2326 section 12.29). A missing bound is open. */
export type RtspRange = NptRange | ClockRange | SmpteRange;

/** Seconds from the beginning of the presentation (section 3.6). */
export interface NptRange {
  readonly unit: 'npt';
  readonly start?: number | 'now';
  readonly end?: number;
}

/** Milliseconds since 1970-01-01 UTC (section 3.7). */
export interface ClockRange {
  readonly unit: 'clock';
  readonly startMs?: number;
  readonly endMs?: number;
}

/** SMPTE time codes as seconds from the beginning (section 3.5). */
export interface SmpteRange {
  readonly unit: 'smpte';
  readonly format: SmpteFormat;
  readonly startSeconds: number;
  readonly endSeconds?: number;
}

/**
 * The range of a Range header or an SDP `a=range`. Blanks around the bounds are tolerated: `npt=0- 596.48` (Wowza,
 * `response.txt`), ` npt=0-60.000` (VLC). `npt=now-60` is GStreamer's way to say 60 s, position unknown.
 * A viewer's `;time=` (start later, by the wall clock) is refused as 457: nothing here is scheduled. An origin's is
 * ignored. A lone time, as PAUSE has it (section 10.6), is a range without end.
 *
 * @param direction `backward` (a negative Scale): the bounds may stand in either order
 * @throws {RtspError} `range-unit` (501) for units other than npt, clock and smpte; `range` (400) when unparsable;
 * `range-invalid` (457) when empty, reversed or out of bounds
 */
export function parseRange(
  value: string,
  party: RtspParty = 'viewer',
  direction: 'forward' | 'backward' = 'forward',
): RtspRange {
  const fail = (code: RtspErrorCode, detail: string): never => {
    throw new RtspError(party, code, { detail });
  };
  const [, unit, specifier = '', parameters = ''] = /^\s*([\w-]{1,32})\s*=([^;]*)(.*)$/s.exec(value) ?? [];
  if (unit === undefined) return fail('range', 'no unit');
  if (party === 'viewer' && /^\s*;\s*time\s*=/i.test(parameters)) fail('range-invalid', 'a time to start at');
  const bounds = specifier.split('-');
  const [first = '', second = ''] = bounds.map((bound) => bound.trim());
  const reader = UNITS.get(unit.toLowerCase());
  if (reader === undefined) return fail('range-unit', 'unknown');
  const isInstant = bounds.length === 1 && /^\d/.test(first);
  if (bounds.length !== 2 && !isInstant) return fail('range', 'not a range');
  if (first === '' && second === '') return fail('range-invalid', 'without bounds');
  const range = reader(first, second, fail);
  if (direction === 'forward' ? isReversed(range) : isEmpty(range))
    fail('range-invalid', 'empty or reversed');
  return range;
}

function isReversed(range: RtspRange): boolean {
  const { start, end } = boundsOf(range);
  return end !== undefined && end <= (start ?? 0);
}

function isEmpty(range: RtspRange): boolean {
  const { start, end } = boundsOf(range);
  return end !== undefined && start === end;
}

function boundsOf(range: RtspRange): { start: number | undefined; end: number | undefined } {
  if (range.unit === 'clock') return { start: range.startMs, end: range.endMs };
  if (range.unit === 'smpte') return { start: range.startSeconds, end: range.endSeconds };
  return { start: typeof range.start === 'number' ? range.start : undefined, end: range.end };
}

type Fail = (code: RtspErrorCode, detail: string) => never;
type UnitReader = (first: string, second: string, fail: Fail) => RtspRange;

const UNITS: ReadonlyMap<string, UnitReader> = new Map<string, UnitReader>([
  ['npt', readNpt],
  ['clock', readClock],
  ['smpte', (first, second, fail) => readSmpte('smpte', first, second, fail)],
  ['smpte-25', (first, second, fail) => readSmpte('smpte-25', first, second, fail)],
  ['smpte-30-drop', (first, second, fail) => readSmpte('smpte-30-drop', first, second, fail)],
]);

function readNpt(first: string, second: string, fail: Fail): NptRange {
  const start = first === '' ? undefined : /^now$/i.test(first) ? 'now' : nptSeconds(first, fail);
  const end = second === '' ? undefined : nptSeconds(second, fail);
  return { unit: 'npt', ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}

function nptSeconds(text: string, fail: Fail): number {
  const clockTime = /^(\d{1,9}):([0-5]?\d):([0-5]?\d(?:\.\d{0,20})?)$/.exec(text);
  if (clockTime !== null) {
    const [, hours, minutes, seconds] = clockTime;
    return bounded(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds), fail);
  }
  if (!/^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text)) fail('range', 'not a time');
  return bounded(Number(text), fail);
}

function bounded(seconds: number, fail: Fail): number {
  return seconds <= LIMITS.nptSeconds ? seconds : fail('range-invalid', 'out of bounds');
}

function readClock(first: string, second: string, fail: Fail): ClockRange {
  const startMs = first === '' ? undefined : clockMs(first, fail);
  const endMs = second === '' ? undefined : clockMs(second, fail);
  return {
    unit: 'clock',
    ...(startMs === undefined ? {} : { startMs }),
    ...(endMs === undefined ? {} : { endMs }),
  };
}

/** `19961108T142300.25Z`. Some recorders leave the Z out. */
function clockMs(text: string, fail: Fail): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z?$/i.exec(text);
  if (match === null) return fail('range', 'not a clock time');
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(ms);
  const real = year >= 1000 && back.getUTCMonth() === month - 1 && back.getUTCDate() === day;
  if (!real || hour > 23 || minute > 59 || second > 60) return fail('range', 'no such time');
  return ms + Math.round(Number(`0.${match[7] ?? 0}`) * 1000);
}

function readSmpte(format: SmpteFormat, first: string, second: string, fail: Fail): SmpteRange {
  const startSeconds = parseSmpte(format, first);
  const endSeconds = second === '' ? undefined : parseSmpte(format, second);
  if (startSeconds === undefined) return fail('range', 'not a time code');
  if (second === '') return { unit: 'smpte', format, startSeconds };
  if (endSeconds === undefined) return fail('range', 'not a time code');
  return { unit: 'smpte', format, startSeconds, endSeconds };
}

/** The range as it stands in a header: NPT with at most 6 decimals and no exponent, clock with milliseconds. */
export function formatRange(range: RtspRange): string {
  if (range.unit === 'npt') return `npt=${formatNpt(range.start)}-${formatNpt(range.end)}`;
  if (range.unit === 'clock') return `clock=${formatClock(range.startMs)}-${formatClock(range.endMs)}`;
  const end = range.endSeconds === undefined ? '' : formatSmpte(range.format, range.endSeconds);
  return `${range.format}=${formatSmpte(range.format, range.startSeconds)}-${end}`;
}

function formatNpt(bound: number | 'now' | undefined): string {
  if (bound === undefined) return '';
  if (bound === 'now') return 'now';
  return bound.toFixed(6).replace(/\.?0+$/, '');
}

function formatClock(ms: number | undefined): string {
  if (ms === undefined) return '';
  return new Date(ms)
    .toISOString()
    .replace(/\.000Z$/, 'Z')
    .replace(/[-:]/g, '');
}
