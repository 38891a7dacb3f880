import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { replaceWorkers } from './replace.js';
import { type Run, workersLine, workersMarkdown, workersObject, workersPlot } from './report.js';
import { SCENES, SERVERS, setStage, trial, type Trial } from './stage.js';

const RESULTS = fileURLToPath(new URL('../../../results/', import.meta.url));
const TIMES = { rampMs: 1000, settleMs: 1000, windowMs: 3000 };
const USAGE = `usage: pnpm -s bench:workers [--rounds N] [--kills N] [--json] [--write]

  --rounds N   interleaved rounds (3)
  --kills N    how often a worker is killed (5)
  --json       the report goes to standard error, one line of JSON to standard output
  --write      also writes bench/results/workers.{md,json,svg}`;

async function main(): Promise<void> {
  const args = process.argv.slice(2).filter((argument) => argument !== '--');
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '3' },
      kills: { type: 'string', default: '5' },
      json: { type: 'boolean' },
      write: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const run = await perform(Number(values.rounds), Number(values.kills), args);
  const { stdout, stderr } = process;
  (values.json === true ? stderr : stdout).write(workersMarkdown(run));
  if (values.json === true) stdout.write(`${workersLine(run)}\n`);
  if (values.write !== true) return;
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'workers.md'), workersMarkdown(run));
  await writeFile(join(RESULTS, 'workers.json'), `${JSON.stringify(workersObject(run), undefined, 2)}\n`);
  await writeFile(join(RESULTS, 'workers.svg'), workersPlot(run));
}

async function perform(rounds: number, kills: number, args: readonly string[]): Promise<Run> {
  const machine = await describeMachine();
  const progress = new Progress();
  const say = (line: string): void => progress.begin(`workers: ${line}`);
  const stage = await setStage(say);
  try {
    const trials: Trial[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const scene of SCENES) {
        say(`round ${round} of ${rounds}, ${scene.label}, ${scene.viewers} viewers`);
        for (const name of SERVERS) trials.push(await trial(stage, name, { scene, times: TIMES }));
      }
    }
    say('killing workers');
    const replacements = await replaceWorkers(stage, kills);
    const command = ['pnpm -s bench:workers', ...args].join(' ');
    return {
      command,
      endedAt: new Date().toISOString(),
      machine,
      loadAtEnd: currentLoad(),
      trials,
      replacements,
    };
  } finally {
    await stage.close();
    progress.end();
  }
}

await main();
