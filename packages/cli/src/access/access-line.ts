import { createHash } from 'node:crypto';
import type { Viewing } from '@forebay/proxy';

/** The first line of an access log, also the order of its columns. */
export const ACCESS_LOG_HEADER = '# time_s,title_id,duration_s,start_s,watched_s,bitrate_bps\n';

const HASH_CHARS = 32;

/** Names of parameters that carry who somebody is, in queries and in the paths of recorders that put them there. */
const SECRET_NAMES =
  'user|username|usr|login|pass|passw|passwd|password|pwd|auth|authorization|token|access_token|secret|sig|signature|apikey|api_key|key|jwt|session|sessionid|sid|ticket';

/** `name=value` at the start of a path segment or parameter; a value ends there too, or where `_name=` follows. */
const SECRETS = new RegExp(`(?<=[/?&;_])(${SECRET_NAMES})=[^/?&;]*?(?=$|[/?&;]|_[a-z]+=)`, 'gi');

/**
 * One viewing as a line of the log: seconds since 1970, title, length, start, media time delivered, bits a second.
 *
 * @param hashTitles a hash of the title in its place
 */
export function formatAccessLine(viewing: Viewing, hashTitles: boolean): string {
  const plain = titleId(viewing.title);
  const cells = [
    seconds(viewing.startedUnixMs / 1000),
    hashTitles ? createHash('sha256').update(plain).digest('hex').slice(0, HASH_CHARS) : plain,
    seconds(viewing.durationSeconds),
    seconds(viewing.startSeconds),
    seconds(viewing.watchedSeconds),
    String(viewing.bitrateBps),
  ];
  return `${cells.join(',')}\n`;
}

/** Path and query without what might be a secret, and percent-encoded where it would break a line of CSV. */
export function titleId(title: string): string {
  return title
    .replace(SECRETS, '$1=')
    .replace(/[^\x21-\x7e]|[",\\]/gu, (char) =>
      Array.from(Buffer.from(char), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
        '',
      ),
    );
}

function seconds(value: number): string {
  return String(Number(value.toFixed(3)));
}
