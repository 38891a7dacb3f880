import { crc32 } from 'node:zlib';

import { CacheError } from './errors.js';

/*
 * popularity.state: what the policy learned, for the next process. Integers little-endian.
 *
 *      +------------------------------------------+
 *    0 | magic: 89 46 42 50 4f 50 0d 0a           |
 *    8 | CRC-32 of the rest                       |
 *   12 | the policy's own bytes                   |
 *      +------------------------------------------+
 */
const MAGIC = Buffer.from('\x89FBPOP\r\n', 'latin1');
const HEADER_BYTES = 12;

/** Bound of the file. */
export const POLICY_STATE_BYTES_MAX = 64 * 1024 * 1024;

export function formatPolicyState(state: Uint8Array): Buffer {
  const file = Buffer.allocUnsafeSlow(HEADER_BYTES + state.length);
  MAGIC.copy(file);
  file.set(state, HEADER_BYTES);
  file.writeUInt32LE(crc32(state), MAGIC.length);
  return file;
}

/** @throws CacheError `bad-state`. */
export function parsePolicyState(file: Buffer): Uint8Array {
  if (file.length < HEADER_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new CacheError('bad-state', 'magic');
  }
  const state = file.subarray(HEADER_BYTES);
  if (crc32(state) !== file.readUInt32LE(MAGIC.length)) throw new CacheError('bad-state', 'checksum');
  return state;
}
