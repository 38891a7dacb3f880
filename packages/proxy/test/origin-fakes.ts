import { setMaxListeners } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { formatSenderReport } from '@forebay/rtp';
import { formatResponse, Framer, parseRtspUrl, type RtspRequest } from '@forebay/rtsp';
import { type Clock, systemClock } from '../src/clock.js';
import { silentLog } from '../src/log.js';
import { Metrics } from '../src/metrics.js';
import { OriginClient } from '../src/origin/client.js';
import { OriginError } from '../src/origin/errors.js';
import type { OriginRoute } from '../src/origin/route.js';
import type { OriginSession, OriginSink, SenderTime } from '../src/origin/session.js';
import type { TestClock } from './viewer-fakes.js';

const PATIENCE_MS = 20_000;

/** A test that something is made for, and unmade after. */
export interface Scope {
  teardown(undo: () => unknown): unknown;
}

/** Resolves once `condition` holds; looks again in every turn of the event loop. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export interface Answer {
  readonly status?: number;
  readonly headers?: readonly (readonly [string, string | number])[];
  readonly body?: string;
  /** Bytes in the same write, behind the answer. */
  readonly behind?: Buffer;
  /** Bytes in the same write, before the answer. */
  readonly before?: Buffer;
  /** Left out where false. */
  readonly cseq?: false;
}

/** What a script says to one request: an answer, bytes as they are, nothing, or the end of the connection. */
export type Reaction = Answer | Buffer | 'nothing' | 'hang up';
export type Script = (request: Asked, peer: Peer) => Reaction | Promise<Reaction>;

/** A request as the origin saw it. */
export interface Asked extends RtspRequest {
  readonly connection: number;
  /** Number of the read that it came in, over all connections: requests of one write share it on loopback. */
  readonly read: number;
}

/** One connection, as the origin sees it. */
export class Peer {
  readonly number: number;
  readonly socket: Socket;
  readonly frames: { channel: number; bytes: Buffer }[] = [];
  /** Answers of the client to requests of the origin. */
  readonly answers: { status: number; cseq: number | undefined; session: string | undefined }[] = [];

  constructor(number: number, socket: Socket) {
    this.number = number;
    this.socket = socket;
  }

  send(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }
}

/** An origin on loopback that does what a script says, and remembers everything. */
export class ScriptedOrigin {
  readonly asked: Asked[] = [];
  readonly peers: Peer[] = [];
  readonly port: number;
  script: Script;
  readonly #server: Server;
  #reads = 0;

  private constructor(server: Server, script: Script) {
    this.#server = server;
    this.script = script;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(t: Scope, script: Script): Promise<ScriptedOrigin> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = new ScriptedOrigin(server, script);
    t.teardown(() => origin.stop());
    return origin;
  }

  get methods(): string[] {
    return this.asked.map(({ method }) => method);
  }

  /** Connections that are open at present. */
  get open(): number {
    return this.peers.filter(({ socket }) => !socket.destroyed).length;
  }

  get peer(): Peer {
    return this.peers.at(-1)!;
  }

  url(path: string): string {
    return `rtsp://127.0.0.1:${this.port}${path}`;
  }

  /** The nth request of a method, from 1, as soon as it is there. */
  async request(method: string, nth = 1): Promise<Asked> {
    const found = (): Asked[] => this.asked.filter((a) => a.method === method);
    await until(() => found().length >= nth, `${method} number ${nth}`);
    return found()[nth - 1]!;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    const peer = new Peer(this.peers.length, socket);
    this.peers.push(peer);
    let turn: Promise<void> = Promise.resolve();
    const framer = new Framer(
      {
        frame: (channel, bytes, start, end) => {
          peer.frames.push({ channel, bytes: Buffer.from(bytes.subarray(start, end)) });
        },
        message: (message) => {
          if (message.kind === 'response') {
            const { status, cseq, headers } = message;
            peer.answers.push({ status, cseq, session: headers.get('session') });
            return;
          }
          const asked: Asked = { ...message, connection: peer.number, read: this.#reads };
          this.asked.push(asked);
          turn = turn.then(async () => react(await this.script(asked, peer), asked, peer));
        },
      },
      { from: 'origin' },
    );
    socket.on('data', (chunk) => {
      this.#reads++;
      // Answers to what came in one read leave in one write, as they do where an origin is quick.
      socket.cork();
      setImmediate(() => socket.uncork());
      framer.push(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
  }
}

function react(reaction: Reaction, { cseq }: Asked, { socket }: Peer): void {
  if (socket.destroyed || reaction === 'nothing') return;
  if (reaction === 'hang up') {
    socket.destroy();
    return;
  }
  if (Buffer.isBuffer(reaction)) {
    socket.write(reaction);
    return;
  }
  const { status = 200, headers = [], body = '', before, behind } = reaction;
  const head = formatResponse({ status, headers, body, ...(reaction.cseq === false ? {} : { cseq }) });
  socket.write(Buffer.concat([before, head, behind].filter((part) => part !== undefined)));
}

export const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=title',
  't=0 0',
  'a=control:*',
  'a=range:npt=0-60',
  'm=video 0 RTP/AVP 96',
  'a=rtpmap:96 H264/90000',
  'a=control:trackID=0',
  'm=audio 0 RTP/AVP 97',
  'a=rtpmap:97 OPUS/48000/2',
  'a=control:trackID=1',
  '',
].join('\r\n');

export const LIVE_SDP = SDP.replace('npt=0-60', 'npt=now-');

export const describes = (body: string, ...headers: [string, string][]): Answer => ({
  headers: [['Content-Type', 'application/sdp'], ...headers],
  body,
});

/** The session of a well-behaved origin, where `overrides` do not say otherwise. */
export function vod(overrides: Partial<Record<string, Script>> = {}, sdp = SDP): Script {
  return (request, peer) => {
    const override = overrides[request.method];
    if (override !== undefined) return override(request, peer);
    const session = request.headers.get('session') ?? 'abcdefgh';
    if (request.method === 'DESCRIBE') return describes(sdp, ['Content-Base', `${request.url}/`]);
    if (request.method === 'SETUP') {
      const transport = request.headers.get('transport') ?? '';
      return {
        headers: [
          ['Session', `${session};timeout=60`],
          ['Transport', transport],
        ],
      };
    }
    if (request.method === 'PLAY')
      return {
        headers: [
          ['Session', session],
          ['Range', 'npt=0-60'],
        ],
      };
    return { headers: [['Session', session]] };
  };
}

/** An RTP packet; its payload tells its number. */
export function packet(
  sequence: number,
  o: { pt?: number; ssrc?: number; ticks?: number; bytes?: number } = {},
): Buffer {
  const bytes = Buffer.alloc(12 + (o.bytes ?? 20), sequence & 0xff);
  bytes[0] = 0x80;
  bytes[1] = o.pt ?? 96;
  bytes.writeUInt16BE(sequence & 0xffff, 2);
  bytes.writeUInt32BE(o.ticks ?? sequence * 3000, 4);
  bytes.writeUInt32BE(o.ssrc ?? 0x1234, 8);
  return bytes;
}

export function frame(channel: number, bytes: Buffer): Buffer {
  const prefix = Buffer.from([0x24, channel, 0, 0]);
  prefix.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([prefix, bytes]);
}

export const frames = (channel: number, ...packets: Buffer[]): Buffer =>
  Buffer.concat(packets.map((bytes) => frame(channel, bytes)));

/** A sink that remembers. */
export class Recorder implements OriginSink {
  readonly packets: { stream: number; sequence: number; bytes: Buffer }[] = [];
  readonly reports: { stream: number; report: SenderTime }[] = [];
  readonly byes: number[] = [];
  readonly ends: (OriginError | undefined)[] = [];

  rtp(stream: number, bytes: Buffer, start: number, end: number): void {
    if (this.ends.length > 0) throw new Error('a packet after the end');
    const copy = Buffer.from(bytes.subarray(start, end));
    this.packets.push({ stream, sequence: copy.readUInt16BE(2), bytes: copy });
  }

  senderReport(stream: number, report: SenderTime): void {
    this.reports.push({ stream, report });
  }

  bye(stream: number): void {
    this.byes.push(stream);
  }

  closed(error: OriginError | undefined): void {
    this.ends.push(error);
  }

  sequences(stream = 0): number[] {
    return this.packets.filter((p) => p.stream === stream).map((p) => p.sequence);
  }
}

export interface Bench {
  readonly origin: ScriptedOrigin;
  readonly client: OriginClient;
  readonly metrics: Metrics;
  readonly sink: Recorder;
  readonly signal: AbortSignal;
  readonly abort: () => void;
  /** DESCRIBE of /title, then SETUP of both streams and PLAY. */
  readonly open: (o?: {
    startSeconds?: number | undefined;
    endSeconds?: number;
    streams?: number[];
  }) => Promise<OriginSession>;
  /** A counter's value; label values in the order of their names do not matter. */
  readonly metric: (name: string, labels: Record<string, string>) => Promise<number>;
}

/** An origin with `script` and a client for it. */
export async function bench(
  t: Scope,
  script: Script,
  o: { route?: Partial<OriginRoute>; clock?: Clock } = {},
): Promise<Bench> {
  const origin = await ScriptedOrigin.start(t, script);
  const { client, metrics } = clientFor(t, origin.url('/'), o);
  const sink = new Recorder();
  const abort = new AbortController();
  return {
    origin,
    client,
    metrics,
    sink,
    signal: abort.signal,
    abort: () => abort.abort(),
    open: async ({ startSeconds = 0, streams = [0, 1], ...rest } = {}) => {
      const described = await client.describe('/title', abort.signal);
      const start = described.description.onDemand ? startSeconds : undefined;
      return client.open(
        { origin: described, streams, startSeconds: start, ...rest, signal: abort.signal },
        sink,
      );
    },
    metric: async (name, labels) => {
      const found = await metrics.registry.getSingleMetric(name)?.get();
      const value = found?.values.find((v) =>
        Object.entries(labels).every(
          ([key, label]) => String((v.labels as Record<string, unknown>)[key]) === label,
        ),
      );
      return value?.value ?? 0;
    },
  };
}

export function clientFor(
  t: Scope,
  url: string,
  o: { route?: Partial<OriginRoute>; clock?: Clock } = {},
): { client: OriginClient; metrics: Metrics } {
  const metrics = new Metrics();
  const route: OriginRoute = { id: 'origin', baseUrl: parseRtspUrl(url), allowHosts: [], ...o.route };
  const client = new OriginClient({ route, clock: o.clock ?? systemClock, metrics, log: silentLog });
  t.teardown(() => client.close());
  return { client, metrics };
}

/** A signal that never aborts. */
export const never: AbortSignal = new AbortController().signal;
setMaxListeners(0, never);

/** How `asked` ends: the error's code, or 'ok'. */
export async function codeOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'ok';
  } catch (error) {
    if (error instanceof OriginError) return error.code;
    throw error;
  }
}

/** Moves time on in steps of a second, leaving the sockets a turn after each. */
export async function pass(clock: TestClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Path and query of a request. */
export const pathOf = ({ url }: Asked): string => url.replace(/^rtsp:\/\/[^/]*/, '');
export const header = (asked: Asked | undefined, name: string): string | undefined =>
  asked?.headers.get(name);
/** SETUP of another stream than the first. */
export const isSecond = (asked: Asked): boolean => asked.method === 'SETUP' && asked.headers.has('session');

/** A well-behaved origin but for DESCRIBE. */
export const describeWith = (script: Script): Script => vod({ DESCRIBE: script });

export const credentials = { username: 'bob', password: 'p:@"ss' };

/** The answer to SETUP. */
export const setUp = (transport: string, session = 'abcdefgh'): Answer => ({
  headers: [
    ['Session', session],
    ['Transport', transport],
  ],
});

/** A compound of an origin. */
export const senderReport = (ssrc: number, packetCount: number, bye = false): Buffer =>
  formatSenderReport({
    ssrc,
    ntpSeconds: 0x1234_5678,
    ntpFraction: 0x9abc_0000,
    rtpTimestamp: 7,
    packetCount,
    octetCount: 9,
    cname: 'origin',
    bye,
  });
