import { isIPv6 } from 'node:net';
import { RtspError } from './errors.js';
import type { RtspParty } from './errors.js';
import { LIMITS } from './limits.js';

export interface RtspUrl {
  readonly scheme: 'rtsp' | 'rtsps';
  /** Lower case; IPv6 without brackets. */
  readonly host: string;
  /** 554 or 322 where the URL gives none. */
  readonly port: number;
  /** Starts with `/`; as sent, percent-encoding kept. */
  readonly path: string;
  /** `''` or `?...` */
  readonly query: string;
  /** Percent-decoded. */
  readonly username?: string;
  readonly password?: string;
}

/** RFC 2326 section 9.2 and RFC 7826 section 19.2. */
const DEFAULT_PORTS: Readonly<Record<RtspUrl['scheme'], number>> = { rtsp: 554, rtsps: 322 };

/** What may stand in a path or query: RFC 3986 without fragments, plus characters that players leave unencoded. */
const PATH_OR_QUERY = /^[!-"$-[\]^-~]*$/;

/**
 * A strict reader: one meaning or none (RFC 2326 section 3.2, RFC 3986). Refused are other schemes, fragments,
 * backslashes, blanks, control and 8-bit characters, encoded control characters, malformed or overlong percent-encoding,
 * dot segments in any spelling, empty hosts, ports outside 1..65535.
 * @throws {RtspError} `url-too-long` (414), `url-scheme` (400), `url-traversal` (404), otherwise `url` (400)
 */
export function parseRtspUrl(text: string, party: RtspParty = 'viewer'): RtspUrl {
  if (text.length > LIMITS.urlBytes) throw new RtspError(party, 'url-too-long');
  const opening = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text);
  const scheme = opening?.[1]?.toLowerCase();
  if (opening === null) throw new RtspError(party, 'url', { detail: 'not absolute' });
  if (scheme !== 'rtsp' && scheme !== 'rtsps') throw new RtspError(party, 'url-scheme');
  const rest = text.slice(opening[0].length);
  const authorityEnd = rest.search(/[/?#\\]/);
  const authority = authorityEnd < 0 ? rest : rest.slice(0, authorityEnd);
  const target = authorityEnd < 0 ? '' : rest.slice(authorityEnd);
  checkTarget(target, party);
  const queryStart = target.indexOf('?');
  const path = queryStart < 0 ? target : target.slice(0, queryStart);
  checkSegments(path, party);
  return {
    scheme,
    ...readAuthority(authority, DEFAULT_PORTS[scheme], party),
    path: path === '' ? '/' : path,
    query: queryStart < 0 ? '' : target.slice(queryStart),
  };
}

function checkTarget(target: string, party: RtspParty): void {
  if (!PATH_OR_QUERY.test(target)) throw new RtspError(party, 'url', { detail: 'character not allowed' });
  if (/%(?![0-9a-f]{2})/i.test(target)) throw new RtspError(party, 'url', { detail: 'percent-encoding' });
  const controlOrOverlong = /%(?:[01][0-9a-f]|7f|c[01]|e0%[89]|f0%8|f[5-9a-f])/i;
  if (controlOrOverlong.test(target))
    throw new RtspError(party, 'url', { detail: 'encoded character not allowed' });
}

/** The path, decoded once, may not climb: not by `..`, `%2e%2e`, `..%2f` or `..%5c`. */
function checkSegments(path: string, party: RtspParty): void {
  const decoded = path.replace(/%2e/gi, '.').replace(/%(?:2f|5c)/gi, '/');
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(decoded)) throw new RtspError(party, 'url-traversal');
}

type Authority = Pick<RtspUrl, 'host' | 'port' | 'username' | 'password'>;

function readAuthority(authority: string, defaultPort: number, party: RtspParty): Authority {
  const at = authority.indexOf('@');
  const hostPort = authority.slice(at + 1);
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._~-]{1,253}))(?::(\d{1,5}))?$/i.exec(hostPort);
  const [, v6, name, digits] = match ?? [];
  const host = (v6 ?? name)?.toLowerCase();
  if (host === undefined || (v6 !== undefined && !isIPv6(v6)))
    throw new RtspError(party, 'url', { detail: 'host' });
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port < 1 || port > 65_535) throw new RtspError(party, 'url', { detail: 'port' });
  return { host, port, ...(at < 0 ? {} : readUserinfo(authority.slice(0, at), party)) };
}

function readUserinfo(userinfo: string, party: RtspParty): Pick<RtspUrl, 'username' | 'password'> {
  const colon = userinfo.indexOf(':');
  // A lone name in front of the host is how one host is dressed up as another: rtsp://allowed@evil/.
  if (party === 'viewer' && colon < 0) throw new RtspError(party, 'url', { detail: 'user without password' });
  if (!/^[!-"$-.0-9:;=A-Z_a-z~-]*$/.test(userinfo)) throw new RtspError(party, 'url', { detail: 'userinfo' });
  try {
    if (colon < 0) return { username: decodeURIComponent(userinfo) };
    const username = decodeURIComponent(userinfo.slice(0, colon));
    return { username, password: decodeURIComponent(userinfo.slice(colon + 1)) };
  } catch (cause) {
    throw new RtspError(party, 'url', { detail: 'userinfo', cause });
  }
}

/** The URL without userinfo, the port only where it is not the scheme's own. */
export function formatRtspUrl(url: RtspUrl): string {
  const host = url.host.includes(':') ? `[${url.host}]` : url.host;
  const port = url.port === DEFAULT_PORTS[url.scheme] ? '' : `:${url.port}`;
  return `${url.scheme}://${host}${port}${url.path}${url.query}`;
}

/**
 * The one spelling of a URL under which media is stored (RFC 3986 section 6.2.2): scheme and host in lower case, default
 * port and userinfo left out, percent-encoded unreserved characters decoded, other percent-encoding in upper case.
 * What could name another object stays apart: the case of the path, doubled and trailing slashes, the order of the query.
 */
export function canonicalUrl(url: RtspUrl): string {
  return formatRtspUrl({ ...url, path: normalEncoding(url.path), query: normalEncoding(url.query) });
}

/** A path or query in one spelling: unreserved characters decoded, other percent-encoding in upper case. */
export function normalEncoding(text: string): string {
  return text.replace(/%[0-9a-f]{2}/gi, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase();
  });
}

/**
 * Undoes what players make of our stream controls `trackID=N`: appended to the path (GStreamer, `/a/trackID=1?x=1`) or
 * to the whole URL (FFmpeg, live555, `/a?x=1/trackID=1`), with or without a slash before and after.
 * The URL as a whole loses a trailing slash too, since players send the Content-Base for aggregate requests.
 */
export function splitStreamUrl(url: RtspUrl): { presentation: RtspUrl; stream: number | undefined } {
  const query = splitControl(url.query);
  const path = splitControl(url.path);
  const untouched = url.query !== '' && path.stream === undefined;
  const presentation = { ...url, path: untouched ? url.path : path.text || '/', query: query.text };
  return { presentation, stream: query.stream ?? path.stream };
}

/** A query parameter that happens to be called trackID (`?trackID=1`, `&trackID=1`) belongs to the origin. */
function splitControl(text: string): { text: string; stream: number | undefined } {
  const match = /(?<![?&])trackID=(\d{1,3})\/?$/.exec(text);
  const rest = match === null ? text : text.slice(0, match.index);
  return {
    text: rest.endsWith('/') ? rest.slice(0, -1) : rest,
    stream: match === null ? undefined : Number(match[1]),
  };
}
