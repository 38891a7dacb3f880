import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Served, serveByAll } from '../relay/crowd.js';
import { compile, type Programs } from '../relay/programs.js';
import { Forebay, type Server, startOrigin } from '../relay/servers.js';
import { FILL_MS, STARTS_SECONDS, USUAL_KBPS } from '../relay/titles.js';

const FILL_SLACK_MS = 3000;
const WARM_UP_VIEWERS = 200;
/** All proxies are pinned to one core, the viewers to another: what is compared is what packets cost, and who pays. */
export const SERVERS = ['one', 'two'] as const;
export type ServerName = (typeof SERVERS)[number];
/** Processes that serve; each gets as many viewers as the one does alone, since what a packet costs depends on that. */
export const WORKERS: Readonly<Record<ServerName, number>> = { one: 1, two: 2 };

export interface Scene {
  readonly name: string;
  readonly label: string;
  readonly kind: 'held' | 'live';
  readonly transport: 'tcp' | 'udp';
  /** For each process that serves. */
  readonly viewers: number;
}

export const SCENES: readonly Scene[] = [
  { name: 'heldTcp', label: 'held over TCP', kind: 'held', transport: 'tcp', viewers: 500 },
  { name: 'liveTcp', label: 'live over TCP', kind: 'live', transport: 'tcp', viewers: 500 },
  { name: 'heldUdp', label: 'held over UDP', kind: 'held', transport: 'udp', viewers: 300 },
  { name: 'liveUdp', label: 'live over UDP', kind: 'live', transport: 'udp', viewers: 300 },
];

/** One scene, served once by one process or by several. */
export interface Trial {
  readonly scene: string;
  readonly server: ServerName;
  readonly seen: Omit<Served, 'cpuNs' | 'writes'>;
  /** Of the process that was started, then of each worker. */
  readonly cpuNs: readonly number[];
}

export interface Stage {
  readonly programs: Programs;
  readonly origin: Server;
  readonly proxies: Readonly<Record<ServerName, Forebay>>;
  close(): Promise<void>;
}

/** @throws UsageError without a compiler */
export async function setStage(say: (line: string) => void): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-workers-'));
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const each of open.toReversed()) await each.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const programs = await compile(folder);
    const origin = await startOrigin('beside');
    open.push(origin);
    const start = async (name: ServerName): Promise<Forebay> => {
      const proxy = await Forebay.start(folder, origin.url, { workers: WORKERS[name] });
      open.push(proxy);
      return proxy;
    };
    const proxies = { one: await start('one'), two: await start('two') };
    const stage = { programs, origin, proxies, close };
    say(`playing the title once, ${FILL_MS / 1000} s, so that it is held`);
    const filled = { rampMs: 0, settleMs: 0, windowMs: FILL_MS + FILL_SLACK_MS };
    await Promise.all(
      SERVERS.map((name) => trial(stage, name, { scene: { ...SCENES[0]!, viewers: 1 }, times: filled })),
    );
    say('a little of everything, which does not count');
    const little = { rampMs: 500, settleMs: 500, windowMs: 2000 };
    for (const name of SERVERS)
      for (const scene of SCENES)
        await trial(stage, name, { scene: { ...scene, viewers: WARM_UP_VIEWERS }, times: little });
    return stage;
  } catch (error) {
    await close();
    throw error;
  }
}

export interface Times {
  readonly rampMs: number;
  readonly settleMs: number;
  readonly windowMs: number;
}

/** The process that was started, then each worker. */
export async function pidsOf({ proxies }: Pick<Stage, 'proxies'>, name: ServerName): Promise<number[]> {
  const { pid, host } = proxies[name];
  return [pid, ...(await host.workers())];
}

/** Viewers of one scene, each from an address of its own, and what it cost which process. */
export async function trial(
  { programs, proxies }: Stage,
  name: ServerName,
  { scene, times }: { readonly scene: Scene; readonly times: Times },
): Promise<Trial> {
  const proxy = proxies[name];
  const controls = await proxy.controls(scene.kind === 'live' ? '/live' : `/held-${USUAL_KBPS}`);
  const { transport } = scene;
  const isOne = scene.viewers === 1;
  const viewers = isOne ? 1 : scene.viewers * WORKERS[name];
  const startSeconds = scene.kind === 'live' ? undefined : isOne ? ([0, 0] as const) : STARTS_SECONDS;
  const pids = await pidsOf({ proxies }, name);
  const order = { ...controls, ...times, transport, viewers, startSeconds, addresses: viewers };
  const { seen, spent } = await serveByAll(programs.crowd, order, pids);
  return { scene: scene.name, server: name, seen, cpuNs: spent.map(({ cpuNs }) => cpuNs) };
}
