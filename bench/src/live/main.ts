import { formatJson, type Outcome, runBenchmark } from '../command.js';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { liveLine, liveMarkdown, liveObject, livePlot, type Run } from './report.js';
import { measure } from './stage.js';

async function perform({ tcp, udp, seconds, command }: Options): Promise<Outcome> {
  const machine = await describeMachine();
  const progress = new Progress();
  try {
    const measured = await measure({ tcp, udp, seconds }, (line) => progress.begin(line));
    return outcomeOf({
      command,
      endedAt: new Date().toISOString(),
      seconds,
      machine,
      loadAtEnd: currentLoad(),
      measured,
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
