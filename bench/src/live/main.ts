import { formatJson, type Outcome, runBenchmark } from '../command.js';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { liveLine, liveMarkdown, liveObject, livePlot, type Run } from './report.js';
import { measure, measureSettled } from './stage.js';

/** Who began a second late is up to what is on after so long. */
const SETTLE_SECONDS = 18;

async function perform({ tcp, udp, settled, seconds, workers, command }: Options): Promise<Outcome> {
  const machine = await describeMachine();
  const progress = new Progress();
  try {
    const say = (line: string): void => progress.begin(line);
    const measured = await measure({ tcp, udp, seconds, workers }, say);
    const order = { ...settled, settleSeconds: SETTLE_SECONDS, seconds, workers };
    const usual = await measureSettled(order, false, say);
    const low = await measureSettled(order, true, say);
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
  }
}

function outcomeOf(run: Run): Outcome {
  const markdown = liveMarkdown(run);
  const files = { 'live.md': markdown, 'live.json': formatJson(liveObject(run)), 'live.svg': livePlot(run) };
  return { markdown, line: liveLine(run), files };
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
