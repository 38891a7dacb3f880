import { setTimeout as delay } from 'node:timers/promises';
import type { AccessUnit, RigViewer } from '@forebay/rig';
import t, { type Test } from 'tap';
import { live, placesIn, unitsOf, watch } from './live-scene.js';
import { assertSound, runIn, type Scene, scene } from './scene.js';

t.jobs = 8;
t.setTimeout(180_000);

/** Asserts that video breaks off only where a key frame follows in the whole row, and goes on at one. @returns the breaks */
function assertWholeGroups(t: Test, whole: readonly AccessUnit[], part: readonly AccessUnit[]): number[] {
  const places = placesIn(whole, part);
  t.notOk(places.includes(-1), 'every picture is whole');
  t.ok(part[0]?.randomAccess, 'begins with a key frame');
  const breaks = places.flatMap((place, i) => (i > 0 && place !== places[i - 1]! + 1 ? [i] : []));
  for (const i of breaks) {
    t.ok(part[i]!.randomAccess, 'goes on with a key frame');
    t.ok(whole[places[i - 1]! + 1]!.randomAccess, 'the group before it was whole');
    t.ok(places[i]! > places[i - 1]!, 'forward');
  }
  return breaks;
}

/** Asserts that two viewers see one clock: each unit that both have lies equally far from the first. */
function assertOneClock(
  t: Test,
  whole: readonly AccessUnit[],
  part: readonly AccessUnit[],
  name: string,
): void {
  const places = placesIn(whole, part);
  const offsets = new Set(
    part.flatMap(({ timestampTicks }, i) =>
      places[i]! < 0 ? [] : [(timestampTicks - whole[places[i]!]!.timestampTicks) % 2 ** 32],
    ),
  );
  t.equal(offsets.size, 1, `${name}: timestamps step by the media left out`);
}

async function crowd(s: Scene, count: number): Promise<RigViewer[]> {
  const viewers = await Promise.all(Array.from({ length: count }, () => s.viewer()));
  for (const viewer of viewers) await viewer.play();
  return viewers;
}

t.test(
  'a stalled viewer loses whole groups of pictures, and nobody else notices',
  { buffered: true },
  async (t) => {
    const s = await scene(t, live({ videoKbps: 20_000, disk: false }));
    const [slow, other, third] = (await crowd(s, 3)) as [RigViewer, RigViewer, RigViewer];
    await watch(other, 2);
    slow.stopReading();
    await watch(other, 9);
    slow.resumeReading();
    await watch(other, 3);
    const whole = unitsOf(other);
    const part = unitsOf(slow).slice(0, -1);
    const breaks = assertWholeGroups(t, whole, part);
    t.ok(breaks.length > 0, 'it was too slow for something');
    assertOneClock(t, whole, part, 'video');
    const { sequenceGaps, sequenceRepeats, timestampBackSteps } = slow.continuity();
    t.same([sequenceGaps, sequenceRepeats, timestampBackSteps], [0, 0, 0], 'sequence numbers without a hole');
    const sound = unitsOf(other, 1);
    const heard = unitsOf(slow, 1);
    assertOneClock(t, sound, heard, 'audio');
    assertAudioOfGroups(t, { whole, part, sound, heard }, breaks);
    for (const [i, viewer] of [other, third].entries()) {
      assertSound(t, viewer, `viewer ${i}`);
      t.equal(viewer.continuity().timestampGaps, 0, `viewer ${i}: nothing is missing`);
    }
    t.equal(s.origin.counters.plays, 1);
  },
);

/** Audio is left out where pictures are, up to a frame at each end, and nowhere else. */
function assertAudioOfGroups(
  t: Test,
  rows: Readonly<Record<'whole' | 'part' | 'sound' | 'heard', readonly AccessUnit[]>>,
  breaks: readonly number[],
): void {
  const { whole, part, sound, heard } = rows;
  const places = placesIn(whole, part);
  const secondsOf = (place: number): number =>
    (whole[place]!.timestampTicks - whole[0]!.timestampTicks) / 90_000;
  const left = breaks.map((i) => [secondsOf(places[i - 1]! + 1), secondsOf(places[i]!)] as const);
  const has = new Set(heard.map(({ hash }) => hash));
  const endSeconds = secondsOf(places.at(-1)!);
  const slack = 0.06;
  let [right, wrong] = [0, 0];
  for (const unit of sound) {
    const at = (unit.timestampTicks - sound[0]!.timestampTicks) / 48_000;
    if (at > endSeconds - slack || left.some((gap) => gap.some((end) => Math.abs(at - end) <= slack)))
      continue;
    const isLeftOut = left.some(([from, to]) => at > from && at < to);
    if (has.has(unit.hash) === isLeftOut) wrong++;
    else right++;
  }
  t.equal(wrong, 0, 'audio of the same interval, and no other');
  t.ok(right > 200);
}

t.test('viewers come back within 2 s of a live origin', { buffered: true }, async (t) => {
  const s = await scene(t, live());
  const [one, two] = (await crowd(s, 2)) as [RigViewer, RigViewer];
  await watch(one, 2);
  for (const downMs of [300, 6000]) {
    await s.origin.down();
    const before = one.recording(0).packets;
    await delay(downMs);
    t.ok(one.recording(0).packets - before < 20, 'nothing comes while it is down');
    const seen = [one, two].map((viewer) => viewer.recording(0).packets);
    await s.origin.up();
    const upMs = performance.now();
    await Promise.all(
      [one, two].map((viewer, i) =>
        viewer.until(() => viewer.recording(0).packets > seen[i]! + 5, {
          timeoutMs: 10_000,
          what: 'the picture',
        }),
      ),
    );
    const backMs = performance.now() - upMs;
    t.ok(backMs < 2000, `back after ${Math.round(backMs)} ms`);
    await watch(one, 2);
  }
  for (const viewer of [one, two]) assertSound(t, viewer, 'over two restarts');
  t.ok(
    runIn(
      unitsOf(one).map((u) => u.hash),
      unitsOf(two)
        .slice(0, 30)
        .map((u) => u.hash),
    ) >= 0,
  );
});
