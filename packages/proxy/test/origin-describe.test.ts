import t from 'tap';
import { OriginError } from '../src/origin/errors.js';
import { corpus, skipCorpora, withCseq } from './origin-corpora.js';
import {
  SDP,
  bench,
  codeOf,
  describes,
  never,
  until,
  type Reaction,
  describeWith,
  credentials,
} from './origin-fakes.js';

t.test('a description is asked for first of all, and comes with what caches need', async (t) => {
  const { origin, client, metric } = await bench(
    t,
    describeWith(() =>
      describes(SDP, ['Content-Base', 'rtsp://192.0.2.7/x/'], ['ETag', '"1"'], ['Cache-Control', 'no-cache']),
    ),
  );
  const described = await client.describe('/x?a=1', never);
  t.strictSame(origin.methods, ['DESCRIBE']);
  t.equal(origin.asked[0]?.url, origin.url('/x?a=1'));
  t.equal(origin.asked[0]?.headers.get('accept'), 'application/sdp');
  t.ok(origin.asked[0]?.headers.get('user-agent'));
  t.equal(described.url, origin.url('/x?a=1'));
  t.equal(described.contentBase, origin.url('/x/'), 'at the host that was asked');
  t.match(described, { etag: '"1"', cacheControl: 'no-cache' });
  t.notOk('expires' in described);
  t.equal(described.description.durationSeconds, 60);
  t.equal(await metric('forebay_origin_requests_total', { method: 'DESCRIBE', status: '200' }), 1);
});

t.test('a Content-Base of another host is believed only where it goes on from the request', async (t) => {
  const cases: [string, string][] = [
    ['rtsp://192.0.2.7:8554/cam/live/', '/cam/live/'],
    ['rtsp://evil.example/', '/cam/live'],
    ['192.168.1.10:554/cam/live/', '/cam/live/'],
    ['rtsp://rtsp://192.168.1.10/cam/live/', '/cam/live/'],
    ['/other/', '/other/'],
    ['not a url at all', '/cam/live'],
  ];
  for (const [base, path] of cases) {
    const { origin, client } = await bench(
      t,
      describeWith(() => describes(SDP, ['Content-Base', base])),
    );
    t.equal((await client.describe('/cam/live', never)).contentBase, origin.url(path), base);
  }
});

t.test('statuses become what a viewer can use', async (t) => {
  const cases: [number, string, number][] = [
    [404, 'not-found', 404],
    [410, 'not-found', 404],
    [401, 'unauthorized', 502],
    [403, 'unauthorized', 502],
    [453, 'busy', 453],
    [503, 'unavailable', 503],
    [504, 'timeout', 504],
    [500, 'refused', 502],
    [599, 'refused', 502],
    [406, 'refused', 502],
  ];
  for (const [status, code, seen] of cases) {
    const { client, metric } = await bench(
      t,
      describeWith(() => ({ status })),
    );
    const error = await client.describe('/a', never).then(
      () => undefined,
      (e: unknown) => e as OriginError,
    );
    t.match(error, { code, status: seen, originStatus: status }, String(status));
    t.equal(await metric('forebay_origin_faults_total', { reason: code }), 1);
  }
});

t.test('descriptions that are none', async (t) => {
  const cases: [string, Reaction, string][] = [
    ['html', { headers: [['Content-Type', 'text/html']], body: '<html>' }, 'description'],
    ['nothing', { headers: [['Content-Type', 'application/sdp']] }, 'description'],
    ['no type, no SDP', { body: 'hello' }, 'description'],
    ['no type', { body: SDP }, 'ok'],
    [
      'a type with parameters',
      { headers: [['Content-Type', 'Application/SDP; charset=utf-8']], body: SDP },
      'ok',
    ],
    ['no streams', describes('v=0\r\ns=x\r\n'), 'description'],
    ['latin-1', withLatin1Name(), 'ok'],
  ];
  for (const [name, reaction, code] of cases) {
    const { client } = await bench(
      t,
      describeWith(() => reaction),
    );
    t.equal(await codeOf(client.describe('/a', never)), code, name);
  }
});

function withLatin1Name(): Buffer {
  const body = Buffer.from(SDP.replace('s=title', 's=Caf\u00e9'), 'latin1');
  const head = `RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

t.test('hostile answers to DESCRIBE end soon, and with a code', { skip: skipCorpora }, async (t) => {
  const expected: [string, string][] = [
    ['H01-05', 'description'],
    ['H01', 'protocol'],
    ['H02-02', 'timeout'],
    ['H02-04', 'ok'],
    ['H02', 'protocol|timeout|ok'],
    ['H03', 'protocol'],
    ['H04-02', 'protocol'],
    ['H04', 'description|protocol|origin-closed|timeout'],
    ['H08', 'unauthorized|protocol'],
    ['H09-01', 'redirect'],
    ['H09', 'redirect'],
    ['H17-04', 'ok'],
    ['H17', 'description'],
    ['H18', 'ok'],
  ];
  let files = 0;
  for (const prefix of ['H01', 'H02', 'H03', 'H04', 'H08', 'H09', 'H17', 'H18']) {
    for (const [name, bytes] of corpus('bad-inputs/origin', prefix)) {
      files++;
      const { client, origin } = await bench(t, (request) => withCseq(bytes, request.cseq), {
        route: { credentials, timeoutMs: 300 },
      });
      const code = await codeOf(client.describe('/vod/a', never));
      const codes = expected.find(([start]) => name.startsWith(start))?.[1].split('|') ?? [];
      t.ok(codes.includes(code), `${name}: ${code}`);
      if (code === 'protocol') await until(() => origin.open === 0, 'the connection is closed');
    }
  }
  t.ok(files >= 20, `${files} files`);
});

const many = (count: number, line: string, cseq: number): Buffer =>
  Buffer.from(`RTSP/1.0 ${line}\r\nCSeq: ${cseq}\r\n\r\n`.repeat(count));

t.test('informational and unsolicited answers have a limit', async (t) => {
  const good = describes(SDP);
  for (const [name, before, code] of [
    ['ten 1xx', many(10, '100 Continue', 1), 'ok'],
    ['eleven 1xx', many(11, '100 Continue', 1), 'protocol'],
    ['ten strangers', many(10, '200 OK', 99), 'ok'],
    ['eleven strangers', many(11, '200 OK', 99), 'protocol'],
    ['a success without CSeq', Buffer.from('RTSP/1.0 200 OK\r\n\r\n'), 'ok'],
  ] as const) {
    const { client } = await bench(
      t,
      describeWith(() => ({ ...good, before })),
    );
    t.equal(await codeOf(client.describe('/a', never)), code, name);
  }
  const nameless = await bench(
    t,
    describeWith(() => ({ status: 404, cseq: false })),
  );
  t.equal(await codeOf(nameless.client.describe('/a', never)), 'not-found', 'errors may lack their CSeq');
});
