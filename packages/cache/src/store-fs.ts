import { constants, type Dirent } from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { CacheError, systemCode } from './errors.js';

/** A name in a directory. */
export interface FoundName {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
}

/** An open file. */
export interface StoreFile {
  /** Size in bytes; undefined when it is no regular file. */
  regularSize(): Promise<number | undefined>;
  /** Fills `into` from the start of the file; fewer bytes than asked for mean that the file ends there. */
  read(into: Buffer): Promise<number>;
  /** Writes all of `bytes` at the end of what was written. */
  write(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/**
 * What the store asks of the operating system: nothing else of it touches a disk. Injected, so that tests can
 * refuse, delay and forget any single call. Paths are absolute; every call rejects with the system's error.
 */
export interface StoreFs {
  /** Names in a directory, in batches: one call to the operating system each. */
  list(directory: string): AsyncIterable<readonly FoundName[]>;
  /** Creates the directory and those above it, for the owner only; one that exists is fine. */
  makeDirectory(directory: string): Promise<void>;
  /** Opens without following a symbolic link, and without waiting for the other end of a FIFO. */
  openToRead(path: string): Promise<StoreFile>;
  /** Creates a file, for the owner only; rejects with EEXIST when the name is taken. */
  create(path: string): Promise<StoreFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Rejects with ENOTEMPTY when something is left in it. */
  removeDirectory(directory: string): Promise<void>;
  /** A symbolic link that holds a text: created whole or, with EEXIST, not at all. */
  createLink(path: string, text: string): Promise<void>;
  readLink(path: string): Promise<string>;
}

const BATCH_NAMES = 512;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** The real disk. */
export const nodeStoreFs: StoreFs = {
  list: listInBatches,
  makeDirectory,
  async openToRead(path) {
    return new NodeStoreFile(await fs.open(path, READ_FLAGS));
  },
  async create(path) {
    return new NodeStoreFile(await fs.open(path, CREATE_FLAGS, 0o600));
  },
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.unlink(path),
  removeDirectory: (directory) => fs.rmdir(directory),
  createLink: (path, text) => fs.symlink(text, path),
  readLink: (path) => fs.readlink(path),
};

/**
 * Makes a directory, and those above it. Node's own recursion never ends where a file system says ENOENT below a directory
 * that is there, as /proc does.
 */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await makeOne(directory);
  } catch (error) {
    const above = dirname(directory);
    if (systemCode(error) !== 'ENOENT' || above === directory) throw error;
    await makeDirectory(above);
    await makeOne(directory);
  }
}

/** Makes a directory that is not there yet. */
async function makeOne(directory: string): Promise<void> {
  try {
    await fs.mkdir(directory, { mode: 0o700 });
  } catch (error) {
    const isThere = systemCode(error) === 'EEXIST' && (await fs.stat(directory)).isDirectory();
    if (!isThere) throw error;
  }
}

class NodeStoreFile implements StoreFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async regularSize(): Promise<number | undefined> {
    const stat = await this.#handle.stat();
    return stat.isFile() ? stat.size : undefined;
  }

  async read(into: Buffer): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await this.#handle.read(into, filled, into.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  async write(bytes: Buffer): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, written, bytes.length - written);
      if (bytesWritten === 0) throw new CacheError('io', 'a write that wrote nothing');
      written += bytesWritten;
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function* listInBatches(directory: string): AsyncGenerator<readonly FoundName[]> {
  const names = await fs.opendir(directory, { bufferSize: BATCH_NAMES });
  let batch: FoundName[] = [];
  for await (const entry of names) {
    batch.push({ name: entry.name, kind: kindOf(entry) });
    if (batch.length === BATCH_NAMES) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

function kindOf(entry: Dirent): FoundName['kind'] {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'directory' : 'other';
}
