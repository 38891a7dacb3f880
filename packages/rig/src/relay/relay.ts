import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { Link } from './link.js';
import type { Direction } from './link.js';

const MAX_LINKS = 10_000;

export interface RelayOptions {
  readonly targetHost: string;
  readonly targetPort: number;
  readonly oneWayMs: number;
  /** Default 127.0.0.1, any free port. */
  readonly host?: string;
  /** Every so many datagrams one is lost, in each direction. */
  readonly loseEvery?: number;
}

/** Bytes and datagrams delivered. */
export interface RelayCounters {
  connections: number;
  openConnections: number;
  /** Over TCP. */
  bytesToOrigin: number;
  bytesToViewer: number;
  datagramsToOrigin: number;
  datagramsToViewer: number;
  datagramBytesToViewer: number;
  datagramsLost: number;
}

/**
 * A long link: everything takes `oneWayMs` in each direction, connecting takes a round trip. RTP and RTCP over UDP go
 * the same way: the relay puts its own ports into Transport headers as they pass. Other bytes are not touched.
 */
export class DelayRelay {
  readonly host: string;
  readonly counters: RelayCounters = {
    connections: 0,
    openConnections: 0,
    bytesToOrigin: 0,
    bytesToViewer: 0,
    datagramsToOrigin: 0,
    datagramsToViewer: 0,
    datagramBytesToViewer: 0,
    datagramsLost: 0,
  };
  readonly #options: RelayOptions;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #datagrams: Record<Direction, number> = { toOrigin: 0, toViewer: 0 };
  readonly #held = new Set<Direction>();

  private constructor(options: RelayOptions) {
    this.#options = options;
    this.host = options.host ?? '127.0.0.1';
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.#links.size >= MAX_LINKS) {
        socket.destroy();
        return;
      }
      const link = new Link(socket, {
        ...options,
        address: this.host,
        delivered: (direction, bytes) => this.#count(direction, bytes),
        pass: (direction, bytes) => this.#pass(direction, bytes),
        closed: (ended) => {
          this.#links.delete(ended);
          this.counters.openConnections = this.#links.size;
        },
      });
      for (const direction of this.#held) link.hold(direction);
      this.#links.add(link);
      this.counters.connections += 1;
      this.counters.openConnections = this.#links.size;
    });
  }

  static async start(options: RelayOptions): Promise<DelayRelay> {
    const relay = new DelayRelay(options);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject);
      relay.#server.listen(0, relay.host, resolve);
    });
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What a viewer asks for instead of the origin's URL. */
  url(path: string): string {
    return `rtsp://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}${path}`;
  }

  /** Ends every connection with RST. New ones are accepted. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Nothing gets through, in one direction or both, and nobody is told: TCP waits, datagrams are lost. */
  blackhole(direction?: Direction): void {
    for (const each of directionsOf(direction)) {
      this.#held.add(each);
      for (const link of this.#links) link.hold(each);
    }
  }

  /** What TCP kept back is delivered. */
  heal(): void {
    for (const each of this.#held) for (const link of this.#links) link.release(each);
    this.#held.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #count(direction: Direction, bytes: number): void {
    if (direction === 'toOrigin') this.counters.bytesToOrigin += bytes;
    else this.counters.bytesToViewer += bytes;
  }

  #pass(direction: Direction, bytes: number): boolean {
    const number = ++this.#datagrams[direction];
    if (number % (this.#options.loseEvery ?? Infinity) === 0) {
      this.counters.datagramsLost += 1;
      return false;
    }
    if (direction === 'toOrigin') this.counters.datagramsToOrigin += 1;
    else {
      this.counters.datagramsToViewer += 1;
      this.counters.datagramBytesToViewer += bytes;
    }
    return true;
  }
}

function directionsOf(direction: Direction | undefined): readonly Direction[] {
  return direction === undefined ? ['toOrigin', 'toViewer'] : [direction];
}
