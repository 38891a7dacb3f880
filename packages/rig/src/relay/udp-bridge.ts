import { bindUdpPair } from '../udp-pair.js';
import type { UdpPair } from '../udp-pair.js';
import type { DelayLane } from './lane.js';

export interface BridgeOptions {
  /** Address that the relay listens on. */
  readonly address: string;
  readonly viewerAddress: string;
  readonly viewerPorts: readonly [number, number];
  readonly originAddress: string;
  readonly toViewer: DelayLane;
  readonly toOrigin: DelayLane;
  /** Called for each datagram; false loses it. */
  readonly pass: (direction: 'toViewer' | 'toOrigin', bytes: number) => boolean;
}

/**
 * RTP and RTCP of one stream on their way through a relay:
 *
 *     origin server_port <-> `origin` pair | lanes | `viewer` pair <-> client_port viewer
 */
export class UdpBridge {
  readonly viewerPorts: readonly [number, number];
  /** Ports that the origin is told to send to. */
  readonly portsForOrigin: readonly [number, number];
  /** Ports that the viewer is told to send to. */
  readonly portsForViewer: readonly [number, number];
  /** Known once SETUP was answered. */
  originPorts: readonly [number, number] | undefined;
  readonly #pairs: readonly [origin: UdpPair, viewer: UdpPair];
  #isClosed = false;

  private constructor(options: BridgeOptions, origin: UdpPair, viewer: UdpPair) {
    this.viewerPorts = options.viewerPorts;
    this.portsForOrigin = origin.ports;
    this.portsForViewer = viewer.ports;
    this.#pairs = [origin, viewer];
    for (const [i, kind] of (['rtp', 'rtcp'] as const).entries()) {
      origin[kind].on('message', (bytes) => {
        const port = options.viewerPorts[i]!;
        this.#forward(options, 'toViewer', bytes, () =>
          viewer[kind].send(bytes, port, options.viewerAddress),
        );
      });
      viewer[kind].on('message', (bytes) => {
        const port = this.originPorts?.[i];
        if (port === undefined) return;
        this.#forward(options, 'toOrigin', bytes, () =>
          origin[kind].send(bytes, port, options.originAddress),
        );
      });
    }
  }

  static async open(options: BridgeOptions): Promise<UdpBridge> {
    const origin = await bindUdpPair(options.address);
    return new UdpBridge(options, origin, await bindUdpPair(options.address));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#pairs.map(async (pair) => await pair.close()));
  }

  #forward(
    options: BridgeOptions,
    direction: 'toViewer' | 'toOrigin',
    bytes: Buffer,
    send: () => void,
  ): void {
    const lane = options[direction];
    if (lane.isHeld || lane.isFull || !options.pass(direction, bytes.length)) return;
    lane.push(performance.now(), bytes.length, () => {
      if (!this.#isClosed) send();
    });
  }
}
