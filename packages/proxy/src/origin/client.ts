import { setMaxListeners } from 'node:events';
import { formatRtspUrl, parseRtspUrl, type RtspUrl } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { Keys } from './authorizer.js';
import { type Release, SessionBudget } from './budget.js';
import { OriginConnection } from './connection.js';
import { Deadline } from './deadline.js';
import { type OriginDescription, readDescription } from './description.js';
import { Dialogue } from './dialogue.js';
import { asOriginError, errorOfStatus, OriginError } from './errors.js';
import { KeptConnections } from './kept.js';
import type { OriginLeg } from './leg.js';
import { ORIGIN_LIMITS } from './limits.js';
import { Opening } from './opening.js';
import { OriginProfile } from './profile.js';
import { checkAllowed, isHome, type OriginRoute, redirectTarget, urlAt } from './route.js';
import type { OpenOptions, OriginSession, OriginSink } from './session.js';

export interface OriginClientOptions {
  readonly route: OriginRoute;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** One route's origin: describes presentations, opens sessions, learns. */
export class OriginClient {
  readonly profile: OriginProfile;
  readonly #route: OriginRoute;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #timeoutMs: number;
  readonly #keys: Keys | undefined;
  readonly #budget: SessionBudget;
  readonly #kept: KeptConnections;
  readonly #legs = new Set<OriginLeg>();
  readonly #stop = new AbortController();

  constructor(options: OriginClientOptions) {
    const { route, clock, metrics, log } = options;
    this.#route = route;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#log = log;
    this.#timeoutMs = route.timeoutMs ?? ORIGIN_LIMITS.requestMs;
    const allowBasic = route.allowBasic === true || route.baseUrl.scheme === 'rtsps';
    this.#keys = route.credentials === undefined ? undefined : new Keys(route.credentials, allowBasic);
    this.#budget = new SessionBudget({ clock, most: route.maxSessions ?? Infinity });
    this.#kept = new KeptConnections(clock);
    this.profile = new OriginProfile(route.id, route);
    // Every question and session in progress listens; their number is the viewers' business.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Names the origin, for what was learned of it: the route, and where that leads. */
  get key(): string {
    return `${this.#route.id} ${this.origin}`;
  }

  /** Scheme, host and port. */
  get origin(): string {
    return formatRtspUrl({ ...this.#route.baseUrl, path: '/', query: '' }).slice(0, -1);
  }

  /** Sessions that are open or being opened, and those that wait for the budget. */
  get sessions(): { readonly used: number; readonly waiting: number } {
    return { used: this.#budget.used, waiting: this.#budget.waiting };
  }

  /**
   * Asks for the description of a presentation: DESCRIBE at once on a new connection, redirects and credentials
   * included. The connection is kept for 10 s: open() of what was described goes on with it.
   * @param path path and query at the origin, beginning with '/'
   * @throws OriginError
   */
  async describe(path: string, signal: AbortSignal): Promise<OriginDescription> {
    const parents = [signal, this.#stop.signal];
    const deadline = new Deadline({ clock: this.#clock, ms: this.#timeoutMs, what: 'DESCRIBE', parents });
    try {
      let url = urlAt(this.#route, path);
      for (let redirects = 0; ; redirects++) {
        const outcome = await this.#describeAt(url, deadline.signal);
        if (!('redirectedTo' in outcome)) return outcome;
        if (redirects === ORIGIN_LIMITS.redirects) throw new OriginError('redirect', 'too many');
        url = outcome.redirectedTo;
      }
    } catch (error) {
      throw this.#fault(asOriginError(error, 'description', 'DESCRIBE'));
    } finally {
      deadline.end();
    }
  }

  /**
   * Opens a session and plays. The answer to PLAY is there when this resolves; packets wait until
   * {@link OriginSession.start}. Where the route has a session budget, this waits in line for it.
   * @throws OriginError
   */
  async open(options: OpenOptions, sink: OriginSink): Promise<OriginSession> {
    const parents = [options.signal, this.#stop.signal];
    const ms = ORIGIN_LIMITS.budgetMs + 2 * this.#timeoutMs;
    const deadline = new Deadline({ clock: this.#clock, ms, what: 'opening a session', parents });
    const opening = this.#opening(options, sink);
    let release: Release | undefined;
    try {
      release = await this.#budget.acquire(deadline.signal);
      const leg = await opening.run(deadline.signal);
      this.#adopt(leg, release);
      return leg;
    } catch (error) {
      if (release !== undefined) void opening.farewell.then(release);
      throw this.#fault(asOriginError(error, 'protocol', 'opening a session'));
    } finally {
      deadline.end();
    }
  }

  /** Closes all sessions and connections; what is being asked for is given up. */
  close(): void {
    this.#stop.abort(new OriginError('aborted', 'the proxy is closing'));
    this.#kept.close();
    for (const leg of this.#legs) void leg.close();
  }

  #opening(options: OpenOptions, sink: OriginSink): Opening {
    const connect = (url: string, signal: AbortSignal): Promise<Dialogue> =>
      this.#connect(parseRtspUrl(url, 'origin'), signal);
    const { profile } = this;
    const common = { clock: this.#clock, metrics: this.#metrics, log: this.#log, timeoutMs: this.#timeoutMs };
    return new Opening({ route: this.#route, profile, kept: this.#kept, connect, ...common }, options, sink);
  }

  #adopt(leg: OriginLeg, release: Release): void {
    this.#legs.add(leg);
    void leg.ended.then(() => {
      this.#legs.delete(leg);
      release();
    });
  }

  async #describeAt(
    url: RtspUrl,
    signal: AbortSignal,
  ): Promise<OriginDescription | { redirectedTo: RtspUrl }> {
    checkAllowed(this.#route, url);
    let dialogue = await this.#connect(url, signal);
    let isKept = false;
    try {
      const question = {
        method: 'DESCRIBE',
        url: formatRtspUrl(url),
        headers: [['Accept', 'application/sdp']] as const,
      };
      let response = await dialogue.ask(question, signal).catch((error: unknown) => {
        const closed = error instanceof OriginError && error.code === 'origin-closed';
        if (closed && dialogue.challenged) return undefined;
        throw error;
      });
      if (response === undefined) {
        dialogue = await this.#connect(url, signal);
        response = await dialogue.ask(question, signal);
      }
      this.profile.advertises(response.headers.get('public'));
      const { status, headers } = response;
      if (status >= 300 && status < 400)
        return { redirectedTo: redirectTarget(this.#route, url, headers.get('location')) };
      if (status !== 200) throw errorOfStatus('DESCRIBE', status);
      const description = readDescription(response, url);
      this.#kept.keep(description.url, dialogue);
      isKept = true;
      return description;
    } finally {
      if (!isKept) dialogue.connection.destroy();
    }
  }

  /** Credentials go to the route's own host and port only. */
  async #connect(url: RtspUrl, signal: AbortSignal): Promise<Dialogue> {
    const connection = await OriginConnection.open(url, { clock: this.#clock, signal });
    const keys = isHome(this.#route, url) ? this.#keys : undefined;
    return new Dialogue({ connection, keys, metrics: this.#metrics, origin: this.#route.id });
  }

  #fault(error: OriginError): OriginError {
    if (error.code !== 'aborted')
      this.#metrics.originFaults.inc({ origin: this.#route.id, reason: error.code });
    return error;
  }
}
