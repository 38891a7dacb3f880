import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { CacheError, cacheErrorFrom, systemCode } from './errors.js';
import { LOCK_NAME, movedLockName } from './names.js';
import type { StoreFs } from './store-fs.js';

/*
 * The lock is a symbolic link named `lock` whose target is no path but the text
 *
 *     <pid>-<start time of the process>-<first digits of the boot id>
 *
 * so it comes into being whole or not at all and needs no free block: a full disk can still be taken over. Process
 * ids are used again, after a reboot and in containers, so the owner lives only if all three agree. Owners
 * are seen within one process id namespace: two containers must not share a cache directory.
 */
const OWNER = /^([1-9][0-9]{0,9})-([0-9]{1,20})-([0-9a-f]{8})$/;
const ATTEMPTS_MAX = 8;
const BOOT = (readText('/proc/sys/kernel/random/boot_id') ?? '00000000').slice(0, 8);
const SELF = `${process.pid}-${startTime(process.pid) ?? '0'}-${BOOT}`;

/** Directories held by this very process. */
const heldHere = new Set<string>();

/** A cache directory in use by this process until `release`. */
export class DirectoryLock {
  readonly #fs: StoreFs;
  readonly #directory: string;

  private constructor(fs: StoreFs, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
  }

  /**
   * Takes the lock of the directory; one left by a process that is gone is taken over.
   * @throws CacheError `locked` while another process, or another store of this one, holds it;
   *   `bad-directory` where something else has its name; `disk-full`, `read-only`, `io` from the disk.
   */
  static async acquire(fs: StoreFs, directory: string): Promise<DirectoryLock> {
    if (heldHere.has(directory)) throw new CacheError('locked', 'by this process');
    heldHere.add(directory);
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        if (await tryLock(fs, directory)) return new DirectoryLock(fs, directory);
      }
      throw new CacheError('locked', 'its owner keeps changing');
    } catch (error) {
      heldHere.delete(directory);
      const known = cacheErrorFrom(error);
      // The directory is there, and nothing can be put into it: /proc, for one.
      throw known.code === 'vanished' ? new CacheError('bad-directory', directory, { cause: known }) : known;
    }
  }

  /** Gives the directory back. A lock that cannot be removed is stale once this process has ended. */
  async release(): Promise<void> {
    if (!heldHere.delete(this.#directory)) return;
    const path = join(this.#directory, LOCK_NAME);
    try {
      if ((await this.#fs.readLink(path)) === SELF) await this.#fs.remove(path);
    } catch {
      return;
    }
  }
}

/** @returns false when it is worth another attempt. */
async function tryLock(fs: StoreFs, directory: string): Promise<boolean> {
  const path = join(directory, LOCK_NAME);
  try {
    await fs.createLink(path, SELF);
    return true;
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  const owner = await readOwner(fs, path);
  if (owner === undefined) return false;
  if (isAlive(owner)) throw new CacheError('locked', `process ${owner.split('-')[0]}`);
  await removeStale(fs, directory, owner);
  return false;
}

/** Text of the lock; undefined when it is gone. */
async function readOwner(fs: StoreFs, path: string): Promise<string | undefined> {
  try {
    const owner = await fs.readLink(path);
    if (OWNER.test(owner)) return owner;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    if (systemCode(cause) !== 'EINVAL') throw cause;
  }
  throw new CacheError('bad-directory', `${path} is not a lock of ours`);
}

/** Moves the lock away first: of two processes that find the same stale lock, one gets it. */
async function removeStale(fs: StoreFs, directory: string, stale: string): Promise<void> {
  const path = join(directory, LOCK_NAME);
  const moved = join(directory, movedLockName(randomBytes(8).toString('hex')));
  try {
    await fs.rename(path, moved);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  const owner = await fs.readLink(moved);
  if (owner !== stale) await fs.createLink(path, owner).catch(() => undefined);
  await fs.remove(moved);
}

function isAlive(owner: string): boolean {
  if (owner === SELF) return false;
  const [, pid, started, boot] = OWNER.exec(owner) ?? [];
  if (boot !== BOOT) return false;
  const found = startTime(Number(pid));
  if (found !== undefined) return found === started;
  return started === '0' && answersSignals(Number(pid));
}

/**
 * Clock ticks from boot to the start of a process (field 22 of its stat); undefined: there is no such process, or
 * it is dead and only waits to be reaped (field 3 is Z or X).
 * Source: proc(5).
 */
function startTime(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || /^[ZX]/.test(fields[0] ?? '') ? undefined : fields[19];
}

/** For systems without /proc, where the start time is 0. */
function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
