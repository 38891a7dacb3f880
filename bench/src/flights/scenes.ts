import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RigError, RigViewer } from '@forebay/rig';
import { ProxyHost, type ProxySettings } from '../proxy/host.js';
import type { CountedOrigin, Counts } from './counted.js';

const HOST = '127.0.0.1';
const SEGMENT_SECONDS = 4;
const SETTLE_MS = 3000;
const SLACK_MS = 120_000;
const PEOPLE = 10;

/** What one scene took of its origin. */
export interface Outcome {
  readonly viewers: number;
  /** Viewers that got to the end, without a hole in what they were sent. */
  readonly played: number;
  readonly describes: number;
  readonly originSessions: number;
  readonly originBytesPerTitleByte: number;
  /** Of each viewer in the order of their positions: from PLAY to its answer. */
  readonly waitsSeconds: readonly number[];
}

interface Theatre {
  readonly origin: CountedOrigin;
  readonly url: string;
}

/** As many viewers as `viewers` ask for a title that nobody holds, at once. */
export async function coldCrowd(origin: CountedOrigin, viewers = 200): Promise<Outcome> {
  return await inTheatre(origin, {}, async (theatre) => {
    const starts = Array.from({ length: viewers }, () => ({ afterMs: 0, atSeconds: 0 }));
    return await counted(theatre, starts);
  });
}

/** A viewer every twelfth of the title's length, while it plays for the first one. */
export async function staggered(origin: CountedOrigin): Promise<Outcome> {
  return await inTheatre(origin, {}, async (theatre) => {
    const stepMs = (origin.seconds * 1000) / 12;
    const starts = Array.from({ length: 13 }, (_, i) => ({ afterMs: i * stepMs, atSeconds: 0 }));
    return await counted(theatre, starts);
  });
}

/** One session, a title whose first half is held, ten viewers at ten positions. */
export async function budgetOne(origin: CountedOrigin): Promise<Outcome> {
  return await inTheatre(origin, { maxSessions: 1 }, async (theatre, directory, reopen) => {
    origin.hurry(true);
    await fill(theatre);
    origin.hurry(false);
    await forgetFrom(directory, Math.floor(origin.seconds / 2 / SEGMENT_SECONDS));
    const held = { origin, url: await reopen() };
    const starts = Array.from({ length: PEOPLE }, (_, i) => ({
      afterMs: 0,
      atSeconds: (i * origin.seconds) / PEOPLE,
    }));
    return await counted(held, starts);
  });
}

async function inTheatre<T>(
  origin: CountedOrigin,
  settings: ProxySettings,
  act: (theatre: Theatre, directory: string, reopen: () => Promise<string>) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'forebay-flights-'));
  const host = ProxyHost.start();
  const open = async (): Promise<string> => {
    const port = await host.open(directory, origin.url, settings);
    return `rtsp://${HOST}:${port}${origin.path}`;
  };
  try {
    return await act({ origin, url: await open() }, directory, async () => {
      await host.close();
      return await open();
    });
  } finally {
    await host.end();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Start {
  readonly afterMs: number;
  readonly atSeconds: number;
}

async function counted(theatre: Theatre, starts: readonly Start[]): Promise<Outcome> {
  const { origin } = theatre;
  const before = origin.counts();
  const seen = await Promise.all(starts.map((start, i) => watch(theatre, start, i)));
  await delay(SETTLE_MS);
  const after = origin.counts();
  const took = (key: keyof Counts): number => after[key] - before[key];
  return {
    viewers: starts.length,
    played: seen.filter(({ isWhole }) => isWhole).length,
    describes: took('describes'),
    originSessions: took('sessions'),
    originBytesPerTitleByte: took('bytes') / origin.titleBytes,
    waitsSeconds: seen.map(({ waitSeconds }) => waitSeconds),
  };
}

/** One viewer from an address of its own: the proxy has limits for each. */
async function watch(
  { origin, url }: Theatre,
  { afterMs, atSeconds }: Start,
  number: number,
): Promise<{ isWhole: boolean; waitSeconds: number }> {
  await delay(afterMs);
  const localAddress = `127.1.${number >>> 8}.${(number & 0xff) + 1}`;
  const viewer = await RigViewer.connect({ url, transport: 'tcp', timeoutMs: SLACK_MS, localAddress });
  try {
    await viewer.describe();
    await viewer.setup();
    const askedMs = performance.now();
    const { startSeconds = 0 } = await viewer.play({ range: `npt=${atSeconds}-` });
    const waitSeconds = (performance.now() - askedMs) / 1000;
    await viewer.ended({ timeoutMs: origin.seconds * 1000 + SLACK_MS });
    const { sequenceGaps, timestampGaps } = viewer.continuity();
    const units = viewer.accessUnits(0, { parameterSets: false });
    const [first, last] = [units[0], units.at(-1)];
    const rate = viewer.recording(0).stream.clockRate;
    const seconds = first === undefined ? 0 : (last!.timestampTicks - first.timestampTicks) / rate;
    const isWhole =
      sequenceGaps === 0 && timestampGaps === 0 && startSeconds + seconds > origin.seconds - 0.5;
    return { isWhole, waitSeconds };
  } catch (error) {
    if (!(error instanceof RigError)) throw error;
    process.stderr.write(`\nviewer ${number}, at ${atSeconds} s: ${error.message}\n`);
    return { isWhole: false, waitSeconds: NaN };
  } finally {
    await viewer.close();
  }
}

/** One viewer comes and stays until the origin has sent everything and the proxy has kept it. */
async function fill({ origin, url }: Theatre): Promise<void> {
  const viewer = await RigViewer.open({ url, transport: 'tcp', timeoutMs: SLACK_MS });
  try {
    const wanted = origin.counts().bytes + 0.99 * origin.titleBytes;
    await viewer.play({ range: 'npt=0-' });
    const isSent = (): boolean => origin.counts().bytes >= wanted;
    await viewer.until(isSent, { timeoutMs: SLACK_MS, what: 'the whole title' });
    await delay(SETTLE_MS);
  } finally {
    await viewer.close();
  }
}

async function forgetFrom(directory: string, cell: number): Promise<void> {
  for (const name of await readdir(directory, { recursive: true })) {
    const index = /(?:^|\/)(\d+)-[^/]*\.seg$/.exec(name)?.[1];
    if (index !== undefined && Number(index) >= cell) await rm(join(directory, name));
  }
}
