import { formatJson, type Outcome, runBenchmark, UsageError } from '../command.js';
import { prerequisites } from '@forebay/rig';
import { describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { type CountedOrigin, gstOrigin, rigOrigin } from './counted.js';
import { simulateGrid } from './grid.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { type Counted, flightsLine, flightsMarkdown, flightsPlots, type Run } from './report.js';
import { budgetOne, coldCrowd, staggered } from './scenes.js';

const TITLE_SECONDS = 60;
/** Of the title with one session: the last of ten viewers waits for two fifths of it, and line and players have limits. */
const BUDGET_TITLE_SECONDS = 40;
const CLIP = 'h264_g1.mp4';

async function perform({ quick, command }: Options): Promise<Outcome> {
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
  return outcomeOf({ command, endedAt: new Date().toISOString(), machine, counted, grid });
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

function outcomeOf(run: Run): Outcome {
  const markdown = flightsMarkdown(run);
  const plots = flightsPlots(run).map(({ name, svg }) => [name, svg] as const);
  const files = { 'flights.md': markdown, 'flights.json': formatJson(run), ...Object.fromEntries(plots) };
  return { markdown, line: flightsLine(run), files };
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
