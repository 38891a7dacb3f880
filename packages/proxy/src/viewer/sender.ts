import type { Socket } from 'node:dgram';

/** Where packets of one stream go. The port is learned once from a viewer behind a translator. */
export interface Destination {
  readonly socket: Socket;
  readonly address: string;
  port: number;
}

/** How datagrams leave. One that gathers packets for `sendmmsg` may keep them until {@link PacketSender.flush}. */
export interface PacketSender {
  /** Sends bytes[offset, offset + length); they must not change before the sender is {@link PacketSender.idle}. */
  send(to: Destination, bytes: Buffer, offset: number, length: number): void;
  /** The batch is complete: whatever was gathered goes out. */
  flush(): void;
  /** True when nothing sent by `socket` waits in this process for room in the kernel. */
  idle(socket: Socket): boolean;
}

/**
 * One system call a packet. Works everywhere. `node:dgram` keeps errors of a send to itself unless it is given a callback;
 * one packet of each batch has one, since a callback for every packet costs a turn of the event loop each. What fails is an
 * `error` of the socket.
 */
class DgramSender implements PacketSender {
  #isWatched = false;

  send(to: Destination, bytes: Buffer, offset: number, length: number): void {
    const { socket, address, port } = to;
    if (this.#isWatched) socket.send(bytes, offset, length, port, address);
    else socket.send(bytes, offset, length, port, address, (error) => tell(socket, error));
    this.#isWatched = true;
  }

  /** Every packet is on its way already. */
  flush(): void {
    this.#isWatched = false;
  }

  idle(socket: Socket): boolean {
    return socket.getSendQueueCount() === 0;
  }
}

function tell(socket: Socket, error: Error | null): void {
  if (error !== null && socket.listenerCount('error') > 0) socket.emit('error', error);
}

export const dgramSender: PacketSender = new DgramSender();
