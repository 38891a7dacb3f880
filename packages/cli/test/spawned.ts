import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The command as it is installed. */
export const BIN = fileURLToPath(new URL('../../bin/forebay.mjs', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What `serve` is given besides, where a test does not say so itself: as `FOREBAY_TEST_WORKERS` and `FOREBAY_TEST_UDP` say. */
const GIVEN = [
  ['--workers', process.env['FOREBAY_TEST_WORKERS']],
  ['--udp-path', process.env['FOREBAY_TEST_UDP']],
] as const;

/** Runs the command to its end. The environment is `env` and nothing else. */
export async function forebay(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [BIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

export type LogLine = Readonly<Record<string, unknown>>;

/** The command while it runs. */
export interface Running {
  readonly child: ChildProcess;
  /** What it has logged so far. */
  readonly lines: readonly LogLine[];
  /** The first line with this message, now or later. */
  logged(message: string): Promise<LogLine>;
  /** Its exit code, once it has ended. */
  ended(): Promise<number | null>;
}

/** Starts the command and leaves it running; it is killed when the test ends before it does. */
export function running(
  test: { teardown(work: () => void): void },
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const given = GIVEN.flatMap(([flag, value]) =>
    args[0] !== 'serve' || value === undefined || args.includes(flag) ? [] : [flag, value],
  );
  return runningScript(test, [BIN, ...args, ...given], env);
}

/** Starts a program of ours that logs lines of JSON, and leaves it running. @param args its file, and what it is given */
export function runningScript(
  test: { teardown(work: () => void): void },
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const lines: LogLine[] = [];
  const waiting = new Map<string, (line: LogLine) => void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    const fields = JSON.parse(line) as LogLine;
    lines.push(fields);
    waiting.get(String(fields['msg']))?.(fields);
  });
  const closed = once(child, 'close');
  test.teardown(() => child.kill('SIGKILL'));
  return {
    child,
    lines,
    logged: (message) =>
      new Promise((resolve, reject) => {
        const seen = lines.find((line) => line['msg'] === message);
        if (seen !== undefined) return resolve(seen);
        waiting.set(message, resolve);
        void closed.then(() => reject(new Error(`ended without '${message}'`)));
      }),
    ended: async () => {
      await closed;
      return child.exitCode;
    },
  };
}
