import t from 'tap';
import { Addresses, normalAddress } from '../src/viewer/addresses.js';
import { sessionOf, TCP, type TestViewer } from './viewer-player.js';
import { until, withRig } from './viewer-rig.js';

t.test('several sessions live on one connection, up to a limit', async (t) => {
  await withRig({ limits: { sessionsPerConnection: 3 } }, async ({ connect, url, server, metric }) => {
    const viewer = await connect();
    const setUp = (channel: number): ReturnType<TestViewer['request']> =>
      viewer.request('SETUP', url('/vod/one'), {
        Transport: `RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1}`,
      });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(sessionOf(await setUp(2 * i)));
    t.equal(new Set(ids).size, 3);
    t.equal((await setUp(6)).status, 453);
    t.equal(await metric('rejects_total', { reason: 'sessions-per-connection' }), 1);
    await viewer.request('TEARDOWN', url('/vod/one'), { Session: ids[1]! });
    t.equal((await setUp(2)).status, 200, 'channels and room come back');
    viewer.socket.destroy();
    await until(() => server.sessions === 0);
    t.pass('and all end with the connection');
  });
});

t.test('sessions are limited by address and altogether', async (t) => {
  const limits = { sessionsPerAddress: 2, sessions: 3 };
  await withRig({ limits }, async ({ connect, url, metric }) => {
    const setUp = async (from: string): Promise<number> =>
      (await (await connect(from)).request('SETUP', url('/vod/one'), { Transport: TCP })).status;
    t.equal(await setUp('127.0.0.1'), 200);
    t.equal(await setUp('127.0.0.1'), 200);
    t.equal(await setUp('127.0.0.1'), 453);
    t.equal(await setUp('127.0.0.2'), 200);
    t.equal(await setUp('127.0.0.3'), 503);
    t.equal(await metric('rejects_total', { reason: 'sessions-per-address' }), 1);
    t.equal(await metric('rejects_total', { reason: 'sessions' }), 1);
  });
});

t.test('connections are limited by address', async (t) => {
  await withRig({ limits: { connectionsPerAddress: 2 } }, async ({ connect, url, server }) => {
    const kept = [await connect(), await connect()];
    const refused = await connect();
    await refused.closed();
    t.equal((await (await connect('127.0.0.2')).request('OPTIONS', url('/'))).status, 200);
    kept[0]!.socket.destroy();
    await until(() => server.connections <= 2);
    t.equal((await (await connect()).request('OPTIONS', url('/'))).status, 200, 'room comes back');
  });
});

t.test('guessing session ids ends the connection', async (t) => {
  await withRig({ limits: { guessesPerMinute: 5 } }, async ({ connect, url, clock }) => {
    const viewer = await connect();
    for (let i = 0; i < 6; i++) {
      t.equal((await viewer.request('TEARDOWN', url('/vod/a'), { Session: `0000000${i}` })).status, 454);
    }
    await viewer.closed();
    clock.advance(61_000);
    const later = await connect();
    await later.request('TEARDOWN', url('/vod/a'), { Session: '00000009' });
    t.equal((await later.request('OPTIONS', '*')).status, 200, 'a minute later the count starts again');
  });
});

t.test('a flood of requests is answered at a bounded rate and in order', async (t) => {
  const limits = { requestsPerSecond: 10, requestBurst: 5, queuedRequests: 40 };
  await withRig({ limits }, async ({ connect, clock, metric }) => {
    const viewer = await connect();
    const cseqs = Array.from({ length: 12 }, () => viewer.send('OPTIONS', '*'));
    await viewer.answer(cseqs[4]!);
    t.equal(viewer.responses.length, 5);
    for (const cseq of cseqs.slice(5)) {
      await until(() => {
        clock.advance(10);
        return viewer.responses.some((response) => response.cseq === cseq);
      });
    }
    t.same(
      viewer.responses.map((response) => response.cseq),
      cseqs,
    );
    const flood = Array.from({ length: 100 }, (_, i) => `OPTIONS * RTSP/1.0\r\nCSeq: ${i + 20}\r\n\r\n`).join(
      '',
    );
    viewer.socket.write(flood);
    await viewer.closed();
    t.equal(await metric('rejects_total', { reason: 'request-flood' }), 1);
  });
});

t.test('limits count an IPv4 address, however it came, and an IPv6 subscriber', (t) => {
  const addresses = new Addresses();
  const isOne = (a: string, b: string): boolean =>
    addresses.of(normalAddress(a)) === addresses.of(normalAddress(b));
  t.ok(isOne('::ffff:192.0.2.1', '192.0.2.1'));
  t.notOk(isOne('192.0.2.1', '192.0.2.2'));
  t.ok(isOne('2001:db8:0:1::5', '2001:db8::1:a:b:c:d'));
  t.ok(isOne('2001:DB8::1', '2001:0db8:0000:0000:ffff::'));
  t.notOk(isOne('2001:db8:0:1::5', '2001:db8:0:2::5'));
  t.ok(isOne('fe80::1%eth0', 'fe80::2%eth0'));
  t.equal(addresses.size, 6);
  addresses.sweep(0);
  t.equal(addresses.size, 0, 'and nothing is kept of those with nothing open');
  t.end();
});
