import { readFlags, UsageError, wholeNumber } from '../command.js';

export const USAGE = `usage: pnpm -s bench:relay [--quick] [--rounds N] [--only PART]... [--json] [--write] [--peer COMMAND --peer-url URL]

  --quick              one round, short windows, no ramp past what the goals ask for
  --rounds N           rounds of everything that is compared (2)
  --only PART          tcp, udp, capacity, memory, startup, disk or tls; may be given more than once
  --json               the report goes to standard error, one line of JSON to standard output
  --write              also writes bench/results/relay.{md,json,svg}
  --peer COMMAND       another relay or server, begun by a shell; {origin} becomes the URL of the live title
  --peer-url URL       what viewers play of it`;

const PARTS = ['tcp', 'udp', 'capacity', 'memory', 'startup', 'disk', 'tls'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly parts: ReadonlySet<Part>;
  readonly json: boolean;
  readonly write: boolean;
  readonly peer: { readonly command: string; readonly url: string } | undefined;
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
      only: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      write: { type: 'boolean' },
      peer: { type: 'string' },
      'peer-url': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
    USAGE,
  );
  if (values.help === true) return 'help';
  const isQuick = values.quick === true;
  const rounds = values.rounds ?? (isQuick ? '1' : '2');
  const { peer, 'peer-url': url } = values;
  if ((peer === undefined) !== (url === undefined))
    throw new UsageError('--peer and --peer-url: give both or neither');
  return {
    isQuick,
    rounds: wholeNumber('--rounds', rounds, { least: 1, most: 100 }),
    parts: new Set((values.only ?? PARTS).map(partOf)),
    json: values.json === true,
    write: values.write === true,
    peer: peer === undefined || url === undefined ? undefined : { command: peer, url },
    command: ['pnpm -s bench:relay', ...args.map(quoted)].join(' '),
  };
}

function partOf(text: string): Part {
  const part = PARTS.find((each) => each === text);
  if (part === undefined) throw new UsageError(`--only: one of ${PARTS.join(', ')}, not ${text}`);
  return part;
}

function quoted(argument: string): string {
  return /^[\w./:=-]+$/.test(argument) ? argument : `'${argument}'`;
}
