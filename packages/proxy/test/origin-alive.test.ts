import { parseCompound, type RtcpPacket } from '@forebay/rtp';
import t from 'tap';
import {
  Peer,
  bench,
  codeOf,
  frame,
  frames,
  packet,
  pass,
  senderReport,
  until,
  vod,
  type Reaction,
  type Script,
} from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

const reportsOf = (peer: Peer, channel: number): RtcpPacket[][] =>
  peer.frames.filter((f) => f.channel === channel).map(({ bytes }) => parseCompound(bytes, 0, bytes.length));

/** A script that answers keep-alives of `method` as told. */
const keepAlives = (answers: Partial<Record<string, () => Reaction>>): Script =>
  vod({
    OPTIONS: () => answers['OPTIONS']?.() ?? {},
    GET_PARAMETER: () => answers['GET_PARAMETER']?.() ?? {},
    SET_PARAMETER: () => answers['SET_PARAMETER']?.() ?? {},
  });

t.test('kept alive at half of the timeout, by OPTIONS with the session', async (t) => {
  const clock = new TestClock();
  const { open, origin, client, metric } = await bench(t, vod(), { clock });
  const session = await open();
  session.start();
  await pass(clock, 29);
  t.notOk(origin.methods.includes('OPTIONS'));
  await pass(clock, 1);
  const asked = await origin.request('OPTIONS');
  t.equal(asked.headers.get('session'), 'abcdefgh');
  t.equal(asked.url, origin.url('/title/'));
  await until(() => clock.timers === 1, 'answered: the deadline is gone, the tick is left');
  await pass(clock, 30);
  await origin.request('OPTIONS', 2);
  t.equal(client.profile.keepAlive, 'OPTIONS');
  t.equal(await metric('forebay_origin_sessions', { origin: 'origin' }), 1);
  await session.close();
  t.equal(await metric('forebay_origin_sessions', { origin: 'origin' }), 0);
  t.equal(clock.timers, 0);
});

const says =
  (list: string, status = 405) =>
  (): Reaction => ({ status, headers: [['Public', list]] });

t.test(
  'a refused keep-alive is replaced by what the origin says it has, and that is remembered',
  async (t) => {
    const cases: [string, Parameters<typeof keepAlives>[0], string][] = [
      ['GET_PARAMETER', { OPTIONS: says('OPTIONS, GET_PARAMETER, SET_PARAMETER') }, 'GET_PARAMETER'],
      ['SET_PARAMETER', { OPTIONS: says('SET_PARAMETER', 501) }, 'SET_PARAMETER'],
      [
        'both refused',
        { OPTIONS: says('GET_PARAMETER, SET_PARAMETER'), GET_PARAMETER: () => ({ status: 451 }) },
        'SET_PARAMETER',
      ],
      ['nothing left', { OPTIONS: says('PLAY') }, 'reports'],
    ];
    for (const [name, answers, method] of cases) {
      const clock = new TestClock();
      const { open, origin, client, sink } = await bench(t, keepAlives(answers), { clock });
      const session = await open();
      await pass(clock, 30);
      await until(() => {
        if (client.profile.keepAlive !== method) clock.advance(100);
        return client.profile.keepAlive === method;
      }, name);
      if (method !== 'reports') {
        clock.advance(1000);
        await origin.request(method);
      }
      t.strictSame(sink.ends, []);
      await session.close();
    }
  },
);

t.test('keep-alives without an answer: fatal in silence, not while media flows', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink, client } = await bench(t, vod({ OPTIONS: () => 'nothing' }), { clock });
  const session = await open();
  session.start();
  await pass(clock, 30);
  await origin.request('OPTIONS');
  clock.advance(5000);
  origin.peer.send(frames(0, packet(1), packet(2)));
  await until(() => sink.packets.length === 2, 'media');
  clock.advance(5000);
  await until(() => client.profile.keepAlive === 'reports', 'not by OPTIONS');
  t.strictSame(sink.ends, []);
  await session.close();

  client.profile.keepAlive = 'OPTIONS';
  sink.ends.length = 0;
  const silent = await open();
  silent.start();
  const before = origin.asked.filter((a) => a.method === 'OPTIONS').length;
  await pass(clock, 30);
  await origin.request('OPTIONS', before + 1);
  clock.advance(10_000);
  await until(() => sink.ends.length === 1, 'over');
  t.match(sink.ends[0], { code: 'timeout' });
  await until(() => origin.open === 0 || clock.timers > 0, 'leaving');
  clock.advance(2000);
  await until(() => origin.open === 0, 'closed');
  t.equal(clock.timers, 0);
});

t.test('454 to a keep-alive: the session is gone', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink } = await bench(t, vod({ OPTIONS: () => ({ status: 454 }) }), { clock });
  const session = await open();
  session.start();
  await pass(clock, 30);
  await until(() => sink.ends.length === 1, 'over');
  t.match(sink.ends[0], { code: 'session-gone', originStatus: 454 });
  t.equal(await codeOf(session.play(1)), 'origin-closed');
  t.equal(await codeOf(session.pause()), 'origin-closed');
  await session.close();
  await until(() => origin.open === 0, 'closed');
});

t.test('a session that dies of its timeout though OPTIONS was asked teaches another method', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink, client } = await bench(
    t,
    keepAlives({ OPTIONS: () => ({ headers: [['Public', 'GET_PARAMETER']] }) }),
    { clock },
  );
  const session = await open();
  session.start();
  await pass(clock, 30);
  await origin.request('OPTIONS');
  await until(() => client.profile.methods.size > 0, 'answered');
  await pass(clock, 30);
  await origin.request('OPTIONS', 2);
  await until(() => clock.timers === 1, 'answered');
  await pass(clock, 5);
  origin.peer.socket.end();
  await until(() => sink.ends.length === 1, 'over');
  t.equal(client.profile.keepAlive, 'GET_PARAMETER');
});

t.test('receiver reports: at once, every five seconds, and BYE before TEARDOWN', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink } = await bench(t, vod(), { clock });
  const session = await open();
  session.start();
  await until(() => origin.peer.frames.length >= 1, 'the first report acknowledges');
  t.strictSame(
    reportsOf(origin.peer, 1)[0]?.map((p) => p.type),
    ['rr', 'sdes'],
  );
  origin.peer.send(
    Buffer.concat([frames(0, packet(10), packet(11), packet(13)), frame(1, senderReport(0x1234, 3))]),
  );
  await until(() => sink.reports.length === 1, 'the sender report');
  t.match(sink.reports[0], {
    stream: 0,
    report: { ntpSeconds: 0x1234_5678, packetCount: 3, rtpTimestamp: 7 },
  });
  const before = reportsOf(origin.peer, 1).length;
  await pass(clock, 5);
  await until(() => reportsOf(origin.peer, 1).length > before, 'a report');
  const block = reportsOf(origin.peer, 1)
    .at(-1)
    ?.flatMap((p) => (p.type === 'rr' ? p.reports : []))[0];
  t.match(block, { ssrc: 0x1234, cumulativeLost: 1, highestSequence: 13, lastSr: 0x5678_9abc });
  t.equal(block?.delaySinceLastSr, 5 * 65_536);
  t.ok(reportsOf(origin.peer, 3).length > 0, 'one for every stream');
  await session.close();
  t.strictSame(
    reportsOf(origin.peer, 1)
      .at(-1)
      ?.map((p) => p.type),
    ['rr', 'sdes', 'bye'],
  );
  t.equal(origin.asked.at(-1)?.method, 'TEARDOWN');
  t.strictSame(sink.ends, [undefined]);
});

t.test('prompts stop after four, and after a quarter of a second', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink } = await bench(t, vod(), { clock });
  const session = await open();
  session.start();
  for (let i = 1; i <= 10; i++) {
    origin.peer.send(frames(0, packet(i)));
    await until(() => sink.packets.length === i, 'one by one');
  }
  await session.close();
  t.equal(reportsOf(origin.peer, 1).filter((c) => !c.some((p) => p.type === 'bye')).length, 4);
  sink.ends.length = 0;
  const later = await open();
  later.start();
  clock.leap(300);
  origin.peer.send(frames(0, packet(11)));
  await until(() => sink.packets.length === 11, 'late');
  await later.close();
  t.equal(reportsOf(origin.peer, 1).filter((c) => !c.some((p) => p.type === 'bye')).length, 1);
});
