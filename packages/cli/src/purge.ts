import { CacheError, purgeCache } from '@forebay/cache';
import { chosenDirectory, listChosen, titlePattern, type CacheFlags } from './cache-options.js';
import { CommandError } from './command-error.js';
import { counted } from './ls.js';
import { formatBytes } from './quantity.js';
import { printable } from './table.js';

export interface PurgeFlags extends CacheFlags {
  readonly json?: true | undefined;
  readonly dryRun?: true | undefined;
}

/**
 * Deletes the titles that match from the cache of a proxy that does not run. Nothing that matches is no failure. Leaves no file
 * of its own, so root may do it, too.
 *
 * @throws CommandError while a proxy uses the directory, or where there is none
 */
export async function purge(pattern: string, flags: PurgeFlags): Promise<void> {
  const directory = chosenDirectory(flags);
  const matches = titlePattern(pattern);
  const titles = (await listChosen(directory)).titles.filter(matches);
  const purged = flags.dryRun
    ? {
        segments: titles.reduce((sum, title) => sum + title.segments.length, 0),
        bytes: titles.reduce((sum, title) => sum + title.bytes, 0),
      }
    : await purgeCache(directory, matches).catch(sayToStopIt);
  if (flags.json) {
    const keys = titles.map((title) => title.key);
    process.stdout.write(`${JSON.stringify({ titles: keys, ...purged, dryRun: flags.dryRun === true })}\n`);
    return;
  }
  const names = titles.map((title) => `${printable(title.key)}\n`).join('');
  const verb = flags.dryRun ? 'would purge' : 'purged';
  const hint = titles.length > 0 ? '' : `${hintFor(pattern)}\n`;
  const what = `${counted(titles.length, 'title')}, ${counted(purged.segments, 'segment')}, ${formatBytes(purged.bytes)}`;
  process.stdout.write(`${names}${verb} ${what}\n${hint}`);
}

/** Patterns are about whole URLs, or whole paths: a part of a name matches nothing. */
function hintFor(pattern: string): string {
  const isPart = pattern !== '' && !/^\/|\*|:\/\//.test(pattern);
  if (!isPart) return 'nothing matches; forebay ls lists what there is';
  return `nothing matches; /${printable(pattern)} or *${printable(pattern)}* is meant?`;
}

function sayToStopIt(error: unknown): never {
  if (!(error instanceof CacheError) || error.code !== 'locked') throw error;
  throw new CommandError(`${error.message}; stop the proxy first`, { cause: error });
}
