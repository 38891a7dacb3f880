import { isUtf8 } from 'node:buffer';
import {
  controlBase,
  type Description,
  formatRtspUrl,
  parseDescription,
  parseRtspUrl,
  type RtspResponse,
  type RtspUrl,
} from '@forebay/rtsp';
import { asOriginError, OriginError } from './errors.js';

/** What an origin said of a presentation. */
export interface OriginDescription {
  readonly description: Description;
  /** Base of the control URLs: absolute, always at the host and port of `url`. */
  readonly contentBase: string;
  /** Of the presentation, after redirects; without userinfo. */
  readonly url: string;
  readonly cacheControl?: string;
  readonly expires?: string;
  readonly lastModified?: string;
  readonly etag?: string;
  /** What the origin calls itself. */
  readonly server?: string;
}

const HEADERS = [
  ['cacheControl', 'Cache-Control'],
  ['expires', 'Expires'],
  ['lastModified', 'Last-Modified'],
  ['etag', 'ETag'],
  ['server', 'Server'],
] as const;

/**
 * Reads a 200 to DESCRIBE. A missing Content-Type counts as SDP where the body looks like it (libavformat's server).
 * @param url of the request
 * @throws OriginError `description`
 */
export function readDescription(response: RtspResponse, url: RtspUrl): OriginDescription {
  const { headers, body } = response;
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  // Latin-1 is what the rest turns out to be: camera names.
  const text = body.toString(isUtf8(body) ? 'utf8' : 'latin1');
  const looksLikeSdp = /^\uFEFF?\s*v=/.test(text);
  if (body.length === 0 || (type === undefined ? !looksLikeSdp : type !== 'application/sdp')) {
    throw new OriginError('description', type === undefined ? 'no SDP' : `of type ${type.slice(0, 64)}`);
  }
  try {
    return {
      description: parseDescription(text),
      contentBase: baseOf(response, url),
      url: formatRtspUrl(url),
      ...Object.fromEntries(
        HEADERS.map(([field, name]) => [field, headers.get(name)]).filter(([, value]) => value !== undefined),
      ),
    };
  } catch (error) {
    throw asOriginError(error, 'description', 'unusable');
  }
}

/**
 * Content-Base, else Content-Location, else the request's URL, moved to the request's host. A base at another host is
 * believed only where its path goes on from the request's: live555 and cameras behind NAT name an address of their own,
 * anything else that points elsewhere is a mistake or an attack.
 */
function baseOf(response: RtspResponse, url: RtspUrl): string {
  const contentBase = response.headers.get('content-base');
  const contentLocation = response.headers.get('content-location');
  const request = formatRtspUrl(url);
  const base = parseRtspUrl(controlBase({ contentBase, contentLocation }, request), 'origin');
  const asked = url.path.replace(/\/+$/, '');
  const goesOn = base.path === asked || base.path.startsWith(`${asked}/`);
  if (!goesOn && isForeign(contentBase ?? contentLocation ?? request, url)) return request;
  return formatRtspUrl({ ...base, scheme: url.scheme, host: url.host, port: url.port });
}

function isForeign(base: string, url: RtspUrl): boolean {
  try {
    const { host, port } = parseRtspUrl(base.trim(), 'origin');
    return host !== url.host || port !== url.port;
  } catch {
    return false;
  }
}
