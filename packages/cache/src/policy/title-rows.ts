/**
 * What is kept of every title's demand: a row of 64 bytes, a line of the processor's cache, since all of it is needed whenever a title is looked at.
 *
 *      0  last request f64 | brought up to f64 | rate f64 | rate worked out f64
 *     32  decayed counts 5 x f32
 *     52  cells of the corrections 4 x u16
 *     60  weights u8 | recency cell u8 | span of the gap u8 | span of the age u8
 *
 * Times are operational. The same rows as doubles, floats, shorts and bytes; the columns are those of each type.
 */
export class TitleRows {
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
  readonly shorts: Uint16Array;
  readonly bytes: Uint8Array;

  readonly slots: number;

  constructor(slots: number) {
    this.slots = slots;
    this.doubles = new Float64Array((slots * ROW_BYTES) / 8);
    this.floats = new Float32Array(this.doubles.buffer);
    this.shorts = new Uint16Array(this.doubles.buffer);
    this.bytes = new Uint8Array(this.doubles.buffer);
  }
}

const ROW_BYTES = 64;
export const ROW_DOUBLES = ROW_BYTES / 8;
export const ROW_FLOATS = ROW_BYTES / 4;
export const ROW_SHORTS = ROW_BYTES / 2;
export const ROW = ROW_BYTES;

/** Doubles. NaN: the title is not known. */
export const LAST_U = 0;
/** Counts and exposure are brought up to this time. */
export const CHARGED_U = 1;
export const RATE = 2;
/** When the rate was last worked out. */
export const RATE_U = 3;
/** Floats, one a half-life. */
export const COUNTS = 8;
/** Shorts. */
export const CELLS = 26;
/** Bytes. Which weights of the half-lives the title uses. */
export const WEIGHTS = 60;
export const RECENCY = 61;
export const GAP_SPAN = 62;
export const AGE_SPAN = 63;
