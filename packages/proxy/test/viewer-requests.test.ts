import t from 'tap';
import { parseTransport } from '@forebay/rtsp';
import { sessionOf, setUpBoth, TCP } from './viewer-player.js';
import { withRig } from './viewer-rig.js';

t.test('a player describes, sets up, plays, pauses, resumes, seeks and tears down', async (t) => {
  await withRig({}, async ({ connect, url, library, server, metric, lines, clock }) => {
    const viewer = await connect();
    const at = url('/vod/a');
    const options = await viewer.request('OPTIONS', '*');
    t.match(options.headers.get('Public'), /DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN/);
    const described = await viewer.request('DESCRIBE', at, { Accept: 'application/sdp' });
    t.equal(described.headers.get('Content-Base'), `${at}/`);
    t.equal(described.headers.get('Content-Type'), 'application/sdp');
    t.match(described.body.toString(), /a=control:trackID=1/);

    const queried = await viewer.request('DESCRIBE', `${at}?x=1&y=/`);
    t.equal(queried.headers.get('Content-Base'), `${at}?x=1&y=/`);
    t.match(queried.body.toString(), `a=control:${at}/trackID=1?x=1&y=`, 'no player loses the query');

    const setup = await viewer.request('SETUP', `${at}/trackID=0`, { Transport: TCP });
    t.match(setup.headers.get('Session'), /^[0-9a-f]{32};timeout=60$/);
    const Session = sessionOf(setup);
    const [transport] = parseTransport(setup.headers.get('Transport')!, 'origin');
    t.match(transport, { lower: 'tcp', interleaved: [0, 1], mode: 'PLAY' });
    const both = await viewer.request('SETUP', `${at}/trackID=1`, {
      Transport: 'RTP/AVP/TCP;unicast',
      Session,
    });
    t.match(
      both.headers.get('Transport'),
      /interleaved=2-3/,
      'free channels are found where none are asked for',
    );
    t.equal(await metric('viewer_sessions', { state: 'ready' }), 1);

    const played = await viewer.request('PLAY', `${at}/`, { Session, Range: 'npt=12.5-', Scale: '2.0' });
    t.equal(played.headers.get('Range'), 'npt=12.5-60');
    t.equal(
      played.headers.get('RTP-Info'),
      `url=${at}/trackID=0;seq=65530;rtptime=4294967040,url=${at}/trackID=1;seq=65530;rtptime=4294967040`,
    );
    t.equal(played.headers.get('Scale'), '1', 'the pace is our own, and we say so');
    t.equal(library.reader.state, 'playing');
    t.equal(library.reader.timeline.ssrc(0), transport!.ssrc, 'the SSRC is the one announced in SETUP');
    t.equal(await metric('viewer_sessions', { state: 'playing' }), 1);

    const again = await viewer.request('PLAY', at, { Session });
    t.equal(again.status, 200);
    t.equal(
      again.headers.get('RTP-Info'),
      undefined,
      'PLAY while playing is a sign of life and nothing else',
    );

    t.equal((await viewer.request('PAUSE', at, { Session })).status, 200);
    t.equal((await viewer.request('PAUSE', at, { Session })).status, 200, 'pausing twice is no fault');
    t.equal((await viewer.request('PLAY', at, { Session })).headers.get('Range'), 'npt=13.5-60');
    const sought = await viewer.request('PLAY', at, { Session, Range: 'npt=30-31' });
    t.equal(sought.headers.get('Range'), 'npt=30-31');
    t.same(library.reader.calls, [
      'play {"unit":"npt","start":12.5}',
      'start',
      'pause',
      'play -',
      'start',
      'pause',
      'play {"unit":"npt","start":30,"end":31}',
      'start',
    ]);

    t.equal((await viewer.request('GET_PARAMETER', at, { Session })).status, 200);
    clock.advance(1500);
    t.equal((await viewer.request('TEARDOWN', at, { Session })).status, 200);
    t.equal((await viewer.request('TEARDOWN', at, { Session })).status, 454);
    t.equal(server.sessions, 0);
    t.equal(library.reader.state, 'closed');
    t.equal(await metric('viewer_sessions', { state: 'playing' }), 0);
    t.equal(await metric('requests_total', { method: 'PLAY', status: 200 }), 4);
    const ended = lines.filter((line) => line.message === 'viewer session ended');
    t.equal(ended.length, 1);
    t.match(ended[0]?.fields, {
      origin: 'test',
      transport: 'tcp',
      durationSeconds: 1.5,
      bytes: { ram: 0, disk: 0, flight: 0, sibling: 0 },
      seams: 2,
      gapSeconds: 0.5,
      reason: 'teardown',
    });
  });
});

interface Row {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly status: number;
  readonly answer?: Record<string, RegExp>;
}

const ONE_TCP = { Transport: TCP };
const udp = (ports: string): Record<string, string> => ({
  Transport: `RTP/AVP;unicast;client_port=${ports}`,
});

const WITHOUT_SESSION: readonly Row[] = [
  { name: 'title that is not there', method: 'DESCRIBE', path: '/missing', status: 404 },
  { name: 'title that is not for this viewer', method: 'DESCRIBE', path: '/forbidden', status: 403 },
  { name: 'origin down', method: 'DESCRIBE', path: '/broken', status: 503, answer: { 'Retry-After': /^5$/ } },
  { name: 'origin down at SETUP', method: 'SETUP', path: '/broken/trackID=0', headers: ONE_TCP, status: 503 },
  {
    name: 'description wanted in HTML',
    method: 'DESCRIBE',
    path: '/vod/a',
    headers: { Accept: 'text/html' },
    status: 406,
  },
  {
    name: 'publishing',
    method: 'ANNOUNCE',
    path: '/vod/a',
    status: 405,
    answer: { Allow: /OPTIONS, DESCRIBE/ },
  },
  { name: 'recording', method: 'RECORD', path: '/vod/a', status: 405, answer: { Allow: /PLAY/ } },
  { name: 'method of nobody', method: 'FETCH', path: '/vod/a', status: 501 },
  {
    name: 'feature that is not supported',
    method: 'DESCRIBE',
    path: '/vod/a',
    headers: { Require: 'onvif-replay, x.y' },
    status: 551,
    answer: { Unsupported: /^onvif-replay, x\.y$/ },
  },
  {
    name: 'stream that is not described',
    method: 'SETUP',
    path: '/vod/a/trackID=7',
    headers: ONE_TCP,
    status: 404,
  },
  { name: 'several streams at once', method: 'SETUP', path: '/vod/a', headers: ONE_TCP, status: 459 },
  {
    name: 'the only stream by the URL of all',
    method: 'SETUP',
    path: '/vod/one/',
    headers: ONE_TCP,
    status: 200,
  },
  {
    name: 'stream behind the query',
    method: 'SETUP',
    path: '/vod/a?x=1/trackID=1',
    headers: ONE_TCP,
    status: 200,
  },
  {
    name: 'stream before the query',
    method: 'SETUP',
    path: '/vod/a/trackID=1?x=1',
    headers: ONE_TCP,
    status: 200,
  },
  { name: 'no transport', method: 'SETUP', path: '/vod/a/trackID=0', status: 400 },
  {
    name: 'multicast',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: 'RTP/AVP;multicast' },
    status: 461,
  },
  {
    name: 'secure profile',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: 'RTP/SAVP;unicast' },
    status: 461,
  },
  {
    name: 'port of another service',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: udp('53-54'),
    status: 461,
  },
  {
    name: 'transport for recording',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: `${TCP};mode=record` },
    status: 405,
  },
  {
    name: 'media for somebody else',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: 'RTP/AVP;unicast;destination=192.0.2.9;client_port=40000-40001' },
    status: 462,
  },
  {
    name: 'media for somebody else, or for this viewer',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: `RTP/AVP;unicast;destination=192.0.2.9;client_port=40000-40001,${TCP}` },
    status: 200,
    answer: { Transport: /^RTP\/AVP\/TCP;unicast;interleaved=0-1/ },
  },
  {
    name: 'session that never was',
    method: 'PLAY',
    path: '/vod/a',
    headers: { Session: 'abc' },
    status: 454,
  },
  { name: 'no session', method: 'PLAY', path: '/vod/a', status: 454 },
  {
    name: 'session id of 1 KiB',
    method: 'PLAY',
    path: '/vod/a',
    headers: { Session: 'a'.repeat(1024) },
    status: 400,
  },
  { name: 'keep-alive for all', method: 'GET_PARAMETER', path: '/vod/a', status: 200 },
  {
    name: 'parameter that is not there',
    method: 'GET_PARAMETER',
    path: '/vod/a',
    headers: { 'Content-Type': 'text/parameters' },
    body: 'jitter\r\n',
    status: 451,
  },
  { name: 'parameters in no format', method: 'SET_PARAMETER', path: '/vod/a', body: 'a: b', status: 415 },
  {
    name: 'parameters packed',
    method: 'SET_PARAMETER',
    path: '/vod/a',
    headers: { 'Content-Type': 'text/parameters', 'Content-Encoding': 'gzip' },
    body: 'xx',
    status: 415,
  },
];

t.test('requests without a session are answered as the protocol has it', async (t) => {
  await withRig({}, async ({ connect, url, server }) => {
    for (const row of WITHOUT_SESSION) {
      const viewer = await connect();
      const answer = await viewer.request(row.method, url(row.path), row.headers, row.body);
      t.equal(answer.status, row.status, row.name);
      for (const [name, pattern] of Object.entries(row.answer ?? {}))
        t.match(answer.headers.get(name), pattern, row.name);
      t.equal((await viewer.request('OPTIONS', '*')).status, 200, `${row.name}: the connection goes on`);
      viewer.socket.destroy();
      await viewer.closed();
    }
    t.equal(server.sessions, 0, 'nothing is left of any of them');
  });
});

const IN_SESSION: readonly Row[] = [
  { name: 'one stream of several', method: 'PLAY', path: '/vod/a/trackID=0', status: 460 },
  { name: 'one stream of several paused', method: 'PAUSE', path: '/vod/a/trackID=1', status: 460 },
  { name: 'another title', method: 'PLAY', path: '/vod/one', status: 454 },
  {
    name: 'range beyond the end',
    method: 'PLAY',
    path: '/vod/a',
    headers: { Range: 'npt=61-' },
    status: 457,
  },
  { name: 'range that is empty', method: 'PLAY', path: '/vod/a', headers: { Range: 'npt=5-5' }, status: 457 },
  { name: 'range in bytes', method: 'PLAY', path: '/vod/a', headers: { Range: 'bytes=0-' }, status: 501 },
  {
    name: 'range that says nothing',
    method: 'PLAY',
    path: '/vod/a',
    headers: { Range: 'npt=x-' },
    status: 400,
  },
  {
    name: 'stream of another title',
    method: 'SETUP',
    path: '/vod/one/trackID=0',
    headers: ONE_TCP,
    status: 459,
  },
  { name: 'channels in use', method: 'SETUP', path: '/vod/a/trackID=1', headers: ONE_TCP, status: 461 },
  {
    name: 'the same stream again',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: 'RTP/AVP/TCP;unicast;interleaved=6-7' },
    status: 200,
    answer: { Transport: /interleaved=6-7/ },
  },
  {
    name: 'change over to UDP',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: udp('40000-40001'),
    status: 455,
  },
];

t.test('requests in a session are answered as the protocol has it', async (t) => {
  await withRig({}, async ({ connect, url }) => {
    for (const row of IN_SESSION) {
      const viewer = await connect();
      const Session = await setUpBoth(viewer, url('/vod/a'));
      const answer = await viewer.request(row.method, url(row.path), { ...row.headers, Session });
      t.equal(answer.status, row.status, row.name);
      for (const [name, pattern] of Object.entries(row.answer ?? {}))
        t.match(answer.headers.get(name), pattern, row.name);
      t.equal(
        (await viewer.request('PLAY', url('/vod/a'), { Session })).status,
        200,
        `${row.name}: the session goes on`,
      );
      viewer.socket.destroy();
      await viewer.closed();
    }
  });
});

t.test(
  'a single stream is controlled by its own URL as well, and parts can be given back before playing',
  async (t) => {
    await withRig({}, async ({ connect, url, server }) => {
      const viewer = await connect();
      const at = url('/vod/a');
      const Session = await setUpBoth(viewer, at);
      t.equal((await viewer.request('TEARDOWN', `${at}/trackID=1`, { Session })).status, 200);
      t.equal(server.sessions, 1);
      t.equal(
        (await viewer.request('PLAY', `${at}/trackID=1`, { Session })).status,
        455,
        'it is not set up any more',
      );
      t.equal((await viewer.request('PLAY', `${at}/trackID=0`, { Session })).status, 200);
      t.equal((await viewer.request('TEARDOWN', `${at}/trackID=0`, { Session })).status, 200);
      t.equal(server.sessions, 0);
    });
  },
);

t.test('TEARDOWN of a stream that was not set up ends nothing', async (t) => {
  await withRig({}, async ({ connect, url, server }) => {
    const at = url('/vod/a');
    for (const state of ['ready', 'playing']) {
      const viewer = await connect();
      const Session = sessionOf(await viewer.request('SETUP', `${at}/trackID=0`, { Transport: TCP }));
      if (state === 'playing') await viewer.request('PLAY', at, { Session });
      const answer = await viewer.request('TEARDOWN', `${at}/trackID=1`, { Session });
      t.equal(answer.status, 200, state);
      t.equal(sessionOf(answer), Session, 'which is still there');
      t.equal((await viewer.request('PAUSE', at, { Session })).status, 200);
      t.equal((await viewer.request('TEARDOWN', `${at}/trackID=0`, { Session })).status, 200);
      t.equal(server.sessions, 0);
      viewer.socket.destroy();
    }
  });
});

const line = (request: string, headers: string): string => `${request}\r\n${headers}\r\n\r\n`;

t.test('what is no proper request is answered before the connection ends', async (t) => {
  await withRig({}, async ({ connect }) => {
    const long = 'a'.repeat(3000);
    const table: readonly (readonly [string, number])[] = [
      [line('DESCRIBE rtsp://h/a RTSP/2.0', 'CSeq: 7'), 505],
      [line('DESCRIBE rtsp://h/a RTSP/1.0', 'CSeq: seven'), 400],
      [line('SET_PARAMETER rtsp://h/a RTSP/1.0', 'CSeq: 7\r\nContent-Length: 999999999'), 413],
      [line(`DESCRIBE rtsp://h/${long} RTSP/1.0`, 'CSeq: 7'), 414],
      [line('GET /a HTTP/1.1', 'x-sessioncookie: 1'), 405],
    ];
    for (const [text, status] of table) {
      const viewer = await connect();
      viewer.socket.write(line('OPTIONS * RTSP/1.0', 'CSeq: 6') + text);
      viewer.socket.end();
      await viewer.closed();
      t.same(
        viewer.responses.map((response) => response.status),
        [200, status],
        text.slice(0, 30),
      );
    }
  });
});
