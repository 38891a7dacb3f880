import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { ScriptedOrigin, bench, clientFor, codeOf, never, until, vod, describeWith } from './origin-fakes.js';
import { TestClock } from './viewer-fakes.js';

t.test('time is up: for connecting, for a silent origin, for one that drips', async (t) => {
  const clock = new TestClock();
  const silent = await bench(
    t,
    describeWith(() => 'nothing'),
    { clock },
  );
  const asked = codeOf(silent.client.describe('/a', never));
  await silent.origin.request('DESCRIBE');
  clock.advance(9999);
  t.equal(silent.origin.open, 1);
  clock.advance(1);
  t.equal(await asked, 'timeout');
  await until(() => silent.origin.open === 0, 'closed');
  t.equal(clock.timers, 0);

  const whole = Buffer.from(`RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n`);
  const dripping = await bench(
    t,
    describeWith(() => 'nothing'),
    { clock },
  );
  const dripped = codeOf(dripping.client.describe('/a', never));
  await dripping.origin.request('DESCRIBE');
  for (let second = 0; second < 10; second++) {
    dripping.origin.peer.send(whole.subarray(second, second + 1));
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  t.equal(await dripped, 'timeout', 'the drops do not count');
  t.equal(clock.timers, 0);
});

t.test('a connection that does not come about', async (t) => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const refused = clientFor(t, `rtsp://127.0.0.1:${port}/`);
  t.equal(await codeOf(refused.client.describe('/a', never)), 'unreachable');

  const clock = new TestClock();
  const blackHole = clientFor(t, 'rtsp://203.0.113.1/', { clock });
  const asked = codeOf(blackHole.client.describe('/a', never));
  clock.advance(5000);
  t.match(await asked, /^(?:timeout|unreachable)$/, 'unreachable where there is no route at all');
  t.equal(clock.timers, 0);
});

t.test('TLS: an origin without a good certificate is not talked to', async (t) => {
  const clear = createServer((socket) => socket.end('this is not TLS, this is not TLS'));
  await new Promise<void>((resolve) => clear.listen(0, '127.0.0.1', resolve));
  t.teardown(() => clear.close());
  const { client } = clientFor(t, `rtsps://127.0.0.1:${(clear.address() as AddressInfo).port}/`);
  t.equal(await codeOf(client.describe('/a', never)), 'tls');
});

t.test('whoever asks may go away at any time', async (t) => {
  const { client, origin, signal, abort } = await bench(
    t,
    describeWith(() => 'nothing'),
  );
  const early = new AbortController();
  early.abort(new Error('gone'));
  t.equal(await codeOf(client.describe('/a', early.signal)), 'aborted');
  t.equal(origin.peers.length, 0);
  const asked = codeOf(client.describe('/a', signal));
  await origin.request('DESCRIBE');
  abort();
  t.equal(await asked, 'aborted');
  await until(() => origin.open === 0, 'the connection is closed');
});

t.test('kept connections: for ten seconds, eight at most, gone when the origin closes them', async (t) => {
  const clock = new TestClock();
  const { client, origin, sink } = await bench(t, vod(), { clock });
  for (let i = 0; i < 10; i++) await client.describe(`/t${i}`, never);
  await until(() => origin.open === 8, 'two gave way');
  origin.peers[9]?.socket.end();
  await until(() => origin.open === 7, 'closed by the origin');
  const described = await client.describe('/t9', never);
  t.equal(origin.peers.length, 11);
  const session = await client.open(
    { origin: described, streams: [0], startSeconds: 0, signal: never },
    sink,
  );
  t.equal(origin.peers.length, 11, 'the session goes on with it');
  await session.close();
  clock.advance(10_000);
  await until(() => origin.open === 0, 'all given up');
  t.equal(clock.timers, 0);
});

t.test('closing the client gives up everything', async (t) => {
  const clock = new TestClock();
  const { client, origin, signal } = await bench(
    t,
    describeWith(() => 'nothing'),
    { clock },
  );
  const asked = codeOf(client.describe('/a', signal));
  await origin.request('DESCRIBE');
  client.close();
  t.equal(await asked, 'aborted');
  await until(() => origin.open === 0, 'closed');
  t.equal(await codeOf(client.describe('/a', signal)), 'aborted');
  t.equal(clock.timers, 0);
});

t.test('names are resolved, and both families of addresses tried', async (t) => {
  // The origin listens on IPv4 only; localhost may well be ::1 first.
  const origin = await ScriptedOrigin.start(t, vod());
  const { client } = clientFor(t, `rtsp://localhost:${origin.port}/`);
  t.equal((await client.describe('/a', never)).url, `rtsp://localhost:${origin.port}/a`);
});
