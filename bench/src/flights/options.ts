import { readFlags, UsageError } from '../command.js';

export const USAGE = `usage: pnpm -s bench:flights [--quick] [--json] [--write]

  --quick   only what is counted at our own origin, about two and a half minutes
  --json    the report goes to standard error, one line of JSON to standard output
  --write   also writes bench/results/flights.{md,json} and flights-*.svg; not with --quick`;

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
  const values = readFlags(
    args,
    { quick: flag, json: flag, write: flag, help: { ...flag, short: 'h' } },
    USAGE,
  );
  if (values.help === true) return 'help';
  const { quick = false, json = false, write = false } = values;
  if (quick && write) throw new UsageError('--write keeps whole runs: leave --quick out');
  return { quick, json, write, command: ['pnpm -s bench:flights', ...args].join(' ') };
}
