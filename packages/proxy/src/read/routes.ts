import { createHash } from 'node:crypto';
import { canonicalUrl, type Credentials, formatRtspUrl, parseRtspUrl, type RtspUrl } from '@forebay/rtsp';
import type { DescribingOrigin, OriginSource } from '../origin/client.js';
import { below, folderOf, foldersOf, PathPrefixes } from './path-prefixes.js';

/** Maps the paths of viewers to one origin. */
export interface Route {
  readonly id: string;
  /** Begins with '/'; '/' takes everything. */
  readonly pathPrefix: string;
  /**
   * Who asks for the prefix itself gets this, letter by letter, with a query of the viewer's in the place of its own.
   * Below the prefix its query means nothing, and its path is gone on from.
   */
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
  readonly #byPrefix: PathPrefixes<Route>;
  readonly #byBase = new Map<string, Route[]>();

  constructor(routes: readonly Route[]) {
    this.#byPrefix = new PathPrefixes(routes);
    for (const route of routes) {
      const base = baseOf(route.baseUrl);
      this.#byBase.set(base, [...(this.#byBase.get(base) ?? []), route]);
    }
  }

  find(url: RtspUrl): Routed | undefined {
    const found = this.#byPrefix.find(url.path);
    if (found === undefined) return undefined;
    const { entry: route, rest } = found;
    const { path, query } = route.baseUrl;
    if (rest === '/') return routedTo(route, path, url.query || query);
    return routedTo(route, `${path.replace(/\/+$/, '')}${rest}`, url.query);
  }

  /** As {@link Routes.find}, but a URL at one of the origins is understood too, and comes first. */
  locate(url: RtspUrl): Routed | undefined {
    const possible = this.#leadingTo(url);
    const route =
      possible.find(({ baseUrl }) => baseUrl.path === url.path && baseUrl.query === url.query) ??
      possible.reduce<Route | undefined>((a, b) => (lengthOf(a) >= lengthOf(b) ? a : b), undefined);
    return route === undefined ? this.find(url) : routedTo(route, url.path, url.query);
  }

  /**
   * The way to what has this cache key; undefined: none leads there.
   * @param before by which its origin was asked so far: of several ways, that of the same route comes first
   */
  wayTo(key: string, before: OriginSource): Routed | undefined {
    const [text = ''] = key.split('#', 1);
    const url = parseRtspUrl(text);
    const ways = this.#leadingTo(url)
      .map((route) => routedTo(route, url.path, url.query))
      .filter((routed) => routed.key === key);
    return ways.find(({ route }) => route.id === before.profile.route) ?? ways[0];
  }

  /** Those whose origin has this URL. Cost: a look for each folder of its path, however many routes there are. */
  #leadingTo(url: RtspUrl): Route[] {
    const bases = new Set(foldersOf(url.path).map((path) => baseOf({ ...url, path })));
    return [...bases].flatMap((base) => this.#byBase.get(base) ?? []);
  }
}

/** An origin and the folder there that a route leads to, in one spelling. */
function baseOf(url: RtspUrl): string {
  return formatRtspUrl({ ...url, path: folderOf(url.path), query: '' });
}

/** Path and query by which viewers ask for what is at `originPath`. */
export function viewerPath({ pathPrefix, baseUrl }: Route, originPath: string): string {
  const [path = ''] = originPath.split('?', 1);
  const query = originPath.slice(path.length);
  const rest = below(baseUrl.path, path) ?? path;
  if (rest === '/') return `${pathPrefix}${query === baseUrl.query ? '' : query}`;
  return `${pathPrefix.replace(/\/+$/, '')}${rest}${query}`;
}

function routedTo(route: Route, path: string, query: string): Routed {
  const key = canonicalUrl({ ...route.baseUrl, path, query }) + accountOf(route);
  return { route, originPath: `${path}${query}`, key };
}

function lengthOf(route: Route | undefined): number {
  return route === undefined ? -1 : route.baseUrl.path.length;
}

/** What one account may see is not shown to a route without it. No URL has a fragment, so this is unambiguous. */
function accountOf({ credentials }: Route): string {
  if (credentials === undefined) return '';
  return `#as=${createHash('sha256').update(credentials.username).digest('hex').slice(0, 16)}`;
}
