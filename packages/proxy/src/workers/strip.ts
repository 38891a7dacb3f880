import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

/*
 * The packets of one origin session on their way to a worker, as a row of files, each of frames one behind the other. Integers in
 * the order of the machine, which is the same at both ends:
 *
 *      | stream u16 | bytes u16 | packet ... |
 *
 * A file is complete when the next one is told of. Whoever reads says when it is done with one, which is then removed.
 */
const HEAD_BYTES = 4;
const FILE_BYTES = 1 << 20;
/** Of packets that wait to be written. */
const WAITING_BYTES = 1 << 18;
/** With so many files unread the origin is held back; with so many, if it cannot be, packets are dropped. */
const UNREAD_FILES = { much: 4, tooMuch: 8 } as const;
const READ_BYTES = 1 << 18;
const FILE_MODE = 0o600;

export interface StripWriterParts {
  /** A path for a new file. */
  readonly newPath: () => string;
  /** The reader is to be told that the packets go on in another file. */
  readonly onFile: (path: string) => void;
}

/** Writes packets to files that another process reads. */
export class StripWriter {
  readonly #p: StripWriterParts;
  readonly #unread: string[] = [];
  readonly #waiting = Buffer.allocUnsafeSlow(WAITING_BYTES);
  #waitingBytes = 0;
  #fd: number | undefined;
  #fileBytes = 0;

  constructor(parts: StripWriterParts) {
    this.#p = parts;
  }

  /** The reader lags behind. */
  get isMuch(): boolean {
    return this.#unread.length >= UNREAD_FILES.much;
  }

  /** Packet bytes[start,end) of a stream; a copy is kept until it is flushed. @throws the system's error */
  take(stream: number, bytes: Buffer, start: number, end: number): void {
    if (this.#unread.length >= UNREAD_FILES.tooMuch) return;
    if (this.#waitingBytes + HEAD_BYTES + end - start > WAITING_BYTES) this.flush();
    this.#waiting.writeUInt16LE(stream, this.#waitingBytes);
    this.#waiting.writeUInt16LE(end - start, this.#waitingBytes + 2);
    bytes.copy(this.#waiting, this.#waitingBytes + HEAD_BYTES, start, end);
    this.#waitingBytes += HEAD_BYTES + end - start;
  }

  /** Shows what was taken. Cost: one system call. @throws the system's error */
  flush(): void {
    if (this.#waitingBytes === 0) return;
    const waiting = this.#waiting.subarray(0, this.#waitingBytes);
    this.#waitingBytes = 0;
    const fd = this.#file();
    for (let at = 0; at < waiting.length;) at += writeSync(fd, waiting, at);
    this.#fileBytes += waiting.length;
  }

  /** The reader is done with the earliest file. */
  wasRead(): void {
    const path = this.#unread.shift();
    if (path !== undefined) rmSync(path, { force: true });
  }

  /** Removes everything. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#waitingBytes = 0;
    while (this.#unread.length > 0) this.wasRead();
  }

  #file(): number {
    if (this.#fd !== undefined && this.#fileBytes < FILE_BYTES) return this.#fd;
    const path = this.#p.newPath();
    const fd = openSync(path, 'wx', FILE_MODE);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = fd;
    this.#fileBytes = 0;
    this.#unread.push(path);
    this.#p.onFile(path);
    return fd;
  }
}

export interface StripReaderParts {
  /** One packet: bytes[start,end), valid during the call. */
  readonly onPacket: (stream: number, bytes: Buffer, start: number, end: number) => void;
  /** The earliest file was read to its end. */
  readonly onRead: () => void;
}

/** Reads what a {@link StripWriter} writes. */
export class StripReader {
  readonly #p: StripReaderParts;
  readonly #paths: string[] = [];
  #bytes: Buffer | undefined;
  #filled = 0;
  #fd: number | undefined;

  constructor(parts: StripReaderParts) {
    this.#p = parts;
  }

  /** The packets go on in this file. */
  add(path: string): void {
    this.#paths.push(path);
  }

  /** Takes in what has come. Cost: one system call where nothing has. @throws the system's error */
  poll(): void {
    while (this.#paths.length > 0) {
      this.#fd ??= openSync(this.#paths[0]!, 'r');
      this.#readOn(this.#fd);
      // Closed meanwhile, or nothing follows.
      if (this.#fd === undefined || this.#paths.length < 2) return;
      closeSync(this.#fd);
      this.#fd = undefined;
      this.#paths.shift();
      this.#p.onRead();
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#paths.length = 0;
  }

  #readOn(fd: number): void {
    this.#bytes ??= Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const room = READ_BYTES - this.#filled;
      const read = readSync(fd, this.#bytes, this.#filled, room, null);
      this.#filled += read;
      this.#takeFrames(this.#bytes);
      if (read < room || this.#fd === undefined) return;
    }
  }

  #takeFrames(bytes: Buffer): void {
    let at = 0;
    while (this.#filled - at >= HEAD_BYTES) {
      const start = at + HEAD_BYTES;
      const end = start + bytes.readUInt16LE(at + 2);
      if (end > this.#filled) break;
      this.#p.onPacket(bytes.readUInt16LE(at), bytes, start, end);
      at = end;
    }
    bytes.copyWithin(0, at, this.#filled);
    this.#filled -= at;
  }
}
