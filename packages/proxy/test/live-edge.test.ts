import t from 'tap';
import { CatchUp } from '../src/read/live-edge.js';
import { House } from './reader-house.js';
import { described, sdp } from './flight-bench.js';
import { makePackets } from './packets.js';

/** How far a viewer is behind that began 500 ms behind, after `seconds` with a turn each 40 ms; the origin's clock is fast by `ppm`. */
function behindMicros(ppm: number, seconds: number): number {
  const catchUp = new CatchUp();
  let lag = 500_000;
  for (let i = 0; i < seconds * 25; i++) {
    lag += ppm / 25;
    lag -= catchUp.step(lag, i * 40);
  }
  return lag;
}

t.test('a viewer who is behind comes up to what is on, however fast the clock of the origin', (t) => {
  for (const ppm of [-1000, 0, 1000, 4000]) t.ok(behindMicros(ppm, 15) < 1000, `${ppm} ppm`);
  t.ok(behindMicros(0, 5) > 200_000, 'not at once');
  const catchUp = new CatchUp();
  catchUp.step(0, 0);
  t.equal(catchUp.step(1e6, 60_000), 5000, 'nor in a burst after a standstill');
  t.equal(catchUp.step(-40_000, 60_040), 0, 'who waits for what is to come stays where it is');
  t.end();
});

t.test('time moves on without a hole in what is sent', async (t) => {
  const house = new House({ description: described(sdp('')) });
  const { reader, screen } = await house.viewer();
  const live = makePackets({ seconds: 60 });
  await house.play(reader, undefined, undefined, live);
  await house.pass(30_000, live);
  t.ok(screen.steps().most < 0.05 && screen.steps().least >= 0, JSON.stringify(screen.steps()));
  t.equal(reader.stats.gapSeconds, 0);
});

t.test('a viewer begins with the newest key frame, and is behind by its age, but for 0.3 s', async (t) => {
  const live = makePackets({ seconds: 60 });
  for (const [ageMs, leastSeconds, mostSeconds] of [
    [200, 0, 0.1],
    [700, 0.25, 0.5],
  ] as const) {
    const house = new House({ description: described(sdp('')) });
    const first = await house.viewer();
    await house.play(first.reader, undefined, undefined, live);
    await house.pass(4000 - (house.clock.nowMs() % 1) + ageMs - 50, live);
    const second = await house.viewer();
    await house.play(second.reader, undefined, undefined, live);
    const begun = second.screen.pictures[0]!;
    await house.pass(1000, live);
    t.equal(Math.round((begun - first.screen.pictures[0]!) * 25) % 25, 0, 'a key frame');
    const behind = first.screen.newest - second.screen.newest;
    t.ok(behind >= leastSeconds && behind <= mostSeconds, `${behind} s behind`);
  }
});

t.test('a viewer who began late comes up to the others without a hole', async (t) => {
  const live = makePackets({ seconds: 60 });
  const house = new House({ description: described(sdp('')) });
  const first = await house.viewer();
  await house.play(first.reader, undefined, undefined, live);
  await house.pass(4000 - (house.clock.nowMs() % 1) + 700 - 50, live);
  const second = await house.viewer();
  await house.play(second.reader, undefined, undefined, live);
  await house.pass(3000, live);
  t.ok(first.screen.newest - second.screen.newest > 0.15, 'not at once');
  await house.pass(12_000, live);
  t.ok(first.screen.newest - second.screen.newest < 0.05, 'but in the end');
  t.ok(second.screen.steps().most < 0.05 && second.screen.steps().least >= 0);
  t.equal(second.reader.stats.gapSeconds, 0);
});

t.test('what has come leaves within some milliseconds', async (t) => {
  const live = makePackets({ seconds: 20 });
  const house = new House({ description: described(sdp('')) });
  const { reader, screen } = await house.viewer();
  await house.play(reader, undefined, undefined, live);
  await house.pass(5000, live);
  let prompt = 0;
  for (let i = 0; i < 100; i++) {
    await house.pass(50, live);
    const before = screen.pictures.length;
    house.clock.advance(10);
    if (screen.pictures.length > before) prompt++;
  }
  t.equal(prompt, 100, 'the first of a segment, too');
});
