/**
 * What is kept of every title: a row of 256 bytes, four lines of the processor's cache, since whoever looks at a title needs three of them. Times are operational.
 *
 *      0  last request f64 | brought up to f64 | rate f64 | rate worked out f64
 *     32  decayed counts 5 x f32
 *     52  cells of the corrections 4 x u16
 *     60  weights u8 | recency cell u8 | span of the gap u8 | span of the age u8
 *     64  first request f64 | last gap f32 | next and previous in the queue 2 x i32
 *     84  reach: viewers f32 | duration in seconds f32
 *     92  first viewer + 1 i32 | segments held i32 | key u32
 *    104  length class u8 | group u8 | 22 bytes that nobody uses
 *    128  viewers that reached each bin 32 x f32
 *
 * The same rows as doubles, floats, integers, shorts and bytes; the columns are those of each type. A slot that was never opened is all zeros.
 */
export class TitleRows {
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
  readonly ints: Int32Array;
  readonly shorts: Uint16Array;
  readonly bytes: Uint8Array;

  readonly slots: number;

  constructor(slots: number) {
    this.slots = slots;
    this.doubles = new Float64Array(slots * ROW_DOUBLES);
    this.floats = new Float32Array(this.doubles.buffer);
    this.ints = new Int32Array(this.doubles.buffer);
    this.shorts = new Uint16Array(this.doubles.buffer);
    this.bytes = new Uint8Array(this.doubles.buffer);
  }
}

const ROW_BYTES = 256;
export const ROW_DOUBLES = ROW_BYTES / 8;
/** Also that of integers. */
export const ROW_FLOATS = ROW_BYTES / 4;
export const ROW_SHORTS = ROW_BYTES / 2;
export const ROW = ROW_BYTES;

/** Doubles. NaN: the title was never asked for. */
export const LAST_U = 0;
/** Counts and exposure are brought up to this time. */
export const CHARGED_U = 1;
export const RATE = 2;
/** When the rate was last worked out. */
export const RATE_U = 3;
export const FIRST_U = 8;
/** Floats. One count a half-life. */
export const COUNTS = 8;
/** Between the last two requests. */
export const GAP = 18;
export const VIEWERS = 21;
export const DURATION = 22;
export const REACHED = 32;
/** Integers. */
export const NEXT = 19;
export const PREVIOUS = 20;
/** 0: nobody is watching. */
export const FIRST_VIEWER = 23;
export const SEGMENTS = 24;
/** Hash of the name; to be read as unsigned. */
export const KEY = 25;
/** Shorts. */
export const CELLS = 26;
/** Bytes. Which weights of the half-lives the title uses. */
export const WEIGHTS = 60;
export const RECENCY = 61;
export const GAP_SPAN = 62;
export const AGE_SPAN = 63;
export const CLASS = 104;
export const GROUP = 105;
