import { isIPv6 } from 'node:net';
import { RtspError } from './errors.js';
import { parseRtspUrl } from './url.js';

/** Scheme, userinfo (up to the last `@`), host and port: everything before the first `/` or `?`. */
const ABSOLUTE = /^(rtsps?:\/\/)(?:[^/?]*@)?([^/?@]*)/i;

interface Place {
  /** `rtsp://host:port`, as written, without userinfo. */
  readonly authority: string;
  /** Path and query. */
  readonly target: string;
}

function split(url: string): Place | undefined {
  const match = ABSOLUTE.exec(url);
  if (match === null) return undefined;
  return { authority: `${match[1] ?? ''}${match[2] ?? ''}`, target: url.slice(match[0].length) };
}

/**
 * The URL of a stream (or, for the session's control, of the presentation), as RFC 2326 C.1.1 means it and as players
 * do it: an absolute control stands for itself, `*` and none for the base, `/x` replaces the path, and anything else is
 * appended to the whole base behind one slash, query and all (Dahua: `...?channel=1&proto=Onvif/` + `trackID=0`).
 * RFC 3986 resolution would drop the last path element of bases without a trailing slash (Beward), so it is not used.
 * A control that points to another host keeps only its path and query: cameras behind NAT name their private address,
 * and nothing is ever sent to a host that an origin names.
 * @param base an absolute RTSP URL, see `controlBase`
 * @returns an absolute URL on the host and port of `base`, spelled as `base` spells them, without userinfo
 * @throws {RtspError} `control` when the result is no URL that could be sent
 */
export function resolveControl(base: string, control: string | undefined): string {
  const place = split(base);
  const text = control?.trim() ?? '';
  if (place === undefined) throw new RtspError('origin', 'control', { detail: 'base is not absolute' });
  const url = place.authority + targetOf(place.target, text);
  try {
    parseRtspUrl(url, 'origin');
  } catch (cause) {
    throw new RtspError('origin', 'control', { cause });
  }
  return url;
}

function targetOf(base: string, control: string): string {
  if (control === '' || control === '*') return base;
  const foreign = split(control);
  if (foreign !== undefined) return foreign.target;
  if (/^[a-z][a-z0-9+.-]{0,31}:\/\//i.test(control))
    throw new RtspError('origin', 'control', { detail: 'scheme' });
  if (control.startsWith('/')) return control;
  if (control.startsWith('?')) return base + control;
  return base.endsWith('/') ? base + control : `${base}/${control}`;
}

/** What an answer to DESCRIBE says about the base of its control URLs. */
export interface BaseHeaders {
  readonly contentBase?: string | undefined;
  readonly contentLocation?: string | undefined;
}

/**
 * The base of control URLs: Content-Base, else Content-Location, else the request URL (RFC 2326 C.1.1), repaired where
 * the origin got it wrong. Seen: no scheme (`192.168.1.10:554/stream0/`, `anjvision_describe.txt`), the scheme twice
 * (`rtsp://rtsp://host/`), IPv6 without brackets, a bare path, the origin's private address. Scheme, host and port are
 * always those of the request: an origin's word never moves us to another host.
 * @throws {RtspError} `control` when `requestUrl` is no RTSP URL
 */
export function controlBase(headers: BaseHeaders, requestUrl: string): string {
  const request = split(requestUrl);
  if (request === undefined) throw new RtspError('origin', 'control', { detail: 'request URL' });
  for (const candidate of [headers.contentBase, headers.contentLocation]) {
    const target = candidate === undefined ? undefined : targetOfBase(candidate.trim());
    if (target !== undefined && isSendable(request.authority + target)) return request.authority + target;
  }
  return request.authority + request.target;
}

/** Path and query of a doubtful URL, or undefined where nothing can be made of it. */
function targetOfBase(text: string): string | undefined {
  const bare = text.replace(/^(?:rtsps?:\/\/){1,2}/i, '');
  if (bare.startsWith('/')) return bare;
  const end = bare.search(/[/?]/);
  const authority = end < 0 ? bare : bare.slice(0, end);
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const known = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host) || isIPv6(host);
  if (!known) return undefined;
  return end < 0 ? '/' : bare.slice(end);
}

function isSendable(url: string): boolean {
  try {
    parseRtspUrl(url, 'origin');
    return true;
  } catch {
    return false;
  }
}
