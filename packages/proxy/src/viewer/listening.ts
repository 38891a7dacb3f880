import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Log } from '../log.js';

/** A peer that vanished is found in this time, and ten probes a second apart. */
const KEEP_ALIVE_MS = 30_000;

export interface ListeningOptions {
  readonly host: string;
  /** 0 takes any. */
  readonly port: number;
  readonly log: Log;
  readonly onConnection: (socket: Socket) => void;
  /** Nothing is read of a connection before somebody else takes it. Default false. */
  readonly pauseOnConnect?: boolean;
}

export interface Listening {
  readonly server: Server;
  readonly address: { readonly host: string; readonly port: number };
}

/** Accepts the connections of viewers. @throws the system's error where the address cannot be listened on */
export async function listenForViewers(o: ListeningOptions): Promise<Listening> {
  const { host, port, log, pauseOnConnect = false } = o;
  const server = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    allowHalfOpen: true,
    pauseOnConnect,
  });
  server.on('connection', o.onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  server.on('error', (error) => log.error({ error }, 'listening socket failed'));
  const bound = server.address() as AddressInfo;
  return { server, address: { host: bound.address, port: bound.port } };
}
