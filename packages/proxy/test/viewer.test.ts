import t from 'tap';
import { parseTransport, STATE_TABLE, VIEWER_METHODS } from '@forebay/rtsp';
import type { SessionState, ViewerMethod } from '@forebay/rtsp';
import { rig, sessionOf, setUpBoth, TCP, TestViewer, type Rig } from './viewer-rig.js';

async function withRig(options: Parameters<typeof rig>[0], work: (r: Rig) => Promise<void>): Promise<void> {
  const r = await rig(options);
  try {
    await work(r);
  } finally {
    await r.close();
  }
}

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

    const setup = await viewer.request('SETUP', `${at}/trackID=0`, { Transport: TCP });
    t.match(setup.headers.get('Session'), /^[0-9a-f]{32};timeout=60$/);
    const Session = sessionOf(setup);
    const [transport] = parseTransport(setup.headers.get('Transport')!, 'origin');
    t.match(transport, { lower: 'tcp', interleaved: [0, 1], mode: 'PLAY' });
    const both = await viewer.request('SETUP', `${at}/trackID=1`, { Transport: 'RTP/AVP/TCP;unicast', Session });
    t.match(both.headers.get('Transport'), /interleaved=2-3/, 'free channels are found where none are asked for');
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
    t.equal(again.headers.get('RTP-Info'), undefined, 'PLAY while playing is a sign of life and nothing else');

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

/** Brings a session into a state; `init` is no session. */
const REACH: Readonly<Record<SessionState, (viewer: TestViewer, url: string) => Promise<string>>> = {
  init: async () => '0123456789abcdef',
  ready: (viewer, url) => setUpBoth(viewer, url),
  playing: async (viewer, url) => {
    const Session = await setUpBoth(viewer, url);
    await viewer.request('PLAY', url, { Session });
    return Session;
  },
};

t.test('the state table is walked whole', async (t) => {
  await withRig({ limits: { guessesPerMinute: 1000 } }, async ({ connect, url }) => {
    const at = url('/vod/a');
    for (const state of ['init', 'ready', 'playing'] as const) {
      for (const method of VIEWER_METHODS) {
        const viewer = await connect();
        const Session = await REACH[state](viewer, at);
        const isSetup = method === 'SETUP';
        const headers = isSetup ? { Transport: 'RTP/AVP/TCP;unicast;interleaved=8-9' } : {};
        const isBare = state === 'init' && (isSetup || method === 'OPTIONS' || method === 'DESCRIBE');
        const target = isSetup ? `${at}/trackID=0` : at;
        const answer = await viewer.request(method, target, isBare ? headers : { ...headers, Session });
        const next = STATE_TABLE[state][method as ViewerMethod];
        const expected = state === 'init' && !isBare ? 454 : next === undefined ? 455 : 200;
        t.equal(answer.status, expected, `${method} in ${state}`);
        if (expected === 455) t.match(answer.headers.get('Allow'), /PLAY, PAUSE, TEARDOWN/);
        viewer.socket.destroy();
      }
    }
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
const udp = (ports: string): Record<string, string> => ({ Transport: `RTP/AVP;unicast;client_port=${ports}` });

const WITHOUT_SESSION: readonly Row[] = [
  { name: 'title that is not there', method: 'DESCRIBE', path: '/missing', status: 404 },
  { name: 'title that is not for this viewer', method: 'DESCRIBE', path: '/forbidden', status: 403 },
  { name: 'origin down', method: 'DESCRIBE', path: '/broken', status: 503, answer: { 'Retry-After': /^5$/ } },
  { name: 'origin down at SETUP', method: 'SETUP', path: '/broken/trackID=0', headers: ONE_TCP, status: 503 },
  { name: 'description wanted in HTML', method: 'DESCRIBE', path: '/vod/a', headers: { Accept: 'text/html' }, status: 406 },
  { name: 'publishing', method: 'ANNOUNCE', path: '/vod/a', status: 405, answer: { Allow: /OPTIONS, DESCRIBE/ } },
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
  { name: 'stream that is not described', method: 'SETUP', path: '/vod/a/trackID=7', headers: ONE_TCP, status: 404 },
  { name: 'several streams at once', method: 'SETUP', path: '/vod/a', headers: ONE_TCP, status: 459 },
  { name: 'the only stream by the URL of all', method: 'SETUP', path: '/vod/one/', headers: ONE_TCP, status: 200 },
  { name: 'stream behind the query', method: 'SETUP', path: '/vod/a?x=1/trackID=1', headers: ONE_TCP, status: 200 },
  { name: 'stream before the query', method: 'SETUP', path: '/vod/a/trackID=1?x=1', headers: ONE_TCP, status: 200 },
  { name: 'no transport', method: 'SETUP', path: '/vod/a/trackID=0', status: 400 },
  { name: 'multicast', method: 'SETUP', path: '/vod/a/trackID=0', headers: { Transport: 'RTP/AVP;multicast' }, status: 461 },
  { name: 'secure profile', method: 'SETUP', path: '/vod/a/trackID=0', headers: { Transport: 'RTP/SAVP;unicast' }, status: 461 },
  { name: 'port of another service', method: 'SETUP', path: '/vod/a/trackID=0', headers: udp('53-54'), status: 461 },
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
  { name: 'session that never was', method: 'PLAY', path: '/vod/a', headers: { Session: 'abc' }, status: 454 },
  { name: 'no session', method: 'PLAY', path: '/vod/a', status: 454 },
  { name: 'session id of 1 KiB', method: 'PLAY', path: '/vod/a', headers: { Session: 'a'.repeat(1024) }, status: 400 },
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
      for (const [name, pattern] of Object.entries(row.answer ?? {})) t.match(answer.headers.get(name), pattern, row.name);
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
  { name: 'range beyond the end', method: 'PLAY', path: '/vod/a', headers: { Range: 'npt=61-' }, status: 457 },
  { name: 'range that is empty', method: 'PLAY', path: '/vod/a', headers: { Range: 'npt=5-5' }, status: 457 },
  { name: 'range in bytes', method: 'PLAY', path: '/vod/a', headers: { Range: 'bytes=0-' }, status: 501 },
  { name: 'range that says nothing', method: 'PLAY', path: '/vod/a', headers: { Range: 'npt=x-' }, status: 400 },
  { name: 'stream of another title', method: 'SETUP', path: '/vod/one/trackID=0', headers: ONE_TCP, status: 459 },
  { name: 'channels in use', method: 'SETUP', path: '/vod/a/trackID=1', headers: ONE_TCP, status: 461 },
  {
    name: 'the same stream again',
    method: 'SETUP',
    path: '/vod/a/trackID=0',
    headers: { Transport: 'RTP/AVP/TCP;unicast;interleaved=6-7' },
    status: 200,
    answer: { Transport: /interleaved=6-7/ },
  },
  { name: 'change over to UDP', method: 'SETUP', path: '/vod/a/trackID=0', headers: udp('40000-40001'), status: 455 },
];

t.test('requests in a session are answered as the protocol has it', async (t) => {
  await withRig({}, async ({ connect, url }) => {
    for (const row of IN_SESSION) {
      const viewer = await connect();
      const Session = await setUpBoth(viewer, url('/vod/a'));
      const answer = await viewer.request(row.method, url(row.path), { ...row.headers, Session });
      t.equal(answer.status, row.status, row.name);
      for (const [name, pattern] of Object.entries(row.answer ?? {})) t.match(answer.headers.get(name), pattern, row.name);
      t.equal((await viewer.request('PLAY', url('/vod/a'), { Session })).status, 200, `${row.name}: the session goes on`);
      viewer.socket.destroy();
      await viewer.closed();
    }
  });
});

t.test('a single stream is controlled by its own URL as well, and parts can be given back before playing', async (t) => {
  await withRig({}, async ({ connect, url, server }) => {
    const viewer = await connect();
    const at = url('/vod/a');
    const Session = await setUpBoth(viewer, at);
    t.equal((await viewer.request('TEARDOWN', `${at}/trackID=1`, { Session })).status, 200);
    t.equal(server.sessions, 1);
    t.equal((await viewer.request('PLAY', `${at}/trackID=1`, { Session })).status, 455, 'it is not set up any more');
    t.equal((await viewer.request('PLAY', `${at}/trackID=0`, { Session })).status, 200);
    t.equal((await viewer.request('TEARDOWN', `${at}/trackID=0`, { Session })).status, 200);
    t.equal(server.sessions, 0);
  });
});

t.test('a seek that comes to nothing leaves the viewer where it was', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=10-' });
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=99-' })).status, 457);
    t.equal(library.reader.state, 'playing');
    t.same(library.reader.calls.slice(-2), ['play -', 'start'], 'an impossible range: it goes on without a gap');
    library.playError = Object.assign(new Error('origin down'), { status: 504 });
    t.equal((await viewer.request('PLAY', url('/vod/a'), { Session, Range: 'npt=40-' })).status, 504);
    t.equal(library.reader.state, 'playing');
    t.equal(library.reader.calls.at(-2), 'play {"unit":"npt","start":12}', 'an origin that fails: from where it was');
  });
});

t.test('a defect of ours costs the viewer its connection, and the proxy nothing', async (t) => {
  await withRig({}, async ({ connect, url, lines }) => {
    const viewer = await connect();
    t.equal((await viewer.request('DESCRIBE', url('/bug'))).status, 500);
    await viewer.closed();
    t.ok(lines.some((line) => line.level === 'error' && line.message === 'request could not be answered'));
    t.equal((await (await connect()).request('DESCRIBE', url('/vod/a'))).status, 200);
  });
});

t.test('pipelined requests are answered in their order, whatever each waits for', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const viewer = await connect();
    const slow = viewer.send('DESCRIBE', url('/slow'));
    const others = Array.from({ length: 99 }, (_, i) => viewer.send('OPTIONS', i % 2 === 0 ? '*' : url('/vod/a')));
    while (library.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    t.equal(viewer.responses.length, 0, 'nothing overtakes the first');
    library.release();
    await viewer.answer(others.at(-1)!);
    t.same(
      viewer.responses.slice(0, 100).map((response) => response.cseq),
      [slow, ...others],
    );
  });
});

t.test('a request that waits for the origin is given up with its viewer', async (t) => {
  await withRig({}, async ({ connect, url, library, server }) => {
    const viewer = await connect();
    viewer.send('SETUP', url('/slow/trackID=0'), { Transport: TCP });
    while (library.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    viewer.socket.resetAndDestroy();
    while (library.aborted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    library.release();
    t.equal(server.sessions, 0);
  });
});

t.test('what a viewer asked before its FIN is answered', async (t) => {
  await withRig({}, async ({ connect, url }) => {
    const viewer = await connect();
    const cseqs = [viewer.send('OPTIONS', '*'), viewer.send('DESCRIBE', url('/vod/a'))];
    viewer.socket.end();
    await viewer.closed();
    t.same(
      viewer.responses.map((response) => response.cseq),
      cseqs,
    );
  });
});

t.test('a session is found again from another connection of the same address, and from no other', async (t) => {
  await withRig({}, async ({ connect, url, library, server, metric }) => {
    const first = await connect();
    const at = url('/vod/a');
    const Session = await setUpBoth(first, at);
    await first.request('PLAY', at, { Session });

    const thief = await connect('127.0.0.2');
    for (const method of ['PLAY', 'PAUSE', 'TEARDOWN', 'SET_PARAMETER', 'GET_PARAMETER', 'OPTIONS']) {
      t.equal((await thief.request(method, at, { Session })).status, 454, `${method} by another address`);
    }
    const setup = await thief.request('SETUP', `${at}/trackID=0`, { Session, Transport: TCP });
    t.equal(setup.status, 454);
    t.equal(library.reader.state, 'playing', 'the session is not disturbed');
    t.equal(await metric('rejects_total', { reason: 'foreign-session' }), 7);

    const second = await connect();
    t.equal((await second.request('PAUSE', at, { Session })).status, 200);
    t.equal(library.reader.state, 'paused');
    t.equal((await second.request('PLAY', at, { Session })).status, 200);
    library.reader.emit([{ stream: 0 }]);
    await first.until(() => first.frames(0).length === 1);
    t.equal(second.frames(0).length, 0, 'media stays where it was set up');
    t.equal((await second.request('TEARDOWN', at, { Session })).status, 200);
    t.equal(server.sessions, 0);
  });
});

t.test('TEARDOWN from another connection ends a PLAY that waits', async (t) => {
  await withRig({}, async ({ connect, url, library }) => {
    const first = await connect();
    const Session = await setUpBoth(first, url('/vod/a'));
    let open = (): void => undefined;
    library.playGate = new Promise((resolve) => {
      open = resolve;
    });
    const waiting = first.send('PLAY', url('/vod/a'), { Session });
    while (library.readers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = await connect();
    t.equal((await second.request('TEARDOWN', url('/vod/a'), { Session })).status, 200);
    open();
    t.equal((await first.answer(waiting)).status, 454);
    t.same(library.reader.calls, ['play -', 'close']);
  });
});

t.test('several sessions live on one connection, up to a limit', async (t) => {
  await withRig({ limits: { sessionsPerConnection: 3 } }, async ({ connect, url, server, metric }) => {
    const viewer = await connect();
    const setUp = (channel: number): ReturnType<TestViewer['request']> =>
      viewer.request('SETUP', url('/vod/one'), { Transport: `RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1}` });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(sessionOf(await setUp(2 * i)));
    t.equal(new Set(ids).size, 3);
    t.equal((await setUp(6)).status, 453);
    t.equal(await metric('rejects_total', { reason: 'sessions-per-connection' }), 1);
    await viewer.request('TEARDOWN', url('/vod/one'), { Session: ids[1]! });
    t.equal((await setUp(2)).status, 200, 'channels and room come back');
    viewer.socket.destroy();
    while (server.sessions > 0) await new Promise((resolve) => setImmediate(resolve));
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
    while (server.connections > 2) await new Promise((resolve) => setImmediate(resolve));
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

t.test('draining takes nobody new and waits for those who play', async (t) => {
  await withRig({ realTime: true }, async ({ connect, url, server, library }) => {
    const idle = await connect();
    await idle.request('OPTIONS', '*');
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    await viewer.request('PLAY', url('/vod/a'), { Session });
    const drained = server.drain(60_000);
    await idle.closed();
    t.equal((await viewer.request('SETUP', url('/vod/one'), { Transport: 'RTP/AVP/TCP' })).status, 503);
    t.equal(library.reader.state, 'playing');
    await viewer.request('TEARDOWN', url('/vod/a'), { Session });
    await drained;
    await viewer.closed();
    t.equal(server.sessions, 0);
  });
});

t.test('draining ends after its time, with a BYE for those who still play', async (t) => {
  await withRig({ realTime: true }, async ({ connect, url, server, library }) => {
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    await viewer.request('PLAY', url('/vod/a'), { Session });
    const before = viewer.frames(1).length;
    await server.drain(10);
    await viewer.closed();
    t.equal(viewer.frames(1).length, before + 1);
    t.equal(library.reader.state, 'closed');
  });
});

t.test('sessions come and go without a trace', async (t) => {
  await withRig({ limits: { requestsPerSecond: 1e6, requestBurst: 1e6 } }, async ({ connect, url, server, library, metric, clock }) => {
    const timers = clock.timers;
    for (let round = 0; round < 20; round++) {
      const viewers = await Promise.all(Array.from({ length: 10 }, () => connect()));
      await Promise.all(
        viewers.map(async (viewer, i) => {
          const Session = await setUpBoth(viewer, url('/vod/a'));
          await viewer.request('PLAY', url('/vod/a'), { Session });
          if (i % 3 === 0) await viewer.request('TEARDOWN', url('/vod/a'), { Session });
          if (i % 3 === 1) viewer.socket.resetAndDestroy();
          else viewer.socket.end();
        }),
      );
      while (server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    t.equal(server.sessions, 0);
    t.equal(library.readers.length, 200);
    t.ok(library.readers.every((reader) => reader.state === 'closed'));
    t.equal(clock.timers, timers, 'no timer is left');
    t.equal(await metric('viewer_connections', {}), 0);
    t.equal(await metric('viewer_sessions', { state: 'ready' }), 0);
    t.equal(await metric('viewer_sessions', { state: 'playing' }), 0);
  });
});
