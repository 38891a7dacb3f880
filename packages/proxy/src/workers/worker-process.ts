import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Clock, TimerHandle } from '../clock.js';
import type { Log } from '../log.js';
import type { Terms } from '../viewer/server.js';
import type { Desk } from './desk.js';
import { Post } from './post.js';
import type { Measures, OwnerLine, WorkerLine, WorkerOptions } from './protocol.js';

/** A worker that says nothing for so many seconds, while we ourselves run, is ended. */
const SILENT_SECONDS = 10;
/** One that says nothing for so many seconds is given nobody new, where others are there. */
const SLUGGISH_SECONDS = 4;
/** When it is ended, until it serves. */
const STARTING_SECONDS = 60;
const MEASURE_MS = 500;
/** One that does not go by itself is ended. */
const CLOSE_MS = 1000;

/** Why a worker is gone. */
export type End = 'exit' | 'signal' | 'silent' | 'start' | 'asked';

/** A worker ended before it served: about the machine, or what was asked for, not a defect of ours. */
class WorkerStartError extends Error {
  override readonly name = 'WorkerStartError';
  readonly code = 'worker-start';

  constructor(worker: number, reason: string) {
    super(`worker ${worker} ended before it served: ${reason}`);
  }
}

/** A connection that was accepted, and is given to a worker. */
export interface Handing {
  readonly socket: Socket;
  /** TLS is awaited on it. */
  readonly isSecure: boolean;
}

export interface WorkerProcessParts {
  /** That waits for its orders. */
  readonly child: ChildProcess;
  readonly options: WorkerOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly desk: (tell: (line: OwnerLine) => void) => Desk;
  readonly onDisconnected: (connection: number) => void;
  /** A connection that the worker did not take before it ended. */
  readonly onOrphan: (handing: Handing) => void;
  /** Called once, when the process is gone. */
  readonly onEnd: (end: End) => void;
}

/** One worker process, as its owner sees it. */
export class WorkerProcess {
  readonly number: number;
  /** Resolves when it serves; rejected with a {@link WorkerStartError} when it does not, within a minute. */
  readonly ready: Promise<void>;
  readonly #p: WorkerProcessParts;
  readonly #child: ChildProcess;
  readonly #post: Post<OwnerLine>;
  readonly #desk: Desk;
  /** Connections on their way there: open here, too, until it has them. */
  readonly #handing = new Map<number, Handing>();
  readonly #asked = new Map<number, () => void>();
  #state: 'starting' | 'serving' | 'draining' | 'gone' = 'starting';
  #hasServed = false;
  readonly #ended: Promise<void>;
  #end: End | undefined;
  #silentSeconds = 0;
  #measures: Measures = [];
  #isFull = false;
  #questions = 0;
  #settle!: { readonly resolve: () => void; readonly reject: (error: Error) => void };
  #whenDrained: (() => void) | undefined;

  constructor(parts: WorkerProcessParts) {
    this.#p = parts;
    this.number = parts.options.number;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.ready.catch(() => undefined);
    this.#child = parts.child;
    this.#post = new Post((lines) => this.#send(lines));
    this.#desk = parts.desk((line) => this.#post.tell(line));
    this.#child.on('message', (lines: readonly WorkerLine[]) => {
      for (const line of lines) this.#take(line);
    });
    this.#ended = new Promise((resolve) => {
      const gone = (how: 'exit' | 'signal', reason: string): void => {
        this.#gone(how, reason);
        resolve();
      };
      this.#child.on('error', (error) => {
        parts.log.error({ error, worker: this.number }, 'worker failed');
        // A process that was never begun has no exit.
        if (this.#child.pid === undefined) gone('exit', error.message);
      });
      this.#child.once('exit', (code, signal) => {
        const last = (): void =>
          signal === null ? gone('exit', `exit code ${code}`) : gone('signal', `killed by ${signal}`);
        // What it said last is read first.
        if (this.#child.connected) this.#child.once('disconnect', last);
        else last();
      });
    });
    this.#post.tell({ op: 'begin', options: parts.options });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isServing(): boolean {
    return this.#state === 'serving';
  }

  /** It serves, and has said so lately. */
  get isAnswering(): boolean {
    return this.isServing && this.#silentSeconds < SLUGGISH_SECONDS;
  }

  /** It has more to do than it can, as it said last. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** It came as far as serving. */
  get hasServed(): boolean {
    return this.#hasServed;
  }

  /** What its counters and gauges said last. */
  get measures(): Measures {
    return this.#measures;
  }

  /** Hands a connection over, of which nothing was read. */
  adopt(socket: Socket, { connection, isSecure }: { connection: number; isSecure: boolean }): void {
    this.#post.flush();
    this.#handing.set(connection, { socket, isSecure });
    // An error is the end of the process, which is noticed anyway.
    this.#child.send([{ op: 'viewer', connection, isSecure }], socket, { keepOpen: true }, () => undefined);
  }

  /** Its metrics as they are now; as they were a second ago, where it is busy. */
  async measure(): Promise<Measures> {
    if (this.#state === 'gone') return this.#measures;
    const id = ++this.#questions;
    let timer: TimerHandle | undefined;
    await new Promise<void>((resolve) => {
      this.#asked.set(id, resolve);
      timer = this.#p.clock.setTimeout(resolve, MEASURE_MS);
      this.#post.tell({ op: 'measure', id });
    });
    if (timer !== undefined) this.#p.clock.clearTimeout(timer);
    this.#asked.delete(id);
    return this.#measures;
  }

  setTerms(terms: Terms): void {
    this.#post.tell({ op: 'terms', terms });
  }

  /** Called once a second. */
  sweep(): void {
    const limit = this.#state === 'starting' ? STARTING_SECONDS : SILENT_SECONDS;
    if (++this.#silentSeconds > limit) this.end('silent');
    else if (this.isServing && this.#silentSeconds === SLUGGISH_SECONDS)
      this.#p.log.warn({ worker: this.number, pid: this.pid }, 'a worker says nothing');
  }

  /** Resolves when its viewers are done, or gone after `timeoutMs`; at once where it has not served yet. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#state === 'gone' || this.#state === 'starting') return;
    this.#state = 'draining';
    await new Promise<void>((resolve) => {
      this.#whenDrained = resolve;
      this.#post.tell({ op: 'drain', timeoutMs });
    });
  }

  /** Ends the process at once. */
  end(end: End): void {
    if (this.#state === 'gone') return;
    this.#end ??= end;
    this.#child.kill('SIGKILL');
  }

  /** Resolves when the process has ended, which it is asked to. */
  async close(): Promise<void> {
    this.#end ??= 'asked';
    if (this.#child.connected) this.#child.disconnect();
    const timer = this.#p.clock.setTimeout(() => this.end('asked'), CLOSE_MS);
    await this.#ended;
    this.#p.clock.clearTimeout(timer);
  }

  #send(lines: readonly OwnerLine[]): void {
    if (this.#child.connected) this.#child.send([...lines], () => undefined);
  }

  #take(line: WorkerLine): void {
    const { log } = this.#p;
    switch (line.op) {
      case 'ready':
        this.#state = 'serving';
        this.#hasServed = true;
        this.#silentSeconds = 0;
        this.#settle.resolve();
        break;
      case 'failed':
        this.#settle.reject(new WorkerStartError(this.number, line.message));
        this.end('start');
        break;
      case 'measures':
        this.#silentSeconds = 0;
        this.#measures = line.measures;
        this.#isFull = line.isFull;
        if (line.id !== undefined) this.#asked.get(line.id)?.();
        break;
      case 'adopted':
        this.#handed(line.connection);
        break;
      case 'disconnected':
        this.#handed(line.connection);
        this.#p.onDisconnected(line.connection);
        break;
      case 'log':
        log[line.level](line.fields, line.message);
        break;
      case 'drained':
        this.#whenDrained?.();
        break;
      default:
        this.#desk.receive(line);
    }
  }

  #gone(how: 'exit' | 'signal', reason: string): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#desk.close();
    for (const resolve of this.#asked.values()) resolve();
    const why = this.#end === 'silent' ? `it said nothing for ${STARTING_SECONDS} s` : reason;
    this.#settle.reject(new WorkerStartError(this.number, why));
    this.#whenDrained?.();
    this.#p.onEnd(this.#end ?? how);
    for (const handing of this.#handing.values()) this.#p.onOrphan(handing);
    this.#handing.clear();
  }

  /** The connection is the worker's alone. */
  #handed(connection: number): void {
    this.#handing.get(connection)?.socket.destroy();
    this.#handing.delete(connection);
  }
}
