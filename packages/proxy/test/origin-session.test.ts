import { getEventListeners } from 'node:events';
import { formatRequest } from '@forebay/rtsp';
import t from 'tap';
import { corpus, skipCorpora } from './origin-corpora.js';
import { Recorder, SDP, bench, codeOf, frames, packet, until, vod, type Bench } from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

t.test('requests of the origin are answered', { skip: skipCorpora }, async (t) => {
  for (const [name, bytes] of corpus('bad-inputs/origin', 'H10')) {
    const { open, origin, sink } = await bench(t, vod());
    const session = await open();
    session.start();
    origin.peer.send(bytes);
    await until(() => origin.peer.answers.length === 1, name);
    const granted = /options|parameter|redirect|teardown/.test(name);
    t.equal(origin.peer.answers[0]?.status, granted ? 200 : 501, name);
    t.equal(sink.ends.length, /redirect|teardown/.test(name) ? 1 : 0, name);
    await session.close();
  }
});

t.test('REDIRECT, TEARDOWN and a new description end the session', async (t) => {
  for (const [method, code] of [
    ['REDIRECT', 'origin-closed'],
    ['TEARDOWN', 'origin-closed'],
    ['ANNOUNCE', 'changed'],
  ] as const) {
    const { open, origin, sink } = await bench(t, vod());
    const session = await open();
    session.start();
    const headers: [string, string][] = [['Session', 'abcdefgh']];
    const body = method === 'ANNOUNCE' ? SDP : '';
    origin.peer.send(formatRequest({ method, url: origin.url('/title'), cseq: 77, headers, body }));
    await until(() => sink.ends.length === 1, method);
    t.match(sink.ends[0], { code });
    t.match(origin.peer.answers[0] ?? { cseq: 77, session: 'abcdefgh' }, { cseq: 77, session: 'abcdefgh' });
  }
  const flood = await bench(t, vod());
  const session = await flood.open();
  session.start();
  const one = formatRequest({ method: 'OPTIONS', url: '*', cseq: 1 });
  flood.origin.peer.send(Buffer.concat(Array.from({ length: 30 }, () => one)));
  await until(() => flood.sink.ends.length === 1, 'too many at once');
  t.match(flood.sink.ends[0], { code: 'protocol' });
});

t.test('the end of the connection is the end of the session, behind the last packet', async (t) => {
  const { open, origin, sink, signal, metric } = await bench(t, vod());
  const session = await open();
  session.start();
  origin.peer.send(frames(0, packet(1)));
  origin.peer.socket.end();
  await until(() => sink.ends.length === 1, 'over');
  t.strictSame(sink.sequences(), [1]);
  t.match(sink.ends[0], { code: 'origin-closed' });
  t.equal(await metric('forebay_origin_faults_total', { reason: 'origin-closed' }), 1);
  t.equal(await metric('forebay_origin_sessions', { origin: 'origin' }), 0);
  await session.close();
  t.equal(sink.ends.length, 1, 'told once');
  t.equal(getEventListeners(signal, 'abort').length, 0);
});

t.test('an origin that sends all and hangs up before start() loses nothing', async (t) => {
  const { open, origin, sink } = await bench(
    t,
    vod({
      PLAY: (_request, peer) => {
        setImmediate(() => peer.socket.end());
        return { behind: frames(0, packet(1), packet(2), packet(3)) };
      },
    }),
  );
  const session = await open();
  await until(() => origin.open === 0, 'hung up');
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(sink.ends, []);
  t.equal(await codeOf(session.pause()), 'origin-closed');
  session.start();
  t.strictSame(sink.sequences(), [1, 2, 3]);
  t.match(sink.ends, [{ code: 'origin-closed' }]);
});

t.test('bytes that are no RTSP end the session', async (t) => {
  const { open, origin, sink } = await bench(t, vod());
  const session = await open();
  session.start();
  origin.peer.send('HTTP/1.1 200 OK\r\n\r\n');
  await until(() => sink.ends.length === 1, 'over');
  t.match(sink.ends[0], { code: 'protocol', status: 502 });
  await session.close();
});

t.test('a sink that throws ends its session, and is not taken for a fault of the origin', async (t) => {
  const { client, origin, signal, metric } = await bench(t, vod());
  const broken = new Recorder();
  broken.rtp = () => {
    throw new TypeError('a defect');
  };
  const described = await client.describe('/title', signal);
  const session = await client.open({ origin: described, streams: [0], startSeconds: 0, signal }, broken);
  session.start();
  origin.peer.send(frames(0, packet(1)));
  await until(() => broken.ends.length === 1, 'over');
  t.match(broken.ends[0], { code: 'internal', status: 500, cause: { message: 'a defect' } });
  t.equal(await metric('forebay_origin_faults_total', { reason: 'internal' }), 1);
});

t.test('closing: TEARDOWN is awaited two seconds, and the connection destroyed in any case', async (t) => {
  const clock = new TestClock();
  const { open, origin, sink, signal, client } = await bench(t, vod({ TEARDOWN: () => 'nothing' }), {
    clock,
  });
  const session = await open();
  session.start();
  let closed = false;
  const closing = session.close().then(() => {
    closed = true;
  });
  t.strictSame(sink.ends, [undefined], 'told at once');
  await origin.request('TEARDOWN');
  origin.peer.send(frames(0, packet(1)));
  clock.advance(1999);
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(closed);
  clock.advance(1);
  await closing;
  await session.close();
  await until(() => origin.open === 0, 'destroyed');
  t.equal(sink.packets.length, 0, 'nothing comes after the end');
  t.equal(client.sessions.used, 0);
  t.equal(clock.timers, 0);
  t.equal(getEventListeners(signal, 'abort').length, 0);
});

t.test('the signal closes the session too, and so does the client', async (t) => {
  const { open, origin, sink, abort } = await bench(t, vod());
  const session = await open();
  session.start();
  abort();
  t.strictSame(sink.ends, [undefined]);
  await origin.request('TEARDOWN');
  await until(() => origin.open === 0, 'closed');

  const other = await bench(t, vod());
  (await other.open()).start();
  other.client.close();
  t.strictSame(other.sink.ends, [undefined]);
  await other.origin.request('TEARDOWN');
  await until(() => other.origin.open === 0, 'closed');
});

const lastPlay = ({ origin }: Bench): string | undefined =>
  origin.asked.findLast((a) => a.method === 'PLAY')?.headers.get('range');

t.test('a seek: PAUSE, PLAY, and packets of the new position only, after start()', async (t) => {
  let plays = 0;
  const b = await bench(
    t,
    vod({
      PAUSE: () => ({ before: frames(0, packet(5)), behind: frames(0, packet(6)) }),
      PLAY: (request) =>
        ++plays === 1
          ? vod()(request, b.origin.peer)
          : { headers: [['Range', 'npt=29.9-60']], behind: frames(0, packet(50)) },
    }),
  );
  const session = await b.open();
  session.start();
  b.origin.peer.send(frames(0, packet(1)));
  await until(() => b.sink.packets.length === 1, 'playing');
  const reply = await session.play(30, 40);
  t.strictSame(reply.range, { unit: 'npt', start: 29.9, end: 60 });
  t.equal(session.reply, reply);
  t.equal(lastPlay(b), 'npt=30-40');
  t.strictSame(b.sink.sequences(), [1, 5]);
  session.start();
  await until(() => b.sink.packets.length === 3, 'from there');
  t.strictSame(b.sink.sequences(), [1, 5, 50]);
  await session.pause();
  b.origin.peer.send(frames(0, packet(51)));
  await session.play(10);
  t.equal(b.origin.asked.filter((a) => a.method === 'PAUSE').length, 2, 'paused already');
  await session.close();
});

t.test('an origin without PAUSE is told to play from elsewhere all the same', async (t) => {
  const b = await bench(t, vod({ PAUSE: () => ({ status: 501 }) }));
  const session = await b.open();
  session.start();
  t.equal(await codeOf(session.pause()), 'refused');
  await session.play(30);
  t.equal(lastPlay(b), 'npt=30-');
  await session.close();
});

t.test('a seek that fails says why; another session in the answer ends the session', async (t) => {
  let status = 200;
  let name = 'abcdefgh';
  let plays = 0;
  const b = await bench(
    t,
    vod({
      PLAY: () =>
        ++plays === 1 ? { headers: [['Session', name]] } : { status, headers: [['Session', name]] },
    }),
  );
  const session = await b.open();
  session.start();
  status = 457;
  t.equal(await codeOf(session.play(99)), 'range');
  t.strictSame(b.sink.ends, []);
  status = 200;
  name = 'someone else';
  t.equal(await codeOf(session.play(1)), 'session');
  t.match(b.sink.ends, [{ code: 'session' }]);
});
