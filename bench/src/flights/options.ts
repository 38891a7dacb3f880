import { parseArgs } from 'node:util';

export const USAGE = `usage: pnpm -s bench:flights [--quick] [--json] [--write]

  --quick   only what is counted at our own origin, about two and a half minutes
  --json    the report goes to standard error, one line of JSON to standard output
  --write   also writes bench/results/flights.{md,json} and flights-*.svg; not with --quick`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Options {
  readonly quick: boolean;
  readonly json: boolean;
  readonly write: boolean;
  /** The command that does the same again. */
  readonly command: string;
}

/** @returns 'help' when that was asked for. @throws UsageError */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const flag = { type: 'boolean' } as const;
  let values;
  try {
    const options = { quick: flag, json: flag, write: flag, help: { ...flag, short: 'h' } } as const;
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n${USAGE}`, { cause });
  }
  if (values.help === true) return 'help';
  const { quick = false, json = false, write = false } = values;
  if (quick && write) throw new UsageError('--write keeps whole runs: leave --quick out');
  return { quick, json, write, command: ['pnpm -s bench:flights', ...args].join(' ') };
}
