import t from 'tap';
import { type Viewing, Viewings } from '../src/access.js';
import type { Rig } from './viewer-rig.js';
import { setUpBoth } from './viewer-player.js';
import { until, withRig } from './viewer-rig.js';

const START = { title: '/a', unixMs: 5000, nowMs: 1000, durationSeconds: 60, startSeconds: 10, bytes: 100 };

t.test('what was played, from what is known at both ends', (t) => {
  const told: Viewing[] = [];
  const viewings = new Viewings((viewing) => told.push(viewing));
  const measured = (): unknown[] => told.splice(0).map((each) => [each.watchedSeconds, each.bitrateBps]);
  viewings.finish(START, { nowMs: 9000, bytes: 1100, endSeconds: 18 });
  t.same(told, [
    {
      title: '/a',
      startedUnixMs: 5000,
      durationSeconds: 60,
      startSeconds: 10,
      watchedSeconds: 8,
      bitrateBps: 1000,
    },
  ]);
  told.length = 0;
  viewings.finish(START, { nowMs: 9000, bytes: 1100, endSeconds: undefined });
  t.same(measured(), [[8, 1000]], 'the time that passed');
  viewings.finish(START, { nowMs: 1e9, bytes: 1100, endSeconds: undefined });
  t.same(measured(), [[50, 160]], 'not beyond the end');
  viewings.finish(START, { nowMs: 2000, bytes: 9100, endSeconds: 11 });
  t.same(measured(), [[1, 160]], 'the bitrate of the longest');
  viewings.finish(START, { nowMs: 9000, bytes: 100, endSeconds: 18 });
  viewings.finish(START, { nowMs: 9000, bytes: 1100, endSeconds: 10 });
  t.same(told, [], 'nothing came, or nothing of any length');
  t.end();
});

t.test('titles whose bitrate is remembered are bounded', (t) => {
  const told: Viewing[] = [];
  const viewings = new Viewings((viewing) => told.push(viewing));
  const play = (title: string, endSeconds: number): number => {
    viewings.finish({ ...START, title }, { nowMs: 0, bytes: 1100, endSeconds });
    return told.at(-1)!.bitrateBps;
  };
  t.equal(play('/first', 20), 800);
  t.equal(play('/second', 20), 800);
  for (let i = 0; i < 4094; i++) play(`/${i}`, 11);
  t.equal(play('/first', 11), 800, 'still known');
  play('/one more', 11);
  t.equal(play('/second', 11), 8000, 'forgotten');
  t.end();
});

async function watched(work: (rig: Rig, told: readonly Viewing[]) => Promise<void>): Promise<void> {
  const told: Viewing[] = [];
  await withRig({ onViewing: (viewing) => told.push(viewing) }, async (rig) => await work(rig, told));
}

const shape = ({ title, startSeconds, watchedSeconds }: Viewing): unknown[] => [
  title,
  startSeconds,
  watchedSeconds,
];

t.test('a seek, a pause, the end and a teardown each end a viewing', async (t) => {
  await watched(async ({ connect, url, library }, told) => {
    library.onStart = [{ stream: 0 }];
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/vod/a'));
    const play = async (Range?: string): Promise<void> => {
      const headers = Range === undefined ? { Session } : { Session, Range };
      t.equal((await viewer.request('PLAY', url('/vod/a'), headers)).status, 200);
    };
    await play('npt=10-');
    await play('npt=30-');
    await viewer.request('PAUSE', url('/vod/a'), { Session });
    await viewer.request('PAUSE', url('/vod/a'), { Session });
    await play();
    library.reader.options.sink.ended('end');
    await play('npt=50-');
    await viewer.request('TEARDOWN', url('/vod/a'), { Session });
    t.same(told.map(shape), [
      ['/vod/a', 10, 1],
      ['/vod/a', 30, 1],
      ['/vod/a', 31, 29],
      ['/vod/a', 50, 1],
    ]);
    t.match(told[0], { durationSeconds: 60, startedUnixMs: Number });
    t.notMatch(JSON.stringify(told), '127.0.0.1');
  });
});

t.test(
  'a viewer that vanishes has seen what it has seen; a session that never played, nothing',
  async (t) => {
    await watched(async ({ connect, url, library, server }, told) => {
      library.onStart = [{ stream: 0 }];
      const viewer = await connect();
      const Session = await setUpBoth(viewer, url('/vod/a?x=1'));
      await viewer.request('PLAY', url('/vod/a?x=1'), { Session, Range: 'npt=5-' });
      const other = await connect();
      await setUpBoth(other, url('/vod/a'));
      viewer.socket.destroy();
      other.socket.destroy();
      await until(() => server.sessions === 0);
      t.same(told.map(shape), [['/vod/a?x=1', 5, 1]]);
    });
  },
);

t.test('live is not reported', async (t) => {
  await watched(async ({ connect, url, library }, told) => {
    library.live = true;
    library.onStart = [{ stream: 0 }];
    const viewer = await connect();
    const Session = await setUpBoth(viewer, url('/live'));
    t.equal((await viewer.request('PLAY', url('/live'), { Session })).status, 200);
    await viewer.request('TEARDOWN', url('/live'), { Session });
    t.same(told, []);
  });
});
