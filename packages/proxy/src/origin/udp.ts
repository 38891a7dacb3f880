import { Buffer } from 'node:buffer';
import type { RemoteInfo } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { isRtcp } from '@forebay/rtp';
import type { PortPair } from '@forebay/rtsp';
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised';
import type { Clock } from '../clock.js';
import { checkWanted } from './deadline.js';
import { OriginError } from './errors.js';
import type { Inlet } from './inlet.js';
import type { Intake } from './intake.js';
import { ORIGIN_LIMITS } from './limits.js';
import { Reorder } from './reorder.js';

/** An RTP packet without payload that opens the way back through a NAT (version 2, payload type 0). */
const PUNCH = Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

export interface UdpOptions {
  readonly intake: Intake;
  readonly inlet: Inlet;
  readonly clock: Clock;
  /** Our end of the control connection: where sockets are bound. */
  readonly localAddress: string;
  /** The origin's end of the control connection: packets come from there and go there, and nowhere else. */
  readonly peerAddress: string;
}

/**
 * The two UDP ports of one stream, RTP even and RTCP odd (RFC 3550 section 11).
 *
 * Packets count only when they come from the origin's address, and from one port: the announced one, or where none was
 * announced that of the first RTP packet of the stream.
 */
export class UdpStream {
  readonly ports: PortPair;
  /** Bytes received in packets that counted. */
  bytesReceived = 0;
  readonly #o: UdpOptions;
  readonly #rtp: SocketAsPromised;
  readonly #rtcp: SocketAsPromised;
  readonly #reorder: Reorder;
  /** Where the origin sends from; 0 while unknown. */
  #rtpPort = 0;
  #rtcpPort = 0;
  #closed = false;

  private constructor(options: UdpOptions, rtp: Bound, rtcp: Bound) {
    this.#o = options;
    this.#rtp = rtp.wrapper;
    this.#rtcp = rtcp.wrapper;
    this.ports = [rtp.port, rtcp.port];
    this.#reorder = new Reorder({
      clock: options.clock,
      deliver: (packet) => options.intake.take(options.inlet, packet, 0, packet.length),
      drop: () => options.intake.reject('rtp-late'),
    });
    this.#rtp.socket.on('message', (packet, from) => this.#onRtp(packet, from));
    this.#rtcp.socket.on('message', (packet, from) => this.#onRtcp(packet, from));
    // ICMP errors of the way back; that media stays away is noticed elsewhere.
    for (const { socket } of [this.#rtp, this.#rtcp]) socket.on('error', () => undefined);
  }

  /** @throws OriginError `transport` where no pair is free; `aborted` */
  static async open(options: UdpOptions, signal: AbortSignal): Promise<UdpStream> {
    for (let tries = 0; tries < ORIGIN_LIMITS.portTries; tries++) {
      checkWanted(signal);
      const first = await bind(options.localAddress, 0);
      if (first === undefined) continue;
      const isEven = first.port % 2 === 0;
      const second = await bind(options.localAddress, isEven ? first.port + 1 : first.port - 1);
      if (second !== undefined && !signal.aborted) {
        return new UdpStream(options, isEven ? first : second, isEven ? second : first);
      }
      release(first.wrapper);
      if (second !== undefined) release(second.wrapper);
    }
    throw new OriginError('transport', 'no free UDP ports');
  }

  /** The origin's ports, from its answer to SETUP; undefined where it gave none. */
  announced(serverPorts: PortPair | undefined): void {
    this.#rtpPort = serverPorts?.[0] ?? 0;
    this.#rtcpPort = serverPorts?.[1] ?? 0;
  }

  /** Opens the way for the origin's packets through NATs and firewalls on our side. */
  punch(report: Buffer): void {
    this.#send(this.#rtp, PUNCH, this.#rtpPort);
    this.sendReport(report);
  }

  sendReport(report: Buffer): void {
    this.#send(this.#rtcp, report, this.#rtcpPort);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reorder.close();
    release(this.#rtp);
    release(this.#rtcp);
  }

  #onRtp(packet: Buffer, from: RemoteInfo): void {
    const { intake, inlet } = this.#o;
    if (this.#closed || !this.#isOrigin(from, this.#rtpPort)) return;
    intake.arrivalMs = this.#o.clock.nowMs();
    if (isRtcp(packet, 0, packet.length)) {
      this.#count(packet);
      intake.take(inlet, packet, 0, packet.length);
    } else if (inlet.accepts(packet, 0, packet.length)) {
      if (this.#rtpPort === 0) this.#rtpPort = from.port;
      this.#count(packet);
      this.#reorder.push(packet);
    }
  }

  #onRtcp(packet: Buffer, from: RemoteInfo): void {
    if (this.#closed || !this.#isOrigin(from, this.#rtcpPort)) return;
    if (!isRtcp(packet, 0, packet.length)) {
      this.#o.intake.reject('rtcp-version');
      return;
    }
    if (this.#rtcpPort === 0) this.#rtcpPort = from.port;
    this.#count(packet);
    this.#o.intake.arrivalMs = this.#o.clock.nowMs();
    this.#o.intake.take(this.#o.inlet, packet, 0, packet.length);
  }

  #count(packet: Buffer): void {
    this.bytesReceived += packet.length;
  }

  #isOrigin(from: RemoteInfo, port: number): boolean {
    if (from.address === this.#o.peerAddress && (port === 0 || port === from.port)) return true;
    this.#o.intake.reject('address');
    return false;
  }

  #send(from: SocketAsPromised, packet: Buffer, port: number): void {
    if (this.#closed || port === 0) return;
    from.socket.send(packet, port, this.#o.peerAddress, () => undefined);
  }
}

interface Bound {
  readonly wrapper: SocketAsPromised;
  readonly port: number;
}

/** A socket bound to `port`, 0 for any; undefined where it is taken or reserved. */
async function bind(address: string, port: number): Promise<Bound | undefined> {
  const wrapper = DgramAsPromised.createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    recvBufferSize: ORIGIN_LIMITS.udpReceiveBytes,
    // Addresses only, never names: what is sent leaves at once, also just before close().
    lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
  });
  try {
    const bound = await wrapper.bind(port, address);
    return { wrapper, port: bound.port };
  } catch {
    release(wrapper);
    return undefined;
  }
}

function release(wrapper: SocketAsPromised): void {
  wrapper.close().catch(() => undefined);
}
