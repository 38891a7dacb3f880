import { lookup } from 'node:dns/promises';
import type { ViewerTransport } from '@forebay/rig';
import { type Credentials, parseRtspUrl } from '@forebay/rtsp';
import { playViewing, type Played } from './play.js';
import type { Plan, PlannedViewing } from './plan.js';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface CrowdOptions {
  readonly plan: Plan;
  readonly transport: ViewerTransport;
  /** Where the proxy asks viewers who they are. */
  readonly credentials: Credentials | undefined;
  /** At most so many at a time; later ones wait their turn. */
  readonly viewers: number;
  readonly zeroMs: number;
  readonly signal: AbortSignal;
}

/** What became of the viewings so far. */
export interface CrowdReport {
  readonly played: Played[];
  /** How many were not played, by reason. */
  readonly unplayed: Map<string, number>;
  /** Playing now. */
  playing: number;
  /** The most that any viewing began after its time, because all viewers were taken. */
  latestSeconds: number;
}

export function emptyReport(): CrowdReport {
  return { played: [], unplayed: new Map(), playing: 0, latestSeconds: 0 };
}

/** Plays every viewing of a plan at its time, and fills `report` as it goes. Resolves when the last has ended. */
export async function playAll(options: CrowdOptions, report: CrowdReport): Promise<void> {
  const { plan, signal, zeroMs } = options;
  const isLocal = await isLoopbackUrl(plan.viewings[0]?.url);
  const running = new Set<Promise<void>>();
  for (const [index, viewing] of plan.viewings.entries()) {
    await sleep(zeroMs + viewing.atSeconds * 1000 - performance.now(), signal);
    while (running.size >= options.viewers && !signal.aborted) await Promise.race(running);
    if (signal.aborted) break;
    const lateSeconds = (performance.now() - zeroMs) / 1000 - viewing.atSeconds;
    report.latestSeconds = Math.max(report.latestSeconds, lateSeconds);
    const localAddress = isLocal ? loopbackAddress(index) : undefined;
    const one = playOne(viewing, { ...options, localAddress }, report).finally(() => running.delete(one));
    running.add(one);
  }
  await Promise.all(running);
}

async function playOne(
  viewing: PlannedViewing,
  options: CrowdOptions & { readonly localAddress: string | undefined },
  report: CrowdReport,
): Promise<void> {
  report.playing++;
  try {
    report.played.push(await playViewing(viewing, options));
  } catch (error) {
    const reason = (error as Error).message;
    report.unplayed.set(reason, (report.unplayed.get(reason) ?? 0) + 1);
  }
  report.playing--;
}

/** On its own machine, the proxy sees each viewing come from another address, as it would in life. */
function loopbackAddress(index: number): string {
  const number = (index % 0xfe_0000) + 0x1_0001;
  return `127.${(number >> 16) & 0xff}.${(number >> 8) & 0xff}.${number & 0xff}`;
}

async function isLoopbackUrl(url: string | undefined): Promise<boolean> {
  // Only Linux takes all of 127.0.0.0/8 as its own without being told.
  if (url === undefined || process.platform !== 'linux') return false;
  const { address } = await lookup(parseRtspUrl(url).host, { family: 0 }).catch(() => ({ address: '' }));
  return address.startsWith('127.');
}

/** Resolves when the time is up or the signal comes. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, LONGEST_TIMER_MS));
    signal.addEventListener('abort', done);
  });
}
