import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { formatReceiverReport, parseCompound } from '@forebay/rtp';
import type { RtcpPacket } from '@forebay/rtp';
import { Framer, formatRequest, parseSession } from '@forebay/rtsp';
import type { RtspMessage, RtspResponse } from '@forebay/rtsp';

/** What a viewer received, in order. */
export type Received =
  | { readonly kind: 'response'; readonly response: RtspResponse }
  | { readonly kind: 'frame'; readonly channel: number; readonly bytes: Buffer };

/** A player made of a socket, that does what the test says. */
export class TestViewer {
  readonly socket: Socket;
  readonly received: Received[] = [];
  isClosed = false;
  #cseq = 0;
  #waiting: (() => void)[] = [];
  readonly #framer: Framer;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#framer = new Framer(
      {
        message: (message: RtspMessage) => {
          if (message.kind === 'response') this.#push({ kind: 'response', response: message });
        },
        frame: (channel, bytes, start, end) => {
          this.#push({ kind: 'frame', channel, bytes: Buffer.from(bytes.subarray(start, end)) });
        },
      },
      { from: 'origin' },
    );
    socket.on('data', (chunk) => this.#framer.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  static async connect(port: number, localAddress = '127.0.0.1'): Promise<TestViewer> {
    const host = localAddress.includes(':') ? localAddress : '127.0.0.1';
    const socket = connect({ port, host, localAddress });
    const viewer = new TestViewer(socket);
    await once(socket, 'connect');
    return viewer;
  }

  /** Sends a request and waits for its answer. */
  async request(
    method: string,
    url: string,
    headers: Record<string, string> = {},
    body = '',
  ): Promise<RtspResponse> {
    return this.answer(this.send(method, url, headers, body));
  }

  /** @returns the CSeq */
  send(method: string, url: string, headers: Record<string, string> = {}, body = ''): number {
    const cseq = ++this.#cseq;
    this.socket.write(formatRequest({ method, url, cseq, headers: Object.entries(headers), body }));
    return cseq;
  }

  async answer(cseq: number): Promise<RtspResponse> {
    const find = (): RtspResponse | undefined => this.responses.find((response) => response.cseq === cseq);
    await this.until(() => find() !== undefined || this.isClosed);
    const found = find();
    if (found === undefined) throw new Error(`closed before an answer to ${cseq}`);
    return found;
  }

  /** Resolves when `condition` holds after something was received. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed);
  }

  get responses(): RtspResponse[] {
    return this.received.flatMap((each) => (each.kind === 'response' ? [each.response] : []));
  }

  frames(channel?: number): Buffer[] {
    return this.received.flatMap((each) =>
      each.kind === 'frame' && (channel === undefined || each.channel === channel) ? [each.bytes] : [],
    );
  }

  #push(received: Received): void {
    this.received.push(received);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

export const TCP = 'RTP/AVP/TCP;unicast;interleaved=0-1';

export function sessionOf(response: RtspResponse): string {
  return parseSession(response.headers.get('Session') ?? '').id;
}

/** SETUP of both streams of /vod/a over TCP. @returns the session id */
export async function setUpBoth(viewer: TestViewer, url: string): Promise<string> {
  const first = await viewer.request('SETUP', `${url}/trackID=0`, { Transport: TCP });
  const Session = sessionOf(first);
  await viewer.request('SETUP', `${url}/trackID=1`, {
    Transport: 'RTP/AVP/TCP;unicast;interleaved=2-3',
    Session,
  });
  return Session;
}

export const compound = (bytes: Buffer): RtcpPacket[] => parseCompound(bytes, 0, bytes.length);

export function senderReport(bytes: Buffer | undefined): Extract<RtcpPacket, { type: 'sr' }> {
  const [first] = compound(bytes ?? Buffer.alloc(0));
  if (first?.type !== 'sr') throw new Error('no sender report');
  return first;
}

/** Sets both streams up and plays. @returns the session id */
export async function play(viewer: TestViewer, url: string): Promise<string> {
  const Session = await setUpBoth(viewer, url);
  await viewer.request('PLAY', url, { Session });
  return Session;
}

/** An interleaved frame. */
export const frameOf = (channel: number, bytes: Buffer): Buffer => {
  const head = Buffer.from([0x24, channel, 0, 0]);
  head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
};

/** A receiver report of one stream. */
export const report = (ssrc: number, o: { lost: number; jitterTicks: number }): Buffer =>
  formatReceiverReport({
    ssrc: 77,
    cname: 'player',
    reports: [
      {
        ssrc,
        fractionLost: 1,
        cumulativeLost: o.lost,
        highestSequence: 5,
        jitterTicks: o.jitterTicks,
        lastSr: 0,
        delaySinceLastSr: 0,
      },
    ],
  });
