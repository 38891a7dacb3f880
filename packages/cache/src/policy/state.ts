import { CacheError } from '../errors.js';
import type { PopularityEngine } from './engine.js';
import { REACH_BINS } from './reach.js';
import { SCALES } from './titles.js';

const MAGIC = 0x46424950;
const VERSION = 1;
/** Most lately asked for titles that are saved: about 3 MB, 20 ms. */
const SAVED_TITLES = 16_384;
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
 *     magic u32 | version u32 | FNV-1a of all that follows u32 | numbers u32 | titles u32
 *     numbers x f64      the clock, then the tables
 *     titles x           nameBytes u16 | name | duration, viewers, lastAge, firstAge, gap: f32 | SCALES counts f32 | REACH_BINS reached u8 / 255 of viewers
 *
 * Ages are in seconds of operational time, so that they mean the same on another node's clock.
 */
export function saveState(
  engine: PopularityEngine,
  nameOf: (slot: number) => string | undefined,
): Uint8Array {
  const u = engine.clock.u;
  const numbers = [...engine.clock.save(), ...learned(engine).flatMap((table) => Array.from(table))];
  const rows: { slot: number; name: Buffer }[] = [];
  let length = HEAD_BYTES + 8 * numbers.length;
  for (const slot of engine.titles.latest(SAVED_TITLES)) {
    const name = nameOf(slot);
    if (name === undefined || Buffer.byteLength(name) > 0xffff) continue;
    const bytes = Buffer.from(name);
    rows.push({ slot, name: bytes });
    length += FIXED_BYTES + bytes.length;
  }
  const out = Buffer.alloc(length);
  let at = HEAD_BYTES;
  for (const number of numbers) at = out.writeDoubleBE(number, at);
  for (const { slot, name } of rows) {
    at = out.writeUInt16BE(name.length, at);
    at += name.copy(out, at);
    const watched = engine.reach.watched(slot);
    const past = engine.titles.history(slot, u);
    const floats = [
      engine.reach.durationSeconds(slot),
      watched.viewers,
      past.lastAgeSeconds,
      past.firstAgeSeconds,
      past.gapSeconds,
    ];
    for (const number of [...floats, ...past.counts]) at = out.writeFloatBE(number, at);
    for (const reached of watched.reached) {
      at = out.writeUInt8(
        watched.viewers > 0 ? Math.min(255, Math.round((255 * reached) / watched.viewers)) : 0,
        at,
      );
    }
  }
  out.writeUInt32BE(MAGIC, 0);
  out.writeUInt32BE(VERSION, 4);
  out.writeUInt32BE(numbers.length, 12);
  out.writeUInt32BE(rows.length, 16);
  out.writeUInt32BE(checksum(out), 8);
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
  let hash = 0x811c9dc5;
  for (let i = 12; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

function bad(why: string): CacheError {
  return new CacheError('bad-state', why);
}
