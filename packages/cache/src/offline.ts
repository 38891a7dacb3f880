import { join, resolve } from 'node:path';

import { Catalogue, type TitleRecord } from './catalogue.js';
import { CacheError, cacheErrorFrom, readErrorFrom } from './errors.js';
import { DirectoryLock } from './lock.js';
import { formatSegmentName, TITLE_NAME } from './names.js';
import { keyFromSegments, scanFolder, scanRoot, type FoundFile, type FoundFolder } from './scan.js';
import { nodeStoreFs, type StoreFs } from './store-fs.js';

/** What a cache directory holds. */
export interface CacheListing {
  /** All generations of all titles. */
  readonly titles: readonly TitleRecord[];
  readonly segments: number;
  /** Of segments and title records. */
  readonly bytes: number;
  /** Segments with wrong content, kept to be looked at. */
  readonly setAside: readonly string[];
  /** Folders that are no use to anyone: without a title record and without a segment that says whose it is. */
  readonly orphans: readonly string[];
}

/**
 * Lists a cache directory without a running proxy, or beside one: nothing is locked, nothing is changed.
 * @throws CacheError when the directory cannot be read.
 */
export async function listCache(directory: string, fs: StoreFs = nodeStoreFs): Promise<CacheListing> {
  const root = resolve(directory);
  const catalogue = new Catalogue();
  const setAside: string[] = [];
  const orphans: string[] = [];
  for await (const { found, key } of foldersOf(fs, root)) {
    setAside.push(...found.setAside.map((file) => join(root, found.generation, file.name)));
    if (key === undefined) orphans.push(join(root, found.generation));
    else takeFolder(catalogue, key, found);
  }
  const titles = Array.from(catalogue.shelves(), (shelf) => shelf.record(catalogue.isNewest(shelf)));
  return { titles, segments: catalogue.segmentCount, bytes: catalogue.bytes, setAside, orphans };
}

/**
 * Deletes titles with all their segments from a directory that no proxy uses.
 * @throws CacheError `locked` while one does (ask it instead), or when the disk fails: what was deleted is gone.
 */
export async function purgeCache(
  directory: string,
  match: (title: TitleRecord) => boolean,
  fs: StoreFs = nodeStoreFs,
): Promise<{ segments: number; bytes: number }> {
  const root = resolve(directory);
  const lock = await DirectoryLock.acquire(fs, root);
  try {
    const { titles } = await listCache(root, fs);
    const purged = { segments: 0, bytes: 0 };
    for (const title of titles.filter(match)) {
      await removeFolder(fs, root, await scanFolder(fs, root, title.generation));
      purged.segments += title.segments.length;
      purged.bytes += title.bytes;
    }
    return purged;
  } catch (cause) {
    throw cacheErrorFrom(cause);
  } finally {
    await lock.release();
  }
}

/** Folders that a running proxy deletes meanwhile are passed over. */
async function* foldersOf(
  fs: StoreFs,
  root: string,
): AsyncGenerator<{ found: FoundFolder; key: string | undefined }> {
  const { generations } = await scanRoot(fs, root).catch((cause: unknown) => {
    throw new CacheError('bad-directory', root, { cause });
  });
  for (const generation of generations) {
    try {
      const found = await scanFolder(fs, root, generation);
      const key = found.title?.key ?? (await keyFromSegments(fs, join(root, generation), found.metas));
      yield { found, key };
    } catch (cause) {
      const error = readErrorFrom(cause);
      if (error.code !== 'vanished') throw error;
    }
  }
}

function takeFolder(catalogue: Catalogue, key: string, found: FoundFolder): void {
  const shelf = catalogue.find(key, found.generation, found.title);
  catalogue.setTitleBytes(shelf, found.titleBytes);
  for (const meta of found.metas) {
    if (!shelf.entries.has(meta.startMicros)) catalogue.hold(shelf, meta, catalogue.segmentCount);
  }
}

/** The title record goes last: what is left of a purge that was cut short still says whose it is. */
async function removeFolder(fs: StoreFs, root: string, found: FoundFolder): Promise<void> {
  const folder = join(root, found.generation);
  const ours: readonly FoundFile[] = [...found.temporaries, ...found.setAside];
  const names = [...found.metas.map(formatSegmentName), ...ours.map((file) => file.name)];
  for (const name of names) await fs.remove(join(folder, name));
  if (found.titleError?.code !== 'vanished') await fs.remove(join(folder, TITLE_NAME));
  await fs.removeDirectory(folder).catch(() => undefined);
}
