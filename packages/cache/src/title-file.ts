import { crc32 } from 'node:zlib';

import { CacheError } from './errors.js';

/** A title as it stands on disk, in `<generation>/title.json`. */
export interface TitleFile {
  /** Canonical URL of the title at its origin. */
  readonly key: string;
  readonly generation: string;
  /** Opaque to the cache: the proxy's JSON. */
  readonly description: string;
  /** Length of the title; undefined: live, or not known. */
  readonly durationSeconds: number | undefined;
  /** Live: so much of it is kept, up to what is on; undefined: its segments are judged by popularity. */
  readonly windowSeconds?: number | undefined;
  /** Counts the titles that were saved in this directory; of two generations of a key the higher is newer. */
  readonly serial: number;
}

/** Bound of `TitleFile.description`, in UTF-8. */
export const DESCRIPTION_BYTES_MAX = 1024 * 1024;
/** Bound of the file: every byte of the description may need an escape of six characters. */
export const TITLE_FILE_BYTES_MAX = 6 * DESCRIPTION_BYTES_MAX + 65_536;

const FORMAT = 'forebay title';
const VERSION = 1;

/** The file: JSON for people to read, with a CRC-32 of the values as 8 hexadecimal digits. */
export function formatTitleFile(title: TitleFile): Buffer {
  const { key, generation, serial, durationSeconds, windowSeconds, description } = title;
  const crc = checksum(title);
  const fields = {
    format: FORMAT,
    version: VERSION,
    key,
    generation,
    serial,
    durationSeconds,
    windowSeconds,
    description,
    crc,
  };
  return Buffer.from(`${JSON.stringify(fields, undefined, 2)}\n`);
}

/**
 * @param generation the folder that the file was found in.
 * @throws CacheError `bad-title` on anything that `formatTitleFile` has not written, `mismatch` when it
 *   belongs into another folder.
 */
export function parseTitleFile(bytes: Buffer, generation: string): TitleFile {
  let fields: unknown;
  try {
    fields = JSON.parse(bytes.toString());
  } catch (cause) {
    throw new CacheError('bad-title', generation, { cause });
  }
  if (!isTitleFields(fields)) throw new CacheError('bad-title', generation);
  const { key, serial, durationSeconds, windowSeconds, description } = fields;
  const title = { key, generation: fields.generation, serial, durationSeconds, windowSeconds, description };
  if (fields.crc !== checksum(title)) throw new CacheError('bad-title', `checksum of ${generation}`);
  if (title.generation !== generation) throw new CacheError('mismatch', `title record of ${generation}`);
  return title;
}

interface TitleFields extends TitleFile {
  readonly crc: string;
}

function isTitleFields(value: unknown): value is TitleFields {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<keyof TitleFields | 'format' | 'version', unknown>>;
  const { durationSeconds: duration, windowSeconds: window, serial } = fields;
  return (
    fields.format === FORMAT &&
    fields.version === VERSION &&
    typeof fields.key === 'string' &&
    typeof fields.generation === 'string' &&
    typeof fields.description === 'string' &&
    isSpan(duration) &&
    isSpan(window) &&
    Number.isSafeInteger(serial) &&
    typeof fields.crc === 'string'
  );
}

function isSpan(seconds: unknown): boolean {
  return seconds === undefined || (typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0);
}

function checksum(title: TitleFile): string {
  const { key, generation, serial, durationSeconds, windowSeconds, description } = title;
  const values: unknown[] = [VERSION, key, generation, serial, durationSeconds ?? null, description];
  if (windowSeconds !== undefined) values.push(windowSeconds);
  const text = JSON.stringify(values);
  return crc32(text).toString(16).padStart(8, '0');
}
