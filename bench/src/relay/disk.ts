import { type Served, serve } from './crowd.js';
import type { Stage } from './stage.js';
import { STARTS_SECONDS, USUAL_KBPS } from './titles.js';

const VIEWERS = 200;
const STALL_MS = 2000;
/** Into the window. */
const STALL_AT_MS = 1000;

/** The same viewers over a disk that works, and over one that answers nothing for a while. */
export interface DiskFigures {
  readonly viewers: number;
  readonly stallMs: number;
  /** Calls that met the stall. */
  readonly calls: number;
  readonly lateMs: Served['lateMs'];
  readonly stalledLateMs: Served['lateMs'];
  /** How late timers were at worst, milliseconds. */
  readonly lagMs: number;
  readonly stalledLagMs: number;
}

/** A proxy that keeps nothing in RAM: every viewer reads ahead from the disk, all the time. */
export async function measureDisk(stage: Stage): Promise<DiskFigures> {
  const { fromDisk, programs } = stage;
  const controls = await fromDisk.controls(`/held-${USUAL_KBPS}`);
  const times = { rampMs: 1000, settleMs: 2000, windowMs: 6000 };
  const order = {
    ...controls,
    ...times,
    viewers: VIEWERS,
    transport: 'tcp',
    startSeconds: STARTS_SECONDS,
  } as const;
  const play = async (): Promise<{ late: Served['lateMs']; lagMs: number }> => {
    await fromDisk.host.lag();
    const { lateMs } = await serve(programs.crowd, order, fromDisk.pid);
    return { late: lateMs, lagMs: (await fromDisk.host.lag()).mostMs };
  };
  await play();
  const sound = await play();
  const playing = play();
  await new Promise((resolve) => setTimeout(resolve, times.rampMs + times.settleMs + STALL_AT_MS));
  const calls = await fromDisk.host.stallDisk(STALL_MS);
  const stalled = await playing;
  return {
    viewers: VIEWERS,
    stallMs: STALL_MS,
    calls,
    lateMs: sound.late,
    stalledLateMs: stalled.late,
    lagMs: sound.lagMs,
    stalledLagMs: stalled.lagMs,
  };
}
