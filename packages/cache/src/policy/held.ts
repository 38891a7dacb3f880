const NONE = -1;
/** Columns grow by pages of so many rows: growing never copies what is there, which would stop everything for as long. */
export const PAGE_BITS = 14;
export const PAGE_ROWS = 1 << PAGE_BITS;
export const PAGE_MASK = PAGE_ROWS - 1;

export interface Extent {
  readonly startSeconds: number;
  readonly durationSeconds: number;
  readonly bytes: number;
  /** Where its viewers are counted: {@link Reach.point}. */
  readonly point: number;
}

/**
 * The segments that are held: 34 bytes each, in columns of pages. A handle is a row, used again after `drop`. `dense` lists the
 * handles without holes, so that a victim can be drawn at random in one step.
 */
export class Held {
  count = 0;
  bytes = 0;
  readonly #title: Int32Array[] = [];
  readonly #startSeconds: Float32Array[] = [];
  readonly #durationSeconds: Float32Array[] = [];
  readonly #bytes: Float64Array[] = [];
  readonly #point: Float32Array[] = [];
  readonly #pins: Uint16Array[] = [];
  readonly #at: Int32Array[] = [];
  readonly #dense: Int32Array[] = [];
  #used = 0;
  /** Chain of free rows, through #title. */
  #free = NONE;

  hold(title: number, extent: Extent): number {
    const handle = this.#row();
    this.#title[handle >>> PAGE_BITS]![handle & PAGE_MASK] = title;
    this.#startSeconds[handle >>> PAGE_BITS]![handle & PAGE_MASK] = extent.startSeconds;
    this.#durationSeconds[handle >>> PAGE_BITS]![handle & PAGE_MASK] = extent.durationSeconds;
    this.#bytes[handle >>> PAGE_BITS]![handle & PAGE_MASK] = extent.bytes;
    this.#point[handle >>> PAGE_BITS]![handle & PAGE_MASK] = extent.point;
    this.#pins[handle >>> PAGE_BITS]![handle & PAGE_MASK] = 0;
    this.#at[handle >>> PAGE_BITS]![handle & PAGE_MASK] = this.count;
    this.#dense[this.count >>> PAGE_BITS]![this.count & PAGE_MASK] = handle;
    this.count += 1;
    this.bytes += extent.bytes;
    return handle;
  }

  /** @returns false when nothing is held under this handle. */
  drop(handle: number): boolean {
    if (!this.has(handle)) return false;
    const at = this.#at[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
    this.count -= 1;
    const last = this.nth(this.count);
    this.#dense[at >>> PAGE_BITS]![at & PAGE_MASK] = last;
    this.#at[last >>> PAGE_BITS]![last & PAGE_MASK] = at;
    this.#at[handle >>> PAGE_BITS]![handle & PAGE_MASK] = NONE;
    this.bytes -= this.#bytes[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
    this.#title[handle >>> PAGE_BITS]![handle & PAGE_MASK] = this.#free;
    this.#free = handle;
    return true;
  }

  has(handle: number): boolean {
    return handle >= 0 && handle < this.#used && this.#at[handle >>> PAGE_BITS]![handle & PAGE_MASK] !== NONE;
  }

  pin(handle: number): void {
    if (this.has(handle) && this.#pins[handle >>> PAGE_BITS]![handle & PAGE_MASK]! < 0xffff)
      this.#pins[handle >>> PAGE_BITS]![handle & PAGE_MASK]! += 1;
  }

  unpin(handle: number): void {
    if (this.has(handle) && this.#pins[handle >>> PAGE_BITS]![handle & PAGE_MASK]! > 0)
      this.#pins[handle >>> PAGE_BITS]![handle & PAGE_MASK]! -= 1;
  }

  pinned(handle: number): boolean {
    return this.#pins[handle >>> PAGE_BITS]![handle & PAGE_MASK]! > 0;
  }

  /** The handle at place `index` of 0..count-1; places change as segments come and go. */
  nth(index: number): number {
    return this.#dense[index >>> PAGE_BITS]![index & PAGE_MASK]!;
  }

  title(handle: number): number {
    return this.#title[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
  }

  startSeconds(handle: number): number {
    return this.#startSeconds[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
  }

  durationSeconds(handle: number): number {
    return this.#durationSeconds[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
  }

  point(handle: number): number {
    return this.#point[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
  }

  bytesOf(handle: number): number {
    return this.#bytes[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
  }

  #row(): number {
    if (this.#free !== NONE) {
      const handle = this.#free;
      this.#free = this.#title[handle >>> PAGE_BITS]![handle & PAGE_MASK]!;
      return handle;
    }
    if ((this.#used & PAGE_MASK) === 0) this.#turnPage();
    return this.#used++;
  }

  #turnPage(): void {
    this.#title.push(new Int32Array(PAGE_ROWS));
    this.#startSeconds.push(new Float32Array(PAGE_ROWS));
    this.#durationSeconds.push(new Float32Array(PAGE_ROWS));
    this.#bytes.push(new Float64Array(PAGE_ROWS));
    this.#point.push(new Float32Array(PAGE_ROWS));
    this.#pins.push(new Uint16Array(PAGE_ROWS));
    this.#at.push(new Int32Array(PAGE_ROWS).fill(NONE));
    this.#dense.push(new Int32Array(PAGE_ROWS));
  }
}
