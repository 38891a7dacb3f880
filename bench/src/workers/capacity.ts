import { isPaced, TRIES } from '../relay/extremes.js';
import { Quotas } from './quota.js';
import { pidsOf, type Scene, SCENES, SERVERS, type ServerName, type Stage, trial, WORKERS } from './stage.js';

/** Of a core, that each process of a proxy gets: three of them leave some of theirs, the viewers have another. */
export const SHARE = 0.25;
/** Where the search begins and ends, viewers a process that serves. */
const [LEAST, MOST] = [100, 1000] as const;
const STEP = 1.06;
const TIMES = { rampMs: 1500, settleMs: 1000, windowMs: 2500 };
const CAPACITY_SCENES = SCENES.filter(({ transport }) => transport === 'tcp');

/** How many viewers one proxy served at once, paced, with so much of a core for each of its processes. */
export interface Capacity {
  readonly scene: string;
  readonly server: ServerName;
  readonly viewers: number;
  /** Share of their core that the viewers used then. */
  readonly sinkCpu: number;
}

/** @returns nothing where the machine does not let us bound processes */
export async function capacities(stage: Stage, say: (line: string) => void): Promise<Capacity[]> {
  if (!(await Quotas.areAllowed())) return [];
  const found: Capacity[] = [];
  for (const scene of CAPACITY_SCENES) {
    for (const name of SERVERS) {
      const quotas = new Quotas(SHARE);
      try {
        await quotas.bind(await pidsOf(stage, name));
        found.push(await capacityOf(stage, name, { scene, say }));
      } finally {
        await quotas.release();
      }
    }
  }
  return found;
}

/** Halves the distance between what was served and what was not, down to one step of 6 %. */
async function capacityOf(
  stage: Stage,
  server: ServerName,
  { scene, say }: { readonly scene: Scene; readonly say: (line: string) => void },
): Promise<Capacity> {
  const viewersAt = (step: number): number => Math.round(LEAST * STEP ** step);
  let best: Capacity = { scene: scene.name, server, viewers: 0, sinkCpu: 0 };
  let [low, high] = [-1, Math.ceil(Math.log(MOST / LEAST) / Math.log(STEP))];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const viewers = viewersAt(middle);
    say(`how many: ${scene.label}, ${viewers * WORKERS[server]} viewers`);
    const cpu = await sinkCpuWhenPaced(stage, server, { ...scene, viewers });
    if (cpu === undefined) high = middle;
    else {
      low = middle;
      best = { ...best, viewers: viewers * WORKERS[server], sinkCpu: cpu };
    }
  }
  return best;
}

/** @returns share of their core that the viewers used; undefined when they were late every time that it was tried */
async function sinkCpuWhenPaced(stage: Stage, server: ServerName, scene: Scene): Promise<number | undefined> {
  for (let i = 0; i < TRIES; i++) {
    const { seen } = await trial(stage, server, { scene, times: TIMES });
    if (isPaced(seen, scene.viewers * WORKERS[server])) return seen.sinkCpu;
  }
  return undefined;
}
