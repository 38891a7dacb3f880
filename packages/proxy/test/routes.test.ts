import { parseRtspUrl } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import { type Route, Routes } from '../src/read/routes.js';

const route = (id: string, pathPrefix: string, baseUrl: string, username?: string): Route => ({
  id,
  pathPrefix,
  baseUrl: parseRtspUrl(baseUrl),
  ...(username === undefined ? {} : { credentials: { username, password: 'x' } }),
  client: undefined as unknown as Route['client'],
});

const find = (routes: Routes, path: string): string | undefined => {
  const found = routes.find(parseRtspUrl(`rtsp://proxy:8554${path}`));
  return found === undefined ? undefined : `${found.route.id} ${found.originPath}`;
};

const allFound = (
  t: Test,
  routes: Routes,
  expected: readonly (readonly [path: string, found: string])[],
): void => {
  for (const [path, found] of expected) t.equal(find(routes, path), found, path);
};

t.test('the longest prefix wins, and prefixes end at a slash', async (t) => {
  const routes = new Routes([
    route('all', '/', 'rtsp://a/'),
    route('cams', '/cams', 'rtsp://b/stream/'),
    route('door', '/cams/door', 'rtsp://c:5554'),
  ]);
  allFound(t, routes, [
    ['/film.mp4', 'all /film.mp4'],
    ['/camsite/1', 'all /camsite/1'],
    ['/cams/1?start=2', 'cams /stream/1?start=2'],
    ['/cams', 'cams /stream/'],
    ['/cams/door/x', 'door /x'],
  ]);
  t.equal(find(new Routes([route('cams', '/cams', 'rtsp://b/')]), '/film'), undefined);
});

t.test('who asks for the prefix itself gets the configured address, letter by letter', async (t) => {
  const routes = new Routes([
    route('film', '/front', 'rtsp://a/film'),
    route('cam', '/door', 'rtsp://a/cam/realmonitor?channel=1&subtype=0'),
    route('all', '/', 'rtsp://a?list'),
  ]);
  allFound(t, routes, [
    ['/front', 'film /film'],
    ['/front/', 'film /film'],
    ['/front?x=1', 'film /film?x=1'],
    ['/front/part', 'film /film/part'],
    ['/door', 'cam /cam/realmonitor?channel=1&subtype=0'],
    ['/door/', 'cam /cam/realmonitor?channel=1&subtype=0'],
    ['/door?channel=2', 'cam /cam/realmonitor?channel=2'],
    ['/door/x', 'cam /cam/realmonitor/x'],
    ['/', 'all /?list'],
    ['/film', 'all /film'],
  ]);
});

t.test(
  'a prefix is found however its letters are encoded, and what is below it stays as spelled',
  async (t) => {
    const routes = new Routes([
      route('front', '/front', 'rtsp://a/'),
      route('wide', '/two%20words', 'rtsp://b/'),
    ]);
    t.equal(find(routes, '/%66ront/%66ilm%2f1'), 'front /%66ilm%2f1');
    t.equal(find(routes, '/%74wo%20words/film'), 'wide /film');
    t.equal(find(routes, '/front%2ffilm'), undefined, 'an encoded slash ends nothing');
  },
);

t.test(
  'of routes to one path the one with the query of the URL is found for an address at the origin',
  async (t) => {
    const routes = new Routes([
      route('first', '/first', 'rtsp://nvr/cam?channel=1', 'guest'),
      route('second', '/second', 'rtsp://nvr/cam?channel=2', 'admin'),
    ]);
    const url = 'rtsp://nvr/cam?channel=2';
    const found = routes.locate(parseRtspUrl(url));
    t.equal(found?.route.id, 'second');
    t.equal(found?.key, routes.find(parseRtspUrl('rtsp://proxy/second'))?.key);
  },
);

t.test('what is held is led to by whoever leads to its origin, and first by its own route', async (t) => {
  const profile = (id: string) => ({ profile: { route: id } }) as unknown as Route['client'];
  const led = (id: string, base: string): Route => ({ ...route(id, `/${id}`, base), client: profile(id) });
  const routes = new Routes([
    led('root', 'rtsp://nvr/'),
    led('vod', 'rtsp://NVR:554/%76od/'),
    led('film', 'rtsp://nvr/vod/film?x=1'),
    led('other', 'rtsp://other/vod'),
  ]);
  const way = (key: string, before: string): string | undefined => {
    const routed = routes.wayTo(key, profile(before));
    return routed && `${routed.route.id} ${routed.originPath}`;
  };
  for (const [key, before, expected] of [
    ['rtsp://nvr/vod/film?x=2', 'film', 'film /vod/film?x=2'],
    ['rtsp://nvr/vod/film?x=2', 'vod', 'vod /vod/film?x=2'],
    ['rtsp://nvr/vod//film/', 'vod', 'vod /vod//film/'],
    ['rtsp://nvr/vod/film', 'gone', 'root /vod/film'],
    ['rtsp://nvr/vodka', 'vod', 'root /vodka'],
    ['rtsp://other/vod/film', 'root', 'other /vod/film'],
    ['rtsp://other/film', 'root', undefined],
    ['rtsp://nvr:8554/vod/film', 'root', undefined],
    ['rtsp://nvr/vod/film#as=0123456789abcdef', 'root', undefined],
  ] as const)
    t.equal(way(key, before), expected, key);
});

t.test(
  'thousands of titles find their ways among a thousand routes in less time than a viewer notices',
  async (t) => {
    const many = Array.from({ length: 1000 }, (_, i) => route(`${i}`, `/${i}`, `rtsp://nvr/tracks/${i}`));
    const before = { profile: { route: 'gone' } } as unknown as Route['client'];
    const startedMs = performance.now();
    const routes = new Routes(many);
    for (let i = 0; i < 4096; i++) routes.wayTo(`rtsp://nvr/tracks/${i % 1000}/film?at=${i}`, before);
    t.ok(performance.now() - startedMs < 1000);
  },
);

t.test('the cache key is the canonical URL at the origin, and as whom it is asked', async (t) => {
  const routes = new Routes([
    route('open', '/open', 'rtsp://NVR:554/media'),
    route('guarded', '/guarded', 'rtsp://nvr/media', 'admin'),
    route('again', '/again', 'rtsp://nvr/media', 'admin'),
  ]);
  const key = (path: string): string | undefined => routes.find(parseRtspUrl(`rtsp://p${path}`))?.key;
  t.equal(key('/open/a?x=1'), 'rtsp://nvr/media/a?x=1');
  t.not(key('/guarded/a?x=1'), key('/open/a?x=1'), 'what an account may see is not shown without it');
  t.equal(key('/again/a?x=1'), key('/guarded/a?x=1'), 'two ways to the same account share');
  t.notMatch(key('/guarded/a'), /admin/);
});
