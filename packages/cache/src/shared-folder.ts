import { constants } from 'node:fs';
import { access, chmod, lstat, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { CacheError } from './errors.js';
import { DirectoryLock } from './lock.js';
import { LOCK_NAME } from './names.js';
import { nodeStoreFs } from './store-fs.js';

/** A filesystem in memory, where there is one; files elsewhere are in memory too as long as the page cache has room. */
const MEMORY = '/dev/shm';
const PREFIX = 'forebay-shared-';
/** Room beside what is asked for: segments that grow. */
const SPARE_BYTES = 64 * 1024 * 1024;
const NEW_MS = 10_000;

/**
 * A folder for files by which the processes of one proxy share memory. Only its user may enter. It bears a lock that names its
 * process, so what is left of one that is gone can be told apart, and the next one removes it.
 */
export class SharedFolder {
  readonly path: string;
  readonly #lock: DirectoryLock;
  #files = 0;

  private constructor(path: string, lock: DirectoryLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes a folder, and removes those of processes that are gone.
   * @param bytes what will be kept in it
   * @param base where; default: a filesystem in memory that has room for `bytes`, else the system's folder for temporary files
   * @throws CacheError `bad-directory` where no folder can be made
   */
  static async open(bytes: number, base?: string): Promise<SharedFolder> {
    const parent = base ?? ((await hasRoom(MEMORY, bytes + SPARE_BYTES)) ? MEMORY : tmpdir());
    await removeAbandoned(parent);
    try {
      const path = await mkdtemp(join(parent, PREFIX));
      await chmod(path, 0o700);
      return new SharedFolder(path, await DirectoryLock.acquire(nodeStoreFs, path));
    } catch (cause) {
      if (cause instanceof CacheError) throw cause;
      throw new CacheError('bad-directory', parent, { cause });
    }
  }

  /** A path in it that was not used before. */
  newPath(): string {
    return join(this.path, String(++this.#files));
  }

  /** Removes it with everything in it. What other processes have open they keep. */
  async close(): Promise<void> {
    await this.#lock.release();
    await rm(this.path, { recursive: true, force: true });
  }
}

async function hasRoom(directory: string, bytes: number): Promise<boolean> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  // A container may run as a user that is in no list of users.
  const uid = await lstat('/proc/self').then(
    (self) => self.uid,
    () => userInfo().uid,
  );
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(parent, name);
    try {
      const found = await lstat(path);
      if (!found.isDirectory() || found.uid !== uid || (await isNew(path, found.ctimeMs))) continue;
      // Of a process that lives it cannot be had.
      await (await DirectoryLock.acquire(nodeStoreFs, path)).release();
      await rm(path, { recursive: true, force: true });
    } catch {
      continue;
    }
  }
}

/** One without a lock may be about to get it. */
async function isNew(path: string, changedMs: number): Promise<boolean> {
  const isLocked = await lstat(join(path, LOCK_NAME)).then(
    () => true,
    () => false,
  );
  return !isLocked && Date.now() - changedMs < NEW_MS;
}
