/** One row per {@link CacheErrorCode}: what happened, and what the operator can do about it. */
export const CACHE_ERRORS = {
  'bad-directory': {
    text: 'the cache directory cannot be used',
    act: 'create it, or give the proxy the right to read and write it',
  },
  locked: {
    text: 'another process uses the cache directory',
    act: 'stop that process, or give each proxy a directory of its own',
  },
  'not-a-segment': { text: 'the file is no segment file', act: 'none: it is set aside' },
  'unknown-version': {
    text: 'the segment file was written by another version',
    act: 'none: it is set aside and fetched again',
  },
  truncated: { text: 'the file ends too early or goes on too long', act: 'none, unless it recurs' },
  corrupt: {
    text: 'a checksum does not match',
    act: 'none: it is set aside and fetched again; if it recurs, check the disk',
  },
  malformed: {
    text: 'checksums match but the content contradicts itself',
    act: 'report it: a writer made it so',
  },
  mismatch: {
    text: 'a valid segment, but not the one that was asked for',
    act: 'find out who moves files in the cache directory',
  },
  'bad-title': {
    text: 'a title record is damaged',
    act: 'none: the title is described by its origin again',
  },
  'bad-state': {
    text: 'what was learned, of popularity or of origins, is damaged or of another version',
    act: 'none: it is learned anew',
  },
  vanished: { text: 'a file of the cache is gone', act: 'find out who deletes files in the cache directory' },
  'not-a-file': {
    text: 'something that is no regular file has the name of one of ours',
    act: 'find out who plants files in the cache directory',
  },
  'disk-full': {
    text: 'no space, no inodes or no quota left',
    act: 'free space, or lower the capacity of the cache',
  },
  'read-only': {
    text: 'the disk or the directory refuses writes',
    act: 'check the mount and the permissions',
  },
  unreadable: {
    text: 'this user may not read what the cache directory holds',
    act: 'give it to the user that runs the proxy (chown -R), and run commands as that user',
  },
  'no-descriptors': { text: 'no file descriptors left', act: 'raise LimitNOFILE' },
  io: { text: 'the disk answers with errors', act: 'check the disk' },
  hung: { text: 'the disk does not answer in time', act: 'check the disk and its load' },
} as const satisfies Readonly<Record<string, { text: string; act: string }>>;

export type CacheErrorCode = keyof typeof CACHE_ERRORS;

/**
 * Trouble with stored bytes or with the disk that holds them. The operator acts; the proxy degrades to
 * the origin and the viewer never notices.
 */
export class CacheError extends Error {
  override readonly name = 'CacheError';
  readonly code: CacheErrorCode;

  /** @param detail where and what, for the log: file name, offset, expected and found value. */
  constructor(code: CacheErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? CACHE_ERRORS[code].text : `${CACHE_ERRORS[code].text}: ${detail}`, options);
    this.code = code;
  }
}

/** Codes that say that this one file is no good; the others say that the disk or the process is in trouble. */
const FILE_CODES: ReadonlySet<CacheErrorCode> = new Set([
  'not-a-segment',
  'unknown-version',
  'truncated',
  'corrupt',
  'malformed',
  'mismatch',
  'bad-title',
  'bad-state',
  'vanished',
  'not-a-file',
]);

export function isAboutTheFile(code: CacheErrorCode): boolean {
  return FILE_CODES.has(code);
}

/** Codes of the operating system by what they mean for the cache; every other one is `io`. */
const SYSTEM_CODES: Readonly<Record<string, CacheErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EFBIG: 'disk-full',
  EROFS: 'read-only',
  EACCES: 'read-only',
  EPERM: 'read-only',
  EMFILE: 'no-descriptors',
  ENFILE: 'no-descriptors',
  ENOENT: 'vanished',
  ELOOP: 'not-a-file',
  ENOTDIR: 'not-a-file',
  EISDIR: 'not-a-file',
  ENXIO: 'not-a-file',
};

/**
 * The `CacheError` that a failed call to the operating system means; a `CacheError` is passed through.
 * @throws the cause itself where it is neither: a bug must not look like disk trouble.
 */
export function cacheErrorFrom(cause: unknown): CacheError {
  if (cause instanceof CacheError) return cause;
  const system = systemCode(cause);
  if (system === undefined || !(cause instanceof Error)) throw cause;
  return new CacheError(SYSTEM_CODES[system] ?? 'io', cause.message, { cause });
}

/** As {@link cacheErrorFrom}, for a call that only reads: a lack of permission is `unreadable`. */
export function readErrorFrom(cause: unknown): CacheError {
  const system = systemCode(cause);
  if (system !== 'EACCES' && system !== 'EPERM') return cacheErrorFrom(cause);
  return new CacheError('unreadable', (cause as Error).message, { cause });
}

/** `ENOENT`, `EIO` ... of an error of the operating system; undefined for every other. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('errno' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
