import { normalEncoding } from '@forebay/rtsp';

/** What belongs to all paths that begin alike. */
export interface Prefixed {
  /** Begins with '/'; '/' is every path. */
  readonly pathPrefix: string;
}

/** What belongs to which paths; the longest prefix wins. */
export class PathPrefixes<T extends Prefixed> {
  readonly #entries: readonly T[];

  constructor(entries: readonly T[]) {
    this.#entries = [...entries].sort((a, b) => lengthOf(b) - lengthOf(a));
  }

  /** What `path` belongs to, and what is left of it: see {@link below}. */
  find(path: string): { readonly entry: T; readonly rest: string } | undefined {
    for (const entry of this.#entries) {
      const rest = below(entry.pathPrefix, path);
      if (rest !== undefined) return { entry, rest };
    }
    return undefined;
  }
}

function lengthOf({ pathPrefix }: Prefixed): number {
  return normalEncoding(pathPrefix).length;
}

/**
 * What is left of `path` below `prefix`, as it is spelled, beginning with '/'; undefined when it lies elsewhere. Which
 * unreserved characters are percent-encoded in the prefix makes no difference.
 */
export function below(prefix: string, path: string): string | undefined {
  const trimmed = prefix.replace(/\/+$/, '');
  if (trimmed === '') return path;
  const depth = trimmed.split('/').length;
  const parts = path.split('/');
  const isBelow = normalEncoding(parts.slice(0, depth).join('/')) === normalEncoding(trimmed);
  return isBelow ? `/${parts.slice(depth).join('/')}` : undefined;
}
