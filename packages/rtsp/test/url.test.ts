import * as fc from 'fast-check';
import t from 'tap';
import {
  canonicalUrl,
  controlBase,
  formatRtspUrl,
  parseRtspUrl,
  redactUrl,
  resolveControl,
  splitStreamUrl,
} from '../src/index.js';
import type { RtspUrl } from '../src/index.js';
import { outcome } from './support.js';

const BAD = '400 url';
const plain = { scheme: 'rtsp', host: 'h', port: 554, path: '/a', query: '' };

/** URL, its parts or error, its canonical form. */
const urls: readonly (readonly [string, object | string, string?])[] = [
  ['rtsp://h/a', plain, 'rtsp://h/a'],
  ['RTSP://H/a', plain, 'rtsp://h/a'],
  ['rtsp://h:554/a', plain, 'rtsp://h/a'],
  ['rtsp://h:8554/a', { ...plain, port: 8554 }, 'rtsp://h:8554/a'],
  ['rtsps://h/a', { ...plain, scheme: 'rtsps', port: 322 }, 'rtsps://h/a'],
  ['rtsp://h', { ...plain, path: '/' }, 'rtsp://h/'],
  ['rtsp://h?x', { ...plain, path: '/', query: '?x' }, 'rtsp://h/?x'],
  ['rtsp://h/A//b/?b=2&a=1', { ...plain, path: '/A//b/', query: '?b=2&a=1' }, 'rtsp://h/A//b/?b=2&a=1'],
  [
    'rtsp://h/%61%2fb%7e?%c3%a9',
    { ...plain, path: '/%61%2fb%7e', query: '?%c3%a9' },
    'rtsp://h/a%2Fb~?%C3%A9',
  ],
  ['rtsp://[::1]:8554/a', { ...plain, host: '::1', port: 8554 }, 'rtsp://[::1]:8554/a'],
  ['rtsp://u:p%40%3A@h/a', { ...plain, username: 'u', password: 'p@:' }, 'rtsp://h/a'],
  ['rtsp://h/mp4:a_b.mov;x=1/~(\'!*"|)', { ...plain, path: '/mp4:a_b.mov;x=1/~(\'!*"|)' }],
  ['rtsp://h/..a/...', { ...plain, path: '/..a/...' }],
  ['*', BAD],
  ['', BAD],
  ['/a', BAD],
  ['rtsp:a', BAD],
  ['rtsp:///a', BAD],
  ['rtsp://:554/a', BAD],
  ['rtsp://h:0/a', BAD],
  ['rtsp://h:65536/a', BAD],
  ['rtsp://h:/a', BAD],
  ['rtsp://h:x/a', BAD],
  ['rtsp://::1/a', BAD],
  ['rtsp://[::g]/a', BAD],
  ['rtsp://h/a#b', BAD],
  ['rtsp://h/a b', BAD],
  ['rtsp://h/a\\b', BAD],
  ['rtsp://h/\u00e9', BAD],
  ['rtsp://h/a\u007f', BAD],
  ['rtsp://h/a%', BAD],
  ['rtsp://h/a%zz', BAD],
  ['rtsp://h/a%00', BAD],
  ['rtsp://h/a?b=%0d%0aTEARDOWN', BAD],
  ['rtsp://h/%c0%ae%c0%ae/', BAD],
  ['rtsp://h/%e0%80%ae', BAD],
  ['rtsp://allowed@evil/a', BAD],
  ['rtsp://evil#@allowed/a', BAD],
  ['rtsp://allowed\\@evil/a', BAD],
  ['rtsp://a:b@c@evil/a', BAD],
  ['rtsp://a:%e9@h/a', BAD],
  ['rtsp://ho%73t/a', BAD],
  ['rtspu://h/a', '400 url-scheme'],
  ['http://h/a', '400 url-scheme'],
  ['file:///etc/passwd', '400 url-scheme'],
  ['rtsp://h/../etc', '404 url-traversal'],
  ['rtsp://h/a/..', '404 url-traversal'],
  ['rtsp://h/./a', '404 url-traversal'],
  ['rtsp://h/..%2f..%2fetc', '404 url-traversal'],
  ['rtsp://h/%2e%2E/etc', '404 url-traversal'],
  ['rtsp://h/..%5cetc', '404 url-traversal'],
  [`rtsp://h/${'a'.repeat(2048)}`, '414 url-too-long'],
];

void t.test('URLs', (t) => {
  for (const [text, expected, canonical] of urls) {
    const name = text.slice(0, 60);
    t.strictSame(
      outcome(() => parseRtspUrl(text)),
      expected,
      name,
    );
    if (canonical !== undefined) t.equal(canonicalUrl(parseRtspUrl(text)), canonical, `${name}: canonical`);
  }
  t.match(
    parseRtspUrl('rtsp://user@h/', 'origin'),
    { username: 'user' },
    'the configuration may name a user alone',
  );
  t.equal(formatRtspUrl(parseRtspUrl('rtsp://u:p@[::1]/a?b')), 'rtsp://[::1]/a?b', 'no userinfo is printed');
  t.end();
});

const urlText = fc
  .tuple(
    fc.constantFrom('rtsp', 'rtsps', 'RTSP'),
    fc.constantFrom('h', 'Example.ORG', '127.0.0.1', '[2001:db8::1]'),
    fc.option(fc.integer({ min: 1, max: 65_535 })),
    fc.stringMatching(/^(?:\/(?:[a-zA-Z0-9:;=+~-]|%[2-7][0-9a-e]){1,9}){0,4}$/),
    fc.stringMatching(/^(?:\?[a-z0-9=&%2F/]*)?$/),
  )
  .map(
    ([scheme, host, port, path, query]) =>
      `${scheme}://${host}${port === null ? '' : `:${port}`}${path}${query}`,
  );

void t.test('a canonical URL stays itself and names the same object', (t) => {
  fc.assert(
    fc.property(urlText, (text) => {
      const url = outcome(() => parseRtspUrl(text));
      if (typeof url === 'string') return true;
      const canonical = canonicalUrl(url as RtspUrl);
      const again = parseRtspUrl(canonical);
      const same = again.host === (url as RtspUrl).host && again.port === (url as RtspUrl).port;
      return (
        same &&
        canonicalUrl(again) === canonical &&
        decodeURIComponent(again.path) === decodeURIComponent((url as RtspUrl).path)
      );
    }),
  );
  t.end();
});

void t.test('stream URLs, as players spell them', (t) => {
  const rows: readonly (readonly [string, string, number | undefined])[] = [
    ['rtsp://h/a', 'rtsp://h/a', undefined],
    ['rtsp://h/a/', 'rtsp://h/a', undefined],
    ['rtsp://h/', 'rtsp://h/', undefined],
    ['rtsp://h/a/trackID=1', 'rtsp://h/a', 1],
    ['rtsp://h/a/trackID=1/', 'rtsp://h/a', 1],
    ['rtsp://h/atrackID=12', 'rtsp://h/a', 12],
    ['rtsp://h/trackID=0', 'rtsp://h/', 0],
    ['rtsp://h/a?x=1/trackID=1', 'rtsp://h/a?x=1', 1],
    ['rtsp://h/a?x=1trackID=1', 'rtsp://h/a?x=1', 1],
    ['rtsp://h/a/trackID=1?x=1', 'rtsp://h/a?x=1', 1],
    ['rtsp://h/a?x=1/', 'rtsp://h/a?x=1', undefined],
    ['rtsp://h/a/?x=1', 'rtsp://h/a/?x=1', undefined],
    ['rtsp://h/a/?x=1/trackID=0', 'rtsp://h/a/?x=1', 0],
    ['rtsp://h/a?trackID=1', 'rtsp://h/a?trackID=1', undefined],
    ['rtsp://h/a?x=1&trackID=1', 'rtsp://h/a?x=1&trackID=1', undefined],
    ['rtsp://h/a/trackID=-1', 'rtsp://h/a/trackID=-1', undefined],
    ['rtsp://h/a/trackID=x', 'rtsp://h/a/trackID=x', undefined],
  ];
  for (const [text, presentation, stream] of rows) {
    const split = splitStreamUrl(parseRtspUrl(text));
    t.same([formatRtspUrl(split.presentation), split.stream], [presentation, stream], text);
  }
  t.end();
});

void t.test('control URLs', (t) => {
  const rows: readonly (readonly [string, string | undefined, string])[] = [
    ['rtsp://h/a/', 'trackID=1', 'rtsp://h/a/trackID=1'],
    ['rtsp://h/a', 'trackID=1', 'rtsp://h/a/trackID=1'],
    ['rtsp://h', 'trackID=1', 'rtsp://h/trackID=1'],
    ['rtsp://h/a/', '*', 'rtsp://h/a/'],
    ['rtsp://h/a', undefined, 'rtsp://h/a'],
    ['rtsp://h/a', ' ', 'rtsp://h/a'],
    ['rtsp://h:554/x', '/media/1', 'rtsp://h:554/media/1'],
    ['rtsp://h/a', '?ctype=video', 'rtsp://h/a?ctype=video'],
    ['rtsp://h/c?channel=1&proto=Onvif/', 'trackID=0', 'rtsp://h/c?channel=1&proto=Onvif/trackID=0'],
    ['rtsp://h/c?channel=1', 'video', 'rtsp://h/c?channel=1/video'],
    ['rtsp://u:p@h/a', 'b', 'rtsp://h/a/b'],
    ['rtsp://h/a', 'rtsp://h/b?c', 'rtsp://h/b?c'],
    ['rtsp://h:8554/a', 'rtsp://192.168.1.9:554/b/c', 'rtsp://h:8554/b/c'],
    ['rtsp://h/a', 'RTSP://u:p@evil', 'rtsp://h'],
    ['rtsp://h/a', 'rtsp://x@y@evil/', 'rtsp://h/'],
    ['rtsp://h/a', 'http://evil/', '502 control'],
    ['rtsp://h/a', '../../etc', '502 control'],
    ['rtsp://h/a', '/..', '502 control'],
    ['rtsp://h/a', 'b%0d%0aTEARDOWN', '502 control'],
    ['rtsp://h/a', 'b RTSP/1.0', '502 control'],
    ['rtsp://h/a', 'b#c', '502 control'],
    ['rtsp://h/a', 'b\\@evil', '502 control'],
    ['rtsp://h/a', 'b'.repeat(4096), '502 control'],
    ['/a', 'b', '502 control'],
  ];
  for (const [base, control, expected] of rows) {
    t.equal(
      outcome(() => resolveControl(base, control)),
      expected,
      `${base} + ${control?.slice(0, 40)}`,
    );
  }
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
      fc.constantFrom('', 'rtsp://', '/', '@', 'x@y@'),
      (tail, head) => {
        const resolved = outcome(() => resolveControl('rtsp://h:8554/a', head + tail));
        return resolved === '502 control' || parseRtspUrl(String(resolved), 'origin').host === 'h';
      },
    ),
    { numRuns: 1000 },
  );
  t.end();
});

void t.test('the base of control URLs', (t) => {
  const request = 'rtsp://u:p@cam:8554/live?x=1';
  const rows: readonly (readonly [string | undefined, string | undefined, string])[] = [
    [undefined, undefined, 'rtsp://cam:8554/live?x=1'],
    ['rtsp://cam:8554/live/', undefined, 'rtsp://cam:8554/live/'],
    [undefined, 'rtsp://cam:8554/other/', 'rtsp://cam:8554/other/'],
    ['192.168.1.10:554/stream0/', undefined, 'rtsp://cam:8554/stream0/'],
    ['rtsp://192.168.1.10/stream0/', undefined, 'rtsp://cam:8554/stream0/'],
    ['rtsp://rtsp://192.168.1.10/s/', undefined, 'rtsp://cam:8554/s/'],
    ['rtsp://::ffff:192.168.1.123/s/', undefined, 'rtsp://cam:8554/s/'],
    ['rtsp://[fe80::1]:554/s/', undefined, 'rtsp://cam:8554/s/'],
    ['rtsp://user:pass@cam/s/', undefined, 'rtsp://cam:8554/s/'],
    ['rtsp://cam', undefined, 'rtsp://cam:8554/'],
    ['/s/', undefined, 'rtsp://cam:8554/s/'],
    ['', 'nonsense here/', 'rtsp://cam:8554/live?x=1'],
    ['rtsp://cam/../s/', 'rtsp://cam/t/', 'rtsp://cam:8554/t/'],
    ['rtsp://evil@cam@evil/', undefined, 'rtsp://cam:8554/'],
  ];
  for (const [contentBase, contentLocation, expected] of rows) {
    t.equal(
      controlBase({ contentBase, contentLocation }, request),
      expected,
      contentBase ?? contentLocation ?? 'none',
    );
  }
  t.throws(() => controlBase({}, 'http://h/'), { code: 'control' });
  t.end();
});

void t.test('redaction', (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['rtsp://user:pass@h/a', 'rtsp://h/a'],
    [
      'get rtsp://u:p@h/a and "rtsps://u:p@[::1]:322/b", done',
      'get rtsp://h/a and "rtsps://[::1]:322/b", done',
    ],
    ['rtsp://u:p@ss@h/a', 'rtsp://h/a'],
    ['rtsp://u:p/a#s?s@h/a', 'rtsp://h/a'],
    ['http://token@h/', 'http://h/'],
    ['rtsp://h:8554/media@1', 'rtsp://h:8554/media@1'],
    ['rtsp://[::1]:8554/media@1', 'rtsp://[::1]:8554/media@1'],
    ['someone@example.org', 'someone@example.org'],
    ['', ''],
  ];
  for (const [text, expected] of rows) t.equal(redactUrl(text), expected, text);
  t.equal(redactUrl('a'.repeat(200_000)).length, 200_000, 'linear');
  t.equal(redactUrl('rtsp://'.repeat(50_000)).length, 350_000, 'linear');
  t.end();
});
