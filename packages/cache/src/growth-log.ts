import { closeSync, openSync, readSync, writeSync } from 'node:fs';

import { emptyIndex, type OpenRun, runOf } from './packet-run.js';
import { SEGMENT_LIMITS, type PacketRun } from './segment.js';

/*
 * The packets of a segment that grows, as one process shows them to others: a file of chunks, append-only. Integers in the
 * order of the machine, which is the same at both ends; n packets:
 *
 *      +-----------------------------------------------+
 *      | chunkBytes u32, all of it | n u32             |
 *      | endMicros f64: NPT of the newest picture      |
 *      +-----------------------------------------------+ 16
 *      | ends      n x u32, from the first byte of the |
 *      |           packets of this chunk               |
 *      | dueMicros n x u32                             |
 *      | streams   n x u8                              |
 *      | flags     n x u8                              |
 *      +-----------------------------------------------+
 *      | packets: '$' | channel u8 | length u16 ...    |
 *      +-----------------------------------------------+
 *
 * A reader that is faster than the write sees the beginning of a chunk, and waits for the rest.
 */
const HEAD_BYTES = 16;
const INDEX_BYTES = 10;
/** Of packets in one chunk; one packet at least. */
const CHUNK_PACKET_BYTES = 1 << 20;
const READ_BYTES = 1 << 18;
const FILE_MODE = 0o600;

/** Writes what is new of a growing run to a file. */
export class GrowthWriter {
  readonly #fd: number;
  readonly #run: PacketRun;
  #written = 0;
  #endMicros = NaN;
  #isBroken = false;

  /** @throws the system's error where the file cannot be made */
  constructor(path: string, run: PacketRun) {
    this.#fd = openSync(path, 'wx', FILE_MODE);
    this.#run = run;
  }

  /**
   * Writes the packets that came since. Cost: one system call and one copy a call, nothing where nothing came.
   * @param endMicros NPT of the newest picture
   * @throws the system's error, once; the file is then as it was after an earlier call, and is not written any more
   */
  flush(endMicros: number): void {
    while (!this.#isBroken && (this.#written < this.#run.count || endMicros !== this.#endMicros)) {
      const to = this.#chunkEnd();
      const chunk = chunkOf(this.#run, this.#written, to, endMicros);
      try {
        for (let at = 0; at < chunk.length;) at += writeSync(this.#fd, chunk, at);
      } catch (error) {
        this.#isBroken = true;
        throw error;
      }
      this.#written = to;
      if (to === this.#run.count) this.#endMicros = endMicros;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #chunkEnd(): number {
    const { count, offsets } = this.#run;
    const limit = (offsets[this.#written] ?? 0) + CHUNK_PACKET_BYTES;
    let to = Math.min(this.#written + 1, count);
    while (to < count && offsets[to + 1]! <= limit) to++;
    return to;
  }
}

function chunkOf(run: PacketRun, from: number, to: number, endMicros: number): Buffer {
  const packets = to - from;
  const start = run.offsets[from] ?? 0;
  const bytes = (run.offsets[to] ?? 0) - start;
  const packetsAt = HEAD_BYTES + packets * INDEX_BYTES;
  const chunk = Buffer.allocUnsafeSlow(packetsAt + bytes);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, chunk.length, true);
  view.setUint32(4, packets, true);
  view.setFloat64(8, endMicros, true);
  for (let i = 0; i < packets; i++) {
    view.setUint32(HEAD_BYTES + 4 * i, run.offsets[from + i + 1]! - start, true);
    view.setUint32(HEAD_BYTES + 4 * (packets + i), run.dueMicros[from + i]!, true);
    view.setUint8(HEAD_BYTES + 8 * packets + i, run.streams[from + i]!);
    view.setUint8(HEAD_BYTES + 9 * packets + i, run.flags[from + i]!);
  }
  run.bytes.copy(chunk, packetsAt, start, start + bytes);
  return chunk;
}

/** Follows the file of a {@link GrowthWriter}: a run that grows as the writer's does, without its hashes. */
export class GrowthReader {
  /** NPT of the newest picture; NaN before the first. */
  endMicros = NaN;
  readonly #fd: number;
  readonly #run: OpenRun;
  #position = 0;
  #pending = Buffer.allocUnsafeSlow(READ_BYTES);
  #pendingBytes = 0;

  /** @throws the system's error where there is no such file */
  constructor(path: string) {
    this.#fd = openSync(path, 'r');
    const packets = 64;
    this.#run = runOf(Buffer.allocUnsafeSlow(65_536), 0, {
      ...emptyIndex(packets),
      hashes: new Uint32Array(0),
    });
  }

  /** The packets so far; the same object for the life of the reader. */
  get run(): PacketRun {
    return this.#run;
  }

  /** Takes in what was written since. Cost: one system call where nothing was. @throws the system's error */
  poll(): void {
    for (;;) {
      const room = this.#pending.length - this.#pendingBytes;
      const read = readSync(this.#fd, this.#pending, this.#pendingBytes, room, this.#position);
      this.#position += read;
      this.#pendingBytes += read;
      this.#takeChunks();
      if (read < room) return;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #takeChunks(): void {
    let at = 0;
    let wanted = READ_BYTES;
    while (this.#pendingBytes - at >= HEAD_BYTES) {
      const bytes = this.#pending.readUInt32LE(at);
      if (bytes < HEAD_BYTES) throw new RangeError('not a chunk of a growing segment');
      if (bytes > this.#pendingBytes - at) {
        wanted = Math.max(wanted, bytes);
        break;
      }
      this.#take(this.#pending.subarray(at, at + bytes));
      at += bytes;
    }
    const rest = this.#pending.subarray(at, this.#pendingBytes);
    const next = wanted > this.#pending.length ? Buffer.allocUnsafeSlow(wanted) : this.#pending;
    rest.copy(next);
    this.#pending = next;
    this.#pendingBytes = rest.length;
  }

  #take(chunk: Buffer): void {
    const run = this.#run;
    const packets = chunk.readUInt32LE(4);
    const bytes = chunk.subarray(HEAD_BYTES + packets * INDEX_BYTES);
    const start = run.offsets[run.count]!;
    this.#makeRoom(run.count + packets, start + bytes.length);
    bytes.copy(run.bytes, start);
    for (let i = 0; i < packets; i++) {
      run.offsets[run.count + i + 1] = start + chunk.readUInt32LE(HEAD_BYTES + 4 * i);
      run.dueMicros[run.count + i] = chunk.readUInt32LE(HEAD_BYTES + 4 * (packets + i));
      run.streams[run.count + i] = chunk[HEAD_BYTES + 8 * packets + i]!;
      run.flags[run.count + i] = chunk[HEAD_BYTES + 9 * packets + i]!;
    }
    run.count += packets;
    this.endMicros = chunk.readDoubleLE(8);
  }

  #makeRoom(packets: number, bytes: number): void {
    const run = this.#run;
    if (packets > SEGMENT_LIMITS.packets || bytes > SEGMENT_LIMITS.payloadBytes)
      throw new RangeError('a segment that grows beyond its limits');
    if (bytes > run.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * run.bytes.length));
      run.bytes.copy(larger);
      run.bytes = larger;
    }
    if (packets <= run.streams.length) return;
    const room = Math.max(packets, 2 * run.streams.length);
    run.offsets = grown(run.offsets, new Uint32Array(room + 1));
    run.dueMicros = grown(run.dueMicros, new Uint32Array(room));
    run.streams = grown(run.streams, new Uint8Array(room));
    run.flags = grown(run.flags, new Uint8Array(room));
  }
}

function grown<T extends Uint32Array | Uint8Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
