import { randomInt } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised';
import type { Clock } from '../clock.js';

export interface PortRange {
  /** First port, even; 0 with `last` 0 takes any free pair. */
  readonly first: number;
  /** Last port, odd. */
  readonly last: number;
}

/** Two bound sockets on consecutive ports of one local address: RTP on the even one, RTCP on the odd one. */
export interface PortPair {
  readonly ports: readonly [number, number];
  readonly rtp: Socket;
  readonly rtcp: Socket;
  /** Closes both; the ports are free at once. */
  release(): void;
}

/** Bind errors that say "not this port" rather than "no more sockets". */
const TAKEN = new Set(['EADDRINUSE', 'EACCES']);
/** A player that has left may still send its last reports: its port is not given to the next one at once. */
const REST_MS = 10_000;

/**
 * The proxy's media ports towards viewers. Pairs are taken at random, so that nobody can guess the next one; those that were
 * given back in the last ten seconds only when there are no others.
 * Source: RFC 3550 section 11 (even and odd), RFC 6056 (random).
 */
export class Ports {
  readonly #range: PortRange;
  readonly #attempts: number;
  /** Every bound or reserved port. */
  readonly #held = new Set<number>();
  /** Ports of a range that were given back, the longest ago first, and when. */
  readonly #resting = new Map<number, number>();

  readonly #clock: Clock;

  constructor(range: PortRange, attempts: number, clock: Clock) {
    this.#clock = clock;
    this.#range = { first: range.first + (range.first % 2), last: range.last };
    this.#attempts = attempts;
  }

  /** Ports bound or about to be. */
  get held(): number {
    return this.#held.size;
  }

  /** True for a media port of ours at an address of this host: sending there would be sending to ourselves. */
  isOurs(address: string, port: number): boolean {
    return this.#held.has(port) && isLocal(address);
  }

  /**
   * Binds a pair at `address`.
   * @returns undefined when the range, or the number of attempts, is used up
   * @throws the system's error for anything but a port that is taken
   */
  async take(address: string): Promise<PortPair | undefined> {
    for (const even of this.#candidates()) {
      const pair = await this.#bind(even, address);
      if (pair !== undefined) return pair;
    }
    return undefined;
  }

  /** Even ports to try, 0 for "any". */
  *#candidates(): Generator<number> {
    const pairs = Math.floor((this.#range.last - this.#range.first + 1) / 2);
    if (this.#range.last === 0) {
      for (let i = 0; i < this.#attempts; i++) yield 0;
      return;
    }
    if (pairs < 1) return;
    const start = randomInt(pairs);
    const tired: number[] = [];
    this.#wakeUp();
    let tried = 0;
    for (let i = 0; i < pairs && tried < this.#attempts; i++) {
      const even = this.#range.first + 2 * ((start + i) % pairs);
      if (this.#held.has(even) || this.#held.has(even + 1)) continue;
      if (this.#resting.has(even)) {
        tired.push(even);
        continue;
      }
      tried++;
      yield even;
    }
    yield* tired.slice(0, this.#attempts - tried);
  }

  #wakeUp(): void {
    const nowMs = this.#clock.nowMs();
    for (const [even, sinceMs] of this.#resting) {
      if (nowMs - sinceMs < REST_MS) return;
      this.#resting.delete(even);
    }
  }

  #rest(even: number): void {
    if (this.#range.last === 0) return;
    this.#resting.delete(even);
    this.#resting.set(even, this.#clock.nowMs());
  }

  async #bind(even: number, address: string): Promise<PortPair | undefined> {
    const first = await this.#open(even, address);
    if (first === undefined) return undefined;
    // The system's choice may be odd: then it is the RTCP port, and its neighbour below is wanted.
    const isOdd = first.port % 2 === 1;
    let second: Bound | undefined;
    try {
      second = await this.#open(isOdd ? first.port - 1 : first.port + 1, address);
    } finally {
      if (second === undefined) this.#close(first);
    }
    if (second === undefined) return undefined;
    const [rtp, rtcp] = isOdd ? [second, first] : [first, second];
    return {
      ports: [rtp.port, rtcp.port],
      rtp: rtp.wrapper.socket,
      rtcp: rtcp.wrapper.socket,
      release: () => {
        if (this.#held.has(rtp.port)) this.#rest(rtp.port);
        this.#close(rtp);
        this.#close(rtcp);
      },
    };
  }

  async #open(wanted: number, address: string): Promise<Bound | undefined> {
    if (this.#held.has(wanted)) return undefined;
    if (wanted !== 0) this.#held.add(wanted);
    const family = address.includes(':') ? 6 : 4;
    const wrapper = DgramAsPromised.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Addresses only, never names: answered in place, without the thread pool that dns.lookup would use.
      lookup: (host, _options, found) => found(null, host, family),
    });
    try {
      const { port } = await wrapper.bind({ port: wanted, address, exclusive: true });
      if (wanted !== 0 || !this.#held.has(port)) {
        this.#held.add(port);
        return { wrapper, port };
      }
      // The same number at another local address: one owner a number keeps the books simple.
      wrapper.socket.close();
      return undefined;
    } catch (error) {
      this.#held.delete(wanted);
      wrapper.socket.close();
      if (TAKEN.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }

  #close(bound: Bound): void {
    if (!this.#held.delete(bound.port)) return;
    bound.wrapper.socket.removeAllListeners('message');
    bound.wrapper.socket.close();
  }
}

interface Bound {
  readonly wrapper: SocketAsPromised;
  readonly port: number;
}

function isLocal(address: string): boolean {
  if (address.startsWith('127.') || address === '::1') return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((each) => each.address === address));
}
