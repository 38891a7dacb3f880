import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkSynthetic,
  DelayRelay,
  type OriginFaults,
  type OriginOptions,
  RigOrigin,
  RigViewer,
  syntheticTitle,
  type Title,
} from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import type { Test } from 'tap';
import { type Clock, systemClock } from '../src/clock.js';
import type { Log, Proxy, ProxyOptions, RouteOptions } from '../src/index.js';
import { startedProxy } from './started-proxy.js';

export interface SceneOptions {
  readonly title?: Title;
  readonly titles?: OriginOptions['titles'];
  readonly faults?: OriginFaults;
  readonly route?: Partial<RouteOptions>;
  /** Keep segments on disk; default true. */
  readonly disk?: boolean;
  readonly cacheBytes?: number;
  /** Worker processes; by default as the environment says, else none. */
  readonly workers?: number;
  readonly proxy?: Partial<ProxyOptions>;
}

/** Three actors on loopback: an origin, the proxy, and viewers. */
export interface Scene {
  readonly origin: RigOrigin;
  /** Between the proxy and the origin. */
  readonly relay: DelayRelay;
  /** What the proxy logged, of all levels. */
  readonly lines: string[];
  /** Wall-clock time goes by for the proxy. */
  later(ms: number): void;
  /** The origin's script. */
  readonly faults: OriginFaults;
  readonly directory: string;
  proxy: Proxy;
  /** URL of a path at the proxy, `/film` by default. */
  url(path?: string): string;
  /** A viewer that described and set up everything; each comes from an address of its own. */
  viewer(transport?: 'tcp' | 'udp', path?: string): Promise<RigViewer>;
  /** Stops the proxy and starts it again on the same cache. */
  restart(): Promise<void>;
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

export const film = (seconds = 8, more: Partial<Parameters<typeof syntheticTitle>[0]> = {}): Title =>
  syntheticTitle({ seconds, videoKbps: 400, ...more });

/** Sets a scene that is cleared when the test ends. */
export async function scene(t: Test, o: SceneOptions = {}): Promise<Scene> {
  const titles = o.titles ?? { '/film': o.title ?? film() };
  const origin = await RigOrigin.start({ titles, ...(o.faults === undefined ? {} : { faults: o.faults }) });
  const relay = await DelayRelay.start({ targetHost: '127.0.0.1', targetPort: origin.port, oneWayMs: 0 });
  const directory = await mkdtemp(join(tmpdir(), 'forebay-scene-'));
  const lines: string[] = [];
  const note = (_fields: object, line: string): void => void lines.push(line);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, unixMs: () => Date.now() + aheadMs };
  const options: ProxyOptions = {
    routes: [
      {
        id: 'rig',
        pathPrefix: '/',
        baseUrl: parseRtspUrl(`rtsp://127.0.0.1:${relay.port}/`),
        allowHosts: [],
        ...o.route,
      },
    ],
    cacheDirectory: o.disk === false ? undefined : directory,
    cacheBytes: o.cacheBytes ?? 1e9,
    ramBytes: 64e6,
    udpPorts: { first: 0, last: 0 },
    sessionTimeoutSeconds: 60,
    clock,
    log,
    ...(o.workers === undefined ? {} : { workers: o.workers }),
    ...o.proxy,
  };
  const viewers: RigViewer[] = [];
  let addresses = 1;
  const start = async (): Promise<{ proxy: Proxy; port: number }> => {
    const proxy = await startedProxy(options);
    return { proxy, port: (await proxy.listen('127.0.0.1', 0)).port };
  };
  let running = await start();
  const made: Scene = {
    origin,
    relay,
    lines,
    later: (ms) => {
      aheadMs += ms;
    },
    faults: o.faults ?? {},
    directory,
    proxy: running.proxy,
    url: (path = '/film') => `rtsp://127.0.0.1:${running.port}${path}`,
    viewer: async (transport = 'tcp', path = '/film') => {
      const number = ++addresses;
      const localAddress = `127.0.${number >>> 8}.${number & 0xff}`;
      const viewer = await RigViewer.connect({
        url: made.url(path),
        transport,
        check: checkSynthetic(),
        timeoutMs: 60_000,
        localAddress,
      });
      viewers.push(viewer);
      await viewer.describe();
      await viewer.setup();
      return viewer;
    },
    restart: async () => {
      await running.proxy.close();
      running = await start();
      made.proxy = running.proxy;
    },
    metric: async (name, labels = {}) => {
      const metric = await (await made.proxy.collect()).getSingleMetric(name)?.get();
      const wanted = Object.entries(labels);
      const values = metric?.values.filter((v) =>
        wanted.every(([label, value]) => (v.labels as Record<string, unknown>)[label] === value),
      );
      return values?.reduce((sum, v) => sum + v.value, 0) ?? 0;
    },
  };
  t.teardown(async () => {
    await Promise.all(viewers.map((viewer) => viewer.close().catch(() => undefined)));
    await running.proxy.close();
    await relay.close();
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  });
  return made;
}

/** Deletes stored segments by grid cell. */
export async function forget(s: Scene, cells: (cell: number) => boolean): Promise<void> {
  for (const name of await readdir(s.directory, { recursive: true })) {
    const cell = /(?:^|\/)(\d+)-[^/]*\.seg$/.exec(name)?.[1];
    if (cell !== undefined && cells(Number(cell))) await rm(join(s.directory, name));
  }
}

/** Access-unit hashes of a play straight from the origin, by stream; parameter sets left out. */
export async function directFrames(origin: RigOrigin, path = '/film'): Promise<number[][]> {
  const viewer = await RigViewer.open({ url: `rtsp://127.0.0.1:${origin.port}${path}`, transport: 'tcp' });
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 60_000 });
  const frames = viewer.recordings.map((r) => viewer.frames(r.stream.index, { parameterSets: false }));
  await viewer.close();
  return frames;
}

export const framesOf = (viewer: RigViewer): number[][] =>
  viewer.recordings.map((r) => viewer.frames(r.stream.index, { parameterSets: false }));

/** The viewer got whole streams without a break, and no wrong byte. */
export function assertSound(t: Test, viewer: RigViewer, name: string): void {
  const { sequenceGaps, sequenceRepeats, timestampBackSteps } = viewer.continuity();
  t.same(
    [sequenceGaps, sequenceRepeats, timestampBackSteps],
    [0, 0, 0],
    `${name}: no gap, no repeat, no step back`,
  );
  t.equal(
    viewer.recordings.reduce((sum, r) => sum + r.wrongPayloads, 0),
    0,
    `${name}: no wrong byte`,
  );
}

/** Where `part` lies in `whole`, as a run without a break; -1 when it does not. */
export function runIn(whole: readonly number[], part: readonly number[]): number {
  const at = whole.indexOf(part[0] ?? NaN);
  return at >= 0 && part.every((hash, i) => whole[at + i] === hash) ? at : -1;
}

/** The viewer saw exactly the frames of `direct`, stream by stream. Says where the first difference is. */
export function sameFrames(
  t: Test,
  viewer: RigViewer,
  direct: readonly (readonly number[])[],
  name = 'frames',
): void {
  for (const [stream, got] of framesOf(viewer).entries()) {
    const want = direct[stream] ?? [];
    const at = want.findIndex((hash, i) => hash !== got[i]);
    t.same([got.length, at], [want.length, -1], `${name}: stream ${stream} as from the origin`);
  }
}

/** Has the title on disk, all of it, and then without the grid cells to be forgotten; the proxy was started anew. */
export async function holding(s: Scene, cells: (cell: number) => boolean): Promise<void> {
  const { faults } = s;
  s.origin.setFaults({ ...faults, speed: 20 });
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.received(1, { timeoutMs: 60_000 });
  await viewer.until(() => s.origin.counters.openSessions === 0, { timeoutMs: 60_000, what: 'the fill' });
  await viewer.close();
  await s.restart();
  await forget(s, (cell) => !cells(cell));
  await s.restart();
  s.origin.setFaults(faults);
}
