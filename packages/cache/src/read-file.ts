import { CacheError, cacheErrorFrom } from './errors.js';
import type { StoreFile, StoreFs } from './store-fs.js';

/**
 * A regular file as a whole, in memory of its own.
 * @param expect its exact size where it is known, or the most that is taken.
 * @throws CacheError `not-a-file`, `truncated`; or the system's error.
 */
export async function readWholeFile(
  fs: StoreFs,
  path: string,
  expect: { bytes: number } | { maxBytes: number },
): Promise<Buffer> {
  const file = await fs.openToRead(path);
  try {
    const size = await file.regularSize();
    if (size === undefined) throw new CacheError('not-a-file', path);
    const fits = 'bytes' in expect ? size === expect.bytes : size <= expect.maxBytes;
    if (!fits) throw new CacheError('truncated', `${path} has ${size} bytes`);
    const bytes = Buffer.allocUnsafeSlow(size);
    const filled = await file.read(bytes);
    if (filled < size) throw new CacheError('truncated', `${path} ends after ${filled} bytes`);
    return bytes;
  } finally {
    await closeRead(file);
  }
}

/** The first `maxBytes` of a regular file, or all of it. @throws as `readWholeFile`. */
export async function readFileStart(fs: StoreFs, path: string, maxBytes: number): Promise<Buffer> {
  const file = await fs.openToRead(path);
  try {
    if ((await file.regularSize()) === undefined) throw new CacheError('not-a-file', path);
    const bytes = Buffer.allocUnsafeSlow(maxBytes);
    return bytes.subarray(0, await file.read(bytes));
  } finally {
    await closeRead(file);
  }
}

/** What was read has been read, whatever the system says afterwards. */
async function closeRead(file: StoreFile): Promise<void> {
  try {
    await file.close();
  } catch (cause) {
    cacheErrorFrom(cause);
  }
}
