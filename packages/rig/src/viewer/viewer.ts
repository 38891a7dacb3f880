import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { formatReceiverReport } from '@forebay/rtp';
import { controlBase, formatRtspUrl, parseDescription, parseRtspUrl, resolveControl } from '@forebay/rtsp';
import type { Description, RtspResponse } from '@forebay/rtsp';
import { RigError } from '../errors.js';
import { accessUnitsOf, continuityOf, sumOf } from './continuity.js';
import type { AccessUnit, AccessUnitOptions, Continuity } from './continuity.js';
import { ViewerConnection } from './connection.js';
import type { RigRequest } from './connection.js';
import { paceOf } from './pace.js';
import type { Pace } from './pace.js';
import type { ViewerOptions, ViewerTimes } from './options.js';
import { readPlayReply } from './play-reply.js';
import type { PlayReply } from './play-reply.js';
import type { StreamRecording } from './recording.js';
import { StreamSeat } from './seat.js';

const REPORT_INTERVAL_MS = 5000;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_PACKETS = 1_000_000;
/** Nothing that was there is left when nothing came for so long. */
const DRAIN_MS = 20;

interface Waiter {
  readonly check: () => boolean;
  readonly settle: () => void;
  readonly fail: (error: Error) => void;
}

/** An RTSP player that shows nothing and writes everything down. */
export class RigViewer {
  readonly #options: ViewerOptions;
  /** Without userinfo. */
  readonly url: string;
  readonly #connectStartMs = performance.now();
  #connectedMs = 0;
  #connection!: ViewerConnection;
  #reports: NodeJS.Timeout | undefined;
  readonly #waiters = new Set<Waiter>();
  readonly #seats: StreamSeat[] = [];
  readonly #channels: ((bytes: Buffer, start: number, end: number) => void)[] = [];
  #description: Description | undefined;
  #base: string;
  #session: string | undefined;
  #hasPlayed = false;
  #playSentMs: number | undefined;
  #playReplyMs: number | undefined;

  private constructor(options: ViewerOptions, url: string) {
    this.#options = options;
    this.url = url;
    this.#base = url;
  }

  /** @throws RigError `timeout`, `closed`; RtspError for an unusable URL */
  static async connect(options: ViewerOptions): Promise<RigViewer> {
    const { username, password, ...url } = parseRtspUrl(options.url);
    const fromUrl = username === undefined ? undefined : { username, password: password ?? '' };
    const viewer = new RigViewer(options, formatRtspUrl(url));
    viewer.#connection = await ViewerConnection.connect(
      {
        url,
        localAddress: options.localAddress,
        credentials: options.credentials ?? fromUrl,
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        ca: options.ca,
      },
      {
        frame: (channel, bytes, start, end) => viewer.#channels[channel]?.(bytes, start, end),
        progress: () => viewer.#wake(),
        closed: () => viewer.#wake(),
      },
    );
    viewer.#connectedMs = performance.now();
    return viewer;
  }

  /**
   * Connects, asks for the description, and sets up every stream.
   * @throws what these throw; the connection is closed then
   */
  static async open(options: ViewerOptions): Promise<RigViewer> {
    const viewer = await RigViewer.connect(options);
    try {
      await viewer.describe();
      await viewer.setup();
      return viewer;
    } catch (error) {
      await viewer.close();
      throw error;
    }
  }

  /** The connection's, and one for each wait for an answer. */
  get roundTrips(): number {
    return this.#connection.roundTrips;
  }
  get isClosed(): boolean {
    return this.#connection.isClosed;
  }
  /** Without its timeout parameter; undefined before SETUP and after TEARDOWN. */
  get session(): string | undefined {
    return this.#session;
  }
  /** @throws RigError `protocol` before describe() */
  get description(): Description {
    if (this.#description === undefined) throw new RigError('protocol', 'nothing was described yet');
    return this.#description;
  }
  /** Of the streams that were set up, in that order. */
  get recordings(): readonly StreamRecording[] {
    return this.#seats.map((seat) => seat.recording);
  }
  get times(): ViewerTimes {
    const recordings = this.recordings;
    const video = recordings.filter((recording) => recording.stream.media === 'video');
    const isEnded = recordings.length > 0 && recordings.every((recording) => recording.ended);
    return {
      connectStartMs: this.#connectStartMs,
      connectedMs: this.#connectedMs,
      playSentMs: this.#playSentMs,
      playReplyMs: this.#playReplyMs,
      firstRtpMs: earliest(recordings.map((recording) => recording.firstRtpMs)),
      firstKeyFrameMs: earliest(
        (video.length > 0 ? video : recordings).map((recording) => recording.firstKeyFrameMs),
      ),
      endedMs: isEnded
        ? Math.max(...recordings.map((recording) => recording.byeTimesMs.at(-1) ?? 0))
        : undefined,
    };
  }

  /** @throws RigError `protocol` if that stream was not set up */
  recording(stream: number): StreamRecording {
    const recording = this.recordings.find((candidate) => candidate.stream.index === stream);
    if (recording === undefined) throw new RigError('protocol', `stream ${stream} was not set up`);
    return recording;
  }

  /** Any request, with the session's header once there is one; whatever the answer's status. */
  async request(
    method: string,
    url = this.url,
    headers: RigRequest['headers'] = [],
    body?: string,
  ): Promise<RtspResponse> {
    return await this.#request({ method, url, headers, ...(body === undefined ? {} : { body }) });
  }

  async options(): Promise<RtspResponse> {
    return await this.#accepted({ method: 'OPTIONS', url: this.url });
  }

  /** @throws RigError `status`; RtspError for a description that cannot be read */
  async describe(): Promise<Description> {
    const request = { method: 'DESCRIBE', url: this.url, headers: [['Accept', 'application/sdp']] as const };
    const { headers, body } = await this.#accepted(request);
    const bases = {
      contentBase: headers.get('Content-Base'),
      contentLocation: headers.get('Content-Location'),
    };
    this.#base = controlBase(bases, this.url);
    this.#description = parseDescription(body.toString('utf8'));
    return this.#description;
  }

  /**
   * Sets up the given streams, or all.
   * @param options.pipelined sends all but the first without waiting for the one before
   */
  async setup(streams?: readonly number[], options: { pipelined?: boolean } = {}): Promise<void> {
    const [first, ...others] = streams ?? this.description.streams.map((stream) => stream.index);
    if (first === undefined) throw new RigError('protocol', 'no streams to set up');
    await this.#setup(first);
    if (options.pipelined === true)
      await Promise.all(others.map(async (stream) => await this.#setup(stream)));
    else for (const stream of others) await this.#setup(stream);
  }

  /** @param play.range value of a Range header, such as `npt=10-`; none leaves the header out */
  async play(play: { range?: string; headers?: RigRequest['headers'] } = {}): Promise<PlayReply> {
    const range = play.range === undefined ? [] : ([['Range', play.range]] as const);
    this.#startReports();
    const isAgain = this.#hasPlayed;
    this.#hasPlayed = true;
    this.#playSentMs = performance.now();
    this.#playReplyMs = undefined;
    const response = await this.#accepted({
      method: 'PLAY',
      url: this.#aggregateUrl(),
      headers: [...range, ...(play.headers ?? [])],
      onAnswer: ({ status }) => {
        this.#playReplyMs = performance.now();
        if (isAgain && status === 200) for (const seat of this.#seats) seat.recording.restart();
      },
    });
    return readPlayReply(response, this.#seats);
  }

  async pause(): Promise<RtspResponse> {
    return await this.#accepted({ method: 'PAUSE', url: this.#aggregateUrl() });
  }

  async teardown(): Promise<RtspResponse> {
    const response = await this.#accepted({ method: 'TEARDOWN', url: this.#aggregateUrl() });
    this.#session = undefined;
    this.#stopReports();
    return response;
  }

  /** Closes everything at once; with `reset` the connection ends with RST. Waiters are refused. */
  async close(options: { reset?: boolean } = {}): Promise<void> {
    this.#stopReports();
    await this.#connection.close(options);
    await Promise.all(this.#seats.map(async (seat) => await seat.close()));
  }

  /** Bytes onto the control connection as they are. */
  write(bytes: Buffer | string): void {
    this.#connection.write(bytes);
  }

  /** A viewer whose link stalls: TCP only, until resumeReading(). */
  stopReading(): void {
    this.#connection.stopReading();
  }

  resumeReading(): void {
    this.#connection.resumeReading();
  }

  /**
   * Waits until `check` holds, looked at after everything that arrives.
   * @throws RigError `timeout` with `what`; `closed` if the connection ends first
   */
  async until(check: () => boolean, options: { timeoutMs: number; what: string }): Promise<void> {
    if (check()) return;
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        check,
        settle: () => {
          leave();
          resolve();
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiter.fail(new RigError('timeout', options.what)), options.timeoutMs);
      this.#waiters.add(waiter);
      this.#wake();
    });
  }

  /** Waits for the BYE of every stream that was set up, and for the media that came before it. */
  async ended(options: { timeoutMs: number }): Promise<void> {
    const isEnded = (): boolean =>
      this.#seats.length > 0 && this.recordings.every((recording) => recording.ended);
    await this.until(isEnded, { ...options, what: 'BYE on all streams' });
    if (this.#options.transport === 'udp') await this.#drained();
  }

  /** Waits until `packets` have come since the beginning, over all streams. */
  async received(packets: number, options: { timeoutMs: number }): Promise<void> {
    await this.until(() => this.#packets >= packets, { ...options, what: `${packets} packets` });
  }

  /** Breaks in what arrived, of all streams. @param from index of the first packet to look at in each stream */
  continuity(from?: (recording: StreamRecording) => number): Continuity {
    return sumOf(this.recordings.map((recording) => continuityOf(recording, from?.(recording) ?? 0)));
  }

  /** A hash for each access unit of a stream: equal plays give equal lists. */
  frames(stream: number, options?: AccessUnitOptions): number[] {
    return this.accessUnits(stream, options).map((unit) => unit.hash);
  }

  accessUnits(stream: number, options?: AccessUnitOptions): AccessUnit[] {
    return accessUnitsOf(this.recording(stream), options);
  }

  /** How evenly a stream came. */
  pace(stream: number, options?: AccessUnitOptions): Pace {
    const recording = this.recording(stream);
    return paceOf(accessUnitsOf(recording, options), recording.stream.clockRate);
  }

  /** Packets that have come since the beginning, over all streams. */
  get #packets(): number {
    return this.recordings.reduce((sum, recording) => sum + recording.packets, 0);
  }

  /** Two sockets are not read in the order in which their datagrams came: a BYE may be read before older media. */
  async #drained(): Promise<void> {
    for (let before = -1; before !== this.#packets;) {
      before = this.#packets;
      await delay(DRAIN_MS);
      // When a timer is late sockets are read after it, but before this.
      await setImmediate();
    }
  }

  #aggregateUrl(): string {
    return resolveControl(this.#base, this.#description?.control);
  }

  async #setup(index: number): Promise<void> {
    const stream = this.description.streams[index];
    if (stream === undefined) throw new RigError('protocol', `no stream ${index}`);
    const seat = await StreamSeat.reserve({
      stream,
      url: resolveControl(this.#base, stream.control),
      transport: this.#options.transport,

      address: this.#options.localAddress ?? this.#connection.localAddress,
      recording: { maxPackets: this.#options.maxPackets ?? DEFAULT_MAX_PACKETS, check: this.#options.check },
      progress: () => this.#wake(),
    });
    this.#seats.push(seat);
    try {
      const request = { method: 'SETUP', url: seat.url, headers: [['Transport', seat.offer]] as const };
      const response = await this.#accepted(request);
      this.#session ??= response.headers.get('Session')?.split(';', 1)[0]?.trim();
      seat.take(response, this.#connection.remoteAddress);
    } catch (error) {
      this.#seats.splice(this.#seats.indexOf(seat), 1);
      await seat.close();
      throw error;
    }
    const { channels, recording } = seat;
    if (channels === undefined) return;
    this.#channels[channels[0]] = (bytes, start, end) => recording.rtp(bytes, start, end, performance.now());
    this.#channels[channels[1]] = (bytes, start, end) => recording.rtcp(bytes, start, end, performance.now());
  }

  async #request(request: RigRequest): Promise<RtspResponse> {
    const session = this.#session === undefined ? [] : ([['Session', this.#session]] as const);
    const isGiven = request.headers?.some(([name]) => name.toLowerCase() === 'session') === true;
    const headers = [...(isGiven ? [] : session), ...(request.headers ?? [])];
    return await this.#connection.request({ ...request, headers });
  }

  async #accepted(request: RigRequest): Promise<RtspResponse> {
    const response = await this.#request(request);
    if (response.status === 200) return response;
    const { status, reason } = response;
    throw new RigError('status', `${request.method} ${request.url}: ${status} ${reason}`, { status });
  }

  #startReports(): void {
    if (this.#options.reports === false) return;
    this.#reports ??= setInterval(() => this.sendReports(), REPORT_INTERVAL_MS).unref();
  }

  /** After TEARDOWN the ports may be another session's. */
  #stopReports(): void {
    clearInterval(this.#reports);
    this.#reports = undefined;
  }

  /** One receiver report for each stream, now. They also go out every 5 s. */
  sendReports(): void {
    for (const seat of this.#seats) {
      const report = seat.recording.report(performance.now());
      if (report === undefined) continue;
      const bytes = formatReceiverReport({ ssrc: seat.ssrc, cname: 'viewer', reports: [report] });
      if (seat.channels === undefined) seat.sendRtcp(bytes);
      else this.#connection.sendFrame(seat.channels[1], bytes);
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.check()) waiter.settle();
      else if (this.#connection.isClosed) waiter.fail(new RigError('closed', 'the control connection ended'));
    }
  }
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
