import { formatJson, type Outcome, readFlags, runBenchmark, wholeNumber } from '../command.js';
import { currentLoad, describeMachine, watchStolen } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { capacities, type Capacity } from './capacity.js';
import { replaceWorkers } from './replace.js';
import { type Run, workersLine, workersMarkdown, workersObject, workersPlot } from './report.js';
import { SCENES, SERVERS, setStage, trial, type Trial } from './stage.js';

const TIMES = { rampMs: 1000, settleMs: 1000, windowMs: 3000 };
/** The search takes two minutes. */
const CAPACITY_ROUNDS = 2;
const USAGE = `usage: pnpm -s bench:workers [--rounds N] [--kills N] [--json] [--write]

  --rounds N   interleaved rounds (3)
  --kills N    how often a worker is killed (5)
  --json       the report goes to standard error, one line of JSON to standard output
  --write      also writes bench/results/workers.{md,json,svg}`;

interface Options {
  readonly rounds: number;
  readonly kills: number;
  readonly json: boolean;
  readonly write: boolean;
  /** The command that does the same again. */
  readonly command: string;
}

function parseOptions(args: readonly string[]): Options | 'help' {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  const flags = {
    rounds: text,
    kills: text,
    json: flag,
    write: flag,
    help: { ...flag, short: 'h' },
  } as const;
  const { rounds = '3', kills = '5', json = false, write = false, help } = readFlags(args, flags, USAGE);
  if (help === true) return 'help';
  return {
    rounds: wholeNumber('--rounds', rounds, { least: 1, most: 100 }),
    kills: wholeNumber('--kills', kills, { least: 1, most: 1000 }),
    json,
    write,
    command: ['pnpm -s bench:workers', ...args].join(' '),
  };
}

async function perform({ rounds, kills, command }: Options): Promise<Outcome> {
  const machine = await describeMachine();
  const stolen = await watchStolen();
  const progress = new Progress();
  const say = (line: string): void => progress.begin(`workers: ${line}`);
  const stage = await setStage(say);
  try {
    const trials: Trial[] = [];
    const found: Capacity[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const scene of SCENES) {
        say(`round ${round} of ${rounds}, ${scene.label}, ${scene.viewers} viewers`);
        for (const name of SERVERS) trials.push(await trial(stage, name, { scene, times: TIMES }));
      }
      if (round <= CAPACITY_ROUNDS) found.push(...(await capacities(stage, say)));
    }
    say('killing workers');
    const replacements = await replaceWorkers(stage, kills);
    return outcomeOf({
      command,
      endedAt: new Date().toISOString(),
      machine,
      loadAtEnd: currentLoad(),
      stolen: await stolen(),
      trials,
      capacities: found,
      replacements,
    });
  } finally {
    await stage.close();
    progress.end();
  }
}

function outcomeOf(run: Run): Outcome {
  const markdown = workersMarkdown(run);
  const files = {
    'workers.md': markdown,
    'workers.json': formatJson(workersObject(run)),
    'workers.svg': workersPlot(run),
  };
  return { markdown, line: workersLine(run), files };
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
