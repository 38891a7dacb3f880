import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const CORPORA = process.env['FOREBAY_CORPORA'] ?? join(import.meta.dirname, '../../../../../shared/corpora');

/** Why tests that need real and hostile inputs are skipped, if they are. */
export const skipCorpora = existsSync(CORPORA) ? false : `no corpora at ${CORPORA}: set FOREBAY_CORPORA`;

/** Files of a folder of the corpora whose names begin with `prefix`: name and bytes. */
export function corpus(path: string, prefix: string): [string, Buffer][] {
  const folder = join(CORPORA, path);
  const names = readdirSync(folder).filter((name) => name.startsWith(prefix));
  return names.sort().map((name) => [name, readFileSync(join(folder, name))]);
}

/** Bytes of an answer with the CSeq of the request that it is made to answer. */
export const withCseq = (bytes: Buffer, cseq: number): Buffer =>
  Buffer.from(bytes.toString('latin1').replace(/^(cseq):.*$/im, `$1: ${cseq}`), 'latin1');
