import type { Clock, TimerHandle } from '@forebay/proxy';

const EPOCH_UNIX_MS = 1_800_000_000_000;

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time that goes by only when it is told to. Few timers run at a time: the next one is looked for. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return EPOCH_UNIX_MS + this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    this.#timers.delete(handle as Timer);
  }

  /** Runs what is due up to `untilMs`, in order, and lets promises run on. */
  async advance(untilMs: number): Promise<void> {
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = untilMs;
    await new Promise((resolve) => setImmediate(resolve));
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}
