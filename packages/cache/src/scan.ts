import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { isAboutTheFile, readErrorFrom, type CacheError } from './errors.js';
import { formatSegmentName, isGeneration, isRootTemporary, parseFolderEntry, TITLE_NAME } from './names.js';
import { readFileStart, readWholeFile } from './read-file.js';
import { HEADER_BYTES_MAX, readHeader } from './segment-header.js';
import type { SegmentMeta } from './segment.js';
import type { StoreFs } from './store-fs.js';
import { parseTitleFile, TITLE_FILE_BYTES_MAX, type TitleFile } from './title-file.js';

/** What stands in the cache directory itself. */
export interface FoundRoot {
  readonly generations: readonly string[];
  /** Names of what interrupted writes have left. */
  readonly temporaries: readonly string[];
}

export interface FoundFile {
  readonly name: string;
  readonly bytes: number;
}

/** What stands in the folder of one generation. */
export interface FoundFolder {
  readonly generation: string;
  readonly metas: readonly SegmentMeta[];
  readonly temporaries: readonly FoundFile[];
  /** Segments with wrong content. */
  readonly setAside: readonly FoundFile[];
  readonly title: TitleFile | undefined;
  /** Size of the title record; 0: there is none, or it is damaged. */
  readonly titleBytes: number;
  /** Why the title record cannot be used; `vanished` where there is none. */
  readonly titleError: CacheError | undefined;
  /** Files that are not ours: left alone. */
  readonly foreign: number;
}

/** Of segments, to find out whose they are. */
const SEGMENT_HEADERS_TRIED_MAX = 4;

/** Folders are only listed, not entered; symbolic links and whatever is not ours are passed over. */
export async function scanRoot(fs: StoreFs, directory: string): Promise<FoundRoot> {
  const generations: string[] = [];
  const temporaries: string[] = [];
  for await (const batch of fs.list(directory)) {
    for (const { name, kind } of batch) {
      if (kind === 'directory' && isGeneration(name)) generations.push(name);
      else if (kind !== 'directory' && isRootTemporary(name)) temporaries.push(name);
    }
    await nextTurn();
  }
  return { generations, temporaries };
}

/**
 * Lists one generation's folder and reads its title record. No segment file is opened: names say enough.
 * Cost: about 2 us a segment, in slices of 512 names.
 */
export async function scanFolder(fs: StoreFs, directory: string, generation: string): Promise<FoundFolder> {
  const folder = join(directory, generation);
  const metas: SegmentMeta[] = [];
  const temporaries: FoundFile[] = [];
  const setAside: FoundFile[] = [];
  let foreign = 0;
  for await (const batch of fs.list(folder)) {
    for (const { name, kind } of batch) {
      const entry = kind === 'file' ? parseFolderEntry(name, generation) : undefined;
      if (entry?.kind === 'segment') metas.push(entry.meta);
      else if (entry?.kind === 'temporary') temporaries.push({ name, bytes: entry.bytes });
      else if (entry?.kind === 'set-aside') setAside.push({ name, bytes: entry.meta.byteLength });
      else if (entry?.kind !== 'title') foreign++;
    }
    await nextTurn();
  }
  const title = await readTitle(fs, folder, generation);
  return { generation, metas, temporaries, setAside, foreign, ...title };
}

/**
 * Key of a generation whose title record is lost: its segments carry it.
 * @returns undefined when none of the first few has a valid header.
 * @throws CacheError when that cannot be said because the disk fails.
 */
export async function keyFromSegments(
  fs: StoreFs,
  folder: string,
  metas: readonly SegmentMeta[],
): Promise<string | undefined> {
  for (const meta of metas.slice(0, SEGMENT_HEADERS_TRIED_MAX)) {
    try {
      const path = join(folder, formatSegmentName(meta));
      return readHeader(await readFileStart(fs, path, HEADER_BYTES_MAX)).key;
    } catch (cause) {
      const error = readErrorFrom(cause);
      if (!isAboutTheFile(error.code)) throw error;
    }
  }
  return undefined;
}

async function readTitle(
  fs: StoreFs,
  folder: string,
  generation: string,
): Promise<Pick<FoundFolder, 'title' | 'titleBytes' | 'titleError'>> {
  try {
    const bytes = await readWholeFile(fs, join(folder, TITLE_NAME), { maxBytes: TITLE_FILE_BYTES_MAX });
    const title = parseTitleFile(bytes, generation);
    return { title, titleBytes: bytes.length, titleError: undefined };
  } catch (cause) {
    return { title: undefined, titleBytes: 0, titleError: readErrorFrom(cause) };
  }
}
