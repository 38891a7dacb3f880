import {
  authorizationFor,
  type Challenge,
  chooseChallenge,
  type Credentials,
  digestResponse,
  parseChallenges,
  type RtspResponse,
} from '@forebay/rtsp';
import t from 'tap';
import type { Gate } from '../src/viewer/gatekeeper.js';
import type { TestViewer } from './viewer-player.js';
import { until, withRig } from './viewer-rig.js';

const ALICE: Credentials = { username: 'alice', password: 'correct horse' };
const BOB: Credentials = { username: 'bob', password: 'battery:staple' };
const GATES: readonly Gate[] = [
  { id: 'cameras', pathPrefix: '/vod', logins: [ALICE, BOB] },
  { id: 'garage', pathPrefix: '/vod/garage', logins: [BOB] },
  { id: 'lobby', pathPrefix: '/live' },
];
const TCP = 'RTP/AVP/TCP;unicast;interleaved=0-1';

const challengesOf = (answer: RtspResponse): Challenge[] =>
  parseChallenges(answer.headers.all('WWW-Authenticate'));
const strongest = (challenges: readonly Challenge[]): Challenge =>
  chooseChallenge(challenges, { allowBasic: false })!;
const last = (challenges: readonly Challenge[]): Challenge => challenges.at(-1)!;

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** What the digest says it is about, where that is not the URL. */
  readonly uri?: string;
}

/** A request with an answer to `challenge`. */
async function ask(viewer: TestViewer, asked: Asked, who: Credentials, challenge: Challenge) {
  const { method, url, uri = url, headers } = asked;
  const digest = { method, url: uri, nonceCount: 1, cnonce: 'c' };
  const Authorization = authorizationFor(challenge, who, digest);
  return viewer.request(method, url, { ...headers, Authorization });
}

/** What a viewer who has not logged in is asked for. */
async function challenged(viewer: TestViewer, url: string): Promise<Challenge[]> {
  return challengesOf(await viewer.request('DESCRIBE', url));
}

t.test('nothing of a guarded title is told to who has not logged in', async (t) => {
  await withRig({ terms: { gates: GATES } }, async ({ connect, url, library, metric }) => {
    const viewer = await connect();
    for (const method of [
      'DESCRIBE',
      'SETUP',
      'PLAY',
      'PAUSE',
      'TEARDOWN',
      'GET_PARAMETER',
      'SET_PARAMETER',
    ]) {
      for (const path of ['/vod/a', '/vod', '/vod/', '/%76od/1', '/vod/a/trackID=0']) {
        const answer = await viewer.request(method, url(path), { Transport: TCP });
        t.equal(answer.status, 401, `${method} ${path}`);
      }
    }
    const challenges = await challenged(viewer, url('/vod/a'));
    t.match(challenges, [
      { scheme: 'digest', realm: 'Forebay' },
      { scheme: 'digest', realm: 'Forebay', algorithm: 'SHA-256', qop: 'auth' },
      { scheme: 'digest', realm: 'Forebay' },
    ]);
    for (const one of [challenges[0]!, last(challenges)])
      t.strictSame(
        Object.keys(one),
        ['scheme', 'realm', 'nonce'],
        'the first and the last are what RFC 2069 knows',
      );
    t.same(library.asked, [], 'nobody looked for it');
    t.equal(await metric('rejects_total', { reason: 'login' }), 0, 'to be asked is no failure');
    t.equal((await viewer.request('OPTIONS', url('/vod/a'))).status, 200, 'OPTIONS says nothing of it');
    t.equal((await viewer.request('DESCRIBE', url('/live'))).status, 200, 'another route is for everybody');
  });
});

for (const [name, choose] of [
  ['SHA-256 with qop', strongest],
  ['MD5 as in RFC 2069', last],
  ['MD5 with qop', (all) => ({ ...last(all), qop: 'auth', algorithm: 'MD5' })],
] as [string, (all: readonly Challenge[]) => Challenge][]) {
  t.test(`a whole viewing with ${name}`, async (t) => {
    await withRig({ terms: { gates: GATES } }, async ({ connect, url, metric }) => {
      const viewer = await connect();
      const at = url('/vod/a');
      const challenge = choose(await challenged(viewer, at));
      const log = async (method: string, headers: Record<string, string> = {}, to = at) =>
        ask(viewer, { method, url: to, headers }, ALICE, challenge);
      t.equal((await log('DESCRIBE')).status, 200);
      const setup = await log('SETUP', { Transport: TCP }, `${at}/trackID=0`);
      t.equal(setup.status, 200);
      const Session = setup.headers.get('Session')!.split(';', 1)[0]!;
      for (const method of ['PLAY', 'GET_PARAMETER', 'PAUSE'])
        t.equal((await log(method, { Session })).status, 200);
      t.equal(
        (await viewer.request('PLAY', at, { Session })).status,
        401,
        'each request proves who it is of',
      );
      t.equal((await log('TEARDOWN', { Session })).status, 200);
      t.equal(await metric('rejects_total', { reason: 'login' }), 0);
    });
  });
}

t.test('what proves nothing is refused, and counted where it was a try', async (t) => {
  await withRig({ terms: { gates: GATES } }, async ({ connect, url, metric, lines }) => {
    const at = url('/vod/a');
    const first = await connect();
    const [usual, strong] = (await challenged(first, at)) as [Challenge, Challenge];
    const describe = { method: 'DESCRIBE', url: at };
    const tries: readonly (readonly [string, Credentials, Challenge, Partial<Asked>?])[] = [
      ['a wrong password', { ...ALICE, password: 'x' }, usual],
      ['an empty one', { ...ALICE, password: '' }, strong],
      ['nobody of that name', { ...ALICE, username: 'eve' }, usual],
      ['another realm', ALICE, { ...usual, realm: 'other' }],
      ['an algorithm that was not offered', ALICE, { ...strong, algorithm: 'SHA-256-sess' }],
      ['a digest about another route', ALICE, usual, { uri: url('/live') }],
      ['a digest about nothing', ALICE, usual, { uri: '*' }],
      ['somebody who may watch other cameras only', ALICE, usual, { url: url('/vod/garage/1') }],
    ];
    for (const [name, who, challenge, more] of tries) {
      const answer = await ask(first, { ...describe, ...more }, who, challenge);
      t.equal(answer.status, 401, name);
      t.notOk(challengesOf(answer)[0]?.stale, name);
    }
    t.equal(await metric('rejects_total', { reason: 'login' }), tries.length);
    const unasked = [
      `Basic ${Buffer.from(`${ALICE.username}:${ALICE.password}`).toString('base64')}`,
      'Digest',
      'Digest username="alice"',
      'Bearer x',
      `Digest username="alice", realm="Forebay", nonce="${usual.nonce}", uri="${at}", response="${'0'.repeat(31)}"`,
    ];
    for (const Authorization of unasked)
      t.equal(
        (await first.request('DESCRIBE', at, { Authorization })).status,
        401,
        Authorization.slice(0, 12),
      );
    t.equal(await metric('rejects_total', { reason: 'login' }), tries.length, 'which is no try');
    const pause = { method: 'PAUSE', url: at, nonceCount: 1, cnonce: 'c' };
    const digest = digestResponse(usual, ALICE, pause);
    const Authorization = authorizationFor(usual, ALICE, { ...pause, method: 'DESCRIBE' }).replace(
      /response="\w+"/,
      `response="${digest}"`,
    );
    t.equal((await first.request('DESCRIBE', at, { Authorization })).status, 401, 'of another method');
    t.equal((await ask(first, describe, BOB, usual)).status, 200, 'a password with a colon');
    const line = lines.find(({ fields }) => fields['reason'] === 'login');
    t.match(line?.fields, { viewer: '127.0.0.1', user: 'alice', origin: 'cameras' });
    t.notMatch(JSON.stringify(lines), 'horse', 'no password in the log');
  });
});

t.test('players say in their own ways what a digest is about', async (t) => {
  await withRig({ terms: { gates: GATES } }, async ({ connect, url }) => {
    const viewer = await connect();
    const at = url('/vod/a');
    const usual = last(await challenged(viewer, at));
    const setup = { method: 'SETUP', url: `${at}/trackID=0`, headers: { Transport: TCP } };
    for (const uri of [at, `${at}/`, `${at}/trackID=0`, '/vod/a', `${at}/?a=b`]) {
      const answer = await ask(viewer, { ...setup, uri }, ALICE, usual);
      t.not(answer.status, 401, uri);
    }
  });
});

t.test('the nonce of another connection is stale, and an answer to it opens nothing', async (t) => {
  await withRig({ terms: { gates: GATES } }, async ({ connect, url, metric }) => {
    const [one, other] = [await connect(), await connect()];
    const describe = { method: 'DESCRIBE', url: url('/vod/a') };
    const overheard = last(await challenged(one, describe.url));
    const answer = await ask(other, describe, ALICE, overheard);
    t.equal(answer.status, 401);
    t.strictSame(
      challengesOf(answer).map(({ stale }) => stale),
      [true, true, true],
    );
    t.equal(
      (await ask(other, describe, ALICE, last(challengesOf(answer)))).status,
      200,
      'with its own it is let in',
    );
    t.notOk(challengesOf(await ask(other, describe, { ...ALICE, password: 'x' }, overheard))[0]?.stale);
    t.equal(await metric('rejects_total', { reason: 'login' }), 1, 'only the wrong password is a failure');
  });
});

t.test('who guesses passwords is not listened to any more, and nobody else suffers', async (t) => {
  const limits = { failedLoginsPerMinute: 3 };
  await withRig({ terms: { gates: GATES }, limits }, async ({ connect, url, metric, clock }) => {
    const describe = { method: 'DESCRIBE', url: url('/vod/a') };
    const neighbour = await connect();
    const usual = last(await challenged(neighbour, describe.url));
    t.equal((await ask(neighbour, describe, ALICE, usual)).status, 200);
    const guesser = await connect();
    const own = last(await challenged(guesser, describe.url));
    for (let i = 0; i < 3; i++) await ask(guesser, describe, { ...ALICE, password: String(i) }, own);
    const late = await ask(guesser, describe, ALICE, own);
    t.equal(late.status, 401, 'the right one comes too late');
    t.equal(late.headers.get('Connection'), 'close');
    t.equal(await metric('rejects_total', { reason: 'failed-logins' }), 1);
    const again = await connect();
    t.equal(
      (await again.request('DESCRIBE', describe.url)).headers.get('Connection'),
      'close',
      'nor elsewhere',
    );
    t.equal((await ask(neighbour, describe, ALICE, usual)).status, 200, 'who was let in goes on');
    const stranger = await connect('127.0.0.2');
    const theirs = last(await challenged(stranger, describe.url));
    t.equal((await ask(stranger, describe, ALICE, theirs)).status, 200, 'so does another address');
    clock.advance(60_000);
    const later = await connect();
    const fresh = last(await challenged(later, describe.url));
    t.equal((await ask(later, describe, ALICE, fresh)).status, 200, 'a minute later they may try again');
  });
});

t.test('who has logged in may not guess what others have', async (t) => {
  const limits = { failedLoginsPerMinute: 3 };
  await withRig({ terms: { gates: GATES }, limits }, async ({ connect, url, metric }) => {
    const viewer = await connect();
    const describe = { method: 'DESCRIBE', url: url('/vod/a') };
    const usual = last(await challenged(viewer, describe.url));
    t.equal((await ask(viewer, describe, ALICE, usual)).status, 200);
    for (let i = 0; i < 3; i++) await ask(viewer, describe, { ...BOB, password: String(i) }, usual);
    t.equal((await ask(viewer, describe, ALICE, usual)).status, 200, 'as itself it goes on');
    t.equal((await viewer.request('DESCRIBE', describe.url)).headers.get('Connection'), undefined);
    const late = await ask(viewer, describe, BOB, usual);
    t.equal(late.status, 401);
    t.equal(late.headers.get('Connection'), 'close');
    t.equal(await metric('rejects_total', { reason: 'failed-logins' }), 1);
  });
});

t.test('who has logged in may not guess its own new password', async (t) => {
  const limits = { failedLoginsPerMinute: 3 };
  await withRig({ terms: { gates: GATES }, limits }, async ({ connect, url, server }) => {
    const viewer = await connect();
    const describe = { method: 'DESCRIBE', url: url('/vod/a') };
    const usual = last(await challenged(viewer, describe.url));
    t.equal((await ask(viewer, describe, ALICE, usual)).status, 200);
    server.setTerms({
      gates: [{ id: 'cameras', pathPrefix: '/vod', logins: [{ ...ALICE, password: 'new' }] }],
    });
    for (let i = 0; i < 3; i++) await ask(viewer, describe, { ...ALICE, password: String(i) }, usual);
    const late = await ask(viewer, describe, { ...ALICE, password: 'new' }, usual);
    t.equal(late.status, 401);
    t.equal(late.headers.get('Connection'), 'close');
  });
});

t.test('what becomes guarded while its origin is asked is not shown to who has not logged in', async (t) => {
  const guarded = { gates: [{ id: 'slow', pathPrefix: '/slow', logins: [ALICE] }] };
  await withRig({}, async ({ connect, url, library, server }) => {
    for (const method of ['DESCRIBE', 'SETUP']) {
      server.setTerms({ gates: [] });
      const viewer = await connect();
      const at = url(method === 'SETUP' ? '/slow/trackID=0' : '/slow');
      const asked = library.asked.length;
      const answer = viewer.request(method, at, { Transport: TCP });
      await until(() => library.asked.length > asked);
      server.setTerms(guarded);
      library.release();
      t.equal((await answer).status, 401, method);
      t.equal(challengesOf(await answer).length, 3);
    }
    t.equal(server.sessions, 0);
  });
});

t.test('a path that an origin may take for one of another route leads nowhere', async (t) => {
  const gates = [...GATES, { id: 'rest', pathPrefix: '/' }];
  await withRig({ terms: { gates } }, async ({ connect, url, library }) => {
    const viewer = await connect();
    const usual = last(await challenged(viewer, url('/vod/a')));
    for (const path of [
      '/vod//garage/1',
      '/vod/%2fgarage/1',
      '/vod/garage%2F1',
      '/vod///garage',
      '//vod/a',
    ]) {
      const asked = { method: 'DESCRIBE', url: url(path) };
      t.equal((await ask(viewer, asked, ALICE, usual)).status, 404, path);
    }
    t.same(library.asked, [], 'nobody looked for it');
    for (const path of ['/live', '//live', '/x//live'])
      t.equal((await viewer.request('PAUSE', url(path))).status, 454, `nothing is guarded: ${path}`);
    for (const path of ['/vod/a', '/vod/a//', '/vod//a'])
      t.equal((await ask(viewer, { method: 'PAUSE', url: url(path) }, ALICE, usual)).status, 454, path);
  });
});

t.test('who may watch can change while viewers play', async (t) => {
  await withRig({ terms: { gates: GATES } }, async ({ connect, url, server }) => {
    const viewer = await connect();
    const describe = { method: 'DESCRIBE', url: url('/vod/a') };
    const usual = last(await challenged(viewer, describe.url));
    t.equal((await ask(viewer, describe, ALICE, usual)).status, 200);
    server.setTerms({ gates: [{ id: 'cameras', pathPrefix: '/vod', logins: [BOB] }] });
    t.equal((await ask(viewer, describe, ALICE, usual)).status, 401, 'no more');
    t.equal((await ask(viewer, describe, BOB, usual)).status, 200);
    server.setTerms({ gates: [{ id: 'cameras', pathPrefix: '/vod', logins: [] }] });
    t.equal((await ask(viewer, describe, BOB, usual)).status, 401, 'no users: nobody');
    server.setTerms({ gates: [{ id: 'cameras', pathPrefix: '/vod' }] });
    t.equal((await viewer.request('DESCRIBE', describe.url)).status, 200);
  });
});

t.test('who may not watch any more is told goodbye, and nobody else', async (t) => {
  await withRig({ terms: { gates: GATES } }, async ({ connect, url, server, lines }) => {
    const at = url('/vod/a');
    const play = async (who: Credentials): Promise<TestViewer> => {
      const viewer = await connect();
      const usual = last(await challenged(viewer, at));
      const setup = { method: 'SETUP', url: `${at}/trackID=0`, headers: { Transport: TCP } };
      const Session = (await ask(viewer, setup, who, usual)).headers.get('Session')!.split(';', 1)[0]!;
      const playing = await ask(viewer, { method: 'PLAY', url: at, headers: { Session } }, who, usual);
      t.equal(playing.status, 200);
      return viewer;
    };
    const free = await connect();
    t.equal((await free.request('SETUP', url('/live/trackID=0'), { Transport: TCP })).status, 200);
    const [alice, bob] = [await play(ALICE), await play(BOB)];
    const goodbyes = ({ received }: TestViewer): number =>
      received.filter((one) => one.kind === 'frame' && one.channel === 1 && one.bytes.includes(203)).length;
    t.equal(server.sessions, 3);
    server.setTerms({ gates: [{ id: 'cameras', pathPrefix: '/vod', logins: [BOB] }] });
    await alice.until(() => goodbyes(alice) > 0);
    t.equal(server.sessions, 2, 'one of three');
    t.equal(goodbyes(bob), 0);
    server.setTerms({
      gates: [{ id: 'cameras', pathPrefix: '/vod', logins: [{ ...BOB, password: 'other' }] }],
    });
    await bob.until(() => goodbyes(bob) > 0);
    t.equal(server.sessions, 1, 'the password is another');
    server.setTerms({ gates: [{ id: 'lobby', pathPrefix: '/live', logins: [BOB] }] });
    t.equal(server.sessions, 0, 'what was for everybody is so no more');
    const ends = lines.filter(({ message }) => message === 'viewer session ended');
    t.same(
      ends.map(({ fields }) => fields['reason']),
      ['forbidden', 'forbidden', 'forbidden'],
    );
  });
});
