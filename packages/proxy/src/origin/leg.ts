import type { RtspRequest, RtspResponse } from '@forebay/rtsp';
import type { Clock, TimerHandle } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { type ConnectionOwner, NOBODY, type OriginConnection } from './connection.js';
import { Deadline, whenAborted } from './deadline.js';
import type { Dialogue } from './dialogue.js';
import { asOriginError, errorOfStatus, OriginError } from './errors.js';
import type { Intake } from './intake.js';
import { KeepAlive } from './keep-alive.js';
import { ORIGIN_LIMITS } from './limits.js';
import type { Negotiation } from './negotiation.js';
import type { OriginProfile } from './profile.js';
import { type PlayReply, readPlayReply } from './reply.js';
import { formatFrame, formatReports } from './reports.js';
import type { OpenOptions, OriginSession } from './session.js';

const TICK_MS = 1000;
/**
 * Nagle's algorithm at the origin holds a small packet back until the one before it is acknowledged, and our kernel
 * delays acknowledgements by 40 ms unless there is something to send. So while a session starts, what arrives is
 * answered by a receiver report at once. Measured: first picture of GStreamer 1.22 over loopback after 46 ms without,
 * after 4 with it; live555 holds its answer to PLAY back likewise.
 */
const PROMPT = { forMs: 250, most: 4 } as const;

export interface LegOptions {
  readonly negotiation: Negotiation;
  readonly dialogue: Dialogue;
  readonly intake: Intake;
  readonly reply: PlayReply;
  readonly open: OpenOptions;
  /** Bytes that the connection had received before this session was set up. */
  readonly bytesBefore: number;
  readonly profile: OriginProfile;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly timeoutMs: number;
}

/** A session with an origin: keeps it alive, reports on what arrives, and ends it. */
export class OriginLeg implements OriginSession, ConnectionOwner {
  readonly transport: 'tcp' | 'udp';
  readonly ssrcs: readonly (number | undefined)[];
  /** Resolves when the session is over and the connection destroyed. */
  readonly ended: Promise<void>;
  readonly #o: LegOptions;
  readonly #connection: OriginConnection;
  readonly #keepAlive: KeepAlive;
  readonly #stop = new AbortController();
  readonly #unwatch: () => void;
  #resolveEnded!: () => void;
  #reply: PlayReply;
  #state: 'playing' | 'paused' | 'over' = 'playing';
  /** Why the connection is gone, while packets still wait for start(). */
  #lost: OriginError | undefined;
  #timer: TimerHandle | undefined;
  #reportedMs: number;
  readonly #openedMs: number;
  #prompts = 0;
  #countedBytes = 0;
  #throttled = false;
  #full = false;

  constructor(options: LegOptions) {
    const { negotiation, dialogue, profile, clock, metrics, open } = options;
    this.#o = options;
    this.#connection = dialogue.connection;
    this.transport = negotiation.transports.lower;
    const tracks = negotiation.tracks;
    this.ssrcs = open.origin.description.streams.map((_, i) => tracks.find((t) => t.stream === i)?.ssrc);
    this.#reply = options.reply;
    this.#openedMs = clock.nowMs();
    this.#reportedMs = this.#openedMs;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#keepAlive = new KeepAlive({ dialogue, negotiation, profile, clock, timeoutMs: options.timeoutMs });
    this.#connection.owner = this;
    metrics.originSessions.inc({ origin: profile.route });
    options.log.debug({ origin: profile.route, transport: this.transport }, 'origin session opened');
    this.#unwatch = whenAborted(open.signal, () => void this.close());
    this.#schedule();
    this.#prompt();
  }

  get reply(): PlayReply {
    return this.#reply;
  }

  /** Over TCP with what frames and answers cost, over UDP without. */
  get bytesReceived(): number {
    if (this.transport === 'tcp') return this.#connection.bytesReceived - this.#o.bytesBefore;
    return this.#o.negotiation.tracks.reduce((sum, track) => sum + (track.udp?.bytesReceived ?? 0), 0);
  }

  start(): void {
    if (this.#state === 'over') return;
    const intake = this.#o.intake;
    intake.arrivalMs = this.#o.clock.nowMs();
    intake.start();
    this.#full = false;
    this.#applyPause();
    if (this.#lost !== undefined) this.#finish(this.#lost);
  }

  async play(startSeconds: number, endSeconds?: number): Promise<PlayReply> {
    if (this.#state === 'playing') await this.#halt();
    const { intake, negotiation, open } = this.#o;
    const { description } = open.origin;
    intake.ask();
    const response = await this.#command('PLAY', negotiation.playHeaders({ startSeconds, endSeconds }));
    this.#state = 'playing';
    this.#reply = readPlayReply(response, description, negotiation.tracks);
    return this.#reply;
  }

  async pause(): Promise<void> {
    await this.#command('PAUSE', []);
    this.#state = 'paused';
  }

  /** After so long without a sign of life the origin forgets the session, as it says. */
  get timeoutSeconds(): number {
    return this.#o.negotiation.name.timeoutSeconds;
  }

  /** Asks for something that changes nothing, with the session. @returns status of the answer @throws OriginError */
  async statusOf(method: 'OPTIONS' | 'GET_PARAMETER' | 'SET_PARAMETER'): Promise<number> {
    const { negotiation, dialogue, clock, timeoutMs, profile } = this.#o;
    const deadline = new Deadline({ clock, ms: timeoutMs, what: method, parents: [this.#stop.signal] });
    try {
      const headers = [['Session', negotiation.name.id] as const];
      const question = { method, url: negotiation.aggregateUrl, headers };
      const response = await dialogue.ask(question, deadline.signal);
      profile.advertises(response.headers.get('public'));
      return response.status;
    } finally {
      deadline.end();
    }
  }

  pauseReading(): void {
    this.#throttled = true;
    this.#applyPause();
  }

  resumeReading(): void {
    this.#throttled = false;
    this.#applyPause();
  }

  close(): Promise<void> {
    this.#finish(undefined);
    return this.ended;
  }

  frame(channel: number, bytes: Buffer, start: number, end: number): void {
    this.#o.intake.arrivalMs = this.#connection.arrivalMs;
    this.#o.intake.frame(channel, bytes, start, end);
  }

  read(): void {
    if (this.#prompts < PROMPT.most) this.#prompt();
  }

  asked(request: RtspRequest): void {
    if (request.method === 'REDIRECT' || request.method === 'TEARDOWN') {
      this.#finish(new OriginError('origin-closed', `the origin sent ${request.method}`));
    } else if (request.method === 'ANNOUNCE' && request.body.length > 0) {
      this.#finish(new OriginError('changed', 'ANNOUNCE'));
    }
  }

  over(error: OriginError): void {
    if (this.#o.intake.isHolding) this.#lost = error;
    else this.#finish(error);
  }

  /** The packets of a stream come from somewhere else. */
  sourceChanged(): void {
    this.#finish(new OriginError('source-changed', 'another SSRC'));
  }

  /** More packets wait for start() than should. */
  full(): void {
    this.#full = true;
    this.#applyPause();
  }

  /** Pauses the origin before a seek. One that cannot pause is told to play from elsewhere while it plays. */
  async #halt(): Promise<void> {
    try {
      await this.pause();
    } catch (error) {
      if (!(error instanceof OriginError) || error.code !== 'refused') throw error;
      this.#o.intake.drop();
    }
  }

  /** @throws OriginError where the answer is not 200 */
  async #command(method: 'PLAY' | 'PAUSE', headers: readonly [string, string][]): Promise<RtspResponse> {
    const { negotiation, dialogue, clock, timeoutMs, intake } = this.#o;
    if (this.#state === 'over' || this.#lost !== undefined) {
      throw this.#lost ?? new OriginError('origin-closed', 'the session is over');
    }
    // The answer stands behind media in the same stream.
    this.resumeReading();
    const deadline = new Deadline({ clock, ms: timeoutMs, what: method, parents: [this.#stop.signal] });
    try {
      const answered = (response: RtspResponse): void => {
        if (response.status !== 200) return;
        if (method === 'PLAY') intake.answered();
        else intake.drop();
      };
      const question = {
        method,
        url: negotiation.aggregateUrl,
        headers: [['Session', negotiation.name.id] as const, ...headers],
        answered,
      };
      const response = await dialogue.ask(question, deadline.signal);
      if (response.status !== 200) throw errorOfStatus(method, response.status);
      negotiation.name.check(response);
      this.#keepAlive.asked();
      return response;
    } catch (error) {
      const known = asOriginError(error, 'protocol', method);
      if (known.code === 'session-gone' || known.code === 'session') this.#finish(known);
      throw known;
    } finally {
      deadline.end();
    }
  }

  #applyPause(): void {
    if (this.#throttled || this.#full) this.#connection.pauseReading();
    else this.#connection.resumeReading();
  }

  #schedule(): void {
    this.#timer = this.#o.clock.setTimeout(() => {
      this.#tick();
      if (this.#state !== 'over') this.#schedule();
    }, TICK_MS);
  }

  #tick(): void {
    const nowMs = this.#o.clock.nowMs();
    this.#count();
    if (nowMs - this.#reportedMs >= ORIGIN_LIMITS.reportMs) {
      this.#reportedMs = nowMs;
      this.#report(false);
    }
    if (this.#lost !== undefined || !this.#keepAlive.due) return;
    const isFlowing = (): boolean => this.#o.intake.arrivalMs > nowMs;
    void this.#keepAlive.run(this.#stop.signal, isFlowing).then((error) => {
      if (error !== undefined) this.#finish(error);
    });
  }

  /** One report, for the sake of the acknowledgement that goes with it. */
  #prompt(): void {
    const track = this.#o.negotiation.tracks[0];
    if (track?.channels === undefined || this.#state === 'over') return;
    this.#prompts++;
    if (this.#o.clock.nowMs() - this.#openedMs > PROMPT.forMs) this.#prompts = PROMPT.most;
    else
      this.#connection.send(formatFrame(track.channels[1], formatReports(this.#o.intake, track.place, {})));
  }

  #count(): void {
    const bytes = this.bytesReceived;
    this.#o.metrics.originBytes.inc({ origin: this.#o.profile.route }, bytes - this.#countedBytes);
    this.#countedBytes = bytes;
  }

  #report(bye: boolean): void {
    const nowMs = this.#o.clock.nowMs();
    for (const { place, channels, udp } of this.#o.negotiation.tracks) {
      const report = formatReports(this.#o.intake, place, { nowMs, bye });
      if (channels !== undefined) this.#connection.send(formatFrame(channels[1], report));
      else if (bye) udp?.sendReport(report);
      else udp?.punch(report);
    }
  }

  /** @param error undefined where the session was closed by its owner */
  #finish(error: OriginError | undefined): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const { profile, metrics, log, intake, negotiation } = this.#o;
    if (this.#timer !== undefined) this.#o.clock.clearTimeout(this.#timer);
    this.#unwatch();
    this.#count();
    metrics.originSessions.dec({ origin: profile.route });
    if (error !== undefined) {
      metrics.originFaults.inc({ origin: profile.route, reason: error.code });
      this.#keepAlive.lost(error);
      log.warn({ origin: profile.route, code: error.code, err: error.message }, 'origin session lost');
    }
    if (this.#connection.garbageBytes > 0) intake.reject('garbage');
    intake.drop();
    // GStreamer 1.22 over TLS leaves TEARDOWN unread behind interleaved frames, and goes on sending.
    if (!this.#connection.isSecure) this.#report(true);
    this.#stop.abort(error ?? new OriginError('aborted', 'the session was closed'));
    this.#connection.owner = NOBODY;
    void negotiation.leave().then(this.#resolveEnded);
    intake.sink.closed(error);
  }
}
