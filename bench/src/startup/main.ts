import { formatJson, interruption, type Outcome, runBenchmark, UsageError } from '../command.js';
import { prerequisites } from '@forebay/rig';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { measure } from './measure.js';
import { parseOptions, USAGE, type Options } from './options.js';
import { type Run, startupLine, startupMarkdown, startupObject, startupPlot } from './report.js';
import { Stage } from './stage.js';

async function perform(options: Options): Promise<Outcome> {
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new UsageError(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  return outcomeOf(await measured(options));
}

async function measured(options: Options): Promise<Run> {
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

async function openStage({ clip, roundTripMs }: Options): Promise<Stage> {
  try {
    return await Stage.set({ clip, roundTripMs });
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function outcomeOf(run: Run): Outcome {
  const markdown = startupMarkdown(run);
  const files = {
    'startup.md': markdown,
    'startup.json': formatJson(startupObject(run)),
    'startup.svg': startupPlot(run),
  };
  return { markdown, line: startupLine(run), files };
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
