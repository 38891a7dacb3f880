import t from 'tap';
import { assertSound, directFrames, film, forget, framesOf, runIn, sameFrames, scene } from './scene.js';

t.jobs = 4;
t.setTimeout(180_000);

t.test(
  'one who seeks again and again disturbs nobody who rides the same flight',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(12) });
    s.origin.setFaults({ speed: 50 });
    const direct = await directFrames(s.origin);
    s.origin.setFaults({});
    const calm = await s.viewer();
    await calm.play({ range: 'npt=0-' });
    const restless = await s.viewer();
    await restless.play({ range: 'npt=0-' });
    await calm.received(150, { timeoutMs: 30_000 });
    for (const seconds of [8, 0, 10, 3, 6, 1, 11, 5]) {
      const before = restless.recording(0).packets;
      const { startSeconds } = await restless.play({ range: `npt=${seconds}-` });
      t.ok(startSeconds !== undefined && startSeconds <= seconds && startSeconds >= seconds - 1);
      await restless.until(() => restless.recording(0).packets > before + 5, {
        timeoutMs: 30_000,
        what: 'media from there',
      });
    }
    await restless.teardown();
    await calm.ended({ timeoutMs: 60_000 });
    sameFrames(t, calm, direct);
    assertSound(t, calm, 'the calm one');
    const { firstRtpMs, endedMs } = calm.times;
    t.comment(`played ${((endedMs! - firstRtpMs!) / 1000).toFixed(1)} s of 12`);
    t.ok(endedMs! - firstRtpMs! < 14_000, 'and stood still nowhere');
  },
);

t.test(
  'an origin that is slower than was thought is asked earlier the next time',
  { buffered: true },
  async (t) => {
    const paths = ['/one', '/two'] as const;
    const titles = Object.fromEntries(paths.map((path, i) => [path, film(14, { seed: i + 1 })]));
    const s = await scene(t, { titles, faults: { speed: 20 } });
    for (const path of paths) {
      const viewer = await s.viewer('tcp', path);
      await viewer.play({ range: 'npt=0-' });
      await viewer.until(() => s.origin.counters.openSessions === 0, { timeoutMs: 60_000, what: 'the fill' });
      await viewer.close();
    }
    await s.restart();
    await forget(s, (cell) => cell > 1);
    await s.restart();
    s.origin.setFaults({ delaysMs: { media: 4000 } });
    const gaps: number[] = [];
    for (const path of paths) {
      const viewer = await s.viewer('tcp', path);
      await viewer.play({ range: 'npt=0-' });
      await viewer.ended({ timeoutMs: 60_000 });
      t.equal(viewer.continuity().sequenceGaps, 0);
      t.equal(framesOf(viewer)[0]?.length, 14 * 25, 'all of it');
      gaps.push(await s.metric('forebay_gap_seconds_total'));
    }
    t.ok(gaps[0]! > 1, `nobody knew at first: ${gaps[0]!.toFixed(1)} s`);
    t.equal(gaps[1], gaps[0], 'then it was known');
    t.ok((await s.metric('forebay_origin_lead_seconds')) > 4, 'and is told');
  },
);

t.test(
  'a viewer who comes late is patched up to what is held, and rides from there',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(16) });
    s.origin.setFaults({ speed: 50 });
    const direct = await directFrames(s.origin);
    s.origin.setFaults({});
    const before = s.origin.counters.mediaBytes;
    const first = await s.viewer();
    await first.play({ range: 'npt=8-' });
    await first.received(200, { timeoutMs: 30_000 });
    const second = await s.viewer();
    await second.play({ range: 'npt=4-' });
    await Promise.all([first, second].map((viewer) => viewer.ended({ timeoutMs: 60_000 })));
    t.equal(runIn(direct[0]!, framesOf(first)[0]!), 8 * 25);
    t.equal(runIn(direct[0]!, framesOf(second)[0]!), 4 * 25);
    t.equal(framesOf(second)[0]!.length, 12 * 25);
    assertSound(t, second, 'the late one');
    t.equal(s.origin.counters.plays, 3, 'the reference, a flight, and a patch');
    const share = (s.origin.counters.mediaBytes - before) / before;
    t.ok(
      share < 14 / 16,
      `${(share * 16).toFixed(1)} s of media for 12 s of title: the patch ended where held media begins`,
    );
  },
);
