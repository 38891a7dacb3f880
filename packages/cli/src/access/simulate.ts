import { adviseSizes } from '@forebay/simulator';
import { ConfigError } from '../config-error.js';
import { progressLine } from '../progress.js';
import { parseBytes } from '../quantity.js';
import { complaintText } from './request-log.js';
import { openLogFile, simulatePolicies } from './simulation.js';
import { simulationObject, simulationText, type Simulation } from './simulation-report.js';

export interface SimulateFlags {
  readonly sizes: string;
  readonly policies?: string | undefined;
  readonly json?: true | undefined;
}

const MOST_SIZES = 32;
const MOST_POLICIES = 32;

/**
 * Says what caches of several sizes would have done for a log, and which size is enough.
 *
 * @throws ConfigError for sizes and policies that are none; RequestLogError for a log of no use
 */
export async function simulate(path: string, flags: SimulateFlags): Promise<void> {
  const sizesBytes = parseSizes(flags.sizes);
  const policies = list(flags.policies ?? '', '--policies', MOST_POLICIES);
  const progress = progressLine();
  progress.show(`reading ${path}`);
  const log = await openLogFile(path);
  try {
    progress.end();
    process.stderr.write(complaintText(path, log.survey));
    const { workload } = log;
    progress.show(`simulating ${workload.segment.length} segments asked for, at ${sizesBytes.length} sizes`);
    const sizes = adviseSizes(workload, sizesBytes);
    const runs = policies.length * sizesBytes.length;
    const show = (done: number): void => progress.show(`other policies: ${done} of ${runs} runs`);
    const others = policies.length === 0 ? [] : await simulatePolicies(log, sizesBytes, policies, show);
    progress.end();
    const simulation: Simulation = { path, survey: log.survey, workload, sizes, others };
    process.stdout.write(
      flags.json
        ? `${JSON.stringify(simulationObject(simulation), undefined, 2)}\n`
        : simulationText(simulation),
    );
  } finally {
    progress.end();
    await log.close();
  }
}

/** Ascending, each once. @throws ConfigError */
function parseSizes(text: string): number[] {
  const sizes = list(text, '--sizes', MOST_SIZES).map((size) => {
    try {
      return parseBytes(size);
    } catch (error) {
      throw new ConfigError('--sizes', (error as Error).message, { cause: error });
    }
  });
  if (sizes.length === 0 || sizes.includes(0))
    throw new ConfigError('--sizes', 'give sizes such as 1GB,5GB,20GB');
  return [...new Set(sizes)].sort((a, b) => a - b);
}

function list(text: string, key: string, most: number): string[] {
  const items = [...new Set(text.split(',').map((item) => item.trim()))].filter((item) => item !== '');
  if (items.length > most) throw new ConfigError(key, `at most ${most}`);
  return items;
}
