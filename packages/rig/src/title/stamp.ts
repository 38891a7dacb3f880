import { FU_HEADER_BYTES, NAL } from './h264.js';
import { AU_HEADER_BYTES } from './aac.js';
import type { PayloadCheck } from '../viewer/recording.js';

/*
 * A stamp says which payload this is; every byte behind it follows from it:
 *
 *    seed u16 | stream u16 | frame u32 | part u16 | size u16 | noise...
 *
 * size counts from the stamp's first byte to the payload's last. The noise is a stretch of one fixed block, from a place
 * that the first ten bytes choose.
 */
export const STAMP_BYTES = 12;
/** Longest payload behind its headers. */
export const NOISE_BYTES = 16_384;

const NOISE = noise(4 * NOISE_BYTES);
const PARAMETER_SET_BYTES = 16;

export interface Stamp {
  readonly seed: number;
  readonly stream: number;
  /** Access unit of the stream, in the order sent; goes on over the laps of a live title. */
  readonly frame: number;
  readonly part: number;
}

/** Writes the stamp and what follows from it, `size` bytes in all. */
export function writeStamped(target: Buffer, offset: number, size: number, stamp: Stamp): void {
  target.writeUInt16BE(stamp.seed, offset);
  target.writeUInt16BE(stamp.stream, offset + 2);
  target.writeUInt32BE(stamp.frame >>> 0, offset + 4);
  target.writeUInt16BE(stamp.part, offset + 8);
  target.writeUInt16BE(size, offset + 10);
  const from = noiseStart(stamp);
  NOISE.copy(target, offset + STAMP_BYTES, from, from + size - STAMP_BYTES);
}

/**
 * The stamp at bytes[start, end), if every byte behind it is as it must be; undefined otherwise.
 * @param start behind the payload's own headers
 */
function readStamped(bytes: Buffer, start: number, end: number): Stamp | undefined {
  if (end - start < STAMP_BYTES || bytes.readUInt16BE(start + 10) !== end - start) return undefined;
  const stamp = {
    seed: bytes.readUInt16BE(start),
    stream: bytes.readUInt16BE(start + 2),
    frame: bytes.readUInt32BE(start + 4),
    part: bytes.readUInt16BE(start + 8),
  };
  const from = noiseStart(stamp);
  const isWhole =
    NOISE.compare(bytes, start + STAMP_BYTES, end, from, from + end - start - STAMP_BYTES) === 0;
  return isWhole ? stamp : undefined;
}

/** Reads the stamp of a synthetic title's payload, bytes[start, end); undefined for parameter sets and for wrong bytes. */
export function readSyntheticStamp(bytes: Buffer, start: number, end: number): Stamp | undefined {
  return readStamped(bytes, start + headerBytes(bytes[start] ?? 0), end);
}

/** A check for viewers: every payload is one that syntheticTitle made with this seed, of the stream it came on. */
export function checkSynthetic(seed = 1): PayloadCheck {
  return (stream, bytes, start, end) => {
    const header = bytes[start] ?? 0;
    const type = header & 0x1f;
    if (type === NAL.sps || type === NAL.pps)
      return parameterSet(header, seed).equals(bytes.subarray(start, end));
    const stamp = readSyntheticStamp(bytes, start, end);
    return stamp?.seed === seed && stamp.stream === stream;
  };
}

/** An AU-headers-length of 16 bits begins with a zero byte, which no NAL unit does. */
function headerBytes(first: number): number {
  if (first === 0) return AU_HEADER_BYTES;
  return (first & 0x1f) === NAL.fuA ? FU_HEADER_BYTES : 1;
}

const parameterSets = new Map<number, Buffer>();

/** A parameter set that follows from its NAL header and the seed: baseline profile, level 3, then noise. */
export function parameterSet(header: number, seed: number): Buffer {
  const key = (header << 16) | seed;
  const known = parameterSets.get(key);
  if (known !== undefined) return known;
  const set = Buffer.alloc(PARAMETER_SET_BYTES);
  set.set([header, 0x42, 0xc0, 0x1e, seed >> 8, seed & 0xff]);
  NOISE.copy(set, 6, noiseStart({ seed, stream: header, frame: 0, part: 0 }));
  parameterSets.set(key, set);
  return set;
}

function noiseStart({ seed, stream, frame, part }: Stamp): number {
  let hash = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ frame, 0xc2b2ae35) ^ Math.imul(part + 1, 0x27d4eb2f);
  hash ^= hash >>> 15;
  return (hash >>> 0) % (3 * NOISE_BYTES);
}

/** Bytes of Marsaglia's xorshift32: the same on every machine. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 0x2545f491;
  for (let at = 0; at < size; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32BE(state | 0, at);
  }
  return bytes;
}
