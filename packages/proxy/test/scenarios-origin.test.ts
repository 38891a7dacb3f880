import { RigOrigin } from '@forebay/rig';
import t, { type Test } from 'tap';
import { assertSound, directFrames, film, framesOf, runIn, sameFrames, scene } from './scene.js';

t.jobs = 8;
t.setTimeout(180_000);

/** Frames that a well-behaved origin sends of the title; the origins below each have a way of their own. */
async function reference(t: Test, title = film(8)): Promise<number[][]> {
  const well = await RigOrigin.start({ titles: { '/film': title }, faults: { speed: 50 } });
  t.teardown(() => well.close());
  return directFrames(well);
}

t.test('an origin that never says goodbye', { buffered: true }, async (t) => {
  const title = film(5);
  const direct = await reference(t, title);
  const s = await scene(t, { title, faults: { bye: 'never' } });
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 40_000 });
  sameFrames(t, viewer, direct);
});

t.test('an origin that wants UDP', { buffered: true }, async (t) => {
  const title = film(5);
  const direct = await reference(t, title);
  const s = await scene(t, { title, faults: { transports: ['udp'] } });
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 40_000 });
  sameFrames(t, viewer, direct);
  assertSound(t, viewer, 'from UDP to TCP');
});

t.test('viewers read of the wall clock by which a recorder describes', { buffered: true }, async (t) => {
  const startMs = Date.UTC(2026, 0, 1);
  const s = await scene(t, { title: film(4), faults: { clockStartMs: startMs } });
  const viewer = await s.viewer();
  const ranges = viewer.description.text.match(/^a=range:.*$/gm);
  t.strictSame(ranges, ['a=range:npt=0-4', 'a=range:clock=20260101T000000Z-20260101T000004Z']);
  const { range } = await viewer.play({ range: 'clock=20260101T000002Z-' });
  t.strictSame(range, { unit: 'clock', startMs: startMs + 2000, endMs: startMs + 4000 });
});

t.test('what was learned of an origin is remembered by the next process', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(2), faults: { transports: ['udp'], speed: 4 } });
  const first = await s.viewer();
  await first.play({ range: 'npt=0-' });
  await first.ended({ timeoutMs: 40_000 });
  await s.restart();
  const [known] = s.proxy.origins();
  t.match(known, { route: 'rig', learned: { transport: 'udp', startupsMs: [Number] } });
  t.equal(known?.startupMs.p90, known?.learned.startupsMs[0]);
  const viewer = await s.viewer('tcp', '/film?other');
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 40_000 });
  const refused = s.origin.requests.filter(({ status }) => status === 461);
  t.equal(refused.length, 1, 'TCP was tried once, by the process before');
});

t.test('an origin that wants credentials gets those of the route', { buffered: true }, async (t) => {
  const credentials = { username: 'camera', password: 'p:ss#wörd' };
  for (const access of [
    { scheme: 'digest', algorithm: 'SHA-256', qop: true, nonceUses: 2 },
    { scheme: 'digest' },
    { scheme: 'basic' },
  ] as const) {
    const s = await scene(t, {
      title: film(2),
      faults: { access: { ...access, ...credentials } },
      route: { credentials, allowBasic: true },
    });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 40_000 });
    assertSound(t, viewer, JSON.stringify(access));
  }
  const refused = await scene(t, {
    title: film(2),
    faults: { access: { scheme: 'digest', ...credentials } },
  });
  await t.rejects(refused.viewer(), { message: /502/ });
});

for (const seek of ['never', 'pretends'] as const) {
  t.test(`an origin that cannot seek, and ${seek} says so`, { buffered: true }, async (t) => {
    const title = film(10);
    const direct = await reference(t, title);
    const s = await scene(t, { title, faults: { seek } });
    const first = await s.viewer();
    await first.play({ range: 'npt=0-' });
    await first.until(() => first.recording(0).packets > 500, { timeoutMs: 20_000, what: 'six seconds' });
    await first.close();
    await s.restart();
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 40_000 });
    sameFrames(t, viewer, direct);
    assertSound(t, viewer, 'over the seam');
  });
}

t.test(
  'an origin whose packets match nothing after a seek joins by time, at a key frame',
  { buffered: true },
  async (t) => {
    const title = film(10);
    const direct = await reference(t, title);
    const s = await scene(t, { title, faults: { afterSeek: film(10, { seed: 2 }) } });
    const first = await s.viewer();
    await first.play({ range: 'npt=0-' });
    await first.until(() => first.recording(0).packets > 500, { timeoutMs: 20_000, what: 'six seconds' });
    await first.close();
    await s.restart();
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 40_000 });
    const { sequenceGaps, sequenceRepeats, timestampBackSteps } = viewer.continuity();
    t.same([sequenceGaps, sequenceRepeats, timestampBackSteps], [0, 0, 0]);
    t.equal(framesOf(viewer)[0]?.length, direct[0]?.length, 'as many pictures as the title has');
    t.equal(await s.metric('forebay_seams_total', { result: 'time' }), 1);
  },
);

for (const [what, faults] of [
  ['says goodbye in the middle', { bye: 4.5 }],
  ['closes the connection in the middle', { dieAtPacket: 400 }],
  ['resets the connection in the middle', { dieAtPacket: 400, death: 'reset' }],
] as const) {
  t.test(`an origin that ${what} is asked again from there`, { buffered: true }, async (t) => {
    const title = film(8);
    const direct = await reference(t, title);
    const s = await scene(t, { title, faults });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    // The session that runs keeps its script.
    s.origin.setFaults('death' in faults ? { death: faults.death } : {});
    await viewer.ended({ timeoutMs: 40_000 });
    sameFrames(t, viewer, direct);
    assertSound(t, viewer, what);
    t.ok(s.origin.counters.plays >= 2);
  });
}

t.test(
  'lost packets of an origin over UDP are passed on as lost, and never stored',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(6), faults: { transports: ['udp'], loseEvery: 97 } });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 20_000 });
    t.ok(viewer.continuity().sequenceGaps > 0, 'the viewer can see what is missing');
    t.equal(
      viewer.recordings.reduce((sum, r) => sum + r.wrongPayloads, 0),
      0,
    );
    t.equal(await s.metric('forebay_admissions_total', { decision: 'admitted' }), 0);
  },
);

t.test(
  'what was lost on the way from the origin is asked for again, and then kept',
  { buffered: true },
  async (t) => {
    const title = film(9);
    const direct = await reference(t, title);
    const s = await scene(t, { title, faults: { transports: ['udp'], loseEvery: 97 } });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    // The session that runs keeps its script.
    s.origin.setFaults({ transports: ['udp'] });
    await viewer.ended({ timeoutMs: 40_000 });
    t.ok(viewer.continuity().sequenceGaps > 0);
    const deadlineMs = performance.now() + 60_000;
    while ((await s.metric('forebay_admissions_total', { decision: 'admitted' })) < 3) {
      if (performance.now() > deadlineMs) throw new Error('not mended');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { plays } = s.origin.counters;
    const next = await s.viewer();
    await next.play({ range: 'npt=0-' });
    await next.ended({ timeoutMs: 40_000 });
    sameFrames(t, next, direct);
    assertSound(t, next, 'played again');
    t.equal(s.origin.counters.plays, plays, 'from what is held');
  },
);

t.test('refusals of the origin reach the viewer as what they mean', { buffered: true }, async (t) => {
  for (const [status, seen] of [
    [404, 404],
    [403, 502],
    [503, 503],
    [500, 502],
  ] as const) {
    const s = await scene(t, { title: film(1), faults: { statuses: { DESCRIBE: status } } });
    await t.rejects(s.viewer(), { message: new RegExp(String(seen)) }, `DESCRIBE ${status}`);
  }
  const full = await scene(t, { title: film(1), faults: { maxSessions: 0 } });
  const viewer = await full.viewer();
  await t.rejects(viewer.play({ range: 'npt=0-' }), { message: /453/ });
});

t.test('a held title plays while the origin is down', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(4) });
  const direct = await directFrames(s.origin);
  const first = await s.viewer();
  await first.play({ range: 'npt=0-' });
  await first.ended({ timeoutMs: 40_000 });
  await s.origin.close();
  await s.restart();
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: 40_000 });
  sameFrames(t, viewer, direct);
});

t.test(
  'live: late viewers start at the newest key frame of one pull, and no range is sent',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { titles: { '/film': { title: film(30, { gopSeconds: 2 }), live: true } } });
    const first = await s.viewer();
    await first.play({ range: 'npt=0-' });
    await first.received(200, { timeoutMs: 10_000 });
    const second = await s.viewer();
    await second.play();
    await second.received(200, { timeoutMs: 10_000 });
    t.equal(s.origin.counters.plays, 1);
    t.notOk(
      s.origin.requests.some((r) => r.method === 'PLAY' && r.header('Range') !== undefined),
      'no Range',
    );
    const units = second.accessUnits(0, { parameterSets: false });
    t.ok(units[0]?.randomAccess, 'starts at a key frame');
    const whole = first.frames(0, { parameterSets: false });
    t.ok(
      runIn(
        whole,
        units.slice(0, 20).map((u) => u.hash),
      ) >= 0,
      'sees what the first one sees',
    );
    assertSound(t, second, 'live');
  },
);
