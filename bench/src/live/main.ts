import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatJson, type Outcome, runBenchmark } from '../command.js';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { compile } from '../relay/programs.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { liveLine, liveMarkdown, liveObject, livePlot, type Run } from './report.js';
import { measure, measureSettled } from './stage.js';

/** @throws UsageError without a C compiler */
async function perform({ tcp, udp, settled, seconds, workers, command }: Options): Promise<Outcome> {
  const machine = await describeMachine();
  const progress = new Progress();
  const folder = await mkdtemp(join(tmpdir(), 'forebay-bench-live-'));
  try {
    const programs = await compile(folder);
    const say = (line: string): void => progress.begin(line);
    const measured = await measure({ tcp, udp, seconds, workers }, say);
    const order = { ...settled, seconds, workers };
    const usual = await measureSettled(programs.crowd, { ...order, lowLatency: false }, say);
    const low = await measureSettled(programs.crowd, { ...order, lowLatency: true }, say);
    return outcomeOf({
      command,
      endedAt: new Date().toISOString(),
      seconds,
      machine,
      loadAtEnd: currentLoad(),
      measured,
      settled: { usual, low },
    });
  } finally {
    progress.end();
    await rm(folder, { recursive: true, force: true });
  }
}

function outcomeOf(run: Run): Outcome {
  const markdown = liveMarkdown(run);
  const files = { 'live.md': markdown, 'live.json': formatJson(liveObject(run)), 'live.svg': livePlot(run) };
  return { markdown, line: liveLine(run), files };
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
