import { crc32 } from 'node:zlib';

import { CacheError } from './errors.js';

/*
 * popularity.state, origins.state: what was learned, for the next process. Integers little-endian.
 *
 *      +------------------------------------------+
 *    0 | magic: 89 46 42 50 4f 50 0d 0a, or       |
 *      |        89 46 42 4f 52 47 0d 0a           |
 *    8 | CRC-32 of the rest                       |
 *   12 | the bytes of whoever learned             |
 *      +------------------------------------------+
 */
const MAGIC = {
  popularity: Buffer.from('\x89FBPOP\r\n', 'latin1'),
  origins: Buffer.from('\x89FBORG\r\n', 'latin1'),
} as const;
const MAGIC_BYTES = 8;
export const KEPT_HEADER_BYTES = 12;

export type KeptKind = keyof typeof MAGIC;

/** Bounds of the files. */
export const KEPT_BYTES_MAX: Readonly<Record<KeptKind, number>> = {
  popularity: 64 * 1024 * 1024,
  origins: 4 * 1024 * 1024,
};

export function formatKeptState(kind: KeptKind, state: Uint8Array): Buffer {
  const file = Buffer.allocUnsafeSlow(KEPT_HEADER_BYTES + state.length);
  MAGIC[kind].copy(file);
  file.set(state, KEPT_HEADER_BYTES);
  file.writeUInt32LE(crc32(state), MAGIC_BYTES);
  return file;
}

/** @throws CacheError `bad-state`. */
export function parseKeptState(kind: KeptKind, file: Buffer): Uint8Array {
  if (file.length < KEPT_HEADER_BYTES || !file.subarray(0, MAGIC_BYTES).equals(MAGIC[kind])) {
    throw new CacheError('bad-state', 'magic');
  }
  const state = file.subarray(KEPT_HEADER_BYTES);
  if (crc32(state) !== file.readUInt32LE(MAGIC_BYTES)) throw new CacheError('bad-state', 'checksum');
  return state;
}
