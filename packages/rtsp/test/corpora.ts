import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspace = fileURLToPath(new URL('../../../../', import.meta.url));

/** Folder of the shared corpora of hostile and real inputs: `FOREBAY_CORPORA`, else beside the workspace. */
const root = process.env['FOREBAY_CORPORA'] ?? join(workspace, '..', 'shared', 'corpora');

/** For the `skip` option of a test: false where the corpora are there, else the reason in words. */
export const skipWithoutCorpora: false | string = existsSync(join(root, 'bad-inputs'))
  ? false
  : `corpora not found in ${root}; set FOREBAY_CORPORA`;

export interface Sample {
  /** Path inside the corpora. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every file below a folder of the corpora, in order of name. */
export function samples(folder: string): Sample[] {
  const top = join(root, folder);
  if (!existsSync(top)) return [];
  const entries = readdirSync(top, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort((a, b) => (a < b ? -1 : 1));
  return paths.map((path) => ({ name: relative(root, path), bytes: readFileSync(path) }));
}
