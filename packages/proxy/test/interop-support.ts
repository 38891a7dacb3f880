import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DelayRelay,
  ensureMedia,
  ffmpegHashes,
  GstOrigin,
  gstPlay,
  prerequisites,
  RigViewer,
  type TestMedia,
} from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import type { Test } from 'tap';
import type { Log, Proxy, ProxyOptions, RouteOptions } from '../src/index.js';
import { startedProxy } from './started-proxy.js';

/** Of each kind one, in one of the containers. */
export const KINDS = [
  'h264_g1.mp4',
  'h264_g5.mp4',
  'h264_b2.mkv',
  'h265_g1.mp4',
  'h265_open.mkv',
  'mpeg2_b2.mkv',
  'mjpeg.mkv',
  'h264_opus.mkv',
  'aac.mp4',
  'opus.mkv',
] as const;

export const TITLES = [
  ...KINDS,
  'h264_g1.mkv',
  'h264_g5.mkv',
  'h264_b2.mp4',
  'h265_g1.mkv',
  'h264_g10.mp4',
] as const;

export type Transport = 'tcp' | 'udp';
export type PlayerName = 'ffmpeg' | 'gstreamer';

const ROUTE = 'gst';
const HOST = '127.0.0.1';
/** Beyond the length of a title: start-up and end on a machine that does other things, too. */
export const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 20;
const DIRECT_TRIES = 3;
const MAX_LINES = 200;
/** What rtspsrc does by itself: it leaves that long after the announced end, though packets are still to come. */
const GSTREAMER_LATENCY_MS = 2000;

/** An origin that is not ours, and the clips it serves. */
export interface Abroad {
  readonly origin: GstOrigin;
  readonly media: TestMedia;
  /** Longest that a play may take, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Starts GStreamer's RTSP server and plays a moment of every title, so that what it loads once is loaded: its very first
 * sessions may lose a few audio packets.
 * @param titles those that will be played
 * @throws Error with the line that installs what is missing
 */
export async function goAbroad(t: Test, titles: readonly string[] = TITLES): Promise<Abroad> {
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new Error(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  const media = await ensureMedia();
  const origin = await GstOrigin.start({ media: media.folder });
  t.teardown(async () => await origin.stop());
  const timeoutMs = media.seconds * 1000 + PATIENCE_MS;
  await Promise.all(
    titles.map(async (title) => {
      const viewer = await open(origin.url(`/${title}`), 'tcp');
      await viewer.play({ range: 'npt=0-' });
      await viewer.received(20, { timeoutMs });
      await viewer.teardown();
      await viewer.close();
    }),
  );
  return { origin, media, timeoutMs };
}

/** A viewer of our own that set up every stream. */
export async function open(url: string, transport: Transport, localAddress?: string): Promise<RigViewer> {
  return await RigViewer.open({
    url,
    transport,
    timeoutMs: PATIENCE_MS,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
}

/** What a player that is not ours got. */
export interface Play {
  /** MD5 of each picture or frame: of video, then of audio. */
  readonly streams: readonly (readonly string[])[];
  /** It came to the end by itself, without a complaint. */
  readonly ended: boolean;
  /** Of each stream, how many were shown: not those that came later than GStreamer's end. */
  readonly shown: readonly number[];
  readonly exitMs: number;
  readonly complaint: string;
}

/**
 * Plays straight from the origin, each title once for each player. An origin or a player that has much else to do may lose a
 * picture: such a play says nothing, and is done again.
 */
export function directPlays({
  origin,
  media,
  timeoutMs,
}: Abroad): (player: PlayerName, title: string) => Promise<Play['streams']> {
  const pictures = media.seconds * media.fps;
  const played = once(async (key: `${PlayerName} ${string}`) => {
    const [player, title] = key.split(' ') as [PlayerName, string];
    for (let left = DIRECT_TRIES; ; left--) {
      const { streams } = await play(player, origin.url(`/${title}`), { transport: 'tcp', timeoutMs });
      if (streams.length < 2 || streams[0]?.length === pictures || left === 1) return streams;
    }
  });
  return async (player, title) => await played(`${player} ${title}`);
}

/** Plays `url` to its end, from `seekSeconds` where given. */
export async function play(
  player: PlayerName,
  url: string,
  o: { transport: Transport; timeoutMs: number; seekSeconds?: number; seconds?: number },
): Promise<Play> {
  if (player === 'ffmpeg') {
    const { exitCode, packets, diagnostics } = await ffmpegHashes({ url, ...o });
    return {
      streams: packets,
      shown: packets.map(({ length }) => length),
      ended: exitCode === 0,
      exitMs: performance.now(),
      complaint: diagnostics,
    };
  }
  const { transport, ...others } = o;
  const { ended, error, streams, diagnostics } = await gstPlay({
    url,
    protocols: transport,
    latencyMs: GSTREAMER_LATENCY_MS,
    ...others,
  });
  const inOrder = ['video', 'audio'].flatMap((kind) => streams.filter(({ media }) => media === kind));
  return {
    streams: inOrder.map(({ hashes }) => hashes),
    shown: inOrder.map(({ shown }) => shown),
    ended: ended === 'eos',
    exitMs: performance.now(),
    complaint: `${error ?? ''} ${diagnostics}`.trim(),
  };
}

/** Value of a Map that is worked out once. */
export function once<K, V>(make: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const made = new Map<K, Promise<V>>();
  return async (key) => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    return await known;
  };
}

/** One proxy over a cache directory of its own, with a relay between it and the origin that counts what passes. */
export class Stage {
  readonly directory: string;
  readonly relay: DelayRelay;
  #proxy: Proxy | undefined;
  #port = 0;
  #securePort = 0;
  /** When the last session stopped playing, and when it was gone. */
  #pacedEndMs: number | undefined;
  #goneMs: number | undefined;
  #watch: NodeJS.Timeout | undefined;
  readonly #lines: string[] = [];

  private constructor(directory: string, relay: DelayRelay) {
    this.directory = directory;
    this.relay = relay;
  }

  /** @param from whose cache to begin with a copy of: the same origin, by the same name */
  static async set(t: Test, abroad: Abroad, from?: Stage): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'forebay-interop-'));
    const target = { targetHost: HOST, targetPort: abroad.origin.port, oneWayMs: 0 };
    const stage = new Stage(directory, from?.relay ?? (await DelayRelay.start(target)));
    t.teardown(async () => {
      await stage.stop();
      if (!t.passing()) for (const line of stage.#lines) t.comment(line);
      if (from === undefined) await stage.relay.close();
      await rm(directory, { recursive: true, force: true });
    });
    if (from !== undefined) {
      const filter = (source: string): boolean => !source.endsWith('/lock');
      await cp(from.directory, directory, { recursive: true, filter });
    }
    return stage;
  }

  /** Starts the proxy, or stops it and starts it again: what is in RAM is forgotten. */
  async start(route: Partial<RouteOptions> = {}, more: Partial<ProxyOptions> = {}): Promise<void> {
    await this.stop();
    const proxy = await startedProxy({
      routes: [
        { id: ROUTE, pathPrefix: '/', baseUrl: parseRtspUrl(this.relay.url('/')), allowHosts: [], ...route },
      ],
      cacheDirectory: this.directory,
      cacheBytes: 1e9,
      ramBytes: 64e6,
      udpPorts: { first: 0, last: 0 },
      sessionTimeoutSeconds: 60,
      log: this.#log(),
      ...more,
    });
    this.#proxy = proxy;
    this.#port = (await proxy.listen(HOST, 0)).port;
    this.#securePort = more.tls === undefined ? 0 : (await proxy.listen(HOST, 0, true)).port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#proxy?.close();
    this.#proxy = undefined;
  }

  url(title: string): string {
    return `rtsp://${HOST}:${this.#port}/${title}`;
  }

  /** The same over TLS, where the proxy was started with a certificate. */
  secureUrl(title: string): string {
    return `rtsps://${HOST}:${this.#securePort}/${title}`;
  }

  /** Sum of the values of a metric over all labels but the given ones. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const metric = await (await this.#proxy?.collect())?.getSingleMetric(`forebay_${name}`)?.get();
    if (metric === undefined) throw new Error(`no metric forebay_${name}`);
    const wanted = Object.entries(labels);
    return metric.values
      .filter(({ labels: has }) => wanted.every(([label, value]) => String(has[label]) === value))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** What the proxy asked of the origin since it was started: sessions, and bytes of media. */
  async spent(): Promise<{ sessions: number; mediaBytes: number }> {
    return {
      sessions: await this.metric('origin_requests_total', { method: 'SETUP' }),
      mediaBytes: await this.metric('origin_bytes_total'),
    };
  }

  /** Waits until somebody was sent `ms` of media. */
  async played(ms: number): Promise<void> {
    while ((await this.metric('viewer_sessions', { state: 'playing' })) === 0) await delay(LOOK_EVERY_MS);
    await delay(ms);
  }

  /** Watches the only session for the moment in which it stops playing. */
  watchEnd(): void {
    this.#pacedEndMs = undefined;
    this.#goneMs = undefined;
    let played = false;
    const look = async (): Promise<void> => {
      const playing = await this.metric('viewer_sessions', { state: 'playing' });
      if (playing > 0) played = true;
      else if (played) this.#pacedEndMs ??= performance.now();
    };
    this.#watch = setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS);
  }

  /** Milliseconds from the paced end of the watched session to its end, and to `exitMs`. */
  async afterEnd(exitMs: number): Promise<{ goneMs: number; exitMs: number }> {
    // The player may be gone before the proxy has said so.
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (this.#goneMs === undefined && performance.now() < deadlineMs) await delay(LOOK_EVERY_MS);
    clearInterval(this.#watch);
    const goneMs = this.#goneMs ?? Infinity;
    // Gone before it could be seen to have ended: as soon as the watch can tell.
    const endMs = this.#pacedEndMs ?? goneMs;
    return { goneMs: goneMs - endMs, exitMs: exitMs - endMs };
  }

  /** Names of stored segments in play order, by grid cell. */
  async segments(): Promise<{ cell: number; path: string }[]> {
    const names = await readdir(this.directory, { recursive: true });
    return names
      .flatMap((name) => {
        const cell = /(?:^|\/)(\d+)-[^/]*\.seg$/.exec(name)?.[1];
        return cell === undefined ? [] : [{ cell: Number(cell), path: join(this.directory, name) }];
      })
      .sort((a, b) => a.cell - b.cell);
  }

  /** Deletes stored segments. Only while the proxy is stopped. */
  async forget(isForgotten: (cell: number) => boolean): Promise<void> {
    for (const { cell, path } of await this.segments()) if (isForgotten(cell)) await rm(path);
  }

  /** Waits until the last segment of the title is on disk, and those of `cells`. */
  async stored(timeoutMs: number, cells: readonly number[] = []): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const segments = await this.segments();
      const isEndThere = /-[kc]e-[0-9a-f]{8}\.seg$/.test(segments.at(-1)?.path ?? '');
      if (isEndThere && cells.every((cell) => segments.some((s) => s.cell === cell))) return;
      if (performance.now() > deadlineMs) throw new Error('what was played was not stored in time');
      await delay(LOOK_EVERY_MS);
    }
  }

  /** Keeps the newest lines, to be shown when the test fails. */
  #log(): Log {
    const keep = (fields: object, message: string): void => {
      if (message === 'viewer session ended') this.#goneMs = performance.now();
      this.#lines.push(`${(performance.now() / 1000).toFixed(3)} ${message} ${JSON.stringify(fields)}`);
      if (this.#lines.length > MAX_LINES) this.#lines.shift();
    };
    return { debug: keep, info: keep, warn: keep, error: keep };
  }
}
