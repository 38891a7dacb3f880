import {
  canonicalUrl,
  parseRtspUrl,
  RtspError,
  splitStreamUrl,
  type RtspRequest,
  type RtspUrl,
} from '@forebay/rtsp';
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
  readonly #routeOf: (url: RtspUrl) => string | undefined;
  readonly #seldom: Seldom<string>;

  /** @param o `routeOf`: the metric label of the route that leads to a presentation */
  constructor(o: { log: Log; clock: Clock; routeOf: (url: RtspUrl) => string | undefined }) {
    this.#log = o.log;
    this.#routeOf = o.routeOf;
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
    const asked = presentationOf(request.url);
    const origin = asked && this.#routeOf(asked);
    const title = asked && titleOf(canonicalUrl(asked));
    this.#log.warn(
      { code, status, method, origin, title, viewer, error: error.message, alsoSince },
      'viewer did not get what it asked for',
    );
  }
}

function presentationOf(url: string): RtspUrl | undefined {
  try {
    return splitStreamUrl(parseRtspUrl(url)).presentation;
  } catch {
    return undefined;
  }
}
