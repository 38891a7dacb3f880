import type { Clock, TimerHandle } from '../clock.js';

/** Period of the shared tick: well below a frame, and one write a viewer carries what became due. */
const TICK_MS = 10;

/** Someone who works on the shared tick. */
export interface Paced {
  turn(nowMs: number): void;
}

/** One timer for everybody: half the cost of a timer each, and a tenth of the lateness. */
export class Pacer {
  readonly #clock: Clock;
  readonly #members = new Set<Paced>();
  #timer: TimerHandle | undefined;
  #dueMs = 0;
  /** Worst lateness of a tick since it was last read, milliseconds. */
  #worstMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(member: Paced): void {
    this.#members.add(member);
    if (this.#timer !== undefined) return;
    this.#dueMs = this.#clock.nowMs() + TICK_MS;
    this.#arm();
  }

  remove(member: Paced): void {
    this.#members.delete(member);
  }

  get size(): number {
    return this.#members.size;
  }

  /** Worst lateness of a tick since the last call, milliseconds. */
  takeWorstMs(): number {
    const worst = this.#worstMs;
    this.#worstMs = 0;
    return worst;
  }

  close(): void {
    this.#members.clear();
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimeout(this.#tick, Math.max(0, this.#dueMs - this.#clock.nowMs()));
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#dueMs);
    for (const member of this.#members) member.turn(nowMs);
    if (this.#members.size === 0) return;
    this.#dueMs = Math.max(this.#dueMs + TICK_MS, nowMs);
    this.#arm();
  };
}
