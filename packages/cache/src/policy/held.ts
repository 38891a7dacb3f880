import { widened } from './viewers.js';

const NONE = -1;
/** Columns grow by a quarter: room to spare costs memory for every segment. */
const GROWTH = 1.25;

export interface Extent {
  readonly startSeconds: number;
  readonly durationSeconds: number;
  readonly bytes: number;
  /** Where its viewers are counted: {@link Reach.point}. */
  readonly point: number;
}

/**
 * The segments that are held: 34 bytes each, in columns. A handle is a row, used again after `drop`. `dense` lists the
 * handles without holes, so that a victim can be drawn at random in one step.
 */
export class Held {
  count = 0;
  bytes = 0;
  #title = new Int32Array(1024);
  #startSeconds = new Float32Array(1024);
  #durationSeconds = new Float32Array(1024);
  #bytes = new Float64Array(1024);
  #point = new Float32Array(1024);
  #pins = new Uint16Array(1024);
  #at = new Int32Array(1024).fill(NONE);
  #dense = new Int32Array(1024);
  #used = 0;
  /** Chain of free rows, through #title. */
  #free = NONE;

  hold(title: number, extent: Extent): number {
    const handle = this.#row();
    this.#title[handle] = title;
    this.#startSeconds[handle] = extent.startSeconds;
    this.#durationSeconds[handle] = extent.durationSeconds;
    this.#bytes[handle] = extent.bytes;
    this.#point[handle] = extent.point;
    this.#pins[handle] = 0;
    this.#at[handle] = this.count;
    this.#dense[this.count] = handle;
    this.count += 1;
    this.bytes += extent.bytes;
    return handle;
  }

  /** @returns false when nothing is held under this handle. */
  drop(handle: number): boolean {
    if (!this.has(handle)) return false;
    const at = this.#at[handle]!;
    this.count -= 1;
    const last = this.#dense[this.count]!;
    this.#dense[at] = last;
    this.#at[last] = at;
    this.#at[handle] = NONE;
    this.bytes -= this.#bytes[handle]!;
    this.#title[handle] = this.#free;
    this.#free = handle;
    return true;
  }

  has(handle: number): boolean {
    return handle >= 0 && handle < this.#used && this.#at[handle] !== NONE;
  }

  pin(handle: number): void {
    if (this.has(handle) && this.#pins[handle]! < 0xffff) this.#pins[handle]! += 1;
  }

  unpin(handle: number): void {
    if (this.has(handle) && this.#pins[handle]! > 0) this.#pins[handle]! -= 1;
  }

  pinned(handle: number): boolean {
    return this.#pins[handle]! > 0;
  }

  /** The handle at place `index` of 0..count-1; places change as segments come and go. */
  nth(index: number): number {
    return this.#dense[index]!;
  }

  title(handle: number): number {
    return this.#title[handle]!;
  }

  startSeconds(handle: number): number {
    return this.#startSeconds[handle]!;
  }

  durationSeconds(handle: number): number {
    return this.#durationSeconds[handle]!;
  }

  point(handle: number): number {
    return this.#point[handle]!;
  }

  bytesOf(handle: number): number {
    return this.#bytes[handle]!;
  }

  #row(): number {
    if (this.#free !== NONE) {
      const handle = this.#free;
      this.#free = this.#title[handle]!;
      return handle;
    }
    if (this.#used === this.#title.length) this.#widen(Math.ceil(this.#used * GROWTH));
    return this.#used++;
  }

  #widen(size: number): void {
    this.#title = widened(this.#title, new Int32Array(size));
    this.#startSeconds = widened(this.#startSeconds, new Float32Array(size));
    this.#durationSeconds = widened(this.#durationSeconds, new Float32Array(size));
    this.#bytes = widened(this.#bytes, new Float64Array(size));
    this.#point = widened(this.#point, new Float32Array(size));
    this.#pins = widened(this.#pins, new Uint16Array(size));
    this.#at = widened(this.#at, new Int32Array(size).fill(NONE));
    this.#dense = widened(this.#dense, new Int32Array(size));
  }
}
