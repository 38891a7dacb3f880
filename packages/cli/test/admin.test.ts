import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { OriginState, TitleState } from '@forebay/proxy';
import { Registry, Gauge } from 'prom-client';
import t from 'tap';
import { adminPages, startAdmin } from '../src/admin.js';

const silent = (): void => undefined;
const LOG = { debug: silent, info: silent, warn: silent, error: silent };

function pagesOf(reasons: readonly string[] = [], registry = new Registry()) {
  const source = {
    collect: () => Promise.resolve(registry),
    ready: () => ({ ready: reasons.length === 0, reasons }),
  };
  return adminPages(source, { version: '1.2.3', hosts: ['Cache.example.org'], hashTitles: false, log: LOG });
}

function ask(path: string, init: { method?: string; host?: string } = {}): Request {
  const headers = init.host === '' ? {} : { host: init.host ?? '127.0.0.1:9554' };
  return new Request(`http://127.0.0.1:9554${path}`, { method: init.method ?? 'GET', headers });
}

t.test('metrics of the proxy and of the process', async (t) => {
  const registry = new Registry();
  new Gauge({ name: 'forebay_example', help: 'x', registers: [registry] }).set(7);
  const answer = await pagesOf([], registry).fetch(ask('/metrics'));
  t.equal(answer.status, 200);
  t.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const page = await answer.text();
  t.match(page, /^forebay_example 7$/m);
  t.match(page, /^forebay_build_info\{version="1\.2\.3"\} 1$/m);
  t.match(page, /^process_resident_memory_bytes \d+$/m);
  t.match(page, /^nodejs_eventloop_utilization [\d.e-]+$/m);
  t.notMatch(page, 'nodejs_eventloop_lag', 'whose timer would wake an idle process');
  t.notMatch(page, /^\n\n/m);
});

t.test('health and readiness', async (t) => {
  const health = await pagesOf(['any']).fetch(ask('/healthz'));
  t.equal(health.status, 200);
  t.same(await health.json(), { status: 'ok' });
  const good = await pagesOf().fetch(ask('/readyz'));
  t.equal(good.status, 200);
  t.same(await good.json(), { ready: true, reasons: [] });
  const bad = await pagesOf(['draining']).fetch(ask('/readyz'));
  t.equal(bad.status, 503);
  t.same(await bad.json(), { ready: false, reasons: ['draining'] });
  t.equal(bad.headers.get('cache-control'), 'no-store');
});

t.test('only names that are ours are answered', async (t) => {
  const pages = pagesOf();
  for (const host of [
    '127.0.0.1',
    '[::1]:9554',
    'localhost:9554',
    'LOCALHOST',
    '192.0.2.1:1',
    'cache.example.org',
  ]) {
    t.equal((await pages.fetch(ask('/healthz', { host }))).status, 200, host);
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '',
    '127.0.0.1:x',
    '[::1',
  ]) {
    t.equal((await pages.fetch(ask('/metrics', { host }))).status, 403, host);
  }
});

t.test('reading only, known pages only', async (t) => {
  const pages = pagesOf();
  t.equal((await pages.fetch(ask('/healthz', { method: 'HEAD' }))).status, 200);
  const post = await pages.fetch(ask('/healthz', { method: 'POST' }));
  t.equal(post.status, 405);
  t.equal(post.headers.get('allow'), 'GET, HEAD');
  t.equal((await pages.fetch(ask('/elsewhere'))).status, 404);
});

t.test('what is known of the origins, for programs', async (t) => {
  t.equal((await pagesOf().fetch(ask('/api/v1/origins'))).status, 404, 'where there is no API');
  const origins = [{ route: 'nvr', learned: { seeks: true } }] as unknown as readonly OriginState[];
  const source = {
    collect: () => Promise.resolve(new Registry()),
    ready: () => ({ ready: true, reasons: [] }),
  };
  const titles = [{ path: '/a.mp4?token=hunter2&b=1', viewers: 2 }] as unknown as readonly TitleState[];
  const api = {
    origins: () => origins,
    titles: () => titles,
    warm: () => Promise.reject(new Error('not here')),
  };
  const options = { version: '1', hosts: [], hashTitles: false, log: LOG };
  const pages = adminPages({ ...source, api }, options);
  const answer = await pages.fetch(ask('/api/v1/origins'));
  t.same(await answer.json(), { origins });
  const named = await pages.fetch(ask('/api/v1/titles'));
  t.same(await named.json(), { titles: [{ title: '/a.mp4?token=&b=1', viewers: 2 }] });
  const hashing = adminPages({ ...source, api }, { ...options, hashTitles: true });
  const hashed = await (await hashing.fetch(ask('/api/v1/titles'))).text();
  t.match(hashed, /^\{"titles":\[\{"title":"[0-9a-f]+","viewers":2\}\]\}$/);
  t.equal((await pages.fetch(ask('/api/v1/origins', { host: 'evil.example' }))).status, 403);
});

t.test('a page that fails says so without details', async (t) => {
  const source = {
    collect: () => Promise.resolve(new Registry()),
    ready: (): never => {
      throw new Error('inner secret');
    },
  };
  const answer = await adminPages(source, { version: '1', hosts: [], hashTitles: false, log: LOG }).fetch(
    ask('/readyz'),
  );
  t.equal(answer.status, 500);
  t.notMatch(await answer.text(), 'inner secret');
});

t.test('served over loopback, with limits', async (t) => {
  const server = await startAdmin(pagesOf(), { host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close());
  const { port } = server.address;
  const get = (headers: Record<string, string>): Promise<{ status: number | undefined; body: string }> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path: '/healthz', headers }, (answer) => {
        text(answer).then((body) => resolve({ status: answer.statusCode, body }), reject);
      });
      sent.on('error', reject);
      sent.end();
    });
  t.same(await get({}), { status: 200, body: '{"status":"ok"}' });
  t.equal((await get({ host: 'evil.example' })).status, 403);
  t.equal((await get({ 'x-long': 'x'.repeat(10_000) })).status, 431);
  await t.rejects(startAdmin(pagesOf(), { host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
});

t.test('closing does not wait for idle connections', async (t) => {
  const server = await startAdmin(pagesOf(), { host: '127.0.0.1', port: 0 });
  const idle = connect(server.address.port, '127.0.0.1');
  await new Promise((resolve) => idle.once('connect', resolve));
  const gone = new Promise((resolve) => idle.once('close', resolve));
  idle.on('error', silent);
  await server.close();
  await gone;
  t.ok(idle.destroyed);
});
