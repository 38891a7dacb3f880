import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { isRtcp } from '@forebay/rtp';
import { parseSession, RtspError } from '@forebay/rtsp';
import type { RtspRequest, TransportSpec } from '@forebay/rtsp';
import type { Title } from '../title/title.js';
import { bindUdpPair } from '../udp-pair.js';
import type { UdpPair } from '../udp-pair.js';
import { OriginConnection } from './connection.js';
import type { Answer, ConnectionHost } from './connection.js';
import { describeTitle } from './description.js';
import type { OriginFaults } from './faults.js';
import { TcpLeg, UdpLeg } from './leg.js';
import {
  answerOptions,
  checkState,
  chooseTransport,
  formatChosen,
  paceHeaders,
  playHeaders,
  playOptions,
  sessionHeader,
  targetOf,
} from './methods.js';
import { newCounters } from './options.js';
import type { LoggedRequest, MountOptions, OriginCounters, OriginOptions } from './options.js';
import { OriginSession } from './session.js';
import type { Mount, SessionHost } from './session.js';

const TICK_MS = 5;
const MAX_LOGGED = 20_000;
const MAX_SESSIONS = 10_000;
const DEFAULT_TIMEOUT_SECONDS = 60;

/** An RTSP origin that serves titles at their own pace, well-behaved or as a script of faults has it. */
export class RigOrigin {
  readonly host: string;
  readonly counters: OriginCounters = newCounters();
  /** The first 20,000 requests, in the order answered. */
  readonly requests: LoggedRequest[] = [];
  readonly #mounts = new Map<string, Mount>();
  readonly #bytesByPath = new Map<string, number>();
  readonly #sessions = new Map<string, OriginSession>();
  readonly #connections = new Set<OriginConnection>();
  readonly #udpViewers = new Map<string, OriginSession>();
  readonly #epochMs = performance.now();
  readonly #udp: UdpPair;
  readonly #hosting: SessionHost & ConnectionHost;
  #faults: OriginFaults;
  #server: Server | undefined;
  #port: number;
  #ticker: NodeJS.Timeout | undefined;

  private constructor(options: OriginOptions, host: string, udp: UdpPair) {
    this.host = host;
    this.#port = options.port ?? 0;
    this.#faults = options.faults ?? {};
    this.#udp = udp;
    this.#hosting = this.#createHosting();
    for (const [path, title] of Object.entries(options.titles)) this.mount(path, title);
    for (const socket of [udp.rtp, udp.rtcp]) {
      socket.on('message', (bytes, { address, port }) => {
        const session = this.#udpViewers.get(`${address}:${port}`);
        if (session !== undefined) session.lastSeenMs = performance.now();
        if (isRtcp(bytes, 0, bytes.length)) this.counters.receiverReports += 1;
      });
    }
  }

  static async start(options: OriginOptions): Promise<RigOrigin> {
    const host = options.host ?? '127.0.0.1';
    const origin = new RigOrigin(options, host, await bindUdpPair(host));
    try {
      await origin.up();
    } catch (error) {
      await origin.close();
      throw error;
    }
    return origin;
  }

  get port(): number {
    return this.#port;
  }

  url(path: string): string {
    return `rtsp://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.#port}${path}`;
  }

  /** Serves a title at a path, in place of what was there: sessions that have begun keep the old one. */
  mount(path: string, title: Title | MountOptions): void {
    const options = 'title' in title ? title : { title };
    this.#mounts.set(path, {
      path,
      title: options.title,
      live: options.live === true,
      faults: options.faults ?? {},
    });
  }

  /** Changes the script from the next request on: for one path, or for all that does not say otherwise. */
  setFaults(faults: OriginFaults, path?: string): void {
    const mount = path === undefined ? undefined : this.#mounts.get(path);
    if (mount !== undefined) this.#mounts.set(mount.path, { ...mount, faults });
    else this.#faults = faults;
  }

  /** RTP bytes sent of the title at a path. */
  mediaBytesOf(path: string): number {
    return this.#bytesByPath.get(path) ?? 0;
  }

  /** How often a method was answered, with any status. */
  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length;
  }

  /** Ends every connection and stops listening. up() brings it back on the same port. */
  async down(how: 'fin' | 'reset' = 'reset'): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed =
      server === undefined ? undefined : new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.close(how);
    await closed;
  }

  async up(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, this.host, resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    await this.down();
    await this.#udp.close();
  }

  #createHosting(): SessionHost & ConnectionHost {
    return {
      epochMs: this.#epochMs,
      sent: (path, packets, bytes) => {
        this.counters.packets += packets;
        this.counters.mediaBytes += bytes;
        this.#bytesByPath.set(path, this.mediaBytesOf(path) + bytes);
      },
      died: (session) => {
        for (const connection of this.#connections) {
          if (connection.sessions.has(session))
            connection.close(this.#faultsOf(session.mount.path).death ?? 'fin');
        }
      },
      faultsFor: (url) => this.#faultsOf(targetOf(url).path),
      answer: (request, connection) => this.#answer(request, connection),
      log: (request, status, connection) => this.#log(request, status, connection),
      alive: (connection) => {
        this.counters.receiverReports += 1;
        for (const session of connection.sessions) session.lastSeenMs = performance.now();
      },
      ended: (connection) => {
        this.#connections.delete(connection);
        this.counters.openConnections = this.#connections.size;
        for (const session of connection.sessions) this.#forget(session);
      },
    };
  }

  #accept(socket: Socket): void {
    this.counters.connections += 1;
    this.#connections.add(new OriginConnection(socket, this.counters.connections, this.#hosting));
    this.counters.openConnections = this.#connections.size;
  }

  #faultsOf(path: string): OriginFaults {
    return { ...this.#faults, ...this.#mounts.get(path)?.faults };
  }

  #log(request: RtspRequest, status: number, connection: OriginConnection): void {
    if (this.requests.length === MAX_LOGGED) return;
    const { method, url, headers } = request;
    const header = (name: string): string | undefined => headers.get(name);
    this.requests.push({
      atMs: performance.now(),
      connection: connection.index,
      method,
      url,
      header,
      status,
    });
  }

  #answer(request: RtspRequest, connection: OriginConnection): Answer {
    const { method } = request;
    if (method === 'OPTIONS') return answerOptions();
    if (method === 'DESCRIBE') return this.#describe(request);
    if (method === 'SETUP') return this.#setup(request, connection);
    const session = this.#sessionOf(request);
    if (session === undefined) return { status: 454 };
    checkState(session, method);
    const faults = this.#faultsOf(session.mount.path);
    const headers = [sessionHeader(session, faults)];
    if (method === 'PLAY') return this.#play(request, session, faults);
    if (method === 'PAUSE') {
      this.counters.pauses += 1;
      session.pause(performance.now());
    }
    if (method === 'TEARDOWN') {
      this.counters.teardowns += 1;
      connection.sessions.delete(session);
      this.#forget(session);
    }
    return { status: 200, headers };
  }

  #describe(request: RtspRequest): Answer {
    this.counters.describes += 1;
    const { path, base } = targetOf(request.url);
    const mount = this.#mounts.get(path);
    const faults = this.#faultsOf(path);
    if (faults.redirect !== undefined) return { status: 302, headers: [['Location', faults.redirect]] };
    if (mount === undefined) return { status: 404 };
    const body = describeTitle(mount.title, { live: mount.live, name: path.slice(1), faults });
    return {
      status: 200,
      headers: [
        ['Content-Type', 'application/sdp'],
        ['Content-Base', `${base}/`],
        ...(faults.etag === undefined
          ? []
          : [['ETag', faults.etag.replace('*', String(this.counters.describes))] as const]),
      ],
      body,
    };
  }

  #setup(request: RtspRequest, connection: OriginConnection): Answer {
    this.counters.setups += 1;
    const { path, stream } = targetOf(request.url);
    const mount = this.#mounts.get(path);
    if (mount === undefined || stream === undefined || mount.title.streams[stream] === undefined)
      return { status: 404 };
    const faults = this.#faultsOf(path);
    const spec = chooseTransport(request, stream, faults);
    const known = request.headers.has('Session') ? this.#sessionOf(request) : undefined;
    if (known === undefined && request.headers.has('Session')) return { status: 454 };
    if (known === undefined && this.#sessions.size >= (faults.maxSessions ?? MAX_SESSIONS))
      return { status: 453 };
    const session = known ?? new OriginSession(mount, this.#hosting, performance.now());
    checkState(session, 'SETUP');
    this.#sessions.set(session.id, session);
    connection.sessions.add(session);
    this.counters.openSessions = this.#sessions.size;
    this.counters.mostSessions = Math.max(this.counters.mostSessions, this.#sessions.size);
    this.#place(session, stream, spec, connection);
    const transport = formatChosen(spec, this.#udp.ports, session.add(stream).ssrc);
    return { status: 200, headers: [sessionHeader(session, faults), ['Transport', transport]] };
  }

  /** Adds a stream's channels or ports to those that the session has. */
  #place(session: OriginSession, stream: number, spec: TransportSpec, connection: OriginConnection): void {
    const pair = spec.lower === 'tcp' ? spec.interleaved : spec.clientPort;
    session.places[stream] = pair;
    const { socket, remoteAddress } = connection;
    if (spec.lower === 'tcp') session.leg = new TcpLeg(socket, session.places);
    else {
      const { rtp, rtcp } = this.#udp;
      session.leg = new UdpLeg({ rtp, rtcp, address: remoteAddress, ports: session.places });
      for (const port of pair ?? []) this.#udpViewers.set(`${remoteAddress}:${port}`, session);
    }
  }

  #play(request: RtspRequest, session: OriginSession, faults: OriginFaults): Answer {
    this.counters.plays += 1;
    const options = playOptions(request, session.mount, faults);
    const cued = session.cue(options, performance.now());
    const headers = [
      sessionHeader(session, faults),
      ...playHeaders(session, options, cued, targetOf(request.url).base),
      ...paceHeaders(request, faults),
    ];
    const delayMs = faults.delaysMs?.['media'] ?? 0;
    const start = (): void => {
      if (!this.#sessions.has(session.id)) return;
      session.start(performance.now());
      this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    };
    return { status: 200, headers, after: delayMs > 0 ? () => setTimeout(start, delayMs) : start };
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const session of this.#sessions.values()) {
      session.tick(nowMs);
      const { sessionTimeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = this.#faultsOf(session.mount.path);
      if (nowMs - session.lastSeenMs < sessionTimeoutSeconds * 1000) continue;
      this.counters.expiredSessions += 1;
      this.#forget(session);
    }
    if (this.#sessions.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #sessionOf(request: RtspRequest): OriginSession | undefined {
    const value = request.headers.get('Session');
    if (value === undefined) throw new RtspError('viewer', 'session', { detail: 'missing' });
    const session = this.#sessions.get(parseSession(value).id);
    if (session !== undefined) session.lastSeenMs = performance.now();
    return session;
  }

  #forget(session: OriginSession): void {
    session.state = 'ended';
    this.#sessions.delete(session.id);
    this.counters.openSessions = this.#sessions.size;
    for (const [viewer, owner] of this.#udpViewers) if (owner === session) this.#udpViewers.delete(viewer);
  }
}
