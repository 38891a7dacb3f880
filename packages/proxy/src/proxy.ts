import {
  type CachePolicy,
  PopularityPolicy,
  RamTier,
  type SegmentMeta,
  SegmentStore,
  type StoreEvent,
} from '@forebay/cache';
import type { Registry } from 'prom-client';
import { type Clock, systemClock, type TimerHandle } from './clock.js';
import type { Shelves, Title } from './fill/title.js';
import { silentLog } from './log.js';
import { Metrics } from './metrics.js';
import { Origins } from './origin/origins.js';
import { ProfileKeeper } from './origin/profile-keeper.js';
import { recordOf } from './origin/profile-record.js';
import type { OriginRoute } from './origin/route.js';
import type { OriginState, ProxyOptions, RouteOptions, WarmOptions } from './options.js';
import { Catalogue } from './read/catalogue.js';
import { Pacer } from './read/pacer.js';
import { type Route, Routes } from './read/routes.js';
import type { TitleState } from './read/title-state.js';
import type { Latency } from './read/tempo.js';
import type { WarmProgress } from './read/warmings.js';
import type { Gate } from './viewer/gatekeeper.js';
import { checkIdentity } from './viewer/secure-door.js';
import { newsOf, type RouteNews } from './route-news.js';
import { type Terms, ViewerServer } from './viewer/server.js';
import { chooseSender } from './viewer/udp-path.js';
import { SharedMemory, WorkerTeam } from './workers/team.js';

const TICK_MS = 100;
const PUBLISH_MS = 1000;
/** What was learned of origins is kept this often, where something was. */
const KEEP_PROFILES_MS = 60_000;
/** What the policy has learned since is lost with a process that is killed, and what is being written then. */
const KEEP_LEARNED_MS = 30_000;
const SERVER_NAME = 'Forebay';

interface OwnShelves extends Shelves {
  readonly store: SegmentStore | undefined;
}

interface Parts {
  readonly shelves: OwnShelves;
  readonly origins: Origins;
  /** With workers. */
  readonly memory: SharedMemory | undefined;
}

/** A running proxy: viewers in front, origins behind, the cache between. */
export class Proxy {
  readonly metrics: Metrics;
  readonly #clock: Clock;
  readonly #pacer: Pacer;
  readonly #shelves: OwnShelves;
  readonly #origins: Origins;
  readonly #catalogue: Catalogue;
  readonly #memory: SharedMemory | undefined;
  #terms: Terms;
  #served: readonly RouteOptions[];
  #viewers: ViewerServer | WorkerTeam | undefined;
  #timer: TimerHandle | undefined;
  readonly #profiles: ProfileKeeper;
  #publishedMs = -Infinity;
  #profilesKeptMs: number;
  #learnedKeptMs: number;
  #state: 'starting' | 'ready' | 'draining' | 'closed' = 'starting';

  private constructor(options: ProxyOptions, parts: Parts) {
    const { shelves, origins } = parts;
    this.#memory = parts.memory;
    this.#terms = termsOf(options.routes, options.tls);
    this.#served = options.routes;
    this.metrics = shelves.metrics;
    this.#clock = shelves.clock;
    this.#shelves = shelves;
    this.#origins = origins;
    this.#pacer = new Pacer(shelves.clock, latencyOf(options));
    this.#profiles = new ProfileKeeper(() => origins.clients);
    this.#profilesKeptMs = shelves.clock.nowMs();
    this.#learnedKeptMs = this.#profilesKeptMs;
    this.#catalogue = new Catalogue(this.#routesOf(options.routes), shelves, this.#pacer);
  }

  /**
   * Opens the cache and makes everything ready to listen.
   * @throws CacheError when the cache directory cannot be used, NoNativePath when `udpPath` is `native` and there is none,
   * WorkerStartError when a worker does not come as far as serving; why `giveUp` aborted
   */
  static async start(options: ProxyOptions): Promise<Proxy> {
    const clock = options.clock ?? systemClock;
    const log = options.log ?? silentLog;
    const metrics = new Metrics();
    const policy: CachePolicy = new PopularityPolicy();
    const bootSeconds = (clock.unixMs() - clock.nowMs()) / 1000;
    const policySeconds = (): number => bootSeconds + clock.nowMs() / 1000;
    const wiring: { proxy?: Proxy; readonly early: StoreEvent[] } = { early: [] };
    const store =
      options.cacheDirectory === undefined
        ? undefined
        : await SegmentStore.open({
            directory: options.cacheDirectory,
            capacityBytes: options.cacheBytes,
            policy,
            nowSeconds: policySeconds,
            ...(options.cacheFs === undefined ? {} : { fs: options.cacheFs }),
            onEvent: (event) => {
              if (wiring.proxy === undefined) wiring.early.push(event);
              else wiring.proxy.#stored(event);
            },
          });
    const onEvict = (meta: SegmentMeta): void => {
      if (wiring.proxy !== undefined) wiring.proxy.#title(meta)?.offRam(meta.startMicros);
    };
    const { ramBytes, workers = 1 } = options;
    const memory = workers > 1 ? await SharedMemory.open({ ramBytes, workers, log, onEvict }) : undefined;
    const ram = memory?.tier ?? new RamTier(ramBytes, ({ meta }) => onEvict(meta));
    const origins = new Origins(options.routes.map(originRouteOf), { clock, metrics, log });
    const proxy = new Proxy(options, {
      shelves: { ram, store, policy, policySeconds, clock, metrics, log },
      origins,
      memory,
    });
    wiring.proxy = proxy;
    for (const event of wiring.early) proxy.#stored(event);
    try {
      proxy.#viewers = await proxy.#openViewers(options);
    } catch (error) {
      await proxy.close();
      throw error;
    }
    return proxy;
  }

  /** May be called for several addresses. @param port 0 takes any @param isSecure over TLS, with the certificate of the options */
  async listen(host: string, port: number, isSecure = false): Promise<{ host: string; port: number }> {
    const address = await this.#viewers!.listen(host, port, isSecure);
    this.#state = 'ready';
    if (this.#timer === undefined) this.#tick();
    return address;
  }

  /**
   * Fetches a title, or its beginning, to the disk, ahead of any viewer. Resolves with how it ended; a proxy that does not
   * listen does that, too.
   * @throws OriginError, RtspError 404 where no route leads; why `signal` aborted
   */
  async warm(wish: WarmOptions): Promise<WarmProgress> {
    const { url, prefixSeconds, keepSeconds, ...others } = wish;
    if (this.#timer === undefined && this.#state === 'starting') this.#tick();
    // Where viewers are expected, the origin's last session is left for them.
    const need = this.#state === 'starting' ? 'starting' : 'ahead';
    return await this.#catalogue.warm(url, { prefixSeconds, keepSeconds, need }, others);
  }

  /**
   * From now on these routes count, their logins among them, and viewers over TLS see this certificate. Who plays plays on, by the route
   * that was there then, unless that is for logins now that theirs is not among.
   * @returns which routes are different now
   * @throws the system's error where certificate and key cannot be read, or do not belong together; nothing has changed then
   */
  reload(o: Pick<ProxyOptions, 'routes' | 'tls'>): RouteNews {
    const { tls = this.#terms.tls } = o;
    if (tls !== undefined) checkIdentity(tls);
    const unixMs = this.#clock.unixMs();
    this.#profiles.note(unixMs);
    const news = newsOf(this.#served, o.routes);
    this.#served = o.routes;
    this.#origins.replace(o.routes.map(originRouteOf));
    this.#profiles.recall(unixMs);
    this.#catalogue.reroute(this.#routesOf(o.routes));
    this.#terms = termsOf(o.routes, tls);
    this.#viewers?.setTerms(this.#terms);
    return news;
  }

  ready(): { ready: boolean; reasons: string[] } {
    const reasons: string[] = [];
    if (this.#state !== 'ready') reasons.push(this.#state);
    else if (this.workerPids?.length === 0) reasons.push('no worker serves');
    return { ready: reasons.length === 0, reasons };
  }

  /** Takes no new viewers and waits until those that play are done, at most `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.#state = 'draining';
    await this.#viewers?.drain(timeoutMs);
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    await this.#viewers?.close();
    await this.#catalogue.close();
    this.#pacer.close();
    this.#origins.close();
    await this.#keepProfiles();
    await this.#shelves.store?.close();
    await this.#memory?.close();
  }

  /** Process ids of the workers that serve; undefined where this process does. */
  get workerPids(): readonly number[] | undefined {
    return this.#viewers instanceof WorkerTeam ? this.#viewers.pids : undefined;
  }

  /** Every metric, of all processes. */
  async collect(): Promise<Registry> {
    const { registry } = this.metrics;
    return this.#viewers instanceof WorkerTeam ? this.#viewers.collect(registry) : registry;
  }

  /** What is known of each origin, in the order of the routes. */
  origins(): OriginState[] {
    return this.#origins.clients.map(({ profile, origin, sessions }) => ({
      route: profile.route,
      origin,
      sessions,
      leadSeconds: profile.leadSeconds(),
      startupMs: { p50: profile.startupMs(0.5), p90: profile.startupMs(0.9) },
      learned: recordOf(profile),
    }));
  }

  /** The titles that most viewers play, so many at most. */
  titles(most: number): TitleState[] {
    return this.#catalogue.titles(most);
  }

  async #openViewers(options: ProxyOptions): Promise<ViewerServer | WorkerTeam> {
    const { clock, metrics, log } = this.#shelves;
    const { udpPorts, udpPath = 'auto', sessionTimeoutSeconds, viewerLimits, onViewing, giveUp } = options;
    const common = { terms: this.#terms, udpPorts, sessionTimeoutSeconds, serverName: SERVER_NAME };
    const sender = await chooseSender({ wanted: udpPath, metrics, log });
    if (this.#memory === undefined) {
      return new ViewerServer({
        ...common,
        library: this.#catalogue,
        clock,
        metrics,
        log,
        sender,
        ...(viewerLimits === undefined ? {} : { limits: viewerLimits }),
        ...(onViewing === undefined ? {} : { onViewing }),
      });
    }
    return WorkerTeam.start({
      count: options.workers ?? 1,
      worker: {
        ...common,
        udpPath,
        latency: latencyOf(options),
        viewerLimits: viewerLimits ?? {},
        reportsViewings: onViewing !== undefined,
      },
      memory: this.#memory,
      catalogue: this.#catalogue,
      shelves: this.#shelves,
      onViewing,
      giveUp,
    });
  }

  #routesOf(routes: readonly RouteOptions[]): Routes {
    const { clients } = this.#origins;
    return new Routes(routes.map((route, i): Route => ({ ...route, client: clients[i]! })));
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#catalogue.tick(nowMs);
    if (nowMs - this.#profilesKeptMs >= KEEP_PROFILES_MS) void this.#keepProfiles();
    if (nowMs - this.#learnedKeptMs >= KEEP_LEARNED_MS) {
      this.#learnedKeptMs = nowMs;
      this.#shelves.store?.keepLearned();
    }
    if (nowMs - this.#publishedMs >= PUBLISH_MS) {
      this.#publish(nowMs);
      this.#catalogue.passWindows();
    }
    this.#timer = this.#clock.setTimeout(() => this.#tick(), TICK_MS);
  }

  /** Brings the gauges up to date. */
  #publish(nowMs: number): void {
    this.#publishedMs = nowMs;
    const { ram, store } = this.#shelves;
    const { filling, sealed } = this.#catalogue.countSegments();
    this.metrics.segments.set({ state: 'filling' }, filling);
    this.metrics.segments.set({ state: 'sealed' }, sealed);
    this.metrics.segments.set({ state: 'stored' }, store?.segmentCount ?? 0);
    this.metrics.cacheBytes.set({ tier: 'ram' }, ram.bytes);
    this.metrics.cacheBytes.set({ tier: 'disk' }, store?.bytes ?? 0);
    this.metrics.cacheCapacity.set({ tier: 'ram' }, ram.capacityBytes);
    this.metrics.cacheCapacity.set({ tier: 'disk' }, store?.capacityBytes ?? 0);
    this.metrics.loopLag.set(this.#pacer.takeWorstMs() / 1000);
    this.#origins.sweep();
    for (const { profile, sessions } of this.#origins.clients) {
      const origin = { origin: profile.route };
      this.metrics.originLead.set(origin, profile.leadSeconds());
      this.metrics.originWaiting.set(origin, sessions.waiting);
      this.metrics.originBudget.set(origin, sessions.most);
    }
  }

  /** Disk trouble costs what was learned, and nothing else. */
  async #keepProfiles(): Promise<void> {
    const { store, clock, log } = this.#shelves;
    this.#profilesKeptMs = clock.nowMs();
    try {
      const notes = store === undefined ? undefined : this.#profiles.save(clock.unixMs());
      if (notes !== undefined) await store?.keepNotes(notes);
    } catch (error) {
      log.error({ error: String(error) }, 'what was learned of origins could not be kept');
    }
  }

  #restoreProfiles(): void {
    const { store, clock } = this.#shelves;
    if (store?.notes !== undefined) this.#profiles.restore(store.notes, clock.unixMs());
  }

  #title(meta: SegmentMeta): Title | undefined {
    return this.#catalogue.titleOf(meta.generation);
  }

  #stored(event: StoreEvent): void {
    const { log } = this.#shelves;
    switch (event.type) {
      case 'evicted':
        this.metrics.evictions.inc({ reason: event.reason });
        this.#title(event.meta)?.offDisk(event.meta.startMicros);
        break;
      case 'lost':
        this.metrics.storeFaults.inc({ reason: event.error.code });
        log.warn(
          { code: event.error.code, segment: event.meta.startMicros / 1e6 },
          'a stored segment was lost',
        );
        this.#title(event.meta)?.offDisk(event.meta.startMicros);
        break;
      case 'damaged':
      case 'degraded':
        this.metrics.storeFaults.inc({ reason: event.error.code });
        log.warn({ code: event.error.code, error: event.error.message }, `the store is ${event.type}`);
        break;
      case 'unreadable':
        this.metrics.storeFaults.inc({ reason: event.error.code });
        log.warn(
          { code: event.error.code, error: event.error.message },
          'a part of the store is not readable by this user',
        );
        break;
      case 'indexed':
        log.info(
          { titles: event.titles, segments: event.segments, bytes: event.bytes },
          'the cache is indexed',
        );
        this.#catalogue.rescan();
        this.#restoreProfiles();
        break;
      case 'failed':
        log.error({ error: String(event.error) }, 'background work of the store failed');
        break;
      case 'recovered':
        log.info({}, 'the disk works again');
        break;
      case 'stored':
        break;
    }
  }
}

/** What viewers are told of routes, and workers. */
function termsOf(routes: readonly RouteOptions[], tls: ProxyOptions['tls']): Terms {
  const gates = routes.map(({ id, pathPrefix, logins }): Gate => ({
    id,
    pathPrefix,
    ...(logins === undefined ? {} : { logins }),
  }));
  return { gates, ...(tls === undefined ? {} : { tls }) };
}

/** What a route says of its origin. */
function originRouteOf(route: RouteOptions): OriginRoute {
  const { pathPrefix: _path, logins: _logins, timeshiftSeconds: _timeshift, ...origin } = route;
  return origin;
}

function latencyOf({ lowLatency }: ProxyOptions): Latency {
  return lowLatency === true ? 'low' : 'usual';
}
