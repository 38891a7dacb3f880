import type { RemoteInfo, Socket } from 'node:dgram';
import type { PacketRun } from '@forebay/cache';
import type { TransportSpec } from '@forebay/rtsp';
import type { Timeline } from '../read/timeline.js';
import { normalAddress } from './addresses.js';
import type { PortPair, Ports } from './ports.js';
import { Refusal } from './refusal.js';
import type { Scratch } from './scratch.js';
import type { Destination, PacketSender } from './sender.js';
import { FRAME_BYTES, payloadBytes, type MediaTransport, type TransportOwner } from './transport.js';

const LEAST_PORT = 1024;
/** Errors of a send that say "no way to the viewer" rather than "not this packet". */
const UNREACHABLE = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ECONNREFUSED',
  'EPERM',
]);

/** No media port could be had. */
export class PortsExhausted extends Error {
  override readonly name = 'PortsExhausted';
}

export interface UdpOptions {
  readonly ports: Ports;
  readonly sender: PacketSender;
  readonly scratch: Scratch;
  readonly owner: TransportOwner;
  /** Of the control connection: media leaves from here ... */
  readonly localAddress: string;
  /** ... and goes here and nowhere else, whatever the viewer says. */
  readonly peerAddress: string;
  /** How long sending may fail, and the clock that this is measured by. */
  readonly unreachableMs: number;
  nowMs(): number;
  /** Something came from elsewhere. */
  onForeign(address: string): void;
}

/** Which port of the viewer's is meant: the one it announced, or where its packets come from when they are translated. */
interface Way {
  readonly to: Destination;
  readonly announced: number;
  /** `shown` by a packet that may have come from somebody else at the same address; `settled`: nothing changes it. */
  state: 'announced' | 'shown' | 'settled';
}

interface Lane {
  readonly pair: PortPair;
  readonly rtp: Way;
  readonly rtcp: Way;
}

/**
 * Media and reports of one session as datagrams, a pair of ports a stream. What comes in counts only if it comes from the
 * viewer's address. A viewer behind a translator shows its real ports by the first packet it sends on each: they are
 * learned once, before its first report, and never its address. Last words of another session that had our port before may
 * come first: what comes from the port that was announced, or reports on our stream, corrects them.
 * Source: RFC 4961, RFC 3550 section 11.
 */
export class UdpTransport implements MediaTransport {
  readonly kind = 'udp';
  readonly #o: UdpOptions;
  readonly #lanes: (Lane | undefined)[] = [];
  #isClosed = false;
  #failing: { readonly sinceMs: number; readonly lastMs: number } | undefined;

  constructor(options: UdpOptions) {
    this.#o = options;
  }

  /** @throws PortsExhausted, Refusal 454 when the session ended meanwhile, or the system's error */
  async setUp(stream: number, asked: TransportSpec): Promise<TransportSpec> {
    const [rtpPort, rtcpPort] = asked.clientPort ?? [0, 0];
    const pair = await this.#o.ports.take(this.#o.localAddress);
    if (pair === undefined) throw new PortsExhausted('every media port is in use');
    this.drop(stream);
    if (this.#isClosed) {
      pair.release();
      throw new Refusal(454);
    }
    const address = this.#o.peerAddress;
    const lane: Lane = {
      pair,
      rtp: wayTo({ socket: pair.rtp, address, port: rtpPort }),
      rtcp: wayTo({ socket: pair.rtcp, address, port: rtcpPort }),
    };
    this.#lanes[stream] = lane;
    this.#listen(pair.rtp, (_bytes, from) => this.#punched(lane, from));
    this.#listen(pair.rtcp, (bytes, from) => this.#reported(lane, bytes, from));
    return { lower: 'udp', delivery: 'unicast', clientPort: [rtpPort, rtcpPort], serverPort: pair.ports };
  }

  drop(stream: number): void {
    this.#lanes[stream]?.pair.release();
    this.#lanes[stream] = undefined;
  }

  writable(): boolean {
    if (this.#isClosed) return false;
    for (const lane of this.#lanes) {
      if (lane !== undefined && !this.#o.sender.idle(lane.pair.rtp)) return false;
    }
    return true;
  }

  send(run: PacketRun, from: number, to: number, timeline: Timeline): number {
    if (this.#isClosed || from >= to) return 0;
    const { offsets } = run;
    const { sender, scratch } = this.#o;
    const start = offsets[from]!;
    const batch = scratch.take(offsets[to]! - start);
    const { bytes: target, view } = batch;
    run.bytes.copy(target, 0, start, offsets[to]);
    let bytes = 0;
    for (let i = from; i < to; i++) {
      const stream = run.streams[i]!;
      const lane = this.#lanes[stream];
      if (lane === undefined) continue;
      const packet = offsets[i]! - start + FRAME_BYTES;
      const end = offsets[i + 1]! - start;
      timeline.stamp(view, packet, stream, payloadBytes(target, packet, end));
      sender.send(lane.rtp.to, target, packet, end - packet);
      bytes += end - packet;
    }
    sender.flush();
    // Packets that wait for room in the kernel still lie in the batch: then it is not used again.
    if (this.writable()) scratch.give(batch);
    return bytes;
  }

  report(stream: number, compound: Buffer): void {
    const lane = this.#lanes[stream];
    if (lane === undefined || this.#isClosed) return;
    this.#o.sender.send(lane.rtcp.to, compound, 0, compound.length);
    this.#o.sender.flush();
  }

  close(): void {
    this.#isClosed = true;
    this.#lanes.forEach((_lane, stream) => this.drop(stream));
  }

  #listen(socket: Socket, received: (bytes: Buffer, from: RemoteInfo) => void): void {
    socket.on('message', (bytes, from) => {
      if (normalAddress(from.address) === this.#o.peerAddress) received(bytes, from);
      else this.#o.onForeign(from.address);
    });
    socket.on('error', (error) => this.#sendFailed(error));
  }

  #sendFailed(error: NodeJS.ErrnoException): void {
    if (!UNREACHABLE.has(error.code ?? '')) return;
    const { unreachableMs, owner } = this.#o;
    const nowMs = this.#o.nowMs();
    const isSameRun = this.#failing !== undefined && nowMs - this.#failing.lastMs <= unreachableMs;
    const sinceMs = isSameRun ? this.#failing!.sinceMs : nowMs;
    this.#failing = { sinceMs, lastMs: nowMs };
    if (nowMs - sinceMs > unreachableMs) owner.unreachable();
  }

  /** Players send something to our RTP port to open a way through their translator. */
  #punched(lane: Lane, from: RemoteInfo): void {
    this.#learn(lane.rtp, from.port, false);
    this.#failing = undefined;
    this.#o.owner.punched();
  }

  #reported(lane: Lane, bytes: Buffer, from: RemoteInfo): void {
    this.#failing = undefined;
    const subject = this.#o.owner.reports(bytes, 0, bytes.length);
    if (subject !== 'other') this.#learn(lane.rtcp, from.port, subject === 'ours');
    if (subject === 'ours' && lane.rtp.state === 'announced') lane.rtp.state = 'settled';
  }

  /** @param isProof only the viewer can have sent it */
  #learn(way: Way, port: number, isProof: boolean): void {
    const { to, announced, state } = way;
    if (state === 'settled' || port < LEAST_PORT || this.#o.ports.isOurs(to.address, port)) return;
    const isSettled = isProof || port === announced;
    if (!isSettled && state === 'shown') return;
    to.port = port;
    way.state = isSettled ? 'settled' : 'shown';
  }
}

function wayTo(to: Destination): Way {
  return { to, announced: to.port, state: 'announced' };
}
