import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { currentLoad, describeMachine } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { measureDisk } from './disk.js';
import { findCapacity, measureMemory, measureStartup } from './extremes.js';
import { playScene } from './measure.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { relayLine, relayMarkdown, relayObject, relayPlot, type Run } from './report.js';
import { SCENES } from './scenes.js';
import { setStage, type Stage } from './stage.js';

const RESULTS = fileURLToPath(new URL('../../../results/', import.meta.url));
/** Viewers of the ramp: the goal and its neighbours, or all the way. */
const COUNTS = {
  quick: { tcp: [1500, 3000], udp: [750, 1500] },
  full: {
    tcp: [1000, 2000, 3000, 4000, 5000],
    udp: [500, 1000, 1500, 2000, 3000],
  },
} as const;
const SESSIONS = 2000;
const OTHERS = 500;
const STARTS = { quick: 100, full: 400 } as const;

class Interrupted extends Error {}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2).filter((argument) => argument !== '--'));
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const run = await perform(options);
  const { stdout, stderr } = process;
  (options.json ? stderr : stdout).write(relayMarkdown(run));
  if (options.write) await write(run);
  if (options.json) stdout.write(`${relayLine(run)}\n`);
}

async function perform(o: Options): Promise<Run> {
  const machine = await describeMachine();
  const progress = new Progress();
  const say = (line: string): void => progress.begin(`relay: ${line}`);
  const stage = await setStage(say);
  try {
    const measured = await Promise.race([measureAll(stage, o, say), interruption()]);
    const endedAt = new Date().toISOString();
    return { ...measured, command: o.command, endedAt, machine, loadAtEnd: currentLoad() };
  } finally {
    await stage.close();
    progress.end();
  }
}

async function measureAll(stage: Stage, o: Options, say: (line: string) => void) {
  const size = o.isQuick ? 'quick' : 'full';
  const run: Pick<Run, 'trials' | 'loads' | 'memory' | 'startup' | 'disk'> = {
    trials: [],
    loads: [],
    memory: undefined,
    startup: undefined,
    disk: undefined,
  };
  const { trials, loads } = run;
  if (o.parts.has('memory')) {
    // First, while the heap is as small as in a proxy that was just started.
    say(`memory of ${SESSIONS} sessions`);
    run.memory = await measureMemory(stage, SESSIONS);
  }
  for (let round = 1; round <= o.rounds; round++) {
    for (const scene of SCENES) {
      if (!o.parts.has(scene.transport) || (!scene.isQuick && (o.isQuick || round > 1))) continue;
      say(`round ${round} of ${o.rounds}, ${scene.label}, ${scene.viewers} viewers of ${scene.kbps} kbit/s`);
      trials.push(...(await playScene(stage, scene, o)));
    }
  }
  for (const transport of o.parts.has('capacity') ? (['tcp', 'udp'] as const) : []) {
    const step = (viewers: number): void => say(`${viewers} viewers over ${transport.toUpperCase()}`);
    loads.push(...(await findCapacity(stage, transport, COUNTS[size][transport], step)));
  }
  if (o.parts.has('disk')) {
    say('a disk that answers nothing for a while');
    run.disk = await measureDisk(stage);
  }
  if (o.parts.has('startup')) {
    say(`starts while ${OTHERS} others play`);
    run.startup = await measureStartup(stage, OTHERS, STARTS[size]);
  }
  return run;
}

/** @throws Interrupted on Ctrl-C, so that everything is cleaned up before the process ends */
async function interruption(): Promise<never> {
  await once(process, 'SIGINT');
  throw new Interrupted();
}

async function write(run: Run): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'relay.md'), relayMarkdown(run));
  await writeFile(join(RESULTS, 'relay.json'), `${JSON.stringify(relayObject(run), undefined, 2)}\n`);
  await writeFile(join(RESULTS, 'relay.svg'), relayPlot(run));
}

try {
  await main();
} catch (error) {
  if (error instanceof Interrupted) process.exit(130);
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
