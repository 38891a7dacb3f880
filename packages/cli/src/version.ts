import { readFileSync } from 'node:fs';
import { z } from 'zod';

const PACKAGE_FILE = new URL('../../package.json', import.meta.url);

/** The version of this package. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(PACKAGE_FILE, 'utf8'))).version;
