import * as fc from 'fast-check';
import t from 'tap';
import { formatRequest, formatResponse, Framer, STATUS_REASONS } from '../src/index.js';
import type { RtspMessage, RtspParty } from '../src/index.js';
import { request, response } from './arbitraries.js';

function only(from: RtspParty, bytes: Buffer): RtspMessage | undefined {
  const messages: RtspMessage[] = [];
  new Framer({ frame: () => undefined, message: (message) => messages.push(message) }, { from }).push(bytes);
  return messages.length === 1 ? messages[0] : undefined;
}

function sameHeaders(message: RtspMessage, headers: readonly (readonly [string, string])[]): boolean {
  return headers.every(([name]) => {
    const sent = headers
      .filter(([other]) => other.toLowerCase() === name.toLowerCase())
      .map(([, text]) => text);
    return JSON.stringify(message.headers.all(name)) === JSON.stringify(sent);
  });
}

void t.test('what is formatted is read back', (t) => {
  fc.assert(
    fc.property(request, (sent) => {
      const message = only('viewer', formatRequest(sent));
      if (message?.kind !== 'request') return false;
      const start = message.method === sent.method && message.url === sent.url && message.cseq === sent.cseq;
      return start && message.body.equals(sent.body) && sameHeaders(message, sent.headers);
    }),
  );
  fc.assert(
    fc.property(response, (sent) => {
      const message = only('origin', formatResponse(sent));
      if (message?.kind !== 'response') return false;
      const start =
        message.status === sent.status && message.reason === sent.reason && message.cseq === sent.cseq;
      return start && message.body.equals(sent.body) && sameHeaders(message, sent.headers);
    }),
  );
  t.end();
});

void t.test('messages are formatted as one buffer each', (t) => {
  const plain = formatResponse({ status: 200, cseq: 5 });
  t.equal(plain.toString(), 'RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n');
  const repeated = formatResponse({
    status: 401,
    headers: [
      ['WWW-Authenticate', 'a'],
      ['Server', 'Forebay'],
      ['WWW-Authenticate', 'b'],
    ],
    body: 'é',
  });
  t.equal(
    repeated.toString(),
    'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: a\r\nWWW-Authenticate: b\r\nServer: Forebay\r\nContent-Length: 2\r\n\r\né',
  );
  t.equal(
    formatRequest({ method: 'PLAY', url: '*', cseq: 1, headers: [['Scale', 2]] }).toString(),
    'PLAY * RTSP/1.0\r\nCSeq: 1\r\nScale: 2\r\n\r\n',
  );
  t.equal(formatResponse({ status: 299, cseq: 1 }).toString('latin1', 0, 20), 'RTSP/1.0 299 Unknown');
  for (const broken of ['a\r\nb', 'a\nb', 'a\0b']) {
    t.throws(() => formatResponse({ status: 200, headers: [['X', broken]] }), TypeError);
    t.throws(() => formatResponse({ status: 200, reason: broken }), TypeError);
    t.throws(() => formatRequest({ method: 'PLAY', url: broken, cseq: 1 }), TypeError);
    t.throws(() => formatRequest({ method: broken, url: '*', cseq: 1 }), TypeError);
  }
  t.throws(() => formatRequest({ method: 'PLAY', url: 'a b', cseq: 1 }), TypeError);
  t.throws(() => formatResponse({ status: 200, headers: [['a b', '1']] }), TypeError);
  t.throws(() => formatResponse({ status: 200, headers: [['Content-Length', 1]] }), TypeError);
  for (const status of [451, 453, 454, 455, 456, 457, 458, 459, 460, 461, 462, 505, 551])
    t.ok(STATUS_REASONS[status], String(status));
  t.end();
});

void t.test('headers are looked up without regard to case, and repeated ones kept apart', (t) => {
  const text =
    'RTSP/1.0 200 OK\r\nPublic: A\r\npublic: B\r\nPUBLIC: A\r\n__proto__: p\r\nconstructor: c\r\ntoString: s\r\n\r\n';
  const message = only('origin', Buffer.from(text));
  t.same(message?.headers.all('Public'), ['A', 'B', 'A']);
  t.equal(message?.headers.get('public'), 'A, B');
  t.equal(message?.headers.get('constructor'), 'c');
  t.equal(message?.headers.get('__proto__'), 'p');
  t.equal(message?.headers.get('hasOwnProperty'), undefined);
  t.notOk(message?.headers.has('valueOf'));
  t.end();
});
