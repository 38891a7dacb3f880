const NONE = -1;
/** Tables grow by pages of so many rows: growing never copies what is there, which would stop everything for as long. */
export const PAGE_BITS = 14;
const PAGE_ROWS = 1 << PAGE_BITS;
export const PAGE_MASK = PAGE_ROWS - 1;

export interface Extent {
  readonly startSeconds: number;
  readonly durationSeconds: number;
  readonly bytes: number;
  /** Where its viewers are counted: {@link Reach.point}. */
  readonly point: number;
}

export const ROW_INTS = 10;
export const ROW_DOUBLES = ROW_INTS / 2;
/** Columns of a row, as 32-bit integers, 32-bit floats and doubles. */
export const TITLE = 0;
export const START = 1;
export const DURATION = 2;
export const POINT = 3;
export const BYTES = 2;
/** -1: nothing is held here. */
export const PINS = 6;
/** Columns of {@link Ranking}: neighbours in the bucket, and the bucket; -1: none. */
export const NEXT = 7;
export const PREVIOUS = 8;
export const BUCKET = 9;

/**
 * The segments that are held: rows of 40 bytes in pages of 16,384. A handle is a row, used again after `drop`.
 *
 *      0  title i32 | start f32 | duration f32 | point f32
 *     16  bytes f64
 *     24  pins i32 | next i32 | previous i32 | bucket i32
 */
export class Held {
  count = 0;
  bytes = 0;
  /** Handles are below this. */
  rows = 0;
  /** The same pages as integers, floats and doubles. */
  readonly ints: Int32Array[] = [];
  readonly floats: Float32Array[] = [];
  readonly doubles: Float64Array[] = [];
  /** Chain of free rows, through their titles. */
  #free = NONE;

  hold(title: number, extent: Extent): number {
    const handle = this.#row();
    const ints = this.ints[handle >>> PAGE_BITS]!;
    const floats = this.floats[handle >>> PAGE_BITS]!;
    const row = (handle & PAGE_MASK) * ROW_INTS;
    ints[row + TITLE] = title;
    floats[row + START] = extent.startSeconds;
    floats[row + DURATION] = extent.durationSeconds;
    floats[row + POINT] = extent.point;
    this.doubles[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_DOUBLES + BYTES] = extent.bytes;
    ints[row + PINS] = 0;
    ints[row + BUCKET] = NONE;
    this.count += 1;
    this.bytes += extent.bytes;
    return handle;
  }

  /** @returns false when nothing is held under this handle. */
  drop(handle: number): boolean {
    if (!this.has(handle)) return false;
    this.count -= 1;
    this.bytes -= this.bytesOf(handle);
    this.set(handle, PINS, NONE);
    this.set(handle, TITLE, this.#free);
    this.#free = handle;
    return true;
  }

  has(handle: number): boolean {
    return handle >= 0 && handle < this.rows && this.get(handle, PINS) !== NONE;
  }

  pin(handle: number): void {
    if (this.has(handle)) this.set(handle, PINS, this.get(handle, PINS) + 1);
  }

  unpin(handle: number): void {
    if (this.has(handle) && this.pinned(handle)) this.set(handle, PINS, this.get(handle, PINS) - 1);
  }

  pinned(handle: number): boolean {
    return this.get(handle, PINS) > 0;
  }

  title(handle: number): number {
    return this.get(handle, TITLE);
  }

  bytesOf(handle: number): number {
    return this.doubles[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_DOUBLES + BYTES]!;
  }

  get(handle: number, column: number): number {
    return this.ints[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_INTS + column]!;
  }

  set(handle: number, column: number, value: number): void {
    this.ints[handle >>> PAGE_BITS]![(handle & PAGE_MASK) * ROW_INTS + column] = value;
  }

  #row(): number {
    if (this.#free !== NONE) {
      const handle = this.#free;
      this.#free = this.get(handle, TITLE);
      return handle;
    }
    if ((this.rows & PAGE_MASK) === 0) this.#turnPage();
    return this.rows++;
  }

  #turnPage(): void {
    const doubles = new Float64Array(PAGE_ROWS * ROW_DOUBLES);
    this.doubles.push(doubles);
    this.ints.push(new Int32Array(doubles.buffer));
    this.floats.push(new Float32Array(doubles.buffer));
  }
}
