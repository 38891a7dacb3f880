import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { liveLine, liveMarkdown, livePlot, type Run } from './report.js';
import { measure } from './stage.js';

const RESULTS = fileURLToPath(new URL('../../../results/', import.meta.url));

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2).filter((argument) => argument !== '--'));
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const run = await perform(options);
  const { stdout, stderr } = process;
  (options.json ? stderr : stdout).write(liveMarkdown(run));
  if (options.write) await write(run);
  if (options.json) stdout.write(`${liveLine(run)}\n`);
}

async function perform({ tcp, udp, seconds, command }: Options): Promise<Run> {
  const machine = await describeMachine();
  const progress = new Progress();
  try {
    const measured = await measure({ tcp, udp, seconds }, (line) => progress.begin(line));
    return {
      command,
      endedAt: new Date().toISOString(),
      seconds,
      machine,
      loadAtEnd: currentLoad(),
      measured,
    };
  } finally {
    progress.end();
  }
}

async function write(run: Run): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  const json = JSON.stringify(
    run,
    (_key, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(3)) : value),
    2,
  );
  await writeFile(join(RESULTS, 'live.md'), liveMarkdown(run));
  await writeFile(
    join(RESULTS, 'live.json'),
    `${json.replace(/\[[^[\]{}]*\]/g, (list) => list.replace(/\s+/g, ' '))}\n`,
  );
  await writeFile(join(RESULTS, 'live.svg'), livePlot(run));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
