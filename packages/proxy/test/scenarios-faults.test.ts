import type { Title } from '@forebay/rig';
import t, { type Test } from 'tap';
import {
  assertSound,
  directFrames,
  film,
  forget,
  framesOf,
  holding,
  runIn,
  sameFrames,
  scene,
  type Scene,
} from './scene.js';

t.jobs = 6;
t.setTimeout(240_000);

const SECONDS = 10;
const title = film(SECONDS);
/** Packets of a second of the title, about. */
const SECOND_PACKETS = 100;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Frames of a play straight from the origin, in a hurry. */
async function reference(s: Scene): Promise<number[][]> {
  s.origin.setFaults({ speed: 50 });
  const frames = await directFrames(s.origin);
  s.origin.setFaults(s.faults);
  return frames;
}

/** `media` under the description of another title. */
function disguised(media: Title, { streams, durationSeconds }: Title): Title {
  const { packets } = media;
  const writePayload: Title['writePayload'] = (packet, lap, target, offset) =>
    media.writePayload(packet, lap, target, offset);
  return { streams, durationSeconds, packets, writePayload };
}

/** What happens to an origin in mid-title, and what makes it good again. */
const FAULTS: readonly {
  readonly name: string;
  readonly strike: (s: Scene) => Promise<void> | void;
  readonly outageMs: number;
  readonly heal: (s: Scene) => Promise<void> | void;
}[] = [
  {
    name: 'ends its connections and refuses new ones',
    strike: (s) => s.origin.down('fin'),
    outageMs: 3000,
    heal: (s) => s.origin.up(),
  },
  {
    name: 'is reset, all connections at once',
    strike: (s) => s.relay.cut(),
    outageMs: 0,
    heal: () => undefined,
  },
  {
    name: 'restarts',
    strike: (s) => s.origin.down('reset'),
    outageMs: 5000,
    heal: (s) => s.origin.up(),
  },
  {
    name: 'is in a black hole',
    strike: (s) => s.relay.blackhole(),
    outageMs: 12_000,
    heal: (s) => s.relay.heal(),
  },
  {
    name: 'answers with 503 after a restart',
    strike: async (s) => {
      await s.origin.down('reset');
      s.origin.setFaults({ statuses: { DESCRIBE: 503, SETUP: 503 } });
      await s.origin.up();
    },
    outageMs: 4000,
    heal: (s) => s.origin.setFaults({}),
  },
];

/** No packet is missing, repeated or out of time, and the frames are those of the origin. */
function assertWhole(
  t: Test,
  viewer: Awaited<ReturnType<Scene['viewer']>>,
  direct: readonly number[][],
): void {
  sameFrames(t, viewer, direct);
  assertSound(t, viewer, 'the viewer');
  const { timestampGaps, timestampRepeats, ssrcChanges } = viewer.continuity();
  t.same([timestampGaps, timestampRepeats, ssrcChanges], [0, 0, 0], 'no step in the timeline');
}

for (const { name, strike, outageMs, heal } of FAULTS) {
  t.test(
    `an origin that ${name}: viewers of a flight lose time and nothing else`,
    { buffered: true },
    async (t) => {
      const s = await scene(t, { title });
      const direct = await reference(s);
      const viewer = await s.viewer();
      await viewer.play({ range: 'npt=0-' });
      await viewer.received(3 * SECOND_PACKETS, { timeoutMs: 30_000 });
      await strike(s);
      await pause(outageMs);
      await heal(s);
      await viewer.ended({ timeoutMs: 90_000 });
      assertWhole(t, viewer, direct);
      t.ok((await s.metric('forebay_origin_faults_total')) > 0, 'it is counted');
      const again = await s.viewer();
      await again.play({ range: 'npt=0-' });
      await again.ended({ timeoutMs: 60_000 });
      assertWhole(t, again, direct);
    },
  );

  t.test(`an origin that ${name}: viewers of held media notice nothing`, { buffered: true }, async (t) => {
    const s = await scene(t, { title });
    const direct = await reference(s);
    await holding(s, () => true);
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.received(SECOND_PACKETS, { timeoutMs: 30_000 });
    await strike(s);
    const late = await s.viewer();
    await late.play({ range: 'npt=0-' });
    await Promise.all([viewer, late].map((each) => each.ended({ timeoutMs: 60_000 })));
    assertWhole(t, viewer, direct);
    assertWhole(t, late, direct);
    t.equal(await s.metric('forebay_gap_seconds_total'), 0);
    await heal(s);
  });
}

for (const [name, faults] of [
  ['dies in mid-segment', { dieAtPacket: 350, death: 'reset' }],
  ['falls silent', { stallAtPacket: 350 }],
  ['says goodbye long before the end', { bye: 5.2 }],
] as const) {
  t.test(`an origin that ${name} is asked again from there`, { buffered: true }, async (t) => {
    const s = await scene(t, { title, faults });
    s.origin.setFaults({ speed: 50 });
    const direct = await reference(s);
    s.origin.setFaults(faults);
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    // The session that runs keeps its script.
    s.origin.setFaults({});
    await viewer.ended({ timeoutMs: 60_000 });
    assertWhole(t, viewer, direct);
    t.equal(s.origin.counters.plays, 3, 'the reference, the session that failed, and one more');
  });
}

t.test(
  'an origin that fails before a seam and is back in time: nobody notices',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title });
    const direct = await reference(s);
    await holding(s, (cell) => cell < 2);
    await s.origin.down('reset');
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.received(2 * SECOND_PACKETS, { timeoutMs: 30_000 });
    await s.origin.up();
    await viewer.ended({ timeoutMs: 60_000 });
    assertWhole(t, viewer, direct);
    t.equal(await s.metric('forebay_gap_seconds_total'), 0);
  },
);

t.test(
  'a title that changes under its viewers is another one, and never mixed',
  { buffered: true },
  async (t) => {
    const other = film(SECONDS, { seed: 7 });
    const s = await scene(t, { title });
    const direct = await reference(s);
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.received(3 * SECOND_PACKETS, { timeoutMs: 30_000 });
    s.origin.mount('/film', other);
    s.relay.cut();
    await viewer.ended({ timeoutMs: 60_000 });
    assertSound(t, viewer, 'who was playing');
    for (const [stream, frames] of framesOf(viewer).entries()) {
      // The last picture may have come in part.
      t.equal(
        runIn(direct[stream]!, frames.slice(0, -1)),
        0,
        'sees what is held of the old one, and nothing of the new one',
      );
    }
    const late = await s.viewer();
    await late.play({ range: 'npt=0-' });
    await late.ended({ timeoutMs: 60_000 });
    sameFrames(t, late, await reference(s), 'whoever comes then sees the new one');
    t.equal(late.continuity().sequenceGaps, 0);
  },
);

t.test(
  'a title that is replaced under the same description is found out at a seam',
  { buffered: true },
  async (t) => {
    const old = film(8);
    const other = film(8, { seed: 7 });
    const s = await scene(t, { title: old });
    const direct = await reference(s);
    await holding(s, (cell) => cell < 1);
    const first = await s.viewer();
    await first.play({ range: 'npt=3-' });
    await first.received(2 * SECOND_PACKETS, { timeoutMs: 30_000 });
    await first.close();
    t.equal(await s.metric('forebay_seams_total', { result: 'content' }), 1, 'it is the same every time');
    await s.restart();
    await forget(s, (cell) => cell > 0);
    await s.restart();
    s.origin.mount('/film', {
      streams: old.streams,
      durationSeconds: old.durationSeconds,
      packets: other.packets,
      writePayload: (packet, lap, target, offset) => other.writePayload(packet, lap, target, offset),
    });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 60_000 });
    for (const [stream, frames] of framesOf(viewer).entries()) {
      t.ok(frames.length > 0);
      t.equal(runIn(direct[stream]!, frames), 0, 'nothing of the new one behind what is held of the old one');
    }
    const late = await s.viewer();
    await late.play({ range: 'npt=0-' });
    await late.ended({ timeoutMs: 60_000 });
    const anew = await reference(s);
    sameFrames(t, late, anew, 'whoever comes then sees the new one');
    await s.restart();
    const again = await s.viewer();
    await again.play({ range: 'npt=0-2' });
    await again.ended({ timeoutMs: 30_000 });
    for (const [stream, frames] of framesOf(again).entries()) {
      t.equal(runIn(anew[stream]!, frames), 0, 'so does the next process');
    }
  },
);

for (const [etag, next] of [
  ['"one"', '"two"'],
  ['"*"', '"*"'],
] as const) {
  const isBelieved = etag !== next;
  t.test(`a title whose ETag is ${etag}, then ${next}`, { buffered: true }, async (t) => {
    const old = film(3);
    const other = film(3, { seed: 7 });
    const s = await scene(t, { title: old, faults: { etag } });
    const direct = await reference(s);
    await holding(s, () => true);
    const describes = (): number => s.origin.counters.describes;
    /** Asks the origin again, behind somebody who comes long after the last answer. */
    const revalidated = async (): Promise<void> => {
      const before = describes();
      s.later(120_000);
      await (await s.viewer()).close();
      while (describes() === before) await pause(20);
      await pause(200);
    };
    await revalidated();
    s.origin.mount('/film', disguised(other, old));
    s.origin.setFaults({ etag: next });
    await revalidated();
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs: 30_000 });
    const expected = isBelieved ? await reference(s) : direct;
    sameFrames(t, viewer, expected, isBelieved ? 'the new one' : 'what is held: nobody can tell');
  });
}

t.test(
  'held titles while the origin is down: served, counted, said once, and not for ever',
  { buffered: true },
  async (t) => {
    const DAY_MS = 24 * 3_600_000;
    const s = await scene(t, { title: film(3) });
    const direct = await reference(s);
    await holding(s, () => true);
    await s.origin.down('reset');
    const stale = (): Promise<number> => s.metric('forebay_stale_serves_total', { origin: 'rig' });
    const spoken = (part: string): number => s.lines.filter((line) => line.includes(part)).length;
    for (const ms of [120_000, 120_000, DAY_MS, DAY_MS]) {
      s.later(ms);
      const viewer = await s.viewer();
      await viewer.play({ range: 'npt=0-' });
      await viewer.ended({ timeoutMs: 30_000 });
      assertWhole(t, viewer, direct);
    }
    t.ok((await stale()) >= 3, 'the first one was served before anybody knew');
    t.equal(spoken('what is held is served without it'), 1);
    s.later(7 * DAY_MS);
    await t.rejects(s.viewer(), { message: /502/ }, 'a week later no more');
    await s.origin.up();
    await pause(2500);
    const back = await s.viewer();
    t.equal(spoken('the origin answers again'), 1);
    await back.close();
    const before = await stale();
    await (await s.viewer()).close();
    t.equal(await stale(), before);
  },
);

t.test('a title that the origin no longer has is no longer served', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(3) });
  await holding(s, () => true);
  s.origin.setFaults({ statuses: { DESCRIBE: 404 } });
  await (await s.viewer()).close();
  s.later(120_000);
  await t.rejects(
    async () => {
      // The first is told of the title as it was, and may be refused it a moment later.
      for (let i = 0; i < 40; i++) {
        await (await s.viewer()).close();
        await pause(100);
      }
    },
    { message: /404/ },
    'as soon as that is known',
  );
  s.origin.setFaults({});
  await pause(2500);
  const back = await s.viewer();
  await back.play({ range: 'npt=0-' });
  await back.ended({ timeoutMs: 30_000 });
  assertSound(t, back, 'it is there again');
});
