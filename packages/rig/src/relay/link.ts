import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { HeadScanner } from './head-scanner.js';
import { DelayLane } from './lane.js';
import { UdpBridge } from './udp-bridge.js';

/** Streams of one connection that may go by UDP. */
const MAX_BRIDGES = 64;

export interface LinkOptions {
  readonly targetHost: string;
  readonly targetPort: number;
  readonly oneWayMs: number;
  /** Address that the relay listens on. */
  readonly address: string;
  /** Called for bytes delivered over TCP. */
  readonly delivered: (direction: Direction, bytes: number) => void;
  /** Called for each datagram; false loses it. */
  readonly pass: (direction: Direction, bytes: number) => boolean;
  readonly closed: (link: Link) => void;
}

export type Direction = 'toViewer' | 'toOrigin';

/** One viewer's connection on its way through the relay, with the UDP streams that it sets up. */
export class Link {
  readonly #options: LinkOptions;
  readonly #viewer: Socket;
  readonly #origin: Socket;
  readonly #lanes: Record<Direction, DelayLane>;
  readonly #bridges: UdpBridge[] = [];
  readonly #openMs: number;
  /** Ports are bound between reading a SETUP and passing it on: everything behind it waits its turn. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(viewer: Socket, options: LinkOptions) {
    this.#options = options;
    this.#viewer = viewer;
    this.#origin = connect(options.targetPort, options.targetHost);
    this.#lanes = { toOrigin: new DelayLane(options.oneWayMs), toViewer: new DelayLane(options.oneWayMs) };
    // The kernel accepts at once; over a real link a viewer could send its first byte one round trip later.
    this.#openMs = performance.now() + 2 * options.oneWayMs;
    const scanners = { toOrigin: new HeadScanner(), toViewer: new HeadScanner() };
    this.#join(viewer, this.#origin, 'toOrigin', scanners.toOrigin);
    this.#join(this.#origin, viewer, 'toViewer', scanners.toViewer);
  }

  hold(direction: Direction): void {
    this.#lanes[direction].hold();
  }

  release(direction: Direction): void {
    this.#lanes[direction].release();
  }

  /** Ends both connections with RST; what is under way is lost. */
  cut(): void {
    for (const socket of [this.#viewer, this.#origin]) if (!socket.destroyed) socket.resetAndDestroy();
    this.#close();
  }

  #join(from: Socket, to: Socket, direction: Direction, scanner: HeadScanner): void {
    const lane = this.#lanes[direction];
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      const sentMs = Math.max(performance.now(), this.#openMs);
      this.#turn = this.#turn.then(async () => {
        for (const { kind, bytes } of scanner.push(chunk)) {
          const passed = kind === 'head' ? await this.#rewrite(direction, bytes) : bytes;
          lane.push(sentMs, passed.length, () => this.#deliver(to, direction, passed));
        }
        if (lane.isFull) from.pause();
      });
    });
    to.on('drain', () => from.resume());
    from.on('end', () => {
      const sentMs = Math.max(performance.now(), this.#openMs);
      this.#turn = this.#turn.then(() => lane.push(sentMs, 0, () => to.end()));
    });
    from.on('error', () => this.#fail(lane, to));
    from.on('close', () => {
      if (this.#viewer.destroyed && this.#origin.destroyed) this.#close();
      else if (!from.readableEnded) this.#fail(lane, to);
    });
  }

  #deliver(to: Socket, direction: Direction, bytes: Buffer): void {
    if (!to.writable) return;
    this.#options.delivered(direction, bytes.length);
    const from = to === this.#viewer ? this.#origin : this.#viewer;
    if (!to.write(bytes)) from.pause();
    else if (from.isPaused() && !this.#lanes[direction].isFull) from.resume();
  }

  /** One side broke: the other hears of it as late as of everything else. */
  #fail(lane: DelayLane, to: Socket): void {
    lane.push(performance.now(), 0, () => {
      if (!to.destroyed) to.resetAndDestroy();
    });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const lane of Object.values(this.#lanes)) lane.clear();
    void Promise.all(this.#bridges.map(async (bridge) => await bridge.close()));
    this.#options.closed(this);
  }

  async #rewrite(direction: Direction, head: Buffer): Promise<Buffer> {
    const text = head.toString('latin1');
    if (!/^transport\s*:[^\r\n]*client_port\s*=/im.test(text)) return head;
    const rewritten = direction === 'toOrigin' ? await this.#forOrigin(text) : this.#forViewer(text);
    return Buffer.from(rewritten, 'latin1');
  }

  async #forOrigin(text: string): Promise<string> {
    let rewritten = text;
    for (const { found, ports } of portPairs(text, 'client_port')) {
      const bridge = await this.#bridgeFor(ports);
      if (bridge !== undefined)
        rewritten = rewritten.replace(found, `client_port=${bridge.portsForOrigin.join('-')}`);
    }
    return rewritten;
  }

  #forViewer(text: string): string {
    const [client] = portPairs(text, 'client_port');
    const [server] = portPairs(text, 'server_port');
    const bridge = this.#bridges.find(({ portsForOrigin }) => portsForOrigin[0] === client?.ports[0]);
    if (bridge === undefined || client === undefined) return text;
    const rewritten = text.replace(client.found, `client_port=${bridge.viewerPorts.join('-')}`);
    if (server === undefined) return rewritten;
    bridge.originPorts = server.ports;
    return rewritten.replace(server.found, `server_port=${bridge.portsForViewer.join('-')}`);
  }

  async #bridgeFor(viewerPorts: readonly [number, number]): Promise<UdpBridge | undefined> {
    const known = this.#bridges.find((bridge) => bridge.viewerPorts[0] === viewerPorts[0]);
    if (known !== undefined || this.#bridges.length === MAX_BRIDGES || this.#isClosed) return known;
    const { address, targetHost, pass } = this.#options;
    const viewerAddress = this.#viewer.remoteAddress ?? address;
    const ends = { address, viewerAddress, viewerPorts, originAddress: targetHost };
    const bridge = await UdpBridge.open({ ...ends, ...this.#lanes, pass });
    this.#bridges.push(bridge);
    return bridge;
  }
}

/** Pairs of ports that a head names; of a lone port the pair. */
function portPairs(text: string, name: string): { found: string; ports: readonly [number, number] }[] {
  return [...text.matchAll(new RegExp(`${name}\\s*=\\s*(\\d{1,5})(?:\\s*-\\s*(\\d{1,5}))?`, 'gi'))].map(
    (match) => {
      const first = Number(match[1]);
      return { found: match[0], ports: [first, Number(match[2] ?? first + 1)] as const };
    },
  );
}
