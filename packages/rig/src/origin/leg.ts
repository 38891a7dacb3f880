import type { Socket as UdpSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { RTP_HEADER_BYTES } from '@forebay/rtp';

const PREFIX_BYTES = 4;
/** No more is written while so much waits for the viewer to read. */
const MAX_WAITING_BYTES = 256 * 1024;
/** Datagrams that one turn may send: a socket's receive buffer holds about ninety of 1200 bytes. */
const MAX_DATAGRAMS = 32;
const MAX_WRITE_BYTES = 128 * 1024;

/** How one session's packets get to the viewer: gathered during a turn, sent at its end. */
export interface Leg {
  /** Packets and bytes that a turn may gather now. */
  room(): { packets: number; bytes: number };
  /** Bytes to write an RTP packet into: `at` is where its header begins. */
  packet(stream: number, payloadBytes: number): { bytes: Buffer; at: number };
  rtcp(stream: number, bytes: Buffer): void;
  flush(): void;
}

/** Interleaved with RTSP on the control connection (RFC 2326 section 10.12): one write a turn. */
export class TcpLeg implements Leg {
  readonly #socket: Socket;
  readonly #channels: readonly (readonly [number, number] | undefined)[];
  #bytes = Buffer.alloc(0);
  #used = 0;

  /** @param channels by stream */
  constructor(socket: Socket, channels: readonly (readonly [number, number] | undefined)[]) {
    this.#socket = socket;
    this.#channels = channels;
  }

  room(): { packets: number; bytes: number } {
    const isOpen = this.#socket.writable && this.#socket.writableLength < MAX_WAITING_BYTES;
    return { packets: isOpen ? Infinity : 0, bytes: isOpen ? MAX_WRITE_BYTES : 0 };
  }

  packet(stream: number, payloadBytes: number): { bytes: Buffer; at: number } {
    const at = this.#frame(this.#channels[stream]![0], RTP_HEADER_BYTES + payloadBytes);
    return { bytes: this.#bytes, at };
  }

  rtcp(stream: number, bytes: Buffer): void {
    const at = this.#frame(this.#channels[stream]![1], bytes.length);
    bytes.copy(this.#bytes, at);
  }

  flush(): void {
    if (this.#used > 0 && this.#socket.writable) this.#socket.write(this.#bytes.subarray(0, this.#used));
    this.#bytes = Buffer.alloc(0);
    this.#used = 0;
  }

  #frame(channel: number, size: number): number {
    const end = this.#used + PREFIX_BYTES + size;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length, 4096));
      this.#bytes.copy(larger, 0, 0, this.#used);
      this.#bytes = larger;
    }
    this.#bytes[this.#used] = 0x24;
    this.#bytes[this.#used + 1] = channel;
    this.#bytes.writeUInt16BE(size, this.#used + 2);
    this.#used = end;
    return end - size;
  }
}

export interface UdpTargets {
  readonly rtp: UdpSocket;
  readonly rtcp: UdpSocket;
  readonly address: string;
  /** By stream: the viewer's ports. */
  readonly ports: readonly (readonly [number, number] | undefined)[];
}

/** One datagram a packet. */
export class UdpLeg implements Leg {
  readonly #targets: UdpTargets;
  readonly #waiting: { bytes: Buffer; port: number }[] = [];

  constructor(targets: UdpTargets) {
    this.#targets = targets;
  }

  room(): { packets: number; bytes: number } {
    return { packets: MAX_DATAGRAMS, bytes: Infinity };
  }

  packet(stream: number, payloadBytes: number): { bytes: Buffer; at: number } {
    const bytes = Buffer.allocUnsafe(RTP_HEADER_BYTES + payloadBytes);
    this.#waiting.push({ bytes, port: this.#targets.ports[stream]![0] });
    return { bytes, at: 0 };
  }

  rtcp(stream: number, bytes: Buffer): void {
    this.flush();
    this.#targets.rtcp.send(bytes, this.#targets.ports[stream]![1], this.#targets.address);
  }

  flush(): void {
    for (const { bytes, port } of this.#waiting) this.#targets.rtp.send(bytes, port, this.#targets.address);
    this.#waiting.length = 0;
  }
}
