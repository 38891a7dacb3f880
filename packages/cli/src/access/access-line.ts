import { createHash } from 'node:crypto';
import type { Viewing } from '@forebay/proxy';
import { withoutSecrets } from '../redact.js';

/** The first line of an access log, also the order of its columns. */
export const ACCESS_LOG_HEADER = '# time_s,title_id,duration_s,start_s,watched_s,bitrate_bps\n';

const HASH_CHARS = 32;

/**
 * One viewing as a line of the log: seconds since 1970, title, length, start, media time delivered, bits a second.
 *
 * @param hashTitles a hash of the title in its place
 */
export function formatAccessLine(viewing: Viewing, hashTitles: boolean): string {
  const cells = [
    seconds(viewing.startedUnixMs / 1000),
    titleName(viewing.title, hashTitles),
    seconds(viewing.durationSeconds),
    seconds(viewing.startSeconds),
    seconds(viewing.watchedSeconds),
    String(viewing.bitrateBps),
  ];
  return `${cells.join(',')}\n`;
}

/** How a title is called in logs. @param hashTitles by a hash, the same in all of them */
export function titleName(title: string, hashTitles: boolean): string {
  const plain = titleId(title);
  return hashTitles ? createHash('sha256').update(plain).digest('hex').slice(0, HASH_CHARS) : plain;
}

/** Path and query without what might be a secret, and percent-encoded where it would break a line of CSV. */
export function titleId(title: string): string {
  return withoutSecrets(title).replace(/[^\x21-\x7e]|[",\\]/gu, (char) =>
    Array.from(Buffer.from(char), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function seconds(value: number): string {
  return String(Number(value.toFixed(3)));
}
