import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of hostile and recorded inputs beside the project; FOREBAY_CORPORA names another. */
const CORPORA =
  process.env['FOREBAY_CORPORA'] ?? fileURLToPath(new URL('../../../../../shared/corpora', import.meta.url));

/** False, or the reason why tests that need the corpora are skipped. */
export const skipCorpora: false | string = existsSync(CORPORA)
  ? false
  : `no corpora at ${CORPORA}: set FOREBAY_CORPORA`;

/** A file of the corpora, or one packet out of it. */
export interface Sample {
  readonly name: string;
  readonly bytes: Buffer;
}

/** All files under a folder of the corpora. */
export function samples(...folders: readonly string[]): Sample[] {
  return folders.flatMap((folder) =>
    readdirSync(join(CORPORA, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => ({ name: path.slice(CORPORA.length + 1), bytes: readFileSync(path) })),
  );
}

/** The packets of files that hold u32 little-endian lengths, each followed by as many bytes. */
export function lengthPrefixed(sample: Sample): Sample[] {
  const packets: Sample[] = [];
  let at = 0;
  while (at + 4 <= sample.bytes.length) {
    const end = at + 4 + sample.bytes.readUInt32LE(at);
    packets.push({ name: `${sample.name}#${packets.length}`, bytes: sample.bytes.subarray(at + 4, end) });
    at = end;
  }
  return packets;
}

/** Bytes written as hexadecimal digits; spaces are for the reader. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex');
}
