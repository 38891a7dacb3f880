import type { Socket } from 'node:net';
import { formatResponse, Framer, RtspError } from '@forebay/rtsp';
import type { RtspRequest } from '@forebay/rtsp';
import { Gatekeeper } from './authentication.js';
import type { OriginFaults } from './faults.js';
import type { OriginSession } from './session.js';

/** Requests that may wait behind one that is answered late. */
const MAX_QUEUED = 64;

/** An answer: status, headers, and what is to happen right after it has been written. */
export interface Answer {
  readonly status: number;
  readonly headers?: readonly (readonly [string, string | number])[];
  readonly body?: string;
  readonly after?: () => void;
}

/** What a connection asks its origin. */
export interface ConnectionHost {
  faultsFor(url: string): OriginFaults;
  /** @throws RtspError */
  answer(request: RtspRequest, connection: OriginConnection): Answer;
  log(request: RtspRequest, status: number, connection: OriginConnection): void;
  /** Something came by this connection that belongs to a session: an interleaved frame. */
  alive(connection: OriginConnection): void;
  ended(connection: OriginConnection): void;
}

/** One viewer's control connection: requests are answered one after the other, as late as the script wants. */
export class OriginConnection {
  readonly socket: Socket;
  readonly index: number;
  readonly sessions = new Set<OriginSession>();
  readonly #host: ConnectionHost;
  readonly #gatekeeper = new Gatekeeper();
  readonly #queue: RtspRequest[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isBusy = false;
  /** Requests begun in the present chunk. */
  #inChunk = 0;

  constructor(socket: Socket, index: number, host: ConnectionHost) {
    this.socket = socket;
    this.index = index;
    this.#host = host;
    const framer = new Framer(
      {
        frame: () => host.alive(this),
        message: (message) => {
          if (message.kind === 'request') this.#take(message);
        },
        refuse: (error) => this.#refuse(error),
      },
      { from: 'viewer' },
    );
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#inChunk = 0;
      try {
        framer.push(chunk);
      } catch (error) {
        if (error instanceof RtspError) this.#refuse(error);
        socket.destroy();
      }
    });
    socket.on('close', () => {
      clearTimeout(this.#timer);
      host.ended(this);
    });
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  close(how: 'fin' | 'reset'): void {
    // Reset while its end is being sent, a socket of Node 20 stays half closed, and holds up the end of the process.
    if (how === 'reset' && this.socket.writableEnded) this.socket.destroy();
    else if (how === 'reset') this.socket.resetAndDestroy();
    else this.socket.destroySoon();
  }

  #refuse(error: RtspError): void {
    if (error.silent) return;
    const cseq = error.cseq === undefined ? {} : { cseq: error.cseq };
    this.socket.write(formatResponse({ status: error.status, ...cseq }));
  }

  #take(request: RtspRequest): void {
    this.#inChunk += 1;
    const { pipelining } = this.#host.faultsFor(request.url);
    const isPipelined = this.#isBusy || this.#inChunk > 1;
    if (isPipelined && pipelining === 'dropped') return;
    if ((isPipelined && pipelining === 'closed') || this.#queue.length === MAX_QUEUED) {
      this.socket.destroy();
      return;
    }
    this.#queue.push(request);
    this.#work();
  }

  #work(): void {
    if (this.#isBusy) return;
    const request = this.#queue.shift();
    if (request === undefined) return;
    const delayMs = this.#host.faultsFor(request.url).delaysMs?.[request.method] ?? 0;
    const finish = (): void => {
      this.#isBusy = false;
      this.#answer(request);
      this.#work();
    };
    this.#isBusy = true;
    if (delayMs > 0) this.#timer = setTimeout(finish, delayMs);
    else finish();
  }

  #answer(request: RtspRequest): void {
    const answer = this.#answerFor(request);
    this.#host.log(request, answer.status, this);
    if (!this.socket.writable) return;
    const { status, headers, body } = answer;
    this.socket.write(
      formatResponse({
        status,
        cseq: request.cseq,
        headers: [['Server', 'forebay-rig'], ...(headers ?? [])],
        ...(body === undefined ? {} : { body }),
      }),
    );
    answer.after?.();
  }

  #answerFor(request: RtspRequest): Answer {
    const faults = this.#host.faultsFor(request.url);
    const { access } = faults;
    const challenge =
      access === undefined || request.method === 'OPTIONS'
        ? undefined
        : this.#gatekeeper.challenge(request, access);
    if (challenge !== undefined) return { status: 401, headers: [['WWW-Authenticate', challenge]] };
    const status = faults.statuses?.[request.method];
    if (status !== undefined) return { status };
    try {
      return this.#host.answer(request, this);
    } catch (error) {
      if (!(error instanceof RtspError)) throw error;
      return {
        status: error.status,
        headers: error.allow === undefined ? [] : [['Allow', error.allow.join(', ')]],
      };
    }
  }
}
