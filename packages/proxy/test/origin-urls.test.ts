import { parseDescription } from '@forebay/rtsp';
import t from 'tap';
import { readPlayReply } from '../src/origin/reply.js';
import { SDP, bench, codeOf, describes, never, pathOf, vod, type Script } from './origin-fakes.js';

const wants = (path: string, base: string, sdp = SDP): Script =>
  vod({
    DESCRIBE: () => describes(sdp, ['Content-Base', base]),
    SETUP: (request, peer) => (pathOf(request) === path ? vod()(request, peer) : { status: 404 }),
  });

t.test('control URLs: the spelling that an origin wants is found, and remembered', async (t) => {
  const cases: [string, string, string][] = [
    ['resolved', '/trackID=0', 'rtsp://x/title'],
    ['request', '/title/trackID=0', '/other/'],
    ['path', '/title/trackID=0?a=1', '/title?a=1'],
  ];
  for (const [form, path, base] of cases) {
    const { client, sink, origin } = await bench(t, wants(path, base));
    const url = form === 'path' ? '/title?a=1' : '/title';
    const described = await client.describe(url, never);
    const options = { origin: described, streams: [0], startSeconds: 0, signal: never };
    await (await client.open(options, sink)).close();
    t.equal(client.profile.controlForm, form);
    const before = origin.asked.length;
    await (await client.open(options, sink)).close();
    t.equal(origin.asked[before]?.url, origin.url(path), `${form} comes first from now on`);
  }
  const { open, origin } = await bench(t, wants('/nowhere', '/title/'));
  t.equal(await codeOf(open()), 'not-found');
  const urls = origin.asked.filter((a) => a.method === 'SETUP').map((a) => a.url);
  t.equal(new Set(urls).size, urls.length, 'no spelling twice');
  t.ok(urls.length <= 4);
});

t.test('spellings are tried on over new connections where the origin closes', async (t) => {
  const { client, sink, origin } = await bench(
    t,
    vod({
      DESCRIBE: () => describes(SDP, ['Content-Base', '/title']),
      SETUP: (request, peer) => {
        if (request.url.endsWith('/title/trackID=0')) {
          setImmediate(() => peer.socket.end());
          return { status: 400 };
        }
        return vod()(request, peer);
      },
    }),
  );
  const described = await client.describe('/title', never);
  const session = await client.open(
    { origin: described, streams: [0], startSeconds: 0, signal: never },
    sink,
  );
  t.equal(origin.asked.filter((a) => a.method === 'SETUP').at(-1)?.url, origin.url('/trackID=0'));
  await session.close();
});

t.test('the presentation: with or without its slash, by its own URL, by its only stream', async (t) => {
  for (const [form, path, status] of [
    ['given', '/title/', 200],
    ['slash', '/title', 405],
    ['stream', '/title/trackID=0', 460],
  ] as const) {
    const { client, sink, origin } = await bench(
      t,
      vod({
        PLAY: (request, peer) => (request.url === origin.url(path) ? vod()(request, peer) : { status }),
      }),
    );
    const described = await client.describe('/title', never);
    const options = { origin: described, streams: [0], startSeconds: 0, signal: never };
    await (await client.open(options, sink)).close();
    t.equal(client.profile.aggregateForm, form);
    t.equal(origin.asked.at(-1)?.url, origin.url(path), 'TEARDOWN follows');
  }
});

t.test('RTP-Info finds its streams by URL, by last element, by place', (t) => {
  const description = parseDescription(SDP);
  const streams = [
    { stream: 0, url: 'rtsp://h/a/trackID=0' },
    { stream: 1, url: 'rtsp://h/a/trackID=1' },
  ];
  const read = (value: string): (number | undefined)[] => {
    const headers = { get: (name: string) => (name === 'rtp-info' ? value : undefined) };
    return readPlayReply({ headers } as never, description, streams).rtpInfo.map((entry) => entry?.seq);
  };
  const table: [string, string, (number | undefined)[]][] = [
    ['absolute', 'url=rtsp://h/a/trackID=1;seq=2,url=rtsp://h/a/trackID=0;seq=1', [1, 2]],
    ['another host', 'url=rtsp://10.0.0.1/a/trackID=0;seq=1,url=rtsp://10.0.0.1/a/trackID=1;seq=2', [1, 2]],
    ['relative', 'url=trackID=1;seq=2', [undefined, 2]],
    ['another path', 'url=rtsp://h/b/trackID=0;seq=1', [1, undefined]],
    ['in place', 'url=rtsp://h/x;seq=1,url=rtsp://h/y;seq=2', [1, 2]],
    ['one of two', 'url=rtsp://h/x;seq=1', [undefined, undefined]],
    ['none', '', [undefined, undefined]],
  ];
  for (const [name, value, expected] of table) t.strictSame(read(value), expected, name);
  t.end();
});
