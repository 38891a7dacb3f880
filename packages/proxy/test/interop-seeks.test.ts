import t, { type Test } from 'tap';
import type { PlayReply, RigViewer } from '@forebay/rig';
import {
  assertContinuous,
  assertRun,
  followingUnits,
  keyFrameBefore,
  playDirect,
  reached,
  type Linear,
} from './interop-linear.js';
import { directPlays, goAbroad, KINDS, once, open, play, Stage } from './interop-support.js';

t.jobs = 12;
t.setTimeout(300_000);

/** A player has sought before it played for longer. */
const STALE_SECONDS = 3;
/** Pictures of which it got a part before it sought, and a part after. */
const MOST_TORN = 2;
/** Between two entries of a Matroska file of sound. */
const ENTRY_SECONDS = 5.1;

const abroad = await goAbroad(t);
const { timeoutMs } = abroad;
const { seconds } = abroad.media;

const linear = once((title: string) => playDirect(abroad, title));
const direct = directPlays(abroad);

/** PLAY from `from`, and as much media as reaches `to`: what came is what lies there, from the key frame before. */
async function seek(
  t: Test,
  viewer: RigViewer,
  whole: Linear,
  o: { name: string; from: number; to?: number },
): Promise<PlayReply> {
  const reply = await viewer.play({ range: `npt=${o.from}-` });
  const start = reply.startSeconds ?? NaN;
  // Times are rounded: of two key frames that lie on both sides of the wish within 4 ms, either is the one before it.
  const expected = [o.from, o.from - 0.004].map((at) => keyFrameBefore(whole, at));
  // Without pictures an origin starts where its container has an entry.
  const mostLate = whole.hasPictures ? 0.025 : ENTRY_SECONDS;
  t.ok(
    expected.some((at) => Math.abs(start - at) < 0.025 || (start < at && at - start < mostLate)),
    `${o.name}: starts at ${start}, the key frame before ${o.from}`,
  );
  if (o.to === undefined) await viewer.ended({ timeoutMs });
  else await reached(viewer, reply, o.to);
  assertRun(t, viewer, o.name, { linear: whole, reply, toTheEnd: o.to === undefined });
  return reply;
}

for (const [i, title] of [...KINDS, 'h264_b2.mp4', 'h264_g10.mp4'].entries()) {
  const transport = i % 2 === 0 ? 'tcp' : 'udp';
  t.test(`${title} over ${transport}: seeks, a pause, and then everything from the patchwork`, async (t) => {
    const whole = await linear(title);
    const stage = await Stage.set(t, abroad);
    await stage.start();
    const viewer = await open(stage.url(title), transport);
    t.teardown(async () => await viewer.close());

    await seek(t, viewer, whole, { name: 'from the beginning, cold', from: 0, to: 1.5 });
    await seek(t, viewer, whole, { name: 'forward, into a hole', from: 8.4, to: 9.5 });
    await seek(t, viewer, whole, { name: 'back, into held media', from: 0.6, to: 1.2 });
    const before = await seek(t, viewer, whole, { name: 'back, into a hole', from: 3.3, to: 4.4 });

    await viewer.pause();
    const paused = viewer.recordings.map(({ packets }) => packets);
    await until(t, async () => (await stage.metric('origin_sessions')) === 0, 'PAUSE releases the origin');
    t.same(
      viewer.recordings.map(({ packets }) => packets),
      paused,
      'nothing comes in a pause',
    );
    const resumesWith = followingUnits(viewer, whole, before);
    const resumed = await viewer.play();
    await reached(viewer, resumed, 6);
    assertRun(t, viewer, 'resumed', { linear: whole, reply: resumed, resumesWith });
    assertContinuous(t, viewer, 'so far');

    const range = await viewer.play({ range: 'npt=2.2-3.5' });
    await viewer.ended({ timeoutMs });
    assertRun(t, viewer, 'an explicit end', { linear: whole, reply: range, toSeconds: 3.5 });
    t.same(range.range?.unit === 'npt' ? range.range.end : undefined, 3.5, 'an explicit end: Range says so');

    await seek(t, viewer, whole, { name: 'to the end, through holes and held media', from: 5.2 });
    assertContinuous(t, viewer, 'over all ranges');
    await viewer.teardown();

    const second = await open(stage.url(title), transport === 'tcp' ? 'udp' : 'tcp');
    t.teardown(async () => await second.close());
    await seek(t, second, whole, { name: 'another viewer, from the beginning', from: 0 });
    assertContinuous(t, second, 'another viewer');
    await second.teardown();
    t.equal(await stage.metric('seams_total', { result: 'time' }), 0, 'every join was by content');
    t.equal(await stage.metric('seams_total', { result: 'failed' }), 0);
  });
}

for (const title of ['h264_g1.mp4', 'h264_g5.mkv'] as const) {
  t.test(`${title}: two viewers and two players at different positions at once`, async (t) => {
    const whole = await linear(title);
    const stage = await Stage.set(t, abroad);
    await stage.start();
    const url = stage.url(title);
    const watch = async (name: string, from: number, transport: 'tcp' | 'udp'): Promise<void> => {
      const viewer = await open(url, transport);
      t.teardown(async () => await viewer.close());
      await seek(t, viewer, whole, { name, from });
      assertContinuous(t, viewer, name, from === 0 ? whole : undefined);
    };
    const players = (['ffmpeg', 'gstreamer'] as const).map(async (player) => {
      const got = await play(player, url, { transport: 'tcp', timeoutMs });
      t.same(got.streams, await direct(player, title), `${player}: frames as from the origin`);
    });
    await Promise.all([
      watch('from the beginning', 0, 'udp'),
      watch('from the middle', 6.1, 'tcp'),
      ...players,
    ]);
    await stage.stored(timeoutMs);
    const held = (await stage.metric('viewer_bytes_total')) / 3.5;
    const { mediaBytes } = await stage.spent();
    t.ok(
      mediaBytes < 2 * held,
      `the origin sent ${(mediaBytes / held).toFixed(2)} of the title, once for all`,
    );
  });
}

/** Players seek by themselves once they play: what they then get is the end of a play from the beginning. */
for (const [player, title, isWarm] of [
  ['ffmpeg', 'h264_g1.mp4', false],
  ['ffmpeg', 'h264_b2.mkv', true],
  ['gstreamer', 'h264_g1.mkv', false],
  ['gstreamer', 'h264_b2.mp4', true],
] as const) {
  for (const transport of ['tcp', 'udp'] as const) {
    t.test(`${player} seeks over ${transport} in ${title}, ${isWarm ? 'held' : 'not held'}`, async (t) => {
      const whole = await direct(player, title);
      const stage = await Stage.set(t, abroad);
      await stage.start();
      if (isWarm) {
        await play('ffmpeg', stage.url(title), { transport: 'tcp', timeoutMs });
        await stage.stored(timeoutMs);
        await stage.start();
      }
      const got = await play(player, stage.url(title), { transport, timeoutMs, seekSeconds: 7.3 });
      t.ok(got.ended, `it ended by itself ${got.complaint}`);
      const sought = (seconds - 7) * abroad.media.fps;
      const [pictures, sounds] = [0, 1].map((stream) => {
        const all = got.streams[stream] ?? [];
        if (transport === 'tcp') return all;
        return stream === 0 ? freshIn(all, whole[0] ?? [], sought) : all.slice(staleIn(all, whole[1] ?? []));
      }) as [string[], string[]];
      t.equal(pictures.length, sought, 'from the key frame at 7 s');
      // Parameter sets may come once more with the first.
      t.same(pictures.slice(1), whole[0]?.slice(1 - pictures.length), 'pictures to the last');
      t.ok(Math.abs(sounds.length - ((seconds - 7) * 48_000) / 1024) < 8, `${sounds.length} audio frames`);
      t.same(sounds, whole[1]?.slice(-sounds.length), 'audio to the last');
      if (isWarm) t.same(await stage.spent(), { sessions: 0, mediaBytes: 0 }, 'from disk');
    });
  }
}

/** What a player's sockets hold when it seeks it takes for what it sought: so many frames of the beginning come first. */
function staleIn(frames: readonly string[], whole: readonly string[]): number {
  const beginning = new Set(whole.slice(0, Math.round((whole.length * STALE_SECONDS) / seconds)));
  const fresh = frames.findIndex((frame) => !beginning.has(frame));
  return Math.max(0, fresh);
}

/** Without the stale ones, of whose first and last its sockets may hold only a part. */
function freshIn(pictures: readonly string[], whole: readonly string[], sought: number): string[] {
  const stale = pictures.slice(0, Math.max(0, pictures.length - sought));
  const known = new Set(whole);
  const torn = stale.filter((picture) => !known.has(picture));
  return pictures.slice(torn.length <= MOST_TORN ? stale.length : 0);
}

async function until(t: Test, holds: () => Promise<boolean>, name: string): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await holds()) && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(await holds(), name);
}
