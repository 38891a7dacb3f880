import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UsageError } from '../command.js';

const run = promisify(execFile);
/** C is not built by `tsc`: it is compiled where it lies, when it is needed. */
const SOURCES = fileURLToPath(new URL('../../../src/relay/', import.meta.url));

/** The two programs in C: viewers, and the loop with nothing around it. */
export interface Programs {
  readonly crowd: string;
  readonly bare: string;
}

/** @throws UsageError where there is no compiler */
export async function compile(folder: string): Promise<Programs> {
  const build = async (name: string): Promise<string> => {
    const program = join(folder, name);
    await run('cc', ['-O2', '-o', program, join(SOURCES, `${name}.c`)]).catch((cause: Error) => {
      throw new UsageError(`a C compiler is needed, for viewers that cost little: ${cause.message}`, {
        cause,
      });
    });
    return program;
  };
  return { crowd: await build('crowd'), bare: await build('bare') };
}
