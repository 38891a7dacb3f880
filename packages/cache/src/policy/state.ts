import { crc32 } from 'node:zlib';
import { CacheError } from '../errors.js';
import type { PopularityEngine } from './engine.js';
import { REACH_BINS } from './reach.js';
import { SCALES } from './time-scales.js';

const MAGIC = 0x46424950;
const VERSION = 4;
/** Most lately asked for titles that are saved, and bytes of a state: about 3 MB with names of usual length. */
const SAVED_TITLES = 16_384;
const SAVED_BYTES_MAX = 16 * 1024 * 1024;
/** Of one slice: titles or bytes, whichever is reached first; or numbers. */
const SLICE_TITLES = 8;
const SLICE_BYTES = 64 * 1024;
const SLICE_NUMBERS = 256;
const CLOCK_NUMBERS = 6;
const HEAD_BYTES = 16;
/** What the checksum is over begins here. */
const CHECKED_FROM = 12;
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
 *     magic u32 | version u32 | CRC-32 of all that follows u32 | numbers u32
 *     numbers x f64      the clock, then the tables
 *     titles, each       nameBytes u16 | name | duration, viewers, lastAge, firstAge, gap: f32 | SCALES counts f32 | REACH_BINS reached u8 / 255 of viewers
 *     0 u16
 *
 * Ages are in seconds of operational time, so that they mean the same on another node's clock. Made in slices, so that nobody waits for all of it.
 */
export function* savingState(
  engine: PopularityEngine,
  nameOf: (slot: number) => string | undefined,
): Generator<undefined, Uint8Array> {
  const tables = [Float64Array.from(engine.clock.save()), ...learned(engine)];
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(MAGIC, 0);
  head.writeUInt32BE(VERSION, 4);
  head.writeUInt32BE(
    tables.reduce((sum, table) => sum + table.length, 0),
    CHECKED_FROM,
  );
  const parts: Buffer[] = [head];
  let crc = crc32(head.subarray(CHECKED_FROM));
  let bytes = HEAD_BYTES;
  for (const part of slices(engine, tables, nameOf)) {
    parts.push(part);
    bytes += part.length;
    crc = crc32(part, crc);
    yield;
    if (bytes > SAVED_BYTES_MAX) break;
  }
  const end = Buffer.alloc(2);
  head.writeUInt32BE(crc32(end, crc), 8);
  return Buffer.concat([...parts, end]);
}

/** The tables, then the titles. */
function* slices(
  engine: PopularityEngine,
  tables: readonly Float64Array[],
  nameOf: (slot: number) => string | undefined,
): Generator<Buffer> {
  for (const table of tables) {
    for (let from = 0; from < table.length; from += SLICE_NUMBERS)
      yield formatNumbers(table.subarray(from, from + SLICE_NUMBERS));
  }
  const u = engine.clock.u;
  let titles: Buffer[] = [];
  let bytes = 0;
  for (const slot of engine.titles.latest(SAVED_TITLES)) {
    const name = Buffer.from(nameOf(slot) ?? '');
    if (name.length === 0 || name.length > 0xffff) continue;
    const title = formatTitle(engine, slot, { name, u });
    bytes += title.length;
    titles.push(title);
    if (titles.length < SLICE_TITLES && bytes < SLICE_BYTES) continue;
    yield Buffer.concat(titles);
    titles = [];
    bytes = 0;
  }
  yield Buffer.concat(titles);
}

function formatNumbers(numbers: Float64Array): Buffer {
  const out = Buffer.allocUnsafe(8 * numbers.length);
  for (let i = 0; i < numbers.length; i++) out.writeDoubleBE(numbers[i]!, 8 * i);
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
  for (let b = 0; b < REACH_BINS; b++) {
    const share = watched.viewers > 0 ? watched.reached[b]! / watched.viewers : 0;
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
  const fresh = engine.titles.latest(1).next().done === true;
  for (const table of learned(engine)) {
    if (fresh) table.set(numbers.slice(at, at + table.length));
    at += table.length;
  }
  engine.reach.settle();
  engine.titles.settle();
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
  if (bytes.readUInt32BE(8) !== crc32(bytes.subarray(CHECKED_FROM))) throw bad('its checksum does not match');
  if (bytes.readUInt32BE(CHECKED_FROM) !== numberCount) throw bad('its tables have another size');
  let at = HEAD_BYTES;
  if (bytes.length < at + 8 * numberCount) throw bad('it ends too early');
  const numbers: number[] = [];
  for (let i = 0; i < numberCount; i++, at += 8) numbers.push(finite(bytes.readDoubleBE(at)));
  return { numbers, titles: parseTitles(bytes, at) };
}

function parseTitles(bytes: Buffer, from: number): SavedTitle[] {
  const titles: SavedTitle[] = [];
  let at = from;
  for (;;) {
    if (at + 2 > bytes.length) throw bad('it ends too early');
    const nameBytes = bytes.readUInt16BE(at);
    if (nameBytes === 0) return titles;
    if (at + FIXED_BYTES + nameBytes > bytes.length) throw bad('it ends too early');
    titles.push(readTitle(bytes, at, nameBytes));
    at += FIXED_BYTES + nameBytes;
  }
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

function bad(why: string): CacheError {
  return new CacheError('bad-state', why);
}
