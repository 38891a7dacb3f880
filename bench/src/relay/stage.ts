import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '@forebay/rig';
import { serve } from './crowd.js';
import { compile, type Programs } from './programs.js';
import { scheduleOf, writeSchedule } from './schedule.js';
import { Forebay, type Server, startOrigin } from './servers.js';
import { BITRATES_KBPS, FILL_MS, STARTS_SECONDS, titleOf, USUAL_KBPS } from './titles.js';

const HELD_SLACK_MS = 3000;
const WARM_UP_VIEWERS = 200;

/** What a benchmark stands on: programs, an origin, and proxies that hold every title in RAM. */
export interface Stage {
  readonly folder: string;
  readonly programs: Programs;
  /** The usual title as a file of packets. */
  readonly schedule: string;
  readonly origin: Server & { readonly url: string };
  /** Sends datagrams in batches, and over TCP. */
  readonly forebay: Forebay;
  /** The same, but for datagrams one by one. */
  readonly dgram: Forebay;
  /** Keeps nothing in RAM. */
  readonly fromDisk: Forebay;
  /** Serves over TLS, besides. */
  readonly secure: Forebay;
  close(): Promise<void>;
}

/** @param onStep told what is being done. @throws UsageError without a compiler */
export async function setStage(onStep: (line: string) => void): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-relay-'));
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const each of open.toReversed()) await each.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    onStep('programs and packets');
    const programs = await compile(folder);
    const schedule = join(folder, 'schedule');
    await writeSchedule(schedule, scheduleOf(titleOf(USUAL_KBPS)));
    const origin = await startOrigin('beside');
    open.push(origin);
    const forebay = await Forebay.start(folder, origin.url, { udpPath: 'auto' });
    open.push(forebay);
    const dgram = await Forebay.start(folder, origin.url, { udpPath: 'dgram' });
    open.push(dgram);
    const fromDisk = await Forebay.start(folder, origin.url, { ramBytes: 1 });
    open.push(fromDisk);
    const secure = await Forebay.start(folder, origin.url, { tls: await makeCertificate('relay.bench') });
    open.push(secure);
    onStep(`playing the titles once, ${FILL_MS / 1000} s, so that they are held`);
    await Promise.all([forebay, dgram, fromDisk, secure].map((proxy) => fill(proxy, programs.crowd)));
    onStep('a little of everything, which does not count');
    for (const proxy of [forebay, dgram]) await warmUp(proxy, programs.crowd);
    return { folder, programs, schedule, origin, forebay, dgram, fromDisk, secure, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One viewer of each title, from its beginning to its end. */
async function fill(proxy: Forebay, crowd: string): Promise<void> {
  await Promise.all(
    BITRATES_KBPS.map(async (kbps) => {
      const controls = await proxy.controls(`/held-${kbps}`);
      const times = { rampMs: 0, settleMs: 0, windowMs: FILL_MS + HELD_SLACK_MS };
      const order = { ...controls, ...times, transport: 'tcp', viewers: 1, startSeconds: [0, 0] } as const;
      await serve(crowd, order, proxy.pid);
    }),
  );
}

/** So that what is measured is compiled code. */
async function warmUp(proxy: Forebay, crowd: string): Promise<void> {
  const times = { rampMs: 500, settleMs: 500, windowMs: 2000, viewers: WARM_UP_VIEWERS };
  for (const path of [`/held-${USUAL_KBPS}`, '/live']) {
    const controls = await proxy.controls(path);
    const startSeconds = path === '/live' ? undefined : STARTS_SECONDS;
    for (const transport of ['tcp', 'udp'] as const)
      await serve(crowd, { ...controls, ...times, transport, startSeconds }, proxy.pid);
  }
}
