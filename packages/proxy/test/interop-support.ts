import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DelayRelay,
  ensureMedia,
  ffmpegHashes,
  GstOrigin,
  gstPlay,
  prerequisites,
  RigViewer,
  type PlayReply,
  type TestMedia,
} from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import type { Test } from 'tap';
import { Proxy, type Log, type RouteOptions } from '../src/index.js';

export const TITLES = [
  'h264_g1.mp4',
  'h264_g1.mkv',
  'h264_g5.mp4',
  'h264_g5.mkv',
  'h264_b2.mp4',
  'h264_b2.mkv',
  'h265_g1.mp4',
  'h265_g1.mkv',
  'mjpeg.mkv',
  'h264_opus.mkv',
] as const;

export type Transport = 'tcp' | 'udp';
export type PlayerName = 'ffmpeg' | 'gstreamer';

const ROUTE = 'gst';
const HOST = '127.0.0.1';
/** Beyond the length of a title: start-up and end on a machine that does other things, too. */
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 20;
const MAX_LINES = 200;
/** What rtspsrc does by itself: it leaves that long after the announced end, though packets are still to come. */
const GSTREAMER_LATENCY_MS = 2000;

/** An origin that is not ours, and the clips it serves. */
export interface Abroad {
  readonly origin: GstOrigin;
  readonly media: TestMedia;
  /** Longest that a play may take, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Starts GStreamer's RTSP server and plays a moment of every title, so that what it loads once is loaded: its very first
 * sessions may lose a few audio packets.
 * @param titles those that will be played
 * @throws Error with the line that installs what is missing
 */
export async function goAbroad(t: Test, titles: readonly string[] = TITLES): Promise<Abroad> {
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new Error(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  const media = await ensureMedia();
  const origin = await GstOrigin.start({ media: media.folder });
  t.teardown(async () => await origin.stop());
  const timeoutMs = media.seconds * 1000 + PATIENCE_MS;
  await Promise.all(
    titles.map(async (title) => {
      const viewer = await open(origin.url(`/${title}`), 'tcp');
      await viewer.play({ range: 'npt=0-' });
      await viewer.received(20, { timeoutMs });
      await viewer.teardown();
      await viewer.close();
    }),
  );
  return { origin, media, timeoutMs };
}

/** A viewer of our own that set up every stream. */
export async function open(url: string, transport: Transport, localAddress?: string): Promise<RigViewer> {
  return await RigViewer.open({
    url,
    transport,
    timeoutMs: PATIENCE_MS,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
}

/** What a player that is not ours got. */
export interface Play {
  /** MD5 of each picture or frame: of video, then of audio. */
  readonly streams: readonly (readonly string[])[];
  /** It came to the end by itself, without a complaint. */
  readonly ended: boolean;
  /** Of each stream, how many were shown: not those that came later than GStreamer's end. */
  readonly shown: readonly number[];
  readonly exitMs: number;
  readonly complaint: string;
}

/** Plays `url` to its end, from `seekSeconds` where given. */
export async function play(
  player: PlayerName,
  url: string,
  o: { transport: Transport; timeoutMs: number; seekSeconds?: number; seconds?: number },
): Promise<Play> {
  if (player === 'ffmpeg') {
    const { exitCode, packets, diagnostics } = await ffmpegHashes({ url, ...o });
    return {
      streams: packets,
      shown: packets.map(({ length }) => length),
      ended: exitCode === 0,
      exitMs: performance.now(),
      complaint: diagnostics,
    };
  }
  const { transport, ...others } = o;
  const { ended, error, streams, diagnostics } = await gstPlay({
    url,
    protocols: transport,
    latencyMs: GSTREAMER_LATENCY_MS,
    ...others,
  });
  const inOrder = ['video', 'audio'].flatMap((kind) => streams.filter(({ media }) => media === kind));
  return {
    streams: inOrder.map(({ hashes }) => hashes),
    shown: inOrder.map(({ shown }) => shown),
    ended: ended === 'eos',
    exitMs: performance.now(),
    complaint: `${error ?? ''} ${diagnostics}`.trim(),
  };
}

/** Value of a Map that is worked out once. */
export function once<K, V>(make: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const made = new Map<K, Promise<V>>();
  return async (key) => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    return await known;
  };
}

/** One proxy over a cache directory of its own, with a relay between it and the origin that counts what passes. */
export class Stage {
  readonly directory: string;
  readonly relay: DelayRelay;
  #proxy: Proxy | undefined;
  #port = 0;
  /** When the last session stopped playing, and when it was gone. */
  #pacedEndMs: number | undefined;
  #goneMs: number | undefined;
  #watch: NodeJS.Timeout | undefined;
  readonly #lines: string[] = [];

  private constructor(directory: string, relay: DelayRelay) {
    this.directory = directory;
    this.relay = relay;
  }

  /** @param from whose cache to begin with a copy of: the same origin, by the same name */
  static async set(t: Test, abroad: Abroad, from?: Stage): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'forebay-interop-'));
    const target = { targetHost: HOST, targetPort: abroad.origin.port, oneWayMs: 0 };
    const stage = new Stage(directory, from?.relay ?? (await DelayRelay.start(target)));
    t.teardown(async () => {
      await stage.stop();
      if (!t.passing()) for (const line of stage.#lines) t.comment(line);
      if (from === undefined) await stage.relay.close();
      await rm(directory, { recursive: true, force: true });
    });
    if (from !== undefined) {
      const filter = (source: string): boolean => !source.endsWith('/lock');
      await cp(from.directory, directory, { recursive: true, filter });
    }
    return stage;
  }

  /** Starts the proxy, or stops it and starts it again: what is in RAM is forgotten. */
  async start(route: Partial<RouteOptions> = {}): Promise<void> {
    await this.stop();
    const proxy = await Proxy.start({
      routes: [
        { id: ROUTE, pathPrefix: '/', baseUrl: parseRtspUrl(this.relay.url('/')), allowHosts: [], ...route },
      ],
      cacheDirectory: this.directory,
      cacheBytes: 1e9,
      ramBytes: 64e6,
      udpPorts: { first: 0, last: 0 },
      sessionTimeoutSeconds: 60,
      workers: Number(process.env['FOREBAY_TEST_WORKERS'] ?? 1),
      log: this.#log(),
    });
    this.#proxy = proxy;
    this.#port = (await proxy.listen(HOST, 0)).port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#proxy?.close();
    this.#proxy = undefined;
  }

  url(title: string): string {
    return `rtsp://${HOST}:${this.#port}/${title}`;
  }

  /** Sum of the values of a metric over all labels but the given ones. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const metric = await (await this.#proxy?.collect())?.getSingleMetric(`forebay_${name}`)?.get();
    if (metric === undefined) throw new Error(`no metric forebay_${name}`);
    const wanted = Object.entries(labels);
    return metric.values
      .filter(({ labels: has }) => wanted.every(([label, value]) => String(has[label]) === value))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** What the proxy asked of the origin since it was started: sessions, and bytes of media. */
  async spent(): Promise<{ sessions: number; mediaBytes: number }> {
    return {
      sessions: await this.metric('origin_requests_total', { method: 'SETUP' }),
      mediaBytes: await this.metric('origin_bytes_total'),
    };
  }

  /** Waits until somebody was sent `ms` of media. */
  async played(ms: number): Promise<void> {
    while ((await this.metric('viewer_sessions', { state: 'playing' })) === 0) await delay(LOOK_EVERY_MS);
    await delay(ms);
  }

  /** Watches the only session for the moment in which it stops playing. */
  watchEnd(): void {
    this.#pacedEndMs = undefined;
    this.#goneMs = undefined;
    let played = false;
    const look = async (): Promise<void> => {
      const playing = await this.metric('viewer_sessions', { state: 'playing' });
      if (playing > 0) played = true;
      else if (played) this.#pacedEndMs ??= performance.now();
    };
    this.#watch = setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS);
  }

  /** Milliseconds from the paced end of the watched session to its end, and to `exitMs`. */
  afterEnd(exitMs: number): { goneMs: number; exitMs: number } {
    clearInterval(this.#watch);
    // Gone before it could be seen to have ended: as soon as the watch can tell.
    const end = this.#pacedEndMs ?? this.#goneMs ?? NaN;
    return { goneMs: (this.#goneMs ?? NaN) - end, exitMs: exitMs - end };
  }

  /** Names of stored segments in play order, by grid cell. */
  async segments(): Promise<{ cell: number; path: string }[]> {
    const names = await readdir(this.directory, { recursive: true });
    return names
      .flatMap((name) => {
        const cell = /(?:^|\/)(\d+)-[^/]*\.seg$/.exec(name)?.[1];
        return cell === undefined ? [] : [{ cell: Number(cell), path: join(this.directory, name) }];
      })
      .sort((a, b) => a.cell - b.cell);
  }

  /** Deletes stored segments. Only while the proxy is stopped. */
  async forget(isForgotten: (cell: number) => boolean): Promise<void> {
    for (const { cell, path } of await this.segments()) if (isForgotten(cell)) await rm(path);
  }

  /** Waits until the last segment of the title is on disk. */
  async stored(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const last = (await this.segments()).at(-1);
      if (last !== undefined && /-[kc]e-[0-9a-f]{8}\.seg$/.test(last.path)) return;
      if (performance.now() > deadlineMs) throw new Error('the end of the title was not stored in time');
      await delay(LOOK_EVERY_MS);
    }
  }

  /** Keeps the newest lines, to be shown when the test fails. */
  #log(): Log {
    const keep = (fields: object, message: string): void => {
      if (message === 'viewer session ended') this.#goneMs = performance.now();
      this.#lines.push(`${(performance.now() / 1000).toFixed(3)} ${message} ${JSON.stringify(fields)}`);
      if (this.#lines.length > MAX_LINES) this.#lines.shift();
    };
    return { debug: keep, info: keep, warn: keep, error: keep };
  }
}

/** One access unit of a play from the beginning. */
interface Unit {
  readonly hash: number;
  readonly nptSeconds: number;
  readonly randomAccess: boolean;
}

/** A play from the beginning to the end. */
export interface Linear {
  /** In the order in which they were sent. */
  readonly streams: readonly (readonly Unit[])[];
  /** Steps between timestamps that are longer than usual: some files have them. */
  readonly timestampGaps: number;
}

/** Plays straight from the origin, and takes times from what its packets say. */
export async function playDirect(abroad: Abroad, title: string): Promise<Linear> {
  const viewer = await open(abroad.origin.url(`/${title}`), 'tcp');
  const reply = await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: abroad.timeoutMs });
  await viewer.teardown();
  await viewer.close();
  return { streams: unitsOf(viewer, reply), timestampGaps: viewer.continuity().timestampGaps };
}

/** Everything since the last PLAY, by stream. */
function unitsOf(viewer: RigViewer, reply: PlayReply): Linear['streams'] {
  return viewer.recordings.map(({ stream }) => {
    const rtptime = reply.rtpInfo[stream.index]?.rtptime;
    if (rtptime === undefined || reply.startSeconds === undefined) throw new Error('no RTP-Info or no Range');
    const start = reply.startSeconds;
    const units = viewer.accessUnits(stream.index, {
      from: firstOf(viewer, stream.index, reply),
      parameterSets: false,
    });
    return units.map(({ hash, timestampTicks, randomAccess }) => ({
      hash,
      nptSeconds: start + ((timestampTicks - rtptime) | 0) / stream.clockRate,
      randomAccess,
    }));
  });
}

/** Index of the first packet of the range that `reply` announces. */
function firstOf(viewer: RigViewer, stream: number, reply: PlayReply): number {
  const { sequences, firstPacket } = viewer.recording(stream);
  const announced = reply.rtpInfo[stream]?.seq;
  const at = sequences.findLastIndex((sequence) => (sequence & 0xffff) === announced);
  return at < 0 ? firstPacket : at;
}

/** What a range must look like beside the same title played from the beginning. */
export interface Expected {
  readonly linear: Linear;
  readonly reply: PlayReply;
  /** It was played to the end of the title. */
  readonly toTheEnd?: boolean;
  /** It was played to this end of the range. */
  readonly toSeconds?: number;
  /** It goes on where a pause began: nothing is repeated, and there is no key frame to start with. */
  readonly isResumed?: boolean;
}

/**
 * Since the last PLAY the viewer got an unbroken run of the linear play, video from the key frame that the answer names, audio
 * from there, at the times that Range and RTP-Info promise.
 */
export function assertRun(t: Test, viewer: RigViewer, name: string, expected: Expected): void {
  const { linear, reply } = expected;
  for (const [i, units] of unitsOf(viewer, reply).entries()) {
    const { media } = viewer.recording(i).stream;
    const label = `${name}: ${media}`;
    const whole = linear.streams[i]!;
    const isWhole = expected.toTheEnd === true || expected.toSeconds !== undefined;
    // A unit that is arriving may be incomplete.
    const got = isWhole ? units : units.slice(0, -1);
    const at = placeOf(whole, got);
    const found = at >= 0 ? '' : `: ${pathOf(whole, got)}`;
    t.ok(at >= 0, `${label}: ${got.length} units are a run of the play from the beginning${found}`);
    const sequence = viewer.recording(i).sequences[firstOf(viewer, i, reply)]! & 0xffff;
    t.equal(sequence, reply.rtpInfo[i]?.seq, `${label}: first sequence number as announced`);
    if (at < 0) continue;
    if (expected.toTheEnd === true) t.equal(at + got.length, whole.length, `${label}: to the last`);
    if (expected.toSeconds !== undefined) {
      // In decoding order: what the last picture before the end refers to comes before it, and may have more that refer to it.
      const end = whole.findLastIndex(({ nptSeconds }) => nptSeconds < expected.toSeconds! - 0.002) + 1;
      const over = at + got.length - end;
      const newest = Math.max(...whole.slice(at, end).map(({ nptSeconds }) => nptSeconds));
      const isNeeded = over >= 0 && whole.slice(end, end + over).every((unit) => unit.nptSeconds < newest);
      t.ok(
        media === 'audio' ? Math.abs(over) <= 1 : isNeeded,
        `${label}: ${over} beyond the end of the range`,
      );
    }
    assertStart(t, label, { media, first: got[0]!, same: whole[at]!, ...expected });
  }
}

interface Beginning extends Expected {
  readonly media: string;
  /** The first unit that came, and what it is in the linear play. */
  readonly first: Unit;
  readonly same: Unit;
}

/** The first unit is where and when Range and RTP-Info promise it. */
function assertStart(t: Test, label: string, o: Beginning): void {
  const start = o.reply.startSeconds ?? NaN;
  const offMs = Math.abs(o.first.nptSeconds - o.same.nptSeconds) * 1000;
  const late = o.same.nptSeconds - start;
  if (o.media === 'video') {
    t.ok(offMs < 1.5, `${label}: off by ${offMs.toFixed(2)} ms`);
    if (o.isResumed === true) return;
    t.ok(o.same.randomAccess, `${label}: starts with a key frame`);
    t.ok(Math.abs(late) < 0.05, `${label}: ${o.same.nptSeconds} is the start ${start}`);
  } else {
    // GStreamer counts audio from where it was asked to seek to, which lies within a frame.
    t.ok(offMs < 22, `${label}: off by ${offMs.toFixed(2)} ms`);
    // An origin that has much to do sends audio behind its pictures, and so it goes on after a pause.
    const most = o.isResumed === true ? 0.5 : 0.05;
    t.ok(late > -most && late < 0.15, `${label}: begins ${late.toFixed(3)} s after the start`);
  }
}

/** Where `part` lies in `whole` as a run, nearest to the time it is said to be at; -1 if nowhere. */
function placeOf(whole: readonly Unit[], part: readonly Unit[]): number {
  const first = part[0];
  if (first === undefined) return -1;
  const places = whole
    .flatMap(({ hash }, i) => (hash === first.hash ? [i] : []))
    .filter((i) => part.every(({ hash }, k) => whole[i + k]?.hash === hash));
  const distance = (i: number): number => Math.abs(whole[i]!.nptSeconds - first.nptSeconds);
  return places.sort((a, b) => distance(a) - distance(b))[0] ?? -1;
}

/** How `part` runs through `whole`, for those who look for the cause: stretches of indexes, `?` for what is not there. */
function pathOf(whole: readonly Unit[], part: readonly Unit[]): string {
  const stretches: string[] = [];
  let [from, at] = [-1, -1];
  const close = (): void => void (from >= 0 && stretches.push(`${from}-${at}`));
  for (const unit of part) {
    if (at >= 0 && whole[at + 1]?.hash === unit.hash) {
      at += 1;
      continue;
    }
    close();
    const next = placeOf(whole, [unit]);
    if (next < 0) stretches.push('?');
    [from, at] = [next, next];
  }
  close();
  return stretches.join(' ');
}

/** One RTP timeline over everything that the viewer ever got; beside a `linear` play without a gap of its own either. */
export function assertContinuous(t: Test, viewer: RigViewer, name: string, linear?: Linear): void {
  const found = viewer.continuity();
  const { sequenceGaps, sequenceRepeats, sequenceBackSteps, ssrcChanges, timestampBackSteps } = found;
  t.same(
    { sequenceGaps, sequenceRepeats, sequenceBackSteps, ssrcChanges, timestampBackSteps },
    { sequenceGaps: 0, sequenceRepeats: 0, sequenceBackSteps: 0, ssrcChanges: 0, timestampBackSteps: 0 },
    `${name}: one unbroken timeline`,
  );
  t.equal(found.timestampRepeats, 0, `${name}: no timestamp twice`);
  if (linear !== undefined)
    t.equal(found.timestampGaps, linear.timestampGaps, `${name}: no gap in timestamps`);
  for (const { ssrcs, announcedSsrc } of viewer.recordings)
    t.equal(ssrcs[0], announcedSsrc, `${name}: SSRC as announced`);
}

/** Waits until every stream has come as far as `nptSeconds`. */
export async function reached(viewer: RigViewer, reply: PlayReply, nptSeconds: number): Promise<void> {
  const isThere = (): boolean =>
    viewer.recordings.every(({ stream, timestamps, firstPacket, count }) => {
      const rtptime = reply.rtpInfo[stream.index]?.rtptime ?? NaN;
      if (count <= firstPacket) return false;
      const ticks = (timestamps[count - 1]! - rtptime) | 0;
      return (reply.startSeconds ?? NaN) + ticks / stream.clockRate >= nptSeconds;
    });
  await viewer.until(isThere, { timeoutMs: PATIENCE_MS, what: `NPT ${nptSeconds}` });
}

/** NPT of the last key frame at or before `nptSeconds`. */
export function keyFrameBefore(linear: Linear, nptSeconds: number): number {
  const video = linear.streams[0]!.filter(
    (unit) => unit.randomAccess && unit.nptSeconds <= nptSeconds + 0.002,
  );
  return video.at(-1)?.nptSeconds ?? 0;
}
