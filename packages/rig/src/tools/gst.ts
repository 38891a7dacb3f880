import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RigError } from '../errors.js';
import { SYSTEM_PYTHON } from './players.js';

const SCRIPT = fileURLToPath(new URL('../../../gst/gst_origin.py', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5000;
const MAX_DIAGNOSTICS = 16_384;

export interface GstOriginOptions {
  /** Folder of recordings: each file is served at its name. */
  readonly media: string;
  readonly access?: {
    readonly scheme: 'basic' | 'digest';
    readonly username: string;
    readonly password: string;
  };
  /** Default 60. */
  readonly sessionTimeoutSeconds?: number;
  /** Default any that is free. */
  readonly port?: number;
}

/** An origin that is not ours: gst-rtsp-server in a process of its own, on a free port of 127.0.0.1. */
export class GstOrigin {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  #diagnostics = '';
  readonly #asked = new Map<string, number>();

  private constructor(child: ChildProcess, port: number, exit: Promise<number | null>) {
    this.#child = child;
    this.port = port;
    this.#exit = exit;
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const method = /^asked (\w+)$/.exec(line)?.[1];
        if (method !== undefined) this.#asked.set(method, this.count(method) + 1);
      });
    }
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#diagnostics = (this.#diagnostics + chunk.toString('latin1')).slice(-MAX_DIAGNOSTICS);
    });
  }

  /** @throws RigError `tool` if it ends before it listens, `timeout` if it does not listen within 30 s */
  static async start(options: GstOriginOptions): Promise<GstOrigin> {
    const { media, access, sessionTimeoutSeconds, port } = options;
    const flags = [
      '--media',
      media,
      ...(access === undefined
        ? []
        : ['--auth', access.scheme, '--user', access.username, '--password', access.password]),
      ...(port === undefined ? [] : ['--port', String(port)]),
      ...(sessionTimeoutSeconds === undefined ? [] : ['--session-timeout', String(sessionTimeoutSeconds)]),
    ];
    const child = spawn(SYSTEM_PYTHON, [SCRIPT, ...flags], { stdio: ['pipe', 'pipe', 'pipe'] });
    const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
    // Its pipe breaks when it ends first.
    child.stdin.on('error', () => {});
    let [stdout, stderr] = ['', ''];
    const noteError = (chunk: Buffer): void => void (stderr += chunk.toString('latin1'));
    child.stderr.on('data', noteError);
    try {
      const listening = await new Promise<number>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new RigError('timeout', 'gst_origin.py to listen')),
          START_TIMEOUT_MS,
        );
        child.once('error', (cause) => reject(new RigError('tool', SYSTEM_PYTHON, { cause })));
        child.stdout.on('data', (chunk: Buffer) => {
          stdout += chunk.toString('latin1');
          const ready = /^ready (\d+)$/m.exec(stdout)?.[1];
          if (ready === undefined) return;
          clearTimeout(timer);
          resolve(Number(ready));
        });
        void exit.then((code) => {
          clearTimeout(timer);
          reject(new RigError('tool', `gst_origin.py ended with ${code}: ${stderr.slice(-500)}`));
        });
      });
      return new GstOrigin(child, listening, exit);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      child.stderr.off('data', noteError);
    }
  }

  url(path: string): string {
    return `rtsp://127.0.0.1:${this.port}${path}`;
  }

  /** How often DESCRIBE, SETUP or PLAY was answered with 200, as the server itself tells. */
  count(method: string): number {
    return this.#asked.get(method) ?? 0;
  }

  /** Last 16 KiB of its standard error. */
  get diagnostics(): string {
    return this.#diagnostics;
  }

  /** Stops the process for good, or, with SIGSTOP and SIGCONT, for a while. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /** @returns its exit code, null if it had to be killed */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    return await this.#exit.finally(() => clearTimeout(timer));
  }
}
