import { readFlags, wholeNumber } from '../command.js';

export const USAGE = `usage: pnpm -s bench:live [--quick] [--seconds N] [--workers N] [--json] [--write]

  --quick      50 viewers over TCP and 20 over UDP for 16 s, instead of 500 and 200 for 30 s; then half of them twice, one
               after the other, instead of 140 and 60
  --seconds N  how long they watch
  --workers N  processes that serve viewers (1); lag and processor time are told of the one that was started
  --json       the report goes to standard error, one line of JSON to standard output
  --write      also writes bench/results/live.{md,json,svg}`;

export interface Options {
  readonly tcp: number;
  readonly udp: number;
  readonly seconds: number;
  /** Who come one after the other. */
  readonly settled: { readonly tcp: number; readonly udp: number };
  readonly workers: number;
  readonly json: boolean;
  readonly write: boolean;
  /** The command that does the same again. */
  readonly command: string;
}

const LEAST_SECONDS = 16;
const USUAL_SECONDS = 30;
const MOST_SECONDS = 600;

/** @returns 'help' when that was asked for. @throws UsageError */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const values = readFlags(
    args,
    {
      quick: { type: 'boolean' },
      seconds: { type: 'string' },
      workers: { type: 'string' },
      json: { type: 'boolean' },
      write: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    USAGE,
  );
  if (values.help === true) return 'help';
  const isQuick = values.quick === true;
  const seconds = values.seconds ?? String(isQuick ? LEAST_SECONDS : USUAL_SECONDS);
  return {
    tcp: isQuick ? 50 : 500,
    udp: isQuick ? 20 : 200,
    settled: isQuick ? { tcp: 25, udp: 10 } : { tcp: 140, udp: 60 },
    seconds: wholeNumber('--seconds', seconds, { least: LEAST_SECONDS, most: MOST_SECONDS }),
    workers: wholeNumber('--workers', values.workers ?? '1', { least: 1, most: 16 }),
    json: values.json === true,
    write: values.write === true,
    command: ['pnpm -s bench:live', ...args].join(' '),
  };
}
