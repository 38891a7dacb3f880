import { setTimeout as delay } from 'node:timers/promises';
import { RigError, RigOrigin } from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import t from 'tap';
import type { RouteOptions } from '../src/index.js';
import { assertSound, directFrames, film, sameFrames, scene, type Scene } from './scene.js';

t.jobs = 4;
t.setTimeout(120_000);

const TIMEOUT_MS = 60_000;
const NOTHING = { added: [], changed: [], removed: [] };

/** A route to the origin of the scene, or another. */
const route = (id: string, port: number, more: Partial<RouteOptions> = {}): RouteOptions => ({
  id,
  pathPrefix: '/',
  baseUrl: parseRtspUrl(`rtsp://127.0.0.1:${port}/`),
  allowHosts: [],
  ...more,
});

/** Describes and sets up: 200, or the status that was answered instead. */
async function statusOf(s: Scene, path: string): Promise<number> {
  try {
    await (await s.viewer('tcp', path)).close();
    return 200;
  } catch (error) {
    if (error instanceof RigError && error.status !== undefined) return error.status;
    throw error;
  }
}

/** Routes that a gauge names. */
async function named(s: Scene, gauge: string): Promise<unknown[]> {
  const { values = [] } = (await (await s.proxy.collect()).getSingleMetric(gauge)?.get()) ?? {};
  return values.map(({ labels }) => (labels as Record<string, unknown>)['origin']);
}

for (const workers of [1, 2]) {
  t.test(`routes come and go while a viewer plays, with ${workers} serving`, async (t) => {
    const s = await scene(t, { title: film(6), workers });
    const direct = await directFrames(s.origin);
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.received(20, { timeoutMs: TIMEOUT_MS });
    t.equal(await statusOf(s, '/more/film'), 404, 'not there yet');
    const [rig, more] = [route('rig', s.relay.port), route('more', s.relay.port, { pathPrefix: '/more' })];
    t.same(s.proxy.reload({ routes: [rig, more] }), { ...NOTHING, added: ['more'] });
    t.same(
      s.proxy.origins().map(({ route: id }) => id),
      ['rig', 'more'],
    );
    while ((await statusOf(s, '/more/film')) !== 200) await delay(20);
    t.same(s.proxy.reload({ routes: [more] }), { ...NOTHING, removed: ['rig'] });
    while ((await statusOf(s, '/film')) !== 404) await delay(20);
    t.equal(await statusOf(s, '/more/film'), 200);
    await viewer.ended({ timeoutMs: TIMEOUT_MS });
    assertSound(t, viewer, 'who played when it was removed');
    sameFrames(t, viewer, direct);
    await viewer.teardown();
    while ((await named(s, 'forebay_origin_lead_seconds')).includes('rig')) await delay(100);
    t.ok((await named(s, 'forebay_origin_lead_seconds')).includes('more'), 'the other is still told of');
    t.same(s.proxy.reload({ routes: [rig, more] }), { ...NOTHING, added: ['rig'] });
    while ((await statusOf(s, '/film')) !== 200) await delay(20);
  });
}

t.test(
  'a route that leads to another origin now: who plays stays with the old one, who comes sees the new',
  async (t) => {
    const s = await scene(t, { title: film(6) });
    const other = await RigOrigin.start({ titles: { '/film': film(3, { seed: 7 }) } });
    t.teardown(() => other.close());
    const [old, fresh] = [await directFrames(s.origin), await directFrames(other)];
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.received(20, { timeoutMs: TIMEOUT_MS });
    t.same(s.proxy.reload({ routes: [route('rig', other.port)] }), { ...NOTHING, changed: ['rig'] });
    const second = await s.viewer();
    await second.play({ range: 'npt=0-' });
    await Promise.all([viewer, second].map((each) => each.ended({ timeoutMs: TIMEOUT_MS })));
    assertSound(t, viewer, 'old');
    sameFrames(t, viewer, old, 'old');
    sameFrames(t, second, fresh, 'new');
  },
);

t.test('what is fetched later is fetched by the new means, and what was learned is kept', async (t) => {
  const access = { username: 'proxy', password: 'right', scheme: 'digest' } as const;
  const credentials = { username: 'proxy', password: 'wrong' };
  const s = await scene(t, { title: film(4), faults: { access }, route: { credentials } });
  t.equal(await statusOf(s, '/film'), 502, 'the password of the route is wrong');
  const right = route('rig', s.relay.port, { credentials: { ...credentials, password: 'right' } });
  t.same(s.proxy.reload({ routes: [right] }), { ...NOTHING, changed: ['rig'] });
  // What an origin refused is refused for two seconds without asking.
  while ((await statusOf(s, '/film')) !== 200) await delay(100);
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: TIMEOUT_MS });
  assertSound(t, viewer, 'with the right one');
  const [learned] = s.proxy.origins().map((origin) => origin.learned);
  t.ok((learned?.startupsMs.length ?? 0) > 0);
  t.same(s.proxy.reload({ routes: [right] }), NOTHING, 'nothing is different');
  const moved = { ...right, logins: [], pathPrefix: '/x' };
  t.same(s.proxy.reload({ routes: [moved] }), { ...NOTHING, changed: ['rig'] });
  t.same(s.proxy.reload({ routes: [{ ...right, maxSessions: 3 }] }), { ...NOTHING, changed: ['rig'] });
  t.same(s.proxy.origins()[0]?.learned, learned);
  s.proxy.reload({ routes: [] });
  s.proxy.reload({ routes: [{ ...right, maxSessions: 3 }] });
  t.same(s.proxy.origins()[0]?.learned, learned, 'also where it was gone meanwhile');
  while ((await s.metric('forebay_origin_session_limit')) !== 3) await delay(100);
  t.equal(await statusOf(s, '/film'), 200);
});

t.test('what was asked for before a route has changed is fetched by the new means', async (t) => {
  const s = await scene(t, { title: film(6), faults: { delaysMs: { DESCRIBE: 500 } } });
  const coming = s.viewer();
  while ((await s.metric('forebay_viewer_connections')) === 0) await delay(10);
  await delay(100);
  s.proxy.reload({ routes: [route('rig', s.relay.port, { maxSessions: 1 })] });
  const viewer = await coming;
  await viewer.play({ range: 'npt=0-' });
  t.equal(s.proxy.origins()[0]?.sessions.used, 1, 'its session is one of the new budget');
  await viewer.ended({ timeoutMs: TIMEOUT_MS });
  assertSound(t, viewer, 'asked for before');
});

t.test('sessions of before count where the origin takes few: who comes waits in line for them', async (t) => {
  const titles = { '/film': film(4), '/other': film(2), '/third': film(2) };
  const s = await scene(t, { titles, faults: { maxSessions: 2 } });
  const viewers = [await s.viewer(), await s.viewer('tcp', '/other')];
  for (const viewer of viewers) await viewer.play({ range: 'npt=0-' });
  for (const [position, allowHosts] of [['192.0.2.1:554'], []].entries()) {
    s.proxy.reload({ routes: [] });
    s.proxy.reload({ routes: [route('rig', s.relay.port, { allowHosts, queueMs: 60_000 + position })] });
  }
  t.match(s.proxy.origins(), [{ sessions: { used: 2 } }]);
  const third = await s.viewer('tcp', '/third');
  const playing = third.play({ range: 'npt=0-' });
  while (s.proxy.origins()[0]?.sessions.waiting !== 1) await delay(20);
  s.proxy.reload({ routes: [route('rig', s.relay.port, { maxSessions: 5 })] });
  t.match(s.proxy.origins(), [{ sessions: { used: 2, waiting: 1 } }], 'what it has shown counts still');
  await playing;
  for (const viewer of [...viewers, third]) {
    await viewer.ended({ timeoutMs: TIMEOUT_MS });
    assertSound(t, viewer, 'all three');
  }
  while (s.proxy.origins()[0]?.sessions.used !== 0) await delay(20);
});

t.test('a title that two routes lead to stays with its own when that changes', async (t) => {
  const s = await scene(t, { title: film(6), route: { id: 'b', pathPrefix: '/b' } });
  const routes = (more: Partial<RouteOptions>): RouteOptions[] => [
    route('a', s.relay.port, { pathPrefix: '/a' }),
    route('b', s.relay.port, { pathPrefix: '/b', ...more }),
  ];
  s.proxy.reload({ routes: routes({}) });
  const viewer = await s.viewer('tcp', '/b/film');
  s.proxy.reload({ routes: routes({ maxSessions: 2 }) });
  t.match(s.proxy.titles(1), [{ route: 'b', path: '/b/film' }]);
  await viewer.play({ range: 'npt=0-' });
  t.same(
    s.proxy.origins().map(({ sessions }) => sessions.used),
    [0, 1],
  );
});

for (const workers of [1, 2]) {
  t.test(
    `who has set up what no route leads to any more may begin late, with ${workers} serving`,
    async (t) => {
      const s = await scene(t, { title: film(4), workers });
      const viewer = await s.viewer();
      s.proxy.reload({ routes: [] });
      await delay(14_000);
      await viewer.play({ range: 'npt=0-' });
      await viewer.ended({ timeoutMs: TIMEOUT_MS });
      assertSound(t, viewer, 'late');
      t.same(await named(s, 'forebay_origin_lead_seconds'), [], 'nothing is told of it');
    },
  );
}

t.test('a viewer who goes on after its route has changed is served by the new means', async (t) => {
  const s = await scene(t, { title: film(20, { videoKbps: 200 }) });
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-3' });
  await viewer.ended({ timeoutMs: TIMEOUT_MS });
  s.proxy.reload({ routes: [route('rig', s.relay.port, { maxSessions: 2 })] });
  // Nobody has anything to do with the client of before by then.
  await delay(15_000);
  await viewer.play({ range: 'npt=12-14' });
  await viewer.ended({ timeoutMs: TIMEOUT_MS });
  assertSound(t, viewer, 'after the change');
});
