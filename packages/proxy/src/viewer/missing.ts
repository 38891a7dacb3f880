import { canonicalUrl, parseRtspUrl, RtspError, splitStreamUrl, type RtspRequest } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { Refusal } from './refusal.js';
import { Seldom } from './seldom.js';
import { titleOf } from './viewing.js';

/**
 * Says in the log what viewers asked for and did not get because of an origin, or because no route leads to one: a line for
 * each code, no more than one every 5 s.
 */
export class Missing {
  readonly #log: Log;
  readonly #seldom: Seldom<string>;

  constructor(o: { log: Log; clock: Clock }) {
    this.#log = o.log;
    this.#seldom = new Seldom(o.clock);
  }

  /** A request is answered with an error. Those that viewers make themselves are none of this. */
  note(error: unknown, request: RtspRequest, viewer: string): void {
    if (!(error instanceof Error) || error instanceof Refusal || !('code' in error)) return;
    if (error instanceof RtspError && error.party === 'viewer' && error.code !== 'no-route') return;
    const code = String(error.code);
    const alsoSince = this.#seldom.pass(code);
    if (alsoSince === undefined) return;
    const { method } = request;
    const status = 'status' in error ? error.status : undefined;
    this.#log.warn(
      { code, status, method, title: titleOfUrl(request.url), viewer, error: error.message, alsoSince },
      'viewer did not get what it asked for',
    );
  }
}

function titleOfUrl(url: string): string | undefined {
  try {
    return titleOf(canonicalUrl(splitStreamUrl(parseRtspUrl(url)).presentation));
  } catch {
    return undefined;
  }
}
