import { LIMITS } from './limits.js';

export interface RtpInfoEntry {
  /** Stream URL as sent: absolute, or relative to the request URL. */
  readonly url: string;
  /** Sequence number of the first packet, 0 to 65535. */
  readonly seq?: number;
  /** RTP timestamp that corresponds to the start of the Range, 0 to 2^32 - 1. */
  readonly rtptime?: number;
}

/**
 * The entries of an RTP-Info header. Advisory: whatever cannot be read or lies outside its range is left out, and
 * nothing is thrown. URLs may hold commas and semicolons, so entries are cut at `url=` and parameters are looked for
 * by name. Seen: `rtptime=-1` (`bad_rtptime.txt`), a trailing `;` (`laureii_play.txt`), `, url=` with a space, `ssrc`.
 * Source: RFC 2326 section 12.33
 */
export function parseRtpInfo(value: string): RtpInfoEntry[] {
  const entries: RtpInfoEntry[] = [];
  for (const part of value.split(/(?:^|,)\s*(?=url\s*=)/i, LIMITS.rtpInfoEntries + 1)) {
    const entry = parseEntry(part);
    if (entry !== undefined && entries.length < LIMITS.rtpInfoEntries) entries.push(entry);
  }
  return entries;
}

function parseEntry(text: string): RtpInfoEntry | undefined {
  const opening = /^url\s*=\s*/i.exec(text);
  if (opening === null) return undefined;
  const rest = withoutTail(text.slice(opening[0].length));
  const urlEnd = /;\s*(?:seq|rtptime|ssrc)\s*=/i.exec(rest)?.index ?? rest.length;
  const url = rest
    .slice(0, urlEnd)
    .trim()
    .replace(/^"([^"]*)"$/, '$1');
  if (url === '') return undefined;
  const parameters = rest.slice(urlEnd);
  const seq = parameter(parameters, /;\s*seq\s*=\s*"?(\d{1,10})(?!\d)/i, 0xffff);
  const rtptime = parameter(parameters, /;\s*rtptime\s*=\s*"?(\d{1,10})(?!\d)/i, 0xffff_ffff);
  return { url, ...(seq === undefined ? {} : { seq }), ...(rtptime === undefined ? {} : { rtptime }) };
}

/** Without the separators and blanks at its end; no pattern, since one would be quadratic in them. */
function withoutTail(text: string): string {
  let end = text.length;
  while (end > 0 && ';, \t'.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function parameter(text: string, pattern: RegExp, most: number): number | undefined {
  const digits = pattern.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const number = Number(digits);
  return number <= most ? number : undefined;
}

export function formatRtpInfo(entries: readonly RtpInfoEntry[]): string {
  return entries
    .map(({ url, seq, rtptime }) => {
      const seqText = seq === undefined ? '' : `;seq=${seq}`;
      return `url=${url}${seqText}${rtptime === undefined ? '' : `;rtptime=${rtptime}`}`;
    })
    .join(',');
}
