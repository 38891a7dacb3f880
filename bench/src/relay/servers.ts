import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProxyHost, type ProxySettings } from '../proxy/host.js';
import { type Controls, describe } from './describe.js';
import { portOf, SINK_CORE } from './crowd.js';
import { pin } from './spent.js';

/** Whoever is measured has this core to itself, where there are two. */
export const SERVER_CORE = 0;
const HOST = '127.0.0.1';
const PEER_START_MS = 15_000;
const END_MS = 2000;
const RAM_BYTES = 1e9;
/** All viewers come from one address. */
const MANY = 100_000;
const LIMITS = {
  connections: MANY,
  connectionsPerAddress: MANY,
  sessions: MANY,
  sessionsPerAddress: MANY,
  udpSessionsPerAddress: MANY,
  handshakesPerMinute: MANY,
  // How many viewers are on time is found out by more than that.
  overloadMs: 1e9,
} as const;

/** Someone who serves viewers: a process of its own on a core of its own. */
export interface Server {
  readonly pid: number;
  controls(path: string): Promise<Controls>;
  close(): Promise<void>;
}

/** A script of this folder, or any program, that says where it listens. */
async function begun(
  program: string,
  args: readonly string[],
  core: number,
): Promise<[ChildProcess, number]> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined);
  const port = await portOf(child.stdout);
  await pin(child.pid!, core);
  return [child, port];
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function scriptAt(name: string): string {
  return fileURLToPath(new URL(`${name}.js`, import.meta.url));
}

/** The rig's origin. @param where beside the viewers, or alone as the one that is measured */
export async function startOrigin(where: 'beside' | 'alone'): Promise<Server & { readonly url: string }> {
  const core = where === 'alone' ? SERVER_CORE : SINK_CORE;
  const [child, port] = await begun(process.execPath, [scriptAt('origin')], core);
  const url = `rtsp://${HOST}:${port}`;
  return {
    pid: child.pid!,
    url,
    controls: async (path) => await describe(`${url}${path}`),
    close: async () => await ended(child),
  };
}

/** Forebay, over an origin, with a cache of its own. */
export class Forebay implements Server {
  readonly #host: ProxyHost;
  readonly #port: number;

  private constructor(host: ProxyHost, port: number) {
    this.#host = host;
    this.#port = port;
  }

  static async start(folder: string, originUrl: string, settings: ProxySettings = {}): Promise<Forebay> {
    const host = ProxyHost.start();
    const directory = join(folder, `cache-${host.pid}`);
    const port = await host.open(directory, originUrl, {
      ramBytes: RAM_BYTES,
      viewerLimits: LIMITS,
      ...settings,
    });
    for (const pid of [host.pid, ...(await host.workers())]) await pin(pid, SERVER_CORE);
    return new Forebay(host, port);
  }

  get pid(): number {
    return this.#host.pid;
  }

  /** Its process, for what only it can tell. */
  get host(): ProxyHost {
    return this.#host;
  }

  /** The same over TLS, where it was started with a certificate. */
  secureUrl(path: string): string {
    return `rtsps://${HOST}:${this.#host.securePort}${path}`;
  }

  url(path: string): string {
    return `rtsp://${HOST}:${this.#port}${path}`;
  }

  async controls(path: string): Promise<Controls> {
    return await describe(this.url(path));
  }

  async close(): Promise<void> {
    await this.#host.end();
  }
}

export interface BareOptions {
  /** The program of `bare.c`; undefined: Node's. */
  readonly program: string | undefined;
  readonly schedule: string;
  readonly periodMs: number;
  readonly aheadMs: number;
  readonly mostBytes: number;
  readonly isLive: boolean;
}

/** A loop that does nothing but write. */
export async function startBare(o: BareOptions): Promise<Server> {
  const figures = [o.periodMs, o.aheadMs, o.mostBytes].map(String);
  const args = [o.schedule, ...figures, o.isLive ? 'live' : 'held'];
  const [child, port] =
    o.program === undefined
      ? await begun(process.execPath, [scriptAt('bare'), ...args], SERVER_CORE)
      : await begun(o.program, args, SERVER_CORE);
  const url = `rtsp://${HOST}:${port}/`;
  return {
    pid: child.pid!,
    controls: () => Promise.resolve({ host: HOST, port, setupUrls: [url], playUrl: url }),
    close: async () => await ended(child),
  };
}

/** Another relay or server. `{origin}` in the command becomes the URL of the live title. @throws Error */
export async function startPeer(peer: { command: string; url: string }, liveUrl: string): Promise<Server> {
  const child = spawn('/bin/sh', ['-c', peer.command.replaceAll('{origin}', liveUrl)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  const pid = child.pid!;
  const close = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const exit = once(child, 'exit');
    process.kill(-pid, 'SIGTERM');
    const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), END_MS);
    await exit;
    clearTimeout(timer);
  };
  try {
    const controls = await describe(peer.url, PEER_START_MS);
    await pin(pid, SERVER_CORE);
    return { pid, controls: () => Promise.resolve(controls), close };
  } catch (error) {
    await close();
    throw error;
  }
}
