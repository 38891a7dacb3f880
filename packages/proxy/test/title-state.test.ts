import t from 'tap';
import { viewerPath } from '../src/read/routes.js';
import { House } from './reader-house.js';

t.test('titles as they stand: what is held of them, by whom they are played and filled', async (t) => {
  const house = new House();
  t.same(house.catalogue.titles(10), []);
  const { reader } = await house.viewer();
  await house.play(reader, 4);
  await house.pass(7000);
  const [title] = house.catalogue.titles(10);
  t.match(title, { path: '/a', route: 'fake', live: false, durationSeconds: 60, viewers: 1 });
  t.equal(title?.flightsAtSeconds.length, 1);
  t.ok(title!.flightsAtSeconds[0]! > 10);
  const [sealed, growing, ...others] = title!.held;
  t.match(sealed, { fromSeconds: 4, toSeconds: 8, where: 'ram' });
  t.match(growing, { fromSeconds: 8, where: 'filling' });
  t.ok(growing!.toSeconds > 10);
  t.same(others, []);
  reader.close();
  await house.pass(3000);
  const after = house.catalogue.titles(10);
  t.match(after, [{ viewers: 0, flightsAtSeconds: [] }]);
  t.same(house.catalogue.titles(0), []);
});

t.test('the path by which viewers ask for a title', async (t) => {
  const route = (pathPrefix: string, path: string, query = ''): Parameters<typeof viewerPath>[0] =>
    ({ pathPrefix, baseUrl: { path, query } }) as Parameters<typeof viewerPath>[0];
  t.equal(viewerPath(route('/', '/'), '/a/b?c=/d'), '/a/b?c=/d');
  t.equal(viewerPath(route('/cameras', '/recordings'), '/recordings/hall.mp4?t=1'), '/cameras/hall.mp4?t=1');
  t.equal(viewerPath(route('/cameras/', '/recordings/'), '/recordings?t=1'), '/cameras/?t=1');
  t.equal(viewerPath(route('/cameras', ''), '/hall.mp4'), '/cameras/hall.mp4');
  t.equal(viewerPath(route('/front', '/film'), '/film'), '/front');
  t.equal(viewerPath(route('/door', '/cam', '?channel=1'), '/cam?channel=1'), '/door');
  t.equal(viewerPath(route('/door', '/cam', '?channel=1'), '/cam?channel=2'), '/door?channel=2');
});
