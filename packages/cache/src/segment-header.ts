import { crc32 } from 'node:zlib';

import { CacheError } from './errors.js';
import { SEGMENT_LIMITS, type PacketRun, type SegmentMeta, type StreamExtent } from './segment.js';

/**
 * Header of a segment file; integers little-endian, times in microseconds of NPT. It can be read and checked
 * without the rest of the file.
 *
 *       0                   1                   2                   3
 *       0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *      +---------------------------------------------------------------+
 *    0 | magic: 89 46 42 53 45 47 0d 0a  ("\x89FBSEG\r\n")             |
 *      |                                                               |
 *      +-------------------------------+-------------------------------+
 *    8 | version = 1                   | flags: 1 random access, 2 last|
 *      +-------------------------------+-------------------------------+
 *   12 | headerBytes: where the packet index begins; a multiple of 8   |
 *   16 | fileBytes                                                     |
 *   20 | packets                                                       |
 *   24 | payloadBytes                                                  |
 *      +-------------------------------+-------------------------------+
 *   28 | streams                       | keyBytes                      |
 *      +-------------------------------+-------------------------------+
 *   32 | generation, 16 bytes                                          |
 *   48 | startMicros, 8 bytes                                          |
 *   56 | durationMicros, 8 bytes                                       |
 *   64 | index: grid cell                                              |
 *   68 | anchor                                                        |
 *      +---------------------------------------------------------------+
 *   72 | per stream, 24 bytes: packets u32 | 0 u32 | firstTicks i64 |  |
 *      |                       endTicks i64                            |
 *      +---------------------------------------------------------------+
 *      | key: canonical origin URL in UTF-8, keyBytes long             |
 *      | zeros, so that the header ends at a multiple of 8             |
 *      +---------------------------------------------------------------+
 *      | headerCrc: CRC-32 of all header bytes before it               |
 *      +---------------------------------------------------------------+
 */
export interface SegmentHeader {
  readonly meta: SegmentMeta;
  readonly key: string;
  readonly extents: readonly StreamExtent[];
  readonly packets: number;
  readonly payloadBytes: number;
  readonly headerBytes: number;
  readonly headerCrc: number;
}

export const SEGMENT_VERSION = 1;
/** A header is never longer; so much of a file is enough to read it. */
export const HEADER_BYTES_MAX = 8192;
/** CRC-32 and end mark. */
export const FOOTER_BYTES = 8;

const MAGIC = Buffer.from('\x89FBSEG\r\n', 'latin1');
const FLAG = { randomAccess: 1, last: 2 } as const;
const FIXED_BYTES = 72;
const STREAM_BYTES = 24;
const CRC_BYTES = 4;
const AT = {
  version: 8,
  flags: 10,
  headerBytes: 12,
  fileBytes: 16,
  packets: 20,
  payloadBytes: 24,
  streams: 28,
  keyBytes: 30,
  generation: 32,
  startMicros: 48,
  durationMicros: 56,
  index: 64,
  anchor: 68,
} as const;

/** Bytes of the packet index, padded so that the arrays in it and the payload after it are aligned to 4. */
export function indexBytes(packets: number): number {
  return alignUp(4 * packets + 4 * (packets + 1) + 4 * packets + 2 * packets, 4);
}

/** Size of the file that `encodeSegment` makes of these packets. */
export function segmentFileBytes(run: PacketRun, extents: readonly StreamExtent[], key: string): number {
  const header = headerBytes(extents.length, Buffer.byteLength(key));
  return header + indexBytes(run.count) + (run.offsets[run.count] ?? 0) + FOOTER_BYTES;
}

/** Writes the header at the start of `file`, checksum included. */
export function writeHeader(file: Buffer, header: Omit<SegmentHeader, 'headerBytes' | 'headerCrc'>): number {
  const { meta, extents } = header;
  const key = Buffer.from(header.key);
  const length = headerBytes(extents.length, key.length);
  file.fill(0, 0, length);
  MAGIC.copy(file);
  file.writeUInt16LE(SEGMENT_VERSION, AT.version);
  file.writeUInt16LE((meta.randomAccess ? FLAG.randomAccess : 0) | (meta.last ? FLAG.last : 0), AT.flags);
  file.writeUInt32LE(length, AT.headerBytes);
  file.writeUInt32LE(file.length, AT.fileBytes);
  file.writeUInt32LE(header.packets, AT.packets);
  file.writeUInt32LE(header.payloadBytes, AT.payloadBytes);
  file.writeUInt16LE(extents.length, AT.streams);
  file.writeUInt16LE(key.length, AT.keyBytes);
  file.write(meta.generation, AT.generation, 16, 'hex');
  file.writeBigUInt64LE(BigInt(meta.startMicros), AT.startMicros);
  file.writeBigUInt64LE(BigInt(meta.durationMicros), AT.durationMicros);
  file.writeUInt32LE(meta.index, AT.index);
  file.writeUInt32LE(meta.anchor, AT.anchor);
  extents.forEach((extent, stream) => {
    const at = FIXED_BYTES + STREAM_BYTES * stream;
    file.writeUInt32LE(extent.packets, at);
    file.writeBigInt64LE(BigInt(extent.firstTicks), at + 8);
    file.writeBigInt64LE(BigInt(extent.endTicks), at + 16);
  });
  key.copy(file, FIXED_BYTES + STREAM_BYTES * extents.length);
  const crc = crc32(file.subarray(0, length - CRC_BYTES));
  file.writeUInt32LE(crc, length - CRC_BYTES);
  return length;
}

/**
 * Reads and checks a header.
 * @param bytes the file, or at least its first `HEADER_BYTES_MAX` bytes.
 * @throws CacheError `not-a-segment`, `unknown-version`, `truncated`, `corrupt` or `malformed`.
 */
export function readHeader(bytes: Buffer): SegmentHeader {
  if (bytes.length < MAGIC.length || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new CacheError('not-a-segment');
  }
  if (bytes.length < FIXED_BYTES) throw new CacheError('truncated', 'in the header');
  const version = bytes.readUInt16LE(AT.version);
  if (version !== SEGMENT_VERSION) throw new CacheError('unknown-version', String(version));
  const length = bytes.readUInt32LE(AT.headerBytes);
  if (length < FIXED_BYTES + CRC_BYTES || length > HEADER_BYTES_MAX) {
    throw new CacheError('corrupt', `header of ${length} bytes`);
  }
  if (length > bytes.length) throw new CacheError('truncated', 'in the header');
  const headerCrc = bytes.readUInt32LE(length - CRC_BYTES);
  if (crc32(bytes.subarray(0, length - CRC_BYTES)) !== headerCrc) throw new CacheError('corrupt', 'header');
  return checkedHeader(bytes, length, headerCrc);
}

/** The header's fields, once its checksum is known to be right. */
function checkedHeader(bytes: Buffer, length: number, headerCrc: number): SegmentHeader {
  const flags = bytes.readUInt16LE(AT.flags);
  const packets = bytes.readUInt32LE(AT.packets);
  const payloadBytes = bytes.readUInt32LE(AT.payloadBytes);
  const streams = bytes.readUInt16LE(AT.streams);
  const keyBytes = bytes.readUInt16LE(AT.keyBytes);
  const byteLength = bytes.readUInt32LE(AT.fileBytes);
  const keyAt = FIXED_BYTES + STREAM_BYTES * streams;
  insist(streams <= SEGMENT_LIMITS.streams, 'too many streams');
  insist(keyBytes <= SEGMENT_LIMITS.keyBytes, 'key too long');
  insist(packets <= SEGMENT_LIMITS.packets, 'too many packets');
  insist(payloadBytes <= SEGMENT_LIMITS.payloadBytes, 'payload too long');
  insist(length === headerBytes(streams, keyBytes), 'header length');
  insist(byteLength === length + indexBytes(packets) + payloadBytes + FOOTER_BYTES, 'file length');
  insist((flags & ~(FLAG.randomAccess | FLAG.last)) === 0, 'unknown flags');
  insist(isZero(bytes.subarray(keyAt + keyBytes, length - CRC_BYTES)), 'padding');
  const extents = Array.from({ length: streams }, (_, stream) => readExtent(bytes, stream));
  insist(extents.reduce((sum, extent) => sum + extent.packets, 0) === packets, 'packets of the streams');
  const meta = {
    generation: bytes.toString('hex', AT.generation, AT.generation + 16),
    index: bytes.readUInt32LE(AT.index),
    startMicros: safe(bytes.readBigUInt64LE(AT.startMicros)),
    durationMicros: safe(bytes.readBigUInt64LE(AT.durationMicros)),
    byteLength,
    randomAccess: (flags & FLAG.randomAccess) !== 0,
    last: (flags & FLAG.last) !== 0,
    anchor: bytes.readUInt32LE(AT.anchor),
  };
  const key = bytes.toString('utf8', keyAt, keyAt + keyBytes);
  return { meta, key, extents, packets, payloadBytes, headerBytes: length, headerCrc };
}

function readExtent(bytes: Buffer, stream: number): StreamExtent {
  const at = FIXED_BYTES + STREAM_BYTES * stream;
  insist(bytes.readUInt32LE(at + 4) === 0, 'stream table');
  return {
    packets: bytes.readUInt32LE(at),
    firstTicks: safe(bytes.readBigInt64LE(at + 8)),
    endTicks: safe(bytes.readBigInt64LE(at + 16)),
  };
}

/** @throws CacheError `malformed`. */
export function insist(condition: boolean, what: string): void {
  if (!condition) throw new CacheError('malformed', what);
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function safe(value: bigint): number {
  const number = Number(value);
  insist(Number.isSafeInteger(number), `${value} is out of range`);
  return number;
}

function headerBytes(streams: number, keyBytes: number): number {
  return alignUp(FIXED_BYTES + STREAM_BYTES * streams + keyBytes + CRC_BYTES, 8);
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
