import { accountName } from '../viewer/addresses.js';

/** Addresses that are remembered; beyond that the one that has been without a connection longest is forgotten. */
const MAX_ADDRESSES = 65_536;

interface Seat {
  worker: number;
  connections: number;
  /** Clock reading when its last connection ended. */
  leftMs: number;
}

/**
 * Which worker an address is with. All connections and sessions of an address are in one worker, so that a session is found
 * from another connection and limits per address hold; a new address goes to the worker with the fewest connections.
 */
export class Seats {
  readonly #keptMs: number;
  readonly #byAddress = new Map<string, Seat>();
  readonly #byConnection = new Map<number, Seat>();
  readonly #loads = new Map<number, number>();

  /** @param keptMs an address without a connection may have sessions for so long */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** Connections that a worker has. */
  load(worker: number): number {
    return this.#loads.get(worker) ?? 0;
  }

  /**
   * The worker for a new connection from `address`, of those that there are.
   * @returns undefined where there is none
   */
  take(address: string, connection: number, workers: readonly number[]): number | undefined {
    const name = accountName(address);
    const known = this.#byAddress.get(name);
    const worker = known?.worker ?? this.#idlest(workers);
    if (worker === undefined) return undefined;
    const seat = known ?? { worker, connections: 0, leftMs: 0 };
    this.#byAddress.delete(name);
    this.#byAddress.set(name, seat);
    if (this.#byAddress.size > MAX_ADDRESSES) this.#forgetOne();
    seat.connections++;
    this.#byConnection.set(connection, seat);
    this.#loads.set(worker, this.load(worker) + 1);
    return worker;
  }

  /** A connection has ended. */
  leave(connection: number, nowMs: number): void {
    const seat = this.#byConnection.get(connection);
    if (seat === undefined) return;
    this.#byConnection.delete(connection);
    this.#loads.set(seat.worker, this.load(seat.worker) - 1);
    seat.connections--;
    seat.leftMs = nowMs;
  }

  /** A worker is gone, with all that it had. */
  vacate(worker: number): void {
    for (const [connection, seat] of this.#byConnection)
      if (seat.worker === worker) this.#byConnection.delete(connection);
    for (const [name, seat] of this.#byAddress) if (seat.worker === worker) this.#byAddress.delete(name);
    this.#loads.delete(worker);
  }

  /** Forgets addresses that have had nothing for long. */
  sweep(nowMs: number): void {
    for (const [name, { connections, leftMs }] of this.#byAddress)
      if (connections === 0 && nowMs - leftMs > this.#keptMs) this.#byAddress.delete(name);
  }

  #idlest(workers: readonly number[]): number | undefined {
    let idlest: number | undefined;
    for (const worker of workers)
      if (idlest === undefined || this.load(worker) < this.load(idlest)) idlest = worker;
    return idlest;
  }

  #forgetOne(): void {
    for (const [name, seat] of this.#byAddress) {
      if (seat.connections > 0) continue;
      this.#byAddress.delete(name);
      return;
    }
  }
}
