import t from 'tap';
import { assertSound, directFrames, film, framesOf, holding, runIn, scene } from './scene.js';

t.jobs = 4;
t.setTimeout(240_000);

const title = film(40);
const POSITIONS = Array.from({ length: 10 }, (_, i) => 4 * i);

for (const [what, route, workers] of [
  ['that the route names', { maxSessions: 1 }],
  ['that the origin turns out to have', {}],
  ['that the origin turns out to have, with workers', {}, 2],
] as const) {
  t.test(
    `one session, ${what}: ten viewers of a half cached title all play to the end`,
    { buffered: true },
    async (t) => {
      const more = workers === undefined ? {} : { workers };
      const s = await scene(t, { title, route, faults: { maxSessions: 1 }, ...more });
      await holding(s, (cell) => cell < 5);
      const before = { ...s.origin.counters };
      const viewers = await Promise.all(POSITIONS.map(() => s.viewer()));
      const startMs = performance.now();
      const starts: number[] = [];
      const waitsMs = await Promise.all(
        viewers.map(async (viewer, i) => {
          const { startSeconds = NaN } = await viewer.play({ range: `npt=${POSITIONS[i]!}-` });
          t.ok(
            startSeconds >= POSITIONS[i]! - 1 && startSeconds <= POSITIONS[i]!,
            `starts where it asked to: ${startSeconds} for ${POSITIONS[i]!}`,
          );
          starts[i] = startSeconds;
          return performance.now() - startMs;
        }),
      );
      await Promise.all(viewers.map((viewer) => viewer.ended({ timeoutMs: 120_000 })));
      t.comment(`waits for PLAY, s: ${waitsMs.map((ms) => (ms / 1000).toFixed(1)).join(' ')}`);
      t.comment(`gaps: ${await s.metric('forebay_gap_seconds_total')} s`);
      t.equal(s.origin.counters.mostSessions, 1, 'one session at a time');
      t.ok(s.origin.counters.mediaBytes - before.mediaBytes < 1.5 * (s.origin.mediaBytesOf('/film') / 2));
      s.origin.setFaults({ speed: 50 });
      const direct = await directFrames(s.origin);
      viewers.forEach((viewer, i) => {
        assertSound(t, viewer, `from ${POSITIONS[i]!} s`);
        const frames = framesOf(viewer);
        t.equal(runIn(direct[0]!, frames[0]!), starts[i]! * 25);
        t.equal(frames[0]!.length, (40 - starts[i]!) * 25, 'to the end');
      });
      t.ok(Math.max(...waitsMs.slice(0, 5)) < waitsMs[7]!, 'what is held waits for nobody');
      for (const ms of waitsMs) t.ok(ms < 30_000, 'nobody waits longer than the limit');
    },
  );
}
