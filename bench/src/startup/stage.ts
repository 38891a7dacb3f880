import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { listCache } from '@forebay/cache';
import { DelayRelay, ensureMedia, GstOrigin, playOnce } from '@forebay/rig';
import { ProxyHost } from '../proxy/host.js';

const HOST = '127.0.0.1';
const END_SLACK_MS = 30_000;
const STORED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

export interface StageOptions {
  /** One of the clips that `ensureMedia` makes. */
  readonly clip: string;
  readonly roundTripMs: number;
}

/** GStreamer's RTSP server, a long link to it, and proxies that are fresh or hold the title. */
export class Stage {
  readonly #folder: string;
  readonly #origin: GstOrigin;
  /** The long link of direct viewers and of proxies that hold nothing. */
  readonly #relay: DelayRelay;
  /** That of proxies that hold the title: what the others still have under way is not theirs. */
  readonly #warmRelay: DelayRelay;
  readonly #host: ProxyHost;
  readonly #titles: readonly [string, string];
  readonly #seconds: number;
  #drafts = 0;
  #fresh: string | undefined;

  private constructor(parts: {
    folder: string;
    origin: GstOrigin;
    relays: readonly [DelayRelay, DelayRelay];
    titles: readonly [string, string];
    seconds: number;
  }) {
    this.#folder = parts.folder;
    this.#origin = parts.origin;
    [this.#relay, this.#warmRelay] = parts.relays;
    this.#titles = parts.titles;
    this.#seconds = parts.seconds;
    this.#host = ProxyHost.start();
  }

  /** @throws RigError, RangeError where there is no such clip */
  static async set({ clip, roundTripMs }: StageOptions): Promise<Stage> {
    const media = await ensureMedia();
    if (!media.files.includes(clip)) throw new RangeError(`--clip: one of ${media.files.join(' ')}`);
    const folder = await mkdtemp(join(tmpdir(), 'forebay-startup-'));
    const titles = [`title${extname(clip)}`, `other${extname(clip)}`] as const;
    let origin: GstOrigin | undefined;
    try {
      await mkdir(join(folder, 'media'));
      for (const title of titles) await symlink(join(media.folder, clip), join(folder, 'media', title));
      origin = await GstOrigin.start({ media: join(folder, 'media') });
      const target = { targetHost: HOST, targetPort: origin.port };
      const link = { ...target, oneWayMs: roundTripMs / 2 };
      const relays = [await DelayRelay.start(link), await DelayRelay.start(link)] as const;
      return new Stage({ folder, origin, relays, titles, seconds: media.seconds });
    } catch (error) {
      await origin?.stop();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The title at its origin, with no round trip added. */
  get nearUrl(): string {
    return this.#origin.url(`/${this.#titles[0]}`);
  }

  /** The title at its origin, through the long link. */
  get directUrl(): string {
    return this.#relay.url(`/${this.#titles[0]}`);
  }

  /** What the origin has sent so far: to proxies that hold the title, or over the other long link. In bytes. */
  originBytes(to: 'warm' | 'others'): number {
    const { counters } = to === 'warm' ? this.#warmRelay : this.#relay;
    return counters.bytesToViewer + counters.datagramBytesToViewer;
  }

  /** Plays the title to its end through a proxy, until all of it is on disk. */
  async fill(): Promise<void> {
    const url = await this.openWarm();
    await playOnce({ url, transport: 'tcp', endTimeoutMs: this.#seconds * 1000 + END_SLACK_MS });
    const deadlineMs = performance.now() + STORED_WITHIN_MS;
    for (;;) {
      const { titles } = await listCache(this.#warmFolder);
      if (titles[0]?.segments.at(-1)?.last === true) break;
      if (performance.now() > deadlineMs) throw new Error('the title did not get to the disk');
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    await this.#host.close();
  }

  /** A proxy that holds nothing. @returns URLs of two titles that are alike at the origin */
  async openEmpty(): Promise<{ title: string; other: string }> {
    const directory = join(this.#folder, `empty-${++this.#drafts}`);
    const title = await this.#open(directory, this.#relay);
    await this.#forgetFresh();
    this.#fresh = directory;
    return { title, other: new URL(this.#titles[1], title).href };
  }

  /** A proxy whose disk holds the title, and whose RAM holds nothing. */
  async openWarm(): Promise<string> {
    return await this.#open(this.#warmFolder, this.#warmRelay);
  }

  async closeProxy(): Promise<void> {
    await this.#host.close();
    await this.#forgetFresh();
  }

  async close(): Promise<void> {
    await this.#host.end();
    await this.#relay.close();
    await this.#warmRelay.close();
    await this.#origin.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #warmFolder(): string {
    return join(this.#folder, 'warm');
  }

  async #open(directory: string, relay: DelayRelay): Promise<string> {
    const port = await this.#host.open(directory, relay.url('/'));
    return `rtsp://${HOST}:${port}/${this.#titles[0]}`;
  }

  async #forgetFresh(): Promise<void> {
    if (this.#fresh !== undefined) await rm(this.#fresh, { recursive: true, force: true });
    this.#fresh = undefined;
  }
}
