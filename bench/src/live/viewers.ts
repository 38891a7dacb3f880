import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { RigError, RigViewer, type ViewerTransport } from '@forebay/rig';
import { compare, type Row } from './rows.js';

const PER_ADDRESS = 30;
export const TIMEOUT_MS = 120_000;
const PORT_REFUSED = 461;
const MOST_TRIES = 10;
/** Viewers that are being set up at a time. */
const AT_A_TIME = 25;
/** Values of each kind that are kept for the plot. */
const SAMPLES = 400;

/** Milliseconds behind the direct viewer. */
export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
  readonly samples: readonly number[];
}

export interface Audience {
  readonly viewers: number;
  /** Viewers who got every packet from their first to their last, and that less than 2 s before the direct viewer's. */
  readonly complete: number;
  readonly packets: number;
  readonly missing: number;
  readonly addedMs: Delays;
}

/** How busy this process was: share of the time, and how late its timers were. */
export interface Busy {
  readonly utilisation: number;
  readonly lagP99Ms: number;
}

/** Watches this process. @returns what says how busy it was, and ends the watch */
export function watchBusy(): () => Busy {
  const [before, lag] = [performance.eventLoopUtilization(), monitorEventLoopDelay({ resolution: 5 })];
  lag.enable();
  return () => {
    const { utilization: utilisation } = performance.eventLoopUtilization(before);
    lag.disable();
    return { utilisation, lagP99Ms: lag.percentile(99) / 1e6 };
  };
}

let addresses = 0;

/** A proxy on the same machine refuses a port that it has itself: then another one is tried. */
export async function open(url: string, transport: ViewerTransport): Promise<RigViewer> {
  for (let tries = 1; ; tries++) {
    try {
      return await openOnce(url, transport);
    } catch (error) {
      if (!(error instanceof RigError) || error.status !== PORT_REFUSED || tries === MOST_TRIES) throw error;
    }
  }
}

async function openOnce(url: string, transport: ViewerTransport): Promise<RigViewer> {
  const number = Math.floor(addresses++ / PER_ADDRESS) + 2;
  const localAddress = `127.0.${number >>> 8}.${number & 0xff}`;
  return await RigViewer.open({ url, transport, localAddress, timeoutMs: TIMEOUT_MS });
}

export async function openMany(url: string, transport: ViewerTransport, count: number): Promise<RigViewer[]> {
  const viewers: RigViewer[] = [];
  while (viewers.length < count) {
    const more = Math.min(AT_A_TIME, count - viewers.length);
    viewers.push(...(await Promise.all(Array.from({ length: more }, () => open(url, transport)))));
  }
  return viewers;
}

/** @param viewers the streams of each. @param direct those of the direct viewer */
export function audienceOf(viewers: readonly (readonly Row[])[], direct: readonly Row[]): Audience {
  let [complete, packets, missing] = [0, 0, 0];
  const all: number[] = [];
  for (const rows of viewers) {
    const compared = rows.map((row, stream) => compare(row, direct[stream]!));
    for (const { expected, right, delaysMs } of compared) {
      packets += right;
      missing += expected - right;
      for (const ms of delaysMs) all.push(ms);
    }
    if (compared.every(({ expected, right, shortMs }) => expected === right && shortMs < 2000)) complete++;
  }
  return { viewers: viewers.length, complete, packets, missing, addedMs: delaysOf(all) };
}

function delaysOf(values: readonly number[]): Delays {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  const step = Math.max(1, Math.floor(sorted.length / SAMPLES));
  const samples = Array.from({ length: Math.min(SAMPLES, sorted.length) }, (_, i) => sorted[i * step]!);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: sorted.at(-1) ?? NaN, samples };
}
