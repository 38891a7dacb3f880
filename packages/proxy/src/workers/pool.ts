import type { Server, Socket } from 'node:net';
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { Clock, TimerHandle } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { normalAddress } from '../viewer/addresses.js';
import { listenForViewers } from '../viewer/listening.js';
import type { PortRange } from '../viewer/ports.js';
import type { Terms } from '../viewer/server.js';
import type { Desk } from './desk.js';
import type { Measures, OwnerLine, WorkerOptions } from './protocol.js';
import { Seats } from './seats.js';
import { Spare } from './spare.js';
import { type End, type Handing, WorkerProcess } from './worker-process.js';

const SWEEP_MS = 1000;
/** One that ended before it served is not replaced at once: something is wrong that the next one meets too. */
const RETRY_MS = 1000;
/** A session is known for so long after its last sign of life, beyond its timeout. */
const GRACE_MS = 10_000;

export interface PoolParts {
  readonly count: number;
  readonly worker: Omit<WorkerOptions, 'number'>;
  readonly desk: (tell: (line: OwnerLine) => void) => Desk;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The workers of a proxy: accepts viewers for them, and replaces those that die. */
export class WorkerPool {
  readonly #p: PoolParts;
  readonly #workers = new Map<number, WorkerProcess>();
  #terms: Terms;
  readonly #seats: Seats;
  readonly #spare: Spare;
  readonly #servers = new Set<Server>();
  /** What workers counted that are gone. */
  #legacy: Promise<Measures> = Promise.resolve([]);
  #connections = 0;
  #state: 'open' | 'draining' | 'closed' = 'open';
  #timer: TimerHandle | undefined;
  readonly #retries = new Set<TimerHandle>();

  private constructor(parts: PoolParts) {
    this.#p = parts;
    this.#terms = parts.worker.terms;
    this.#spare = new Spare((reason) =>
      parts.log.warn({ reason }, 'no spare worker: one that dies is not replaced at once'),
    );
    this.#seats = new Seats(parts.worker.sessionTimeoutSeconds * 1000 + GRACE_MS);
    for (let number = 1; number <= parts.count; number++) this.#hire(number);
    this.#sweep();
  }

  /**
   * Resolves when all workers serve; the first that does not is the end of the others.
   * @param giveUp why nobody waits for it any more
   * @throws WorkerStartError when a worker does not serve within a minute; why `giveUp` aborted
   */
  static async start(parts: PoolParts, giveUp?: AbortSignal): Promise<WorkerPool> {
    const pool = new WorkerPool(parts);
    const given = new Promise<never>((_resolve, reject) => {
      giveUp?.addEventListener('abort', () => reject(giveUp.reason as Error), { once: true });
    });
    try {
      giveUp?.throwIfAborted();
      await Promise.race([Promise.all(Array.from(pool.#workers.values(), ({ ready }) => ready)), given]);
    } catch (error) {
      await pool.#end();
      throw error;
    }
    return pool;
  }

  /** Process ids of the workers that serve. */
  get pids(): number[] {
    return this.#serving().flatMap((number) => this.#workers.get(number)?.pid ?? []);
  }

  /** May be called for several addresses. @param port 0 takes any @param isSecure over TLS */
  async listen(host: string, port: number, isSecure = false): Promise<{ host: string; port: number }> {
    const onConnection = (socket: Socket): void => {
      socket.on('error', () => undefined);
      this.#seat({ socket, isSecure });
    };
    const { log } = this.#p;
    const { server, address } = await listenForViewers({
      host,
      port,
      log,
      onConnection,
      pauseOnConnect: true,
    });
    this.#servers.add(server);
    return address;
  }

  /** As of a server; workers to come know it, too. */
  setTerms(terms: Terms): void {
    this.#terms = terms;
    for (const child of this.#workers.values()) child.setTerms(terms);
  }

  /** Takes nobody new, lets those who play play on for at most `timeoutMs`, then closes. */
  async drain(timeoutMs: number): Promise<void> {
    this.#state = 'draining';
    for (const server of this.#servers) server.close();
    await Promise.all(Array.from(this.#workers.values(), (child) => child.drain(timeoutMs)));
    await this.#end();
  }

  async close(): Promise<void> {
    if (this.#state === 'open') await this.drain(0);
    else await this.#end();
  }

  /** Ends every worker at once. */
  async #end(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    if (this.#timer !== undefined) this.#p.clock.clearTimeout(this.#timer);
    for (const retry of this.#retries) this.#p.clock.clearTimeout(retry);
    this.#spare.close();
    await Promise.all(Array.from(this.#workers.values(), (child) => child.close()));
  }

  /** The metrics of all workers and those given, as one. */
  async collect(own: Registry): Promise<Registry> {
    const running = Array.from(this.#workers.values(), (child) => child.measure());
    return AggregatorRegistry.aggregate([
      await own.getMetricsAsJSON(),
      await this.#legacy,
      ...(await Promise.all(running)),
    ]);
  }

  #hire(number: number): void {
    const { clock, metrics, log, desk, worker, count } = this.#p;
    const child = new WorkerProcess({
      child: this.#spare.take(),
      options: { ...worker, terms: this.#terms, number, udpPorts: shareOf(worker.udpPorts, number, count) },
      clock,
      log,
      desk,
      onDisconnected: (connection) => this.#seats.leave(connection, clock.nowMs()),
      onOrphan: (handing) => this.#seat(handing),
      onEnd: (end) => this.#replace(number, end),
    });
    this.#workers.set(number, child);
    child.ready.then(
      () => {
        metrics.workers.set(this.#serving().length);
        log.info({ worker: number, pid: child.pid }, 'worker serves');
        if (this.#state === 'open') this.#spare.prepare();
      },
      () => undefined,
    );
  }

  #replace(number: number, end: End): void {
    const { clock, metrics, log } = this.#p;
    const dead = this.#workers.get(number);
    if (dead === undefined) return;
    this.#seats.vacate(number);
    metrics.workers.set(this.#serving().length);
    if (this.#state !== 'open') return;
    this.#legacy = this.#bequeath(dead.measures);
    metrics.workerRestarts.inc({ reason: end });
    log.error({ worker: number, pid: dead.pid, reason: end }, 'worker ended, and its viewers with it');
    if (dead.hasServed) {
      this.#hire(number);
      return;
    }
    const retry = clock.setTimeout(() => {
      this.#retries.delete(retry);
      if (this.#state === 'open') this.#hire(number);
    }, RETRY_MS);
    this.#retries.add(retry);
  }

  /** Counters go on where a dead worker's stood; its gauges are gone with it. */
  async #bequeath(measures: Measures): Promise<Measures> {
    const counted = measures.filter((each) => (each as { type?: unknown }).type !== 'gauge');
    return AggregatorRegistry.aggregate([await this.#legacy, counted] as object[]).getMetricsAsJSON();
  }

  #seat({ socket, isSecure }: Handing): void {
    if (this.#state !== 'open' || socket.destroyed) {
      socket.destroy();
      return;
    }
    const connection = ++this.#connections;
    const ready = this.#serving((child) => child.isAnswering && !child.isFull);
    const answering = ready.length > 0 ? ready : this.#serving((child) => child.isAnswering);
    const workers = answering.length > 0 ? answering : this.#serving();
    const worker = this.#seats.take(normalAddress(socket.remoteAddress ?? ''), connection, workers);
    const child = worker === undefined ? undefined : this.#workers.get(worker);
    if (child === undefined) socket.destroy();
    else child.adopt(socket, { connection, isSecure });
  }

  #serving(isMeant = (child: WorkerProcess): boolean => child.isServing): number[] {
    return Array.from(this.#workers).flatMap(([number, child]) => (isMeant(child) ? [number] : []));
  }

  #sweep(): void {
    const { clock } = this.#p;
    this.#seats.sweep(clock.nowMs());
    for (const child of this.#workers.values()) child.sweep();
    this.#spare.sweep();
    this.#timer = clock.setTimeout(() => this.#sweep(), SWEEP_MS);
  }
}

/** The ports of worker `number` of `count`: whole pairs, no worker's are another's. */
function shareOf({ first, last }: PortRange, number: number, count: number): PortRange {
  if (last === 0) return { first, last };
  const even = first + (first % 2);
  const pairs = Math.floor((last - even + 1) / 2);
  const from = Math.floor(((number - 1) * pairs) / count);
  const to = Math.floor((number * pairs) / count);
  return { first: even + 2 * from, last: even + 2 * to - 1 };
}
