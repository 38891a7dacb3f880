import { formatJson, interruption, type Outcome, runBenchmark } from '../command.js';
import { currentLoad, describeMachine, watchStolen } from '../report/machine.js';
import { Progress } from '../report/progress.js';
import { CROWD_TRANSPORTS } from './crowd.js';
import { measureDisk } from './disk.js';
import { findCapacity, measureMemory, measureStartup } from './extremes.js';
import { playScene } from './measure.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { relayLine, relayMarkdown, relayObject, relayPlot, type Run } from './report.js';
import { type Scene, SCENES, TRANSPORT_LABELS } from './scenes.js';
import { setStage, type Stage } from './stage.js';
import { measureTls } from './tls.js';

/** Viewers of the ramp: the goal and its neighbours, or all the way. */
const COUNTS = {
  quick: { tcp: [1500, 3000], udp: [750, 1500], 'udp-gro': [1500] },
  full: {
    tcp: [1000, 2000, 3000, 4000, 5000],
    udp: [500, 1000, 1500, 2000, 3000],
    'udp-gro': [1000, 1500, 2000, 3000],
  },
} as const;
const SESSIONS = 2000;
const OTHERS = 500;
const STARTS = { quick: 100, full: 400 } as const;

async function perform(o: Options): Promise<Outcome> {
  const machine = await describeMachine();
  const stolen = await watchStolen();
  const progress = new Progress();
  const say = (line: string): void => progress.begin(`relay: ${line}`);
  const stage = await setStage(say);
  try {
    const measured = await Promise.race([measureAll(stage, o, say), interruption()]);
    const endedAt = new Date().toISOString();
    return outcomeOf({
      ...measured,
      command: o.command,
      endedAt,
      machine,
      loadAtEnd: currentLoad(),
      stolen: await stolen(),
    });
  } finally {
    await stage.close();
    progress.end();
  }
}

async function measureAll(stage: Stage, o: Options, say: (line: string) => void) {
  const size = o.isQuick ? 'quick' : 'full';
  const run: Pick<Run, 'trials' | 'loads' | 'memory' | 'startup' | 'disk' | 'tls'> = {
    trials: [],
    loads: [],
    memory: undefined,
    startup: undefined,
    disk: undefined,
    tls: undefined,
  };
  const { trials, loads } = run;
  if (o.parts.has('memory')) {
    // First, while the heap is as small as in a proxy that was just started.
    say(`memory of ${SESSIONS} sessions`);
    run.memory = await measureMemory(stage, SESSIONS);
  }
  for (let round = 1; round <= o.rounds; round++) {
    for (const scene of SCENES) {
      if (!isPlayed(scene, o, round)) continue;
      say(`round ${round} of ${o.rounds}, ${scene.label}, ${scene.viewers} viewers of ${scene.kbps} kbit/s`);
      trials.push(...(await playScene(stage, scene, o)));
    }
  }
  for (const transport of o.parts.has('capacity') ? CROWD_TRANSPORTS : []) {
    const step = (viewers: number): void => say(`${viewers} viewers over ${TRANSPORT_LABELS[transport]}`);
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
  if (o.parts.has('tls')) {
    // Last, since the viewers are this process: it goes to their core.
    say('viewers over TLS');
    run.tls = await measureTls(stage, o.rounds);
  }
  return run;
}

/** What is not part of the quick run is played once. */
function isPlayed({ transport, isQuick }: Scene, o: Options, round: number): boolean {
  const isWanted = o.parts.has(transport === 'tcp' ? 'tcp' : 'udp');
  return isWanted && (isQuick || (!o.isQuick && round === 1));
}

function outcomeOf(run: Run): Outcome {
  const markdown = relayMarkdown(run);
  const files = {
    'relay.md': markdown,
    'relay.json': formatJson(relayObject(run)),
    'relay.svg': relayPlot(run),
  };
  return { markdown, line: relayLine(run), files };
}

await runBenchmark({ usage: USAGE, parse: parseOptions, perform });
