import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root, absolute. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The workspace folders, relative to the root. */
export const WORKSPACES = [
  ...readdirSync(join(ROOT, 'packages'))
    .filter((name) => existsSync(join(ROOT, 'packages', name, 'package.json')))
    .map((name) => `packages/${name}`),
  'bench',
];

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.tap']);

/**
 * The test files, as built, of every test source that there is; what an old build left behind is not among them.
 */
export function testFiles() {
  const built = WORKSPACES.flatMap((folder) =>
    filesBelow(`${folder}/test`, '.test.ts').map(
      (file) => `${folder}/dist${file.slice(folder.length).replace(/\.ts$/, '.js')}`,
    ),
  );
  return [...filesBelow('scripts/test', '.test.mjs'), ...built];
}

/** Files below `folder` whose name ends in `suffix`, relative to the root, sorted; nothing installed or built. */
export function filesBelow(folder, suffix) {
  const found = [];
  const visit = (relative) => {
    for (const entry of readdirSync(join(ROOT, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(entry.name)) visit(path);
      } else if (entry.name.endsWith(suffix)) {
        found.push(path);
      }
    }
  };
  if (existsSync(join(ROOT, folder))) visit(folder);
  return found.sort();
}
