import { writeSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { Log, Viewing } from '@forebay/proxy';
import { ACCESS_LOG_HEADER, formatAccessLine } from './access-line.js';

const FLUSH_MS = 1000;
/** Lines that wait for the disk; more are dropped, and counted. */
const MOST_PENDING_BYTES = 1 << 20;
/** Titles that were watched are nobody else's business. */
const FILE_MODE = 0o640;

export interface AccessLogOptions {
  readonly path: string;
  readonly hashTitles: boolean;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/**
 * The file that has a line for each viewing. Lines wait in memory, at most a second and a mebibyte of them; whatever the
 * disk does, nobody waits for it.
 */
export class AccessLog {
  /** Lines by what became of them; those that wait are neither. */
  readonly lines = { written: 0, dropped: 0 };
  readonly #options: AccessLogOptions;
  #file: FileHandle | undefined;
  #pending: string[] = [];
  #pendingBytes = 0;
  /** Bytes taken from `#pending` that the disk has not taken yet. */
  #rest: { bytes: Buffer; readonly lines: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Everything that touches the file, one after another. */
  #turn: Promise<void> = Promise.resolve();
  #state: 'open' | 'troubled' | 'closed' = 'open';

  private constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  /** @throws the system's error where the file cannot be opened */
  static async open(options: AccessLogOptions): Promise<AccessLog> {
    const accessLog = new AccessLog(options);
    accessLog.#file = await openFile(options.path);
    return accessLog;
  }

  /** Takes note of a viewing. Costs its line and nothing else. */
  write(viewing: Viewing): void {
    const line = formatAccessLine(viewing, this.#options.hashTitles);
    if (this.#state === 'closed' || this.#pendingBytes + line.length > MOST_PENDING_BYTES) {
      this.lines.dropped++;
      return;
    }
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_MS);
  }

  /** Goes on in a new file of the same name: the old one was moved away. */
  async reopen(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#store();
      await this.#file?.close();
      this.#file = undefined;
      this.#file = await openFile(this.#options.path);
      this.#options.log.info({ file: this.#options.path }, 'access log reopened');
    });
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    await this.#flush();
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.lines.dropped += this.#pending.length + (this.#rest?.lines ?? 0);
    this.#pending = [];
    await this.#inTurn(async () => await this.#file?.close());
  }

  /** Writes what waits before the process exits at once. */
  closeAbruptly(): void {
    if (this.#state === 'closed' || this.#file === undefined || this.#pending.length === 0) return;
    this.#state = 'closed';
    try {
      writeSync(this.#file.fd, this.#pending.join(''));
    } catch {
      // There is no later.
    }
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#inTurn(async () => {
      this.#file ??= await openFile(this.#options.path);
      await this.#store();
    });
    if (this.#pending.length > 0 || this.#rest !== undefined)
      this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_MS);
  }

  /** Trouble is told once, and once more when it is over. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const { log, path } = this.#options;
    this.#turn = this.#turn.then(work).then(
      () => {
        if (this.#state !== 'troubled') return;
        this.#state = 'open';
        log.info({ file: path, dropped: this.lines.dropped }, 'access log is written again');
      },
      (error: unknown) => {
        if (this.#state === 'open') log.warn({ file: path, err: error }, 'access log cannot be written');
        if (this.#state !== 'closed') this.#state = 'troubled';
      },
    );
    return this.#turn;
  }

  async #store(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    while (this.#rest !== undefined || this.#pending.length > 0) {
      this.#rest ??= this.#takePending();
      const { bytesWritten } = await file.write(this.#rest.bytes);
      if (bytesWritten === 0) throw new Error('nothing was written');
      this.#pendingBytes -= bytesWritten;
      this.#rest.bytes = this.#rest.bytes.subarray(bytesWritten);
      if (this.#rest.bytes.length > 0) continue;
      this.lines.written += this.#rest.lines;
      this.#rest = undefined;
    }
  }

  #takePending(): { bytes: Buffer; readonly lines: number } {
    const taken = { bytes: Buffer.from(this.#pending.join(''), 'latin1'), lines: this.#pending.length };
    this.#pending = [];
    return taken;
  }
}

/** @throws the system's error */
async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path, 'a', FILE_MODE);
  try {
    if ((await file.stat()).size === 0) await file.write(ACCESS_LOG_HEADER);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
