import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import {
  formatRequest,
  formatResponse,
  Framer,
  type HeaderList,
  type RtspMessage,
  type RtspRequest,
  type RtspResponse,
} from '@forebay/rtsp';
import type { Clock } from '../clock.js';
import { checkWanted, whenAborted } from './deadline.js';
import { dial, type Peer } from './dial.js';
import { asOriginError, OriginError } from './errors.js';
import { ORIGIN_LIMITS } from './limits.js';

const USER_AGENT = ['User-Agent', 'Forebay'] as const;
/** Requests that an origin may make, and get 200 for (RFC 2326 section 10.1, 10.8, 10.9, 10.10). */
const GRANTED = new Set(['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER', 'REDIRECT', 'TEARDOWN']);

/** One question to the origin. */
export interface Question {
  readonly method: string;
  readonly url: string;
  readonly headers?: HeaderList;
  /** Called with the final answer while its bytes are read, before anything behind it is. */
  readonly answered?: (response: RtspResponse) => void;
}

/** Who a connection belongs to at the moment. Nothing of this is called after over() or {@link OriginConnection.destroy}. */
export interface ConnectionOwner {
  /** An interleaved frame: bytes[start,end), valid during the call. */
  frame(channel: number, bytes: Buffer, start: number, end: number): void;
  /** The origin made a request; it has been answered. */
  asked(request: RtspRequest): void;
  /** Everything that arrived with one read has been delivered. */
  read(): void;
  /** The connection is gone. */
  over(error: OriginError): void;
}

interface Pending {
  readonly question: Question;
  readonly settle: (outcome: RtspResponse | OriginError) => void;
  interim: number;
}

const nothing = (): void => undefined;
/** Takes no notice of anything. */
export const NOBODY: ConnectionOwner = { frame: nothing, asked: nothing, read: nothing, over: nothing };

/** An RTSP connection to an origin: questions, answers matched by CSeq, interleaved frames. */
export class OriginConnection {
  owner: ConnectionOwner = NOBODY;
  readonly isSecure: boolean;
  /** Bytes received so far. */
  bytesReceived = 0;
  /** When the bytes that are being read arrived, by the clock's nowMs(). */
  arrivalMs = 0;
  readonly #clock: Clock;
  readonly #framer: Framer;
  readonly #pending = new Map<number, Pending>();
  #socket!: Socket;
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #paused = false;
  #peerAddress = '';
  #localAddress = '';
  #cseq = 0;
  #unsolicited = 0;
  #requestWindowMs = 0;
  #requestsInWindow = 0;

  private constructor(clock: Clock, isSecure: boolean) {
    this.#clock = clock;
    this.isSecure = isSecure;
    this.#framer = new Framer(
      {
        frame: (channel, bytes, start, end) => this.owner.frame(channel, bytes, start, end),
        message: (message) => this.#message(message),
      },
      { from: 'origin' },
    );
  }

  /** @throws OriginError `unreachable`, `tls`, `timeout`, `aborted` */
  static async open(peer: Peer, o: { clock: Clock; signal: AbortSignal }): Promise<OriginConnection> {
    const connection = new OriginConnection(o.clock, peer.scheme === 'rtsps');
    const buffer = Buffer.allocUnsafeSlow(ORIGIN_LIMITS.readBytes);
    const callback = (count: number): boolean => connection.#read(buffer, count);
    const socket = await dial(peer, { buffer, callback }, o);
    connection.#adopt(socket);
    return connection;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Address of the origin's end, the only one that anything is ever sent to; IPv4 in its own form. */
  get peerAddress(): string {
    return this.#peerAddress;
  }

  get localAddress(): string {
    return this.#localAddress;
  }

  /** Bytes that belonged to no message and no frame. */
  get garbageBytes(): number {
    return this.#framer.garbageBytes;
  }

  /** Nothing is read at present. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** @throws OriginError `origin-closed`, `protocol`, or why `signal` aborted */
  ask(question: Question, signal: AbortSignal): Promise<RtspResponse> {
    return this.askTogether([question], signal)[0]!;
  }

  /** Sends questions in one write; one promise each, in order. */
  askTogether(questions: readonly Question[], signal: AbortSignal): Promise<RtspResponse>[] {
    const requests: Buffer[] = [];
    const answers = questions.map((question) => {
      const cseq = ++this.#cseq;
      const { method, url, headers = [] } = question;
      requests.push(formatRequest({ method, url, cseq, headers: [USER_AGENT, ...headers] }));
      return this.#expect(cseq, question, signal);
    });
    if (this.#state === 'open' && !signal.aborted) this.#socket.write(Buffer.concat(requests));
    return answers;
  }

  /** Sends bytes as they are (an interleaved frame); false where too much waits to be sent already. */
  send(bytes: Buffer): boolean {
    if (this.#state !== 'open' || this.#socket.writableLength > ORIGIN_LIMITS.unsentBytes) return false;
    this.#socket.write(bytes);
    return true;
  }

  /** Takes no more bytes from the origin, answers included, until resumeReading(). */
  pauseReading(): void {
    this.#paused = true;
    if (this.#state === 'open') this.#socket.pause();
  }

  resumeReading(): void {
    this.#paused = false;
    if (this.#state === 'open') this.#socket.resume();
  }

  /** Closes at once; questions without an answer are rejected as aborted. Idempotent. */
  destroy(): void {
    this.owner = NOBODY;
    this.#fail(new OriginError('aborted', 'the connection was given up'));
  }

  #adopt(socket: Socket): void {
    this.#socket = socket;
    this.#peerAddress = plainAddress(socket.remoteAddress ?? '');
    this.#localAddress = plainAddress(socket.localAddress ?? '');
    this.#state = 'open';
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      this.#fail(new OriginError('origin-closed', cause.code ?? 'unknown', { cause }));
    });
    socket.on('end', () => this.#fail(new OriginError('origin-closed', 'the origin closed the connection')));
    socket.on('close', () => this.#fail(new OriginError('origin-closed', 'the connection closed')));
    if (socket.destroyed) this.#fail(new OriginError('origin-closed', 'the connection closed'));
  }

  #read(buffer: Buffer, count: number): boolean {
    if (this.#state === 'closed') return false;
    this.arrivalMs = this.#clock.nowMs();
    this.bytesReceived += count;
    try {
      this.#framer.push(buffer.subarray(0, count));
      this.owner.read();
    } catch (error) {
      this.#fail(asOriginError(error, 'protocol', 'unreadable bytes'));
    }
    return true;
  }

  #expect(cseq: number, question: Question, signal: AbortSignal): Promise<RtspResponse> {
    return new Promise((resolve, reject) => {
      checkWanted(signal);
      if (this.#state === 'closed') throw new OriginError('origin-closed', 'the connection is closed');
      let waiting = true;
      const settle = (outcome: RtspResponse | OriginError): void => {
        if (!waiting) return;
        waiting = false;
        stopWaiting();
        if (outcome instanceof OriginError) reject(outcome);
        else resolve(outcome);
      };
      this.#pending.set(cseq, { question, settle, interim: 0 });
      // The entry stays, so that a late answer is not taken for one that nobody asked for.
      const stopWaiting = whenAborted(signal, (reason) => settle(reason));
    });
  }

  #message(message: RtspMessage): void {
    if (this.#state === 'closed') return;
    if (message.kind === 'request') this.#answer(message);
    else this.#accept(message);
  }

  #accept(response: RtspResponse): void {
    const cseq = response.cseq ?? this.#blamed(response.status);
    const pending = cseq === undefined ? undefined : this.#pending.get(cseq);
    if (cseq === undefined || pending === undefined) {
      if (++this.#unsolicited > ORIGIN_LIMITS.unsolicitedAnswers) {
        this.#fail(new OriginError('protocol', 'too many answers that nobody asked for'));
      }
      return;
    }
    if (response.status < 200) {
      if (++pending.interim > ORIGIN_LIMITS.interimAnswers) {
        this.#fail(new OriginError('protocol', 'too many informational answers'));
      }
      return;
    }
    this.#pending.delete(cseq);
    pending.question.answered?.(response);
    pending.settle(response);
  }

  /** Errors may lack their CSeq (VLC, live555 under load): they belong to the oldest question. Successes may not. */
  #blamed(status: number): number | undefined {
    return status >= 400 ? this.#pending.keys().next().value : undefined;
  }

  #answer(request: RtspRequest): void {
    if (this.arrivalMs - this.#requestWindowMs >= 1000) {
      this.#requestWindowMs = this.arrivalMs;
      this.#requestsInWindow = 0;
    }
    const tooMany = ++this.#requestsInWindow > ORIGIN_LIMITS.originRequestsPerSecond;
    const session = request.headers.get('session');
    const status = GRANTED.has(request.method) ? 200 : 501;
    const headers: [string, string][] = session === undefined ? [] : [['Session', session]];
    if (request.method === 'OPTIONS') headers.push(['Public', [...GRANTED].join(', ')]);
    if (tooMany || !this.send(formatResponse({ status, cseq: request.cseq, headers }))) {
      this.#fail(new OriginError('protocol', 'too many requests from the origin'));
      return;
    }
    this.owner.asked(request);
  }

  #fail(error: OriginError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#framer.stop();
    this.#socket.destroy();
    const owner = this.owner;
    this.owner = NOBODY;
    for (const pending of this.#pending.values()) pending.settle(error);
    this.#pending.clear();
    owner.over(error);
  }
}

function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}
