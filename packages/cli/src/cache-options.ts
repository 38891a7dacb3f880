import { CacheError, listCache, type CacheListing } from '@forebay/cache';
import { CommandError } from './command-error.js';
import { systemCodeOf } from './complaints.js';
import { readConfigFile } from './config-file.js';
import { cacheDirectory } from './settings.js';

/** How a command is told which cache it is about. */
export interface CacheFlags {
  readonly cacheDir?: string | undefined;
  readonly config?: string | undefined;
}

/** The cache directory of these flags: the one that `forebay serve` with the same flags would use. */
export function chosenDirectory(flags: CacheFlags): string {
  const configured = flags.config === undefined ? undefined : readConfigFile(flags.config).cache?.dir;
  return cacheDirectory(flags.cacheDir ?? configured, process.env);
}

/**
 * What the directory holds.
 *
 * @throws CommandError where there is no such directory, CacheError where it cannot be read
 */
export async function listChosen(directory: string): Promise<CacheListing> {
  return await listCache(directory).catch((error: unknown) => {
    const cause = error instanceof CacheError ? error.cause : undefined;
    const code = systemCodeOf(cause);
    const advice = 'give the --cache-dir or the --config that forebay serve has';
    if (code === 'ENOENT') throw new CommandError(`no such directory: ${directory}; ${advice}`, { cause });
    if (code === 'ENOTDIR') throw new CommandError(`${directory} is no directory; ${advice}`, { cause });
    throw error;
  });
}

/**
 * A test for titles by their URL at the origin. `*` stands for any characters; a pattern that begins with `/` is about
 * path and query only; 32 hexadecimal digits name one generation.
 */
export function titlePattern(
  pattern: string,
): (title: { readonly key: string; readonly generation: string }) => boolean {
  const pieces = pattern.split('*').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${pieces.join('.*')}$`, 's');
  const isPathOnly = pattern.startsWith('/');
  return ({ key, generation }) => {
    const subject = isPathOnly ? key.replace(/^[a-z]+:\/\/[^/]*/, '') : key;
    return pattern === generation || expression.test(subject);
  };
}
