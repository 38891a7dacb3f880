import { setMaxListeners } from 'node:events';
import { formatRtspUrl, parseRtspUrl, type RtspUrl } from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { Keys } from './authorizer.js';
import { type BudgetOptions, type Claim, type Need, type Release, SessionBudget } from './budget.js';
import { OriginConnection } from './connection.js';
import { Deadline } from './deadline.js';
import { type OriginDescription, readDescription } from './description.js';
import { Dialogue } from './dialogue.js';
import { asOriginError, errorOfStatus, OriginError, type OriginErrorCode } from './errors.js';
import { KeptConnections } from './kept.js';
import type { OriginLeg } from './leg.js';
import { ORIGIN_LIMITS } from './limits.js';
import { Opening } from './opening.js';
import { OriginProfile } from './profile.js';
import { checkAllowed, isHome, type OriginRoute, redirectTarget, urlAt } from './route.js';
import type { OpenOptions, OriginSession, OriginSink } from './session.js';

/** Answers that an origin gives when it has no session left. */
const FULL: ReadonlySet<OriginErrorCode> = new Set(['busy', 'unavailable']);

/** Opening takes this many times as long as one question, at most: other ways are tried. */
const OPENING_ROUNDS = 2;

/** What flights need of an origin. */
export interface OriginSource {
  readonly profile: OriginProfile;
  /** Open or being opened; in line for one; at a time, Infinity for no limit. */
  readonly sessions: { readonly used: number; readonly waiting: number; readonly most: number };
  open(options: OpenOptions, sink: OriginSink): Promise<OriginSession>;
}

/** An origin that describes its titles, too. */
export interface DescribingOrigin extends OriginSource {
  describe(path: string, signal: AbortSignal): Promise<OriginDescription>;
}

export interface OriginClientOptions {
  readonly route: OriginRoute;
  /** Of routes that are gone: the sessions of one that had this name and origin are sessions of the same budget. */
  readonly former?: Iterable<OriginClient>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** One route's origin: describes presentations, opens sessions, learns. */
export class OriginClient implements DescribingOrigin {
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
  /** Descriptions and sessions that are being asked for. */
  #questions = 0;

  constructor(options: OriginClientOptions) {
    const { route, former = [], clock, metrics, log } = options;
    this.#route = route;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#log = log;
    this.#timeoutMs = route.timeoutMs ?? ORIGIN_LIMITS.requestMs;
    const allowBasic = route.allowBasic === true || route.baseUrl.scheme === 'rtsps';
    this.#keys = route.credentials === undefined ? undefined : new Keys(route.credentials, allowBasic);
    this.profile = new OriginProfile(route.id, route);
    const budget: BudgetOptions = {
      clock,
      profile: this.profile,
      most: route.maxSessions ?? Infinity,
      waitMs: route.queueMs ?? ORIGIN_LIMITS.budgetMs,
      onServed: (need, ms) => metrics.originWait.observe({ origin: route.id, need }, ms / 1000),
    };
    const before = [...former].findLast(({ key }) => key === this.key);
    if (before === undefined) this.#budget = new SessionBudget(budget);
    else {
      this.profile.sessionLimit = before.profile.sessionLimit;
      this.#budget = before.#budget;
      this.#budget.change(budget);
    }
    this.#kept = new KeptConnections(clock);
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

  /** Sessions that are open or being opened, those that wait for the budget, and the budget. */
  get sessions(): OriginSource['sessions'] {
    const { used, waiting, most } = this.#budget;
    return { used, waiting, most };
  }

  /** Nobody has a session of it, waits for one, or has asked something. */
  get isIdle(): boolean {
    return this.#questions === 0 && this.#legs.size === 0;
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
    this.#questions++;
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
      this.#questions--;
      deadline.end();
    }
  }

  /**
   * Opens a session and plays. The answer to PLAY is there when this resolves; packets wait until
   * {@link OriginLeg.start}. Where the origin has a session budget, this waits in line for it; an origin that refuses
   * a session while it has others of ours has shown its budget, and this waits for one of those.
   * @throws OriginError
   */
  async open(options: OpenOptions, sink: OriginSink): Promise<OriginLeg> {
    const need = (): Need => options.turn?.need() ?? 'starting';
    const claim = this.#budget.claim(need, options.signal, this.#stop.signal);
    this.#questions++;
    try {
      for (;;) {
        const session = await this.#openInTurn(claim, options, sink);
        if (session !== undefined) return session;
        options.turn?.lost();
      }
    } catch (error) {
      throw this.#fault(asOriginError(error, 'protocol', 'opening a session'));
    } finally {
      this.#questions--;
    }
  }

  /** Closes all sessions and connections; what is being asked for is given up. */
  close(): void {
    this.#stop.abort(new OriginError('aborted', 'the proxy is closing'));
    this.#kept.close();
    for (const leg of this.#legs) void leg.close();
  }

  /** @returns undefined when the origin has fewer sessions than were thought: to be tried again when one comes free */
  async #openInTurn(claim: Claim, options: OpenOptions, sink: OriginSink): Promise<OriginLeg | undefined> {
    const release = await this.#budget.acquire(claim);
    const deadline = new Deadline({
      clock: this.#clock,
      ms: OPENING_ROUNDS * this.#timeoutMs,
      what: 'opening a session',
      parents: [options.signal, this.#stop.signal],
    });
    let opening: Opening | undefined;
    try {
      opening = this.#opening({ ...options, ...(await options.turn?.come()) }, sink);
      const leg = await opening.run(deadline.signal);
      this.#budget.granted();
      this.#adopt(leg, release);
      return leg;
    } catch (error) {
      const isFull = error instanceof OriginError && FULL.has(error.code) && this.#budget.refused();
      void (opening?.farewell ?? Promise.resolve()).then(release);
      if (!isFull) throw error;
      this.#log.info(
        { origin: this.#route.id, sessions: this.#budget.most },
        'the origin takes no more sessions',
      );
      return undefined;
    } finally {
      deadline.end();
    }
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
