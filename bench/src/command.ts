import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, type ParseArgsConfig } from 'node:util';

const RESULTS = fileURLToPath(new URL('../../results/', import.meta.url));

/** The command line is wrong, or something is missing: told without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

class Interrupted extends Error {}

/** A run, to be shown and kept. */
export interface Outcome {
  readonly markdown: string;
  /** The same in one line of JSON. */
  readonly line: string;
  /** What `--write` puts into bench/results, by file name. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Benchmark<Options extends { readonly json: boolean; readonly write: boolean }> {
  readonly usage: string;
  /** @returns 'help' when that was asked for. @throws UsageError */
  parse(args: readonly string[]): Options | 'help';
  perform(options: Options): Promise<Outcome>;
}

/** Runs a benchmark with the arguments of the process. Ctrl-C ends it with exit code 130. */
export async function runBenchmark<Options extends { readonly json: boolean; readonly write: boolean }>(
  benchmark: Benchmark<Options>,
): Promise<void> {
  try {
    const options = benchmark.parse(process.argv.slice(2).filter((argument) => argument !== '--'));
    if (options === 'help') process.stdout.write(`${benchmark.usage}\n`);
    else await show(await benchmark.perform(options), options);
  } catch (error) {
    if (error instanceof Interrupted) process.exit(130);
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}

/** @throws an error that ends {@link runBenchmark}, on Ctrl-C, so that everything is cleaned up before the process ends */
export async function interruption(): Promise<never> {
  await once(process, 'SIGINT');
  throw new Interrupted();
}

/** @throws UsageError where an argument is none of `options` */
export function readFlags<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  usage: string,
): ReturnType<typeof parseArgs<{ args: string[]; options: Options }>>['values'] {
  try {
    return parseArgs<{ args: string[]; options: Options }>({ args: [...args], options }).values;
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n\n${usage}`, { cause });
  }
}

/** @throws UsageError where `text` is no whole number from `least` to `most` */
export function wholeNumber(
  flag: string,
  text: string,
  { least, most }: { least: number; most: number },
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`${flag}: a whole number from ${least} to ${most}, not ${text}`);
}

/** For people who read the file: lists of plain values in one line each. */
export function formatJson(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  return `${text.replace(/\[[^[\]{}]*\]/g, (list) => list.replace(/\s+/g, ' '))}\n`;
}

async function show(outcome: Outcome, { json, write }: { json: boolean; write: boolean }): Promise<void> {
  const { stdout, stderr } = process;
  (json ? stderr : stdout).write(outcome.markdown);
  if (write) await keep(outcome);
  if (json) stdout.write(`${outcome.line}\n`);
}

async function keep({ files }: Outcome): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(RESULTS, name), text);
}
