import { parseDescription } from '@forebay/rtsp';
import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { formatSpan, readSpan } from '../src/origin/range.js';
import { LIVE_SDP, SDP, bench, codeOf, header, isSecond, until, vod, type Script } from './origin-fakes.js';

t.test('two round trips behind DESCRIBE: the first SETUP, then everything else in one write', async (t) => {
  const { origin, open, client } = await bench(t, vod());
  const session = await open({ startSeconds: 12.5, endSeconds: 20 });
  t.strictSame(origin.methods, ['DESCRIBE', 'SETUP', 'SETUP', 'PLAY']);
  const [describe, first, second, play] = origin.asked;
  t.equal(origin.peers.length, 1, 'over the connection that described');
  t.not(first?.read, describe?.read);
  t.not(second?.read, first?.read);
  t.equal(play?.read, second?.read);
  t.equal(first?.url, origin.url('/title/trackID=0'));
  t.equal(second?.url, origin.url('/title/trackID=1'));
  t.equal(play?.url, origin.url('/title/'));
  t.equal(header(first, 'transport'), 'RTP/AVP/TCP;unicast;interleaved=0-1');
  t.equal(header(second, 'transport'), 'RTP/AVP/TCP;unicast;interleaved=2-3');
  t.notOk(first?.headers.has('session'));
  t.equal(header(second, 'session'), 'abcdefgh');
  t.equal(header(play, 'range'), 'npt=12.5-20');
  t.strictSame(session.reply.range, { unit: 'npt', start: 0, end: 60 });
  t.ok(client.profile.pipelinesProven);
  await session.close();
  t.equal(origin.asked.at(-1)?.method, 'TEARDOWN');
  await until(() => origin.open === 0, 'closed');
});

t.test(
  'an origin that answers one by one is prompted once, since it may wait for an acknowledgement',
  async (t) => {
    const { origin, open, client } = await bench(
      t,
      vod({
        PLAY: async (request, peer) => {
          peer.socket.uncork();
          await origin.request('OPTIONS');
          return vod()(request, peer);
        },
        OPTIONS: () => ({ headers: [['Public', 'OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER']] }),
      }),
    );
    const session = await open();
    t.equal(origin.asked.filter(({ method }) => method === 'OPTIONS').length, 1);
    await until(() => client.profile.methods.has('GET_PARAMETER'), 'and what it says is learned');
    await session.close();
  },
);

t.test('a Range on demand, always; live never', async (t) => {
  const onDemand = await bench(t, vod());
  await (await onDemand.open()).close();
  t.equal(
    header(
      onDemand.origin.asked.find((a) => a.method === 'PLAY'),
      'range',
    ),
    'npt=0-',
  );
  const live = await bench(t, vod({}, LIVE_SDP));
  await (await live.open()).close();
  t.equal(
    header(
      live.origin.asked.find((a) => a.method === 'PLAY'),
      'range',
    ),
    undefined,
  );
});

t.test('recorders are spoken to in wall-clock time, and heard in NPT', async (t) => {
  const sdp = SDP.replace('npt=0-60', 'clock=20250301T100000Z-20250301T110000Z');
  const { origin, open } = await bench(
    t,
    vod({ PLAY: () => ({ headers: [['Range', 'clock=20250301T100010.5Z-20250301T110000Z']] }) }, sdp),
  );
  const session = await open({ startSeconds: 12.25 });
  t.equal(
    header(
      origin.asked.find((a) => a.method === 'PLAY'),
      'range',
    )?.replace('.000', ''),
    'clock=20250301T100012.250Z-'.replace('.250', '.250'),
  );
  t.strictSame(session.reply.range, { unit: 'npt', start: 10.5, end: 3600 });
  await session.close();
  const description = parseDescription(sdp);
  t.match(
    formatSpan(description, { startSeconds: 0, endSeconds: 1 }),
    /^clock=20250301T100000.*-20250301T100001/,
  );
  t.equal(readSpan(parseDescription(SDP), 'clock=20250301T100000Z-'), undefined, 'a clock without an epoch');
});

/** An origin that does not take requests in one go. */
const pipeliningFaults: Record<string, Script> = {
  'a refusal': (request, peer) =>
    peer.number === 0 && isSecond(request) ? { status: 400 } : vod()(request, peer),
  '455': (request, peer) => (peer.number === 0 && isSecond(request) ? { status: 455 } : vod()(request, peer)),
  'a hang-up': (request, peer) => (peer.number === 0 && isSecond(request) ? 'hang up' : vod()(request, peer)),
  silence: (request, peer) =>
    peer.number === 0 && request.method === 'PLAY' ? 'nothing' : vod()(request, peer),
};

t.test('where requests in one go go wrong, they are made one at a time, from then on', async (t) => {
  for (const [name, script] of Object.entries(pipeliningFaults)) {
    const { origin, open, client } = await bench(t, script, { route: { timeoutMs: 600 } });
    const session = await open();
    t.equal(origin.peers.length, 2, `${name}: another connection`);
    t.equal(client.profile.pipelines, false, name);
    const again = origin.asked.filter((a) => a.connection === 1);
    t.strictSame(
      again.map((a) => a.method),
      ['SETUP', 'SETUP', 'PLAY'],
      name,
    );
    t.equal(new Set(again.map((a) => a.read)).size, 3, `${name}: each in its own write`);
    await session.close();
    await (await open()).close();
    const last = origin.asked.filter((a) => a.connection === 2 && a.method !== 'OPTIONS').map((a) => a.read);
    t.equal(new Set(last).size, last.length, `${name}: remembered`);
    await until(() => origin.open === 0, 'nothing is left open');
  }
});

t.test('an origin that fails either way is not held to be one that cannot pipeline', async (t) => {
  const { open, client, origin } = await bench(
    t,
    vod({ SETUP: (request, peer) => (isSecond(request) ? { status: 500 } : vod()(request, peer)) }),
  );
  t.equal(await codeOf(open()), 'refused');
  t.equal(client.profile.pipelines, true);
  await until(() => origin.open === 0, 'closed');
  const teardowns = origin.asked.filter((a) => a.method === 'TEARDOWN');
  t.equal(teardowns.length, 2, 'both sessions were given back');
});

t.test('PLAY that came too soon is made again', async (t) => {
  let plays = 0;
  const { open, client, origin } = await bench(
    t,
    vod({ PLAY: (request, peer) => (++plays === 1 ? { status: 455 } : vod()(request, peer)) }),
  );
  await (await open()).close();
  t.equal(origin.peers.length, 1);
  t.equal(client.profile.pipelines, false);
});

t.test('453 and 503 are the origin telling, and nothing else is tried', async (t) => {
  for (const method of ['SETUP', 'PLAY']) {
    for (const [status, code] of [
      [453, 'busy'],
      [503, 'unavailable'],
    ] as const) {
      const { open, origin } = await bench(t, vod({ [method]: () => ({ status }) }));
      const error = await open().then(
        () => undefined,
        (e: unknown) => e as OriginError,
      );
      t.match(error, { code, status }, `${method} ${status}`);
      t.equal(origin.peers.length, 1);
      await until(() => origin.open === 0, 'closed');
      const given = origin.asked.some((a) => a.method === 'TEARDOWN');
      t.equal(given, method === 'PLAY', 'a session that was set up is given back');
    }
  }
  const { open } = await bench(t, vod({ PLAY: () => ({ status: 457 }) }));
  t.equal(await codeOf(open()), 'range');
});

t.test('a kept connection that turns out dead is replaced', async (t) => {
  let dead = false;
  const { open, origin } = await bench(t, (request, peer) => {
    if (request.method === 'SETUP' && !dead) {
      dead = true;
      return 'hang up';
    }
    return vod()(request, peer);
  });
  await (await open()).close();
  t.equal(origin.peers.length, 2);
});
