import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import { constants } from 'node:os';
import t, { type Test } from 'tap';
import { Metrics } from '../src/metrics.js';
import { type BatchCall, loadBatchCall } from '../src/viewer/batch-call.js';
import { NativeSender, type PathFault } from '../src/viewer/native-sender.js';
import { dgramSender, type Destination } from '../src/viewer/sender.js';
import { socketName } from '../src/viewer/socket-name.js';
import { chooseSender, NoNativePath } from '../src/viewer/udp-path.js';
import { hasIpv6, until } from './viewer-rig.js';

const { EAGAIN, EINVAL, EIO, EMSGSIZE, ENETUNREACH, ENOSYS } = constants.errno;

const native = await loadBatchCall().catch((error: unknown) => String(error));
const skip = typeof native === 'string' && native;

/** A socket that sends to another, and what that one got. */
class Line {
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  readonly destination: Destination;

  private constructor(from: Socket, to: Socket, address: string) {
    this.destination = { socket: from, address, port: to.address().port };
    to.on('message', (bytes) => this.received.push(bytes));
  }

  static async open(t: Test, address = '127.0.0.1'): Promise<Line> {
    const bound = async (): Promise<Socket> => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.bind(0, address);
      await once(socket, 'listening');
      t.teardown(() => socket.close());
      return socket;
    };
    const [from, to] = [await bound(), await bound()];
    to.setRecvBufferSize(4_000_000);
    return new Line(from, to, address);
  }

  /** Gives packets of these lengths to `sender`, all in one buffer with four bytes before each. */
  send(sender: NativeSender, lengths: readonly number[]): void {
    const parts = lengths.flatMap((length) => {
      const packet = Buffer.alloc(length, this.sent.length + 1);
      this.sent.push(packet);
      return [Buffer.alloc(4, 0xee), packet];
    });
    const batch = Buffer.concat(parts);
    let offset = 0;
    for (const length of lengths) {
      offset += 4;
      sender.send(this.destination, batch, offset, length);
      offset += length;
    }
  }

  async arrived(t: Test): Promise<void> {
    await until(() => this.received.length >= this.sent.length);
    t.ok(
      this.received.every((bytes, i) => bytes.equals(this.sent[i]!)),
      'everything, in order, once',
    );
    t.equal(this.received.length, this.sent.length);
  }
}

/** The system's call, seen and changed by a test. */
class Watched implements BatchCall {
  readonly #call: BatchCall;
  readonly #buffers = new Map<number, Buffer>();
  /** Messages of each call, as numbers of packets; a call that failed has none. */
  readonly calls: number[][] = [];
  /** An error to give instead, or how many messages to take at most. */
  readonly answers: ((packets: number[]) => number | undefined)[] = [];

  constructor(call: BatchCall) {
    this.#call = call;
  }

  addressOf(bytes: Buffer): number {
    const at = this.#call.addressOf(bytes);
    this.#buffers.set(at, bytes);
    return at;
  }

  send(fd: number, messagesAt: number, count: number): number {
    const packets = Array.from({ length: count }, (_, i) => this.#wordAt(messagesAt + i * 64 + 24));
    const answer = this.answers.shift()?.(packets);
    if (answer !== undefined && answer < 0) {
      this.calls.push([]);
      return answer;
    }
    this.calls.push(packets.slice(0, answer));
    return this.#call.send(fd, messagesAt, Math.min(count, answer ?? count));
  }

  #wordAt(at: number): number {
    for (const [start, bytes] of this.#buffers)
      if (at >= start && at < start + bytes.length) return bytes.readUInt32LE(at - start);
    throw new Error('nobody asked where this lies');
  }
}

function watched(): { call: Watched; faults: PathFault[]; sender: NativeSender } {
  const call = new Watched(native as BatchCall);
  const faults: PathFault[] = [];
  return { call, faults, sender: new NativeSender(call, (fault) => faults.push(fault)) };
}

const times = (count: number, length: number): number[] => Array.from({ length: count }, () => length);

t.test('packets leave as runs of one length, at most 32 a message and 60,000 bytes', { skip }, async (t) => {
  const { call, faults, sender } = watched();
  const line = await Line.open(t);
  line.send(sender, [...times(3, 1200), 500, ...times(2, 500), 900, 12]);
  t.equal(call.calls.length, 0, 'gathered until the batch is complete');
  sender.flush();
  t.same(call.calls, [[4, 2, 2]]);
  line.send(sender, times(70, 100));
  sender.flush();
  t.same(call.calls[1], [32, 32, 6]);
  line.send(sender, [...times(3, 25_000), 65_507, 20]);
  sender.flush();
  t.same(call.calls[2], [2, 1, 1, 1]);
  sender.flush();
  t.equal(call.calls.length, 3, 'nothing to send, no call');
  await line.arrived(t);
  t.same(faults, []);
});

t.test('streams that take turns still leave as runs, each by its own socket', { skip }, async (t) => {
  const { call, sender } = watched();
  const [video, audio] = [await Line.open(t), await Line.open(t)];
  for (let i = 0; i < 4; i++) {
    video.send(sender, [1000, 1000]);
    audio.send(sender, [200]);
  }
  sender.flush();
  t.same(call.calls, [[8], [4]]);
  await video.arrived(t);
  await audio.arrived(t);
});

t.test('a batch of more packets than are gathered leaves in parts', { skip }, async (t) => {
  const { sender } = watched();
  const line = await Line.open(t);
  for (let i = 0; i < 5; i++) {
    line.send(sender, times(300, 40));
    sender.flush();
    await line.arrived(t);
  }
  line.send(sender, times(1500, 20));
  sender.flush();
  await line.arrived(t);
});

t.test('packets go to the port that was learned', { skip }, async (t) => {
  const { sender } = watched();
  const line = await Line.open(t);
  const late = await Line.open(t);
  line.send(sender, [30]);
  sender.flush();
  await line.arrived(t);
  line.destination.port = late.destination.port;
  line.send(sender, [31, 31]);
  sender.flush();
  await until(() => late.received.length === 2);
});

t.test('an IPv6 address is reached', { skip: skip || (!hasIpv6() && 'no IPv6 here') }, async (t) => {
  const { sender } = watched();
  const six = await Line.open(t, '::1');
  six.send(sender, times(5, 700));
  sender.flush();
  await six.arrived(t);
});

t.test(
  'a partial result is gone on with, and what finds no room waits and is not overtaken',
  { skip },
  async (t) => {
    const { call, faults, sender } = watched();
    const line = await Line.open(t);
    call.answers.push(
      () => 1,
      () => 2,
    );
    line.send(sender, times(150, 60));
    sender.flush();
    t.same(call.calls, [[32], [32, 32], [32, 22]]);
    await line.arrived(t);

    call.answers.push(
      () => 1,
      () => -EAGAIN,
    );
    line.send(sender, times(70, 61));
    sender.flush();
    t.same(call.calls.slice(3), [[32], []]);
    await line.arrived(t);
    await until(() => sender.idle(line.destination.socket));

    // While node:dgram has packets that wait, later ones go behind them.
    const { socket } = line.destination;
    Object.defineProperty(socket, 'getSendQueueCount', { value: () => 1, configurable: true });
    call.answers.push(() => -EAGAIN);
    line.send(sender, [62]);
    sender.flush();
    const before = call.calls.length;
    t.equal(sender.idle(socket), false);
    line.send(sender, [62, 62]);
    sender.flush();
    t.equal(call.calls.length, before);
    Reflect.deleteProperty(socket, 'getSendQueueCount');
    await line.arrived(t);
    line.send(sender, [62, 62]);
    sender.flush();
    t.equal(call.calls.length, before + 1);
    await line.arrived(t);
    t.same(faults, [], 'no room is no fault');
  },
);

t.test(
  'a way without segments gets single messages, one without the call gets dgram',
  { skip },
  async (t) => {
    const { call, faults, sender } = watched();
    const [line, other] = [await Line.open(t), await Line.open(t)];
    const address = '127.0.0.1';
    const instead = 'one datagram a message';
    call.answers.push(() => -EMSGSIZE);
    line.send(sender, [...times(3, 1400), 100, 1000, 1000]);
    sender.flush();
    t.same(call.calls, [[], [1, 1, 1, 1, 2]], 'runs of shorter packets are still runs');
    call.answers.push(() => -EIO);
    line.send(sender, times(3, 1000));
    sender.flush();
    t.same(call.calls.slice(2), [[], [1, 1, 1]]);
    t.same(faults, [
      { code: 'EMSGSIZE', address, instead },
      { code: 'EIO', address, instead },
    ]);
    other.send(sender, times(3, 1000));
    sender.flush();
    t.same(call.calls.at(-1), [3], 'other viewers keep their segments');
    call.answers.push(() => -ENOSYS);
    line.send(sender, times(3, 900));
    sender.flush();
    t.same(faults.at(-1), { code: 'ENOSYS', address, instead: 'dgram' });
    const { length } = call.calls;
    line.send(sender, times(3, 900));
    sender.flush();
    t.equal(call.calls.length, length, 'not asked again');
    await line.arrived(t);
    await other.arrived(t);
  },
);

t.test(
  'errors of sending are told on the socket, and a packet too long costs no other',
  { skip },
  async (t) => {
    const { call, faults, sender } = watched();
    const line = await Line.open(t);
    const codes: unknown[] = [];
    line.destination.socket.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code));
    line.send(sender, [100, 200, 300]);
    line.sent.shift();
    call.answers.push(() => -EMSGSIZE);
    sender.flush();
    t.same(codes, [], 'later');
    await line.arrived(t);
    t.same(codes, ['EMSGSIZE']);
    call.answers.push(() => -ENETUNREACH);
    line.send(sender, [100, 200]);
    sender.flush();
    await Promise.resolve();
    t.same(codes, ['EMSGSIZE', 'ENETUNREACH'], 'once for what goes the same way');
    t.same(faults, []);
  },
);

t.test('nothing is sent by the number of a socket that is closed', { skip }, async (t) => {
  const { call, sender } = watched();
  const line = await Line.open(t);
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const destination = { ...line.destination, socket };
  sender.send(destination, Buffer.alloc(20), 0, 20);
  sender.flush();
  sender.send(destination, Buffer.alloc(20), 0, 20);
  socket.close();
  sender.flush();
  t.equal(call.calls.length, 1);
});

t.test('a socket without a descriptor and an address with a zone get dgram', { skip }, async (t) => {
  const { call, faults, sender } = watched();
  const line = await Line.open(t);
  const sent: unknown[] = [];
  const socket = { send: (...given: unknown[]) => sent.push(given.slice(0, 5)), getSendQueueCount: () => 0 };
  const bytes = Buffer.alloc(20);
  sender.send({ ...line.destination, socket: socket as unknown as Socket }, bytes, 0, 20);
  sender.flush();
  const { port } = line.destination;
  t.same(sent, [[bytes, 0, 20, port, '127.0.0.1']]);
  line.destination.socket.on('error', () => undefined);
  sender.send({ ...line.destination, address: 'fe80::1%lo' }, bytes, 0, 20);
  sender.flush();
  t.same(
    faults.map(({ code, instead }) => `${code} ${instead}`),
    ['ENOTSUP dgram', 'ENOTSUP dgram'],
  );
  t.same(call.calls, []);
});

t.test('addresses as the kernel reads them', async (t) => {
  const table = [
    ['192.0.2.7', '0200 1f90 c0000207 0000000000000000'],
    ['::1', '0a00 1f90 00000000 00000000000000000000000000000001 00000000'],
    ['2001:db8::5:0:9', '0a00 1f90 00000000 20010db8000000000000000500000009 00000000'],
    ['1:2:3:4:5:6:7:8', '0a00 1f90 00000000 00010002000300040005000600070008 00000000'],
    ['fe80::', '0a00 1f90 00000000 fe800000000000000000000000000000 00000000'],
    ['64:ff9b::192.0.2.33', '0a00 1f90 00000000 0064ff9b0000000000000000c0000221 00000000'],
  ] as const;
  for (const [address, hex] of table)
    t.equal(socketName(address, 8080)?.toString('hex'), hex.replaceAll(' ', ''), address);
  t.equal(socketName('fe80::1%eth0', 1), undefined);
  t.equal(socketName('viewer.example', 1), undefined);
});

t.test('what node:dgram cannot send is told, once a batch', async (t) => {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const errors: string[] = [];
  socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
  const to = { socket, address: '127.0.0.1', port: 9 };
  for (let batch = 0; batch < 2; batch++) {
    for (let packet = 0; packet < 3; packet++) dgramSender.send(to, Buffer.alloc(70_000), 0, 70_000);
    dgramSender.flush();
  }
  await new Promise((resolve) => setImmediate(resolve));
  t.same(errors, ['EMSGSIZE', 'EMSGSIZE']);
});

t.test('the path is chosen by a test, said and exported', async (t) => {
  const choose = async (
    wanted: 'auto' | 'native' | 'dgram',
    load?: () => Promise<BatchCall>,
  ): Promise<{ isDgram: boolean; line: object; gauge: number[] }> => {
    const lines: object[] = [];
    const note = (fields: object): void => void lines.push(fields);
    const metrics = new Metrics();
    const log = { debug: note, info: note, warn: note, error: note };
    const sender = await chooseSender({ wanted, metrics, log, ...(load === undefined ? {} : { load }) });
    const { values } = await metrics.udpPath.get();
    const value = (path: string): number => values.find((each) => each.labels.path === path)?.value ?? -1;
    return { isDgram: sender === dgramSender, line: lines[0]!, gauge: [value('native'), value('dgram')] };
  };
  const asked = { isDgram: true, line: { path: 'dgram', reason: 'asked for' }, gauge: [0, 1] };
  t.same(await choose('dgram'), asked);
  const none = (): Promise<BatchCall> => Promise.reject(new Error('koffi is not installed'));
  const lacking = { path: 'dgram', reason: 'koffi is not installed' };
  t.same(await choose('auto', none), { ...asked, line: lacking });
  await t.rejects(choose('native', none), new NoNativePath('no native UDP path: koffi is not installed'));
  const failing = (code: number) => (): Promise<BatchCall> =>
    Promise.resolve({ addressOf: () => 0, send: () => -code });
  t.same(await choose('auto', failing(EINVAL)), { ...asked, line: { path: 'dgram', reason: 'EINVAL' } });
  const silent = (): Promise<BatchCall> =>
    Promise.resolve({ addressOf: () => 0, send: (_fd, _messagesAt, count) => count });
  const lost = { path: 'dgram', reason: '0 of 48 datagrams came, or other ones' };
  t.same(await choose('auto', silent), { ...asked, line: lost });
  if (skip !== false) {
    t.comment(`SKIPPED: ${skip}`);
    return;
  }
  const best = { isDgram: false, line: { path: 'native' }, gauge: [1, 0] };
  t.same(await choose('auto'), best);
  t.same(await choose('native'), best);
});
