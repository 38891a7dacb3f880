import * as fc from 'fast-check';
import t from 'tap';
import { formatRequest, formatResponse, Framer, LIMITS, RtspError } from '../src/index.js';
import type { RtspMessage, RtspParty } from '../src/index.js';
import { cuts, originItem, viewerItem } from './arbitraries.js';
import { cutAt, frameOf, read, singly } from './support.js';

const HEAD = 'DESCRIBE rtsp://h/a RTSP/1.0\r\n';
const RTP = Buffer.from('80600001000000010000123478787878', 'hex');

interface Row {
  readonly name: string;
  readonly from?: RtspParty;
  readonly bytes: string | Buffer;
  /** Status and code of the error, of a refusal with `refuse `, or the number of messages. */
  readonly expect: string | number;
}

const rows: readonly Row[] = [
  { name: 'a request', bytes: `${HEAD}CSeq: 1\r\n\r\n`, expect: 1 },
  { name: 'bare line feeds', bytes: HEAD.replace('\r', '') + 'CSeq: 1\n\n', expect: 1 },
  { name: 'four empty lines first', bytes: `\r\n\r\n\r\n\r\n${HEAD}CSeq: 1\r\n\r\n`, expect: 1 },
  { name: 'five empty lines', bytes: '\r\n\r\n\r\n\r\n\r\n', expect: '400 blank-lines' },
  { name: 'a space first', bytes: ` ${HEAD}`, expect: '400 start-line' },
  { name: 'a TLS hello', bytes: Buffer.from('160301020001', 'hex'), expect: '400 not-rtsp' },
  { name: 'a method of 65 bytes', bytes: 'A'.repeat(65), expect: '400 method-too-long' },
  {
    name: 'a method of 64 bytes',
    bytes: `${'A'.repeat(64)} rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n`,
    expect: 1,
  },
  { name: 'a URL of 2049 bytes', bytes: `PLAY ${'u'.repeat(2049)} RTSP/1.0\r\n`, expect: '414 url-too-long' },
  { name: 'a URL without end', bytes: `PLAY ${'u'.repeat(5000)}`, expect: '414 url-too-long' },
  { name: 'RTSP 2.0', bytes: 'PLAY rtsp://h/ RTSP/2.0\r\nCSeq: 7\r\n\r\n', expect: 'refuse 505 version 7' },
  { name: 'lower-case RTSP', bytes: 'PLAY rtsp://h/ rtsp/1.0\r\n', expect: '400 start-line' },
  { name: 'no version', bytes: 'PLAY rtsp://h/\r\n', expect: '400 start-line' },
  { name: 'two spaces', bytes: 'PLAY  rtsp://h/ RTSP/1.0\r\n', expect: '400 start-line' },
  {
    name: 'a lower-case method',
    bytes: 'play rtsp://h/ RTSP/1.0\r\nCSeq: 7\r\n\r\n',
    expect: 'refuse 501 method-unknown 7',
  },
  {
    name: 'a NUL in the URL',
    bytes: 'PLAY rtsp://h/\0 RTSP/1.0\r\nCSeq: 7\r\n\r\n',
    expect: 'refuse 400 url 7',
  },
  { name: 'no URL', bytes: 'PLAY  RTSP/1.0\r\nCSeq: 7\r\n\r\n', expect: 'refuse 400 url 7' },
  { name: 'an RTSP-over-HTTP tunnel', bytes: 'GET /a HTTP/1.1\r\n', expect: '405 tunnel' },
  { name: 'an HTTP/2 preface', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', expect: '400 start-line' },
  { name: 'no colon', bytes: `${HEAD}CSeq 1\r\n`, expect: '400 header-line' },
  { name: 'a space before the colon', bytes: `${HEAD}CSeq : 1\r\n`, expect: '400 header-line' },
  { name: 'a bare CR in a value', bytes: `${HEAD}X: a\rb\r\n`, expect: '400 header-line' },
  { name: 'a frame among the headers', bytes: `${HEAD}$\0\0\x04abcd\r\n`, expect: '400 header-line' },
  { name: 'a folded header', bytes: `${HEAD}CSeq: 1\r\nX-A: a\r\n b\r\n\r\n`, expect: 1 },
  { name: 'a folded Session', bytes: `${HEAD}Session:\r\n 1\r\n`, expect: '400 header-folded' },
  { name: 'a fold behind the start line', bytes: `${HEAD} CSeq: 1\r\n`, expect: '400 header-folded' },
  { name: 'a name of 513 bytes', bytes: `${HEAD}${'n'.repeat(513)}: 1\r\n`, expect: '400 header-too-long' },
  {
    name: 'a value of 8193 bytes',
    bytes: `${HEAD}X: ${'v'.repeat(8193)}\r\n`,
    expect: '400 header-too-long',
  },
  {
    name: 'a Transport of 8193 bytes',
    bytes: `${HEAD}CSeq: 7\r\nTransport: ${'v'.repeat(8193)}\r\n\r\n`,
    expect: 'refuse 461 transport-unsupported 7',
  },
  { name: '64 header lines', bytes: `${HEAD}CSeq: 1\r\n${'X: 1\r\n'.repeat(63)}\r\n`, expect: 1 },
  {
    name: '65 header lines',
    bytes: `${HEAD}CSeq: 1\r\n${'X: 1\r\n'.repeat(64)}\r\n`,
    expect: '400 too-many-headers',
  },
  { name: 'a head without end', bytes: `${HEAD}X: ${'v'.repeat(17_000)}`, expect: '400 head-too-large' },
  { name: 'no CSeq', bytes: `${HEAD}\r\n`, expect: 'refuse 400 cseq undefined' },
  {
    name: 'a CSeq of 10 digits',
    bytes: `${HEAD}CSeq: 1234567890\r\n\r\n`,
    expect: 'refuse 400 cseq undefined',
  },
  {
    name: 'two CSeq',
    bytes: `${HEAD}CSeq: 1\r\nCSeq: 2\r\n\r\n`,
    expect: 'refuse 400 header-duplicated undefined',
  },
  {
    name: 'two Sessions',
    bytes: `${HEAD}CSeq: 1\r\nSession: a\r\nsession: b\r\n\r\n`,
    expect: 'refuse 400 header-duplicated 1',
  },
  { name: 'the same Session twice', bytes: `${HEAD}CSeq: 1\r\nSession: a\r\nsession: a\r\n\r\n`, expect: 1 },
  { name: 'a negative length', bytes: `${HEAD}Content-Length: -1\r\n`, expect: '400 content-length' },
  { name: 'a length with blanks', bytes: `${HEAD}Content-Length:  5 \r\n`, expect: '400 content-length' },
  {
    name: 'two lengths',
    bytes: `${HEAD}Content-Length: 5\r\nContent-Length: 3\r\n\r\n`,
    expect: '400 content-length',
  },
  {
    name: 'a length above the limit',
    bytes: `${HEAD}Content-Length: 262145\r\n\r\n`,
    expect: '413 body-too-large',
  },
  { name: 'chunked', bytes: `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, expect: '400 transfer-encoding' },
  {
    name: 'junk behind a body',
    bytes: `${HEAD}CSeq: 1\r\nContent-Length: 1\r\n\r\nA!`,
    expect: '400 not-rtsp',
  },
  { name: 'an answer', from: 'origin', bytes: 'RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n', expect: 1 },
  { name: 'an answer without reason', from: 'origin', bytes: 'RTSP/1.0 200\r\nCSeq: 1\r\n\r\n', expect: 1 },
  { name: 'an answer without CSeq', from: 'origin', bytes: 'RTSP/1.0 200 OK\r\n\r\n', expect: 1 },
  {
    name: 'a 304 with a length',
    from: 'origin',
    bytes: 'RTSP/1.0 304 x\r\nContent-Length: 9\r\n\r\n',
    expect: 1,
  },
  {
    name: 'an odd header line',
    from: 'origin',
    bytes: 'RTSP/1.0 200 OK\r\nnonsense\r\nX : y\r\n\r\n',
    expect: 1,
  },
  {
    name: 'a fold of one space',
    from: 'origin',
    bytes: 'RTSP/1.0 200 OK\r\nSession: 1\r\n \r\nX: y\r\n\r\n',
    expect: 1,
  },
  { name: 'a status of 99', from: 'origin', bytes: 'RTSP/1.0 99 x\r\n', expect: '502 start-line' },
  { name: 'a status of 1000', from: 'origin', bytes: 'RTSP/1.0 1000 x\r\n', expect: '502 start-line' },
  { name: 'HTTP', from: 'origin', bytes: 'HTTP/1.1 200 OK\r\n', expect: '502 start-line' },
  { name: 'ICY', from: 'origin', bytes: 'ICY 200 OK\r\n', expect: '502 start-line' },
  {
    name: 'a long reason',
    from: 'origin',
    bytes: `RTSP/1.0 200 ${'r'.repeat(10_000)}\r\n`,
    expect: '502 start-line',
  },
  { name: 'binary first', from: 'origin', bytes: Buffer.alloc(16, 0xff), expect: '502 not-rtsp' },
  {
    name: '300 headers',
    from: 'origin',
    bytes: `RTSP/1.0 200 OK\r\n${'X: 1\r\n'.repeat(300)}`,
    expect: '502 too-many-headers',
  },
  { name: 'a request without CSeq', from: 'origin', bytes: 'OPTIONS rtsp://h/ RTSP/1.0\r\n\r\n', expect: 1 },
];

void t.test('every rule of the framing, on a whole chunk and byte by byte', (t) => {
  for (const { name, from = 'viewer', bytes, expect } of rows) {
    const buffer = Buffer.from(bytes);
    const whole = read(from, [buffer]);
    const refusal = whole.events.find((event) => event.startsWith('refuse'));
    t.equal(whole.error ?? refusal ?? whole.events.length, expect, name);
    const slowly = read(from, singly(buffer));
    t.same([slowly.events, slowly.error], [whole.events, whole.error], `${name}, byte by byte`);
  }
  t.end();
});

void t.test('a fault in the framing closes, a refused message does not', (t) => {
  const closing = new RtspError('viewer', 'content-length');
  t.match(closing, { status: 400, close: true, silent: false });
  t.match(new RtspError('viewer', 'not-rtsp'), { close: true, silent: true });
  t.match(new RtspError('viewer', 'cseq'), { status: 400, close: false });
  t.match(new RtspError('origin', 'cseq'), { status: 502 });
  const sink = { frame: () => undefined, message: () => undefined };
  const framer = new Framer(sink, { from: 'viewer' });
  t.throws(
    () => framer.push(Buffer.from(`${HEAD}\r\n`)),
    { code: 'cseq', close: true },
    'nobody to take a refusal',
  );
  framer.push(Buffer.from(`${HEAD}CSeq: 1\r\n\r\n`));
  t.notOk(framer.partial, 'a framer that has thrown reads nothing more');
  t.end();
});

void t.test('what is unfinished is told by partial and pendingBytes', (t) => {
  const framer = new Framer({ frame: () => undefined, message: () => undefined }, { from: 'viewer' });
  const steps: readonly [string, boolean, number][] = [
    ['\r\n', false, 0],
    ['OPTIONS', true, 7],
    [' * RTSP/1.0\r\nCSeq: 1\r\n\r\n', false, 0],
    ['$\0', true, 2],
    ['\0\x02a', true, 5],
    ['b', false, 0],
    [`${HEAD}CSeq: 2\r\nContent-Length: 3\r\n\r\nxy`, true, 2],
    ['z', false, 0],
  ];
  for (const [text, partial, pendingBytes] of steps) {
    framer.push(Buffer.from(text));
    t.match(framer, { partial, pendingBytes }, JSON.stringify(text));
  }
  t.end();
});

void t.test('whole frames are passed on by offsets, without a copy', (t) => {
  const chunk = Buffer.concat([
    frameOf(0, RTP),
    frameOf(1, Buffer.alloc(0)),
    frameOf(255, RTP).subarray(0, 9),
  ]);
  const seen: [number, boolean, number, number][] = [];
  const frame = (channel: number, bytes: Buffer, start: number, end: number): void => {
    seen.push([channel, bytes === chunk, start, end]);
  };
  const framer = new Framer({ frame, message: () => undefined }, { from: 'origin' });
  framer.push(chunk);
  framer.push(frameOf(255, RTP).subarray(9));
  t.same(seen, [
    [0, true, 4, 20],
    [1, true, 24, 24],
    [255, false, 4, 20],
  ]);
  t.end();
});

void t.test('a body outlives the chunk that it came in', (t) => {
  const chunk = Buffer.from(`${HEAD}CSeq: 1\r\nContent-Length: 5\r\n\r\nhello`);
  const messages: RtspMessage[] = [];
  new Framer({ frame: () => undefined, message: (m) => messages.push(m) }, { from: 'viewer' }).push(chunk);
  chunk.fill(0);
  t.equal(messages[0]?.body.toString(), 'hello');
  t.end();
});

void t.test('a sink may stop the framer in the middle of a chunk', (t) => {
  let messages = 0;
  const stopping = { frame: () => undefined, message: () => ((messages += 1), framer.stop()) };
  const framer = new Framer(stopping, { from: 'viewer' });
  const request = formatRequest({ method: 'OPTIONS', url: '*', cseq: 1 });
  framer.push(Buffer.concat([request, request]));
  t.equal(messages, 1);
  t.end();
});

void t.test('the largest body and the largest frame arrive byte by byte', (t) => {
  const body = Buffer.alloc(LIMITS.bodyBytes, 0x61);
  const message = formatResponse({ status: 200, cseq: 1, body });
  const { events } = read('origin', singly(Buffer.concat([frameOf(0, Buffer.alloc(65_535, 1)), message])));
  t.equal(events.length, 2);
  t.equal(events[0]?.length, 'frame 0 '.length + 65_535);
  t.end();
});

void t.test('garbage between the frames of an origin is skipped and counted', (t) => {
  const frame = frameOf(2, RTP);
  const answer = Buffer.from('RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n');
  const cases: readonly [string, Buffer, number, number][] = [
    ['zeros', Buffer.alloc(100), 2, 100],
    ['a dollar sign on an unknown channel', Buffer.from('\0$\x09\0\x20\x80abc', 'latin1'), 2, 9],
    ['a dollar sign before bytes that are no RTP', Buffer.from('\0$\x02\0\x20\x10abc', 'latin1'), 2, 9],
    ['letters', Buffer.from('RTSQ hello DESCRIBER\r\n'), 2, 22],
    ['the limit', Buffer.alloc(LIMITS.garbageBytes), 2, LIMITS.garbageBytes],
  ];
  for (const [name, garbage, frames, counted] of cases) {
    const bytes = Buffer.concat([frame, garbage, frame, answer]);
    const whole = read('origin', [bytes]);
    t.equal(whole.error, undefined, name);
    t.equal(whole.events.length, frames + 1, name);
    t.equal(whole.garbageBytes, counted, name);
    t.same(read('origin', singly(bytes)), whole, `${name}, byte by byte`);
  }
  const tooMuch = Buffer.concat([frame, Buffer.alloc(LIMITS.garbageBytes + 1), frame]);
  t.equal(read('origin', [tooMuch]).error, '502 garbage');
  const scraps = ['R', 'R$', 'R$\x02', 'R$\x02\0', 'R$\x02\0\x01'].map((scrap) =>
    Buffer.concat([frame, Buffer.from(scrap)]),
  );
  const alternating = Buffer.concat(Array.from({ length: 4000 }, () => scraps).flat());
  const survived = read('origin', [alternating]);
  t.match(survived, { error: undefined, events: { length: 20_000 } }, 'garbage behind each of many frames');
  t.equal(
    read('viewer', [Buffer.concat([frame, Buffer.alloc(1)])]).error,
    '400 not-rtsp',
    'not from a viewer',
  );
  t.end();
});

void t.test('where the chunks are cut makes no difference', (t) => {
  for (const [from, item] of [
    ['viewer', viewerItem],
    ['origin', originItem],
    ['viewer', originItem],
  ] as const) {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 8 }), cuts, (items, offsets) => {
        const bytes = Buffer.concat(items);
        const whole = JSON.stringify(read(from, [bytes]));
        return (
          whole === JSON.stringify(read(from, cutAt(bytes, offsets))) &&
          whole === JSON.stringify(read(from, singly(bytes)))
        );
      }),
    );
  }
  t.end();
});

void t.test('one stream of messages and frames, cut at every byte position', (t) => {
  const bytes = Buffer.concat([
    formatRequest({ method: 'DESCRIBE', url: 'rtsp://h/a', cseq: 1, headers: [['X-A', 'b']] }),
    frameOf(0, RTP),
    Buffer.from('OPTIONS * RTSP/1.0\nCSeq: 2\nX-A: folded\n\tvalue\n\n\r\n'),
    frameOf(1, Buffer.from('RTSP/1.0 200 OK\r\n\r\n')),
    formatRequest({ method: 'SET_PARAMETER', url: 'rtsp://h/a', cseq: 3, body: '$\0\0\x01 a\r\n\r\n' }),
    frameOf(0, Buffer.alloc(0)),
  ]);
  const whole = read('viewer', [bytes]);
  t.equal(whole.events.length, 6);
  t.equal(whole.error, undefined);
  for (let i = 1; i < bytes.length; i++) t.same(read('viewer', cutAt(bytes, [i])), whole, `cut at ${i}`);
  t.end();
});
