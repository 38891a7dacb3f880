import { type Credentials, formatRtspUrl, parseRtspUrl, type RtspUrl } from '@forebay/rtsp';
import { OriginError } from './errors.js';
import type { ProfileSettings } from './profile.js';

/** One origin and how it may be talked to. */
export interface OriginRoute extends ProfileSettings {
  /** Metric label `origin` and log field. */
  readonly id: string;
  /** Scheme, host and port are the origin; the path is the router's business. */
  readonly baseUrl: RtspUrl;
  readonly credentials?: Credentials;
  /** Whether the password may be sent in clear text (Basic). Over TLS it always may. */
  readonly allowBasic?: boolean;
  /** `host:port` that redirects may lead to; the origin itself always may. IPv6 in brackets. */
  readonly allowHosts: readonly string[];
  /** For one question, 10 s by default. */
  readonly timeoutMs?: number;
  /** `auto` (default): interleaved, and UDP where the origin wants that. */
  readonly transport?: 'auto' | 'tcp' | 'udp';
  /** Sessions at a time; more wait in line. Unlimited by default. */
  readonly maxSessions?: number;
  /** A viewer waits in line for so long before it is refused, 30 s by default. */
  readonly queueMs?: number;
}

/** Host and port as one word: what allow-lists hold. */
function authorityOf(url: RtspUrl): string {
  return url.host.includes(':') ? `[${url.host}]:${url.port}` : `${url.host}:${url.port}`;
}

/** True where requests carry the route's credentials: the route's own host and port, and nowhere else. */
export function isHome(route: OriginRoute, url: RtspUrl): boolean {
  return url.scheme === route.baseUrl.scheme && authorityOf(url) === authorityOf(route.baseUrl);
}

/**
 * The URL of `path` (and query) at the route's origin.
 * @throws RtspError party origin when it is no URL
 */
export function urlAt(route: OriginRoute, path: string): RtspUrl {
  const authority = formatRtspUrl({ ...route.baseUrl, path: '/', query: '' }).slice(0, -1);
  return parseRtspUrl(authority + (path.startsWith('/') ? path : `/${path}`), 'origin');
}

/** @throws OriginError `redirect` where the route does not lead to the host of `url` */
export function checkAllowed(route: OriginRoute, url: RtspUrl): void {
  if (isHome(route, url)) return;
  if (route.baseUrl.scheme === 'rtsps' && url.scheme !== 'rtsps') {
    throw new OriginError('redirect', 'from TLS to clear text');
  }
  const allowed = route.allowHosts.some((host) => host.toLowerCase() === authorityOf(url));
  if (!allowed && authorityOf(url) !== authorityOf(route.baseUrl)) {
    throw new OriginError('redirect', `to ${authorityOf(url)}, which the route does not allow`);
  }
}

/**
 * Where a 3xx leads. Relative references are resolved against the request (RFC 3986 section 5.2); userinfo in the
 * location is dropped.
 * @throws OriginError `redirect` where it leads nowhere, to another protocol, or out of the route
 */
export function redirectTarget(route: OriginRoute, from: RtspUrl, location: string | undefined): RtspUrl {
  if (location === undefined || location.trim() === '')
    throw new OriginError('redirect', 'without a Location');
  let url: RtspUrl;
  try {
    const {
      username: _user,
      password: _password,
      ...target
    } = parseRtspUrl(absolute(from, location.trim()), 'origin');
    url = target;
  } catch (cause) {
    throw new OriginError('redirect', 'to something that is no RTSP URL', { cause });
  }
  checkAllowed(route, url);
  return url;
}

function absolute(from: RtspUrl, reference: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return reference;
  const root = formatRtspUrl({ ...from, path: '/', query: '' }).slice(0, -1);
  if (reference.startsWith('//')) return `${from.scheme}:${reference}`;
  if (reference.startsWith('/')) return root + reference;
  if (reference.startsWith('?')) return root + from.path + reference;
  return root + from.path.slice(0, from.path.lastIndexOf('/') + 1) + reference;
}
