import { spawn } from 'node:child_process';
import { RigError } from '../errors.js';

/** Of each output; more is thrown away. */
const MAX_OUTPUT_BYTES = 64 << 20;

export interface ToolRun {
  /** Null when it was killed. */
  readonly exitCode: number | null;
  /** Of file descriptors 1, 2 and, where asked for, 3. */
  readonly outputs: readonly [stdout: string, stderr: string, third: string];
  readonly wallMs: number;
}

export interface ToolOptions {
  readonly timeoutMs: number;
  /** A third output on file descriptor 3. */
  readonly third?: boolean;
  readonly cwd?: string;
}

/**
 * Runs a program to its end, its standard input closed; kills it when it takes too long.
 * @throws RigError `tool` where it cannot be started, `timeout` where it had to be killed
 */
export async function runTool(tool: string, args: readonly string[], options: ToolOptions): Promise<ToolRun> {
  const startMs = performance.now();
  const stdio = ['ignore', 'pipe', 'pipe', ...(options.third === true ? ['pipe' as const] : [])] as const;
  const child = spawn(tool, args, {
    stdio: [...stdio],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const outputs: [string, string, string] = ['', '', ''];
  child.stdio.slice(1).forEach((pipe, i) => {
    pipe?.on('data', (chunk: Buffer) => {
      if (outputs[i]!.length < MAX_OUTPUT_BYTES) outputs[i] += chunk.toString('latin1');
    });
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, options.timeoutMs);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) => reject(new RigError('tool', tool, { cause })));
    child.once('close', resolve);
  }).finally(() => clearTimeout(timer));
  if (isLate) throw new RigError('timeout', `${tool} ${args.join(' ')}: ${outputs[1].slice(-500)}`);
  return { exitCode, outputs, wallMs: performance.now() - startMs };
}
