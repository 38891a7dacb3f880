const NONE = -1;
/** Tables grow by pages of so many rows: growing never copies what is there, which would stop everything for as long. */
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

/** A row is 32 bytes, half a line of the processor's cache, so that to look at a segment costs one access to memory. */
const ROW_INTS = 8;
const ROW_DOUBLES = 4;
/** Columns of a row, as 32-bit integers, 32-bit floats and doubles. */
const TITLE = 0;
const START = 1;
const DURATION = 2;
const POINT = 3;
const BYTES = 2;
/** Place in `dense`; -1: nothing is held here. */
const AT = 6;
const PINS = 7;

/**
 * The segments that are held: 36 bytes each, in pages. A handle is a row, used again after `drop`. `dense` lists the
 * handles without holes, so that a victim can be drawn at random in one step.
 */
export class Held {
  count = 0;
  bytes = 0;
  /** The same pages as integers, floats and doubles. */
  readonly #ints: Int32Array[] = [];
  readonly #floats: Float32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  readonly #dense: Int32Array[] = [];
  #used = 0;
  /** Chain of free rows, through their titles. */
  #free = NONE;

  hold(title: number, extent: Extent): number {
    const handle = this.#row();
    const ints = this.#ints[handle >>> PAGE_BITS]!;
    const floats = this.#floats[handle >>> PAGE_BITS]!;
    const row = (handle & PAGE_MASK) * ROW_INTS;
    ints[row + TITLE] = title;
    floats[row + START] = extent.startSeconds;
    floats[row + DURATION] = extent.durationSeconds;
    floats[row + POINT] = extent.point;
    this.#doubles[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_DOUBLES + BYTES] = extent.bytes;
    ints[row + AT] = this.count;
    ints[row + PINS] = 0;
    this.#dense[this.count >>> PAGE_BITS]![this.count & PAGE_MASK] = handle;
    this.count += 1;
    this.bytes += extent.bytes;
    return handle;
  }

  /** @returns false when nothing is held under this handle. */
  drop(handle: number): boolean {
    if (!this.has(handle)) return false;
    const ints = this.#ints[handle >>> PAGE_BITS]!;
    const row = (handle & PAGE_MASK) * ROW_INTS;
    const at = ints[row + AT]!;
    this.count -= 1;
    const last = this.nth(this.count);
    this.#dense[at >>> PAGE_BITS]![at & PAGE_MASK] = last;
    this.#ints[last >>> PAGE_BITS]![(last & PAGE_MASK) * ROW_INTS + AT] = at;
    ints[row + AT] = NONE;
    this.bytes -= this.bytesOf(handle);
    ints[row + TITLE] = this.#free;
    this.#free = handle;
    return true;
  }

  has(handle: number): boolean {
    return handle >= 0 && handle < this.#used && this.#int(handle, AT) !== NONE;
  }

  pin(handle: number): void {
    if (this.has(handle)) this.#ints[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_INTS + PINS]! += 1;
  }

  unpin(handle: number): void {
    if (this.has(handle) && this.pinned(handle))
      this.#ints[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_INTS + PINS]! -= 1;
  }

  pinned(handle: number): boolean {
    return this.#int(handle, PINS) > 0;
  }

  /** The handle at place `index` of 0..count-1; places change as segments come and go. */
  nth(index: number): number {
    return this.#dense[index >>> PAGE_BITS]![index & PAGE_MASK]!;
  }

  title(handle: number): number {
    return this.#int(handle, TITLE);
  }

  startSeconds(handle: number): number {
    return this.#float(handle, START);
  }

  durationSeconds(handle: number): number {
    return this.#float(handle, DURATION);
  }

  point(handle: number): number {
    return this.#float(handle, POINT);
  }

  bytesOf(handle: number): number {
    return this.#doubles[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_DOUBLES + BYTES]!;
  }

  #int(handle: number, column: number): number {
    return this.#ints[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_INTS + column]!;
  }

  #float(handle: number, column: number): number {
    return this.#floats[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_INTS + column]!;
  }

  #row(): number {
    if (this.#free !== NONE) {
      const handle = this.#free;
      this.#free = this.#int(handle, TITLE);
      return handle;
    }
    if ((this.#used & PAGE_MASK) === 0) this.#turnPage();
    return this.#used++;
  }

  #turnPage(): void {
    const doubles = new Float64Array(PAGE_ROWS * ROW_DOUBLES);
    this.#doubles.push(doubles);
    this.#ints.push(new Int32Array(doubles.buffer));
    this.#floats.push(new Float32Array(doubles.buffer));
    this.#dense.push(new Int32Array(PAGE_ROWS));
  }
}
