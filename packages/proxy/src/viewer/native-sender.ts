import type { Socket } from 'node:dgram';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { type BatchCall, MESSAGE_BYTES } from './batch-call.js';
import { MessageTable, PACKETS_PER_FLUSH } from './message-table.js';
import { dgramSender, type Destination, type PacketSender } from './sender.js';
import { socketName, withPort } from './socket-name.js';

/** Something that the native path could not do for one destination, and what it does from now on. */
export interface PathFault {
  /** Name of the system's error; ENOTSUP for an address or a socket that cannot be given to it. */
  readonly code: string;
  readonly address: string;
  readonly instead: 'one datagram a message' | 'dgram';
}

const { EAGAIN, EWOULDBLOCK, ENOBUFS } = constants.errno;
/** No room now. */
const FULL = new Set([EAGAIN, EWOULDBLOCK, ENOBUFS]);
/** What kernels and devices say to segments that they cannot make: longer than the way allows, or no checksums. */
const NO_SEGMENTS = new Set(['EINVAL', 'EMSGSIZE', 'EIO']);
/** What they say when the call itself is of no use here. */
const NO_CALL = new Set(['EINVAL', 'EIO', 'ENOSYS', 'EFAULT', 'EOPNOTSUPP', 'EAFNOSUPPORT']);
const NONE = -1;
const NOTHING: Buffer = Buffer.alloc(0);

/** What is known of one destination, and its packets of this flush as a list through `#next`. */
interface Way {
  readonly to: Destination;
  readonly state: SocketState | undefined;
  /** What the descriptor was read of: once it is closed, the socket has another one, or none. */
  handle: SocketState['handle'] | undefined;
  fd: number;
  readonly name: Buffer | undefined;
  /** Where the name lies in memory. */
  readonly nameAt: number;
  port: number;
  /** Runs of packets longer than this are not sent as segments. */
  segmentBytes: number;
  isNative: boolean;
  first: number;
  last: number;
}

/** The part of a `node:dgram` socket that names its descriptor. `handle` is null once it is closed. */
interface SocketState {
  readonly handle: { readonly fd?: number } | null;
}

/**
 * A batch as few system calls: `sendmmsg` of messages that each carry a run of packets of one length, which the kernel
 * cuts up (UDP_SEGMENT). What the kernel has no room for goes to `node:dgram`, which waits for room without blocking;
 * until it is gone, {@link PacketSender.idle} is false and nothing overtakes it.
 * Native code sees addresses only during {@link PacketSender.flush}, and every buffer they point into is in a field here.
 */
export class NativeSender implements PacketSender {
  readonly #call: BatchCall;
  readonly #onFault: (fault: PathFault) => void;
  readonly #table: MessageTable;
  readonly #ways = new WeakMap<Destination, Way>();
  readonly #addresses = new WeakMap<Buffer, number>();
  /** Ways with packets in this flush. */
  readonly #busy: Way[] = [];
  /** What packets of this flush lie in, kept alive by this. */
  readonly #buffers: Buffer[] = [];
  /** Packets of this flush: in which of the buffers, where, and the next one of the same way. */
  readonly #bufferOf = new Uint16Array(PACKETS_PER_FLUSH);
  readonly #offsets = new Uint32Array(PACKETS_PER_FLUSH);
  readonly #lengths = new Uint32Array(PACKETS_PER_FLUSH);
  readonly #starts = new Float64Array(PACKETS_PER_FLUSH);
  readonly #next = new Int32Array(PACKETS_PER_FLUSH);
  /** Sockets of which `node:dgram` has, or had, something to send: only those need to be asked. */
  readonly #passedOn = new WeakSet<Socket>();
  #count = 0;
  #lastBytes = NOTHING;
  #lastAddress = 0;

  /** @param onFault told when a destination gets less than segments, at most a few times each */
  constructor(call: BatchCall, onFault: (fault: PathFault) => void) {
    this.#call = call;
    this.#onFault = onFault;
    this.#table = new MessageTable((bytes) => call.addressOf(bytes));
  }

  send(to: Destination, bytes: Buffer, offset: number, length: number): void {
    if (this.#count === PACKETS_PER_FLUSH) this.flush();
    if (bytes !== this.#lastBytes) this.#remember(bytes);
    const packet = this.#count++;
    this.#bufferOf[packet] = this.#buffers.length - 1;
    this.#offsets[packet] = offset;
    this.#lengths[packet] = length;
    this.#starts[packet] = this.#lastAddress + offset;
    this.#next[packet] = NONE;
    const way = this.#wayTo(to);
    if (way.first === NONE) {
      way.first = packet;
      this.#busy.push(way);
    } else {
      this.#next[way.last] = packet;
    }
    way.last = packet;
  }

  flush(): void {
    for (const way of this.#busy) {
      this.#sendAll(way);
      way.first = NONE;
    }
    this.#busy.length = 0;
    this.#buffers.length = 0;
    this.#count = 0;
    this.#lastBytes = NOTHING;
  }

  idle(socket: Socket): boolean {
    if (!this.#passedOn.has(socket)) return true;
    if (!dgramSender.idle(socket)) return false;
    this.#passedOn.delete(socket);
    return true;
  }

  #remember(bytes: Buffer): void {
    let address = this.#addresses.get(bytes);
    if (address === undefined) {
      address = this.#call.addressOf(bytes);
      this.#addresses.set(bytes, address);
    }
    this.#buffers.push(bytes);
    this.#lastBytes = bytes;
    this.#lastAddress = address;
  }

  #wayTo(to: Destination): Way {
    // A way for each stream of one session: few.
    for (const busy of this.#busy) if (busy.to === to) return busy;
    let way = this.#ways.get(to);
    if (way === undefined) {
      way = newWay(to, this.#call);
      this.#ways.set(to, way);
      if (!way.isNative) this.#onFault({ code: 'ENOTSUP', address: to.address, instead: 'dgram' });
    }
    return way;
  }

  #sendAll(way: Way): void {
    const { to, name } = way;
    const handle = way.state?.handle;
    // Closed: its number may be another socket's by now.
    if (handle === null) return;
    if (handle !== way.handle) {
      way.handle = handle;
      way.fd = handle?.fd ?? NONE;
    }
    const { fd } = way;
    if (!way.isNative || name === undefined || fd < 0 || !this.idle(to.socket)) {
      this.#passOn(way, way.first);
      return;
    }
    if (way.port !== to.port) {
      way.port = to.port;
      withPort(name, to.port);
    }
    this.#table.address(way.nameAt, name.length);
    for (let packet = way.first; packet !== NONE;) {
      const count = this.#table.lay(packet, {
        next: this.#next,
        lengths: this.#lengths,
        starts: this.#starts,
        segmentBytes: way.segmentBytes,
      });
      packet = this.#transmit(way, fd, count);
    }
  }

  /** Sends the messages laid. @returns the packet from which to lay them anew, or NONE */
  #transmit(way: Way, fd: number, count: number): number {
    const table = this.#table;
    for (let done = 0; done < count;) {
      const taken = this.#call.send(fd, table.messagesAt + done * MESSAGE_BYTES, count - done);
      if (taken > 0) {
        done += taken;
        continue;
      }
      const packet = table.firstOf(done);
      if (FULL.has(-taken)) {
        this.#passOn(way, packet);
        return NONE;
      }
      const code = getSystemErrorName(taken);
      if (table.isSegmented(done) && NO_SEGMENTS.has(code)) {
        way.segmentBytes = code === 'EIO' ? 0 : this.#lengths[packet]! - 1;
        this.#onFault({ code, address: way.to.address, instead: 'one datagram a message' });
        return packet;
      }
      if (NO_CALL.has(code)) {
        way.isNative = false;
        this.#onFault({ code, address: way.to.address, instead: 'dgram' });
        this.#passOn(way, packet);
        return NONE;
      }
      complain(way.to.socket, code);
      // A packet that is too long is left out; anything else would happen to the next one as well.
      if (code !== 'EMSGSIZE') return NONE;
      done++;
    }
    return NONE;
  }

  /** Leaves this packet and those behind it to `node:dgram`. */
  #passOn(way: Way, first: number): void {
    this.#passedOn.add(way.to.socket);
    for (let packet = first; packet !== NONE; packet = this.#next[packet]!) {
      const bytes = this.#buffers[this.#bufferOf[packet]!]!;
      dgramSender.send(way.to, bytes, this.#offsets[packet]!, this.#lengths[packet]!);
    }
    dgramSender.flush();
  }
}

function newWay(to: Destination, call: BatchCall): Way {
  const { address, port, socket } = to;
  const state = stateOf(socket);
  const name = socketName(address, port);
  return {
    to,
    state,
    handle: undefined,
    fd: NONE,
    name,
    nameAt: name === undefined ? 0 : call.addressOf(name),
    port,
    segmentBytes: Infinity,
    isNative: state !== undefined && name !== undefined,
    first: NONE,
    last: NONE,
  };
}

/** `node:dgram` does not tell a socket's descriptor: it lies behind a symbol, the same in Node 20 to 26. */
function stateOf(socket: Socket): SocketState | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find((each) => each.description === 'state symbol');
  const state: unknown = symbol === undefined ? undefined : Reflect.get(socket, symbol);
  return typeof state === 'object' && state !== null && 'handle' in state
    ? (state as SocketState)
    : undefined;
}

/** Says on the socket that sending failed, as `node:dgram` does: later, and not to nobody. */
function complain(socket: Socket, code: string): void {
  queueMicrotask(() => {
    if (socket.listenerCount('error') > 0) socket.emit('error', Object.assign(new Error(code), { code }));
  });
}
