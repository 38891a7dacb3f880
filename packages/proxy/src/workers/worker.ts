import type { Socket } from 'node:net';
import { RamTier } from '@forebay/cache';
import { systemClock, type TimerHandle } from '../clock.js';
import type { Log } from '../log.js';
import { Metrics } from '../metrics.js';
import { Pacer } from '../read/pacer.js';
import { ViewerServer } from '../viewer/server.js';
import { chooseSender } from '../viewer/udp-path.js';
import { Link } from './link.js';
import type { OwnerLine, WorkerLine, WorkerOptions } from './protocol.js';
import { RemoteLibrary } from './remote-library.js';

const PULSE_MS = 1000;

/** What the process has used. */
export interface Vitals {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** The viewer side of a proxy in a process of its own: what it plays the owner holds. */
export class Worker {
  readonly #link: Link;
  readonly #metrics: Metrics;
  readonly #pacer: Pacer;
  readonly #library: RemoteLibrary;
  readonly #viewers: ViewerServer;
  readonly #number: string;
  readonly #vitals: () => Vitals;
  #cpuSeconds = 0;
  #timer: TimerHandle | undefined;

  private constructor(parts: {
    link: Link;
    metrics: Metrics;
    pacer: Pacer;
    library: RemoteLibrary;
    viewers: ViewerServer;
    number: number;
    vitals: () => Vitals;
  }) {
    this.#number = String(parts.number);
    this.#vitals = parts.vitals;
    this.#link = parts.link;
    this.#metrics = parts.metrics;
    this.#pacer = parts.pacer;
    this.#library = parts.library;
    this.#viewers = parts.viewers;
    this.#pulse();
  }

  /** @throws NoNativePath when `udpPath` is `native` and there is none */
  static async start(
    options: WorkerOptions,
    { send, vitals }: { send: (lines: readonly WorkerLine[]) => void; vitals: () => Vitals },
  ): Promise<Worker> {
    const link = new Link(send);
    const metrics = new Metrics();
    const clock = systemClock;
    const log = logOf(link, options.number);
    // The owner has said what it found.
    const quiet = { ...log, info: () => undefined };
    const sender = await chooseSender({ wanted: options.udpPath, metrics, log: quiet });
    const pacer = new Pacer(clock, options.latency);
    const ram = new RamTier(options.ramBytes);
    const library = new RemoteLibrary({ link, pacer, ram, shelves: { clock, metrics, log } });
    const { udpPorts, sessionTimeoutSeconds, serverName, terms } = options;
    const viewers = new ViewerServer({
      library,
      terms,
      clock,
      metrics,
      log,
      udpPorts,
      sender,
      sessionTimeoutSeconds,
      serverName,
      limits: options.viewerLimits,
      ...(options.reportsViewings ? { onViewing: (viewing) => link.tell({ op: 'viewing', viewing }) } : {}),
    });
    return new Worker({ link, metrics, pacer, library, viewers, number: options.number, vitals });
  }

  take(line: OwnerLine): void {
    switch (line.op) {
      case 'reply':
        this.#link.answered(line.id, line.reply);
        break;
      case 'identity':
      case 'title':
      case 'pass':
        this.#library.take(line);
        break;
      case 'measure':
        void this.#measure(line.id);
        break;
      case 'terms':
        this.#viewers.setTerms(line.terms);
        break;
      case 'drain':
        void this.#drain(line.timeoutMs);
        break;
      default:
        break;
    }
  }

  /** A viewer's connection, accepted by the owner. */
  adopt(socket: Socket, { connection, isSecure }: { connection: number; isSecure: boolean }): void {
    // Before anything is read: until then the owner can give the connection to somebody else.
    this.#link.tell({ op: 'adopted', connection });
    this.#link.flush();
    socket.once('close', () => this.#link.tell({ op: 'disconnected', connection }));
    this.#viewers.adopt(socket, isSecure);
  }

  async #drain(timeoutMs: number): Promise<void> {
    await this.#viewers.drain(timeoutMs);
    await this.#measure(undefined);
    if (this.#timer !== undefined) systemClock.clearTimeout(this.#timer);
    this.#library.close();
    this.#pacer.close();
    this.#link.tell({ op: 'drained' });
    this.#link.flush();
  }

  /** A sign of life, with what is to be kept of the counters when it is the last. */
  #pulse(): void {
    void this.#measure(undefined);
    this.#timer = systemClock.setTimeout(() => this.#pulse(), PULSE_MS);
  }

  async #measure(id: number | undefined): Promise<void> {
    const { workerCpu, workerResident, loopLag } = this.#metrics;
    const { cpuSeconds, residentBytes } = this.#vitals();
    workerCpu.inc({ worker: this.#number }, cpuSeconds - this.#cpuSeconds);
    this.#cpuSeconds = cpuSeconds;
    workerResident.set({ worker: this.#number }, residentBytes);
    if (id === undefined) loopLag.set(this.#pacer.takeWorstMs() / 1000);
    const all = await this.#metrics.registry.getMetricsAsJSON();
    const measures = all.filter(({ values }) => values.length > 0);
    this.#link.tell({ op: 'measures', id, measures, isFull: this.#viewers.isFull });
  }
}

/** Lines go to the owner's log, with the worker that they are of. */
function logOf(link: Link, worker: number): Log {
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void =>
      link.tell({ op: 'log', level, fields: { worker, ...plain(fields) }, message });
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/** What survives the way to another process. */
function plain(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name,
      value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : value,
    ]),
  );
}
