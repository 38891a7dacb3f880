import { listCache } from '@forebay/cache';
import { GstOrigin, ensureMedia, type LoggedRequest, prerequisites } from '@forebay/rig';
import { parseRtspUrl } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import type { WarmOptions, WarmProgress } from '../src/index.js';
import { until } from './origin-fakes.js';
import { assertSound, directFrames, film, sameFrames, scene, type Scene } from './scene.js';

t.jobs = 12;
t.setTimeout(180_000);

/** Warms a title of the scene, and tells everything that was reported. */
async function warm(
  s: Scene,
  o: Partial<WarmOptions> = {},
): Promise<{ end: WarmProgress; reports: WarmProgress[] }> {
  const reports: WarmProgress[] = [];
  const end = await s.proxy.warm({
    url: parseRtspUrl('rtsp://anything/film'),
    prefixSeconds: undefined,
    keepSeconds: 600,
    signal: new AbortController().signal,
    report: (progress) => reports.push(progress),
    ...o,
  });
  return { end, reports };
}

/** What is on disk, played, is what the origin sends, and the origin is asked for nothing of it. */
async function assertWarm(t: Test, s: Scene, direct: readonly (readonly number[])[]): Promise<void> {
  const { plays } = s.origin.counters;
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 90_000 });
  sameFrames(t, viewer, direct, 'warm');
  assertSound(t, viewer, 'warm');
  t.equal(s.origin.counters.plays, plays, 'the origin was not asked for any of it');
}

/** Frames of the title as an origin without peculiarities sends them. */
async function reference(t: Test, title: ReturnType<typeof film>): Promise<number[][]> {
  const well = await scene(t, { title, disk: false, faults: { speed: 50 } });
  return directFrames(well.origin);
}

t.test('an origin that sends as fast as it can is let', { buffered: true }, async (t) => {
  const title = film(60);
  const s = await scene(t, { title, faults: { rateControl: true } });
  const startedMs = performance.now();
  const { end, reports } = await warm(s);
  const seconds = (performance.now() - startedMs) / 1000;
  t.match(end, { state: 'done', storedSeconds: 60, wishedSeconds: 60, fill: 'rate-control' });
  t.comment(`60 s of media in ${seconds.toFixed(1)} s`);
  t.equal(s.origin.counters.mostSessions, 1, 'one session is enough');
  t.match(s.proxy.origins()[0]?.learned.fill, { 'rate-control': { verdict: 'faster' } });
  t.ok(reports.some(({ state, sessions }) => state === 'running' && sessions === 1));
  t.equal((await listCache(s.directory)).titles[0]?.segments.length, 15);
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=40-50' });
  await viewer.ended({ timeoutMs: 60_000 });
  assertSound(t, viewer, 'from the middle');
  t.equal(s.origin.counters.plays, 2, 'the start at the pace of the media, the rest in one go');
});

t.test('what is squeezed or thinned is never stored', { buffered: true }, async (t) => {
  const title = film(24);
  const direct = await reference(t, title);
  const titles = { '/film': title, '/other': film(24, { seed: 7 }) };
  const s = await scene(t, { titles, faults: { speedHeader: 'squeezed', scaleHeader: 'thinned' } });
  const { end } = await warm(s);
  t.match(end, { state: 'done', storedSeconds: 24, fill: 'real-time' });
  t.same(Object.keys(s.proxy.origins()[0]?.learned.fill ?? {}), ['rate-control'], 'one title may be odd');
  t.match((await warm(s, { url: parseRtspUrl('rtsp://anything/other') })).end, {
    state: 'done',
    fill: 'real-time',
  });
  t.match(s.proxy.origins()[0]?.learned.fill, {
    'rate-control': { verdict: 'no-faster' },
    speed: { verdict: 'unequal' },
    scale: { verdict: 'unequal' },
  });
  await assertWarm(t, s, direct);
});

t.test('a header that is honoured is used, and the next title knows', { buffered: true }, async (t) => {
  const faults = { speedHeader: 'honoured', rateControl: false } as const;
  const s = await scene(t, { titles: { '/film': film(40), '/other': film(40, { seed: 7 }) }, faults });
  t.match((await warm(s, { prefixSeconds: 20 })).end, { state: 'done', fill: 'speed', storedSeconds: 20 });
  const before = s.origin.requests.length;
  t.match((await warm(s, { url: parseRtspUrl('rtsp://anything/other') })).end, { state: 'done' });
  const asked = s.origin.requests.slice(before).filter(({ method }) => method === 'PLAY');
  t.same(
    asked.map(({ header }) => header('Speed')),
    [undefined, '4.0'],
  );
  t.notOk(asked.some(({ header }) => header('Rate-Control') !== undefined));
});

t.test('an origin in real time is asked for several ranges', { buffered: true }, async (t) => {
  const title = film(36);
  const direct = await reference(t, title);
  const s = await scene(t, { title, route: { fill: 'real-time' } });
  const startedMs = performance.now();
  const { end } = await warm(s);
  const seconds = (performance.now() - startedMs) / 1000;
  t.match(end, { state: 'done', storedSeconds: 36 });
  t.ok(s.origin.counters.mostSessions > 1 && s.origin.counters.mostSessions <= 4);
  t.comment(`36 s of media in ${seconds.toFixed(1)} s`);
  t.ok(s.origin.counters.mediaBytes < 1.3 * title.packets.payloadBytes.reduce((a, b) => a + b, 0));
  await assertWarm(t, s, direct);
});

t.test('the last session is left for viewers', { buffered: true }, async (t) => {
  const two = await scene(t, { title: film(40), route: { maxSessions: 2, fill: 'real-time' } });
  const warming = warm(two, { prefixSeconds: 24 });
  await until(() => two.origin.counters.openSessions === 1, 'warming');
  const viewer = await two.viewer();
  await viewer.play({ range: 'npt=30-' });
  await viewer.received(20, { timeoutMs: 20_000 });
  t.equal(two.origin.counters.mostSessions, 2, 'there was one for the viewer');
  const second = await two.viewer();
  await second.play({ range: 'npt=15-' });
  await second.received(20, { timeoutMs: 20_000 });
  t.pass('and one who needed another got that of the warming');
  await viewer.close();
  await second.close();
  t.match((await warming).end, { state: 'done', storedSeconds: 24 });
  t.ok(two.origin.counters.mostSessions <= 2);
  const one = await scene(t, { title: film(8), route: { maxSessions: 1 } });
  t.match((await warm(one)).end, { state: 'failed', reason: /left for viewers/ });
});

t.test('a wish that ends early leaves what it brought, and no session', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(40) });
  const stop = new AbortController();
  const report = ({ storedSeconds }: WarmProgress): void => {
    if (storedSeconds >= 4) stop.abort(new Error('enough'));
  };
  await t.rejects(warm(s, { signal: stop.signal, report }), { message: 'enough' });
  await until(() => s.origin.counters.openSessions === 0, 'the session is given back');
  t.match((await warm(s, { prefixSeconds: 4 })).end, { state: 'done', storedSeconds: 4 }, 'it is there');
});

t.test('what cannot be warmed says why', { buffered: true }, async (t) => {
  const title = film(8);
  const titles = { '/film': title, '/live': { title, live: true } };
  const s = await scene(t, { titles });
  const live = await warm(s, { url: parseRtspUrl('rtsp://x/live') });
  t.match(live.end, { state: 'failed', reason: /live/ });
  await t.rejects(warm(s, { url: parseRtspUrl('rtsp://x/none') }), { code: 'not-found' });
  const diskless = await scene(t, { title, disk: false });
  t.match((await warm(diskless)).end, { state: 'failed', reason: /on disk/ });
  const small = await scene(t, { title: film(40), cacheBytes: 400_000, faults: { rateControl: true } });
  t.match((await warm(small)).end, { state: 'failed', reason: /did not take a segment/ });
  const elsewhere = await scene(t, { title, route: { pathPrefix: '/vod' } });
  await t.rejects(warm(elsewhere), { code: 'no-route' });
  const { end } = await warm(elsewhere, {
    url: parseRtspUrl(`${elsewhere.proxy.origins()[0]!.origin}/film`),
    prefixSeconds: 2,
  });
  t.match(end, { state: 'done' }, 'the URL of the origin is understood, too');
});

t.test('a patch behind held media comes faster where the origin can', { buffered: true }, async (t) => {
  const s = await scene(t, {
    title: film(60),
    faults: { speedHeader: 'honoured' },
    route: { fill: 'speed' },
  });
  t.match((await warm(s, { prefixSeconds: 8 })).end, { state: 'done' });
  const late = await s.viewer();
  await late.play({ range: 'npt=40-' });
  await late.received(300, { timeoutMs: 20_000 });
  const before = s.origin.requests.length;
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=6-' });
  const patch = (): LoggedRequest | undefined =>
    s.origin.requests.slice(before).find(({ method }) => method === 'PLAY');
  await until(() => patch() !== undefined, 'the hole is fetched');
  t.equal(patch()?.header('Speed'), '4.0');
  await until(() => s.origin.counters.openSessions === 1, 'and done, long before it is played');
  t.ok(viewer.recording(0).count < 900, 'of 34 s');
  await viewer.close();
  await late.close();
});

t.test('GStreamer: everything is tried, nothing wrong is stored', { buffered: true }, async (t) => {
  const { missing, install } = await prerequisites();
  if (install !== undefined) throw new Error(`missing: ${missing.join(', ')}. Run as root: ${install}`);
  const media = await ensureMedia();
  const gst = await GstOrigin.start({ media: media.folder });
  t.teardown(async () => await gst.stop());
  const s = await scene(t, { title: film(2), route: { baseUrl: parseRtspUrl(gst.url('/')) } });
  const wish = (title: string): Partial<WarmOptions> => ({ url: parseRtspUrl(`rtsp://x/${title}`) });
  t.match((await warm(s, wish('h264_g1.mp4'))).end, { state: 'done', storedSeconds: 12 });
  t.match((await warm(s, wish('h264_b2.mkv'))).end, { state: 'done' });
  const { fill } = s.proxy.origins()[0]!.learned;
  t.match(fill, { 'rate-control': { verdict: 'no-faster' }, speed: { verdict: 'unequal' } });
  const viewer = await s.viewer('tcp', '/h264_g1.mp4');
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 60_000 });
  t.equal(viewer.frames(0, { parameterSets: false }).length, 300, 'every picture, once');
});
