import { createHash } from 'node:crypto';
import t from 'tap';
import {
  SDP,
  ScriptedOrigin,
  bench,
  codeOf,
  describes,
  never,
  until,
  vod,
  type Answer,
  type Script,
  describeWith,
  credentials,
} from './origin-fakes.js';

interface DigestRule {
  readonly algorithm?: string;
  readonly qop?: boolean;
}

/** Answers 401 until a request carries the right digest for the nonce, and a count that it has not seen. */
function digestGuard(rule: DigestRule, nonce: () => string): { script: Script; counts: string[] } {
  const counts: string[] = [];
  const algorithm = rule.algorithm ?? 'MD5';
  const hash = (text: string): string =>
    createHash(algorithm.startsWith('SHA') ? 'sha256' : 'md5')
      .update(text)
      .digest('hex');
  const inner = vod();
  const script: Script = (request, peer) => {
    const given = request.headers.get('authorization') ?? '';
    const field = (name: string): string =>
      new RegExp(`(?:^|[ ,])${name}=(?:"([^"]*)"|([^,]*))`)
        .exec(given)
        ?.slice(1)
        .find((v) => v !== undefined) ?? '';
    let a1 = hash('bob:cam:p:@"ss');
    if (algorithm.endsWith('-sess')) a1 = hash(`${a1}:${field('nonce')}:${field('cnonce')}`);
    const a2 = hash(`${request.method}:${request.url}`);
    const middle = rule.qop === true ? `:${field('nc')}:${field('cnonce')}:auth` : '';
    const right = given !== '' && field('response') === hash(`${a1}:${field('nonce')}${middle}:${a2}`);
    if (right && field('nonce') === nonce() && field('uri') === request.url) {
      counts.push(field('nc'));
      return inner(request, peer);
    }
    const parts = [`realm="cam"`, `nonce="${nonce()}"`, 'opaque="o"'];
    if (rule.algorithm !== undefined) parts.push(`algorithm=${rule.algorithm}`);
    if (rule.qop === true) parts.push('qop="auth,auth-int"');
    const stale = given !== '' ? ', stale=true' : '';
    return {
      status: 401,
      headers: [
        ['WWW-Authenticate', 'NTLM'],
        ['WWW-Authenticate', `Digest ${parts.join(', ')}${stale}`],
        ['WWW-Authenticate', 'Basic realm="cam"'],
      ],
    };
  };
  return { script, counts };
}

t.test('digests of every kind, the nonce used on with a growing count', async (t) => {
  const rules: DigestRule[] = [
    {},
    { qop: true },
    { algorithm: 'MD5', qop: true },
    { algorithm: 'MD5-sess', qop: true },
    { algorithm: 'SHA-256' },
    { algorithm: 'SHA-256', qop: true },
    { algorithm: 'SHA-256-sess', qop: true },
  ];
  for (const rule of rules) {
    const { script, counts } = digestGuard(rule, () => 'n1');
    const { origin, open } = await bench(t, script, { route: { credentials } });
    const session = await open();
    await session.close();
    const name = JSON.stringify(rule);
    t.strictSame(origin.methods, ['DESCRIBE', 'DESCRIBE', 'SETUP', 'SETUP', 'PLAY', 'TEARDOWN'], name);
    const expected = rule.qop === true ? [1, 2, 3, 4, 5].map((n) => `0000000${n}`) : ['', '', '', '', ''];
    t.strictSame(counts, expected, name);
    t.notOk(origin.asked.some((a) => /basic/i.test(a.headers.get('authorization') ?? '')));
  }
});

t.test('a nonce that went stale is renewed once, on another connection too', async (t) => {
  let nonce = 1;
  const { script } = digestGuard({ qop: true }, () => `n${nonce}`);
  const { origin, client } = await bench(t, script, { route: { credentials } });
  await client.describe('/a', never);
  nonce = 2;
  await client.describe('/a', never);
  t.strictSame(origin.methods, ['DESCRIBE', 'DESCRIBE', 'DESCRIBE', 'DESCRIBE']);
  t.ok(origin.asked[2]?.headers.has('authorization'), 'the known challenge is answered without being asked');
});

t.test(
  'a nonce that is used up amid requests in one go is renewed there, and not held against it',
  async (t) => {
    // DESCRIBE and the first SETUP use the nonce up, or the second SETUP does too; then one nonce for each request.
    for (const uses of [2, 3, 1]) {
      let used = 0;
      let nonce = 1;
      const { script } = digestGuard({ qop: true }, () => `n${nonce}`);
      const guard: Script = (request, peer) => {
        const answer = script(request, peer);
        if ((answer as Answer).status !== 401 && ++used % uses === 0) nonce++;
        return answer;
      };
      const { origin, open, client } = await bench(t, guard, { route: { credentials } });
      for (const connection of [0, 1]) {
        const session = await open();
        t.equal(origin.peers.length, connection + 1, `${uses}: no other connection`);
        const play = origin.asked.find((a) => a.connection === connection && a.method === 'PLAY');
        const together = origin.asked.filter(({ read }) => read === play?.read);
        t.strictSame(
          together.map(({ method }) => method),
          ['SETUP', 'PLAY'],
          `${uses}: in one go`,
        );
        await session.close();
        t.equal(client.profile.pipelines, true, `${uses}: still in one go`);
      }
    }
  },
);

t.test('refused credentials: two requests, not a third', async (t) => {
  let nonce = 0;
  const ever: Script = () => ({
    status: 401,
    headers: [['WWW-Authenticate', `Digest realm="r", nonce="${++nonce}"`]],
  });
  const { origin, client } = await bench(t, ever, { route: { credentials } });
  t.equal(await codeOf(client.describe('/a', never)), 'unauthorized');
  t.equal(origin.asked.length, 2);
  await until(() => origin.open === 0, 'and the connection is closed');
});

t.test('where the stronger digest fails, the other one on offer is tried, and kept', async (t) => {
  const { script } = digestGuard({}, () => 'n');
  const offering: Script = async (request, peer) => {
    const reaction = await script(request, peer);
    if (Buffer.isBuffer(reaction) || typeof reaction === 'string' || reaction.status !== 401) return reaction;
    const liar = ['WWW-Authenticate', 'Digest realm="cam", nonce="n", algorithm=SHA-256'] as const;
    return { ...reaction, headers: [liar, ...(reaction.headers ?? [])] };
  };
  const { origin, client } = await bench(t, offering, { route: { credentials } });
  await client.describe('/a', never);
  t.equal(origin.asked.length, 3);
  await client.describe('/a', never);
  t.equal(origin.asked.length, 4, 'what worked comes first from now on');
});

t.test('passwords in clear text only where the route allows', async (t) => {
  const wanted = `Basic ${Buffer.from('bob:p:@"ss').toString('base64')}`;
  const script: Script = (request, peer) =>
    request.headers.get('authorization') === wanted
      ? vod()(request, peer)
      : { status: 401, headers: [['WWW-Authenticate', 'Basic realm="cam"']] };
  for (const [allowBasic, code, requests] of [
    [true, 'ok', 2],
    [false, 'unauthorized', 1],
  ] as const) {
    const { origin, client } = await bench(t, script, { route: { credentials, allowBasic } });
    t.equal(await codeOf(client.describe('/a', never)), code);
    t.equal(origin.asked.length, requests);
    t.equal(
      origin.asked.some((a) => a.headers.has('authorization')),
      allowBasic,
    );
  }
});

t.test('an origin that closes the connection behind its 401 is asked on another', async (t) => {
  const { script } = digestGuard({}, () => 'n');
  const closing: Script = async (request, peer) => {
    const reaction = await script(request, peer);
    if (!request.headers.has('authorization')) setImmediate(() => peer.socket.end());
    return reaction;
  };
  const { origin, client } = await bench(t, closing, { route: { credentials } });
  t.equal(await codeOf(client.describe('/a', never)), 'ok');
  t.equal(origin.peers.length, 2);
  t.ok(origin.asked.at(-1)?.headers.has('authorization'));
});

const moved = (location: string, status = 302): Answer => ({ status, headers: [['Location', location]] });

t.test('redirects: absolute and relative, three at most', async (t) => {
  const table: Record<string, string> = {
    '/a/b?x=1': '/c/d?y=2',
    '/c/d?y=2': 'e?z=3',
    '/c/e?z=3': '?z=4',
    '/loop': '/loop',
  };
  const { origin, client } = await bench(
    t,
    describeWith((request) => {
      const path = request.url.slice(origin.url('').length);
      const target = table[path];
      return target === undefined ? describes(SDP) : moved(target);
    }),
  );
  const described = await client.describe('/a/b?x=1', never);
  t.equal(described.url, origin.url('/c/e?z=4'));
  t.equal(described.contentBase, origin.url('/c/e?z=4'));
  t.equal(origin.asked.length, 4);
  t.equal(await codeOf(client.describe('/loop', never)), 'redirect');
  t.equal(origin.asked.length, 8, 'the question and three redirects');
});

const asksForCredentials: Script = () => ({
  status: 401,
  headers: [['WWW-Authenticate', 'Digest realm="r", nonce="n"']],
});

t.test('redirects stay inside the route, and credentials at home', async (t) => {
  const other = await ScriptedOrigin.start(t, asksForCredentials);
  const { script } = digestGuard({}, () => 'n');
  const home: Script = async (request, peer) => {
    const reaction = await script(request, peer);
    return request.headers.has('authorization') ? moved(other.url('/elsewhere')) : reaction;
  };
  const strict = await bench(t, home, { route: { credentials } });
  t.equal(await codeOf(strict.client.describe('/a', never)), 'redirect');
  t.equal(other.peers.length, 0, 'not even a connection');

  const allowHosts = [`127.0.0.1:${other.port}`];
  const allowing = await bench(t, home, { route: { credentials, allowHosts } });
  t.equal(await codeOf(allowing.client.describe('/a', never)), 'unauthorized');
  t.equal(other.asked.length, 1);
  t.notOk(other.asked[0]?.headers.has('authorization'));
});

t.test('a session follows its presentation to the host that it was redirected to', async (t) => {
  const other = await ScriptedOrigin.start(t, vod());
  const { origin, open } = await bench(
    t,
    describeWith(() => moved(other.url('/new'))),
    { route: { allowHosts: [] } },
  );
  t.equal(await codeOf(open()), 'redirect');
  const allowed = await bench(
    t,
    describeWith(() => moved(`rtsp://user:secret@127.0.0.1:${other.port}/new`)),
    { route: { allowHosts: [`127.0.0.1:${other.port}`] } },
  );
  await (await allowed.open()).close();
  t.strictSame(other.methods, ['DESCRIBE', 'SETUP', 'SETUP', 'PLAY', 'TEARDOWN']);
  t.notOk(other.asked.some((a) => a.url.includes('secret') || a.headers.has('authorization')));
  t.strictSame(origin.methods, ['DESCRIBE']);
});

t.test('a stored description cannot lead to a host that the route does not know', async (t) => {
  const { client, sink, origin } = await bench(t, vod());
  const described = await client.describe('/title', never);
  const options = { streams: [0], startSeconds: 0, signal: never };
  const elsewhere = { ...described, url: 'rtsp://192.0.2.1/title' };
  t.equal(await codeOf(client.open({ ...options, origin: elsewhere }, sink)), 'redirect');
  const base = { ...described, contentBase: 'rtsp://192.0.2.1/title/' };
  const session = await client.open({ ...options, origin: base }, sink);
  await session.close();
  const hosts = origin.asked.map(({ url }) => new URL(url).host);
  t.ok(
    hosts.every((host) => host === `127.0.0.1:${origin.port}`),
    'the base moves nothing either',
  );
});
