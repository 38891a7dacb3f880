import { normalEncoding } from '@forebay/rtsp';

/** What belongs to all paths that begin alike. */
export interface Prefixed {
  /** Begins with '/'; '/' is every path. */
  readonly pathPrefix: string;
}

/** What belongs to which paths; the longest prefix wins. */
export class PathPrefixes<T extends Prefixed> {
  readonly #byFolder = new Map<string, T>();

  constructor(entries: readonly T[]) {
    for (const entry of entries) {
      const folder = folderOf(entry.pathPrefix);
      if (!this.#byFolder.has(folder)) this.#byFolder.set(folder, entry);
    }
  }

  /** What `path` belongs to, and what is left of it: see {@link below}. Cost: a look for each folder, however many prefixes there are. */
  find(path: string): { readonly entry: T; readonly rest: string } | undefined {
    for (const folder of foldersOf(path).toReversed()) {
      const entry = this.#byFolder.get(folder);
      const rest = entry && below(entry.pathPrefix, path);
      if (entry !== undefined && rest !== undefined) return { entry, rest };
    }
    return undefined;
  }
}

/** A folder in one spelling; '' is the topmost. */
export function folderOf(path: string): string {
  return normalEncoding(path).replace(/\/+$/, '');
}

/** The folders that a path lies in, and the path itself, from the topmost on. */
export function foldersOf(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_part, i) => folderOf(parts.slice(0, i + 1).join('/')));
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
