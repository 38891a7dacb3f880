import { execFile } from 'node:child_process';
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

/** Empty where the program is not there or fails. */
async function outputOf(program: string, args: readonly string[]): Promise<string> {
  return await run(program, [...args]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  );
}
