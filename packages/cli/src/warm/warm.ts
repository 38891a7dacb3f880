import { failedWarming, type WarmProgress } from '@forebay/proxy';
import { parseRtspUrl } from '@forebay/rtsp';
import { adminUrl, urlOfAdmin } from '../admin-url.js';
import { KEEP_SECONDS } from '../api.js';
import { ConfigError } from '../config-error.js';
import { EXIT } from '../exit.js';
import { counted } from '../ls.js';
import { formatBytes, formatSpan, parseSeconds } from '../quantity.js';
import { DEFAULTS, settingsOf, type ServeFlags, type Settings } from '../settings.js';
import { endSignal } from '../signals.js';
import { printable } from '../table.js';
import { barOf, openBars, type Bars } from './bars.js';
import { NoProxyError, onTheCache, throughApi, type WarmWay, type Wish } from './ways.js';

export interface WarmFlags extends Pick<ServeFlags, 'origin' | 'config' | 'cacheDir' | 'cacheSize'> {
  readonly prefix?: string | undefined;
  readonly all?: true | undefined;
  readonly keep?: string | undefined;
  readonly admin?: string | undefined;
  readonly json?: true | undefined;
}

const PREFIX_SECONDS = 30;
/** Titles that are asked for at a time. */
const AT_A_TIME = 2;

interface Outcome extends WarmProgress {
  readonly url: string;
  readonly seconds: number;
}

/**
 * Fetches titles, or their beginnings, ahead of viewers: through a proxy that runs, else on the cache directory itself. The exit code is
 * 0 when all of them are there.
 *
 * @throws ConfigError for flags and URLs that are none; CacheError when the cache cannot be used
 */
export async function warm(urls: readonly string[], flags: WarmFlags): Promise<void> {
  const wishes = wishesOf(urls, flags);
  const stop = new AbortController();
  void endSignal().then((signal) => stop.abort(new Error(`ended by ${signal}`)));
  const way = await wayOf(flags);
  const bars = openBars((text) => void process.stderr.write(text), process.stderr.isTTY && !flags.json);
  const outcomes: Outcome[] = [];
  const left = [...wishes];
  const work = async (): Promise<void> => {
    for (let wish = left.shift(); wish !== undefined; wish = left.shift())
      outcomes.push(await warmed(way, wish, { bars, signal: stop.signal }));
  };
  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
  } finally {
    await way.close();
  }
  const failures = outcomes.filter(({ state }) => state !== 'done').length;
  if (flags.json) process.stdout.write(`${JSON.stringify({ titles: outcomes }, undefined, 2)}\n`);
  else if (failures > 0) process.stderr.write(`${counted(failures, 'title')} of ${urls.length} not warmed\n`);
  process.exit(failures > 0 ? EXIT.failure : EXIT.ok);
}

function wishesOf(urls: readonly string[], flags: WarmFlags): Wish[] {
  if (flags.all && flags.prefix !== undefined)
    throw new ConfigError('--all', 'give either --prefix or --all');
  const prefix = flags.prefix === undefined ? PREFIX_SECONDS : secondsOf('--prefix', flags.prefix);
  if (prefix === 0) throw new ConfigError('--prefix', 'must be longer than nothing');
  const keepSeconds = flags.keep === undefined ? KEEP_SECONDS : secondsOf('--keep', flags.keep);
  return [...new Set(urls)].map((url) => {
    try {
      parseRtspUrl(url);
    } catch (cause) {
      throw new ConfigError('URL', `'${printable(url)}' is no RTSP URL`, { cause });
    }
    return { url, prefixSeconds: flags.all ? undefined : prefix, keepSeconds };
  });
}

function secondsOf(key: string, text: string): number {
  try {
    return parseSeconds(text);
  } catch (error) {
    throw new ConfigError(key, (error as Error).message, { cause: error });
  }
}

/**
 * A proxy that runs is asked; where none does, or the cache directory is named, that is opened, if the flags say whose titles
 * these are.
 */
async function wayOf(flags: WarmFlags): Promise<WarmWay> {
  const isTold = flags.origin !== undefined || flags.config !== undefined;
  const settings = isTold ? settingsOf({ ...flags, admin: undefined }, process.env) : undefined;
  if (flags.cacheDir !== undefined) {
    if (settings === undefined) throw new ConfigError('--cache-dir', 'give --origin or --config, too');
    return await onTheCache(settings);
  }
  const base = baseOf(flags, settings);
  if (base === undefined) return await onTheCache(settings!);
  try {
    return await throughApi(base);
  } catch (error) {
    if (!(error instanceof NoProxyError) || flags.admin !== undefined || settings === undefined) throw error;
    return await onTheCache(settings);
  }
}

/** @returns undefined where the configuration has no admin pages */
function baseOf({ admin }: WarmFlags, settings: Settings | undefined): string | undefined {
  if (admin !== undefined) return adminUrl(admin);
  if (settings === undefined) return adminUrl(DEFAULTS.admin);
  return settings.admin === undefined ? undefined : urlOfAdmin(settings.admin);
}

async function warmed(
  way: WarmWay,
  wish: Wish,
  { bars, signal }: { bars: Bars; signal: AbortSignal },
): Promise<Outcome> {
  const startedMs = performance.now();
  let last: WarmProgress | undefined;
  const report = (progress: WarmProgress): void => {
    last = progress;
    if (progress.state === 'running') bars.show(wish.url, lineOf(wish.url, progress));
  };
  let end: WarmProgress;
  try {
    signal.throwIfAborted();
    end = await way.warm(wish, { signal, report });
  } catch (error) {
    const cause = signal.aborted ? (signal.reason as unknown) : error;
    end = { ...failedWarming(cause instanceof Error ? cause.message : String(cause)), ...stored(last) };
  }
  const outcome = { url: wish.url, ...end, seconds: (performance.now() - startedMs) / 1000 };
  bars.finish(wish.url, lineOf(wish.url, outcome, outcome.seconds));
  return outcome;
}

/** How far it was. */
function stored(last: WarmProgress | undefined): Partial<WarmProgress> {
  if (last === undefined) return {};
  const { storedSeconds, wishedSeconds, storedBytes } = last;
  return { storedSeconds, wishedSeconds, storedBytes };
}

function lineOf(url: string, progress: WarmProgress, seconds?: number): string {
  const { state, storedSeconds, wishedSeconds, storedBytes, sessions, fill, reason } = progress;
  const share = wishedSeconds === undefined ? undefined : storedSeconds / Math.max(wishedSeconds, 0.001);
  const wished = wishedSeconds === undefined ? '?' : formatSpan(wishedSeconds);
  const facts = [`${formatSpan(storedSeconds)} of ${wished}`, formatBytes(storedBytes)];
  if (state === 'running') facts.push(`${counted(sessions, 'session')}, ${fill}`);
  if (seconds !== undefined && state === 'done') facts.push(`in ${formatSpan(seconds)}`);
  if (state === 'failed') facts.push(`failed: ${printable(reason ?? '')}`);
  return `${barOf(share)} ${printable(url)}  ${facts.join(', ')}`;
}
