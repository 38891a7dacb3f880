import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ProxyOptions } from '@forebay/proxy';

const SCRIPT = fileURLToPath(new URL('main.js', import.meta.url));

/** What may differ from the usual proxy. */
export type ProxySettings = Partial<
  Pick<ProxyOptions, 'ramBytes' | 'udpPath' | 'viewerLimits' | 'workers' | 'lowLatency' | 'tls'>
> & {
  /** Sessions at a time at the origin. */
  readonly maxSessions?: number;
};

/**
 * `lag` asks how late the event loop was since it was last asked; `collect` throws garbage away; `stall` has the disk answer
 * nothing for a while.
 */
export type ProxyOrder =
  | {
      readonly kind: 'open';
      readonly directory: string;
      readonly originUrl: string;
      readonly settings: ProxySettings;
    }
  | { readonly kind: 'close' }
  | { readonly kind: 'lag' }
  | { readonly kind: 'workers' }
  | { readonly kind: 'collect' }
  | { readonly kind: 'stall'; readonly ms: number }
  | { readonly kind: 'resources' };

/** What a process holds on to. */
export interface Resources {
  readonly heapBytes: number;
  /** Memory outside the heap that buffers keep. */
  readonly bufferBytes: number;
  readonly sockets: number;
  readonly timers: number;
  readonly viewerSessions: number;
  readonly viewerConnections: number;
  readonly originSessions: number;
}

export type ProxyAnswer =
  | { readonly kind: 'listening'; readonly port: number; readonly securePort: number | undefined }
  | { readonly kind: 'workers'; readonly pids: readonly number[] }
  | { readonly kind: 'closed' }
  | { readonly kind: 'lag'; readonly p99Ms: number; readonly mostMs: number }
  | { readonly kind: 'collected' }
  | { readonly kind: 'stalled'; readonly calls: number }
  | { readonly kind: 'resources'; readonly resources: Resources }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * A proxy in another process, as it is in operation: viewer, relay and proxy do not wait for each other's code. The
 * process stays while proxies in it come and go, so that what is measured is compiled code.
 */
export class ProxyHost {
  readonly #child: ChildProcess;
  /** Where the proxy that runs serves over TLS; undefined where it has no certificate. */
  securePort: number | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(): ProxyHost {
    return new ProxyHost(fork(SCRIPT, { stdio: ['ignore', 2, 2, 'ipc'], execArgv: ['--expose-gc'] }));
  }

  /** Number of the process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /**
   * Starts a proxy over a cache directory; the one before is closed, and what it had in RAM forgotten.
   * @returns its port
   */
  async open(directory: string, originUrl: string, settings: ProxySettings = {}): Promise<number> {
    const answer = await this.#order({ kind: 'open', directory, originUrl, settings });
    if (answer.kind !== 'listening') throw new Error(`the proxy is ${answer.kind}`);
    this.securePort = answer.securePort;
    return answer.port;
  }

  /** Closes the proxy that runs, not the process. */
  async close(): Promise<void> {
    await this.#order({ kind: 'close' });
  }

  /** How late timers of the event loop were since this was last asked, milliseconds. */
  async lag(): Promise<{ readonly p99Ms: number; readonly mostMs: number }> {
    const answer = await this.#order({ kind: 'lag' });
    if (answer.kind !== 'lag') throw new Error(`the proxy is ${answer.kind}`);
    return answer;
  }

  /** Process ids of the workers that serve. */
  async workers(): Promise<readonly number[]> {
    const answer = await this.#order({ kind: 'workers' });
    if (answer.kind !== 'workers') throw new Error(`the proxy is ${answer.kind}`);
    return answer.pids;
  }

  /** Throws away what nobody refers to, so that what is resident is in use. */
  async collect(): Promise<void> {
    await this.#order({ kind: 'collect' });
  }

  /** The disk answers nothing for `ms`. @returns when that is over: how many calls met it */
  async stallDisk(ms: number): Promise<number> {
    const answer = await this.#order({ kind: 'stall', ms });
    if (answer.kind !== 'stalled') throw new Error(`the proxy is ${answer.kind}`);
    return answer.calls;
  }

  /** What the proxy's process holds, garbage left out. */
  async resources(): Promise<Resources> {
    await this.#order({ kind: 'collect' });
    const answer = await this.#order({ kind: 'resources' });
    if (answer.kind !== 'resources') throw new Error(`the proxy is ${answer.kind}`);
    return answer.resources;
  }

  /** Ends the process. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    else this.#child.kill('SIGKILL');
    await ended;
  }

  async #order(order: ProxyOrder): Promise<ProxyAnswer> {
    const child = this.#child;
    const answer = await new Promise<ProxyAnswer>((resolve, reject) => {
      const leave = (): void => {
        child.off('message', take);
        child.off('exit', fail);
      };
      const take = (message: unknown): void => {
        leave();
        resolve(message as ProxyAnswer);
      };
      const fail = (code: number | null): void => {
        leave();
        reject(new Error(`the proxy's process ended with ${code}`));
      };
      child.once('message', take);
      child.once('exit', fail);
      child.send(order);
    });
    if (answer.kind === 'failed') throw new Error(`the proxy: ${answer.reason}`);
    return answer;
  }
}
