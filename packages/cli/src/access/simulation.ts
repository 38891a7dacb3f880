import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLog, runCommand, UsageError, type Workload } from '@forebay/simulator';
import { z } from 'zod';
import { ConfigError } from '../config-error.js';
import { cleanLog, surveyLog, type LogSurvey } from './request-log.js';

/** A log, ready to be simulated. */
export interface OpenedLog {
  readonly survey: LogSurvey;
  readonly workload: Workload;
  /** Without the lines that cannot be read. */
  readonly path: string;
  close(): Promise<void>;
}

/** Reads a log for the simulator, without the lines that cannot be read. @throws RequestLogError */
export async function openLogFile(path: string): Promise<OpenedLog> {
  const survey = await surveyLog(path);
  const folder = survey.skipped === 0 ? undefined : await mkdtemp(join(tmpdir(), 'forebay-log-'));
  const close = async (): Promise<void> => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    const clean = folder === undefined ? path : join(folder, 'log.csv');
    if (folder !== undefined) await cleanLog(path, clean);
    return { survey, workload: await readLog(clean), path: clean, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Bytes that hold everything a log asks for. */
export function footprintBytes(workload: Workload): number {
  return workload.footprint * workload.segmentBytes;
}

/** What a policy would have done. */
export interface PolicyRow {
  readonly policy: string;
  readonly capacityBytes: number;
  readonly byteHitRatio: number;
  readonly startHitRatio: number;
}

const ROWS = z.object({
  rows: z.array(
    z.object({
      policy: z.string(),
      size: z.number(),
      byteHitRatio: z.number(),
      startHitRatio: z.number(),
    }),
  ),
});

/**
 * The same for other policies.
 *
 * @param onRow called after each, with how many are done
 * @throws ConfigError for a policy that does not exist
 */
export async function simulatePolicies(
  log: OpenedLog,
  sizesBytes: readonly number[],
  policies: readonly string[],
  onRow: (done: number) => void,
): Promise<PolicyRow[]> {
  const all = footprintBytes(log.workload);
  const shares = sizesBytes.map((bytes) => Math.min(1, bytes / all));
  const lines: string[] = [];
  const args = [
    '--trace',
    log.path,
    '--sizes',
    [...new Set(shares)].join(','),
    '--policies',
    policies.join(','),
  ];
  const isRow = (line: string): boolean => policies.includes(line.split(' ', 1)[0] ?? '');
  const note = (line: string): void => {
    lines.push(line);
    if (isRow(line)) onRow(lines.filter(isRow).length);
  };
  try {
    await runCommand([...args, '--json'], note);
  } catch (error) {
    if (error instanceof UsageError)
      throw new ConfigError('--policies', error.message.replace(/^--\w+: /, ''));
    throw error;
  }
  const { rows } = ROWS.parse(JSON.parse(lines.at(-1) ?? ''));
  return shares.flatMap((share, i) =>
    rows
      .filter((row) => row.size === share)
      .map(({ policy, byteHitRatio, startHitRatio }) => ({
        policy,
        capacityBytes: sizesBytes[i]!,
        byteHitRatio,
        startHitRatio,
      })),
  );
}
