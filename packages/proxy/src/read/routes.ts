import { canonicalUrl, type RtspUrl } from '@forebay/rtsp';
import type { OriginClient } from '../origin/client.js';

/** Maps the paths of viewers to one origin. */
export interface Route {
  readonly id: string;
  /** Begins with '/'; '/' takes everything. */
  readonly pathPrefix: string;
  readonly baseUrl: RtspUrl;
  readonly client: OriginClient;
}

export interface Routed {
  readonly route: Route;
  /** Path and query at the origin, as the viewer spelled them. */
  readonly originPath: string;
  /** Canonical origin URL: the cache key. */
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
      const path = `${base}${rest}` || '/';
      const key = canonicalUrl({ ...route.baseUrl, path, query: url.query });
      return { route, originPath: `${path}${url.query}`, key };
    }
    return undefined;
  }
}

/** What is left of `path` below `prefix`, beginning with '/'; undefined when it lies elsewhere. */
function under(prefix: string, path: string): string | undefined {
  const trimmed = prefix.replace(/\/+$/, '');
  if (trimmed === '') return path;
  if (path === trimmed) return '/';
  return path.startsWith(`${trimmed}/`) ? path.slice(trimmed.length) : undefined;
}
