import { randomBytes } from 'node:crypto';
import type { PacketRun } from '@forebay/cache';
import { RtspError } from '@forebay/rtsp';
import type { Credentials, RtspRange, SessionState, TransportSpec } from '@forebay/rtsp';
import type { MediaSink, PlayResult, Presentation, Reader } from '../read/library.js';
import type { Pace } from '../read/pace.js';
import type { Timeline } from '../read/timeline.js';
import { Bucket } from './bucket.js';
import { type Phase, RTSP_STATE } from './phase.js';
import { Refusal } from './refusal.js';
import { ReceiverReports, SenderReports, type ReportedStream } from './reports.js';
import type { EndReason, SessionContext } from './session-context.js';
import type { MediaTransport, ReportSubject, TransportOwner } from './transport.js';
import { SessionViewings, titleOf } from './viewing.js';

/** Sender reports of a playing session. Source: RFC 3550 section 6.2: no less than 5 s apart. */
const REPORT_EVERY_MS = 5000;
/** After its BYE a stream's end is told so often again, over UDP. */
const FAREWELLS = 2;
/** 128 bits. Source: RFC 7826 section 4.3. */
const ID_BYTES = 16;
/** A report's jitter is in ticks of this clock where the description names none. */
const DEFAULT_CLOCK_RATE = 90_000;

/** One stream that was set up. */
export interface SessionStream extends ReportedStream {
  /** As the viewer spelled it in SETUP: what RTP-Info names it by. */
  readonly url: string;
}

export interface SessionOptions {
  readonly context: SessionContext;
  readonly presentation: Presentation;
  /** What the session is about, as URLs of requests are compared with it. */
  readonly resource: string;
  readonly viewerAddress: string;
  /** Who has set it up; undefined where nobody was asked. */
  readonly user: Credentials | undefined;
  /** Made for this session as its owner. */
  readonly transport: (owner: TransportOwner) => MediaTransport;
  /** Called once, when the session is over. */
  readonly onClosed: (session: ViewerSession) => void;
}

/** One RTSP session of a viewer: RFC 2326 appendix A.2, with what it holds: transports, a reader, reports, time limits. */
export class ViewerSession implements MediaSink, TransportOwner {
  readonly id = randomBytes(ID_BYTES).toString('hex');
  readonly presentation: Presentation;
  readonly resource: string;
  readonly viewerAddress: string;
  readonly user: Credentials | undefined;
  readonly transport: MediaTransport;
  readonly #context: SessionContext;
  readonly #onClosed: (session: ViewerSession) => void;
  readonly #streams: SessionStream[] = [];
  readonly #senderReports: SenderReports;
  readonly #receiverReports: ReceiverReports;
  readonly #reportBucket: Bucket;
  readonly #viewings: SessionViewings | undefined;
  readonly #startedMs: number;
  #phase: Phase = 'new';
  #reader: Reader | undefined;
  /** What the last PLAY promised. */
  #range: PlayResult | undefined;
  /** What is in progress at the reader, to be given up when the session ends. */
  #pending: AbortController | undefined;
  /** Settles when the last request that changes the session has been dealt with. */
  #turn: Promise<unknown> = Promise.resolve();
  #heardMs: number;
  #reportedMs = 0;
  /** How often BYE is to be said again. */
  #farewells = 0;
  /** Something came from the viewer's media ports: there is somebody. */
  #isPunched = false;

  constructor(o: SessionOptions) {
    const { context } = o;
    this.#context = context;
    this.presentation = o.presentation;
    this.resource = o.resource;
    this.viewerAddress = o.viewerAddress;
    this.user = o.user;
    this.#onClosed = o.onClosed;
    this.#startedMs = context.clock.nowMs();
    this.#heardMs = context.pulse.nowMs;
    this.#senderReports = new SenderReports(context.clock);
    this.#receiverReports = new ReceiverReports(context.metrics, this.#streams);
    const perSecond = context.limits.reportsPerSecond;
    this.#reportBucket = new Bucket({ perSecond, burst: perSecond, nowMs: context.pulse.nowMs });
    const { viewings, clock } = context;
    this.#viewings = viewings === undefined ? undefined : new SessionViewings({ ...o, viewings, clock });
    this.transport = o.transport(this);
    context.metrics.viewerSessions.inc({ state: 'ready' });
  }

  get state(): SessionState {
    return RTSP_STATE[this.#phase];
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** True once PLAY was asked for: the streams are final. */
  get isOpened(): boolean {
    return this.#reader !== undefined;
  }

  get streams(): readonly SessionStream[] {
    return this.#streams;
  }

  /** Runs `work` after whatever else changes this session, from whichever connection it came. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => {
      if (this.isClosed) throw new Refusal(454);
      return work();
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Sets `stream` up, or again. @returns what the viewer is told, with the SSRC that the stream will have */
  async setUp(stream: number, url: string, asked: TransportSpec): Promise<TransportSpec> {
    const told = await this.transport.setUp(stream, asked);
    if (this.isClosed) throw new Refusal(454);
    const known = this.#streams.findIndex((each) => each.stream === stream);
    const clockRate = this.presentation.description.streams[stream]?.clockRate ?? DEFAULT_CLOCK_RATE;
    const ssrc = this.#streams[known]?.ssrc ?? this.#newSsrc();
    this.#streams.splice(known < 0 ? this.#streams.length : known, 1, {
      stream,
      url,
      ssrc,
      clockRate: clockRate > 0 ? clockRate : DEFAULT_CLOCK_RATE,
    });
    return { ...told, ssrc, mode: 'PLAY' };
  }

  /** Frees one stream of several. Only while nothing was played. */
  dropStream(stream: number): void {
    const known = this.#streams.findIndex((each) => each.stream === stream);
    if (known >= 0) this.#streams.splice(known, 1);
    this.transport.drop(stream);
  }

  /**
   * Prepares playing; {@link ViewerSession.start} follows once the viewer has been answered. Without a pace: normally. What
   * was prepared before and has not begun gives way, as what plays does.
   * @returns undefined for a PLAY without anything while playing, which changes nothing (RFC 2326 section 10.5)
   * @throws what {@link Reader.play} throws; what played before plays on
   */
  async play(range: RtspRange | undefined, pace?: Pace): Promise<PlayResult | undefined> {
    const before = this.#phase;
    if (before === 'playing' && range === undefined && pace === undefined) return undefined;
    this.#farewells = 0;
    const reader = (this.#reader ??= this.#open());
    const isGranted = before === 'playing' || before === 'prepared';
    const kept = before === 'prepared' && range === undefined ? this.#range?.pace : undefined;
    const position = isGranted ? this.#halt(reader) : undefined;
    if (position !== undefined) this.#enter('paused');
    try {
      return await this.#ask(reader, range, pace ?? kept);
    } catch (error) {
      const isUntouched = error instanceof RtspError || this.presentation.live;
      if (position !== undefined && this.#phase === 'paused') {
        await this.#resume(
          reader,
          isUntouched ? undefined : { unit: 'npt', start: position.positionSeconds },
        );
      }
      throw error;
    }
  }

  /** The answer to PLAY that promised `result` was written: media follows, unless another PLAY or a PAUSE came meanwhile. */
  start(result: PlayResult): void {
    if (this.#phase !== 'prepared' || result !== this.#range || this.#reader === undefined) return;
    this.#enter('playing');
    this.#viewings?.begin(result, this.#reader.stats);
    this.#reader.start();
    this.#report(false);
  }

  /** Stops sending, and what was about to be sent; PLAY goes on from here. */
  pause(): void {
    const isPrepared = this.#phase === 'prepared';
    if (isPrepared || this.#phase === 'playing') this.#halt(this.#reader);
    if (isPrepared || this.state === 'playing') this.#enter('paused');
  }

  /** Ends the session and frees what it holds. */
  close(reason: EndReason): void {
    if (this.isClosed) return;
    const { log, metrics } = this.#context;
    if ((reason === 'shutdown' || reason === 'forbidden') && this.#phase === 'playing') this.#report(true);
    if (this.#phase === 'playing' && this.#viewings !== undefined) this.#halt(this.#reader);
    metrics.viewerSessions.dec({ state: this.state });
    this.#phase = 'closed';
    this.#pending?.abort();
    this.#reader?.close();
    this.transport.close();
    this.#onClosed(this);
    if (reason !== 'refused') log.info(this.#summary(reason), 'viewer session ended');
  }

  /** Looks at the time limits and sends reports that are due. */
  sweep(): void {
    const { limits, pulse, timeoutSeconds } = this.#context;
    const unheardMs = pulse.nowMs - this.#heardMs;
    if (this.#phase === 'new') {
      if (unheardMs > limits.unplayedMs && this.#pending === undefined) this.#expire('unplayed');
      return;
    }
    if (this.#phase === 'playing' && pulse.nowMs - this.#reportedMs >= REPORT_EVERY_MS) this.#report(false);
    // A TCP session lives as long as its connection, which has time limits of its own: many players send no keep-alive there.
    if (this.transport.kind === 'tcp') return;
    if (this.#phase === 'ended' && this.#farewells > 0) this.#sayBye(this.#farewells - 1);
    if (unheardMs > timeoutSeconds * 1000 + limits.graceMs) this.#expire('session-timeout');
    else if (this.#phase === 'playing' && unheardMs > this.#silentMs) this.#fallSilent();
  }

  // MediaSink: what the reader calls.

  writable(): boolean {
    return this.transport.writable();
  }

  send(run: PacketRun, from: number, to: number, timeline: Timeline): number {
    try {
      return this.transport.send(run, from, to, timeline);
    } catch (error) {
      this.#defect(error);
      return 0;
    }
  }

  ended(reason: 'end' | 'failed'): void {
    if (this.#phase !== 'playing' && this.#phase !== 'silent') return;
    if (reason === 'failed')
      this.#context.log.warn(this.#summary('media failed'), 'viewer session cannot go on');
    this.#sayBye(FAREWELLS);
    const endSeconds = reason === 'end' ? this.#range?.endSeconds : undefined;
    if (this.#reader !== undefined) this.#viewings?.end(endSeconds, this.#reader.stats);
    this.#enter('ended');
  }

  /** The viewer gave a sign of life. */
  alive(): void {
    this.#heardMs = this.#context.pulse.nowMs;
    if (this.#phase !== 'silent') return;
    this.#phase = 'waking';
    // It ends in a log line, or with the session.
    this.inTurn(() => this.#wake()).catch(() => undefined);
  }

  // TransportOwner: what the transport calls.

  punched(): void {
    this.#isPunched = true;
    this.alive();
  }

  reports(bytes: Buffer, start: number, end: number): ReportSubject {
    const { rejects, pulse } = this.#context;
    this.punched();
    if (!this.#reportBucket.take(pulse.nowMs)) {
      rejects.count('report-rate', { viewer: this.viewerAddress });
      return 'none';
    }
    const subject = this.#receiverReports.read(bytes, start, end);
    if (subject === undefined) rejects.count('bad-report', { viewer: this.viewerAddress });
    return subject ?? 'none';
  }

  unreachable(): void {
    if (!this.isClosed) this.#expire('unreachable');
  }

  /** Silence that a playing UDP session may keep. */
  get #silentMs(): number {
    const { limits, timeoutSeconds } = this.#context;
    if (!this.#isPunched) return limits.silentMs;
    return Math.max(limits.silentMs, timeoutSeconds * 500 + limits.graceMs);
  }

  /** A defect of ours on the media path: the session dies, everybody else plays on. */
  #defect(error: unknown): void {
    this.#context.log.error({ ...this.#summary('defect'), error }, 'viewer session lost to a defect');
    this.close('defect');
  }

  #open(): Reader {
    return this.#context.library.open(this.presentation, {
      streams: this.#streams.map(({ stream, ssrc }) => ({ stream, ssrc })),
      sink: this,
      viewerAddress: this.viewerAddress,
      transport: this.transport.kind,
    });
  }

  async #ask(reader: Reader, range: RtspRange | undefined, pace?: Pace): Promise<PlayResult> {
    const pending = new AbortController();
    this.#pending = pending;
    try {
      const result = await reader.play(range, pending.signal, pace);
      if (this.isClosed) throw new Refusal(454);
      this.#range = result;
      this.#enter('prepared');
      return result;
    } catch (error) {
      throw this.isClosed ? new Refusal(454) : error;
    } finally {
      this.#pending = undefined;
    }
  }

  /** Goes on from the pause point, or near it where a seek came to nothing; or says in the log that this cannot be. */
  async #resume(reader: Reader, range?: RtspRange): Promise<void> {
    try {
      this.start(await this.#ask(reader, range, this.#range?.pace));
    } catch (cause) {
      if (this.isClosed) return;
      this.#enter('paused');
      this.#context.log.warn({ ...this.#summary('resume'), cause }, 'viewer session could not be resumed');
    }
  }

  /** Stops what plays, wherever it is. */
  #halt(reader: Reader | undefined): { readonly positionSeconds: number } | undefined {
    const position = reader?.pause();
    if (reader !== undefined) this.#viewings?.end(position?.positionSeconds, reader.stats);
    return position;
  }

  #fallSilent(): void {
    this.#context.rejects.count('silent', { viewer: this.viewerAddress });
    this.#halt(this.#reader);
    this.#enter('silent');
  }

  async #wake(): Promise<void> {
    if (this.#phase === 'waking' && this.#reader !== undefined) await this.#resume(this.#reader);
  }

  #expire(reason: 'unplayed' | 'session-timeout' | 'unreachable'): void {
    this.#context.rejects.count(reason, { viewer: this.viewerAddress });
    this.close(reason);
  }

  #enter(phase: Phase): void {
    const { viewerSessions } = this.#context.metrics;
    const before = this.state;
    this.#phase = phase;
    if (before === this.state) return;
    viewerSessions.dec({ state: before });
    viewerSessions.inc({ state: this.state });
  }

  /** A BYE over UDP that is lost would leave a player waiting: it is said again `again` times, half a second apart. */
  #sayBye(again: number): void {
    this.#farewells = again;
    this.#report(true);
  }

  #report(bye: boolean): void {
    const timeline = this.#reader?.timeline;
    if (timeline === undefined) return;
    this.#reportedMs = this.#context.pulse.nowMs;
    for (const each of this.#streams) {
      this.transport.report(each.stream, this.#senderReports.format(each, timeline, bye));
    }
  }

  #newSsrc(): number {
    let ssrc = 0;
    do ssrc = randomBytes(4).readUInt32BE();
    while (ssrc === 0 || this.#streams.some((each) => each.ssrc === ssrc));
    return ssrc;
  }

  #summary(reason: string): object {
    const stats = this.#reader?.stats;
    return {
      origin: this.presentation.route,
      title: titleOf(this.resource),
      viewer: this.viewerAddress,
      transport: this.transport.kind,
      streams: this.#streams.length,
      durationSeconds: Math.round(this.#context.clock.nowMs() - this.#startedMs) / 1000,
      bytes: stats?.bytes,
      startupMs: stats?.startupMs,
      seams: stats?.seams,
      gapSeconds: stats?.gapSeconds,
      reason,
    };
  }
}
