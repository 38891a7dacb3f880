import { sequenceDelta, sequenceNumber, wrapSequence } from '@forebay/rtp';
import type { Clock, TimerHandle } from '../clock.js';
import { ORIGIN_LIMITS } from './limits.js';

const { reorderPackets: MAX_DROPOUT, reorderMs: HOLD_MS } = ORIGIN_LIMITS;
/** A power of two above the numbers that may lie between, so that each has its own. */
const SLOTS = 4096;
/** Jumps forward of MAX_DROPOUT packets, or back of this many, begin another sequence. Source: RFC 3550 appendix A.1. */
const MAX_MISORDER = 100;
const NONE = -1;

export interface ReorderOptions {
  readonly clock: Clock;
  /** Gets RTP packets in the order of their sequence numbers. */
  readonly deliver: (packet: Buffer) => void;
  /** A packet came too late or twice, or begins a jump that nothing confirms. */
  readonly drop: () => void;
}

/**
 * Puts the packets of one UDP stream in order. A packet that is early waits for those before it, at most 200 ms, at
 * whatever bitrate; then what is missing counts as lost.
 */
export class Reorder {
  readonly #o: ReorderOptions;
  readonly #slots = Array.from<Buffer | undefined>({ length: SLOTS });
  readonly #arrivedMs = new Float64Array(SLOTS);
  #waiting = 0;
  /** The sequence number that is due; NONE before the first packet. */
  #next = NONE;
  #stray: Buffer | undefined;
  #timer: TimerHandle | undefined;

  constructor(options: ReorderOptions) {
    this.#o = options;
  }

  /** @param packet a valid RTP packet; kept if it is early */
  push(packet: Buffer): void {
    const sequence = sequenceNumber(packet, 0);
    const ahead = this.#next === NONE ? 0 : sequenceDelta(this.#next, sequence);
    if (ahead <= -MAX_MISORDER || ahead >= MAX_DROPOUT) {
      this.#jump(packet, sequence);
      return;
    }
    this.#stray = undefined;
    if (ahead === 0) this.#deliver(packet, sequence);
    else if (ahead < 0) this.#o.drop();
    else this.#keep(packet, sequence);
    this.#drain();
  }

  close(): void {
    this.#slots.fill(undefined);
    this.#waiting = 0;
    this.#disarm();
  }

  /** Begins another sequence when the number after the jump comes too. */
  #jump(packet: Buffer, sequence: number): void {
    const stray = this.#stray;
    if (stray === undefined || sequenceDelta(sequenceNumber(stray, 0), sequence) !== 1) {
      if (stray !== undefined) this.#o.drop();
      this.#stray = packet;
      return;
    }
    this.#stray = undefined;
    this.#flush();
    this.#deliver(stray, sequenceNumber(stray, 0));
    this.#deliver(packet, sequence);
  }

  #deliver(packet: Buffer, sequence: number): void {
    this.#next = wrapSequence(sequence + 1);
    this.#o.deliver(packet);
  }

  #keep(packet: Buffer, sequence: number): void {
    const slot = sequence % SLOTS;
    if (this.#slots[slot] !== undefined) {
      this.#o.drop();
      return;
    }
    this.#slots[slot] = packet;
    this.#arrivedMs[slot] = this.#o.clock.nowMs();
    this.#waiting++;
  }

  /** Delivers what is due now, and sees to it that the rest does not wait too long. */
  #drain(): void {
    while (this.#waiting > 0 && this.#deliverDue());
    if (this.#waiting === 0) this.#disarm();
    else this.#timer ??= this.#o.clock.setTimeout(() => this.#onTimer(), HOLD_MS);
  }

  #deliverDue(): boolean {
    const slot = this.#next % SLOTS;
    const packet = this.#slots[slot];
    if (packet === undefined) return false;
    this.#slots[slot] = undefined;
    this.#waiting--;
    this.#deliver(packet, this.#next);
    return true;
  }

  /** Delivers everything that waits; what is missing between counts as lost. */
  #flush(): void {
    while (this.#waiting > 0) {
      if (!this.#deliverDue()) this.#next = wrapSequence(this.#next + 1);
    }
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#o.clock.nowMs();
    while (this.#waiting > 0 && nowMs - this.#oldestMs() >= HOLD_MS) {
      while (!this.#deliverDue()) this.#next = wrapSequence(this.#next + 1);
      while (this.#waiting > 0 && this.#deliverDue());
    }
    if (this.#waiting === 0) return;
    const waitMs = Math.max(1, this.#oldestMs() + HOLD_MS - nowMs);
    this.#timer = this.#o.clock.setTimeout(() => this.#onTimer(), waitMs);
  }

  #oldestMs(): number {
    let oldest = Infinity;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#slots[slot] !== undefined) oldest = Math.min(oldest, this.#arrivedMs[slot]!);
    }
    return oldest;
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#o.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
