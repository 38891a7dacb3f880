import { setTimeout as delay } from 'node:timers/promises';
import type { AccessUnit, PlayReply, RigViewer } from '@forebay/rig';
import { formatRange } from '@forebay/rtsp';
import t, { type Test } from 'tap';
import { live, placesIn, unitsOf, watch } from './live-scene.js';
import { assertSound, type Scene, scene } from './scene.js';

t.jobs = 8;
t.setTimeout(180_000);

const window = (timeshiftSeconds: number): Parameters<typeof scene>[1] =>
  live({ route: { timeshiftSeconds } });

const startOf = (reply: PlayReply): number => {
  if (reply.startSeconds === undefined) throw new Error('the answer names no place');
  return reply.startSeconds;
};

/** One who sees all of it, and where its first picture stands. */
async function witness(s: Scene): Promise<{ viewer: RigViewer; startSeconds: number }> {
  const viewer = await s.viewer();
  const startSeconds = startOf(await viewer.play());
  await watch(viewer, 1);
  return { viewer, startSeconds };
}

/** NPT of a unit of the witness. */
const nptOf = (whole: readonly AccessUnit[], place: number, startSeconds: number): number =>
  startSeconds + (whole[place]!.timestampTicks - whole[0]!.timestampTicks) / 90_000;

/** Asserts that `part` is a run of the whole row without a break. @returns where it begins */
function assertRun(t: Test, whole: readonly AccessUnit[], part: readonly AccessUnit[], name: string): number {
  const places = placesIn(whole, part);
  const first = places[0] ?? -1;
  t.ok(
    first >= 0 && places.every((place, i) => place === first + i),
    `${name}: nothing missing, nothing twice`,
  );
  return first;
}

t.test('a viewer pauses, and goes on where it stopped', { buffered: true }, async (t) => {
  const s = await scene(t, window(60));
  const { viewer: other } = await witness(s);
  const viewer = await s.viewer();
  await viewer.play();
  for (const pausedMs of [300, 6000]) {
    await watch(viewer, 2);
    await viewer.pause();
    const packets = viewer.recording(0).packets;
    await delay(pausedMs);
    t.ok(viewer.recording(0).packets - packets < 10, 'nothing is sent meanwhile');
    startOf(await viewer.play());
  }
  await watch(viewer, 3);
  for (const stream of [0, 1]) {
    assertRun(t, unitsOf(other, stream), unitsOf(viewer, stream).slice(0, -1), `stream ${stream}`);
    t.equal(viewer.continuity().streams[stream]?.timestampGaps, 0, 'and no step of time');
  }
  assertSound(t, viewer, 'over two pauses');
  assertSound(t, other, 'the other one');
  t.equal(s.origin.counters.plays, 1, 'one pull');
  t.notOk(
    s.origin.requests.some((r) => r.method === 'PLAY' && r.header('Range') !== undefined),
    'no Range',
  );
});

t.test(
  'a viewer goes back by NPT and by the clock, and to the end of a range',
  { buffered: true },
  async (t) => {
    const s = await scene(t, window(60));
    const { viewer: other, startSeconds } = await witness(s);
    await watch(other, 6);
    const viewer = await s.viewer();
    const reply = await viewer.play({ range: `npt=${startSeconds + 2.5}-` });
    const fromSeconds = startOf(reply);
    t.ok(fromSeconds <= startSeconds + 2.501 && fromSeconds > startSeconds + 1.4, 'the key frame before it');
    await watch(viewer, 2);
    const first = assertRun(t, unitsOf(other), unitsOf(viewer).slice(0, -1), 'by NPT');
    t.ok(unitsOf(other)[first]!.randomAccess);
    t.ok(
      Math.abs(nptOf(unitsOf(other), first, startSeconds) - fromSeconds) < 0.002,
      'the place that was told',
    );

    const byClock = await s.viewer();
    const wanted = { unit: 'clock', startMs: Date.now() - 4000 } as const;
    const { range } = await byClock.play({ range: formatRange(wanted) });
    t.match(range, { unit: 'clock' });
    const sinceMs = wanted.startMs - (range?.unit === 'clock' ? (range.startMs ?? 0) : 0);
    t.ok(sinceMs >= -2 && sinceMs < 1200, `the key frame before that time (${sinceMs} ms)`);
    await watch(byClock, 1);
    assertRun(t, unitsOf(other), unitsOf(byClock).slice(0, -1), 'by the clock');

    const bounded = await s.viewer();
    await bounded.play({ range: `npt=${startSeconds + 1}-${startSeconds + 3}` });
    await bounded.ended({ timeoutMs: 20_000 });
    const units = unitsOf(bounded);
    const seconds = (units.at(-1)!.timestampTicks - units[0]!.timestampTicks) / 90_000;
    t.ok(seconds > 1.8 && seconds < 3.1, `${seconds} s, and goodbye`);
    const now = await s.viewer();
    const nowReply = await now.play({ range: 'npt=0.000-' });
    t.ok(startOf(nowReply) > startSeconds + 6, 'from 0 is now');
    const future = await s.viewer();
    t.ok(
      startOf(await future.play({ range: `npt=${startSeconds + 5000}-` })) > startSeconds + 6,
      'so is what is to come',
    );
    t.equal(s.origin.counters.plays, 1, 'one pull');
  },
);

t.test(
  'a pause longer than the window goes on where that begins, and the disk holds no more',
  { buffered: true },
  async (t) => {
    const s = await scene(t, window(6));
    const viewer = await s.viewer();
    await viewer.play();
    await watch(viewer, 2);
    await viewer.pause();
    await delay(14_000);
    t.equal(s.origin.counters.openSessions, 1, 'the window is filled for the one who is paused');
    const before = unitsOf(viewer).length;
    const resumedSeconds = startOf(await viewer.play());
    const { viewer: other, startSeconds } = await witness(s);
    const behindSeconds = startSeconds - resumedSeconds;
    t.ok(behindSeconds > 4 && behindSeconds < 13, `${behindSeconds} s behind`);
    await watch(viewer, 2);
    const part = unitsOf(viewer).slice(before);
    t.ok(part[0]?.randomAccess, 'with a key frame');
    assertSound(t, viewer, 'over the jump');
    t.equal(other.continuity().timestampGaps, 0);
    const stored = await s.metric('forebay_segments', { state: 'stored' });
    t.ok(stored <= 4, `${stored} segments of 4 s`);
    t.ok((await s.metric('forebay_evictions_total', { reason: 'passed' })) > 0);
    t.ok((await s.metric('forebay_admissions_total', { reason: 'window' })) > 0);
  },
);

t.test(
  'a restart of the proxy or of the origin leaves a hole in the window, and no more',
  { buffered: true },
  async (t) => {
    const s = await scene(t, window(120));
    const { viewer: first, startSeconds } = await witness(s);
    await watch(first, 6);
    await first.close();
    const seen = unitsOf(first);
    await s.restart();
    const { viewer: second, startSeconds: againSeconds } = await witness(s);
    t.ok(againSeconds > startSeconds + 7, 'NPT goes on');
    await watch(second, 2);
    await s.origin.down();
    await delay(1000);
    await s.origin.up();
    await watch(second, 4);
    const viewer = await s.viewer();
    const reply = await viewer.play({ range: `npt=${startSeconds + 1}-` });
    t.ok(startOf(reply) < startSeconds + 1.001);
    await watch(viewer, 11);
    const all = [...seen, ...unitsOf(second)];
    const places = placesIn(all, unitsOf(viewer).slice(0, -1));
    // What came between the goodbye of the first and the stop of the proxy nobody else has seen.
    const lastSeen = places.lastIndexOf(seen.length - 1);
    const again = places.findIndex((place) => place >= seen.length);
    const unseen = places.flatMap((place, i) => (place < 0 && i < places.length - 30 ? [i] : []));
    t.ok(lastSeen > 0 && again > lastSeen);
    t.ok(
      unseen.every((i) => i > lastSeen && i < again),
      'whole pictures',
    );
    t.ok(
      places.every((place, i) => i === 0 || place < 0 || place > places[i - 1]!),
      'in order',
    );
    t.ok(
      places.some((place) => place >= 0 && place < seen.length),
      'from before the restart',
    );
    t.ok(
      places.some((place) => place > seen.length + 60),
      'to behind it',
    );
    const { sequenceGaps, timestampBackSteps, gapSeconds } = viewer.continuity();
    t.same([sequenceGaps, timestampBackSteps], [0, 0]);
    t.ok(gapSeconds < 0.5, `holes are passed (${gapSeconds} s)`);
  },
);
