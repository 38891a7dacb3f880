/** Bytes that may be under way in one lane. */
const MAX_BYTES = 64 << 20;

interface Item {
  readonly dueMs: number;
  readonly bytes: number;
  readonly deliver: () => void;
}

/** One direction of a link: what goes in comes out in order, `delayMs` later. */
export class DelayLane {
  readonly delayMs: number;
  #items: Item[] = [];
  /** Items before this one are delivered. */
  #next = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isHeld = false;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  /** No more fits: a stream's reader should wait, a datagram is lost. */
  get isFull(): boolean {
    return this.#bytes >= MAX_BYTES;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** @param sentMs when it went in, on the monotonic clock */
  push(sentMs: number, bytes: number, deliver: () => void): void {
    this.#items.push({ dueMs: sentMs + this.delayMs, bytes, deliver });
    this.#bytes += bytes;
    this.#schedule();
  }

  /** Keeps everything, until release(). */
  hold(): void {
    this.#isHeld = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  release(): void {
    this.#isHeld = false;
    this.#schedule();
  }

  /** Forgets what is under way. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#items = [];
    this.#next = 0;
    this.#bytes = 0;
  }

  #schedule(): void {
    const head = this.#items[this.#next];
    if (this.#isHeld || this.#timer !== undefined || head === undefined) return;
    const waitMs = Math.max(0, Math.ceil(head.dueMs - performance.now()));
    this.#timer = setTimeout(() => this.#deliver(), waitMs);
  }

  #deliver(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (
      let head = this.#items[this.#next];
      head !== undefined && head.dueMs <= nowMs;
      head = this.#items[this.#next]
    ) {
      this.#next += 1;
      this.#bytes -= head.bytes;
      head.deliver();
    }
    if (this.#next === this.#items.length) {
      this.#items = [];
      this.#next = 0;
    } else if (this.#next > 1024) {
      this.#items = this.#items.slice(this.#next);
      this.#next = 0;
    }
    this.#schedule();
  }
}
