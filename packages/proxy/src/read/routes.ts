import { createHash } from 'node:crypto';
import { canonicalUrl, type Credentials, type RtspUrl } from '@forebay/rtsp';
import type { DescribingOrigin } from '../origin/client.js';

/** Maps the paths of viewers to one origin. */
export interface Route {
  readonly id: string;
  /** Begins with '/'; '/' takes everything. */
  readonly pathPrefix: string;
  readonly baseUrl: RtspUrl;
  readonly credentials?: Credentials;
  readonly timeshiftSeconds?: number;
  readonly client: DescribingOrigin;
}

export interface Routed {
  readonly route: Route;
  /** Path and query at the origin, as the viewer spelled them. */
  readonly originPath: string;
  /** Canonical origin URL, and as whom the origin was asked: the cache key. */
  readonly key: string;
}

/** The routes of a proxy; the longest prefix wins. */
export class Routes {
  readonly #routes: readonly Route[];

  constructor(routes: readonly Route[]) {
    this.#routes = [...routes].sort((a, b) => b.pathPrefix.length - a.pathPrefix.length);
  }

  find(url: RtspUrl): Routed | undefined {
    for (const route of this.#routes) {
      const rest = under(route.pathPrefix, url.path);
      if (rest === undefined) continue;
      const base = route.baseUrl.path.replace(/\/+$/, '');
      return routedTo(route, `${base}${rest}` || '/', url.query);
    }
    return undefined;
  }

  /** As {@link Routes.find}, but a URL at one of the origins is understood too, and comes first. */
  locate(url: RtspUrl): Routed | undefined {
    const isAt = ({ baseUrl }: Route): boolean =>
      baseUrl.scheme === url.scheme && baseUrl.host === url.host && baseUrl.port === url.port;
    const route = this.#routes
      .filter((one) => isAt(one) && under(one.baseUrl.path, url.path) !== undefined)
      .reduce<Route | undefined>((a, b) => (lengthOf(a) >= lengthOf(b) ? a : b), undefined);
    return route === undefined ? this.find(url) : routedTo(route, url.path, url.query);
  }
}

/** Path and query by which viewers ask for what is at `originPath`. */
export function viewerPath({ pathPrefix, baseUrl }: Route, originPath: string): string {
  const [path = ''] = originPath.split('?', 1);
  const rest = under(baseUrl.path, path) ?? path;
  return `${pathPrefix.replace(/\/+$/, '')}${rest}${originPath.slice(path.length)}`;
}

function routedTo(route: Route, path: string, query: string): Routed {
  const key = canonicalUrl({ ...route.baseUrl, path, query }) + accountOf(route);
  return { route, originPath: `${path}${query}`, key };
}

function lengthOf(route: Route | undefined): number {
  return route === undefined ? -1 : route.baseUrl.path.length;
}

/** What is left of `path` below `prefix`, beginning with '/'; undefined when it lies elsewhere. */
function under(prefix: string, path: string): string | undefined {
  const trimmed = prefix.replace(/\/+$/, '');
  if (trimmed === '') return path;
  if (path === trimmed) return '/';
  return path.startsWith(`${trimmed}/`) ? path.slice(trimmed.length) : undefined;
}

/** What one account may see is not shown to a route without it. No URL has a fragment, so this is unambiguous. */
function accountOf({ credentials }: Route): string {
  if (credentials === undefined) return '';
  return `#as=${createHash('sha256').update(credentials.username).digest('hex').slice(0, 16)}`;
}
