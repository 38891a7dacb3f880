import type { Socket } from 'node:dgram';
import { DgramAsPromised } from 'dgram-as-promised';
import type { SocketAsPromised } from 'dgram-as-promised';
import { RigError } from './errors.js';

const ATTEMPTS = 64;
/** Asked of the kernel, which grants at most net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 4 << 20;

/** Two UDP sockets on an even port and the odd port above it, as RTP and RTCP want them (RFC 3550 section 11). */
export interface UdpPair {
  readonly rtp: Socket;
  readonly rtcp: Socket;
  readonly ports: readonly [rtp: number, rtcp: number];
  close(): Promise<void>;
}

/**
 * Binds a pair of free ports.
 * @throws RigError `limit` if no pair is free after 64 attempts
 */
export async function bindUdpPair(address: string): Promise<UdpPair> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const first = createSocket(address);
    const { port } = await first.bind(0, address);
    const second = createSocket(address);
    try {
      await second.bind(port % 2 === 0 ? port + 1 : port - 1, address);
    } catch {
      await Promise.all([first.close(), second.close()].map(ignored));
      continue;
    }
    const [rtp, rtcp] = port % 2 === 0 ? [first, second] : [second, first];
    rtp.socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    return {
      rtp: rtp.socket,
      rtcp: rtcp.socket,
      ports: [rtp.address().port, rtcp.address().port],
      close: async () => {
        await Promise.all([rtp.close(), rtcp.close()].map(ignored));
      },
    };
  }
  throw new RigError('limit', `no free pair of UDP ports on ${address}`);
}

function createSocket(address: string): SocketAsPromised {
  const socket = DgramAsPromised.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  // A datagram to a port that closed comes back as an error, which is no news to anybody here.
  socket.socket.on('error', () => {});
  // Whoever has a pair also has a connection or a listener, and those keep the process.
  socket.unref();
  return socket;
}

async function ignored(closing: Promise<void>): Promise<void> {
  await closing.catch(() => {});
}
