import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prerequisites } from '@forebay/rig';
import { describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { type CountedOrigin, gstOrigin, rigOrigin } from './counted.js';
import { simulateGrid } from './grid.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { type Counted, flightsLine, flightsMarkdown, flightsPlots, type Run } from './report.js';
import { budgetOne, coldCrowd, staggered } from './scenes.js';

const RESULTS = fileURLToPath(new URL('../../../results/', import.meta.url));
const TITLE_SECONDS = 60;
/** Of the title with one session: the last of ten viewers waits for two fifths of it, and line and players have limits. */
const BUDGET_TITLE_SECONDS = 40;
const CLIP = 'h264_g1.mp4';

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2).filter((argument) => argument !== '--'));
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const run = await perform(options);
  const { stdout, stderr } = process;
  (options.json ? stderr : stdout).write(flightsMarkdown(run));
  if (options.write) await write(run);
  stdout.write(`${flightsLine(run)}\n`);
}

async function perform({ quick, command }: Options): Promise<Run> {
  if (!quick) {
    const { missing, install } = await prerequisites();
    if (install !== undefined)
      throw new UsageError(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  }
  const machine = await describeMachine();
  const progress = new Progress();
  const counted: Counted[] = [];
  progress.begin('flights: three scenes at our own origin, two and a half minutes');
  counted.push(
    await countAt(
      () => rigOrigin(TITLE_SECONDS),
      () => rigOrigin(BUDGET_TITLE_SECONDS),
    ),
  );
  let grid: Run['grid'] = [];
  if (!quick) {
    progress.begin("flights: the same at GStreamer's server, with a clip");
    counted.push(await countAt(() => gstOrigin(CLIP)));
    progress.begin('flights: the simulation');
    grid = await simulateGrid((done, of) => progress.step(`flights: point ${done + 1} of ${of}`));
  }
  progress.end();
  return { command, endedAt: new Date().toISOString(), machine, counted, grid };
}

/** The three scenes, each at an origin of its own, side by side: nothing in them is a matter of speed. */
async function countAt(
  start: () => Promise<CountedOrigin>,
  startForBudget: () => Promise<CountedOrigin> = start,
): Promise<Counted> {
  const origins = await Promise.all([start(), start(), startForBudget()]);
  const [forCrowd, forStaggered, forBudget] = origins;
  try {
    const [crowd, late, budget] = await Promise.all([
      coldCrowd(forCrowd),
      staggered(forStaggered),
      budgetOne(forBudget),
    ]);
    return {
      origin: forCrowd.name,
      titleSeconds: forCrowd.seconds,
      budgetTitleSeconds: forBudget.seconds,
      coldCrowd: crowd,
      staggered: late,
      budgetOne: budget,
    };
  } finally {
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

async function write(run: Run): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  const { counted, grid, ...about } = run;
  await writeFile(join(RESULTS, 'flights.md'), flightsMarkdown(run));
  await writeFile(
    join(RESULTS, 'flights.json'),
    `${JSON.stringify({ ...about, counted, grid }, undefined, 2)}\n`,
  );
  for (const { name, svg } of flightsPlots(run)) await writeFile(join(RESULTS, name), svg);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
