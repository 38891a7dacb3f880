import { crc32 } from 'node:zlib';
import { CacheError } from '../errors.js';
import type { PopularityEngine } from './engine.js';
import { REACH_BINS } from './reach.js';
import { SCALES } from './titles.js';

const MAGIC = 0x46424950;
const VERSION = 2;
/** Most lately asked for titles that are saved: about 3 MB. */
const SAVED_TITLES = 16_384;
/** Titles of one slice. */
const SLICE_TITLES = 512;
const CLOCK_NUMBERS = 6;
const HEAD_BYTES = 20;
const FIXED_BYTES = 2 + 4 * (2 + 3 + SCALES) + REACH_BINS;

interface SavedTitle {
  readonly name: string;
  readonly durationSeconds: number;
  readonly viewers: number;
  readonly lastAgeSeconds: number;
  readonly firstAgeSeconds: number;
  readonly gapSeconds: number;
  readonly counts: readonly number[];
  readonly reached: Float32Array;
}

/**
 * What was learned, as bytes, big-endian:
 *
 *     magic u32 | version u32 | CRC-32 of all that follows u32 | numbers u32 | titles u32
 *     numbers x f64      the clock, then the tables
 *     titles x           nameBytes u16 | name | duration, viewers, lastAge, firstAge, gap: f32 | SCALES counts f32 | REACH_BINS reached u8 / 255 of viewers
 *
 * Ages are in seconds of operational time, so that they mean the same on another node's clock.
 * Made in slices of {@link SLICE_TITLES}, so that nobody waits for all of it.
 */
export function* savingState(
  engine: PopularityEngine,
  nameOf: (slot: number) => string | undefined,
): Generator<undefined, Uint8Array> {
  const numbers = [...engine.clock.save(), ...learned(engine).flatMap((table) => Array.from(table))];
  const head = Buffer.alloc(HEAD_BYTES + 8 * numbers.length);
  numbers.forEach((number, i) => head.writeDoubleBE(number, HEAD_BYTES + 8 * i));
  const parts: Buffer[] = [head];
  yield;
  const u = engine.clock.u;
  const slots = engine.titles.latest(SAVED_TITLES);
  let titles = 0;
  for (let from = 0; from < slots.length; from += SLICE_TITLES) {
    yield;
    for (const slot of slots.slice(from, from + SLICE_TITLES)) {
      const name = Buffer.from(nameOf(slot) ?? '');
      if (name.length === 0 || name.length > 0xffff) continue;
      parts.push(formatTitle(engine, slot, { name, u }));
      titles += 1;
    }
  }
  yield;
  const out = Buffer.concat(parts);
  out.writeUInt32BE(MAGIC, 0);
  out.writeUInt32BE(VERSION, 4);
  out.writeUInt32BE(numbers.length, 12);
  out.writeUInt32BE(titles, 16);
  out.writeUInt32BE(checksum(out), 8);
  return out;
}

function formatTitle(engine: PopularityEngine, slot: number, at: { name: Buffer; u: number }): Buffer {
  const watched = engine.reach.watched(slot);
  const past = engine.titles.history(slot, at.u);
  const { lastAgeSeconds, firstAgeSeconds, gapSeconds, counts } = past;
  const duration = engine.reach.durationSeconds(slot);
  const out = Buffer.allocUnsafe(FIXED_BYTES + at.name.length);
  let end = out.writeUInt16BE(at.name.length, 0);
  end += at.name.copy(out, end);
  for (const number of [duration, watched.viewers, lastAgeSeconds, firstAgeSeconds, gapSeconds, ...counts]) {
    end = out.writeFloatBE(number, end);
  }
  for (const reached of watched.reached) {
    const share = watched.viewers > 0 ? reached / watched.viewers : 0;
    end = out.writeUInt8(Math.min(255, Math.round(255 * share)), end);
  }
  return out;
}

/**
 * Adds a saved state to what an engine knows. Counts are sums of decayed counts, so the states of several nodes may be added one after another;
 * the tables and the clock are taken over by an engine that has none of its own.
 * @throws CacheError `bad-state`, and then nothing has changed.
 */
export function absorbState(
  engine: PopularityEngine,
  state: Uint8Array,
  slotOf: (name: string, durationSeconds: number) => number,
): void {
  const { numbers, titles } = parse(
    Buffer.from(state.buffer, state.byteOffset, state.byteLength),
    learnedLength(engine),
  );
  if (engine.clock.u === 0) engine.clock.restore(numbers.slice(0, CLOCK_NUMBERS));
  let at = CLOCK_NUMBERS;
  const fresh = engine.titles.latest(1).length === 0;
  for (const table of learned(engine)) {
    if (fresh) table.set(numbers.slice(at, at + table.length));
    at += table.length;
  }
  const u = engine.clock.u;
  for (const title of titles.toReversed()) {
    const slot = slotOf(title.name, title.durationSeconds);
    if (slot < 0) continue;
    engine.titles.absorb(slot, title, u);
    engine.reach.absorb(slot, title);
  }
}

function learned(engine: PopularityEngine): Float64Array[] {
  return [...engine.titles.tables(), ...engine.reach.tables()];
}

function learnedLength(engine: PopularityEngine): number {
  return learned(engine).reduce((sum, table) => sum + table.length, CLOCK_NUMBERS);
}

function parse(bytes: Buffer, numberCount: number): { numbers: number[]; titles: SavedTitle[] } {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32BE(0) !== MAGIC) throw bad('it is no popularity state');
  if (bytes.readUInt32BE(4) !== VERSION) throw bad('it was written by another version');
  if (bytes.readUInt32BE(8) !== checksum(bytes)) throw bad('its checksum does not match');
  if (bytes.readUInt32BE(12) !== numberCount) throw bad('its tables have another size');
  let at = HEAD_BYTES;
  if (bytes.length < at + 8 * numberCount) throw bad('it ends too early');
  const numbers: number[] = [];
  for (let i = 0; i < numberCount; i++, at += 8) numbers.push(finite(bytes.readDoubleBE(at)));
  const titles: SavedTitle[] = [];
  for (let left = bytes.readUInt32BE(16); left > 0; left--) {
    const nameBytes = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0;
    if (at + FIXED_BYTES + nameBytes > bytes.length) throw bad('it ends too early');
    titles.push(readTitle(bytes, at, nameBytes));
    at += FIXED_BYTES + nameBytes;
  }
  return { numbers, titles };
}

function readTitle(bytes: Buffer, from: number, nameBytes: number): SavedTitle {
  let at = from + 2 + nameBytes;
  const float = (): number => {
    at += 4;
    return finite(bytes.readFloatBE(at - 4));
  };
  const [durationSeconds, viewers, lastAgeSeconds, firstAgeSeconds, gapSeconds] = [
    float(),
    float(),
    float(),
    float(),
    float(),
  ];
  const counts = Array.from({ length: SCALES }, float);
  return {
    name: bytes.toString('utf8', from + 2, from + 2 + nameBytes),
    durationSeconds,
    viewers,
    lastAgeSeconds,
    firstAgeSeconds,
    gapSeconds,
    counts,
    reached: Float32Array.from({ length: REACH_BINS }, (_, b) => (bytes[at + b]! / 255) * viewers),
  };
}

function finite(number: number): number {
  if (!Number.isFinite(number) || number < 0) throw bad('it holds a number that cannot be');
  return number;
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(12));
}

function bad(why: string): CacheError {
  return new CacheError('bad-state', why);
}
