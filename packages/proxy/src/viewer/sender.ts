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

/** One system call a packet. Works everywhere. */
export const dgramSender: PacketSender = {
  send(to, bytes, offset, length) {
    to.socket.send(bytes, offset, length, to.port, to.address);
  },
  flush() {
    // Every packet is on its way already.
  },
  idle(socket) {
    return socket.getSendQueueCount() === 0;
  },
};
