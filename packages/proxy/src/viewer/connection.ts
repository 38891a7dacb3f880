import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { formatResponse, Framer, RtspError } from '@forebay/rtsp';
import type { FramerSink, RtspMessage, RtspRequest } from '@forebay/rtsp';
import { normalAddress } from './addresses.js';
import { Bucket } from './bucket.js';
import { answerTo, type Answer, type ControlConnection, type ViewerHost } from './exchange.js';
import { Login } from './gatekeeper.js';
import { Channels } from './interleaved.js';
import { LIMIT_REASONS, type RejectReason } from './limits.js';
import { methodLabel, respond } from './methods.js';
import type { ViewerSession } from './session.js';
import type { EndReason } from './session-context.js';
import { Writer } from './writer.js';

/**
 * `ending`: nothing more is read, what was read is answered, then the connection is finished. `finished`: our last byte is
 * written, the viewer's FIN is awaited so that it reads that byte before any reset.
 */
type Phase = 'open' | 'ending' | 'finished' | 'closed';

/** Stray frames are counted in windows of this. */
const STRAY_WINDOW_MS = 10_000;

/** An answer to something that is no request. */
interface Fault {
  readonly kind: 'fault';
  readonly answer: Answer;
  readonly cseq: number | undefined;
}

/** One control connection: bytes in, answers out, strictly in the order of the requests. */
export class ViewerConnection implements ControlConnection, FramerSink {
  readonly viewerAddress: string;
  readonly localAddress: string;
  readonly writer: Writer;
  readonly channels = new Channels();
  readonly login = new Login();
  readonly sessions = new Set<ViewerSession>();
  readonly #socket: Socket;
  readonly #host: ViewerHost;
  readonly #framer = new Framer(this, { from: 'viewer' });
  readonly #queue: (RtspRequest | Fault)[] = [];
  readonly #requestBucket: Bucket;
  #phase: Phase = 'open';
  #endReason: EndReason = 'disconnected';
  #isAnswering = false;
  /** Aborted when the viewer goes while it waits for an answer. */
  #asking: AbortController | undefined;
  /** A message or frame was completed by the bytes being read. */
  #isCompleted = false;
  readonly #openedMs: number;
  #phaseMs: number;
  #heardMs: number | undefined;
  #unfinishedMs: number | undefined;
  #taken = { bytes: 0, sinceMs: 0 };
  #stray = { frames: 0, sinceMs: 0 };
  #earlyFrames = 0;

  constructor(socket: Socket, host: ViewerHost) {
    this.#socket = socket;
    this.#host = host;
    this.viewerAddress = normalAddress(socket.remoteAddress ?? '');
    this.localAddress = normalAddress(socket.localAddress ?? '');
    this.writer = new Writer(socket, host.scratch);
    this.#openedMs = this.#phaseMs = host.pulse.nowMs;
    this.#requestBucket = new Bucket({
      perSecond: host.limits.requestsPerSecond,
      burst: host.limits.requestBurst,
      nowMs: host.clock.nowMs(),
    });
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('end', () => this.#end());
    socket.on('error', (error) =>
      host.log.debug({ viewer: this.viewerAddress, error }, 'viewer connection failed'),
    );
    socket.on('close', () => this.#closed());
  }

  get isSecure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** Ends a connection without a session; one with a session when that ends. */
  closeIfUnused(): void {
    if (this.sessions.size === 0 && !this.#isAnswering) this.#finish();
  }

  /** Closes at once; what the kernel has of our bytes still arrives. */
  leave(): void {
    if (this.writer.pendingBytes === 0) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  /** Looks at the time limits. */
  sweep(): void {
    const { limits, pulse, sessions } = this.#host;
    const nowMs = pulse.nowMs;
    if (this.#phase === 'closed') return;
    // What is unfinished cannot be finished while nothing is read.
    if (this.#unfinishedMs !== undefined && this.#socket.isPaused()) this.#unfinishedMs = nowMs;
    if (this.#isStalled(nowMs)) this.#kill(LIMIT_REASONS.stalledMs, 'stalled');
    else if (this.#phase === 'ending' || this.#phase === 'finished') {
      if (nowMs - this.#phaseMs > limits.lingerMs) this.#kill(LIMIT_REASONS.lingerMs);
    } else if (this.#heardMs === undefined) {
      if (nowMs - this.#openedMs > limits.firstByteMs) this.#kill(LIMIT_REASONS.firstByteMs);
    } else if (this.#unfinishedMs !== undefined && nowMs - this.#unfinishedMs > limits.unfinishedMs) {
      this.#host.rejects.count(LIMIT_REASONS.unfinishedMs, { viewer: this.viewerAddress });
      this.#fault({ status: 408, close: true }, undefined);
    } else if (this.sessions.size === 0 && !this.#isAnswering) {
      if (sessions.isDraining) this.#finish();
      else if (nowMs - this.#heardMs > limits.idleMs) this.#kill(LIMIT_REASONS.idleMs);
    }
  }

  // FramerSink

  frame(channel: number, bytes: Buffer, start: number, end: number): void {
    this.#isCompleted = true;
    if (this.#phase !== 'open') return;
    const { limits } = this.#host;
    const use = this.channels.use(channel);
    if (use?.kind === 'rtcp' && end > start) use.owner.reports(bytes, start, end);
    else if (this.sessions.size > 0) this.#countStray();
    else if (++this.#earlyFrames > limits.earlyFrames) this.#kill(LIMIT_REASONS.earlyFrames);
  }

  message(message: RtspMessage): void {
    this.#isCompleted = true;
    if (this.#phase !== 'open') return;
    if (message.kind === 'response') {
      this.#host.rejects.count('stray-response', { viewer: this.viewerAddress });
      this.#countStray();
    } else this.#enqueue(message);
  }

  refuse(error: RtspError): void {
    this.#isCompleted = true;
    if (this.#phase !== 'open') return;
    this.#enqueue({ kind: 'fault', answer: answerTo(error)!, cseq: error.cseq });
  }

  #enqueue(item: RtspRequest | Fault): void {
    if (this.#queue.length < this.#host.limits.queuedRequests) this.#queue.push(item);
    else this.#kill(LIMIT_REASONS.queuedRequests);
  }

  #read(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    const nowMs = this.#host.pulse.nowMs;
    this.#heardMs = nowMs;
    for (const session of this.sessions) session.alive();
    this.#isCompleted = false;
    try {
      this.#framer.push(chunk);
    } catch (error) {
      if (error instanceof RtspError) this.#broken(error);
      else this.#defect(error);
    }
    if (!this.#framer.partial) this.#unfinishedMs = undefined;
    else if (this.#isCompleted || this.#unfinishedMs === undefined) this.#unfinishedMs = nowMs;
    if (this.#queue.length >= this.#host.limits.pipelinedRequests) {
      this.#host.rejects.count(LIMIT_REASONS.pipelinedRequests, { viewer: this.viewerAddress });
      this.#socket.pause();
    }
    this.#pump().catch((error: unknown) => this.#defect(error));
  }

  /** The viewer wrote its last byte: it may still read the answers to what it asked. */
  #end(): void {
    if (this.#phase === 'finished') this.#socket.destroy();
    if (this.#phase !== 'open') return;
    this.#enter('ending');
    if (!this.#isAnswering) this.#finish();
  }

  /** The bytes are no RTSP any more: an answer for what came before, one for this, and the end. */
  #broken(error: RtspError): void {
    this.#host.rejects.count('bad-request', { viewer: this.viewerAddress, code: error.code });
    const answer = answerTo(error)!;
    if (error.silent) this.#fault({ ...answer, status: 0, close: true }, undefined);
    else this.#fault({ ...answer, close: true }, error.cseq);
  }

  #fault(answer: Answer, cseq: number | undefined): void {
    this.#queue.push({ kind: 'fault', answer, cseq });
    this.#unfinishedMs = undefined;
    this.#enter('ending');
    this.#pump().catch((error: unknown) => this.#defect(error));
  }

  async #pump(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    const { limits } = this.#host;
    while (this.#queue.length > 0 && this.#isWritable()) {
      await this.#paceRequests();
      await this.#whenRead(limits.pendingBytes);
      const next = this.#queue.shift();
      // The connection ended meanwhile.
      if (next === undefined) break;
      if (this.#queue.length < limits.pipelinedRequests) this.#socket.resume();
      if (next.kind === 'fault') this.#write(next.answer, 'other', next.cseq);
      else await this.#answer(next);
    }
    this.#isAnswering = false;
    if (this.#phase === 'ending') this.#finish();
  }

  async #paceRequests(): Promise<void> {
    const { clock, rejects } = this.#host;
    while (!this.#requestBucket.take(clock.nowMs()) && this.#isWritable()) {
      rejects.count(LIMIT_REASONS.requestsPerSecond, { viewer: this.viewerAddress });
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, this.#requestBucket.waitMs);
      });
    }
  }

  /** A viewer that does not read its answers gets no more of them. */
  async #whenRead(pendingBytes: number): Promise<void> {
    if (this.writer.pendingBytes <= pendingBytes) return;
    this.#host.rejects.count(LIMIT_REASONS.pendingBytes, { viewer: this.viewerAddress });
    await this.writer.below(pendingBytes);
  }

  async #answer(request: RtspRequest): Promise<void> {
    const method = methodLabel(request.method);
    const asking = new AbortController();
    this.#asking = asking;
    let answer: Answer;
    try {
      answer = await respond({ request, connection: this, host: this.#host, signal: asking.signal });
    } catch (error) {
      if (this.isClosed) return;
      this.#host.missing.note(error, request, this.viewerAddress);
      answer = answerTo(error) ?? this.#fail(method, error);
    }
    const asksToClose = /\bclose\b/i.test(request.headers.get('Connection') ?? '');
    this.#write(asksToClose ? { ...answer, close: true } : answer, method, request.cseq);
  }

  /** A defect of ours: the viewer loses this connection, the proxy goes on. */
  #fail(method: string, error: unknown): Answer {
    this.#host.log.error({ viewer: this.viewerAddress, method, error }, 'request could not be answered');
    return { status: 500, close: true };
  }

  /** A defect of ours outside of an answer. */
  #defect(error: unknown): void {
    this.#host.log.error({ viewer: this.viewerAddress, error }, 'viewer connection lost to a defect');
    this.#endReason = 'defect';
    this.#framer.stop();
    this.#socket.destroy();
  }

  #write(answer: Answer, method: string, cseq: number | undefined): void {
    if (!this.#isWritable()) return;
    const { metrics, serverName } = this.#host;
    if (answer.status > 0) {
      metrics.requests.inc({ method, status: answer.status });
      const headers = [
        ['Server', serverName],
        ['Date', new Date(this.#host.clock.unixMs()).toUTCString()],
      ] as const;
      this.writer.write(
        formatResponse({
          status: answer.status,
          ...(cseq === undefined ? {} : { cseq }),
          headers: [
            ...headers,
            ...(answer.close === true ? [['Connection', 'close'] as const] : []),
            ...(answer.headers ?? []),
          ],
          ...(answer.body === undefined ? {} : { body: answer.body }),
        }),
      );
    }
    answer.written?.();
    if (answer.close === true) this.#finish();
  }

  /** True while answers can be written. */
  #isWritable(): boolean {
    return this.#phase === 'open' || this.#phase === 'ending';
  }

  /** Sends FIN behind the last answer. Sessions that need this connection end. */
  #finish(): void {
    if (this.#phase === 'finished' || this.#phase === 'closed') return;
    this.#enter('finished');
    this.#queue.length = 0;
    this.#endSessions();
    this.#socket.end();
    if (this.#socket.readableEnded) this.#socket.destroySoon();
    else this.#socket.resume();
  }

  #kill(reason: RejectReason, endReason: EndReason = 'disconnected'): void {
    this.#host.rejects.count(reason, { viewer: this.viewerAddress });
    this.#endReason = endReason;
    this.#framer.stop();
    this.#enter('closed');
    this.#socket.destroy();
  }

  #closed(): void {
    this.#enter('closed');
    this.#asking?.abort();
    this.#queue.length = 0;
    this.#endSessions();
  }

  /** UDP sessions outlive their connection: the viewer may come back with another. Source: RFC 2326 section 1.1. */
  #endSessions(): void {
    for (const session of this.sessions) {
      if (session.transport.kind === 'tcp') session.close(this.#endReason);
    }
  }

  #enter(phase: Phase): void {
    if (this.#phase === 'closed') return;
    this.#phase = phase;
    this.#phaseMs = this.#host.pulse.nowMs;
  }

  #countStray(): void {
    const { limits, pulse } = this.#host;
    if (pulse.nowMs - this.#stray.sinceMs > STRAY_WINDOW_MS)
      this.#stray = { frames: 0, sinceMs: pulse.nowMs };
    if (++this.#stray.frames > limits.strayFrames) this.#kill(LIMIT_REASONS.strayFrames);
  }

  /** True when bytes wait and the kernel has taken none of the writes for too long. */
  #isStalled(nowMs: number): boolean {
    const bytes = this.writer.takenBytes;
    if (this.writer.pendingBytes === 0 || bytes !== this.#taken.bytes)
      this.#taken = { bytes, sinceMs: nowMs };
    return nowMs - this.#taken.sinceMs > this.#host.limits.stalledMs;
  }
}
