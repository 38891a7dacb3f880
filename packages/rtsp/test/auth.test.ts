import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import {
  authorizationFor,
  chooseChallenge,
  digestResponse,
  formatChallenge,
  parseAuthorization,
  parseChallenges,
} from '../src/index.js';
import type { Challenge, DigestAlgorithm } from '../src/index.js';

const NONCE_2617 = 'dcd98b7102dd2f0e8b11d0f600bfb0c093';
const NONCE_7616 = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
const CNONCE_7616 = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
const get = { method: 'GET', url: '/dir/index.html', nonceCount: 1 };
const realm2617 = { scheme: 'digest', realm: 'testrealm@host.com', nonce: NONCE_2617 } as const;
const realm7616 = {
  scheme: 'digest',
  realm: 'http-auth@example.org',
  nonce: NONCE_7616,
  qop: 'auth',
} as const;

void t.test('the vectors of the RFCs', (t) => {
  t.equal(
    digestResponse(realm2617, { username: 'Mufasa', password: 'CircleOfLife' }, { ...get, cnonce: '' }),
    '1949323746fe6a43ef61f9606e7febea',
    'RFC 2069 section 2.4, as corrected by erratum 749',
  );
  t.equal(
    digestResponse(
      { ...realm2617, qop: 'auth' },
      { username: 'Mufasa', password: 'Circle Of Life' },
      { ...get, cnonce: '0a4f113b' },
    ),
    '6629fae49393a05397450978507c4ef1',
    'RFC 2617 section 3.5',
  );
  const life = { username: 'Mufasa', password: 'Circle of Life' };
  const request = { ...get, cnonce: CNONCE_7616 };
  t.equal(
    digestResponse({ ...realm7616, algorithm: 'MD5' }, life, request),
    '8ca523f5e9506fed4657c9700eebdbec',
    'RFC 7616 section 3.9.1, MD5',
  );
  t.equal(
    digestResponse({ ...realm7616, algorithm: 'SHA-256' }, life, request),
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    'RFC 7616 section 3.9.1, SHA-256',
  );
  const basic = (username: string, password: string): string =>
    authorizationFor({ scheme: 'basic', realm: 'r' }, { username, password }, request);
  t.equal(basic('Aladdin', 'open sesame'), 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', 'RFC 7617 section 2');
  t.equal(basic('test', '123\u00a3'), 'Basic dGVzdDoxMjPCow==', 'RFC 7617 section 2.1');
  t.end();
});

void t.test('the session variants hash the first nonce in', (t) => {
  for (const [algorithm, name] of [
    ['MD5-sess', 'md5'],
    ['SHA-256-sess', 'sha256'],
  ] as const) {
    const hash = (text: string): string => createHash(name).update(text).digest('hex');
    const a1 = hash(`${hash('Mufasa:http-auth@example.org:x')}:${NONCE_7616}:c`);
    const expected = hash(`${a1}:${NONCE_7616}:0000002a:c:auth:${hash('PLAY:rtsp://h/a')}`);
    const challenge = { ...realm7616, algorithm };
    const request = { method: 'PLAY', url: 'rtsp://h/a', nonceCount: 42, cnonce: 'c' };
    t.equal(digestResponse(challenge, { username: 'Mufasa', password: 'x' }, request), expected, algorithm);
  }
  t.end();
});

function digest(more: Partial<Challenge>): Challenge {
  return { scheme: 'digest', realm: 'r', nonce: 'n', ...more };
}

void t.test('challenges', (t) => {
  const rows: readonly (readonly [string, readonly string[], readonly object[]])[] = [
    ['Basic', ['Basic realm="IP Camera(AB705)"'], [{ scheme: 'basic', realm: 'IP Camera(AB705)' }]],
    ['no qop', ['Digest realm="r", nonce="n"'], [digest({})]],
    [
      'everything',
      ['Digest realm="r",nonce="n",opaque="o",stale=TRUE,algorithm=sha-256,qop="auth,auth-int"'],
      [digest({ algorithm: 'SHA-256', qop: 'auth', opaque: 'o', stale: true })],
    ],
    ['stale quoted', ['Digest realm="r", nonce="n",  stale="FALSE"'], [digest({ stale: false })]],
    ['unquoted', ['digest realm=r , nonce=n, opaque=YWJj=='], [digest({ opaque: 'YWJj==' })]],
    [
      'two in one header',
      ['Digest realm="r", nonce="n", Basic realm="b"'],
      [digest({}), { scheme: 'basic', realm: 'b' }],
    ],
    [
      'two headers',
      ['Digest realm="r", nonce="n", algorithm=MD5', 'Digest realm="r", nonce="n", algorithm=SHA-256'],
      [digest({ algorithm: 'MD5' }), digest({ algorithm: 'SHA-256' })],
    ],
    [
      'commas and quotes inside',
      ['Digest realm="a, \\"b\\", Basic c=", nonce="n"'],
      [digest({ realm: 'a, "b", Basic c=' })],
    ],
    ['an open quote', ['Digest nonce="n", realm="r'], [digest({})]],
    ['given twice', ['Digest realm="r", realm="s", nonce="n"'], [digest({})]],
    ['no realm', ['Digest nonce="n"'], [digest({ realm: '' })]],
    ['no nonce', ['Digest realm="r"', 'Digest realm="r", nonce=""'], []],
    [
      'unknown',
      [
        'Negotiate abc==, NTLM',
        'Digest realm="r", nonce="n", algorithm=SHA-1',
        'Digest realm="r", nonce="n", qop="auth-int"',
      ],
      [],
    ],
    ['nonsense', ['', '=', '"', ',,,', 'Digest ="', 'Digest', 'Digest realm,nonce=""algorithm'], []],
    ['scheme only', ['Basic'], [{ scheme: 'basic', realm: '' }]],
  ];
  for (const [name, values, expected] of rows) t.strictSame(parseChallenges(values), expected, name);
  t.equal(parseChallenges(['Basic realm="a", '.repeat(500)]).length, 16, 'bounded');
  t.equal(parseChallenges(Array.from({ length: 500 }, () => 'Basic')).length, 16, 'bounded');
  t.end();
});

void t.test('the strongest challenge is chosen', (t) => {
  const all = parseChallenges([
    'Basic realm="r"',
    'Digest realm="r", nonce="1"',
    'Digest realm="r", nonce="2", algorithm=MD5, qop="auth"',
    'Digest realm="r", nonce="3", algorithm=SHA-256, qop="auth"',
  ]);
  t.equal(chooseChallenge(all, { allowBasic: true })?.nonce, '3');
  t.equal(chooseChallenge(all.slice(0, 3), { allowBasic: true })?.nonce, '2');
  t.equal(chooseChallenge(all.slice(0, 2), { allowBasic: true })?.nonce, '1');
  t.equal(chooseChallenge(all.slice(0, 1), { allowBasic: true })?.scheme, 'basic');
  t.equal(chooseChallenge(all.slice(0, 1), { allowBasic: false }), undefined, 'no password in clear text');
  t.equal(chooseChallenge([], { allowBasic: true }), undefined);
  t.end();
});

void t.test('an answer repeats what was asked, and no more', (t) => {
  const request = { method: 'DESCRIBE', url: 'rtsp://h/a', nonceCount: 255, cnonce: 'c' };
  const credentials = { username: 'a"b', password: 'p' };
  t.match(
    authorizationFor(digest({}), credentials, request),
    /^Digest username="a\\"b", realm="r", nonce="n", uri="rtsp:\/\/h\/a", response="[0-9a-f]{32}"$/,
  );
  t.match(
    authorizationFor(digest({ algorithm: 'SHA-256', qop: 'auth', opaque: 'o' }), credentials, request),
    /, response="[0-9a-f]{64}", algorithm=SHA-256, opaque="o", qop=auth, nc=000000ff, cnonce="c"$/,
  );
  t.match(
    authorizationFor(digest({ algorithm: 'MD5-sess' }), credentials, request),
    /algorithm=MD5-sess, cnonce="c"$/,
  );
  t.end();
});

const text = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
const challenge = fc.record({
  realm: text,
  nonce: fc.stringMatching(/^[!-~]{1,20}$/),
  algorithm: fc.constantFrom<DigestAlgorithm>('MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'),
  qop: fc.constantFrom('auth' as const),
  opaque: text,
  stale: fc.boolean(),
});

void t.test('what one side formats the other reads', (t) => {
  fc.assert(
    fc.property(challenge, (value) => {
      const offered: Challenge = { scheme: 'digest', ...value };
      const [back] = parseChallenges([formatChallenge(offered)]);
      const credentials = { username: 'user', password: 'pass' };
      const request = { method: 'PLAY', url: 'rtsp://h/a', nonceCount: 7, cnonce: 'c' };
      const sent = parseAuthorization(authorizationFor(offered, credentials, request));
      const proven =
        sent?.scheme === 'digest' &&
        sent.response === digestResponse(offered, credentials, request) &&
        sent.realm === value.realm &&
        sent.nonceCount === 7;
      return proven && isDeepStrictEqual(back, offered);
    }),
  );
  t.strictSame(parseChallenges([formatChallenge({ scheme: 'basic', realm: 'a "b"' })]), [
    { scheme: 'basic', realm: 'a "b"' },
  ]);
  t.end();
});

void t.test('credentials that can prove nothing', (t) => {
  t.strictSame(parseAuthorization('Basic bXl1c2VyOm15cGFzczp4'), {
    scheme: 'basic',
    username: 'myuser',
    password: 'mypass:x',
  });
  const fields = 'username="u", realm="r", nonce="n", uri="rtsp://h/a"';
  const response = `response="${'0'.repeat(32)}"`;
  t.match(parseAuthorization(`Digest ${fields}, ${response}`), {
    scheme: 'digest',
    algorithm: 'MD5',
    nonceCount: undefined,
  });
  t.match(parseAuthorization(`Digest ${fields}, ${response}, qop=auth, nc=0000000a, cnonce="c"`), {
    nonceCount: 10,
    cnonce: 'c',
  });
  const hopeless = [
    '',
    'Basic',
    'Basic ',
    'Basic !!!',
    'Basic YWJj',
    `Basic ${'A'.repeat(6000)}`,
    'Basic AGE6Yg==',
    'Basic gIA6gA==',
    'Bearer abc',
    'Digest',
    `Digest ${fields}`,
    `Digest ${fields}, response="xyz"`,
    `Digest ${fields}, ${response}, algorithm=SHA-1`,
    `Digest ${fields}, ${response}, qop=auth`,
    `Digest ${fields}, ${response}, qop=auth-int, nc=00000001, cnonce="c"`,
    `Digest ${fields}, ${response}, qop=auth, nc=1, cnonce="c"`,
    `Digest ${response}, ${'x=1,'.repeat(1000)}`,
  ];
  for (const value of hopeless) t.equal(parseAuthorization(value), undefined, value.slice(0, 60));
  t.end();
});
