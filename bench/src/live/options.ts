import { parseArgs } from 'node:util';

export const USAGE = `usage: pnpm -s bench:live [--quick] [--seconds N] [--json] [--write]

  --quick      50 viewers over TCP and 20 over UDP for 16 s, instead of 500 and 200 for 30 s
  --seconds N  how long they watch
  --json       the report goes to standard error, one line of JSON to standard output
  --write      also writes bench/results/live.{md,json,svg}`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Options {
  readonly tcp: number;
  readonly udp: number;
  readonly seconds: number;
  readonly json: boolean;
  readonly write: boolean;
  /** The command that does the same again. */
  readonly command: string;
}

const LEAST_SECONDS = 16;
const MOST_SECONDS = 600;

/** @returns 'help' when that was asked for. @throws UsageError */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const values = readFlags(args);
  if (values.help === true) return 'help';
  const isQuick = values.quick === true;
  const seconds = Number(values.seconds ?? (isQuick ? LEAST_SECONDS : 30));
  if (!(Number.isInteger(seconds) && seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS))
    throw new UsageError(`--seconds: from ${LEAST_SECONDS} to ${MOST_SECONDS}`);
  return {
    tcp: isQuick ? 50 : 500,
    udp: isQuick ? 20 : 200,
    seconds,
    json: values.json === true,
    write: values.write === true,
    command: ['pnpm -s bench:live', ...args].join(' '),
  };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        seconds: { type: 'string' },
        json: { type: 'boolean' },
        write: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n\n${USAGE}`, { cause });
  }
}
