import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { nodeStoreFs, type StoreFs } from '@forebay/cache';

/**
 * The real disk, but for stretches of time in which nothing that is asked of it comes back. Each call that waits keeps a thread
 * of libuv's pool, as one that waits for a disk does: it opens a FIFO that nobody writes to yet.
 */
export class StallingFs {
  readonly fs: StoreFs;
  readonly #fifo: string;
  #isStalled = false;
  /** Calls that met the stall. */
  met = 0;

  /** @param fifo where the FIFO may be */
  constructor(fifo: string) {
    this.#fifo = fifo;
    this.fs = {
      ...nodeStoreFs,
      openToRead: async (path) => {
        await this.#pass();
        return await nodeStoreFs.openToRead(path);
      },
      create: async (path) => {
        await this.#pass();
        return await nodeStoreFs.create(path);
      },
      rename: async (from, to) => {
        await this.#pass();
        await nodeStoreFs.rename(from, to);
      },
    };
  }

  stall(ms: number): void {
    if (!existsSync(this.#fifo)) execFileSync('mkfifo', [this.#fifo]);
    this.#isStalled = true;
    setTimeout(() => {
      this.#isStalled = false;
      // Opened for both, a FIFO waits for nobody, and whoever waits for a writer has one.
      const fd = openSync(this.#fifo, constants.O_RDWR | constants.O_NONBLOCK);
      setTimeout(() => closeSync(fd), ms);
    }, ms);
  }

  async #pass(): Promise<void> {
    if (!this.#isStalled) return;
    this.met++;
    await (await open(this.#fifo, 'r')).close();
  }
}
