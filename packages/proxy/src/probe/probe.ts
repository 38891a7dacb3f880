import { ROLE, timestampDelta } from '@forebay/rtp';
import { type Description, formatRtspUrl, type RtspUrl } from '@forebay/rtsp';
import { type Clock, systemClock } from '../clock.js';
import { type Log, silentLog } from '../log.js';
import { OriginError } from '../origin/errors.js';
import { FILL_METHODS, type FillMethod, FillFindings } from '../origin/fill-methods.js';
import type { OriginLeg } from '../origin/leg.js';
import type { OriginRoute } from '../origin/route.js';
import { compare, placeOf } from './compare.js';
import type { ProbeReport, RtpInfoTrust } from './report.js';
import { type Played, Sitting } from './sitting.js';
import type { Take } from './take.js';

/** Of all checks together; what is not done by then is left out, and the report says so. */
const WHOLE_MS = 90_000;
/** Played from the start, to compare with. */
const NORMAL_SECONDS = 4;
const UDP_MS = 2000;
const FILL_MS = 2000;
const NEAR_MS = 1200;
const FAR_MS = 500;
/** A range of a second is played; what brings more than KEPT_SECONDS does not keep to its end. */
const SHORT_MS = 2500;
const KEPT_SECONDS = 1.6;
const END_SECONDS = 2;
const BYE_MS = 4000;
const MOST_SESSIONS = 4;
/** An `rtptime` is right when it is off by less. */
const RIGHT_SECONDS = 0.1;
/** A seek works when media begins no more than this before the position that was asked for. */
const SEEK_SECONDS = 15;

export interface ProbeOptions {
  readonly route: Omit<OriginRoute, 'maxSessions'>;
  /** Path and query at the origin, beginning with '/'. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Told before each check. */
  readonly onCheck?: (check: string, number: number, of: number) => void;
  readonly clock?: Clock;
  readonly log?: Log;
}

/**
 * Finds out what an origin can do, with one title of it. Takes about 25 s for a title and 8 s for a live stream, 90 s at most.
 * @throws OriginError when the presentation cannot be described or played at all; why `signal` aborted
 */
export async function probeOrigin(options: ProbeOptions): Promise<ProbeReport> {
  const probe = new Probe(options);
  try {
    return await probe.run();
  } finally {
    probe.close();
  }
}

type Check = readonly [name: string, run: () => Promise<void>];

class Probe {
  readonly #o: ProbeOptions;
  readonly #clock: Clock;
  readonly #sitting: Sitting;
  readonly #report: ProbeReport;
  #description!: Description;
  /** The first seconds, as they play. */
  #normal!: Take;

  constructor(options: ProbeOptions) {
    const { route, path, signal, clock = systemClock, log = silentLog } = options;
    this.#o = options;
    this.#clock = clock;
    this.#sitting = new Sitting({ route, clock, log, signal });
    const { scheme, host, port } = route.baseUrl;
    const root: RtspUrl = { scheme, host, port, path: '/', query: '' };
    const url = formatRtspUrl(root).slice(0, -1) + path;
    this.#report = { url, methods: [], fill: {}, problems: [], seconds: 0 };
  }

  async run(): Promise<ProbeReport> {
    const startedMs = this.#clock.nowMs();
    const always: readonly Check[] = [
      ['description', () => this.#describe()],
      ['a play from the start', () => this.#playNormally()],
    ];
    for (const [i, [name, check]] of always.entries()) {
      this.#o.onCheck?.(name, i + 1, always.length + this.#checks().length);
      await check();
    }
    const checks = this.#checks();
    for (const [i, [name, check]] of checks.entries()) {
      this.#o.signal.throwIfAborted();
      this.#o.onCheck?.(name, always.length + i + 1, always.length + checks.length);
      if (this.#clock.nowMs() - startedMs < WHOLE_MS) await this.#attempt(name, check);
      else this.#note(name, new OriginError('timeout', `no time left after ${WHOLE_MS / 1000} s`));
    }
    this.#report.methods = [...this.#sitting.client.profile.methods];
    this.#report.seconds = (this.#clock.nowMs() - startedMs) / 1000;
    return this.#report;
  }

  close(): void {
    this.#sitting.close();
  }

  /** What is checked once it is known that the presentation plays. */
  #checks(): readonly Check[] {
    const isTitle = this.#report.describe?.onDemand !== false;
    const forTitles: readonly Check[] = [
      ['the same play again', () => this.#playAgain()],
      ['seeking', () => this.#seek()],
      ...FILL_METHODS.map((method): Check => [`faster by ${method}`, () => this.#fill(method)]),
      ['the end of a range', () => this.#end()],
    ];
    return [
      ['UDP', () => this.#udp()],
      ...(isTitle ? forTitles : []),
      ['sessions at a time', () => this.#sessions()],
    ];
  }

  async #attempt(name: string, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      this.#o.signal.throwIfAborted();
      this.#note(name, error);
    }
  }

  #note(check: string, error: unknown): void {
    const code = error instanceof OriginError ? error.code : 'internal';
    this.#report.problems.push({ check, code, text: error instanceof Error ? error.message : String(error) });
  }

  async #describe(): Promise<void> {
    const askedMs = this.#clock.nowMs();
    const origin = await this.#sitting.describe(this.#o.path);
    const ms = this.#clock.nowMs() - askedMs;
    const again = await this.#sitting.describe(this.#o.path);
    const { description, server, cacheControl, expires, lastModified, etag } = origin;
    this.#description = description;
    const headers = { cacheControl, expires, lastModified, etag };
    this.#report.server = server;
    this.#report.describe = {
      ms,
      streams: description.streams.map(({ media, encoding, clockRate }) => ({ media, encoding, clockRate })),
      onDemand: description.onDemand,
      durationSeconds: description.durationSeconds,
      range: /^a=range:[ \t]*([^\r\n]{1,200})/m.exec(description.text)?.[1]?.trim(),
      onvifReplay: /^a=x-onvif-track:/m.test(description.text),
      cacheHeaders: Object.fromEntries(
        Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
      stable: again.description.fingerprint === description.fingerprint,
    };
  }

  async #playNormally(): Promise<void> {
    const played = await this.#sitting.open({ startSeconds: 0 });
    const { leg, take } = played;
    try {
      await this.#sitting.flowing(played);
      const firstMs = take.lastMs!;
      await take.wait(this.#normalSeconds * 1000, this.#o.signal);
      const { reply } = leg;
      const range = reply.range?.unit === 'npt' ? reply.range : undefined;
      const profile = this.#sitting.client.profile;
      this.#normal = take;
      this.#report.play = {
        startupMs: profile.startupMs(0.5) ?? 0,
        transport: leg.transport,
        pipelining: profile.pipelines,
        pace: take.mediaSeconds / Math.max(0.001, (take.lastMs! - firstMs) / 1000),
        toldStartSeconds: typeof range?.start === 'number' ? range.start : undefined,
        toldEndSeconds: range?.end,
        rtpInfo: trustOf(played),
        senderReports: take.reports > 0,
      };
      await this.#keepAlive(leg);
    } finally {
      await leg.close();
    }
  }

  async #keepAlive(leg: OriginLeg): Promise<void> {
    const statuses: Record<string, number> = {};
    for (const method of ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER'] as const) {
      await this.#attempt(`keep-alive by ${method}`, async () => {
        statuses[method] = await leg.statusOf(method);
      });
    }
    this.#report.keepAlive = { timeoutSeconds: leg.timeoutSeconds, statuses };
  }

  async #playAgain(): Promise<void> {
    const { take } = await this.#sitting.play({ startSeconds: 0 }, (this.#normalSeconds * 1000) / 2);
    this.#report.repeat = compare(this.#normal, take).likeness;
  }

  /** Into what was played from the start, to compare; and far away, to see whether it goes there. */
  async #seek(): Promise<void> {
    const askedSeconds = Math.round(this.#normalSeconds * 8) / 10;
    const near = await this.#sitting.play({ startSeconds: askedSeconds }, NEAR_MS);
    const reference = this.#reference;
    const found = placeOf(this.#normal.streams[reference]!, near.take.streams[reference]!);
    const { range } = near.leg.reply;
    const first = near.take.streams[reference]!.roles.find((role) => role !== ROLE.parameter);
    this.#report.seek = {
      works: await this.#seeksFar(),
      askedSeconds,
      toldSeconds: range?.unit === 'npt' && typeof range.start === 'number' ? range.start : undefined,
      foundSeconds: found,
      startsAtKeyFrame: first === ROLE.randomAccess,
      likeness: compare(this.#normal, near.take).likeness,
      rtpInfo: trustOf(near),
    };
  }

  /** Asked for the middle, it neither says nor shows that it begins elsewhere. */
  async #seeksFar(): Promise<boolean> {
    const middle = (this.#durationSeconds ?? 2 * this.#normalSeconds) / 2;
    const far = await this.#sitting.play({ startSeconds: middle }, FAR_MS);
    const { range } = far.leg.reply;
    const told = range?.unit === 'npt' && typeof range.start === 'number' ? range.start : middle;
    const beginning = this.#normal.streams[this.#reference]!;
    const place = placeOf(beginning, far.take.streams[this.#reference]!);
    const isBeginning = place === 0 && middle > this.#normalSeconds;
    return told >= middle - SEEK_SECONDS && !isBeginning;
  }

  async #fill(method: FillMethod): Promise<void> {
    let take: Take;
    try {
      ({ take } = await this.#sitting.play({ startSeconds: 0, fill: method }, FILL_MS));
    } catch (error) {
      if (!(error instanceof OriginError) || error.originStatus === undefined) throw error;
      this.#report.fill[method] = { verdict: 'refused', factor: 0, likeness: 'nothing' };
      return;
    }
    const { likeness, factor } = compare(this.#normal, take);
    const findings = new FillFindings(undefined);
    if (likeness === 'equal') findings.measured(method, factor, 0);
    const verdict = findings.entries.get(method)?.verdict ?? 'unequal';
    this.#report.fill[method] = { verdict, factor, likeness };
  }

  async #udp(): Promise<void> {
    if (this.#report.play?.transport === 'udp') this.#report.udp = 'works';
    if (this.#report.play?.transport === 'udp' || this.#o.route.baseUrl.scheme === 'rtsps') return;
    const client = this.#sitting.clientFor({ transport: 'udp' });
    try {
      const { take } = await this.#sitting.play({ startSeconds: 0 }, UDP_MS, client);
      this.#report.udp = take.packets > 0 ? 'works' : 'silent';
    } catch (error) {
      if (!(error instanceof OriginError) || error.code !== 'transport') throw error;
      this.#report.udp = 'refused';
    }
  }

  async #end(): Promise<void> {
    const duration = this.#durationSeconds;
    const short = await this.#sitting.play({ startSeconds: 0, endSeconds: 1 }, SHORT_MS);
    const keepsRangeEnd = short.take.mediaSeconds < KEPT_SECONDS;
    if (duration === undefined || this.#report.seek?.works !== true) {
      this.#report.end = { bye: short.take.hasEnded, byeMs: byeMsOf(short.take), keepsRangeEnd };
      return;
    }
    const startSeconds = Math.max(0, duration - END_SECONDS);
    const last = await this.#sitting.play({ startSeconds }, END_SECONDS * 1000 + BYE_MS);
    this.#report.end = { bye: last.take.hasEnded, byeMs: byeMsOf(last.take), keepsRangeEnd };
  }

  async #sessions(): Promise<void> {
    const open: Played[] = [];
    let limited = false;
    try {
      while (open.length < MOST_SESSIONS && !limited) {
        try {
          // A client of its own each: one that has others would wait for one of them.
          open.push(await this.#sitting.open({ startSeconds: 0 }, this.#sitting.clientFor({})));
        } catch (error) {
          if (!(error instanceof OriginError) || (error.code !== 'busy' && error.code !== 'unavailable'))
            throw error;
          limited = true;
        }
      }
    } finally {
      await Promise.all(open.map(({ leg }) => leg.close()));
    }
    this.#report.sessions = { open: open.length, limited };
  }

  /** As described, else as the first answer to PLAY had it. */
  get #durationSeconds(): number | undefined {
    return this.#description.durationSeconds ?? this.#report.play?.toldEndSeconds;
  }

  get #normalSeconds(): number {
    return Math.min(NORMAL_SECONDS, (this.#description.durationSeconds ?? Infinity) / 2);
  }

  /** The stream with pictures, else the first. */
  get #reference(): number {
    const video = this.#description.streams.findIndex(({ media }) => media === 'video');
    return Math.max(0, video);
  }
}

function trustOf({ leg, take }: Played): RtpInfoTrust {
  const offs = leg.reply.rtpInfo.flatMap((entry, stream) => {
    const heard = take.streams[stream];
    if (entry?.rtptime === undefined || heard === undefined || heard.hashes.length === 0) return [];
    return [timestampDelta(entry.rtptime, heard.firstTimestamp) / heard.clockRate];
  });
  if (offs.length === 0) return { state: 'missing', offSeconds: 0 };
  const offSeconds = offs.reduce((most, off) => (Math.abs(off) > Math.abs(most) ? off : most), 0);
  return { state: Math.abs(offSeconds) < RIGHT_SECONDS ? 'right' : 'wrong', offSeconds };
}

function byeMsOf(take: Take): number | undefined {
  if (!take.hasEnded || take.lastMs === undefined) return undefined;
  return Math.max(0, Math.max(...take.byes.values()) - take.lastMs);
}
