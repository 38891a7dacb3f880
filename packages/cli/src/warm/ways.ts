import { failedWarming, Proxy as MediaProxy, type WarmProgress } from '@forebay/proxy';
import { parseRtspUrl } from '@forebay/rtsp';
import { refuseForeignDirectory } from '../cache-owner.js';
import { openLog } from '../log.js';
import { proxyOptionsOf, secretsOf, type Settings } from '../settings.js';
import { readLines } from './lines.js';

/** What is wished for of one title. */
export interface Wish {
  readonly url: string;
  readonly prefixSeconds: number | undefined;
  readonly keepSeconds: number;
}

/** Somebody who warms titles. */
export interface WarmWay {
  /** Resolves with how it ended. @throws Error why it cannot be done; why `signal` aborted */
  warm(
    wish: Wish,
    o: { signal: AbortSignal; report: (progress: WarmProgress) => void },
  ): Promise<WarmProgress>;
  close(): Promise<void>;
}

/** Nobody answers at the admin address. */
export class NoProxyError extends Error {
  readonly code = 'no-proxy';
}

/**
 * Through the API of a proxy that runs.
 * @param base `http://host:port`
 * @throws NoProxyError where none answers there
 */
export async function throughApi(base: string): Promise<WarmWay> {
  try {
    const answer = await fetch(`${base}/api/v1/origins`);
    if (!answer.ok) throw new Error(`answered with ${answer.status}`);
    await answer.body?.cancel();
  } catch (cause) {
    const advice = 'give its --admin, or --origin or --config to work on the cache directory';
    throw new NoProxyError(`no proxy answers at ${base}; ${advice}`, { cause });
  }
  return {
    warm: async ({ url, prefixSeconds, keepSeconds }, { signal, report }) => {
      const body = JSON.stringify({ url, prefixSeconds, keepSeconds });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${base}/api/v1/warm`, { method: 'POST', headers, body, signal });
      if (!answer.ok || answer.body === null) return failedWarming(await complaintOf(answer));
      let last: WarmProgress | undefined;
      for await (const line of readLines(answer.body)) {
        last = JSON.parse(line) as WarmProgress;
        report(last);
      }
      return last?.state === 'running' || last === undefined ? failedWarming('the proxy has ended') : last;
    },
    close: () => Promise.resolve(),
  };
}

/**
 * In this process, on the cache directory itself.
 * @throws CacheError `locked` while a proxy uses it; CommandError where it belongs to another user than root, who asks
 */
export async function onTheCache(settings: Settings): Promise<WarmWay> {
  refuseForeignDirectory(settings.cache.directory, 'warm');
  const proxy = await MediaProxy.start({
    ...proxyOptionsOf(settings),
    udpPath: 'dgram',
    log: openLog({
      level: 'warn',
      format: 'text',
      secrets: secretsOf(settings),
      write: (line) => process.stderr.write(line),
    }),
  });
  return {
    warm: async ({ url, ...wish }, o) => await proxy.warm({ url: parseRtspUrl(url), ...wish, ...o }),
    close: () => proxy.close(),
  };
}

async function complaintOf(answer: Response): Promise<string> {
  const text = (await answer.text()).slice(0, 1000);
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : text;
  } catch {
    return text;
  }
}
