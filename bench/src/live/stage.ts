import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { type OriginOptions, RigOrigin, RigViewer, syntheticTitle } from '@forebay/rig';
import { ProxyHost } from '../proxy/host.js';
import { type CrowdOrder as WatchedBy, type Served, serve, SINK_CORE } from '../relay/crowd.js';
import { type Controls, describe } from '../relay/describe.js';
import { SERVER_CORE } from '../relay/servers.js';
import { pin } from '../relay/spent.js';
import { watchStolen } from '../report/machine.js';
import type { CrowdMessage, CrowdOrder, CrowdResult } from './crowd.js';
import { type Row, rowsOf } from './rows.js';
import { readTrace } from './trace.js';
import { type Audience, audienceOf } from './viewers.js';

const CROWD = fileURLToPath(new URL('crowd.js', import.meta.url));
/** All must have asked before media comes, so that they all begin with its first packet. */
const MEDIA_AFTER_MS = 3000;
export const GOP_SECONDS = 1;
export const VIDEO_KBPS = 300;
/** More than the buffers between the proxy and a viewer that does not read hold for long. */
export const WIDE_KBPS = 12_000;
/** Sessions that wait for their turn to play are no idlers here. */
const UNPLAYED_MS = 600_000;
/** They come within so long: joining takes the processor for itself. */
const COME_MS = 6000;
/** Who began a second late is up to what is on after so long. */
const SETTLE_MS = 18_000;
/** The direct viewer is there before the others, and after them. */
const FIRST_MS = 1000;
const DIRECT_LONGER_MS = 6000;
/** Of the two programs one ends first, and keeps the other waiting: so much of the end does not count. */
const LAST_MS = 500;
/** Video and audio. */
const STREAMS = 2;

type WatchOrder = Pick<WatchedBy, 'transport' | 'viewers' | 'rampMs' | 'settleMs' | 'windowMs'>;

export interface Measured extends CrowdResult {
  /** Sessions that were opened at the origin, besides those of the direct viewers: one for each of the two presentations. */
  readonly pulls: number;
  readonly proxyLagMs: { readonly p99Ms: number; readonly mostMs: number };
}

export interface Settled {
  readonly tcp: Audience;
  readonly udp: Audience;
  /** Shares of a core that the proxy and the viewers used. */
  readonly proxyCpu: number;
  readonly crowdCpu: number;
  /** Share of the processors that the host kept for others. */
  readonly stolen: number | undefined;
}

const live = (videoKbps: number, mediaAfterMs = 0) => ({
  title: syntheticTitle({ seconds: 24, gopSeconds: GOP_SECONDS, videoKbps }),
  live: true,
  faults: { liveKeyFrame: true, delaysMs: { media: mediaAfterMs } },
});

interface Stage {
  readonly origin: RigOrigin;
  readonly proxy: ProxyHost;
  readonly folder: string;
  /** Where viewers find a title. */
  readonly url: (path: string) => string;
}

/** Origin here and the proxy in a process; all of it is gone afterwards. */
async function onStage<T>(
  o: { readonly titles: OriginOptions['titles']; readonly workers: number; readonly lowLatency: boolean },
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-bench-live-'));
  const origin = await RigOrigin.start({ titles: o.titles });
  const proxy = ProxyHost.start();
  try {
    const { workers, lowLatency } = o;
    const settings = { workers, viewerLimits: { unplayedMs: UNPLAYED_MS }, lowLatency };
    const port = await proxy.open(join(folder, 'cache'), origin.url('/'), settings);
    const url = (path: string): string => `rtsp://127.0.0.1:${port}${path}`;
    return await play({ origin, proxy, folder, url });
  } finally {
    await proxy.end();
    await origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Viewers who all ask before the origin sends, and some who come later; direct viewers here, the others in a process of their own. */
export async function measure(
  { workers, ...order }: Pick<CrowdOrder, 'tcp' | 'udp' | 'seconds'> & { readonly workers: number },
  onStep: (line: string) => void,
): Promise<Measured> {
  const titles = { '/film': live(VIDEO_KBPS, MEDIA_AFTER_MS), '/wide': live(WIDE_KBPS, MEDIA_AFTER_MS) };
  return await onStage({ titles, workers, lowLatency: false }, async ({ origin, proxy, url }) => {
    const crowd = fork(CROWD, { stdio: ['ignore', 2, 2, 'ipc'] });
    const direct: RigViewer[] = [];
    try {
      for (const path of ['/film', '/wide']) {
        const viewer = await RigViewer.open({ url: origin.url(path), transport: 'tcp' });
        direct.push(viewer);
        await viewer.play();
      }
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
      crowd.send({ rows: rowsOf(direct[0]!), wideRows: rowsOf(direct[1]!) });
      const { result: measured } = await result;
      return { ...measured, pulls: origin.counters.plays - direct.length, proxyLagMs };
    } finally {
      if (crowd.exitCode === null) crowd.kill('SIGKILL');
      await Promise.all(direct.map((viewer) => viewer.close()));
    }
  });
}

export interface SettledOrder {
  readonly tcp: number;
  readonly udp: number;
  /** How long they are watched. */
  readonly seconds: number;
  readonly workers: number;
  readonly lowLatency: boolean;
}

/**
 * Viewers who come one after the other, once they have caught up. They and the direct viewer are programs in C, which take little
 * of the processor; the proxy is kept to one, and they and the origin to another.
 * @param crowd that program
 */
export async function measureSettled(
  crowd: string,
  { workers, lowLatency, seconds, ...viewers }: SettledOrder,
  onStep: (line: string) => void,
): Promise<Settled> {
  const titles = { '/film': live(VIDEO_KBPS) };
  return await onStage({ titles, workers, lowLatency }, async ({ origin, proxy, folder, url }) => {
    if (workers === 1) await Promise.all([pin(proxy.pid, SERVER_CORE), pin(process.pid, SINK_CORE)]);
    const traceOf = (name: string): string => join(folder, name);
    const watch = async (name: string, at: Controls, o: WatchOrder): Promise<Served> => {
      const order = { ...at, ...o, addresses: o.viewers, startSeconds: undefined };
      return await serve(crowd, { ...order, streams: STREAMS, trace: traceOf(name) }, proxy.pid);
    };
    const controls = await describe(url('/film'));
    const windowMs = seconds * 1000;
    const times = { rampMs: COME_MS, settleMs: SETTLE_MS, windowMs };
    const directMs = COME_MS + SETTLE_MS + windowMs + DIRECT_LONGER_MS;
    onStep(`live: ${viewers.tcp + viewers.udp} viewers come${lowLatency ? ', low latency' : ''}`);
    const direct = watch('direct', await describe(origin.url('/film')), {
      transport: 'tcp',
      viewers: 1,
      rampMs: 0,
      settleMs: 0,
      windowMs: directMs,
    });
    await delay(FIRST_MS);
    const stolen = await watchStolen();
    const [tcp, udp] = await Promise.all(
      (['tcp', 'udp'] as const).map((transport) =>
        watch(transport, controls, { transport, viewers: viewers[transport], ...times }),
      ),
    );
    const share = await stolen();
    await direct;
    onStep('live: comparing packets');
    const [rows = []] = await readTrace(traceOf('direct'), STREAMS);
    const seen = {
      tcp: await readTrace(traceOf('tcp'), STREAMS),
      udp: await readTrace(traceOf('udp'), STREAMS),
    };
    const counted = before(rows, Math.min(lastOf(seen.tcp), lastOf(seen.udp)) - LAST_MS);
    return {
      tcp: audienceOf(seen.tcp, counted),
      udp: audienceOf(seen.udp, counted),
      crowdCpu: tcp!.sinkCpu + udp!.sinkCpu,
      proxyCpu: tcp!.cpuNs / 1e6 / windowMs,
      stolen: share,
    };
  });
}

/** When the last packet came to any of these viewers. */
function lastOf(viewers: readonly (readonly Row[])[]): number {
  return Math.max(...viewers.flat().map(({ arrivalsMs }) => arrivalsMs[arrivalsMs.length - 1] ?? -Infinity));
}

/** What came of these streams up to `endMs`. */
function before(rows: readonly Row[], endMs: number): Row[] {
  return rows.map(({ hashes, sequences, arrivalsMs }) => {
    const came = Array.from(arrivalsMs).filter((ms) => ms <= endMs);
    return { hashes, sequences, arrivalsMs: came };
  });
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
