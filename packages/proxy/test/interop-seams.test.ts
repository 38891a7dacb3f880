import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { assertContinuous, assertRun, playDirect, reached } from './interop-linear.js';
import { directPlays, goAbroad, KINDS, once, open, play, Stage, type Transport } from './interop-support.js';

t.jobs = 5;
t.setTimeout(300_000);

const abroad = await goAbroad(t);
const { timeoutMs } = abroad;

const linear = once((title: string) => playDirect(abroad, title));
const direct = directPlays(abroad);

/** What is held when a viewer comes, by grid cell, and how many seams that makes. */
const HOLDINGS = [
  { name: 'the first segment', isHeld: (cell: number) => cell < 1, seams: 1 },
  { name: 'the first two segments', isHeld: (cell: number) => cell < 2, seams: 1 },
  { name: 'all but one in the middle', isHeld: (cell: number) => cell !== 1, seams: 1 },
  { name: 'all but the beginning', isHeld: (cell: number) => cell > 0, seams: 0 },
] as const;

/** A viewer of our own plays from the beginning to the end, and misses nothing. */
async function watch(
  t: Test,
  stage: Stage,
  o: { title: string; transport: Transport; name: string },
): Promise<void> {
  const expected = linear(o.title);
  const viewer = await open(stage.url(o.title), o.transport);
  try {
    const reply = await viewer.play({ range: 'npt=0-' });
    await viewer.ended({ timeoutMs });
    t.equal(reply.startSeconds, 0, `${o.name}: from the beginning`);
    assertRun(t, viewer, o.name, { linear: await expected, reply, toTheEnd: true });
    assertContinuous(t, viewer, o.name, await expected);
    await viewer.teardown();
  } finally {
    await viewer.close();
  }
}

/** A cache directory that holds all of `title`, made by playing it cold. */
async function filled(t: Test, title: string, transport: Transport): Promise<Stage> {
  const stage = await Stage.set(t, abroad);
  await stage.start();
  await watch(t, stage, { title, transport, name: 'cold' });
  await stage.stored(timeoutMs);
  await stage.stop();
  return stage;
}

for (const [i, title] of KINDS.entries()) {
  t.test(`${title}: a seam behind every prefix, and around a hole`, async (t) => {
    const transports = i % 2 === 0 ? (['tcp', 'udp'] as const) : (['udp', 'tcp'] as const);
    const full = await filled(t, title, transports[0]);
    const cells = (await full.segments()).map(({ cell }) => cell);
    t.same(cells.slice(0, 3), [0, 1, 2], 'three segments, and one more where sound ends a little later');
    t.ok(cells.length <= 4);
    await Promise.all(
      HOLDINGS.map(async ({ name, isHeld, seams }, k) => {
        const stage = await Stage.set(t, abroad, full);
        await stage.forget((cell) => !isHeld(cell));
        await stage.start();
        const player = (i + k) % 2 === 0 ? 'ffmpeg' : 'gstreamer';
        const transport = transports[k >> 1]!;
        const reference = direct(player, title);
        const [got] = await Promise.all([
          play(player, stage.url(title), { transport, timeoutMs }),
          watch(t, stage, { title, transport: transport === 'tcp' ? 'udp' : 'tcp', name }),
        ]);
        t.ok(got.ended, `${name}: ${player} ended by itself ${got.complaint}`);
        t.same(
          got.streams,
          await reference,
          `${name}: ${player} over ${transport}: frames as from the origin`,
        );
        const { sessions, mediaBytes } = await stage.spent();
        t.equal(sessions, (await linear(title)).streams.length, `${name}: one origin session for both`);
        t.ok(mediaBytes > 0);
        t.ok(
          (await stage.metric('viewer_bytes_total', { source: 'disk' })) > 0,
          `${name}: what is held came from disk`,
        );
        const joined = {
          content: await stage.metric('seams_total', { result: 'content' }),
          time: await stage.metric('seams_total', { result: 'time' }),
          failed: await stage.metric('seams_total', { result: 'failed' }),
        };
        t.same(joined, { content: seams, time: 0, failed: 0 }, `${name}: joined by content`);
        await stage.stored(timeoutMs, cells);
        t.same(
          (await stage.segments()).map(({ cell }) => cell),
          cells,
          `${name}: the hole is filled`,
        );
      }),
    );
  });
}

t.test('a viewer that leaves inside the prefix costs the origin nothing', async (t) => {
  const title = 'h264_g1.mp4';
  const full = await filled(t, title, 'tcp');
  await Promise.all(
    (['tcp', 'udp'] as const).map(async (transport) => {
      const stage = await Stage.set(t, abroad, full);
      await stage.forget((cell) => cell > 1);
      await stage.start();
      const viewer = await open(stage.url(title), transport);
      const reply = await viewer.play({ range: 'npt=0-' });
      await reached(viewer, reply, 2);
      await viewer.teardown();
      assertRun(t, viewer, transport, { linear: await linear(title), reply });
      await viewer.close();
      const player = await play('ffmpeg', stage.url(title), { transport, timeoutMs, seconds: 2 });
      t.ok(player.ended && player.streams.every((frames) => frames.length > 40), 'ffmpeg played two seconds');
      t.same(await stage.spent(), { sessions: 0, mediaBytes: 0 }, `${transport}: no origin session`);
    }),
  );
});

t.test('a flipped byte in any stored file is never served: what it spoiled is fetched again', async (t) => {
  const title = 'h264_b2.mkv';
  const full = await filled(t, title, 'tcp');
  const seed = Number(process.env['FOREBAY_SEED'] ?? Date.now() >>> 0);
  t.comment(`seed ${seed}`);
  const places = [0, 0.001, ((seed % 9973) + 1) / 9975, 0.5, 1];
  await Promise.all(
    places.map(async (place, k) => {
      const name = `a byte at ${place.toFixed(3)} of each file`;
      const stage = await Stage.set(t, abroad, full);
      const segments = await stage.segments();
      for (const { path } of segments) await flip(path, place);
      await flip(join(segments[0]!.path, '..', 'title.json'), place);
      await stage.start();
      await watch(t, stage, { title, transport: k % 2 === 0 ? 'tcp' : 'udp', name });
      t.ok((await stage.metric('store_faults_total')) >= 1, `${name}: noticed`);
      t.equal(
        await stage.metric('viewer_bytes_total', { source: 'disk' }),
        0,
        `${name}: nothing spoiled was sent`,
      );
      await stage.stored(timeoutMs);
      await stage.start();
      const again = await play('ffmpeg', stage.url(title), { transport: 'tcp', timeoutMs });
      t.same(again.streams, await direct('ffmpeg', title), `${name}: afterwards`);
      t.same(await stage.spent(), { sessions: 0, mediaBytes: 0 }, `${name}: afterwards the disk has it all`);
    }),
  );
});

/** Inverts one bit pattern of the byte at `place` (0 first, 1 last) of a file. */
async function flip(path: string, place: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.round(place * (bytes.length - 1));
  bytes[at] = bytes[at]! ^ 0x41;
  await writeFile(path, bytes);
}
