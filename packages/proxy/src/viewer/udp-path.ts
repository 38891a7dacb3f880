import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { loadBatchCall, type BatchCall } from './batch-call.js';
import { NativeSender, type PathFault } from './native-sender.js';
import { dgramSender, type PacketSender } from './sender.js';

/** How datagrams leave: `auto` is native where that passes its test. */
export type UdpPath = 'auto' | 'native' | 'dgram';

/** The native path was asked for, and this machine has none. */
export class NoNativePath extends Error {
  override readonly name = 'NoNativePath';
  /** About the machine, not a defect of ours. */
  readonly code = 'no-native-path';
}

export interface UdpPathOptions {
  readonly wanted: UdpPath;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Finds the system call. Default: {@link loadBatchCall}. */
  readonly load?: () => Promise<BatchCall>;
}

/** The test's datagrams by length: runs, shorter last ones, single ones, more than one message. */
const TEST_LENGTHS = [...Array.from({ length: 40 }, () => 400), 1200, 1200, 1200, 700, 100, 300, 300, 8];
const TEST_MS = 1000;

/**
 * Chooses the way out for datagrams, by sending some to ourselves; says in the log and in a gauge what it is.
 * @throws NoNativePath when that is forced and fails
 */
export async function chooseSender(o: UdpPathOptions): Promise<PacketSender> {
  const { wanted, metrics, log } = o;
  const { sender, reason } =
    wanted === 'dgram' ? { sender: undefined, reason: 'asked for' } : await native(o);
  if (sender === undefined && wanted === 'native') throw new NoNativePath(`no native UDP path: ${reason}`);
  const path = sender === undefined ? 'dgram' : 'native';
  metrics.udpPath.set({ path: 'native' }, path === 'native' ? 1 : 0);
  metrics.udpPath.set({ path: 'dgram' }, path === 'dgram' ? 1 : 0);
  log.info({ path, ...(sender === undefined ? { reason } : {}) }, 'path of UDP media is chosen');
  return sender ?? dgramSender;
}

async function native(o: UdpPathOptions): Promise<{ sender?: NativeSender; reason: string }> {
  try {
    const call = await (o.load ?? loadBatchCall)();
    await test(call, '127.0.0.1');
    await test(call, '::1');
    return { sender: new NativeSender(call, faultLog(o.log)), reason: '' };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Each kind of fault is logged once: on a way that cannot do it, every viewer has it. */
function faultLog(log: Log): (fault: PathFault) => void {
  const told = new Set<string>();
  return (fault) => {
    const kind = `${fault.code} ${fault.instead}`;
    if (told.has(kind)) return;
    told.add(kind);
    log.warn(fault, 'the native UDP path does not reach a viewer as it should; further ones are not logged');
  };
}

/**
 * Sends datagrams from `address` to itself and compares what arrives. An address that this host lacks is no fault.
 * @throws Error that says in a few words what was wrong
 */
async function test(call: BatchCall, address: string): Promise<void> {
  const sockets: Socket[] = [];
  try {
    const [from, to] = [await open(address, sockets), await open(address, sockets)];
    if (from === undefined || to === undefined) return;
    let code: string | undefined;
    const sender = new NativeSender(call, (fault) => (code = fault.code));
    const sent = TEST_LENGTHS.map((length, i) => Buffer.alloc(length, i + 1));
    const arrived = collect(to, sent.length, from.address().port);
    const batch = Buffer.concat(sent);
    const destination = { socket: from, address, port: to.address().port };
    let offset = 0;
    for (const { length } of sent) {
      sender.send(destination, batch, offset, length);
      offset += length;
    }
    sender.flush();
    const received = await arrived;
    if (code !== undefined) throw new Error(code);
    if (received.length !== sent.length || !received.every((bytes, i) => bytes.equals(sent[i]!)))
      throw new Error(`${received.length} of ${sent.length} datagrams came, or other ones`);
  } finally {
    for (const socket of sockets) socket.close();
  }
}

async function open(address: string, sockets: Socket[]): Promise<Socket | undefined> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
  sockets.push(socket);
  try {
    socket.bind({ port: 0, address, exclusive: true });
    await once(socket, 'listening');
  } catch {
    return undefined;
  }
  socket.on('error', () => undefined);
  return socket;
}

/** The first `count` datagrams from a port, or fewer when time is up. */
async function collect(socket: Socket, count: number, port: number): Promise<Buffer[]> {
  const received: Buffer[] = [];
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, TEST_MS);
    socket.on('message', (bytes, from) => {
      if (from.port !== port) return;
      received.push(bytes);
      if (received.length < count) return;
      clearTimeout(timer);
      resolve();
    });
  });
  return received;
}
