import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listCache } from '@forebay/cache';
import { Proxy as MediaProxy, type Log } from '@forebay/proxy';
import { DelayRelay, RigOrigin, bundledTitle } from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import { adminPages, startAdmin, type AdminServer } from '../admin.js';
import { coverageOf } from '../ls.js';
import { formatSocketAddress, type SocketAddress } from '../socket-address.js';
import { VERSION } from '../version.js';

const HOST = '127.0.0.1';
const PATH = '/demo';
const CACHE_BYTES = 100e6;
const RAM_BYTES = 32e6;
const STORED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** Added to every trip between proxy and origin, both ways together. */
export const ROUND_TRIP_MS = 100;

/** Origin, relay and proxy of the demo, in this process, on loopback, with a cache directory of their own. */
export class Stage {
  readonly titleSeconds: number;
  readonly #origin: RigOrigin;
  readonly #relay: DelayRelay;
  readonly #directory: string;
  readonly #log: Log;
  #proxy: MediaProxy | undefined;
  #address: SocketAddress | undefined;
  #admin: AdminServer | undefined;

  private constructor(parts: {
    origin: RigOrigin;
    relay: DelayRelay;
    directory: string;
    log: Log;
    seconds: number;
  }) {
    this.#origin = parts.origin;
    this.#relay = parts.relay;
    this.#directory = parts.directory;
    this.#log = parts.log;
    this.titleSeconds = parts.seconds;
  }

  /** Everything but the proxy runs when this resolves. */
  static async set(log: Log): Promise<Stage> {
    const title = bundledTitle();
    const origin = await RigOrigin.start({ titles: { [PATH]: title } });
    const relay = await DelayRelay.start({
      targetHost: origin.host,
      targetPort: origin.port,
      oneWayMs: ROUND_TRIP_MS / 2,
    });
    const directory = await mkdtemp(join(tmpdir(), 'forebay-demo-'));
    return new Stage({ origin, relay, directory, log, seconds: title.durationSeconds });
  }

  /** Of the title at its origin, behind the relay. */
  get directUrl(): string {
    return this.#relay.url(PATH);
  }

  /** Of the title at the proxy. */
  get proxyUrl(): string {
    return `rtsp://${formatSocketAddress(this.#address ?? { host: HOST, port: 0 })}${PATH}`;
  }

  get dashboardUrl(): string {
    return `http://${formatSocketAddress(this.#admin?.address ?? { host: HOST, port: 0 })}/`;
  }

  get metricsUrl(): string {
    return `${this.dashboardUrl}metrics`;
  }

  /** Media that the origin has sent so far. */
  get originBytes(): number {
    return this.#origin.mediaBytesOf(PATH);
  }

  /** Media that this proxy has sent to viewers so far, and how much of it came from disk. */
  get viewerBytes(): { readonly all: number; readonly disk: number } {
    const { ram = 0, disk = 0, flight = 0, sibling = 0 } = this.#proxy?.metrics.viewerBytes ?? {};
    return { all: ram + disk + flight + sibling, disk };
  }

  /** Starts a proxy over the cache directory; one that ran before is stopped first, and its RAM forgotten. */
  async openProxy(): Promise<void> {
    await this.#closeProxy();
    const proxy = await MediaProxy.start({
      routes: [
        {
          id: 'demo',
          pathPrefix: '/',
          baseUrl: parseRtspUrl(this.#relay.url('/')),
          allowHosts: [],
        },
      ],
      cacheDirectory: this.#directory,
      cacheBytes: CACHE_BYTES,
      ramBytes: RAM_BYTES,
      udpPorts: { first: 0, last: 0 },
      sessionTimeoutSeconds: 60,
      log: this.#log,
    });
    this.#proxy = proxy;
    this.#address = await preferred(
      this.#address?.port ?? 8554,
      async (port) => await proxy.listen(HOST, port),
    );
  }

  /** Serves the metrics of the proxy that runs. */
  async openAdmin(): Promise<void> {
    const proxy = this.#proxy;
    if (proxy === undefined) return;
    const source = { collect: () => proxy.collect(), ready: () => proxy.ready(), api: proxy };
    const pages = adminPages(source, { version: VERSION, hosts: [], hashTitles: false, log: this.#log });
    this.#admin = await preferred(9554, async (port) => await startAdmin(pages, { host: HOST, port }));
  }

  /** @returns whether all of the title is on disk before the time is up */
  async stored(): Promise<boolean> {
    const deadlineMs = performance.now() + STORED_WITHIN_MS;
    while (performance.now() < deadlineMs) {
      const { titles } = await listCache(this.#directory);
      const segments = titles[0]?.segments ?? [];
      if (segments.at(-1)?.last === true && coverageOf(segments).stretches === 1) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#closeProxy();
    await this.#relay.close();
    await this.#origin.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #closeProxy(): Promise<void> {
    await this.#admin?.close();
    await this.#proxy?.close();
    this.#admin = undefined;
    this.#proxy = undefined;
  }
}

/** The usual port where it is free, so that it can be remembered; else any. */
async function preferred<T>(port: number, listen: (port: number) => Promise<T>): Promise<T> {
  try {
    return await listen(port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return await listen(0);
  }
}
