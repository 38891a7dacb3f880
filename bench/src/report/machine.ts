import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const run = promisify(execFile);

/** Where and with what figures were taken. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly gstreamer: string;
  /** Of the sources; `+` behind it where files differ from it. */
  readonly commit: string;
  /** Processes that wanted a core, over the last minute. */
  readonly load: number;
}

export async function describeMachine(): Promise<Machine> {
  const [processor] = cpus();
  const [version, commit, changes] = await Promise.all([
    outputOf('gst-inspect-1.0', ['--version']),
    outputOf('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD']),
    outputOf('git', [
      '-C',
      ROOT,
      'status',
      '--porcelain',
      '--untracked-files=no',
      '--',
      'packages',
      'bench/src',
    ]),
  ]);
  return {
    processor: processor?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    gstreamer: /(\d+\.\d+\.\d+)/.exec(version)?.[1] ?? 'unknown',
    commit: commit === '' ? 'unknown' : `${commit}${changes === '' ? '' : '+'}`,
    load: currentLoad(),
  };
}

/** Processes that want a core, over the last minute. */
export function currentLoad(): number {
  return Number(loadavg()[0]!.toFixed(1));
}

/**
 * Begins to look how much of the processors the host of a virtual machine keeps for others: what was late then may not have
 * been the programs' fault. Linux, proc(5): /proc/stat, `steal`.
 * @returns says which share it was since, 0 to 1; undefined where that is not told
 */
export async function watchStolen(): Promise<() => Promise<number | undefined>> {
  const before = await processorTicks();
  return async () => {
    const after = await processorTicks();
    if (before === undefined || after === undefined) return undefined;
    return (after.stolen - before.stolen) / Math.max(1, after.all - before.all);
  };
}

/** Behind a line about load. @param share as {@link watchStolen} says it */
export function stolenText(share: number | undefined): string {
  return share === undefined
    ? ''
    : `; its host kept ${(share * 100).toFixed(1)} % of the processors for others`;
}

async function processorTicks(): Promise<{ readonly all: number; readonly stolen: number } | undefined> {
  const text = await readFile('/proc/stat', 'latin1').catch(() => '');
  const ticks = /^cpu +([\d ]+)/.exec(text)?.[1]?.split(' ').slice(0, 8).map(Number);
  const stolen = ticks?.[7];
  return stolen === undefined ? undefined : { all: ticks!.reduce((sum, each) => sum + each, 0), stolen };
}

/** Empty where the program is not there or fails. */
async function outputOf(program: string, args: readonly string[]): Promise<string> {
  return await run(program, [...args]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  );
}
