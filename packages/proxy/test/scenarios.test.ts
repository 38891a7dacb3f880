import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { PopularityPolicy, SegmentStore } from '@forebay/cache';
import t from 'tap';
import { systemClock } from '../src/clock.js';
import { assertSound, directFrames, film, forget, framesOf, runIn, sameFrames, scene } from './scene.js';

t.jobs = 8;
t.setTimeout(180_000);

t.test(
  'a title plays cold, then warm from disk, frame for frame as from the origin',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(6, { bFrames: 2 }) });
    const direct = await directFrames(s.origin);
    const before = { ...s.origin.counters };
    for (const transport of ['tcp', 'udp'] as const) {
      const viewer = await s.viewer(transport);
      await viewer.play({ range: 'npt=0-' });
      await viewer.ended({ timeoutMs: 60_000 });
      sameFrames(t, viewer, direct, `frames, ${transport}`);
      assertSound(t, viewer, transport);
    }
    t.equal(s.origin.counters.plays - before.plays, 1, 'the second viewer costs the origin nothing');
    await s.restart();
    const bytes = s.origin.counters.mediaBytes;
    const again = await s.viewer();
    await again.play();
    await again.ended({ timeoutMs: 60_000 });
    sameFrames(t, again, direct, 'after a restart');
    t.equal(s.origin.counters.mediaBytes, bytes, 'from disk alone');
    t.ok((await s.metric('forebay_viewer_bytes_total', { source: 'disk' })) > 0);
  },
);

t.test(
  'two hundred viewers ask at once: one DESCRIBE, one session, the media once',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(3) });
    const viewers = await Promise.all(Array.from({ length: 200 }, () => s.viewer()));
    await Promise.all(viewers.map((v) => v.play({ range: 'npt=0-' })));
    await Promise.all(viewers.map((v) => v.ended({ timeoutMs: 60_000 })));
    t.equal(s.origin.counters.describes, 1);
    t.equal(s.origin.counters.plays, 1);
    const [first, ...others] = viewers.map((v) => framesOf(v));
    t.ok(
      others.every((frames) => JSON.stringify(frames) === JSON.stringify(first)),
      'all see the same',
    );
    t.equal(first?.[0]?.length, 75);
    assertSound(t, viewers[199]!, 'the last one');
  },
);

for (const kept of [[0], [0, 1], [0, 2], [1, 2]]) {
  t.test(`a title of which segments ${kept.join(' and ')} are held`, { buffered: true }, async (t) => {
    const faults = { speed: 8, repeatParameterSets: 1, clampAudioPackets: 3, rtpInfo: 'wrong' } as const;
    const s = await scene(t, { title: film(11, { bFrames: 2 }), faults });
    const direct = await directFrames(s.origin);
    const warm = await s.viewer();
    await warm.play({ range: 'npt=0-' });
    await warm.ended({ timeoutMs: 60_000 });
    sameFrames(t, warm, direct, 'cold');
    await forget(s, (cell) => !kept.includes(cell));
    await s.restart();
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 60_000 });
    sameFrames(t, viewer, direct, 'over the seam');
    assertSound(t, viewer, 'over the seam');
    const isJoined = kept.includes(0);
    t.equal(
      await s.metric('forebay_seams_total', { result: 'content' }),
      isJoined ? 1 : 0,
      'joined by content',
    );
    t.equal(await s.metric('forebay_gap_seconds_total'), 0, 'in time');
  });
}

t.test('a viewer that leaves inside the prefix costs no origin session', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(20), faults: { speed: 10 } });
  const first = await s.viewer();
  await first.play({ range: 'npt=0-' });
  await first.until(() => (first.recording(0).lastRtpMs ?? 0) > 0, { timeoutMs: 60_000, what: 'media' });
  await first.until(() => s.origin.counters.openSessions === 0, { timeoutMs: 60_000, what: 'the fill' });
  await first.close();
  await forget(s, (cell) => cell > 2);
  await s.restart();
  const plays = s.origin.counters.plays;
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.received(100, { timeoutMs: 60_000 });
  await viewer.teardown();
  t.equal(s.origin.counters.plays, plays);
});

t.test('seeks, into held media and into holes, and back', { buffered: true }, async (t) => {
  const s = await scene(t, {
    title: film(40, { bFrames: 2 }),
    faults: { repeatParameterSets: 1, clampAudioPackets: 2, rtpInfo: 'wrong' },
  });
  const whole = await scene(t, { title: film(40, { bFrames: 2 }), faults: { speed: 40 } });
  const direct = await directFrames(whole.origin);
  const viewer = await s.viewer();
  for (const [range, start] of [
    ['npt=0-', 0],
    ['npt=20.5-', 20],
    ['npt=1.2-', 1],
    ['npt=30-31.5', 30],
    ['npt=20.7-', 20],
  ] as const) {
    const from = viewer.recordings.map((r) => r.packets);
    const reply = await viewer.play({ range });
    t.equal(
      reply.range?.unit === 'npt' ? reply.range.start : undefined,
      start,
      `${range} starts at a key frame`,
    );
    await viewer.until(() => viewer.recordings.every((r, i) => r.packets > from[i]! + 40), {
      timeoutMs: 60_000,
      what: 'media',
    });
    for (const [stream, frames] of direct.entries()) {
      const units = viewer.accessUnits(stream, { from: from[stream]!, parameterSets: false });
      const got = units.slice(0, -1).map((u) => u.hash);
      const at = runIn(frames, got);
      t.ok(at >= 0, `${range}: stream ${stream} is a run of the direct play`);
      if (stream === 0) t.equal(at, start * 25, 'from the key frame named');
      else t.ok(Math.abs((at * 1024) / 48_000 - start) < 0.03, 'audio of the same interval');
      t.equal(
        reply.rtpInfo[stream]?.seq,
        viewer.recording(stream).sequences[from[stream]!]! & 0xffff,
        'RTP-Info: seq',
      );
    }
    await viewer.pause();
  }
  const { sequenceGaps, sequenceRepeats, timestampBackSteps } = viewer.continuity();
  t.same([sequenceGaps, sequenceRepeats, timestampBackSteps], [0, 0, 0], 'one timeline over all ranges');
});

t.test('PAUSE releases the origin, and resuming loses nothing', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(9) });
  const direct = await directFrames(s.origin);
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.received(150, { timeoutMs: 60_000 });
  await viewer.pause();
  await viewer
    .until(() => s.origin.counters.openSessions === 0, { timeoutMs: 8000, what: 'the origin to be released' })
    .catch(() => undefined);
  t.equal(s.origin.counters.openSessions, 0);
  await viewer.play();
  await viewer.ended({ timeoutMs: 60_000 });
  sameFrames(t, viewer, direct);
  assertSound(t, viewer, 'over the pause');
});

t.test('viewers at different positions share what is fetched', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(12) });
  const direct = await directFrames(s.origin);
  const before = s.origin.counters.mediaBytes;
  const first = await s.viewer();
  await first.play({ range: 'npt=0-' });
  await first.received(200, { timeoutMs: 60_000 });
  const second = await s.viewer();
  await second.play({ range: 'npt=0-' });
  await Promise.all([first.ended({ timeoutMs: 60_000 }), second.ended({ timeoutMs: 60_000 })]);
  sameFrames(t, first, direct);
  sameFrames(t, second, direct);
  const share = (s.origin.counters.mediaBytes - before) / before;
  t.ok(share <= 1.05, `origin bytes ${share.toFixed(2)} of the title`);
});

t.test(
  'a title in which the origin does not seek leaves the others as they are',
  { buffered: true },
  async (t) => {
    const s = await scene(t, {
      titles: { '/fixed': { title: film(60), faults: { seek: 'never' } }, '/film': film(60) },
    });
    const startOf = async (path: string, range: string): Promise<unknown> => {
      const viewer = await s.viewer('tcp', path);
      const reply = await viewer.play({ range });
      await viewer.teardown();
      return reply.range?.unit === 'npt' ? reply.range.start : undefined;
    };
    t.equal(await startOf('/film', 'npt=40-'), 40);
    for (let i = 0; i < 2; i++) t.ok(Number(await startOf('/fixed', 'npt=40-')) < 40);
    t.equal(await startOf('/film', 'npt=20-'), 20);
    t.equal(await s.metric('forebay_unseekable_titles_total'), 1);
  },
);

t.test('seeks and pauses in quick succession leave one timeline', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(24, { bFrames: 2 }), faults: { speed: 12 } });
  const warm = await s.viewer();
  await warm.play({ range: 'npt=0-' });
  await warm.until(() => s.origin.counters.openSessions === 0, { timeoutMs: 60_000, what: 'the fill' });
  await warm.close();
  const viewer = await s.viewer();
  for (const [seconds, packets] of [
    [3.9, 12],
    [10, 0],
    [0, 0],
    [19, 3],
    [7.95, 9],
    [2, 0],
    [2, 30],
    [15.9, 14],
    [0, 25],
  ] as const) {
    await viewer.play({ range: `npt=${seconds}-` });
    await viewer.received(viewer.recordings.reduce((sum, r) => sum + r.packets, 0) + packets, {
      timeoutMs: 60_000,
    });
    await viewer.pause();
  }
  await viewer.play();
  await viewer.received(400, { timeoutMs: 60_000 });
  assertSound(t, viewer, 'over ten ranges');
});

t.test(
  'killed at any time, the proxy has lost a minute of what it learned',
  { buffered: true },
  async (t) => {
    let aheadMs = 0;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    const s = await scene(t, { faults: { speed: 10 }, proxy: { clock } });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-4' });
    await viewer.ended({ timeoutMs: 60_000 });
    await viewer.close();
    const isKept = async (): Promise<boolean> => (await readdir(s.directory)).includes('popularity.state');
    t.notOk(await isKept());
    aheadMs += 59_000;
    for (let tries = 0; tries < 500 && !(await isKept()); tries++) await wait(20);
    const left = await mkdtemp(join(tmpdir(), 'forebay-left-'));
    t.teardown(() => rm(left, { recursive: true, force: true }));
    await cp(join(s.directory, 'popularity.state'), join(left, 'popularity.state'));
    const policy = new PopularityPolicy();
    const store = await SegmentStore.open({
      directory: left,
      capacityBytes: 1e9,
      policy,
      nowSeconds: () => 0,
    });
    t.teardown(() => store.close());
    await store.indexed();
    const title = `rtsp://127.0.0.1:${s.relay.port}/film`;
    const start = {
      title,
      segment: 0,
      startSeconds: 0,
      durationSeconds: 6,
      bytes: 1000,
      titleDurationSeconds: 8,
    };
    t.ok(policy.value(start, 0) > 0, `${title} is worth something to the next process`);
  },
);
