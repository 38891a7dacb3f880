import { Registry } from 'prom-client';
import { Metrics, type OriginState, type TitleState } from '@forebay/proxy';
import { renderPage } from '@forebay/rig';
import t, { type Test } from 'tap';
import { adminPages, startAdmin } from '../src/admin.js';

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

async function dashboard(t: Test, registry: Registry): Promise<string> {
  const source = {
    collect: () => Promise.resolve(registry),
    ready: () => ({ ready: true, reasons: [] }),
    api: { origins: () => [origin], titles: () => titles, warm: () => Promise.reject(new Error('not here')) },
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
  t.match(dom, /<strong>100 %<\/strong><span>spared the origins, last 5 min<\/span>/);
  t.match(dom, /2\.50 GB of 10 GB/);
  t.match(dom, /<path d="M[^"]+Z" class="disk">/, 'the chart has an area');
  t.match(dom, /<td>refused<\/td><td>frame-too-large<\/td>/);
  t.notMatch(dom, /<td>before<\/td>/, 'what was before the page was opened is no news');
  t.match(dom, />nvr<\/span><\/td><td class="number">2<\/td><td class="number">1<\/td>/);
  t.match(dom, '/film.mp4');
  t.match(dom, 'disk 10:00 (17 %), filling 5:00 (8.3 %), 1 origin session');
  t.match(dom, '>/&lt;img%20src=x%20onerror=%22document.title=1%22&gt;.mp4 (origin does not answer)<');
  t.notMatch(dom, '<img');
  t.match(dom, '<td class="number">live</td>');
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
