import { type CrowdOrder, type CrowdTransport, type Seen, serve, type Served, whileIdle } from './crowd.js';
import { residentBytes } from './spent.js';
import type { Stage } from './stage.js';
import { STARTS_SECONDS, USUAL_KBPS } from './titles.js';

/** Lateness of one packet in a thousand that counts as paced. */
export const PACED_MS = 40;
/** One moment without a processor makes one packet in a thousand late: what fails once may be the machine's matter. */
export const TRIES = 3;
/** A sink busier than this may be what is late. */
const SINK_BUSY = 0.9;

/** So many viewers at once. */
export interface Load {
  readonly viewers: number;
  readonly transport: CrowdTransport;
  readonly cpu: number;
  readonly gigabits: number;
  readonly isPaced: boolean;
  readonly isSinkBusy: boolean;
  readonly served: Served;
}

/** Adds viewers of held media until they are no longer paced, however often it is tried. @param counts ascending */
export async function findCapacity(
  stage: Stage,
  transport: CrowdTransport,
  counts: readonly number[],
  onStep: (viewers: number) => void,
): Promise<Load[]> {
  const loads: Load[] = [];
  for (const viewers of counts) {
    onStep(viewers);
    let load = await loadOf(stage, transport, viewers);
    for (let tries = 1; !load.isPaced && tries < TRIES; tries++)
      load = await loadOf(stage, transport, viewers);
    loads.push(load);
    if (!load.isPaced) break;
  }
  return loads;
}

/** So many viewers saw everything in time. */
export function isPaced({ lateMs, lost, closed, playing }: Seen, viewers: number): boolean {
  return lateMs.p999 <= PACED_MS && lost === 0 && closed === 0 && playing === viewers;
}

async function loadOf(stage: Stage, transport: CrowdTransport, viewers: number): Promise<Load> {
  const times = { rampMs: 2000, settleMs: 1500, windowMs: 3000 };
  const served = await serve(
    stage.programs.crowd,
    { ...(await heldOrder(stage)), ...times, transport, viewers },
    stage.forebay.pid,
  );
  const { windowMs, bytes, sinkCpu } = served;
  return {
    viewers,
    transport,
    cpu: served.cpuNs / 1e6 / windowMs,
    gigabits: (bytes * 8) / windowMs / 1e6,
    isPaced: isPaced(served, viewers),
    isSinkBusy: sinkCpu > SINK_BUSY,
    served,
  };
}

export interface MemoryFigures {
  readonly sessions: number;
  readonly idleBytesPerSession: number;
  readonly playingBytesPerSession: number;
}

/** Resident memory of sessions over TCP, beyond what the proxy has without them, garbage collected before each look. */
export async function measureMemory(stage: Stage, sessions: number): Promise<MemoryFigures> {
  const { host, pid } = stage.forebay;
  const { crowd } = stage.programs;
  const order = { ...(await heldOrder(stage)), viewers: sessions };
  const look = async (): Promise<number> => {
    await host.collect();
    return await residentBytes(pid);
  };
  const before = await look();
  const idle = await whileIdle(crowd, order, look);
  let playing = 0;
  const playedMs = order.rampMs + order.settleMs + order.windowMs;
  const looking = new Promise((resolve) => setTimeout(resolve, playedMs)).then(async () => {
    playing = await look();
  });
  await serve(crowd, { ...order, windowMs: order.windowMs + 3000 }, pid);
  await looking;
  return {
    sessions,
    idleBytesPerSession: (idle - before) / sessions,
    playingBytesPerSession: (playing - before) / sessions,
  };
}

export interface StartupFigures {
  readonly others: number;
  readonly starts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** PLAY to first packet of viewers who come while others play. */
export async function measureStartup(stage: Stage, others: number, starts: number): Promise<StartupFigures> {
  const order = await heldOrder(stage);
  const { crowd } = stage.programs;
  const { pid } = stage.forebay;
  const crowdMs = { rampMs: 1000, settleMs: 1000, windowMs: 7000 };
  const playing = serve(crowd, { ...order, ...crowdMs, viewers: others }, pid);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const newcomers = { rampMs: 4000, settleMs: 500, windowMs: 500 };
  const { startupMs } = await serve(crowd, { ...order, ...newcomers, viewers: starts }, pid);
  await playing;
  return { others, starts, p50Ms: startupMs.p50, p99Ms: startupMs.p99 };
}

async function heldOrder(stage: Stage): Promise<CrowdOrder> {
  const controls = await stage.forebay.controls(`/held-${USUAL_KBPS}`);
  const times = { rampMs: 2000, settleMs: 1000, windowMs: 2000 };
  return { ...controls, ...times, transport: 'tcp', viewers: 1, startSeconds: STARTS_SECONDS };
}
