import { readFlags, wholeNumber } from '../command.js';

export const USAGE = `usage: pnpm -s bench:startup [--quick] [--rounds N] [--clip FILE] [--round-trip-ms MS] [--json] [--write]

  --quick             5 rounds instead of 25
  --rounds N          measurements of each way and transport
  --clip FILE         one of the test clips (h264_g1.mp4)
  --round-trip-ms MS  between the origin and everybody else (100)
  --json              the report goes to standard error, one line of JSON to standard output
  --write             also writes bench/results/startup.{md,json,svg}`;

const ROUNDS = 25;
const QUICK_ROUNDS = 5;
const MAX_ROUNDS = 1000;
const MAX_ROUND_TRIP_MS = 2000;

export interface Options {
  readonly rounds: number;
  readonly clip: string;
  readonly roundTripMs: number;
  readonly json: boolean;
  readonly write: boolean;
  /** The command that does the same again. */
  readonly command: string;
}

/** @returns 'help' when that was asked for. @throws UsageError */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const values = readFlags(
    args,
    {
      quick: { type: 'boolean' },
      rounds: { type: 'string' },
      clip: { type: 'string' },
      'round-trip-ms': { type: 'string' },
      json: { type: 'boolean' },
      write: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    USAGE,
  );
  if (values.help === true) return 'help';
  const rounds = values.rounds ?? String(values.quick === true ? QUICK_ROUNDS : ROUNDS);
  return {
    rounds: wholeNumber('--rounds', rounds, { least: 1, most: MAX_ROUNDS }),
    clip: values.clip ?? 'h264_g1.mp4',
    roundTripMs: wholeNumber('--round-trip-ms', values['round-trip-ms'] ?? '100', {
      least: 0,
      most: MAX_ROUND_TRIP_MS,
    }),
    json: values.json === true,
    write: values.write === true,
    command: ['pnpm -s bench:startup', ...args].join(' '),
  };
}
