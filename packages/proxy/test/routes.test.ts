import { parseRtspUrl } from '@forebay/rtsp';
import t from 'tap';
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

t.test('the longest prefix wins, and prefixes end at a slash', async (t) => {
  const routes = new Routes([
    route('all', '/', 'rtsp://a/'),
    route('cams', '/cams', 'rtsp://b/stream/'),
    route('door', '/cams/door', 'rtsp://c:5554'),
  ]);
  for (const [path, expected] of [
    ['/film.mp4', 'all /film.mp4'],
    ['/camsite/1', 'all /camsite/1'],
    ['/cams/1?start=2', 'cams /stream/1?start=2'],
    ['/cams', 'cams /stream/'],
    ['/cams/door/x', 'door /x'],
  ] as const) {
    t.equal(find(routes, path), expected);
  }
  t.equal(find(new Routes([route('cams', '/cams', 'rtsp://b/')]), '/film'), undefined);
});

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
