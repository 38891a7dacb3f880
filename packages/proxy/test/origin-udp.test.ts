import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { formatSenderReport, parseCompound } from '@forebay/rtp';
import * as fc from 'fast-check';
import t from 'tap';
import { Reorder } from '../src/origin/reorder.js';
import { bench, type Answer, type Asked, packet, type Script, until, vod } from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

/** What an origin's UDP port heard. */
interface Heard {
  readonly bytes: Buffer;
  readonly from: RemoteInfo;
}

class Port {
  readonly heard: Heard[] = [];
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (bytes, from) => this.heard.push({ bytes, from }));
  }

  static async open(t: { teardown(undo: () => unknown): unknown }, address = '127.0.0.1'): Promise<Port> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, address, resolve));
    t.teardown(() => socket.close());
    return new Port(socket);
  }

  get number(): number {
    return this.socket.address().port;
  }

  send(bytes: Buffer, port: number): Promise<void> {
    return new Promise((resolve) => this.socket.send(bytes, port, '127.0.0.1', () => resolve()));
  }
}

const clientPorts = (asked: Asked): [number, number] => {
  const match = /client_port=(\d+)-(\d+)/.exec(asked.headers.get('transport') ?? '');
  return [Number(match?.[1]), Number(match?.[2])];
};

const agreed = (transport: string): Answer => ({
  headers: [
    ['Session', 'abcdefgh'],
    ['Transport', transport],
  ],
});

/** SETUP of an origin that knows UDP only; `ports` are announced where given. */
const udpOnly =
  (ports: (stream: number) => string): Script =>
  (request, peer) => {
    if (request.method !== 'SETUP') return vod()(request, peer);
    const transport = request.headers.get('transport') ?? '';
    if (transport.includes('TCP')) return { status: 461 };
    return agreed(`${transport}${ports(request.url.endsWith('0') ? 0 : 1)}`);
  };

t.test('461: UDP over the same connection, remembered for the next session', async (t) => {
  const { open, origin, client } = await bench(
    t,
    udpOnly(() => ''),
  );
  const session = await open();
  t.equal(session.transport, 'udp');
  t.equal(origin.peers.length, 1);
  t.strictSame(origin.methods.slice(0, 5), ['DESCRIBE', 'SETUP', 'SETUP', 'SETUP', 'PLAY']);
  const [even, odd] = clientPorts(origin.asked[2]!);
  t.equal(even % 2, 0);
  t.equal(odd, even + 1);
  await session.close();
  t.equal(client.profile.transport, 'udp');
  const before = origin.asked.length;
  await (await open()).close();
  t.notMatch(origin.asked[before + 1]?.headers.get('transport'), /TCP/);
});

t.test('a route may insist on one transport', async (t) => {
  const tcp = await bench(
    t,
    udpOnly(() => ''),
    { route: { transport: 'tcp' } },
  );
  await t.rejects(tcp.open(), { code: 'transport', status: 502, originStatus: 461 });
  t.equal(tcp.origin.asked.filter((a) => a.method === 'SETUP').length, 1);
  const udp = await bench(t, vod(), { route: { transport: 'udp' } });
  const session = await udp.open();
  t.equal(session.transport, 'udp');
  await session.close();
  const neither = await bench(t, vod({ SETUP: () => ({ status: 461 }) }));
  await t.rejects(neither.open(), { code: 'transport' });
  t.equal(neither.origin.asked.filter((a) => a.method === 'SETUP').length, 2, 'each was tried');
});

t.test('another transport than asked for is tried from scratch', async (t) => {
  const { open, origin } = await bench(
    t,
    vod({
      SETUP: (request, peer) =>
        request.headers.get('transport')?.includes('TCP') === true
          ? agreed('RTP/AVP;unicast;client_port=40000-40001;source=192.0.2.9;server_port=53-54')
          : vod()(request, peer),
    }),
  );
  const session = await open();
  t.equal(session.transport, 'udp');
  t.equal(origin.peers.length, 2);
  await session.close();
  const stubborn = await bench(
    t,
    vod({
      SETUP: () => agreed('RTP/AVP;unicast;client_port=40000-40001;source=192.0.2.9;server_port=53-54'),
    }),
  );
  await t.rejects(stubborn.open(), { code: 'transport' }, 'ports that were never offered');
});

t.test('media over UDP: punched through, put in order, from the announced port only', async (t) => {
  const [rtp, rtcp, stranger] = [await Port.open(t), await Port.open(t), await Port.open(t)];
  const ports = `;server_port=${rtp.number}-${rtcp.number};source=192.0.2.9`;
  const clock = new TestClock();
  const { open, origin, sink, metric } = await bench(
    t,
    udpOnly(() => ports),
    { clock },
  );
  const session = await open({ streams: [0] });
  session.start();
  const [even, odd] = clientPorts(origin.asked[2]!);
  await until(() => rtp.heard.length >= 1 && rtcp.heard.length >= 1, 'punches');
  t.equal(rtp.heard[0]?.from.port, even);
  t.equal(rtp.heard[0]?.bytes[0], 0x80);
  t.equal(rtcp.heard[0]?.from.port, odd);
  t.equal(parseCompound(rtcp.heard[0]!.bytes, 0, rtcp.heard[0]!.bytes.length)[0]?.type, 'rr');

  await stranger.send(packet(666), even);
  await stranger.send(packet(666), odd);
  for (const sequence of [10, 12, 11, 11, 9, 13]) await rtp.send(packet(sequence), even);
  await until(() => sink.packets.length === 4, 'the stream');
  t.strictSame(sink.sequences(), [10, 11, 12, 13]);
  t.equal(await metric('forebay_rejects_total', { reason: 'origin-address' }), 2);
  await until(() => session.bytesReceived > 0, 'counted');
  t.equal(await metric('forebay_rejects_total', { reason: 'origin-rtp-late' }), 2);

  const facts = {
    ssrc: 0x1234,
    ntpSeconds: 1,
    ntpFraction: 2,
    rtpTimestamp: 3,
    packetCount: 4,
    octetCount: 5,
  };
  await rtcp.send(formatSenderReport({ ...facts, cname: 'o', bye: true }), odd);
  await until(() => sink.byes.length === 1, 'BYE');
  t.equal(sink.reports.length, 1);

  const before = rtcp.heard.length;
  for (let i = 0; i < 5; i++) clock.advance(1000);
  await until(() => rtcp.heard.length > before, 'a report');
  const report = parseCompound(rtcp.heard.at(-1)!.bytes, 0, rtcp.heard.at(-1)!.bytes.length)[0];
  t.match(report, { type: 'rr', reports: [{ ssrc: 0x1234, highestSequence: 13 }] });
  session.pauseReading();
  session.resumeReading();
  await session.close();
  await until(() => rtcp.heard.length > before + 1, 'BYE of ours');
  const last = rtcp.heard.at(-1)!.bytes;
  t.ok(parseCompound(last, 0, last.length).some((p) => p.type === 'bye'));
  t.notOk(
    process.getActiveResourcesInfo().filter((r) => r === 'UDPWRAP').length > 3,
    'only the test has sockets',
  );
  t.equal(clock.timers, 0);
});

t.test('without announced ports the first packet of the stream decides where it comes from', async (t) => {
  const [rtp, stranger] = [await Port.open(t), await Port.open(t)];
  const { open, origin, sink } = await bench(
    t,
    udpOnly(() => ''),
  );
  const session = await open({ streams: [0] });
  session.start();
  const [even] = clientPorts(origin.asked[2]!);
  await stranger.send(Buffer.from('no RTP'), even);
  await rtp.send(packet(1), even);
  await until(() => sink.packets.length === 1, 'the first');
  await stranger.send(packet(2), even);
  await rtp.send(packet(2, { bytes: 33 }), even);
  await until(() => sink.packets.length === 2, 'the second');
  t.equal(sink.packets[1]?.bytes.length, 45, 'of the same port');
  await session.close();
});

t.test('packets of other hosts than the origin never count', async (t) => {
  const foreign = await Port.open(t, '127.0.0.2');
  const home = await Port.open(t);
  const { open, origin, sink, metric } = await bench(
    t,
    udpOnly(() => `;source=127.0.0.2;server_port=${foreign.number}-${foreign.number + 1}`),
  );
  const session = await open({ streams: [0] });
  session.start();
  const [even] = clientPorts(origin.asked[2]!);
  await foreign.send(packet(1), even);
  await until(() => origin.methods.includes('PLAY'), 'playing');
  let rejected = 0;
  while (rejected === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    rejected = await metric('forebay_rejects_total', { reason: 'origin-address' });
  }
  t.equal(sink.packets.length, 0);
  t.strictSame(foreign.heard, [], 'and nothing is sent to them');
  t.ok(home);
  await session.close();
});

t.test('UDP packets before start() wait, too', async (t) => {
  const rtp = await Port.open(t);
  const { open, origin, sink } = await bench(
    t,
    udpOnly(() => ''),
  );
  const session = await open({ streams: [0] });
  const [even] = clientPorts(origin.asked[2]!);
  for (let i = 0; i < 5; i++) await rtp.send(packet(i), even);
  await until(() => session.bytesReceived >= 5 * 32, 'received');
  t.equal(sink.packets.length, 0);
  session.start();
  t.strictSame(sink.sequences(), [0, 1, 2, 3, 4]);
  await session.close();
});

interface Line {
  readonly reorder: Reorder;
  readonly clock: TestClock;
  readonly out: number[];
  readonly dropped: () => number;
}

function line(): Line {
  const clock = new TestClock();
  const out: number[] = [];
  let dropped = 0;
  const reorder = new Reorder({
    clock,
    deliver: (bytes) => out.push(bytes.readUInt16BE(2)),
    drop: () => {
      dropped++;
    },
  });
  return { reorder, clock, out, dropped: () => dropped };
}

const push = ({ reorder }: Line, ...sequences: number[]): void => {
  for (const sequence of sequences) reorder.push(packet(sequence));
};

t.test('reordering: in order at once, a hole for 200 ms', (t) => {
  const l = line();
  push(l, 65_534, 65_535, 1, 2);
  t.strictSame(l.out, [65_534, 65_535]);
  push(l, 0);
  t.strictSame(l.out, [65_534, 65_535, 0, 1, 2], 'across the wrap');
  t.equal(l.clock.timers, 0);
  push(l, 4);
  l.clock.advance(150);
  push(l, 7);
  l.clock.advance(49);
  t.equal(l.out.length, 5);
  l.clock.advance(1);
  t.strictSame(l.out.slice(5), [4], 'the first hole is given up');
  l.clock.advance(150);
  t.strictSame(l.out.slice(5), [4, 7], 'the second has its own time');
  push(l, 3, 5, 6, 8);
  t.strictSame(l.out.slice(5), [4, 7, 8]);
  t.equal(l.dropped(), 3, 'too late');
  t.equal(l.clock.timers, 0);
  t.end();
});

t.test('reordering: as many packets wait as come in 200 ms, jumps by two in order', (t) => {
  const l = line();
  push(l, 0);
  for (let i = 2; i < 2500; i++) push(l, i);
  t.strictSame(l.out, [0], 'at 100 Mbit/s, too, the time is what counts');
  push(l, 1);
  t.equal(l.out.length, 2500);
  push(l, 2501, 3629);
  l.clock.advance(200);
  t.strictSame(l.out.slice(-2), [2501, 3629], 'a loss');
  push(l, 30_000);
  t.equal(l.out.at(-1), 3629, 'one packet from nowhere');
  push(l, 3630, 30_001, 3631);
  t.strictSame(l.out.slice(-2), [3630, 3631], 'nothing confirms it');
  push(l, 31_000, 31_001, 31_002);
  t.strictSame(l.out.slice(-3), [31_000, 31_001, 31_002], 'another sequence, nothing of it lost');
  push(l, 100, 101);
  t.strictSame(l.out.slice(-2), [100, 101], 'back, too');
  push(l, 103);
  l.reorder.close();
  t.equal(l.clock.timers, 0);
  t.end();
});

t.test(
  'reordering: whatever comes, what goes out is in order, once, and complete where nothing is late',
  (t) => {
    const shuffled = fc
      .tuple(
        fc.integer({ min: 0, max: 65_535 }),
        fc.array(
          fc.record({ late: fc.integer({ min: 0, max: 100 }), twice: fc.boolean(), lost: fc.boolean() }),
          {
            minLength: 2,
            maxLength: 300,
          },
        ),
      )
      .map(([first, facts]) => {
        const sent = facts.flatMap(({ late, twice, lost }, i) => {
          if (lost && i > 0) return [];
          const at = i === 0 ? -1 : i + late / 10;
          const number = (first + i) & 0xffff;
          return twice
            ? [
                { at, i, number },
                { at: at + 0.5, i, number },
              ]
            : [{ at, i, number }];
        });
        return { first, sent: sent.sort((a, b) => a.at - b.at) };
      });
    fc.assert(
      fc.property(shuffled, ({ first, sent }) => {
        const l = line();
        for (const { number } of sent) push(l, number);
        l.clock.advance(200);
        const distinct = [...new Set(sent.map(({ i }) => i))].sort((a, b) => a - b);
        const out = l.out.map((number) => (number - first) & 0xffff);
        return JSON.stringify(out) === JSON.stringify(distinct) && l.clock.timers === 0;
      }),
    );
    t.end();
  },
);

t.test('reordering: hostile numbers neither hang nor pile up', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 400 }), (sequences) => {
      const l = line();
      for (const sequence of sequences) {
        push(l, sequence);
        l.clock.advance(7);
      }
      l.clock.advance(400);
      return l.out.length + l.dropped() <= sequences.length && l.clock.timers === 0;
    }),
  );
  t.end();
});
