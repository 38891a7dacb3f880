import { keepArrival, type Arrival } from './arrival.js';

const MAX_PACKETS = 256;

/** Packets of streams that run ahead of the picture, until it shows which segment they belong to. */
export class EarlyPackets {
  readonly #held: Arrival[] = [];
  /** By stream: how many are held. */
  readonly #counts: number[];

  constructor(streams: number) {
    this.#counts = Array.from({ length: streams }, () => 0);
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  get isFull(): boolean {
    return this.#held.length >= MAX_PACKETS;
  }

  has(stream: number): boolean {
    return (this.#counts[stream] ?? 0) > 0;
  }

  /** Keeps a copy; when full, the oldest is forgotten. */
  keep(p: Arrival): void {
    const oldest = this.isFull ? this.#held.shift() : undefined;
    if (oldest !== undefined) this.#counts[oldest.stream]!--;
    this.#held.push(keepArrival(p));
    this.#counts[p.stream] = (this.#counts[p.stream] ?? 0) + 1;
  }

  /** Lets go those that are due, in order; a packet never overtakes an earlier one of its stream. */
  release(isDue: (p: Arrival) => boolean, place: (p: Arrival) => void): void {
    const waiting = this.#held.splice(0);
    this.#counts.fill(0);
    for (const p of waiting) {
      if (!this.has(p.stream) && isDue(p)) {
        place(p);
        continue;
      }
      this.#held.push(p);
      this.#counts[p.stream] = (this.#counts[p.stream] ?? 0) + 1;
    }
  }

  /** They came `ms` later, as far as waiting is concerned. */
  delay(ms: number): void {
    for (const p of this.#held) p.nowMs += ms;
  }

  clear(): void {
    this.#held.length = 0;
    this.#counts.fill(0);
  }
}
