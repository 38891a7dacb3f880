import { Registry } from 'prom-client';
import { Metrics, type OriginState, type TitleState } from '@forebay/proxy';
import { renderPage } from '@forebay/rig';
import t, { type Test } from 'tap';
import { adminPages, startAdmin, type AdminSource } from '../src/admin.js';

const silent = (): void => undefined;
const LOG = { debug: silent, info: silent, warn: silent, error: silent };
const HOSTILE = '/<img src=x onerror="document.title=1">.mp4';

const origin = {
  route: 'nvr',
  origin: 'rtsp://nvr.example:554',
  sessions: { used: 2, waiting: 1 },
  leadSeconds: 1.25,
  startupMs: { p50: 240, p90: 900 },
} as unknown as OriginState;

const title = (path: string, more: Partial<TitleState> = {}): TitleState => ({
  path,
  route: 'nvr',
  live: false,
  durationSeconds: 3600,
  viewers: 3,
  standing: 'confirmed',
  flightsAtSeconds: [900],
  held: [
    { fromSeconds: 0, toSeconds: 600, where: 'disk' },
    { fromSeconds: 600, toSeconds: 900, where: 'filling' },
  ],
  ...more,
});

const titles = [
  title('/film.mp4'),
  title(HOSTILE, { viewers: 0, standing: 'unconfirmed', held: [], flightsAtSeconds: [] }),
  title('/cam', { live: true, durationSeconds: undefined, held: [], flightsAtSeconds: [] }),
];

async function dashboard(
  t: Test,
  registry: Registry,
  { shown = titles, accessLog }: { shown?: typeof titles; accessLog?: AdminSource['accessLog'] } = {},
): Promise<string> {
  const source = {
    collect: () => Promise.resolve(registry),
    ready: () => ({ ready: true, reasons: [] }),
    accessLog,
    api: { origins: () => [origin], titles: () => shown, warm: () => Promise.reject(new Error('not here')) },
  };
  const pages = adminPages(source, { version: '1.2.3', hosts: [], hashTitles: false, log: LOG });
  const server = await startAdmin(pages, { host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close());
  return `http://127.0.0.1:${server.address.port}/`;
}

t.test('in a browser: what a proxy does, and titles that would like to be more than text', async (t) => {
  const metrics = new Metrics();
  metrics.viewerSessions.set({ state: 'playing' }, 3);
  metrics.viewerSessions.set({ state: 'ready' }, 1);
  metrics.startup.observe({ source: 'disk' }, 0.004);
  metrics.cacheBytes.set({ tier: 'disk' }, 2.5e9);
  metrics.cacheCapacity.set({ tier: 'disk' }, 10e9);
  metrics.rejects.inc({ reason: 'before' }, 5);
  const counting = setInterval(() => {
    metrics.viewerBytes.disk += 1_000_000;
    metrics.rejects.inc({ reason: 'frame-too-large' });
  }, 20);
  t.teardown(() => clearInterval(counting));
  const url = await dashboard(t, metrics.registry);
  const { dom, console } = await renderPage(url, { pageMs: 9000, timeoutMs: 60_000 });
  t.same(console, [], 'no errors, and nothing that the policy forbids');
  t.match(dom, /id="state"[^>]*class="good"[^>]*>serves; 1\.2\.3, up /);
  t.match(dom, /<strong>3<\/strong><span>viewers playing, of 4 sessions<\/span>/);
  t.match(dom, /<strong>100 %<\/strong><span>spared the origins, last \d+ s<\/span>/);
  t.match(dom, /2\.50 GB of 10 GB/);
  t.match(dom, /<path d="M[^"]+Z" class="disk">/, 'the chart has an area');
  t.match(dom, /id="trouble-title">Trouble since this page was opened, \d+ s ago</);
  t.match(dom, /<td>refused<\/td><td>frame-too-large<\/td>/);
  t.match(
    dom,
    troubleRow('refused', 'before', 0, 5),
    'what was before the page was opened is in the total alone',
  );
  t.match(dom, />nvr<\/span><\/td><td class="number">2<\/td><td class="number">1<\/td>/);
  t.match(dom, '/film.mp4');
  t.match(dom, 'disk 10:00 (17 %), filling 5:00 (8.3 %), 1 origin session');
  t.match(dom, '>/&lt;img%20src=x%20onerror=%22document.title=1%22&gt;.mp4 (origin does not answer)<');
  t.notMatch(dom, '<img');
  t.match(dom, '<td class="number">live</td>');
});

/** A row of trouble as the page has it. */
function troubleRow(what: string, why: string, times: number, total: number): string {
  const cells = [`<td>${what}</td>`, `<td>${why}</td>`];
  return [...cells, ...[times, total].map((figure) => `<td class="number">${figure}</td>`)].join('');
}

t.test('in a browser: opened after the trouble, and before anybody played', async (t) => {
  const metrics = new Metrics();
  metrics.requests.inc({ method: 'DESCRIBE', status: '502' }, 3);
  metrics.requests.inc({ method: 'PLAY', status: '200' }, 9);
  metrics.originFaults.inc({ origin: 'nvr', reason: 'unreachable' }, 3);
  metrics.staleServes.inc({ origin: 'nvr' }, 2);
  metrics.seams.inc({ result: 'failed' });
  metrics.seams.inc({ result: 'content' }, 8);
  const accessLog = { lines: { written: 7, dropped: 4 } };
  const { dom } = await renderPage(await dashboard(t, metrics.registry, { shown: [], accessLog }), {
    pageMs: 5000,
    timeoutMs: 60_000,
  });
  const rows = [
    troubleRow('viewer got an error', '502', 0, 3),
    troubleRow('origin failed', 'unreachable', 0, 3),
    troubleRow('served without its origin', 'nvr', 0, 2),
    troubleRow('seam not joined', 'failed', 0, 1),
    troubleRow('access log line lost', 'dropped', 0, 4),
  ];
  for (const row of rows) t.match(dom, row);
  t.notMatch(dom, /<td>(content|written|200)<\/td>/, 'what went well is no trouble');
  t.match(dom, 'Nothing is held, and nobody plays.');
  metrics.segments.set({ state: 'stored' }, 12);
  const url = await dashboard(t, metrics.registry, { shown: [] });
  const warm = await renderPage(url, { pageMs: 3000, timeoutMs: 60_000 });
  t.match(warm.dom, 'Nobody has played a title since the start; 12 segments are on disk');
});

t.test('what the page is made of, and nothing else', async (t) => {
  const url = await dashboard(t, new Registry());
  const page = await fetch(url);
  t.equal(page.status, 200);
  t.match(page.headers.get('content-type'), 'text/html');
  t.match(page.headers.get('content-security-policy'), "default-src 'none'");
  const types = { 'page.css': 'text/css', 'page.js': 'text/javascript', 'chart.js': 'text/javascript' };
  for (const [name, type] of Object.entries(types)) {
    const answer = await fetch(`${url}dashboard/${name}`);
    t.equal(answer.status, 200, name);
    t.match(answer.headers.get('content-type'), type);
  }
  for (const name of ['none.js', 'page.d.ts', '..%2fpackage.json', 'assets', ''])
    t.equal((await fetch(`${url}dashboard/${name}`)).status, 404, name);
});
