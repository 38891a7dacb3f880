import type { Server, Socket } from 'node:net';
import { type Viewing, Viewings } from '../access.js';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { Library } from '../read/library.js';
import { Addresses, normalAddress } from './addresses.js';
import { ViewerConnection } from './connection.js';
import type { ViewerHost } from './exchange.js';
import { type Gate, Gatekeeper } from './gatekeeper.js';
import { LIMIT_REASONS, VIEWER_LIMITS, type ViewerLimits } from './limits.js';
import { listenForViewers } from './listening.js';
import { eventLoopUtilization, Load, type Utilization } from './load.js';
import { Ports, type PortRange } from './ports.js';
import { PERIOD_MS, Pulse } from './pulse.js';
import { Missing } from './missing.js';
import { Rejects } from './rejects.js';
import { Scratch } from './scratch.js';
import { SecureDoor, type TlsIdentity } from './secure-door.js';
import { dgramSender, type PacketSender } from './sender.js';
import { Sessions } from './sessions.js';

/** What viewers are met with. It may change while they are served. */
export interface Terms {
  /** Who may watch what. */
  readonly gates: readonly Gate[];
  /** Undefined: nobody is served over TLS. */
  readonly tls?: TlsIdentity;
}

export interface ViewerServerOptions {
  readonly library: Library;
  readonly terms: Terms;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Media ports: an even first and an odd last one; 0 and 0 for any that are free. */
  readonly udpPorts: PortRange;
  /** How datagrams leave. Default: one system call each. */
  readonly sender?: PacketSender;
  readonly limits?: Partial<ViewerLimits>;
  /** Announced in SETUP. Default 60, as RFC 2326 section 12.37 has it. */
  readonly sessionTimeoutSeconds?: number;
  /** Value of the Server header. */
  readonly serverName: string;
  /** Of this process's event loop. Default: as it is measured. */
  readonly utilization?: Utilization;
  /** Called after each range that a viewer played, not live. Must not throw. */
  readonly onViewing?: (viewing: Viewing) => void;
}

const DEFAULT_TIMEOUT_SECONDS = 60;

/** RTSP towards players: listens, and holds every connection and session of viewers. */
export class ViewerServer {
  readonly #host: ViewerHost;
  readonly #pulse: Pulse;
  readonly #load: Load;
  /** Of connections, those in their TLS handshake among them. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<ViewerConnection>();
  readonly #servers = new Set<Server>();
  #door: SecureDoor | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(o: ViewerServerOptions) {
    const { library, clock, metrics, log, serverName } = o;
    const limits: ViewerLimits = { ...VIEWER_LIMITS, ...o.limits };
    const timeoutSeconds = o.sessionTimeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
    const rejects = new Rejects({ metrics, log, clock });
    const addresses = new Addresses();
    const gatekeeper = new Gatekeeper({
      gates: o.terms.gates,
      addresses,
      rejects,
      limits,
      nowMs: () => clock.nowMs(),
    });
    this.#load = new Load(o.utilization ?? eventLoopUtilization(), limits.overloadMs / PERIOD_MS);
    this.#pulse = new Pulse(clock, (lateMs) => this.#sweep(lateMs));
    const context = {
      library,
      clock,
      metrics,
      log,
      limits,
      timeoutSeconds,
      rejects,
      pulse: this.#pulse,
      ...(o.onViewing === undefined ? {} : { viewings: new Viewings(o.onViewing) }),
    };
    this.#host = {
      ...context,
      sessions: new Sessions(context, { addresses, load: this.#load }),
      addresses,
      gatekeeper,
      missing: new Missing({ log, clock, routeOf: (url) => gatekeeper.routeOf(url) }),
      ports: new Ports(o.udpPorts, limits.portAttempts, clock),
      sender: o.sender ?? dgramSender,
      scratch: new Scratch(),
      serverName,
    };
    if (o.terms.tls !== undefined) this.#door = this.#openDoor(o.terms.tls);
  }

  get sessions(): number {
    return this.#host.sessions.size;
  }

  /** It has more to do than it can, and takes no new sessions. */
  get isFull(): boolean {
    return this.#load.isFull;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** May be called for several addresses. @param port 0 takes any @param isSecure over TLS */
  async listen(host: string, port: number, isSecure = false): Promise<{ host: string; port: number }> {
    const onConnection = (socket: Socket): void => this.adopt(socket, isSecure);
    const { server, address } = await listenForViewers({ host, port, log: this.#host.log, onConnection });
    server.maxConnections = this.#host.limits.connections;
    server.on('drop', (from) =>
      this.#host.rejects.count(LIMIT_REASONS.connections, { viewer: from?.remoteAddress }),
    );
    this.#servers.add(server);
    return address;
  }

  /**
   * From now on this counts: who plays what they may not watch any more is told goodbye, and who comes over TLS sees the new certificate.
   * @throws the system's error where certificate and key cannot be read, or do not belong together
   */
  setTerms({ gates, tls }: Terms): void {
    if (tls !== undefined) {
      if (this.#door === undefined) this.#door = this.#openDoor(tls);
      else this.#door.change(tls);
    }
    const { gatekeeper, sessions } = this.#host;
    gatekeeper.replace(gates);
    sessions.expel(({ resource, user }) => gatekeeper.allows(resource, user));
  }

  /** Takes nobody new, lets those who play play on for at most `timeoutMs`, then closes. */
  async drain(timeoutMs: number): Promise<void> {
    const { clock, sessions } = this.#host;
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.closeIfUnused();
    let timer: object | undefined;
    await Promise.race([
      sessions.drain(),
      new Promise<void>((resolve) => {
        timer = clock.setTimeout(resolve, timeoutMs);
      }),
    ]);
    if (timer !== undefined) clock.clearTimeout(timer);
    await this.close();
  }

  /** Ends every session, with a BYE where it plays, and closes every socket. */
  async close(): Promise<void> {
    this.#pulse.stop();
    this.#host.sessions.close();
    const closed = [...this.#servers].map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
        }),
    );
    this.#servers.clear();
    for (const connection of this.#connections) connection.leave();
    this.#door?.close();
    await Promise.all(closed);
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  /** Takes a connection that was accepted here or elsewhere. */
  adopt(socket: Socket, isSecure = false): void {
    const { addresses, limits, rejects, metrics } = this.#host;
    const viewerAddress = normalAddress(socket.remoteAddress ?? '');
    if (viewerAddress === '' || (isSecure && this.#door === undefined)) {
      // Gone before it was accepted: nobody is refused anything.
      socket.destroy();
      return;
    }
    const account = addresses.of(viewerAddress);
    const isFull = this.#sockets.size >= limits.connections;
    if (isFull || account.connections >= limits.connectionsPerAddress) {
      const reason = isFull ? LIMIT_REASONS.connections : LIMIT_REASONS.connectionsPerAddress;
      rejects.count(reason, { viewer: viewerAddress });
      socket.destroy();
      return;
    }
    if (isSecure && account.handshakes.add(this.#pulse.nowMs) > limits.handshakesPerMinute) {
      rejects.count(LIMIT_REASONS.handshakesPerMinute, { viewer: viewerAddress });
      socket.destroy();
      return;
    }
    account.connections++;
    metrics.viewerConnections.inc();
    this.#sockets.add(socket);
    socket.once('close', () => {
      account.connections--;
      metrics.viewerConnections.dec();
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#whenEmpty?.();
    });
    if (isSecure) this.#door?.admit(socket);
    else this.#converse(socket);
  }

  #converse(socket: Socket): void {
    const connection = new ViewerConnection(socket, this.#host);
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
  }

  #openDoor(identity: TlsIdentity): SecureDoor {
    const { limits, rejects } = this.#host;
    return new SecureDoor({
      identity,
      handshakeMs: limits.firstByteMs,
      onSecure: (socket) => this.#converse(socket),
      onFailed: (error, viewer) => rejects.count('tls', { viewer, error: error.message }),
    });
  }

  #sweep(lateMs: number): void {
    this.#load.look(lateMs);
    for (const connection of this.#connections) connection.sweep();
    this.#host.sessions.sweep();
    this.#host.addresses.sweep(this.#pulse.nowMs);
  }
}
