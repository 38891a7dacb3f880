import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { makeCertificate } from '@forebay/rig';
import { parseChallenges, type RtspResponse } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import { setUpBoth, TestViewer } from './viewer-player.js';
import { until, withRig, type Rig, type RigOptions } from './viewer-rig.js';

const [ONE, OTHER] = [await makeCertificate('one'), await makeCertificate('other')];
const TCP = 'RTP/AVP/TCP;unicast;interleaved=0-1';
const UDP = 'RTP/AVP;unicast;client_port=40000-40001';

interface SecureRig extends Rig {
  readonly securePort: number;
  readonly secureUrl: (path: string) => string;
  /** Over TLS, trusting a certificate. */
  readonly connectTls: (certificate?: string) => Promise<TestViewer & { readonly socket: TLSSocket }>;
}

async function withTls(
  test: Test,
  options: RigOptions,
  work: (r: SecureRig) => Promise<void>,
): Promise<void> {
  await withRig({ terms: { gates: [], tls: ONE }, ...options }, async (r) => {
    const { port } = await r.server.listen('127.0.0.1', 0, true);
    await work({
      ...r,
      securePort: port,
      secureUrl: (path) => `rtsps://127.0.0.1:${port}${path}`,
      connectTls: async (certificate = ONE.certificate) => {
        const socket = connectTls({ host: '127.0.0.1', port, ca: certificate });
        test.teardown(() => socket.destroy());
        const viewer = new TestViewer(socket);
        await once(socket, 'secureConnect');
        return viewer as TestViewer & { readonly socket: TLSSocket };
      },
    });
  });
}

t.test('a whole dialogue over TLS', async (t) => {
  await withTls(t, {}, async ({ connectTls: connect, secureUrl, server, metric }) => {
    const viewer = await connect();
    const at = secureUrl('/vod/a');
    const described = await viewer.request('DESCRIBE', at);
    t.equal(described.status, 200);
    t.equal(described.headers.get('Content-Base'), `${at}/`);
    const Session = await setUpBoth(viewer, at);
    for (const method of ['PLAY', 'PAUSE', 'TEARDOWN'])
      t.equal((await viewer.request(method, at, { Session })).status, 200, method);
    t.equal(server.connections, 1);
    viewer.socket.end();
    await viewer.until(() => viewer.isClosed);
    await until(() => server.connections === 0);
    t.equal(await metric('viewer_connections', {}), 0);
  });
});

t.test('who shakes hands all the time is not answered any more', async (t) => {
  await withTls(t, { limits: { handshakesPerMinute: 3 } }, async (r) => {
    for (let i = 0; i < 3; i++) (await r.connectTls()).socket.destroy();
    const fourth = connectTcp({ host: '127.0.0.1', port: r.securePort });
    fourth.on('error', () => undefined).resume();
    await once(fourth, 'close');
    t.equal(await r.metric('rejects_total', { reason: 'tls-handshakes' }), 1);
    t.equal((await (await r.connect()).request('OPTIONS', '*')).status, 200, 'the other port is open');
    r.clock.advance(60_000);
    t.equal(
      (await (await r.connectTls()).request('OPTIONS', '*')).status,
      200,
      'a minute later so is this one',
    );
  });
});

t.test('media of who came over TLS does not pass in the clear', async (t) => {
  await withTls(t, {}, async ({ connectTls: connect, secureUrl }) => {
    const viewer = await connect();
    const at = secureUrl('/vod/a/trackID=0');
    t.equal((await viewer.request('SETUP', at, { Transport: UDP })).status, 461);
    const either = await viewer.request('SETUP', at, { Transport: `${UDP},${TCP}` });
    t.match(either.headers.get('Transport'), /RTP\/AVP\/TCP/, 'of two the one that stays inside');
  });
});

t.test('over TLS a password may be sent as it is', async (t) => {
  const gates = [{ id: 'vod', pathPrefix: '/vod', logins: [{ username: 'alice', password: 'a:b' }] }];
  await withTls(t, { terms: { gates, tls: ONE } }, async (r) => {
    const schemes = (answer: RtspResponse): string[] =>
      parseChallenges(answer.headers.all('WWW-Authenticate')).map(({ scheme }) => scheme);
    const basic = (login: string) => ({ Authorization: `Basic ${Buffer.from(login).toString('base64')}` });
    const [secure, clear] = [await r.connectTls(), await r.connect()];
    const at = r.secureUrl('/vod/a');
    t.same(schemes(await secure.request('DESCRIBE', at)), ['digest', 'digest', 'digest', 'basic']);
    t.equal((await secure.request('DESCRIBE', at, basic('alice:a:b'))).status, 200);
    for (const login of ['alice:a', 'alice:', 'eve:a:b'])
      t.equal((await secure.request('DESCRIBE', at, basic(login))).status, 401, login);
    t.equal(await r.metric('rejects_total', { reason: 'login' }), 3);
    const refused = await clear.request('DESCRIBE', r.url('/vod/a'), basic('alice:a:b'));
    t.equal(refused.status, 401);
    t.same(schemes(refused), ['digest', 'digest', 'digest'], 'but not in the clear');
  });
});

t.test('what is no TLS is counted and closed', async (t) => {
  await withTls(
    t,
    { realTime: true },
    async ({ securePort, server, metric, connectTls: connect, secureUrl }) => {
      const socket = connectTcp({ host: '127.0.0.1', port: securePort });
      socket.on('error', () => undefined).resume();
      socket.write('OPTIONS rtsp://127.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\n\r\n');
      await once(socket, 'close');
      await until(() => server.connections === 0);
      t.equal(await metric('rejects_total', { reason: 'tls' }), 1);
      t.equal(
        (await (await connect()).request('DESCRIBE', secureUrl('/vod/a'))).status,
        200,
        'others are served',
      );
    },
  );
});

t.test('a handshake has its time, and does not hold up the end', async (t) => {
  const limits = { firstByteMs: 200 };
  await withTls(t, { realTime: true, limits }, async ({ securePort, server, metric }) => {
    const silent = connectTcp({ host: '127.0.0.1', port: securePort });
    silent.on('error', () => undefined).resume();
    await once(silent, 'close');
    await until(() => server.connections === 0);
    t.equal(await metric('rejects_total', { reason: 'tls' }), 1);
  });
  await withTls(t, {}, async ({ securePort, server }) => {
    const shaking = connectTcp({ host: '127.0.0.1', port: securePort });
    shaking.on('error', () => undefined).resume();
    await until(() => server.connections === 1);
    await Promise.all([once(shaking, 'close'), server.close()]);
    t.equal(server.connections, 0);
  });
});

t.test('who goes in the handshake is gone, who has asked something still gets the answer', async (t) => {
  await withTls(t, {}, async ({ securePort, secureUrl, server, connectTls: connect }) => {
    for (const begun of [[], [0x16, 3, 1, 2, 0, 1]]) {
      const socket = connectTcp({ host: '127.0.0.1', port: securePort });
      socket.on('error', () => undefined).resume();
      await until(() => server.connections === 1);
      socket.end(Buffer.from(begun));
      await until(() => server.connections === 0);
    }
    const viewer = await connect();
    const cseq = viewer.send('DESCRIBE', secureUrl('/vod/a'));
    viewer.socket.end();
    t.equal((await viewer.answer(cseq)).status, 200);
  });
});

t.test('limits are those of all connections', async (t) => {
  await withTls(t, { limits: { connectionsPerAddress: 2 } }, async (r) => {
    const [first, second] = [await r.connect(), await r.connectTls()];
    const third = connectTcp({ host: '127.0.0.1', port: r.securePort });
    third.on('error', () => undefined).resume();
    await once(third, 'close');
    t.equal(await r.metric('rejects_total', { reason: 'connections-per-address' }), 1);
    t.equal((await first.request('OPTIONS', '*')).status, 200);
    t.equal((await second.request('OPTIONS', '*')).status, 200);
  });
});

t.test('a new certificate is for those who come, a bad one for nobody', async (t) => {
  await withTls(t, {}, async ({ connectTls: connect, secureUrl, server }) => {
    const early = await connect();
    server.setTerms({ gates: [], tls: OTHER });
    t.equal((await early.request('DESCRIBE', secureUrl('/vod/a'))).status, 200, 'who is there stays');
    const late = await connect(OTHER.certificate);
    t.equal(late.socket.getPeerCertificate().subject.CN, 'other');
    t.throws(() => server.setTerms({ gates: [], tls: { ...ONE, key: OTHER.key } }), /key values mismatch/);
    t.throws(() => server.setTerms({ gates: [], tls: { ...ONE, certificate: 'none' } }));
    t.equal((await (await connect(OTHER.certificate)).request('OPTIONS', '*')).status, 200, 'as before');
  });
});
