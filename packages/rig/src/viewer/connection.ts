import { randomBytes } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  authorizationFor,
  chooseChallenge,
  formatRequest,
  formatResponse,
  Framer,
  parseChallenges,
} from '@forebay/rtsp';
import type { Challenge, Credentials, RtspMessage, RtspResponse, RtspUrl } from '@forebay/rtsp';
import { RigError } from '../errors.js';

const USER_AGENT = 'forebay-rig';

export interface ConnectionOptions {
  readonly url: RtspUrl;
  readonly localAddress?: string | undefined;
  readonly credentials?: Credentials | undefined;
  /** For the connection, and for each answer. */
  readonly timeoutMs: number;
  /** With rtsps: certificates to trust. Without them any certificate is accepted. */
  readonly ca?: string | undefined;
}

export interface ConnectionSink {
  /** bytes[start, end) is what an interleaved frame carries; valid only during the call. */
  frame(channel: number, bytes: Buffer, start: number, end: number): void;
  /** Something came: a chunk has been read to its end. */
  progress(): void;
  closed(error: Error | undefined): void;
}

export interface RigRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: readonly (readonly [string, string | number])[];
  readonly body?: string;
  /** Called as soon as the answer is read, before anything behind it in the same chunk is. */
  readonly onAnswer?: (response: RtspResponse) => void;
}

interface Waiting {
  readonly request: RigRequest;
  readonly settle: (response: RtspResponse) => void;
  readonly fail: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** The viewer's control connection: requests out, answers matched by CSeq, interleaved frames handed on. */
export class ViewerConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #sink: ConnectionSink;
  readonly #waiting = new Map<number, Waiting>();
  #cseq = 0;
  #roundTrips = 1;
  #challenge: Challenge | undefined;
  #nonceCount = 0;
  #error: Error | undefined;
  #isClosed = false;

  private constructor(socket: Socket, options: ConnectionOptions, sink: ConnectionSink) {
    this.#socket = socket;
    this.#options = options;
    this.#sink = sink;
    const framer = new Framer(
      {
        frame: (channel, bytes, start, end) => sink.frame(channel, bytes, start, end),
        message: (message) => this.#receive(message),
      },
      { from: 'origin' },
    );
    socket.on('data', (chunk: Buffer) => {
      try {
        framer.push(chunk);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
      sink.progress();
    });
    socket.on('error', (error) => (this.#error = error));
    socket.on('close', () => this.#end());
  }

  /** @throws RigError `timeout`, `closed` */
  static async connect(options: ConnectionOptions, sink: ConnectionSink): Promise<ViewerConnection> {
    const { url, localAddress, timeoutMs, ca } = options;
    const where = { host: url.host, port: url.port, ...(localAddress === undefined ? {} : { localAddress }) };
    const trust = ca === undefined ? { rejectUnauthorized: false } : { ca };
    const socket = url.scheme === 'rtsps' ? connectTls({ ...where, ...trust }) : connectTcp(where);
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new RigError('timeout', `connecting to port ${url.port}`)),
        timeoutMs,
      );
      const refused = (cause: Error): void =>
        fail(new RigError('closed', `connecting to port ${url.port}`, { cause }));
      socket.once('error', refused);
      socket.once(url.scheme === 'rtsps' ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        socket.off('error', refused);
        resolve();
      });
    });
    return new ViewerConnection(socket, options, sink);
  }

  /** The connection's, and each wait for answers: requests sent while one is outstanding share it. */
  get roundTrips(): number {
    return this.#roundTrips;
  }
  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? this.#options.url.host;
  }
  get localAddress(): string {
    return this.#socket.localAddress ?? '127.0.0.1';
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The answer, whatever its status; a challenge is answered once where there are credentials. */
  async request(request: RigRequest): Promise<RtspResponse> {
    const response = await this.#exchange(request);
    const { credentials } = this.#options;
    if (response.status !== 401 || credentials === undefined) return response;
    const challenges = parseChallenges(response.headers.all('WWW-Authenticate'));
    const challenge = chooseChallenge(challenges, { allowBasic: true });
    if (challenge === undefined) return response;
    this.#challenge = challenge;
    this.#nonceCount = 0;
    return await this.#exchange(request);
  }

  /** An interleaved frame towards the peer. */
  sendFrame(channel: number, payload: Buffer): void {
    const prefix = Buffer.from([0x24, channel, payload.length >> 8, payload.length & 0xff]);
    this.write(Buffer.concat([prefix, payload]));
  }

  /** Bytes as they are, for tests of bad manners. */
  write(bytes: Buffer | string): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Stops reading: the kernel's buffers fill, and the peer feels it. */
  stopReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  /** Closes with FIN, or, with `reset`, with RST. */
  async close(options: { reset?: boolean } = {}): Promise<void> {
    if (this.#isClosed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    if (options.reset === true) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    await closed;
  }

  async #exchange(request: RigRequest): Promise<RtspResponse> {
    const doing = `${request.method} ${request.url}`;
    if (this.#isClosed) throw new RigError('closed', doing, { cause: this.#error });
    const cseq = ++this.#cseq;
    const bytes = formatRequest({
      method: request.method,
      url: request.url,
      cseq,
      headers: [['User-Agent', USER_AGENT], ...this.#authorization(request), ...(request.headers ?? [])],
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    if (this.#waiting.size === 0) this.#roundTrips += 1;
    return await new Promise<RtspResponse>((settle, fail) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(cseq);
        fail(new RigError('timeout', doing));
      }, this.#options.timeoutMs);
      this.#waiting.set(cseq, { request, settle, fail, timer });
      this.#socket.write(bytes);
    });
  }

  #authorization({ method, url }: RigRequest): readonly (readonly [string, string])[] {
    const { credentials } = this.#options;
    if (this.#challenge === undefined || credentials === undefined) return [];
    const use = { method, url, nonceCount: ++this.#nonceCount, cnonce: randomBytes(8).toString('hex') };
    return [['Authorization', authorizationFor(this.#challenge, credentials, use)]];
  }

  #receive(message: RtspMessage): void {
    if (message.kind === 'request') {
      this.write(formatResponse({ status: 200, cseq: message.cseq }));
      return;
    }
    const cseq = message.cseq ?? this.#waiting.keys().next().value;
    const waiting = cseq === undefined ? undefined : this.#waiting.get(cseq);
    if (cseq === undefined || waiting === undefined) return;
    this.#waiting.delete(cseq);
    clearTimeout(waiting.timer);
    waiting.request.onAnswer?.(message);
    waiting.settle(message);
  }

  #end(): void {
    this.#isClosed = true;
    const error = this.#error;
    for (const { request, fail, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      fail(new RigError('closed', `${request.method} ${request.url}`, { cause: error }));
    }
    this.#waiting.clear();
    this.#sink.closed(error);
  }
}
