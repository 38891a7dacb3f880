import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prerequisites } from '@forebay/rig';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { measure } from './measure.js';
import { parseOptions, USAGE, UsageError, type Options } from './options.js';
import { type Run, startupLine, startupMarkdown, startupObject, startupPlot } from './report.js';
import { Stage } from './stage.js';

const RESULTS = fileURLToPath(new URL('../../../results/', import.meta.url));

class Interrupted extends Error {}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2).filter((argument) => argument !== '--'));
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new UsageError(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  const run = await perform(options);
  const { stdout, stderr } = process;
  (options.json ? stderr : stdout).write(startupMarkdown(run));
  if (options.write) await write(run);
  if (options.json) stdout.write(`${startupLine(run)}\n`);
}

async function perform(options: Options): Promise<Run> {
  const { rounds, clip, roundTripMs, command } = options;
  const machine = await describeMachine();
  const progress = new Progress();
  progress.begin('start-up: test clips and the origin');
  const stage = await openStage(options);
  const measureAll = async (): ReturnType<typeof measure> => {
    progress.begin('start-up: playing the title once, so that the disk holds it');
    await stage.fill();
    return await measure(stage, rounds, (round, transport) => {
      const text = round > 0 ? `round ${round} of ${rounds}` : 'a round that does not count';
      progress.step(`start-up: ${text}, ${transport.toUpperCase()}`);
    });
  };
  try {
    const { measurements, failures } = await Promise.race([measureAll(), interruption()]);
    const endedAt = new Date().toISOString();
    const about = { command, endedAt, clip, roundTripMs, machine, loadAtEnd: currentLoad() };
    return { ...about, measurements, failures };
  } finally {
    await stage.close();
    progress.end();
  }
}

/** @throws Interrupted on Ctrl-C, so that everything is cleaned up before the process ends */
async function interruption(): Promise<never> {
  await once(process, 'SIGINT');
  throw new Interrupted();
}

async function openStage({ clip, roundTripMs }: Options): Promise<Stage> {
  try {
    return await Stage.set({ clip, roundTripMs });
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

async function write(run: Run): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  const json = JSON.stringify(startupObject(run), undefined, 2).replace(/\[[^[\]{}]*\]/g, (list) =>
    list.replace(/\s+/g, ' '),
  );
  await writeFile(join(RESULTS, 'startup.md'), startupMarkdown(run));
  await writeFile(join(RESULTS, 'startup.json'), `${json}\n`);
  await writeFile(join(RESULTS, 'startup.svg'), startupPlot(run));
}

try {
  await main();
} catch (error) {
  if (error instanceof Interrupted) process.exit(130);
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
