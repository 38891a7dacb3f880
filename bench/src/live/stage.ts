import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OriginOptions, RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import { ProxyHost } from '../proxy/host.js';
import type { CrowdMessage, CrowdOrder, CrowdResult } from './crowd.js';
import type { SettledMessage, SettledOrder, SettledResult } from './settled.js';
import { rowsOf } from './rows.js';
import { spentBy } from '../relay/spent.js';

const CROWD = fileURLToPath(new URL('crowd.js', import.meta.url));
const SETTLED = fileURLToPath(new URL('settled.js', import.meta.url));
/** All must have asked before media comes, so that they all begin with its first packet. */
const MEDIA_AFTER_MS = 3000;
export const GOP_SECONDS = 1;
export const VIDEO_KBPS = 300;
/** More than the buffers between the proxy and a viewer that does not read hold for long. */
export const WIDE_KBPS = 12_000;
/** Sessions that wait for their turn to play are no idlers here. */
const UNPLAYED_MS = 600_000;

export interface Measured extends CrowdResult {
  /** Sessions that were opened at the origin, besides those of the direct viewers: one for each of the two presentations. */
  readonly pulls: number;
  readonly proxyLagMs: { readonly p99Ms: number; readonly mostMs: number };
}

export interface Settled extends SettledResult {
  readonly proxyLagMs: Measured['proxyLagMs'];
  /** Share of a core that the proxy used. */
  readonly proxyCpu: number;
}

const live = (videoKbps: number, mediaAfterMs = 0) => ({
  title: syntheticTitle({ seconds: 24, gopSeconds: GOP_SECONDS, videoKbps }),
  live: true,
  faults: { liveKeyFrame: true, delaysMs: { media: mediaAfterMs } },
});

interface Stage {
  readonly origin: RigOrigin;
  readonly proxy: ProxyHost;
  readonly crowd: ChildProcess;
  /** Where the crowd finds a title. */
  readonly url: (path: string) => string;
  /** A viewer of the origin itself. */
  readonly direct: (path: string) => Promise<RigViewer>;
}

/** Origin and direct viewers here, the proxy in a process, the crowd in another; all of it is gone afterwards. */
async function onStage<T>(
  o: {
    readonly titles: OriginOptions['titles'];
    readonly program: string;
    readonly workers: number;
    readonly lowLatency: boolean;
  },
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'forebay-bench-live-'));
  const origin = await RigOrigin.start({ titles: o.titles });
  const proxy = ProxyHost.start();
  const crowd = fork(o.program, { stdio: ['ignore', 2, 2, 'ipc'] });
  const viewers: RigViewer[] = [];
  const direct = async (path: string): Promise<RigViewer> => {
    const viewer = await RigViewer.open({ url: origin.url(path), transport: 'tcp' });
    viewers.push(viewer);
    await viewer.play();
    return viewer;
  };
  try {
    const { workers, lowLatency } = o;
    const settings = { workers, viewerLimits: { unplayedMs: UNPLAYED_MS }, lowLatency };
    const port = await proxy.open(directory, origin.url('/'), settings);
    const url = (path: string): string => `rtsp://127.0.0.1:${port}${path}`;
    return await play({ origin, proxy, crowd, url, direct });
  } finally {
    if (crowd.exitCode === null) crowd.kill('SIGKILL');
    await Promise.all(viewers.map((viewer) => viewer.close()));
    await proxy.end();
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Viewers who all ask before the origin sends, and some who come later. */
export async function measure(
  { workers, ...order }: Pick<CrowdOrder, 'tcp' | 'udp' | 'seconds'> & { readonly workers: number },
  onStep: (line: string) => void,
): Promise<Measured> {
  const titles = { '/film': live(VIDEO_KBPS, MEDIA_AFTER_MS), '/wide': live(WIDE_KBPS, MEDIA_AFTER_MS) };
  return await onStage(
    { titles, program: CROWD, workers, lowLatency: false },
    async ({ origin, proxy, crowd, url, direct }) => {
      const viewers = [await direct('/film'), await direct('/wide')] as const;
      onStep('live: setting up the viewers');
      const ready = answer<CrowdMessage, 'ready'>(crowd, 'ready');
      crowd.send({ ...order, url: url('/film'), wideUrl: url('/wide') });
      await ready;
      onStep(`live: ${order.tcp + order.udp} viewers watch for ${order.seconds} s`);
      await proxy.lag();
      await answer<CrowdMessage, 'watched'>(crowd, 'watched');
      const proxyLagMs = await proxy.lag();
      onStep('live: comparing packets');
      const result = answer<CrowdMessage, 'result'>(crowd, 'result');
      crowd.send({ rows: rowsOf(viewers[0]), wideRows: rowsOf(viewers[1]) });
      const { result: measured } = await result;
      return { ...measured, pulls: origin.counters.plays - viewers.length, proxyLagMs };
    },
  );
}

/** Viewers who come one after the other, once they have caught up. */
export async function measureSettled(
  { workers, ...order }: Omit<SettledOrder, 'url'> & { readonly workers: number },
  lowLatency: boolean,
  onStep: (line: string) => void,
): Promise<Settled> {
  const titles = { '/film': live(VIDEO_KBPS) };
  return await onStage(
    { titles, program: SETTLED, workers, lowLatency },
    async ({ proxy, crowd, url, direct }) => {
      const first = await direct('/film');
      onStep(`live: ${order.tcp + order.udp} viewers come${lowLatency ? ', low latency' : ''}`);
      const settled = answer<SettledMessage, 'settled'>(crowd, 'settled');
      crowd.send({ ...order, url: url('/film') });
      await settled;
      await proxy.lag();
      const before = await spentBy(proxy.pid);
      await answer<SettledMessage, 'watched'>(crowd, 'watched');
      const { cpuNs } = await spentBy(proxy.pid);
      const proxyLagMs = await proxy.lag();
      const result = answer<SettledMessage, 'result'>(crowd, 'result');
      crowd.send(rowsOf(first));
      const { result: measured } = await result;
      return { ...measured, proxyLagMs, proxyCpu: (cpuNs - before.cpuNs) / 1e9 / order.seconds };
    },
  );
}

/** The next message of that kind. @throws Error when the process ends first */
async function answer<M extends { readonly kind: string }, K extends M['kind']>(
  crowd: ChildProcess,
  kind: K,
): Promise<Extract<M, { kind: K }>> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = once(crowd, 'exit', { signal }).then(() => {
    throw new Error('the crowd ended early');
  });
  const told = async (): Promise<Extract<M, { kind: K }>> => {
    for (;;) {
      const [message] = (await once(crowd, 'message', { signal })) as [M];
      if (message.kind === kind) return message as Extract<M, { kind: K }>;
    }
  };
  ended.catch(() => undefined);
  try {
    return await Promise.race([told(), ended]);
  } finally {
    stop.abort();
  }
}
