import { basename, resolve } from 'node:path';

import { CacheError, cacheErrorFrom, readErrorFrom } from './errors.js';
import { formatSegmentName, setAsideName } from './names.js';
import { readWholeFile } from './read-file.js';
import { decodeSegment } from './segment-file.js';
import { readHeader, SEGMENT_VERSION, type SegmentHeader } from './segment-header.js';
import {
  PACKET_FLAG,
  SEGMENT_LIMITS,
  type PacketRun,
  type SegmentMeta,
  type StreamExtent,
} from './segment.js';
import { nodeStoreFs } from './store-fs.js';

/** One row of the stream table, and what the packet index says of the stream. */
export interface StreamInspection extends StreamExtent {
  /** Interleaved framing included. */
  readonly bytes: number;
  readonly accessUnits: number;
  readonly randomAccessPoints: number;
  /** Of its first and last packet, after the segment's start. */
  readonly firstDueMicros: number;
  readonly lastDueMicros: number;
}

export interface SegmentInspection {
  readonly path: string;
  readonly fileBytes: number;
  readonly version: number;
  /** Undefined where the header is damaged. */
  readonly header:
    | {
        readonly key: string;
        readonly meta: SegmentMeta;
        readonly packets: number;
        readonly payloadBytes: number;
        readonly extents: readonly StreamExtent[];
      }
    | undefined;
  /** Empty where the file is damaged. */
  readonly streams: readonly StreamInspection[];
  /** The file's name says what its header says. */
  readonly nameAgrees: boolean;
  /** Both checksums, every length and every offset are right. */
  readonly checksumOk: boolean;
  /** What is wrong. */
  readonly error: CacheError | undefined;
}

/**
 * Looks at one segment file, damaged or not, without a running proxy.
 * @throws CacheError when it cannot be read at all: `vanished`, `not-a-file`, `unreadable`, `io`.
 */
export async function inspectSegmentFile(path: string): Promise<SegmentInspection> {
  const file = await readWholeFile(nodeStoreFs, resolve(path), { maxBytes: SEGMENT_LIMITS.fileBytes }).catch(
    (cause: unknown) => {
      throw readErrorFrom(cause);
    },
  );
  const found = { path, fileBytes: file.length, version: SEGMENT_VERSION, streams: [], nameAgrees: false };
  let header: SegmentHeader;
  try {
    header = readHeader(file);
  } catch (cause) {
    return { ...found, header: undefined, checksumOk: false, error: cacheErrorFrom(cause) };
  }
  const { key, meta, extents, packets, payloadBytes } = header;
  const name = formatSegmentName(meta);
  const nameAgrees = [name, setAsideName(name)].includes(basename(path));
  const known = { ...found, nameAgrees, header: { key, meta, extents, packets, payloadBytes } };
  try {
    const { run } = decodeSegment(file, { key, ...meta });
    const streams = extents.map((extent, stream) => inspectStream(run, stream, extent));
    return { ...known, streams, checksumOk: true, error: undefined };
  } catch (cause) {
    return { ...known, checksumOk: false, error: cacheErrorFrom(cause) };
  }
}

function inspectStream(run: PacketRun, stream: number, extent: StreamExtent): StreamInspection {
  let bytes = 0;
  let accessUnits = 0;
  let randomAccessPoints = 0;
  const due: number[] = [];
  for (let packet = 0; packet < run.count; packet++) {
    if (run.streams[packet] !== stream) continue;
    const flags = run.flags[packet] ?? 0;
    bytes += (run.offsets[packet + 1] ?? 0) - (run.offsets[packet] ?? 0);
    if ((flags & PACKET_FLAG.accessUnitStart) !== 0) accessUnits++;
    if ((flags & PACKET_FLAG.randomAccess) !== 0) randomAccessPoints++;
    due.push(run.dueMicros[packet] ?? 0);
  }
  const [firstDueMicros = 0, lastDueMicros = 0] = [due[0], due.at(-1)];
  return { ...extent, bytes, accessUnits, randomAccessPoints, firstDueMicros, lastDueMicros };
}
